/* resize_report.c - the report of a job as JSON and as a few lines for people.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/json.h"
#include "jobs/resize.h"

void
resize_report_clear(ResizeReport *report)
{
    g_clear_pointer(&report->job, g_free);
}

gdouble
resize_report_harvest(const ResizeReport *report)
{
    if (report->row_count == 0)
        return report->complete ? 1 : 0;
    return (gdouble)report->class_counts[ROW_OK] / (gdouble)report->row_count;
}

guint64
resize_report_failed_count(const ResizeReport *report)
{
    guint64 failed = 0;

    for (guint i = ROW_OK + 1; i < ROW_CLASS_COUNT; i++)
        failed += report->class_counts[i];
    return failed;
}

static gdouble
per_second(guint64 count, gdouble seconds)
{
    return seconds > 0 ? (gdouble)count / seconds : 0;
}

static void
print_rows(const ResizeReport *report, GString *out)
{
    json_open(out, "rows", '{');
    json_put_uint(out, "manifest", report->row_count);
    json_put_uint(out, "resized", report->class_counts[ROW_OK]);
    json_put_uint(out, "failed", resize_report_failed_count(report));
    json_put_uint(out, "skipped", report->skipped_count);
    g_string_append_c(out, '}');
    json_open(out, "failures", '{');
    for (guint i = ROW_OK + 1; i < ROW_CLASS_COUNT; i++)
        if (report->class_counts[i] > 0)
            json_put_uint(out, row_class_name((RowClass)i), report->class_counts[i]);
    g_string_append_c(out, '}');
}

static void
print_totals(const ResizeReport *report, GString *out)
{
    json_put_uint(out, "outputs", report->output_count);
    json_put_uint(out, "events", report->event_count);
    json_put_uint(out, "bytes_in", report->bytes_in);
    json_put_uint(out, "bytes_out", report->bytes_out);
    json_put_uint(out, "pixels_in", report->pixels_in);
    json_put_uint(out, "pixels_out", report->pixels_out);
    json_put_uint(out, "cpu_us", report->cpu_us);
    json_put_uint(out, "wall_us", report->wall_us);
}

static void
print_percentiles(const char *key, const guint64 values[3], GString *out)
{
    json_open(out, key, '{');
    json_put_uint(out, "p50", values[0]);
    json_put_uint(out, "p99", values[1]);
    json_put_uint(out, "p99_9", values[2]);
    g_string_append_c(out, '}');
}

static void
print_try(const ResizeReport *report, GString *out)
{
    gdouble rate = per_second(report->try_row_count, report->try_elapsed_s);

    json_open(out, "this_run", '{');
    json_put_uint(out, "rows", report->try_row_count);
    json_put_uint(out, "workers", report->try_worker_count);
    json_put_double(out, "elapsed_s", report->try_elapsed_s, 3);
    json_put_double(out, "images_per_s", rate, 2);
    json_put_double(out, "images_per_s_per_worker", rate / MAX(report->try_worker_count, 1), 2);
    g_string_append_c(out, '}');
    json_put_double(out, "images_per_cpu_s",
                    per_second(report->class_counts[ROW_OK], (gdouble)report->cpu_us / 1e6), 2);
}

void
resize_report_print_json(const ResizeReport *report, int exit_code, GString *out)
{
    json_open(out, NULL, '{');
    json_put_int(out, "version", 1);
    json_put_string(out, "verb", "resize");
    json_put_string(out, "job", report->job);
    json_put_int(out, "exit_code", exit_code);
    json_put_bool(out, "complete", report->complete);
    json_put_double(out, "harvest", resize_report_harvest(report), 6);
    print_rows(report, out);
    print_totals(report, out);
    print_percentiles("row_wall_us", report->wall_us_percentiles, out);
    print_percentiles("row_cpu_us", report->cpu_us_percentiles, out);
    print_try(report, out);
    json_open(out, "invariants", '[');
    for (guint i = 0; i < report->invariant_count; i++) {
        const ResizeInvariant *invariant = &report->invariants[i];
        json_open(out, NULL, '{');
        json_put_string(out, "name", invariant->name);
        json_put_string(out, "left_name", invariant->left_name);
        json_put_uint(out, "left", invariant->left);
        json_put_string(out, "right_name", invariant->right_name);
        json_put_uint(out, "right", invariant->right);
        json_put_bool(out, "holds", invariant->left == invariant->right);
        g_string_append_c(out, '}');
    }
    g_string_append(out, "]}\n");
}

static void
print_size(GString *out, guint64 bytes)
{
    g_autofree char *text = g_format_size_full(bytes, G_FORMAT_SIZE_IEC_UNITS);

    g_string_append(out, text);
}

void
resize_report_print_text(const ResizeReport *report, const char *folder, GString *out)
{
    guint64 failed_count = resize_report_failed_count(report);

    g_string_append_printf(out,
                           "job %s: %" G_GUINT64_FORMAT " rows: %" G_GUINT64_FORMAT
                           " resized, %" G_GUINT64_FORMAT " failed, %" G_GUINT64_FORMAT
                           " not done; harvest %.4f\n",
                           report->job, report->row_count, report->class_counts[ROW_OK],
                           failed_count, report->skipped_count, resize_report_harvest(report));
    for (guint i = ROW_OK + 1; i < ROW_CLASS_COUNT; i++)
        if (report->class_counts[i] > 0)
            g_string_append_printf(out, "  %-18s %" G_GUINT64_FORMAT "\n",
                                   row_class_name((RowClass)i), report->class_counts[i]);
    if (report->unchanged) {
        g_string_append_printf(out, "nothing to do: every row was done before; see %s/.millrace\n",
                               folder);
        return;
    }
    g_string_append_printf(out, "outputs %" G_GUINT64_FORMAT ": ", report->output_count);
    print_size(out, report->bytes_in);
    g_string_append(out, " in, ");
    print_size(out, report->bytes_out);
    g_string_append_printf(out, " out; %.1f megapixels in, %.1f out; %.2f s of CPU\n",
                           (gdouble)report->pixels_in / 1e6, (gdouble)report->pixels_out / 1e6,
                           (gdouble)report->cpu_us / 1e6);
    g_string_append_printf(
        out,
        "a row: P50 %.1f ms, P99 %.1f ms, P99.9 %.1f ms of wall time; %.1f, %.1f, %.1f of CPU\n",
        (gdouble)report->wall_us_percentiles[0] / 1e3,
        (gdouble)report->wall_us_percentiles[1] / 1e3,
        (gdouble)report->wall_us_percentiles[2] / 1e3, (gdouble)report->cpu_us_percentiles[0] / 1e3,
        (gdouble)report->cpu_us_percentiles[1] / 1e3, (gdouble)report->cpu_us_percentiles[2] / 1e3);
    gdouble rate = per_second(report->try_row_count, report->try_elapsed_s);
    g_string_append_printf(out,
                           "this run: %" G_GUINT64_FORMAT
                           " rows in %.2f s with %u workers: %.1f a second, %.1f a worker\n",
                           report->try_row_count, report->try_elapsed_s, report->try_worker_count,
                           rate, rate / MAX(report->try_worker_count, 1));
    for (guint i = 0; i < report->invariant_count; i++) {
        const ResizeInvariant *invariant = &report->invariants[i];
        g_string_append_printf(out, "%s: %s (%s %" G_GUINT64_FORMAT ", %s %" G_GUINT64_FORMAT ")\n",
                               invariant->left == invariant->right ? "proved" : "BROKEN",
                               invariant->name, invariant->left_name, invariant->left,
                               invariant->right_name, invariant->right);
    }
    g_string_append_printf(out, "results, usage and report: %s/.millrace\n", folder);
}
