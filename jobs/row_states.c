/* row_states.c - what has become of every row of a job so far, in four bits each: 0, or class + 1.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/row_states.h"

G_STATIC_ASSERT(ROW_CLASS_COUNT < 16);

struct _RowStates {
    GByteArray *nibbles; /* row r in byte r / 2; row 0 is unused */
    guint64 highest;
    guint64 counts[ROW_CLASS_COUNT];
};

RowStates *
row_states_new(void)
{
    RowStates *states = g_new0(RowStates, 1);

    states->nibbles = g_byte_array_new();
    return states;
}

void
row_states_free(RowStates *states)
{
    g_byte_array_unref(states->nibbles);
    g_free(states);
}

static guint
get(const RowStates *states, guint64 row)
{
    if (row / 2 >= states->nibbles->len)
        return 0;
    return (states->nibbles->data[row / 2] >> (row % 2 * 4)) & 15;
}

static void
set(RowStates *states, guint64 row, guint value)
{
    guint shift = (guint)(row % 2 * 4);
    guint8 *byte = &states->nibbles->data[row / 2];

    *byte = (guint8)((*byte & ~(15U << shift)) | value << shift);
}

static void
make_room(RowStates *states, guint64 row)
{
    guint64 needed = row / 2 + 1;
    guint before = states->nibbles->len;

    g_assert(needed < G_MAXUINT / 2);
    if (needed <= before)
        return;
    g_byte_array_set_size(states->nibbles, (guint)MAX(needed, (guint64)before + before / 8 + 4096));
    for (guint i = before; i < states->nibbles->len; i++)
        states->nibbles->data[i] = 0;
}

gboolean
row_states_done(const RowStates *states, guint64 row)
{
    return get(states, row) != 0;
}

RowClass
row_states_class(const RowStates *states, guint64 row)
{
    guint value = get(states, row);

    g_assert(value > 0);
    return (RowClass)(value - 1);
}

gboolean
row_states_note(RowStates *states, guint64 row, RowClass class)
{
    make_room(states, row);
    guint before = get(states, row);
    if (before == ROW_OK + 1)
        return FALSE;
    if (before > 0)
        states->counts[before - 1]--;
    states->counts[class]++;
    states->highest = MAX(states->highest, row);
    set(states, row, class + 1);
    return TRUE;
}

guint64
row_states_forget_failed(RowStates *states, guint32 class_mask)
{
    guint64 forgotten = 0;

    for (guint64 row = 1; row <= states->highest; row++) {
        guint value = get(states, row);
        if (value <= ROW_OK + 1 || !(class_mask & 1U << (value - 1)))
            continue;
        set(states, row, 0);
        states->counts[value - 1]--;
        forgotten++;
    }
    return forgotten;
}

guint64
row_states_highest(const RowStates *states)
{
    return states->highest;
}

guint64
row_states_count(const RowStates *states, RowClass class)
{
    return states->counts[class];
}
