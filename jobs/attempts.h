/* attempts.h - how often rows have killed their workers, kept across runs: a line with the row's
 * number for each death, in a file per writer, durable before the row is tried again.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ATTEMPTS_H
#define MILLRACE_JOBS_ATTEMPTS_H

#include "jobs/row_states.h"

/* Notes one death. state_fd: the job's .millrace. Returns FALSE and MILLRACE_ERROR_IO. */
gboolean attempts_note(int state_fd, const char *writer, guint64 row, GError **error);

/* How many deaths each row that is not done has cost so far, over all writers. */
typedef struct _Attempts Attempts;
/* Returns: (transfer full), or NULL and MILLRACE_ERROR_IO. */
Attempts *attempts_read(int state_fd, const RowStates *states, GError **error);
void attempts_free(Attempts *attempts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Attempts, attempts_free)
guint attempts_of(const Attempts *attempts, guint64 row);

#endif
