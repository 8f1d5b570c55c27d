/* bulk_fixture.h - jobs for tests: submitted as a door would, without a key that signs.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TESTS_BULK_FIXTURE_H
#define MILLRACE_TESTS_BULK_FIXTURE_H

#include <sys/mman.h>

#include "jobs/bulk_submit.h"
#include "tests/unit/scratch.h"

#pragma GCC diagnostic ignored "-Wunused-function"

/* A jobs folder beneath the scratch folder, and the sources of the customer "acme". */
static BulkJobs *
fixture_jobs(const Scratch *scratch)
{
    g_autofree char *path = g_build_filename(scratch->path, "jobs", NULL);
    g_autofree char *acme = g_build_filename(scratch->path, "sources", "acme", NULL);
    g_autoptr(GError) error = NULL;
    BulkJobs *jobs = bulk_jobs_open(path, &error);

    cr_assert_not_null(jobs, "%s", error ? error->message : "");
    cr_assert_eq(g_mkdir_with_parents(acme, 0777), 0);
    return jobs;
}

/* Submits bytes; returns what came of it. error: borrowed by the caller. */
static int
fixture_submit(BulkJobs *jobs, const Scratch *scratch, const char *key, const void *bytes,
               gsize size_bytes, char id[JOB_ID_CHARS + 1], GError **error)
{
    g_autofree char *sources = g_build_filename(scratch->path, "sources", NULL);
    g_autofree char *receipt = NULL;
    BulkRequest request = {
        .customer = "acme", .key = key, .to = "10x10", .cluster = "test", .sources = sources};
    int fd = memfd_create("sent", MFD_CLOEXEC);

    cr_assert_eq(write(fd, bytes, size_bytes), (ssize_t)size_bytes);
    int came = bulk_submit(jobs, fd, size_bytes, &request, id, &receipt, error);
    close(fd);
    return came;
}

/* A job of one row that is in the queue. */
static void
fixture_queued(BulkJobs *jobs, const Scratch *scratch, const char *key, char id[JOB_ID_CHARS + 1])
{
    static const char list[] = "a.jpg\n";

    cr_assert_eq(fixture_submit(jobs, scratch, key, list, sizeof list - 1, id, NULL), BULK_NEW);
    cr_assert(bulk_job_queued(jobs, id, NULL));
}

/* What resize leaves when it has ended: its folder, with a log of usage. */
static void
fixture_work(BulkJobs *jobs, const char *id, const char *ledger)
{
    g_autofree char *state = bulk_job_path(jobs, id, "work/.millrace");
    g_autofree char *usage = g_build_filename(state, "usage-w-0-1.ndjson", NULL);
    g_autofree char *path = g_build_filename(state, "ledger-w-0-1", NULL);

    cr_assert_eq(g_mkdir_with_parents(state, 0777), 0);
    cr_assert(g_file_set_contents(usage, "{}\n", -1, NULL));
    cr_assert(g_file_set_contents(path, ledger, -1, NULL));
}

static BulkState
fixture_state(BulkJobs *jobs, const char *id)
{
    BulkJob job;

    cr_assert(bulk_jobs_read(jobs, id, &job, NULL));
    BulkState state = job.state;
    bulk_job_clear(&job);
    return state;
}

#endif
