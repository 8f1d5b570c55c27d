/* bill_contents.h - what copies of an event have in common, as a hash. Rules: formats/README.md,
 * "Usage event v1, Copies".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_CONTENTS_H
#define MILLRACE_JOBS_BILL_CONTENTS_H

#include <glib.h>

#include "formats/segment.h"

/* The columns that it is made of. */
#define BILL_CONTENTS_COLUMNS                                                                      \
    (1u << SEGMENT_TYPE | 1u << SEGMENT_SUBJECT | 1u << SEGMENT_REQUEST | 1u << SEGMENT_OP |       \
     1u << SEGMENT_FORMAT | 1u << SEGMENT_STATUS | 1u << SEGMENT_EXTRA | 1u << SEGMENT_BYTES_IN |  \
     1u << SEGMENT_BYTES_OUT | 1u << SEGMENT_PIXELS_IN | 1u << SEGMENT_PIXELS_OUT)

guint64 bill_contents_hash(SegmentBlock *block, guint32 row);

#endif
