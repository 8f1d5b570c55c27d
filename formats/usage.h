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
#define USAGE_STATUS_OK      "ok"

/* Which members of a line are there; those that are always, are not named. */
enum {
    USAGE_HAS_SUBJECT = 1 << 0,
    USAGE_HAS_WRITER = 1 << 1,
    USAGE_HAS_SEQUENCE = 1 << 2,
    USAGE_HAS_DATA = 1 << 3,
    USAGE_HAS_REQUEST = 1 << 4,
    USAGE_HAS_OP = 1 << 5,
    USAGE_HAS_FORMAT = 1 << 6,
    USAGE_HAS_STATUS = 1 << 7,
    USAGE_HAS_BYTES_IN = 1 << 8,
    USAGE_HAS_BYTES_OUT = 1 << 9,
    USAGE_HAS_PIXELS_IN = 1 << 10,
    USAGE_HAS_PIXELS_OUT = 1 << 11,
    USAGE_HAS_CPU_US = 1 << 12,
    USAGE_HAS_WALL_US = 1 << 13,
    USAGE_HAS_NODE = 1 << 14,
    USAGE_HAS_ALL = (1 << 15) - 1
};

/* How many bytes the strings of an event have. */
typedef struct {
    guint32 id;
    guint32 source;
    guint32 type;
    guint32 subject;
    guint32 writer;
    guint32 request;
    guint32 op;
    guint32 format;
    guint32 status;
    guint32 node;
    guint32 extra;
} UsageSizes;

/* One event. Strings: borrowed, UTF-8 without NUL; "" when absent. Identity is (source, id). */
typedef struct {
    const char *id;
    const char *source; /* "//millrace/job/JOB" */
    const char *type;
    const char *subject; /* the customer */
    gint64 time_us;      /* since the epoch, UTC */
    const char *writer;  /* the process that wrote the line */
    guint64 sequence;    /* counts from 1, without gaps, per writer; 0 when absent */
    const char *request;
    const char *op;
    const char *format;
    const char *status; /* "ok" or the class of a failure */
    guint64 bytes_in;   /* counts are at most 2^63 - 1 */
    guint64 bytes_out;
    guint64 pixels_in;
    guint64 pixels_out;
    guint64 cpu_us;
    guint64 wall_us;
    const char *node;
    /* Members as they stand in the line where usage_event_print() could not make them again: those
     * that are not ours, and ours spelled otherwise ("time" with a zone, "sequence" without leading
     * zeros, escapes that are not needed, an attribute that is null). Each is 't' (of the object)
     * or 'd' (of "data"), then "KEY":VALUE verbatim, then LF; in the order of the line. VALUE is
     * empty for "data" itself, when its key is spelled otherwise. "" for none. */
    const char *extra;
    guint32 present; /* USAGE_HAS_... */
    /* Are sizes set? A parser knows them, and who takes millions of events need not count again. */
    gboolean measured;
    UsageSizes sizes;
} UsageEvent;

/* Counts the sizes. */
void usage_event_measure(UsageEvent *event);

/* Appends the event's line, newline included. Deterministic: fixed order of keys, integers only,
 * what extra holds verbatim. A line printed so, when parsed, gives the same event. */
void usage_event_print(const UsageEvent *event, GString *out);

/* The id of one output of one row of a job: the first 16 bytes of SHA-256 over
 * "millrace.image.v1" NUL job NUL row NUL output, numbers in decimal, in hexadecimal. */
void usage_event_id(const char *job, guint64 row, guint output, char id[USAGE_ID_CHARS + 1]);

/* Reads one line's JSON object strictly, in place: text is changed, and event's strings are
 * borrowed from text and scratch (which is emptied first). text[size_bytes] must be writable; an LF
 * in text is refused. Refused, with a reason: what is not one JSON object in UTF-8 (RFC 8259), a
 * member twice, required members missing or empty, ours of another type, counts outside 0 to 2^63 -
 * 1, NUL in a string of ours, more than USAGE_LINE_MAX_BYTES, nesting above 64, more than 256
 * members that are not ours. The event is measured. Returns: FALSE and *reason, static or borrowed
 * from scratch. */
gboolean usage_line_parse(char *text, gsize size_bytes, GString *scratch, UsageEvent *event,
                          const char **reason);

/* Reads the line that text begins with, when usage_event_print() could have written it, without
 * looking for its end first. *end must be NUL; more lines may stand before it. event: of the line
 * before, or all zero at first; its sizes are a guess at those of this line. It is measured then.
 * Returns: behind the line's LF, or NULL and text as it was: then parse it. */
char *usage_line_quick(char *text, const char *end, UsageEvent *event);

/* The 64-bit hash of an event's identity: XXH3-64 of id, seeded by XXH3-64 of source (seed 0). Its
 * top bits are the bucket in a segment; sums of it, modulo 2^64, are the multiset hash. */
guint64 usage_source_seed(const char *source);
guint64 usage_identity_hash(guint64 source_seed, const char *id, gsize id_size_bytes);

/* Appends the lines of a ledger record, one for each output. sequence: of the first. */
void usage_print_record(const LedgerHeader *header, const LedgerRecord *record, guint64 sequence,
                        GString *out);

/* Appends time_us, of the years 1 to 9999, as RFC 3339 in UTC with microseconds. */
void usage_print_time(GString *out, gint64 time_us);
/* Reads RFC 3339 with a zone. Digits beyond the microsecond are cut; second 60 is the next one's
 * 00. Returns FALSE when it is not one, or not within the years 1 to 9999 in UTC. */
gboolean usage_parse_time(const char *text, gsize size_bytes, gint64 *time_us);

#endif
