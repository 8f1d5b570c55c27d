/* progress.h - a line on stderr that says how far a run is.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_PROGRESS_H
#define MILLRACE_TOOLS_PROGRESS_H

#include "jobs/resize.h"

typedef void (*ProgressFunction)(const ResizeProgress *progress, gpointer data);

/* Understands --progress=auto|always|never. *function: NULL when none is wanted. */
gboolean progress_wanted(const char *when, ProgressFunction *function, GError **error);
/* Ends the line, if one was begun. */
void progress_end(void);

#endif
