/* usage_generate.c - months of usage events for tests and benches: the same bytes for the same
 * options everywhere, with all that goes wrong in a fleet in the shares that are asked for.
 *
 *     usage_generate [-n LINES] [-s SEED] [-p YYYY-MM] [-o PREFIX] ... > LOG
 *
 * What line i holds follows from the seed and i alone, so a copy of any earlier event can be made
 * without having kept it. Only whole numbers are reckoned with.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/usage_draw.h"

#define LINE_MAX_BYTES    1024
#define BUFFER_SIZE_BYTES (1 << 18)
#define WRITERS_MAX       4096

typedef struct {
    gint64 lines;
    gint64 seed;
    char *period;
    int customers;
    int writers;
    double duplicates, conflicts, late, unknown, failures, bad; /* percent */
    int skew_seconds;
    char *prefix;
    char *totals;
} Options;

/* A log being written. */
typedef struct {
    int fd;
    gsize used_bytes;
    char *buffer;
} Log;

typedef struct {
    guint64 lines, distinct, duplicates, conflicts, bad;
} Totals;

typedef struct {
    guint64 seed;
    guint64 lines;
    gint64 begin_us, end_us, before_us; /* of the month, and where the one before begins */
    guint32 ppm_bad, ppm_duplicate, ppm_conflict, ppm_late, ppm_unknown, ppm_failure;
    guint64 skew_us;
    guint customers;
    guint64 *customer_sums; /* Zipf: sums of 2^40 / k */
    guint writers;
    guint64 *sequences; /* a writer: the last that was used */
    Log *logs;
    guint log_count; /* 1, or one a writer */
    Totals totals;
} Month;

typedef enum { LINE_FIRST, LINE_DUPLICATE, LINE_CONFLICT, LINE_BAD } LineKind;

static LineKind
kind_of(const Month *month, guint64 line)
{
    guint64 share = below(draw(month->seed, line, DRAW_KIND), MILLION);

    if (share < month->ppm_bad)
        return LINE_BAD;
    share -= month->ppm_bad;
    if (share < month->ppm_duplicate)
        return LINE_DUPLICATE;
    share -= month->ppm_duplicate;
    return share < month->ppm_conflict ? LINE_CONFLICT : LINE_FIRST;
}

static gboolean
is_failure(const Month *month, guint64 line)
{
    return below(draw(month->seed, line, DRAW_FAILURE), MILLION) < month->ppm_failure;
}

/* The event that a line is a copy of: half of them stand near, the others anywhere before. Returns:
 * its line, or the line itself where there is none. */
static guint64
copied_line(const Month *month, guint64 line, LineKind kind)
{
    guint64 drawn = draw(month->seed, line, DRAW_COPIED);
    guint64 back = 1 + below(drawn << 1, (drawn >> 63) != 0 ? MIN(line, 1000) : line);

    for (guint64 other = line - MIN(back, line);; other--) {
        if (kind_of(month, other) == LINE_FIRST &&
            (kind == LINE_DUPLICATE || !is_failure(month, other)))
            return other;
        if (other == 0)
            return line;
    }
}

static guint
writer_of(const Month *month, guint64 line)
{
    return (guint)below(draw(month->seed, line, DRAW_WRITER), month->writers);
}

/* When a line was written, by the clock of its writer. */
static gint64
time_of(const Month *month, guint64 line)
{
    guint64 length_us = (guint64)(month->end_us - month->begin_us);
    guint64 jitter_us = draw(month->seed, line, DRAW_TIME);
    guint64 offset_us = (guint64)((unsigned __int128)length_us * line / month->lines);
    guint64 skew_us =
        below(draw(month->seed, writer_of(month, line), DRAW_SKEW), 2 * month->skew_us + 1);
    gint64 late = (gint64)below(draw(month->seed, line, DRAW_LATE), MILLION);

    if (late < month->ppm_late)
        return month->before_us +
               (gint64)below(jitter_us, (guint64)(month->begin_us - month->before_us));
    offset_us = MIN(offset_us + below(jitter_us, 60 * (guint64)MILLION), length_us - 1);
    return month->begin_us + (gint64)(offset_us + skew_us) - (gint64)month->skew_us;
}

static guint
customer_of(const Month *month, guint64 line)
{
    guint64 at =
        below(draw(month->seed, line, DRAW_CUSTOMER), month->customer_sums[month->customers - 1]);
    guint low = 0;
    guint high = month->customers - 1;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (month->customer_sums[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static Event
make_event(const Month *month, guint64 line)
{
    static const char *const classes[] = {"corrupt",   "truncated",    "timeout",
                                          "too-large", "worker-crash", "out-of-memory"};
    guint64 class = draw(month->seed, line, DRAW_FAILURE);
    Event event = {.line = line, .customer = customer_of(month, line), .status = "ok"};

    make_image(&event, draw(month->seed, line, DRAW_IMAGE), draw(month->seed, line, DRAW_SIZES));
    event.unknown = below(draw(month->seed, line, DRAW_UNKNOWN), MILLION) < month->ppm_unknown;
    if (is_failure(month, line)) {
        event.status = classes[class % G_N_ELEMENTS(classes)];
        event.bytes_out = 0;
        event.pixels_out = 0;
    }
    return event;
}

/* A copy of a failure may be the retry that worked. */
static Event
make_copy(const Month *month, guint64 first, guint64 line, LineKind kind)
{
    guint64 change = draw(month->seed, line, DRAW_CHANGE);
    Event event = make_event(month, first);

    if (kind == LINE_CONFLICT && change % 2 == 0 && month->customers > 1)
        event.customer = (event.customer + 1) % month->customers;
    else if (kind == LINE_CONFLICT)
        event.bytes_out += 1 + change % 1000;
    else if (is_failure(month, first) && change % 2 == 0) {
        event.status = "ok";
        make_image(&event, draw(month->seed, first, DRAW_IMAGE),
                   draw(month->seed, first, DRAW_SIZES));
    }
    return event;
}

static char *
put_writer(char *at, guint writer)
{
    at = put_number(put(at, "n"), writer / 2, 2);
    at = put_number(put(at, "-"), writer % 2, 1);
    return put(at, "-1");
}

static char *
put_data(char *at, const Event *event, guint writer, guint64 cost)
{
    guint64 cpu_us = event->cpu_us * (768 + cost % 512) / 1024;

    at = put_number(put(at, "{\"request\":\"r-"), event->line / 2 + 1, 1);
    at = put(put(at, "\",\"op\":\""), event->op);
    at = put(put(at, "\",\"format\":\""), event->format);
    at = put(put(at, "\",\"status\":\""), event->status);
    at = put_number(put(at, "\",\"bytes_in\":"), event->bytes_in, 1);
    at = put_number(put(at, ",\"bytes_out\":"), event->bytes_out, 1);
    at = put_number(put(at, ",\"pixels_in\":"), event->pixels_in, 1);
    at = put_number(put(at, ",\"pixels_out\":"), event->pixels_out, 1);
    at = put_number(put(at, ",\"cpu_us\":"), cpu_us, 1);
    at = put_number(put(at, ",\"wall_us\":"), cpu_us + cost / 512 % 10000, 1);
    at = put_number(put(at, ",\"node\":\"n"), writer / 2, 2);
    at = put(at, "\"");
    if (event->unknown && event->line % 3 != 0)
        at = put(at, ",\"colour\":{\"space\":\"srgb\",\"icc\":true},\"ratio\":1.50");
    return put(at, "}");
}

/* Writes a line without its LF. */
static char *
put_line(const Month *month, char *at, const Event *event, guint64 line, gint64 time_us)
{
    guint writer = writer_of(month, line);
    gint64 day = (gint64)(event->line * 30 / month->lines);

    at = put(at, "{\"specversion\":\"1.0\",\"id\":\"");
    at = put_hex(at, draw(month->seed, event->line, DRAW_ID));
    at = put_hex(at, draw(month->seed, event->line, DRAW_ID_2));
    at = put_number(put(at, "\",\"source\":\"//millrace/job/nightly-"), (guint64)day + 1, 2);
    at = put(at, "\",\"type\":\"millrace.image.v1\",\"subject\":\"c");
    at = put_number(at, event->customer + 1, 6);
    at = put_time(put(at, "\",\"time\":\""), time_us);
    at = put_writer(put(at, "\",\"writer\":\""), writer);
    at = put_number(put(at, "\",\"sequence\":\""), month->sequences[writer], 20);
    at = put(at, "\",");
    if (event->unknown && event->line % 3 != 1)
        at = put(at, "\"datacontenttype\":\"application/json\",\"tags\":[\"a\",null,-1e-3],");
    at = put_data(put(at, "\"data\":"), event, writer, draw(month->seed, line, DRAW_COST));
    return put(at, "}");
}

/* Makes a good line a bad one. Returns: its end. */
static char *
damage(char *line, char *end, guint64 how)
{
    static const gsize version_at = sizeof "{\"specversion\":\"" - 1;
    static const gsize id_at = sizeof "{\"specversion\":\"1.0\",\"id\":\"" - 1;

    switch (how % 4) {
    case 0: /* cut: what is left is no JSON */
        return line + 1 + below(mix(how), (guint64)(end - line - 1));
    case 1:
        line[version_at] = '0';
        return end;
    case 2: /* not UTF-8 */
        line[id_at] = '\xff';
        return end;
    default: /* the id is empty, and its digits are those of a member that is not ours */
        put(line + id_at, "\",\"id_\":\"");
        return end;
    }
}

static gboolean
log_flush(Log *log)
{
    for (gsize done = 0; done < log->used_bytes;) {
        ssize_t wrote = write(log->fd, log->buffer + done, log->used_bytes - done);
        if (wrote < 0)
            return FALSE;
        done += (gsize)wrote;
    }
    log->used_bytes = 0;
    return TRUE;
}

static gboolean
generate_line(Month *month, guint64 line)
{
    LineKind kind = kind_of(month, line);
    gboolean copies = kind == LINE_DUPLICATE || kind == LINE_CONFLICT;
    guint64 first = copies ? copied_line(month, line, kind) : line;
    guint writer = writer_of(month, line);
    Log *log = &month->logs[month->log_count > 1 ? writer : 0];
    gboolean same_time = draw(month->seed, line, DRAW_CHANGE) >> 63 != 0;

    if (log->used_bytes + LINE_MAX_BYTES > BUFFER_SIZE_BYTES && !log_flush(log))
        return FALSE;
    month->sequences[writer] += kind != LINE_BAD;
    Event event = first == line ? make_event(month, line) : make_copy(month, first, line, kind);
    char *begin = log->buffer + log->used_bytes;
    char *end = put_line(month, begin, &event, line, time_of(month, same_time ? first : line));
    if (kind == LINE_BAD)
        end = damage(begin, end, draw(month->seed, line, DRAW_CHANGE));
    *end++ = '\n';
    log->used_bytes += (gsize)(end - begin);
    month->totals.lines++;
    month->totals.bad += kind == LINE_BAD;
    month->totals.distinct += kind != LINE_BAD && first == line;
    month->totals.duplicates += kind == LINE_DUPLICATE && first != line;
    month->totals.conflicts += kind == LINE_CONFLICT && first != line;
    return TRUE;
}

static gboolean
open_logs(Month *month, const char *prefix)
{
    month->log_count = prefix ? month->writers : 1;
    month->logs = g_new0(Log, month->log_count);
    for (guint i = 0; i < month->log_count; i++) {
        char writer[32];
        *put_writer(writer, i) = '\0';
        g_autofree char *path = g_strconcat(prefix ? prefix : "", "-", writer, ".ndjson", NULL);
        month->logs[i].fd =
            prefix ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : STDOUT_FILENO;
        month->logs[i].buffer = g_malloc(BUFFER_SIZE_BYTES);
        if (month->logs[i].fd < 0)
            return FALSE;
    }
    return TRUE;
}

static gboolean
generate(Month *month)
{
    gboolean good = TRUE;

    for (guint64 line = 0; good && line < month->lines; line++)
        good = generate_line(month, line);
    for (guint i = 0; i < month->log_count; i++) {
        good = good && log_flush(&month->logs[i]);
        good = close(month->logs[i].fd) == 0 && good;
        g_free(month->logs[i].buffer);
    }
    g_free(month->logs);
    g_free(month->customer_sums);
    g_free(month->sequences);
    return good;
}

static gboolean
write_totals(const char *path, const Totals *totals)
{
    g_autofree char *text = g_strdup_printf(
        "{\"lines\":%" G_GUINT64_FORMAT ",\"distinct\":%" G_GUINT64_FORMAT
        ",\"duplicates\":%" G_GUINT64_FORMAT ",\"conflicts\":%" G_GUINT64_FORMAT
        ",\"bad\":%" G_GUINT64_FORMAT "}\n",
        totals->lines, totals->distinct, totals->duplicates, totals->conflicts, totals->bad);

    return g_file_set_contents(path, text, -1, NULL);
}

/* Sets where the months begin and end. */
static gboolean
set_period(Month *month, const char *period)
{
    g_autofree char *text = g_strconcat(period, "-01T00:00:00Z", NULL);
    g_autoptr(GDateTime) begin = g_date_time_new_from_iso8601(text, NULL);

    if (!begin || strlen(period) != 7 || g_date_time_get_year(begin) < 1971)
        return FALSE;
    g_autoptr(GDateTime) end = g_date_time_add_months(begin, 1);
    g_autoptr(GDateTime) before = g_date_time_add_months(begin, -1);
    month->begin_us = g_date_time_to_unix(begin) * MILLION;
    month->end_us = g_date_time_to_unix(end) * MILLION;
    month->before_us = g_date_time_to_unix(before) * MILLION;
    return TRUE;
}

static guint32
ppm(double percent)
{
    return (guint32)(CLAMP(percent, 0, 100) * 10000 + 0.5);
}

static gboolean
set_up(Month *month, const Options *options)
{
    *month = (Month){
        .seed = mix((guint64)options->seed),
        .lines = (guint64)options->lines,
        .ppm_bad = ppm(options->bad),
        .ppm_duplicate = ppm(options->duplicates),
        .ppm_conflict = ppm(options->conflicts),
        .ppm_late = ppm(options->late),
        .ppm_unknown = ppm(options->unknown),
        .ppm_failure = ppm(options->failures),
        .skew_us = (guint64)options->skew_seconds * MILLION,
        .customers = (guint)options->customers,
        .writers = (guint)options->writers,
    };
    if (options->lines < 1 || options->customers < 1 || options->customers > MILLION ||
        options->writers < 1 || options->writers > WRITERS_MAX || options->skew_seconds < 0 ||
        !set_period(month, options->period))
        return FALSE;
    month->sequences = g_new0(guint64, month->writers);
    month->customer_sums = g_new(guint64, month->customers);
    for (guint64 k = 0; k < month->customers; k++)
        month->customer_sums[k] =
            (k > 0 ? month->customer_sums[k - 1] : 0) + (G_GUINT64_CONSTANT(1) << 40) / (k + 1);
    return TRUE;
}

int
main(int argc, char **argv)
{
    static Options options = {.lines = 100000,
                              .seed = 1,
                              .period = "2026-11",
                              .customers = 100000,
                              .writers = 16,
                              .duplicates = 1,
                              .failures = 2};
    const GOptionEntry entries[] = {
        {"lines", 'n', 0, G_OPTION_ARG_INT64, &options.lines, "lines in all", "N"},
        {"seed", 's', 0, G_OPTION_ARG_INT64, &options.seed, "another seed, other events", "SEED"},
        {"period", 'p', 0, G_OPTION_ARG_STRING, &options.period, "the month", "YYYY-MM"},
        {"customers", 'c', 0, G_OPTION_ARG_INT, &options.customers, "customers, by Zipf", "N"},
        {"writers", 'w', 0, G_OPTION_ARG_INT, &options.writers, "processes that write", "N"},
        {"duplicates", 'd', 0, G_OPTION_ARG_DOUBLE, &options.duplicates, "copies", "%"},
        {"conflicts", 'x', 0, G_OPTION_ARG_DOUBLE, &options.conflicts, "false copies", "%"},
        {"late", 'l', 0, G_OPTION_ARG_DOUBLE, &options.late, "of the month before", "%"},
        {"skew", 'k', 0, G_OPTION_ARG_INT, &options.skew_seconds, "clocks are off by up to", "S"},
        {"unknown", 'u', 0, G_OPTION_ARG_DOUBLE, &options.unknown, "with unknown members", "%"},
        {"failures", 'f', 0, G_OPTION_ARG_DOUBLE, &options.failures, "failures", "%"},
        {"bad", 'b', 0, G_OPTION_ARG_DOUBLE, &options.bad, "lines that are no events", "%"},
        {"output", 'o', 0, G_OPTION_ARG_FILENAME, &options.prefix, "PREFIX-WRITER.ndjson",
         "PREFIX"},
        {"totals", 't', 0, G_OPTION_ARG_FILENAME, &options.totals, "what was counted", "FILE"},
        {NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    Month month;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1 ||
        !set_up(&month, &options)) {
        fprintf(stderr, "usage_generate: %s\n", error ? error->message : "see --help");
        return 64;
    }
    if (!open_logs(&month, options.prefix) || !generate(&month) ||
        (options.totals && !write_totals(options.totals, &month.totals))) {
        fprintf(stderr, "usage_generate: %s\n", g_strerror(errno));
        return 74;
    }
    return 0;
}
