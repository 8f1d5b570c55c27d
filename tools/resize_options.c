/* resize_options.c - the options of millrace resize, from what is typed to what is meant.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/resize_options.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "formats/durable.h"
#include "jobs/resize_name.h"
#include "tools/progress.h"
#include "tools/tool.h"

static const Tool tool = {
    .verb = "resize",
    .synopsis = "MANIFEST|-",
    .example = "  find photos -name '*.jpg' | millrace resize --to 320x320 -o thumbs -\n"
               "  millrace run -n 64 --hostfile hosts -- resize --to 320x320 -o /shared/thumbs "
               "manifest.csv",
    .summary =
        "Resizes every image of a manifest, and accounts for every row. Run the same command "
        "again to resume."};

/* The options as they are typed. They live as long as the program, and so do their strings. */
static struct {
    char **to;
    char *output;
    char *name;
    char *job;
    char *customer;
    char *beneath;
    char *writer;
    char *workers;
    char *max_pixels;
    char *max_bytes;
    char *max_failures;
    char *report;
    char *progress;
    char **manifests;
    char *deadline;
    gboolean nul;
    gboolean dry_run;
    guint32 retry_mask;
} options;

/* --retry-failed[=CLASS,...]: all classes when none is named. */
static gboolean
parse_retry(const char *option G_GNUC_UNUSED, const char *value, gpointer data G_GNUC_UNUSED,
            GError **error)
{
    g_auto(GStrv) names = value ? g_strsplit(value, ",", -1) : NULL;

    if (!value)
        options.retry_mask = ~(1U << ROW_OK);
    for (guint i = 0; names && names[i]; i++) {
        RowClass class = ROW_OK;
        if (!row_class_from_name(names[i], &class) || class == ROW_OK) {
            g_set_error(
                error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "--retry-failed=%s: \"%s\" is no class of failures; see the report for those "
                "there are",
                value, names[i]);
            return FALSE;
        }
        options.retry_mask |= 1U << class;
    }
    return TRUE;
}

static gboolean
parse_options(int *argc, char ***argv, GError **error)
{
    /* All are taken as file names are: as bytes, whatever the locale. */
    const GOptionEntry entries[] = {
        {"to", 't', 0, G_OPTION_ARG_FILENAME_ARRAY, &options.to,
         "An output: WIDTHxHEIGHT[,fit=..][,format=..][,q=..]; may be repeated", "SPEC"},
        {"output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output,
         "The output folder (default: millrace-out)", "DIR"},
        {"name", 0, 0, G_OPTION_ARG_FILENAME, &options.name,
         "Names of outputs, from {path} {dir} {stem} {ext} {spec} {row} {request} {customer}",
         "TEMPLATE"},
        {"job", 0, 0, G_OPTION_ARG_FILENAME, &options.job, "The job's name in usage events",
         "NAME"},
        {"customer", 0, 0, G_OPTION_ARG_FILENAME, &options.customer,
         "The customer of rows that name none", "C"},
        {"beneath", 0, 0, G_OPTION_ARG_FILENAME, &options.beneath,
         "Sources are relative to this folder, and none leads out of it", "DIR"},
        {"writer", 0, 0, G_OPTION_ARG_FILENAME, &options.writer,
         "What names of writers in usage events begin with (default: the host's)", "NAME"},
        {"null", '0', 0, G_OPTION_ARG_NONE, &options.nul,
         "The manifest is a list that ends names with NUL (find -print0)", NULL},
        {"workers", 'w', 0, G_OPTION_ARG_FILENAME, &options.workers,
         "Image workers per node (default: its cores)", "N"},
        {"deadline", 0, 0, G_OPTION_ARG_FILENAME, &options.deadline,
         "Seconds an image may take (default: 30)", "SECONDS"},
        {"max-pixels", 0, 0, G_OPTION_ARG_FILENAME, &options.max_pixels,
         "Width x height x pages an image may have (default: 100M)", "N"},
        {"max-bytes", 0, 0, G_OPTION_ARG_FILENAME, &options.max_bytes,
         "Bytes a file may have (default: 256Mi)", "N"},
        {"retry-failed", 0, G_OPTION_FLAG_OPTIONAL_ARG, G_OPTION_ARG_CALLBACK,
         (gpointer)parse_retry, "Do rows again that failed (with these classes)", "CLASS,..."},
        {"max-failures", 0, 0, G_OPTION_ARG_FILENAME, &options.max_failures,
         "Stop after more failures than this", "N"},
        {"dry-run", 'n', 0, G_OPTION_ARG_NONE, &options.dry_run, "Say what would be done", NULL},
        {"report", 0, 0, G_OPTION_ARG_FILENAME, &options.report, "Also write report.json here",
         "FILE"},
        {"progress", 0, 0, G_OPTION_ARG_FILENAME, &options.progress,
         "On stderr: auto (on a terminal), always, never", "WHEN"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.manifests, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    return tool_parse(&tool, entries, argc, argv, error);
}

static gboolean
usage_error(GError **error, const char *message)
{
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, message);
    return FALSE;
}

/* --to options as one canonical list. */
static gboolean
parse_specs(char **to, ResizeConfig *config, GError **error)
{
    OutputSpec specs[OUTPUTS_PER_ROW_MAX];
    g_autofree char *joined = to ? g_strjoinv(";", to) : NULL;
    g_autoptr(GString) canonical = g_string_new(NULL);
    int count = joined ? output_spec_parse_list(joined, specs, G_N_ELEMENTS(specs), error) : 0;

    if (count < 0) {
        g_prefix_error(error, "--to: ");
        return FALSE;
    }
    for (int i = 0; i < count; i++) {
        g_autofree char *text = output_spec_print(&specs[i]);
        g_string_append_printf(canonical, "%s%s", i > 0 ? ";" : "", text);
    }
    config->to = count > 0 ? g_string_free(g_steal_pointer(&canonical), FALSE) : NULL;
    return TRUE;
}

/* A name that goes into event sources and file names. */
static gboolean
check_name(const char *option, const char *name, GError **error)
{
    gsize length = strlen(name);

    if (length >= 1 && length <= 64 &&
        strspn(name, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "._-") == length)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "%s: expected 1 to 64 letters, digits, '.', '_' or '-'", option);
    return FALSE;
}

static gboolean
check_customer(const char *customer, GError **error)
{
    gsize length = strlen(customer);
    gboolean printable = length >= 1 && length <= 255 && g_utf8_validate(customer, -1, NULL);

    for (const char *at = customer; printable && *at; at++)
        printable = !g_ascii_iscntrl(*at);
    return printable || usage_error(error, "--customer: expected 1 to 255 bytes of text");
}

/* Where a report is wanted, found out before the work rather than after it. */
static gboolean
check_report(const char *path, GError **error)
{
    g_autofree char *parent = g_path_get_dirname(path);

    if (g_file_test(parent, G_FILE_TEST_IS_DIR))
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE,
                "--report=%s: there is no folder %s", path, parent);
    return FALSE;
}

static gboolean
parse_deadline(const char *text, gint64 *deadline_us, GError **error)
{
    char *end = NULL;
    gdouble seconds = g_ascii_strtod(text, &end);

    if (end == text || *end || !(seconds >= 0.001 && seconds <= 86400))
        return usage_error(error, "--deadline: expected seconds from 0.001 to 86400");
    *deadline_us = llround(seconds * G_USEC_PER_SEC);
    return TRUE;
}

/* A count that may be left at its default. */
static gboolean
parse_count(const char *option, const char *text, guint64 min, guint64 max, guint64 *value,
            GError **error)
{
    return !text || tool_parse_count(option, text, min, max, value, error);
}

static gboolean
configure(ResizeConfig *config, GError **error)
{
    guint64 workers = 0;

    if (!options.manifests || options.manifests[1])
        return usage_error(error, "expected one MANIFEST, or - for standard input; see --help");
    if (options.beneath && !*options.beneath)
        return usage_error(error, "--beneath: expected a folder");
    if (options.output && !*options.output)
        return usage_error(error, "-o: expected a folder");
    *config = (ResizeConfig){
        .manifest = options.manifests[0],
        .manifest_nul = options.nul,
        .output = options.output ? options.output : "millrace-out",
        .name_template = options.name,
        .job = options.job,
        .customer = options.customer ? options.customer : RESIZE_CUSTOMER_DEFAULT,
        .beneath = options.beneath,
        .writer = options.writer,
        .run_token = g_getenv("MILLRACE_RUN"),
        .deadline_us = RESIZE_DEADLINE_DEFAULT_US,
        .pixels_max = RESIZE_PIXELS_MAX_DEFAULT,
        .bytes_max = RESIZE_BYTES_MAX_DEFAULT,
        .retry_mask = options.retry_mask,
        .failures_max = G_MAXUINT64,
    };
    if (!parse_specs(options.to, config, error) ||
        (options.name && !output_name_check(options.name, error)) ||
        (options.job && !check_name("--job", options.job, error)) ||
        (options.writer && !check_name("--writer", options.writer, error)) ||
        !check_customer(config->customer, error) ||
        (options.report && !check_report(options.report, error)) ||
        (options.deadline && !parse_deadline(options.deadline, &config->deadline_us, error)) ||
        !parse_count("--workers", options.workers, 1, 4096, &workers, error) ||
        !parse_count("--max-pixels", options.max_pixels, 1, 1ULL << 40, &config->pixels_max,
                     error) ||
        !parse_count("--max-bytes", options.max_bytes, 1, RESIZE_BYTES_MAX_LIMIT,
                     &config->bytes_max, error) ||
        !parse_count("--max-failures", options.max_failures, 0, G_MAXUINT64 - 1,
                     &config->failures_max, error))
        return FALSE;
    config->worker_count = (guint)workers;
    return progress_wanted(options.progress, &config->progress, error);
}

gboolean
resize_options_parse(ResizeCommand *command, int *argc, char ***argv, GError **error)
{
    if (!parse_options(argc, argv, error) || !configure(&command->config, error))
        return FALSE;
    command->dry_run = options.dry_run;
    command->report = options.report;
    return TRUE;
}
