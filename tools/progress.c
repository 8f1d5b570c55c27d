/* progress.c - a line on stderr that says how far a run is: rewritten in place on a terminal, else
 * a new one every ten seconds. Under `millrace run` stderr is mpirun's pipe; what is at its other
 * end stands in the environment.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "formats/error.h"

enum { LOG_INTERVAL_S = 10 };
#define TERMINAL_INTERVAL_S 0.1

static gboolean on_terminal;
static gboolean begun;
static gdouble said_s = -LOG_INTERVAL_S;
static gint64 begin_us; /* of a run that is told in bytes */

static void
append_duration(GString *out, gdouble seconds)
{
    guint64 whole = (guint64)(seconds + 0.5);

    if (whole >= 3600)
        g_string_append_printf(out, "%" G_GUINT64_FORMAT ":", whole / 3600);
    g_string_append_printf(out, "%02u:%02u", (guint)(whole / 60 % 60), (guint)(whole % 60));
}

static void
say(const GString *line)
{
    fprintf(stderr, on_terminal ? "\r%s\033[K" : "%s\n", line->str);
    begun = on_terminal;
}

static void
print(const ResizeProgress *progress, gpointer data G_GNUC_UNUSED)
{
    g_autoptr(GString) line = g_string_new(NULL);
    guint64 now_done = progress->done_count - progress->begun_count;
    gdouble rate = progress->elapsed_s > 0 ? (gdouble)now_done / progress->elapsed_s : 0;

    if (!on_terminal && progress->elapsed_s - said_s < LOG_INTERVAL_S)
        return;
    said_s = progress->elapsed_s;
    g_string_append_printf(line, "%" G_GUINT64_FORMAT, progress->done_count);
    if (progress->row_count > 0)
        g_string_append_printf(line, "/%" G_GUINT64_FORMAT " (%.1f %%)", progress->row_count,
                               100.0 * (gdouble)progress->done_count /
                                   (gdouble)progress->row_count);
    g_string_append_printf(line, " rows, %.1f/s, ", rate);
    append_duration(line, progress->elapsed_s);
    if (progress->row_count > progress->done_count && rate > 0) {
        g_string_append(line, ", ETA ");
        append_duration(line, (gdouble)(progress->row_count - progress->done_count) / rate);
    }
    g_string_append_printf(line, ", %" G_GUINT64_FORMAT " failed", progress->failed_count);
    say(line);
}

void
progress_bytes(guint64 done_bytes, guint64 total_bytes, gpointer data G_GNUC_UNUSED)
{
    g_autoptr(GString) line = g_string_new(NULL);
    gdouble elapsed_s = (gdouble)(g_get_monotonic_time() - begin_us) / G_USEC_PER_SEC;
    gdouble rate = elapsed_s > 0 ? (gdouble)done_bytes / elapsed_s : 0;

    if (elapsed_s - said_s < (on_terminal ? TERMINAL_INTERVAL_S : LOG_INTERVAL_S))
        return;
    said_s = elapsed_s;
    g_string_append_printf(line, "%.2f/%.2f GB (%.1f %%), %.0f MB/s, ", (gdouble)done_bytes / 1e9,
                           (gdouble)total_bytes / 1e9,
                           100.0 * (gdouble)done_bytes / (gdouble)MAX(total_bytes, 1), rate / 1e6);
    append_duration(line, elapsed_s);
    if (total_bytes > done_bytes && rate > 0) {
        g_string_append(line, ", ETA ");
        append_duration(line, (gdouble)(total_bytes - done_bytes) / rate);
    }
    say(line);
}

gboolean
progress_bytes_wanted(const char *when, gboolean *wanted, GError **error)
{
    gboolean always = when && strcmp(when, "always") == 0;
    gboolean automatic = !when || strcmp(when, "auto") == 0;

    on_terminal = isatty(STDERR_FILENO) || g_getenv("MILLRACE_ON_TERMINAL");
    begin_us = g_get_monotonic_time();
    *wanted = always || (automatic && on_terminal);
    if (always || automatic || strcmp(when, "never") == 0)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "--progress=%s: expected auto, always or never", when);
    return FALSE;
}

gboolean
progress_wanted(const char *when, ProgressFunction *function, GError **error)
{
    gboolean wanted = FALSE;
    gboolean good = progress_bytes_wanted(when, &wanted, error);

    *function = wanted ? print : NULL;
    return good;
}

void
progress_end(void)
{
    if (begun)
        fputc('\n', stderr);
    begun = FALSE;
}
