/* reduce_merge.h - several sources of sorted records as one, in which each key is there once.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_MR_REDUCE_MERGE_H
#define MILLRACE_MR_REDUCE_MERGE_H

#include "mr/reduce_record.h"

/* sources: (transfer full) of ReduceSource, freed with the merge.
 * Returns: (transfer full) a source; next() gives the error of the source that has one, or that of
 * reduce_record_add(). */
ReduceSource *reduce_merge_new(GPtrArray *sources, guint sum_count);

#endif
