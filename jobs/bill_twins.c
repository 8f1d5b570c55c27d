/* bill_twins.c - a filter: a table of bits, chosen by identities, of those that were met once, and
 * one of those that were met again. An event whose bit is in the second one goes through the same
 * again with other bits, so that next to none is kept by mistake. The tables are so small that they
 * stay in the cache, where a table of identities would not.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_twins.h"

#include <string.h>

enum { EVENTS_MIN = 1024, WORD_BITS = 64, WORD_BITS_LOG2 = 6, PLACES_AN_EVENT = 16 };

struct _BillTwins {
    guint range_bits;
    guint64 *identities;
    guint64 count;
    guint64 room;
    guint64 *marks; /* a bit an event */
    guint64 marks_room;
    guint64 *once; /* a bit of this and one of twice by the bits of identities */
    guint64 *twice;
    guint64 word_room;
    guint table_bits; /* how many choose one */
};

BillTwins *
bill_twins_new(void)
{
    return g_new0(BillTwins, 1);
}

void
bill_twins_free(BillTwins *twins)
{
    g_free(twins->identities);
    g_free(twins->marks);
    g_free(twins->once);
    g_free(twins->twice);
    g_free(twins);
}

void
bill_twins_begin(BillTwins *twins, guint64 expected_count, guint range_bits)
{
    guint64 room = MAX(expected_count + expected_count / 16, EVENTS_MIN); /* they vary */

    twins->range_bits = range_bits;
    twins->count = 0;
    if (twins->room >= room && twins->room / 2 <= room)
        return;
    g_free(twins->identities);
    twins->identities = g_new(guint64, room);
    twins->room = room;
}

void
bill_twins_add(BillTwins *twins, const guint64 *identities, guint32 count)
{
    if (twins->count + count > twins->room) {
        twins->room = MAX(twins->count + count, twins->room + twins->room / 4);
        twins->identities = g_renew(guint64, twins->identities, twins->room);
    }
    memcpy(twins->identities + twins->count, identities, count * sizeof *identities);
    twins->count += count;
}

guint64
bill_twins_count(const BillTwins *twins)
{
    return twins->count;
}

/* Makes both tables empty, and large enough for all events. */
static void
clear_tables(BillTwins *twins)
{
    twins->table_bits = WORD_BITS_LOG2 + 1;
    while ((guint64)1 << twins->table_bits < twins->count * PLACES_AN_EVENT)
        twins->table_bits++;
    guint64 words = (guint64)1 << (twins->table_bits - WORD_BITS_LOG2);
    if (words != twins->word_room) {
        g_free(twins->once);
        g_free(twins->twice);
        twins->once = g_new(guint64, words);
        twins->twice = g_new(guint64, words);
        twins->word_room = words;
    }
    memset(twins->once, 0, words * sizeof *twins->once);
    memset(twins->twice, 0, words * sizeof *twins->twice);
}

/* Where an identity's bit is: first by its bits behind those that all have, then by all of them
 * mixed. */
static inline guint64
place_of(const BillTwins *twins, guint64 event, gboolean mixed)
{
    guint64 identity = twins->identities[event];
    guint64 bits = mixed ? (identity ^ identity >> 32) * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15)
                         : identity << twins->range_bits;

    return bits >> (WORD_BITS - twins->table_bits);
}

static inline void
meet(BillTwins *twins, guint64 place)
{
    guint64 bit = (guint64)1 << place % WORD_BITS;
    guint64 *once = &twins->once[place / WORD_BITS];

    twins->twice[place / WORD_BITS] |= *once & bit;
    *once |= bit;
}

static inline guint64
is_twice(const BillTwins *twins, guint64 place)
{
    return twins->twice[place / WORD_BITS] >> place % WORD_BITS & 1;
}

/* Marks those that are met more than once. Returns: how many. */
static guint64
mark(BillTwins *twins)
{
    guint64 marked = 0;

    clear_tables(twins);
    for (guint64 i = 0; i < twins->count; i++)
        meet(twins, place_of(twins, i, FALSE));
    for (guint64 word = 0; word * WORD_BITS < twins->count; word++) {
        guint64 marks = 0;
        guint left = (guint)MIN(WORD_BITS, twins->count - word * WORD_BITS);
        for (guint i = 0; i < left; i++)
            marks |= is_twice(twins, place_of(twins, word * WORD_BITS + i, FALSE)) << i;
        twins->marks[word] = marks;
        marked += (guint64)__builtin_popcountll(marks);
    }
    return marked;
}

/* Takes the mark from those that are met once among the marked ones, by other bits. */
static guint64
mark_again(BillTwins *twins)
{
    guint64 word_count = (twins->count + WORD_BITS - 1) / WORD_BITS;
    guint64 left_marked = 0;

    clear_tables(twins);
    for (guint64 word = 0; word < word_count; word++)
        for (guint64 left = twins->marks[word]; left; left &= left - 1)
            meet(twins, place_of(twins, word * WORD_BITS + (guint64)__builtin_ctzll(left), TRUE));
    for (guint64 word = 0; word < word_count; word++) {
        guint64 marks = twins->marks[word];
        for (guint64 left = marks; left; left &= left - 1) {
            guint64 event = word * WORD_BITS + (guint64)__builtin_ctzll(left);
            if (!is_twice(twins, place_of(twins, event, TRUE)))
                marks ^= left & -left;
        }
        twins->marks[word] = marks;
        left_marked += (guint64)__builtin_popcountll(marks);
    }
    return left_marked;
}

guint64
bill_twins_find(BillTwins *twins)
{
    guint64 words = twins->count / WORD_BITS + 1;

    if (words > twins->marks_room || words < twins->marks_room / 4) {
        g_free(twins->marks);
        twins->marks = g_new(guint64, words);
        twins->marks_room = words;
    }
    guint64 marked = mark(twins);
    return marked > 0 ? mark_again(twins) : 0;
}

gboolean
bill_twins_has(const BillTwins *twins, guint64 event)
{
    return twins->marks[event / WORD_BITS] >> event % WORD_BITS & 1;
}

guint64
bill_twins_next(const BillTwins *twins, guint64 from, guint64 end)
{
    while (from < end) {
        guint64 left = twins->marks[from / WORD_BITS] >> from % WORD_BITS;
        if (left)
            return MIN(end, from + (guint64)__builtin_ctzll(left));
        from += WORD_BITS - from % WORD_BITS;
    }
    return end;
}

guint64
bill_twins_identity(const BillTwins *twins, guint64 event)
{
    g_assert(event < twins->count);
    return twins->identities[event];
}
