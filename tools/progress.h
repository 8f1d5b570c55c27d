/* progress.h - a line on stderr that says how far a run is.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_PROGRESS_H
#define MILLRACE_TOOLS_PROGRESS_H

#include "jobs/resize.h"

typedef void (*ProgressFunction)(const ResizeProgress *progress, gpointer data);

/* Understands --progress=auto|always|never. *function: NULL when none is wanted. */
gboolean progress_wanted(const char *when, ProgressFunction *function, GError **error);
/* The same for a run that is told in bytes. *wanted: whether progress_bytes() shall be called. */
gboolean progress_bytes_wanted(const char *when, gboolean *wanted, GError **error);
void progress_bytes(guint64 done_bytes, guint64 total_bytes, gpointer data);
/* Ends the line, if one was begun. */
void progress_end(void);

#endif
