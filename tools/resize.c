/* resize.c - millrace resize: a manifest in; images, results and usage out.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "formats/durable.h"
#include "jobs/resize_name.h"
#include "tools/progress.h"
#include "tools/ranks.h"
#include "tools/resize_options.h"
#include "tools/tool.h"

static int
plan(const ResizeConfig *config)
{
    g_autoptr(GError) error = NULL;
    ResizePlan plan;

    if (!resize_plan(config, &plan, &error))
        return tool_fail(error);
    g_autofree char *size = g_format_size_full(plan.bytes_in, G_FORMAT_SIZE_IEC_UNITS);
    printf("%" G_GUINT64_FORMAT " rows; %" G_GUINT64_FORMAT " done before; %" G_GUINT64_FORMAT
           " bad rows; %" G_GUINT64_FORMAT " sources that cannot be read\n"
           "would read %s and make %" G_GUINT64_FORMAT " outputs in %s\n",
           plan.row_count, plan.done_count, plan.bad_row_count, plan.missing_count, size,
           plan.output_count, config->output);
    return tool_finish(plan.bad_row_count + plan.missing_count > 0 ? EXIT_SOME_FAILED
                                                                   : EXIT_ALL_DONE);
}

/* --report FILE: the same JSON beside wherever the user wants it. */
static gboolean
write_report(const char *path, const char *folder, GError **error)
{
    g_autofree char *parent = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *state = g_build_filename(folder, STATE_FOLDER, NULL);
    int from_fd = durable_folder_open(state, FALSE, error);
    int to_fd = from_fd >= 0 ? durable_folder_open(parent, FALSE, error) : -1;
    gsize size = 0;
    g_autofree char *json =
        to_fd >= 0 ? durable_read_file(from_fd, "report.json", 1 << 20, &size, error) : NULL;
    gboolean good = json && durable_write_file(to_fd, name, json, size, error);

    if (from_fd >= 0)
        close(from_fd);
    if (to_fd >= 0)
        close(to_fd);
    return good;
}

/* Rank 0 prints what came of the job. Returns: the exit code. */
static int
conclude(const ResizeCommand *command, const ResizeReport *report, const GError *error)
{
    const char *folder = command->config.output;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) failure = NULL;
    int code = resize_report_failed_count(report) > 0 ? EXIT_SOME_FAILED : EXIT_ALL_DONE;

    progress_end();
    if (report->job) {
        resize_report_print_text(report, folder, text);
        fputs(text->str, stdout);
    }
    if (error)
        code = report->error_elsewhere ? millrace_error_exit_code(error) : tool_fail(error);
    if (command->report && report->job && !write_report(command->report, folder, &failure))
        code = tool_fail(failure);
    return tool_finish(code);
}

int
main(int argc, char **argv)
{
    static ResizeCommand command;
    ResizeReport report;
    g_autoptr(GError) error = NULL;

    if (!resize_options_parse(&command, &argc, &argv, &error))
        return ranks_is_first() ? tool_fail(error) : EXIT_ALL_DONE;
    g_autofree char *worker = tool_find_program("millrace-imageworker");
    command.config.worker_program = worker;
    if (command.dry_run)
        return plan(&command.config);
    gboolean good = resize_run(&command.config, &report, &error);
    int code = EXIT_ALL_DONE;
    if (report.is_rank_0)
        code = conclude(&command, &report, error);
    else if (!good && !report.error_elsewhere)
        code = tool_fail(error);
    resize_report_clear(&report);
    /* A rank that fails costs mpirun two seconds and a banner, so one tells for all; under
     * `millrace run`, which reads the verdict, none needs to. */
    return report.under_launcher && (report.told || report.error_elsewhere) ? EXIT_ALL_DONE : code;
}
