/* bill_segments.h - the segments of several stores as one set. A segment may lie in more than one
 * of them; a copy that does not hold is no harm where another does.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_SEGMENTS_H
#define MILLRACE_JOBS_BILL_SEGMENTS_H

#include <glib.h>

#include "mr/comm.h"

/* One segment of the set. */
typedef struct {
    char *name;
    GPtrArray *paths; /* of its copies */
    char *path;       /* of the first copy that holds; NULL when none does */
    char *reason;     /* then: why not */
} SegmentCopies;

/* By name. Returns: (transfer full) of SegmentCopies, or NULL and error. */
GPtrArray *bill_segments_list(const char *const *stores, GError **error);
void segment_copies_free(SegmentCopies *copies);

/* Appends the list (names and paths) to bytes, and reads it again. */
void bill_segments_put(const GPtrArray *list, GByteArray *bytes);
GPtrArray *bill_segments_get(const GByteArray *bytes);

/* *Collective.* Reads every byte of the segments, each rank and thread a share, and sets path or
 * reason on rank 0. Returns FALSE when a rank had trouble of another kind. */
gboolean bill_segments_verify(Comm *comm, GPtrArray *list, guint thread_count, GError **error);

/* Finds the segments of these names in the stores, copies that hold before others. Local.
 * Returns: (transfer full) their paths, with a NULL behind them, or NULL and
 * MILLRACE_ERROR_NO_INPUT that names the first that is missing. */
GPtrArray *bill_segments_find(const char *const *stores, const GPtrArray *names, GError **error);

#endif
