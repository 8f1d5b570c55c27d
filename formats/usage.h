/* usage.h - usage events: one CloudEvents 1.0 object a line, what a customer is billed by.
 * Bytes: formats/README.md, "Usage event".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_USAGE_H
#define MILLRACE_FORMATS_USAGE_H

#include <glib.h>

#include "formats/ledger.h"

#define USAGE_TYPE_IMAGE     "millrace.image.v1"
#define USAGE_ID_CHARS       32 /* hexadecimal digits of the first 16 bytes of a SHA-256 */
#define USAGE_LINE_MAX_BYTES (64 << 10)

/* One event. Strings: borrowed; "" when absent. Identity is (source, id). */
typedef struct {
    const char *id;
    const char *source; /* "//millrace/job/JOB" */
    const char *type;
    const char *subject; /* the customer */
    gint64 time_us;      /* since the epoch, UTC */
    const char *writer;  /* the process that wrote the line */
    guint64 sequence;    /* counts from 1, without gaps, per writer */
    const char *request;
    const char *op;
    const char *format;
    const char *status;  /* "ok" or "failed" */
    const char *failure; /* the class of a failure, "" for ok; "class" in the line */
    guint64 bytes_in;
    guint64 bytes_out;
    guint64 pixels_in;
    guint64 pixels_out;
    guint64 cpu_us;
    guint64 wall_us;
    const char *node;
} UsageEvent;

/* Appends the event's line, newline included. Deterministic: fixed order of keys, integers only. */
void usage_event_print(const UsageEvent *event, GString *out);

/* The id of one output of one row of a job: the first 16 bytes of SHA-256 over
 * "millrace.image.v1" NUL job NUL row NUL output, numbers in decimal, in hexadecimal. */
void usage_event_id(const char *job, guint64 row, guint output, char id[USAGE_ID_CHARS + 1]);

/* A parsed line, which owns the strings of its event. */
typedef struct _UsageLine UsageLine;
/* Returns: (transfer full) the event of one line, or NULL and MILLRACE_ERROR_BAD_INPUT that says
 * what is missing or wrong. Our extensions may be missing; unknown members are ignored. */
UsageLine *usage_line_parse(const char *text, gsize size_bytes, GError **error);
const UsageEvent *usage_line_event(const UsageLine *line);
void usage_line_free(UsageLine *line);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UsageLine, usage_line_free)

/* Appends the lines of a ledger record, one for each output. sequence: of the first. */
void usage_print_record(const LedgerHeader *header, const LedgerRecord *record, guint64 sequence,
                        GString *out);

/* Appends time_us as RFC 3339 in UTC with microseconds. */
void usage_print_time(GString *out, gint64 time_us);

#endif
