/* bill_dedupe.h - copies of events meet by identity. Copies of one identity with the same contents
 * are kept as one; of different contents each is kept, until it is decided which one counts. What
 * is kept does not depend on the order in which copies came. SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_DEDUPE_H
#define MILLRACE_JOBS_BILL_DEDUPE_H

#include <glib.h>

#include "jobs/interner.h"

#define COPY_HEX_BYTES 16

/* Copies of one event with equal contents; fields are those of the first by (time, writer,
 * sequence). Texts are numbers of interners. */
typedef struct {
    guint64 identity;
    guint64 contents; /* hash of all that copies have in common */
    gint64 time_us;
    gint64 known_time_us; /* of the first copy that is known; G_MAXINT64 when none is */
    guint64 sequence;
    union {
        guint8 hex[COPY_HEX_BYTES]; /* of an id of 32 hexadecimal digits */
        const char *text;           /* of any other */
    } id;
    guint32 source;
    guint32 writer;
    guint32 customer;
    guint32 class;
    guint32 segment; /* the lowest index of those that hold a copy */
    guint32 copy_count;
    guint32 next; /* other contents of this identity: index + 1, or 0 */
    guint8 id_is_text;
    guint8 ok;
    guint8 is_first;  /* of its identity */
    gint64 numbers[]; /* as many as dedupe_new() was told */
} Copy;

typedef struct _Dedupe Dedupe;

/* writers: borrowed; for the order of copies of one time. */
Dedupe *dedupe_new(guint number_count, const Interner *writers);
void dedupe_free(Dedupe *dedupe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Dedupe, dedupe_free)

/* Bytes that one event takes at most, for budgets; its texts come on top. */
gsize dedupe_event_size(guint number_count);
/* Forgets everything. expected_count: of events, to make room for. */
void dedupe_clear(Dedupe *dedupe, guint64 expected_count);

/* The place for a copy that is to be filled, but for known_time_us, copy_count, next and is_first;
 * borrowed until the next call. */
Copy *dedupe_slot(Dedupe *dedupe);
/* Adds what the slot holds. known: has a bill been made of it before? */
void dedupe_add(Dedupe *dedupe, gboolean known);
/* Asks for the memory that dedupe_add() of this identity will look at. */
void dedupe_prefetch(const Dedupe *dedupe, guint64 identity);

/* Everything kept, by index. */
guint32 dedupe_count(const Dedupe *dedupe);
const Copy *dedupe_copy(const Dedupe *dedupe, guint32 index);
/* Of the copies of first's identity that which counts: ok before a failure, then the lowest (time,
 * writer, sequence). first: one with is_first. */
const Copy *dedupe_winner(const Dedupe *dedupe, const Copy *first);
/* When the copy was, that counted as long as no others than the known ones were there; G_MAXINT64
 * when none is known. first: one with is_first. */
gint64 dedupe_known_time(const Dedupe *dedupe, const Copy *first);
/* Takes the id when it is one of 32 hexadecimal digits in lower case. Returns FALSE when it is not;
 * then id.text is to be set, to what lives until the Dedupe is cleared. */
gboolean copy_set_hex_id(Copy *copy, const char *id, gsize size_bytes);
/* Appends the id's text. */
void copy_print_id(const Copy *copy, GString *out);

#endif
