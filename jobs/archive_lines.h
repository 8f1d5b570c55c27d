/* archive_lines.h - one segment printed to a scratch file, the lines of each customer and day
 * together: a part of archive_usage.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_LINES_H
#define MILLRACE_JOBS_ARCHIVE_LINES_H

#include <glib.h>

#define LINES_PREFIX "usage-" /* of the names of scratch files */

/* Lines of a customer's day that lie together in a scratch file. */
typedef struct {
    const char *customer;
    gint64 day_us; /* its begin, UTC */
    guint32 segment;
    guint64 offset;
    guint64 size_bytes;
} LinesExtent;

typedef struct {
    guint64 event_count;
    guint64 size_bytes;
} LinesTotal;

/* A printer; for one thread. */
typedef struct _Lines Lines;
/* batch_bytes: how many bytes of lines it holds before it writes; so a day of a customer has an
 * extent for each batch that it is in. */
Lines *lines_new(gsize batch_bytes);
void lines_free(Lines *lines);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lines, lines_free)

/* Checks the segment, then prints it to dir_fd/name, whatever that held. Within a customer's day
 * events keep the segment's order. segment: its number, for the extents.
 * Returns: of LinesExtent, by offset, borrowed until the next call; or NULL and an error that names
 * the segment or the file. */
const GArray *lines_print(Lines *lines, const char *path, guint32 segment, int dir_fd,
                          const char *name, LinesTotal *total, GError **error);

#endif
