/* bill_scan.h - reads segments and gives each event once: copies of one identity meet, whatever
 * segments they lie in, and one of them counts. Rules: formats/README.md, "Usage event v1, Copies".
 *
 * The space of identities is cut into 2^n ranges, as many as the memory budget asks for; ranges are
 * handed out to ranks and threads, and no event is ever sent anywhere. A range is read twice: first
 * its identities alone, which tell what may have copies (bill_twins.c); then the rest, when all
 * others are visited at once, and only these are kept and compared (bill_dedupe.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_SCAN_H
#define MILLRACE_JOBS_BILL_SCAN_H

#include <glib.h>

#include "formats/segment.h"
#include "jobs/bill_customers.h"
#include "mr/comm.h"

#define SCAN_ID_CHARS_MAX 65536 /* what an id can be in a line */

/* What events have in common that is seen in few spellings. Made once a thread. */
typedef struct {
    const char *type;
    const char *op;
    const char *format;
    const char *status;
    gboolean ok;
    gpointer note; /* the visitor's own, set by its class_new(); freed by g_free() */
} ScanClass;

/* The copy of an event that counts. Borrowed during the call. */
typedef struct {
    guint32 source;   /* numbers of this thread's, good until the range is done: */
    guint32 writer;   /* see scan_source(), scan_writer() */
    guint32 customer; /* see scan_customer(); good until scan_customers_clear() */
    const ScanClass *class;
    gint64 time_us;
    gint64 known_time_us;  /* of what counted by the known segments alone; G_MAXINT64: of nothing */
    const gint64 *numbers; /* of the columns asked for, in the order of SegmentColumn */
    guint segment;         /* index into the config's: the lowest of those that hold a copy */
    gconstpointer copy;    /* for scan_print_id(); NULL: it is in the block */
    SegmentBlock *block;
    guint32 row;
} ScanEvent;

/* Events of a block and class that have no copies and are within the config's seen_from_us to
 * seen_to_us. Borrowed during the call; arrays are by row, and as above. */
typedef struct {
    const ScanClass *class;
    const guint32 *rows;
    guint32 count;
    const guint32 *customers;
    const gint64 *times;
    const gint64 *const *numbers;
} ScanRows;

typedef struct {
    const char *customer;
    const char *status;
    gint64 time_us;
    const char *writer;
    guint64 sequence;
    guint segment;
} ScanCopy;

/* Copies of one event with different contents: one counts, the other is not billed. */
typedef struct {
    const char *source;
    const char *id;
    ScanCopy billed;
    ScanCopy other;
    guint64 copy_count; /* of the other */
} ScanConflict;

typedef struct {
    guint64 read_count;
    guint64 distinct_count;
    guint64 duplicate_count;
    guint64 conflict_count;
    guint64 identity_sum; /* of all that was read, modulo 2^64 */
} ScanCounts;

typedef struct _ScanThread ScanThread;
const char *scan_source(const ScanThread *thread, guint32 source);
const char *scan_writer(const ScanThread *thread, guint32 writer);
/* Adds to names (a set that owns its texts) the writers, or sources of events without one, that
 * copies of the range at hand have within the config's seen_from_us to seen_to_us; those that do
 * not count too. */
void scan_seen_writers(const ScanThread *thread, GHashTable *names);
/* Appends the event's id; only where the config asks for ids. */
void scan_print_id(const ScanEvent *event, GString *out);
/* The customer of an event, and how many this thread knows. */
const char *scan_customer(const ScanThread *thread, guint32 customer);
guint32 scan_customer_count(const ScanThread *thread);
gsize scan_customers_size(const ScanThread *thread);
/* Forgets the customers' numbers; within range_done() only. */
void scan_customers_clear(ScanThread *thread);
/* Returns: (transfer full) the customers, of which the thread has none from then on; within the
 * last range_done() only. */
BillCustomers *scan_customers_steal(ScanThread *thread);

/* What is done with the events. Calls come from several threads; number is 0 to thread_count - 1,
 * and calls of one number come one after the other. */
typedef struct {
    void (*class_new)(gpointer data, ScanClass *class); /* may be NULL */
    /* For events that it is given instead of event(), many at once; may be NULL. */
    gboolean (*rows)(gpointer data, ScanThread *thread, guint number, const ScanRows *rows,
                     GError **error);
    gboolean (*event)(gpointer data, ScanThread *thread, guint number, const ScanEvent *event,
                      GError **error);
    gboolean (*conflict)(gpointer data, guint number, const ScanConflict *conflict,
                         GError **error); /* may be NULL */
    /* A range of identities is done, or (last) this thread has no more of them; may be NULL. */
    gboolean (*range_done)(gpointer data, ScanThread *thread, guint number, gboolean last,
                           GError **error);
} ScanVisitor;

typedef struct {
    const char *const *paths; /* of the segments, which have been verified */
    guint segment_count;
    const gboolean *known; /* by segment: has a bill been made of it? NULL: of all */
    guint32 numbers;       /* mask of the number columns that events shall have */
    gboolean ids;          /* will scan_print_id() be called? */
    Comm *comm;            /* of the ranks that share the work */
    guint thread_count;    /* of this rank */
    gsize memory_bytes;    /* of this rank */
    gint64 seen_from_us;   /* for scan_seen_writers(), and ScanRows */
    gint64 seen_to_us;
    const gboolean *stop; /* set from elsewhere to end early; may be NULL */
} ScanConfig;

/* *Collective*, in the main thread; visits what this rank gets of the ranges. Returns FALSE on
 * every rank when a range fails on one, and error: of a visitor, or MILLRACE_ERROR_CORRUPT,
 * MILLRACE_ERROR_IO for a segment; MILLRACE_ERROR_INTERRUPTED when stopped, or for another rank's.
 */
gboolean scan_segments(const ScanConfig *config, const ScanVisitor *visitor, gpointer data,
                       ScanCounts *counts, GError **error);

#endif
