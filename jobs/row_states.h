/* row_states.h - what has become of every row of a job so far: four bits a row, so that a hundred
 * million rows take 50 MB.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ROW_STATES_H
#define MILLRACE_JOBS_ROW_STATES_H

#include "formats/ledger.h"

typedef struct _RowStates RowStates;

RowStates *row_states_new(void);
void row_states_free(RowStates *states);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RowStates, row_states_free)

/* Rows count from 1. A row that nothing is known of is not done. */
gboolean row_states_done(const RowStates *states, guint64 row);
/* The class of a row that is done. */
RowClass row_states_class(const RowStates *states, guint64 row);
/* Notes a row's end. An ok is never taken back; of failures the last one counts.
 * Returns: whether this is now what counts for the row. */
gboolean row_states_note(RowStates *states, guint64 row, RowClass class);
/* Makes rows that failed with a class of the mask (1 << class) undone. Returns: how many. */
guint64 row_states_forget_failed(RowStates *states, guint32 class_mask);
/* The highest row noted. */
guint64 row_states_highest(const RowStates *states);
/* How many rows ended so. */
guint64 row_states_count(const RowStates *states, RowClass class);

#endif
