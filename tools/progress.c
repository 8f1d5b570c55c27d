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

static gboolean on_terminal;
static gboolean begun;
static gdouble said_s = -LOG_INTERVAL_S;

static void
append_duration(GString *out, gdouble seconds)
{
    guint64 whole = (guint64)(seconds + 0.5);

    if (whole >= 3600)
        g_string_append_printf(out, "%" G_GUINT64_FORMAT ":", whole / 3600);
    g_string_append_printf(out, "%02u:%02u", (guint)(whole / 60 % 60), (guint)(whole % 60));
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
    fprintf(stderr, on_terminal ? "\r%s\033[K" : "%s\n", line->str);
    begun = on_terminal;
}

gboolean
progress_wanted(const char *when, ProgressFunction *function, GError **error)
{
    gboolean always = when && strcmp(when, "always") == 0;
    gboolean automatic = !when || strcmp(when, "auto") == 0;

    on_terminal = isatty(STDERR_FILENO) || g_getenv("MILLRACE_ON_TERMINAL");
    *function = always || (automatic && on_terminal) ? print : NULL;
    if (always || automatic || strcmp(when, "never") == 0)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "--progress=%s: expected auto, always or never", when);
    return FALSE;
}

void
progress_end(void)
{
    if (begun)
        fputc('\n', stderr);
    begun = FALSE;
}
