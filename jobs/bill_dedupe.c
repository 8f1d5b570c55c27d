/* bill_dedupe.c - rows in one array, found by an open-addressed table of tags and row numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_dedupe.h"

#include <string.h>

#include "formats/error.h"

enum { SLOTS_MIN = 1024, ROWS_MIN = 1024 };

struct _Dedupe {
    const Interner *writers;
    guint number_count;
    gsize row_bytes;
    guint8 *rows;
    guint32 row_count;
    guint32 row_room;
    guint64 *slots; /* upper half of the identity, row number + 1; 0 is free */
    guint64 slot_mask;
};

Dedupe *
dedupe_new(guint number_count, const Interner *writers)
{
    Dedupe *dedupe = g_new0(Dedupe, 1);

    dedupe->writers = writers;
    dedupe->number_count = number_count;
    dedupe->row_bytes = sizeof(Copy) + number_count * sizeof(gint64);
    dedupe_clear(dedupe, 0);
    return dedupe;
}

void
dedupe_free(Dedupe *dedupe)
{
    g_free(dedupe->rows);
    g_free(dedupe->slots);
    g_free(dedupe);
}

gsize
dedupe_event_size(guint number_count)
{
    /* The table is at most half full, and as it grows by doubling up to a quarter. */
    return sizeof(Copy) + number_count * sizeof(gint64) + 4 * sizeof(guint64);
}

static inline Copy *
row(const Dedupe *dedupe, guint32 index)
{
    return (Copy *)(dedupe->rows + index * dedupe->row_bytes);
}

void
dedupe_clear(Dedupe *dedupe, guint64 expected_count)
{
    guint64 slot_count = SLOTS_MIN;

    while (slot_count < 2 * expected_count)
        slot_count *= 2;
    if (!dedupe->slots || slot_count != dedupe->slot_mask + 1) {
        g_free(dedupe->slots);
        dedupe->slots = g_new0(guint64, slot_count);
        dedupe->slot_mask = slot_count - 1;
    } else {
        memset(dedupe->slots, 0, slot_count * sizeof *dedupe->slots);
    }
    guint64 room = CLAMP(expected_count + 1, ROWS_MIN, G_MAXINT32);
    if (!dedupe->rows || dedupe->row_room < room || dedupe->row_room / 2 > room) {
        g_free(dedupe->rows);
        dedupe->rows = g_malloc_n(room, dedupe->row_bytes);
        dedupe->row_room = (guint32)room;
    }
    dedupe->row_count = 0;
}

Copy *
dedupe_slot(Dedupe *dedupe)
{
    if (dedupe->row_count == dedupe->row_room) {
        guint64 room = (guint64)dedupe->row_room + dedupe->row_room / 2;
        g_assert(room < G_MAXINT32);
        dedupe->rows = g_realloc_n(dedupe->rows, room, dedupe->row_bytes);
        dedupe->row_room = (guint32)room;
    }
    return row(dedupe, dedupe->row_count);
}

/* Where a row is looked for: contents beside the first of an identity are found by themselves, so
 * that a flood of conflicts is no slower than anything else. */
static inline guint64
key_of(const Copy *copy)
{
    if (copy->is_first)
        return copy->identity;
    return (copy->identity ^ (copy->contents + copy->ok)) * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);
}

static inline guint64
entry_of(guint64 key, guint32 index)
{
    return (key & ~(guint64)G_MAXUINT32) | (index + 1);
}

static void
grow_slots(Dedupe *dedupe)
{
    guint64 slot_count = (dedupe->slot_mask + 1) * 2;

    g_free(dedupe->slots);
    dedupe->slots = g_new0(guint64, slot_count);
    dedupe->slot_mask = slot_count - 1;
    for (guint32 index = 0; index < dedupe->row_count; index++) {
        guint64 key = key_of(row(dedupe, index));
        guint64 at = key;
        while (dedupe->slots[at & dedupe->slot_mask])
            at++;
        dedupe->slots[at & dedupe->slot_mask] = entry_of(key, index);
    }
}

static gboolean
is_same_event(const Copy *a, const Copy *b)
{
    if (a->identity != b->identity || a->source != b->source || a->id_is_text != b->id_is_text)
        return FALSE;
    return a->id_is_text ? strcmp(a->id.text, b->id.text) == 0
                         : memcmp(a->id.hex, b->id.hex, COPY_HEX_BYTES) == 0;
}

/* By (time, writer, sequence); then by what was measured, so that there is always one order. */
static int
compare_copies(const Dedupe *dedupe, const Copy *a, const Copy *b)
{
    if (a->time_us != b->time_us)
        return a->time_us < b->time_us ? -1 : 1;
    int writers = a->writer == b->writer ? 0
                                         : strcmp(interner_text(dedupe->writers, a->writer),
                                                  interner_text(dedupe->writers, b->writer));
    if (writers != 0)
        return writers;
    if (a->sequence != b->sequence)
        return a->sequence < b->sequence ? -1 : 1;
    for (guint i = 0; i < dedupe->number_count; i++)
        if (a->numbers[i] != b->numbers[i])
            return a->numbers[i] < b->numbers[i] ? -1 : 1;
    return 0;
}

/* One more of the copies that same stands for. */
static void
merge(const Dedupe *dedupe, Copy *same, const Copy *copy)
{
    same->copy_count++;
    same->segment = MIN(same->segment, copy->segment);
    same->known_time_us = MIN(same->known_time_us, copy->known_time_us);
    if (compare_copies(dedupe, copy, same) < 0) {
        same->time_us = copy->time_us;
        same->writer = copy->writer;
        same->sequence = copy->sequence;
        memcpy(same->numbers, copy->numbers, dedupe->number_count * sizeof *copy->numbers);
    }
}

static gboolean
has_same_contents(const Copy *a, const Copy *b)
{
    return a->contents == b->contents && a->ok == b->ok;
}

/* Finds the row like copy: the first of its identity, or one of the same contents beside that.
 * Returns NULL and the free slot where it would be. */
static Copy *
find(Dedupe *dedupe, const Copy *copy, guint64 **free_slot)
{
    guint64 at = key_of(copy);
    guint32 tag = at >> 32;

    for (guint64 slot; (slot = dedupe->slots[at & dedupe->slot_mask]) != 0; at++) {
        Copy *other = slot >> 32 == tag ? row(dedupe, (guint32)slot - 1) : NULL;
        if (other && other->is_first == copy->is_first && is_same_event(other, copy) &&
            (copy->is_first || has_same_contents(other, copy)))
            return other;
    }
    *free_slot = &dedupe->slots[at & dedupe->slot_mask];
    return NULL;
}

void
dedupe_add(Dedupe *dedupe, gboolean known)
{
    Copy *copy = row(dedupe, dedupe->row_count);
    guint64 *free_slot = NULL;

    copy->known_time_us = known ? copy->time_us : G_MAXINT64;
    copy->copy_count = 1;
    copy->next = 0;
    copy->is_first = TRUE;
    Copy *first = find(dedupe, copy, &free_slot);
    Copy *same = first;
    if (first && !has_same_contents(first, copy)) {
        copy->is_first = FALSE;
        same = find(dedupe, copy, &free_slot);
    }
    if (same) {
        merge(dedupe, same, copy);
        return;
    }
    *free_slot = entry_of(key_of(copy), dedupe->row_count);
    dedupe->row_count++;
    if (first) {
        copy->next = first->next;
        first->next = dedupe->row_count;
    }
    if ((guint64)dedupe->row_count * 2 > dedupe->slot_mask)
        grow_slots(dedupe);
}

void
dedupe_prefetch(const Dedupe *dedupe, guint64 identity)
{
    __builtin_prefetch(&dedupe->slots[identity & dedupe->slot_mask]);
}

guint32
dedupe_count(const Dedupe *dedupe)
{
    return dedupe->row_count;
}

const Copy *
dedupe_copy(const Dedupe *dedupe, guint32 index)
{
    return row(dedupe, index);
}

const Copy *
dedupe_winner(const Dedupe *dedupe, const Copy *first)
{
    const Copy *winner = first;

    for (guint32 next = first->next; next; next = row(dedupe, next - 1)->next) {
        const Copy *copy = row(dedupe, next - 1);
        int order = compare_copies(dedupe, copy, winner);
        /* Only contents can tell apart copies that are equal in all else. */
        if (order == 0)
            order = copy->contents < winner->contents ? -1 : 1;
        if (copy->ok == winner->ok ? order < 0 : copy->ok)
            winner = copy;
    }
    return winner;
}

gint64
dedupe_known_time(const Dedupe *dedupe, const Copy *first)
{
    gint64 time_us = G_MAXINT64;
    gboolean ok = FALSE;

    for (const Copy *copy = first;; copy = row(dedupe, copy->next - 1)) {
        if (copy->known_time_us != G_MAXINT64 &&
            (copy->ok == ok ? copy->known_time_us < time_us : copy->ok)) {
            time_us = copy->known_time_us;
            ok = copy->ok;
        }
        if (copy->next == 0)
            return time_us;
    }
}

#define EACH_BYTE(byte) (G_GUINT64_CONSTANT(0x0101010101010101) * (byte))

/* Eight hexadecimal digits in lower case as four bytes, eight at a time, since this is done for
 * every id. Returns FALSE when one of them is none. */
static inline gboolean
pack_digits(const char *digits, guint8 *bytes)
{
    guint64 word = 0;

    memcpy(&word, digits, sizeof word);
    word = GUINT64_FROM_LE(word);
    guint64 letters = word >> 6 & EACH_BYTE(1); /* 1 for what may be a to f */
    guint64 low = word & EACH_BYTE(0x0f);
    guint64 values = low + letters * 9;
    guint64 wrong = (word & EACH_BYTE(0xf0)) ^ (EACH_BYTE(0x30) + letters * 0x30);
    wrong |= (values + (EACH_BYTE(1) - letters) * 6) & EACH_BYTE(0xf0); /* above 9, above f */
    wrong |= letters << 4 & ~(low + EACH_BYTE(0x0f));                   /* below a */
    values = (values << 4 | values >> 8) & G_GUINT64_CONSTANT(0x00ff00ff00ff00ff);
    values = (values | values >> 8) & G_GUINT64_CONSTANT(0x0000ffff0000ffff);
    guint32 packed = GUINT32_TO_LE((guint32)(values | values >> 16));
    memcpy(bytes, &packed, sizeof packed);
    return wrong == 0;
}

gboolean
copy_set_hex_id(Copy *copy, const char *id, gsize size_bytes)
{
    gboolean is_hex = size_bytes == 2 * COPY_HEX_BYTES;

    for (guint i = 0; is_hex && i < COPY_HEX_BYTES; i += 4)
        is_hex = pack_digits(id + 2 * i, copy->id.hex + i);
    copy->id_is_text = !is_hex;
    return is_hex;
}

void
copy_print_id(const Copy *copy, GString *out)
{
    static const char digits[] = "0123456789abcdef";

    if (copy->id_is_text) {
        g_string_append(out, copy->id.text);
        return;
    }
    for (guint i = 0; i < COPY_HEX_BYTES; i++) {
        g_string_append_c(out, digits[copy->id.hex[i] >> 4]);
        g_string_append_c(out, digits[copy->id.hex[i] & 15]);
    }
}
