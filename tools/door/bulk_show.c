/* bulk_show.c - what a customer is told of his jobs, and how he cancels one.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/json.h"
#include "formats/note.h"
#include "formats/usage.h"
#include "tools/door/bulk_internal.h"

#define RESULTS_FILE "results/.millrace/results.ndjson"

enum { LIST_DEFAULT = 100, LIST_MAX = 1000 };

static void
put_job(GString *out, const BulkJob *job)
{
    g_autoptr(GString) accepted = g_string_new(NULL);

    usage_print_time(accepted, job->accepted_us);
    json_put_string(out, "job", job->id);
    json_put_string(out, "state", bulk_state_name(job->state));
    json_put_uint(out, "rows", job->row_count);
    json_put_uint(out, "done", job->done_count);
    json_put_uint(out, "failed", job->failed_count);
    json_put_uint(out, "tries", job->tries);
    json_put_string(out, "accepted", accepted->str);
    json_put_string(out, "manifest", job->manifest);
    if (job->to)
        json_put_string(out, "to", job->to);
    if (job->reason)
        json_put_string(out, "reason", job->reason);
}

static void
answer_json(BulkWork *work, DoorOutcome outcome, HttpAnswer *answer, const GString *body)
{
    answer->content_type = "application/json";
    answer->bytes = body->str;
    answer->size_bytes = body->len;
    door_answer(work->exchange, outcome, answer);
}

/* (transfer full); NULL when it is not there yet. */
static char *
read_receipt(BulkWork *work, const char *id)
{
    g_autofree char *path = bulk_job_path(work->bulk->door->jobs, id, "receipt");
    gsize size_bytes = 0;

    return durable_read_file(AT_FDCWD, path, NOTE_MAX_BYTES, &size_bytes, NULL);
}

void
bulk_answer_job(BulkWork *work, DoorOutcome outcome, guint status, const BulkJob *job,
                const char *receipt)
{
    g_autoptr(GString) body = g_string_new(NULL);
    g_autofree char *stored = receipt ? NULL : read_receipt(work, job->id);
    HttpAnswer answer = {.status = status};

    json_open(body, NULL, '{');
    put_job(body, job);
    if (receipt || stored)
        json_put_string(body, "receipt", receipt ? receipt : stored);
    g_string_append(body, "}\n");
    if (status == 202)
        http_answer_header(&answer, "Location", "/v1/jobs/%s", job->id);
    if (outcome == OUTCOME_REPLAYED)
        http_answer_header(&answer, "Idempotent-Replayed", "true");
    answer_json(work, outcome, &answer, body);
}

gboolean
bulk_find(BulkWork *work, BulkJob *job)
{
    BulkJobs *jobs = work->bulk->door->jobs;
    g_autoptr(GError) error = NULL;
    gboolean found = bulk_id_is_valid(work->id) && bulk_jobs_read(jobs, work->id, job, &error);

    if (found && strcmp(job->customer, work->exchange->key.customer) == 0)
        return TRUE;
    if (error && !g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT))
        bulk_fail(work, "reading a job", error);
    else
        door_problem(work->exchange, OUTCOME_BAD_REQUEST, 404, "no-such-job", 0,
                     "you have no such job");
    return FALSE;
}

void
bulk_show(BulkWork *work)
{
    g_auto(BulkJob) job = {0};

    if (bulk_find(work, &job))
        bulk_answer_job(work, OUTCOME_SERVED, 200, &job, NULL);
}

void
bulk_cancel(BulkWork *work)
{
    BulkJobs *jobs = work->bulk->door->jobs;
    g_autofree char *by = g_strdup_printf("key %s", work->exchange->key.id);
    g_autoptr(GError) error = NULL;
    g_auto(BulkJob) job = {0};
    g_auto(BulkJob) after = {0};

    if (!bulk_find(work, &job))
        return;
    if (!bulk_job_cancel(jobs, work->id, by, &error)) {
        if (g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE))
            door_problem(work->exchange, OUTCOME_CONFLICT, 409, "at-its-end", 0, "%s",
                         error->message);
        else
            bulk_fail(work, "cancelling a job", error);
    } else if (!bulk_jobs_read(jobs, work->id, &after, &error)) {
        bulk_fail(work, "reading a job", error);
    } else {
        bulk_answer_job(work, OUTCOME_SERVED, 200, &after, NULL);
    }
}

/* Results are there when the job is done. FALSE: answered. */
static gboolean
is_done(BulkWork *work, const BulkJob *job)
{
    if (job->state == BULK_DONE)
        return TRUE;
    door_problem(work->exchange, OUTCOME_CONFLICT, 409, "not-done", 0,
                 "the job is %s: it has results when it is done", bulk_state_name(job->state));
    return FALSE;
}

void
bulk_results(BulkWork *work)
{
    g_auto(BulkJob) job = {0};
    g_autoptr(GError) error = NULL;
    struct stat status;

    if (!bulk_find(work, &job) || !is_done(work, &job))
        return;
    g_autofree char *path = bulk_job_path(work->bulk->door->jobs, job.id, RESULTS_FILE);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &status) != 0) {
        millrace_error_set_errno(&error, MILLRACE_ERROR_IO, errno, "%s", path);
        bulk_fail(work, "reading results", error);
        if (fd >= 0)
            close(fd);
        return;
    }
    HttpAnswer answer = {.status = 200,
                         .content_type = "application/x-ndjson",
                         .fd = fd,
                         .size_bytes = (gsize)status.st_size};
    door_answer(work->exchange, OUTCOME_SERVED, &answer);
}

void
bulk_outputs(BulkWork *work)
{
    g_auto(BulkJob) job = {0};
    g_autoptr(GError) error = NULL;

    if (!bulk_find(work, &job) || !is_done(work, &job))
        return;
    g_autofree char *path = bulk_job_path(work->bulk->door->jobs, job.id, "results");
    if (!bulk_tar_answer(work->exchange, path, job.accepted_us / G_USEC_PER_SEC, &error))
        bulk_fail(work, "reading results", error);
}

/* A page of the list. */
typedef struct {
    GString *out;
    const char *after;
    guint left;
    gboolean more;
    char last[JOB_ID_CHARS + 1];
} Listing;

static gboolean
on_job(const BulkJob *job, gpointer data)
{
    Listing *listing = data;

    if (listing->after && strcmp(job->id, listing->after) <= 0)
        return TRUE;
    listing->more = listing->left == 0;
    if (listing->more)
        return FALSE;
    json_open(listing->out, NULL, '{');
    put_job(listing->out, job);
    g_string_append_c(listing->out, '}');
    g_strlcpy(listing->last, job->id, sizeof listing->last);
    listing->left--;
    return TRUE;
}

/* Reads ?limit=N&after=ID. FALSE: answered. */
static gboolean
read_page(BulkWork *work, Listing *listing)
{
    HttpRequest *request = work->exchange->request;
    const char *limit = http_query(request, "limit");
    char *end = NULL;

    listing->after = http_query(request, "after");
    guint64 count = limit ? g_ascii_strtoull(limit, &end, 10) : LIST_DEFAULT;
    listing->left = (guint)MIN(count, LIST_MAX);
    if (http_query_count(request) == (guint)(limit != NULL) + (listing->after != NULL) &&
        count > 0 && (!limit || (g_ascii_isdigit(*limit) && *end == '\0')) &&
        (!listing->after || bulk_id_is_valid(listing->after)))
        return TRUE;
    door_problem(work->exchange, OUTCOME_BAD_REQUEST, 400, "bad-query", 0,
                 "the query may have limit=N, of at least 1, and after=ID, and nothing else");
    return FALSE;
}

void
bulk_list(BulkWork *work)
{
    g_autoptr(GString) body = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    Listing listing = {.out = body};
    HttpAnswer answer = {.status = 200};

    if (!read_page(work, &listing))
        return;
    json_open(body, NULL, '{');
    json_open(body, "jobs", '[');
    if (!bulk_jobs_list(work->bulk->door->jobs, work->exchange->key.customer, on_job, &listing,
                        &error)) {
        bulk_fail(work, "listing jobs", error);
        return;
    }
    g_string_append_c(body, ']');
    if (listing.more)
        json_put_string(body, "next", listing.last);
    g_string_append(body, "}\n");
    answer_json(work, OUTCOME_SERVED, &answer, body);
}
