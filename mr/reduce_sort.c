/* reduce_sort.c - a quicksort that looks at eight bytes of the keys at a time and keeps those
 * beside the entries: keys have long beginnings in common, which are then compared once and not in
 * every comparison. It needs no memory but a small stack, since records lie in a budget.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/reduce_sort.h"

#include <string.h>

/* The first word has the turn and the first bytes of the key, the others only bytes of the key. */
enum {
    TURN_BITS = 16,
    FIRST_BYTES = 6,
    WORD_BYTES = 8,
    INSERTION_MAX = 12,
    NINTHER_MIN = 200,
    AHEAD = 8
};

typedef struct {
    const guint8 *records;
    gsize key_at;   /* of a key, from the beginning of its record */
    guint64 random; /* pivots are drawn, so nobody can bring an order that takes forever */
} Sorter;

/* Entries whose keys are the same up to the word at level. */
typedef struct {
    ReduceSortEntry *entries;
    gsize count;
    gsize level;
} Part;

static const ReduceStored *
stored(const Sorter *sorter, const ReduceSortEntry *entry)
{
    return (const ReduceStored *)(const void *)(sorter->records + (gsize)entry->at * 8);
}

static const guint8 *
key_of(const Sorter *sorter, const ReduceSortEntry *entry)
{
    return sorter->records + (gsize)entry->at * 8 + sorter->key_at;
}

/* How many bytes of a key the words up to this level hold. */
static gsize
covered_bytes(gsize level)
{
    return FIRST_BYTES + level * WORD_BYTES;
}

/* Up to count bytes as a big-endian number of that many bytes; what is not there is 0. */
static guint64
load(const guint8 *bytes, gsize there, gsize count)
{
    guint64 word = 0;

    if (there >= WORD_BYTES) {
        memcpy(&word, bytes, WORD_BYTES);
    } else {
        for (gsize i = 0; i < there; i++)
            ((guint8 *)&word)[i] = bytes[i];
    }
    return GUINT64_FROM_BE(word) >> 8 * (WORD_BYTES - count);
}

guint64
reduce_sort_word(guint turn, const guint8 *key, gsize key_size_bytes)
{
    return (guint64)turn << (64 - TURN_BITS) | load(key, key_size_bytes, FIRST_BYTES);
}

static int
compare(const Sorter *sorter, const ReduceSortEntry *a, const ReduceSortEntry *b)
{
    if (a->word != b->word)
        return a->word < b->word ? -1 : 1;
    gsize a_size = stored(sorter, a)->key_size_bytes;
    gsize b_size = stored(sorter, b)->key_size_bytes;
    int order = memcmp(key_of(sorter, a), key_of(sorter, b), MIN(a_size, b_size));
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static void
insertion_sort(const Sorter *sorter, ReduceSortEntry *entries, gsize count)
{
    for (gsize i = 1; i < count; i++) {
        ReduceSortEntry entry = entries[i];
        gsize j = i;
        for (; j > 0 && compare(sorter, &entries[j - 1], &entry) > 0; j--)
            entries[j] = entries[j - 1];
        entries[j] = entry;
    }
}

static guint64
median(guint64 a, guint64 b, guint64 c)
{
    return MAX(MIN(a, b), MIN(MAX(a, b), c));
}

static guint64
draw_word(Sorter *sorter, const ReduceSortEntry *entries, gsize count)
{
    sorter->random ^= sorter->random << 13;
    sorter->random ^= sorter->random >> 7;
    sorter->random ^= sorter->random << 17;
    return entries[sorter->random % count].word;
}

static guint64
choose_pivot(Sorter *sorter, const ReduceSortEntry *entries, gsize count)
{
    guint64 medians[3];

    for (gsize i = 0; i < (count < NINTHER_MIN ? 1 : 3); i++)
        medians[i] = median(draw_word(sorter, entries, count), draw_word(sorter, entries, count),
                            draw_word(sorter, entries, count));
    return count < NINTHER_MIN ? medians[0] : median(medians[0], medians[1], medians[2]);
}

static void
swap(ReduceSortEntry *a, ReduceSortEntry *b)
{
    ReduceSortEntry kept = *a;
    *a = *b;
    *b = kept;
}

/* Moves lesser words to the front and greater ones to the end. Returns: where the equal ones begin,
 * and in *end where they end. */
static gsize
split(ReduceSortEntry *entries, gsize count, guint64 pivot, gsize *end)
{
    gsize less = 0;
    gsize greater = count;

    for (gsize i = 0; i < greater;) {
        if (entries[i].word < pivot)
            swap(&entries[less++], &entries[i++]);
        else if (entries[i].word > pivot)
            swap(&entries[i], &entries[--greater]);
        else
            i++;
    }
    *end = greater;
    return less;
}

/* Makes a part with equal words one of the next level. Keys that end here are few, since they
 * differ by their length alone; they come first. */
static Part
go_deeper(const Sorter *sorter, Part part)
{
    gsize covered = covered_bytes(part.level);
    gsize ended = 0;

    for (gsize i = 0; i < part.count; i++) {
        if (i + AHEAD < part.count)
            __builtin_prefetch(stored(sorter, &part.entries[i + AHEAD]));
        gsize size = stored(sorter, &part.entries[i])->key_size_bytes;
        if (size <= covered)
            swap(&part.entries[ended++], &part.entries[i]);
        else
            part.entries[i].word =
                load(key_of(sorter, &part.entries[i]) + covered, size - covered, WORD_BYTES);
    }
    insertion_sort(sorter, part.entries, ended);
    return (Part){part.entries + ended, part.count - ended, part.level + 1};
}

/* The largest of the parts becomes the last one. */
static void
put_largest_last(Part parts[3])
{
    for (gsize i = 0; i < 2; i++) {
        if (parts[i].count > parts[2].count) {
            Part kept = parts[i];
            parts[i] = parts[2];
            parts[2] = kept;
        }
    }
}

/* Calls itself for the lesser parts only, so it goes no deeper than the count has bits. */
static void
sort_part(Sorter *sorter, Part part) // NOLINT(misc-no-recursion)
{
    while (part.count > INSERTION_MAX) {
        gsize end = 0;
        guint64 pivot = choose_pivot(sorter, part.entries, part.count);
        gsize begin = split(part.entries, part.count, pivot, &end);
        Part parts[3] = {{part.entries, begin, part.level},
                         go_deeper(sorter, (Part){part.entries + begin, end - begin, part.level}),
                         {part.entries + end, part.count - end, part.level}};
        put_largest_last(parts);
        sort_part(sorter, parts[0]);
        sort_part(sorter, parts[1]);
        part = parts[2];
    }
    insertion_sort(sorter, part.entries, part.count);
}

void
reduce_sort(ReduceSortEntry *entries, gsize count, const guint8 *records, guint sum_count)
{
    Sorter sorter = {.records = records,
                     .key_at = sizeof(ReduceStored) + sum_count * sizeof(gint64),
                     .random = (guint64)g_random_int() << 32 | 1};

    for (gsize i = 0; i < count; i++) {
        const ReduceStored *record = stored(&sorter, &entries[i]);
        entries[i].word =
            reduce_sort_word(record->turn, key_of(&sorter, &entries[i]), record->key_size_bytes);
    }
    sort_part(&sorter, (Part){entries, count, 0});
}
