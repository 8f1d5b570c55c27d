/* bill_classes.h - the class of each event: its type, op, format and status, of which there are few
 * combinations.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_CLASSES_H
#define MILLRACE_JOBS_BILL_CLASSES_H

#include <glib.h>

#include "jobs/bill_scan.h"

#define BILL_CLASSES_MAX (1 << 16)
#define BILL_CLASSES_COLUMNS                                                                       \
    (1u << SEGMENT_TYPE | 1u << SEGMENT_OP | 1u << SEGMENT_FORMAT | 1u << SEGMENT_STATUS)

typedef struct _BillClasses BillClasses;

/* class_new: see ScanVisitor; may be NULL. */
BillClasses *bill_classes_new(void (*class_new)(gpointer data, ScanClass *class), gpointer data);
void bill_classes_free(BillClasses *classes);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BillClasses, bill_classes_free)

/* Sets numbers to those of the block's events. Returns FALSE when there are too many classes. */
gboolean bill_classes_number(BillClasses *classes, SegmentBlock *block, guint32 *numbers);
guint32 bill_classes_count(const BillClasses *classes);
const ScanClass *bill_classes_get(const BillClasses *classes, guint32 number);

#endif
