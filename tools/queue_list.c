/* queue_list.c - millrace queue list, show, cancel and receipt.
 * SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/json.h"
#include "formats/usage.h"
#include "jobs/key_pair.h"
#include "tools/queue.h"
#include "tools/tool.h"

enum { RECEIPT_MAX_BYTES = 1 << 16 };

static void
print_line(const BulkJob *job, GString *out)
{
    usage_print_time(out, job->accepted_us);
    g_string_append_printf(out,
                           " %s %-9s %8" G_GUINT64_FORMAT " rows %8" G_GUINT64_FORMAT
                           " done %6" G_GUINT64_FORMAT " failed  %s\n",
                           job->id, bulk_state_name(job->state), job->row_count, job->done_count,
                           job->failed_count, job->customer);
}

static void
print_details(const BulkJob *job, GString *out)
{
    g_string_append_printf(out, "job       %s\nstate     %s\ncustomer  %s\naccepted  ", job->id,
                           bulk_state_name(job->state), job->customer);
    usage_print_time(out, job->accepted_us);
    g_string_append_printf(out,
                           "\nrows      %" G_GUINT64_FORMAT ": %" G_GUINT64_FORMAT
                           " done, %" G_GUINT64_FORMAT " of them failed\nto        %s\n"
                           "tries     %u\nmanifest  sha256 %s\n",
                           job->row_count, job->done_count, job->failed_count,
                           job->to ? job->to : "as each row says", job->tries, job->manifest);
    if (job->reason)
        g_string_append_printf(out, "reason    %s\n", job->reason);
}

/* Prints as it goes: there may be many. */
static gboolean
visit(const BulkJob *job, gpointer data)
{
    const gboolean *json = data;
    g_autoptr(GString) out = g_string_new(NULL);

    if (*json)
        queue_print_json(job, out);
    else
        print_line(job, out);
    fwrite(out->str, 1, out->len, stdout);
    return !ferror(stdout);
}

int
queue_list_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "queue list",
        .synopsis = "",
        .example = "  millrace queue list --state STATE\n"
                   "  millrace queue list --state STATE --customer acme --format=json",
        .summary = "Prints all jobs, a line each, in the order of their ids."};
    static QueuePlaces places;
    g_autofree char *customer = NULL;
    g_autofree char *format = NULL;
    g_auto(GStrv) rest = NULL;
    g_autoptr(BulkJobs) jobs = NULL;
    g_autoptr(GError) error = NULL;
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        QUEUE_ENTRIES(&places),
        {"customer", 0, 0, G_OPTION_ARG_FILENAME, &customer, "Only this customer's", "C"},
        {"format", 0, 0, G_OPTION_ARG_FILENAME, &format, "text (default) or json", "FORMAT"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &rest, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, &error) ||
        (rest && !queue_usage(&error, "expected options alone; see --help")) ||
        !queue_parse_format(format, &json, &error) ||
        !queue_places_open(&places, &jobs, NULL, &error) ||
        !bulk_jobs_list(jobs, customer, visit, &json, &error))
        return tool_fail(error);
    return tool_finish(EXIT_ALL_DONE);
}

int
queue_show_main(int argc, char **argv)
{
    static const Tool tool = {.verb = "queue show",
                              .synopsis = "ID",
                              .example = "  millrace queue show --state STATE "
                                         "j0123456789abcdef0123456789abcdef",
                              .summary = "Prints what is known of one job."};
    static QueuePlaces places;
    g_autofree char *format = NULL;
    g_auto(GStrv) operands = NULL;
    g_autoptr(BulkJobs) jobs = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    gboolean json = FALSE;
    BulkJob job;
    const GOptionEntry entries[] = {
        QUEUE_ENTRIES(&places),
        {"format", 0, 0, G_OPTION_ARG_FILENAME, &format, "text (default) or json", "FORMAT"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &operands, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, &error) ||
        !queue_operand(operands, "a job's id", &error) ||
        !queue_parse_format(format, &json, &error) ||
        !queue_places_open(&places, &jobs, NULL, &error) ||
        !bulk_jobs_read(jobs, operands[0], &job, &error))
        return tool_fail(error);
    if (json)
        queue_print_json(&job, out);
    else
        print_details(&job, out);
    bulk_job_clear(&job);
    fwrite(out->str, 1, out->len, stdout);
    return tool_finish(EXIT_ALL_DONE);
}

int
queue_cancel_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "queue cancel",
        .synopsis = "ID...",
        .example = "  millrace queue cancel --state STATE j0123456789abcdef0123456789abcdef",
        .summary = "Ends jobs that are not done yet: who is at them stops, they have no results, "
                   "and nothing of\nthem is billed."};
    static QueuePlaces places;
    g_auto(GStrv) operands = NULL;
    g_autoptr(BulkJobs) jobs = NULL;
    g_autoptr(GError) error = NULL;
    int code = EXIT_ALL_DONE;
    const GOptionEntry entries[] = {
        QUEUE_ENTRIES(&places),
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &operands, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, &error) ||
        (!operands && !queue_usage(&error, "expected the ids of jobs; see --help")) ||
        !queue_places_open(&places, &jobs, NULL, &error))
        return tool_fail(error);
    g_autofree char *by = g_strdup_printf("%s at %s", g_get_user_name(), g_get_host_name());
    for (char **id = operands; id && *id; id++) {
        g_autoptr(GError) failure = NULL;
        if (bulk_job_cancel(jobs, *id, by, &failure))
            continue;
        int its_code = tool_fail(failure);
        if (g_error_matches(failure, MILLRACE_ERROR, MILLRACE_ERROR_USAGE))
            its_code = EXIT_SOME_FAILED;
        code = MAX(code, its_code);
    }
    return tool_finish(code);
}

/* Reads a receipt, alone or within the JSON that a door has answered; a line end too many, as
 * `jq -r .receipt` adds one, is cut off. (transfer full) */
static char *
read_receipt(const char *operand, gsize *size_bytes, GError **error)
{
    const char *path = strcmp(operand, "-") == 0 ? "/dev/stdin" : operand;
    char *text = durable_read_file(AT_FDCWD, path, RECEIPT_MAX_BYTES, size_bytes, error);

    if (text && *text == '{') {
        g_autofree char *answer = g_steal_pointer(&text);
        g_autoptr(JsonObject) object = json_object_parse(answer, *size_bytes, NULL);
        text = object ? g_strdup(json_object_string(object, "receipt", NULL)) : NULL;
        if (!text)
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                        "%s: it is JSON without a receipt in it", operand);
        else
            *size_bytes = strlen(text);
    } else if (text && g_str_has_suffix(text, "\n\n")) {
        (*size_bytes)--;
    }
    return text;
}

int
queue_receipt_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "queue receipt",
        .synopsis = "FILE",
        .example = "  millrace queue receipt --trust door.pub receipt",
        .summary = "Checks that a receipt was signed by one of these keys, and prints what it "
                   "says. FILE may be\nthe JSON that a door has answered."};
    g_auto(GStrv) trust = NULL;
    g_auto(GStrv) operands = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) time = g_string_new(NULL);
    g_autoptr(GArray) keys = NULL;
    g_autofree char *text = NULL;
    Receipt receipt = {0};
    gsize size_bytes = 0;
    const GOptionEntry entries[] = {
        {"trust", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &trust, "Believe this key", "door.pub"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &operands, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, &error) ||
        !queue_operand(operands, "a receipt's file", &error) ||
        (!trust && !queue_usage(&error, "expected --trust door.pub, which may be repeated")) ||
        !(keys = key_pair_read_trusted((const char *const *)trust, &error)) ||
        !(text = read_receipt(operands[0], &size_bytes, &error)) ||
        !receipt_open(operands[0], text, size_bytes, (const MinisignPublic *)(void *)keys->data,
                      keys->len, &receipt, &error))
        return tool_fail(error);
    usage_print_time(time, receipt.accepted_us);
    printf("job %s\ncustomer %s\nmanifest %s\nrows %" G_GUINT64_FORMAT
           "\naccepted %s\ncluster %s\n",
           receipt.job, receipt.customer, receipt.manifest, receipt.row_count, time->str,
           receipt.cluster);
    receipt_clear(&receipt);
    return tool_finish(EXIT_ALL_DONE);
}
