/* queue.c - millrace queue: bulk jobs, from who submits them to who does them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/queue.h"

#include <string.h>

#include "formats/json.h"
#include "formats/usage.h"
#include "tools/tool.h"
#include "tools/verbs.h"

char *
queue_state_path(const QueuePlaces *places, const char *name)
{
    return places->state ? g_build_filename(places->state, name, NULL) : NULL;
}

gboolean
queue_usage(GError **error, const char *message)
{
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, message);
    return FALSE;
}

const char *
queue_operand(char **operands, const char *what, GError **error)
{
    if (operands && operands[0] && !operands[1])
        return operands[0];
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, "expected %s; see --help", what);
    return NULL;
}

gboolean
queue_places_open(QueuePlaces *places, BulkJobs **jobs, Queue **queue, GError **error)
{
    g_autofree char *sqlite = queue_state_path(places, "queue.sqlite");

    if (places->state && !g_file_test(places->state, G_FILE_TEST_IS_DIR)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                    "there is no state in %s: millrace keys init makes one", places->state);
        return FALSE;
    }
    if (!places->jobs)
        places->jobs = queue_state_path(places, "jobs");
    if (!places->queue && sqlite)
        places->queue = g_strconcat("sqlite:", sqlite, NULL);
    if (jobs && !places->jobs)
        return queue_usage(error, "expected --state DIR, or --jobs DIR");
    if (queue && !places->queue)
        return queue_usage(error, "expected --state DIR, or --queue WHERE");
    if (jobs && !(*jobs = bulk_jobs_open(places->jobs, error)))
        return FALSE;
    if (queue && !(*queue = queue_open(places->queue, QUEUE_LENGTH_MAX_DEFAULT, error))) {
        if (jobs)
            g_clear_pointer(jobs, bulk_jobs_free);
        return FALSE;
    }
    return TRUE;
}

gboolean
queue_parse_format(const char *format, gboolean *json, GError **error)
{
    *json = format && strcmp(format, "json") == 0;
    return *json || !format || strcmp(format, "text") == 0 ||
           queue_usage(error, "--format: expected text or json");
}

void
queue_print_json(const BulkJob *job, GString *out)
{
    g_autoptr(GString) accepted = g_string_new(NULL);

    usage_print_time(accepted, job->accepted_us);
    json_open(out, NULL, '{');
    json_put_string(out, "job", job->id);
    json_put_string(out, "state", bulk_state_name(job->state));
    json_put_string(out, "customer", job->customer);
    if (job->to)
        json_put_string(out, "to", job->to);
    json_put_string(out, "accepted", accepted->str);
    json_put_uint(out, "rows", job->row_count);
    json_put_uint(out, "done", job->done_count);
    json_put_uint(out, "failed", job->failed_count);
    json_put_uint(out, "tries", job->tries);
    json_put_string(out, "manifest_sha256", job->manifest);
    if (job->reason)
        json_put_string(out, "reason", job->reason);
    g_string_append(out, "}\n");
}

static const Verb verbs[] = {
    {"submit", queue_submit_main, "make a job of a manifest, or of a tar of images"},
    {"list", queue_list_main, "all jobs, a line each"},
    {"show", queue_show_main, "one job"},
    {"cancel", queue_cancel_main, "end jobs before they are done"},
    {"drain", queue_drain_main, "do jobs: what cron or a supervisor runs"},
    {"receipt", queue_receipt_main, "check a receipt"},
};

int
main(int argc, char **argv)
{
    static const Verbs all = {
        .program = "queue",
        .example = "  millrace queue submit --state STATE --customer acme --to 320x320 images.tar\n"
                   "  millrace queue drain --state STATE --once\n"
                   "  millrace queue list --state STATE",
        .verbs = verbs,
        .count = G_N_ELEMENTS(verbs)};

    return verbs_main(&all, argc, argv);
}
