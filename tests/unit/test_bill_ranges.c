/* test_bill_ranges.c - ranges on one rank alone, by several threads. Several ranks are for
 * tests/mpi. SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_ranges.h"

#include <criterion/criterion.h>

enum { THREADS = 4, RANGES_MAX = 5000 };

typedef struct {
    BillRanges *ranges;
    guint64 stop_at; /* the thread that takes this one has failed */
    gint taken[RANGES_MAX];
} Job;

static gpointer
take_all(gpointer data)
{
    Job *job = data;
    guint64 range = 0;

    while (bill_ranges_take(job->ranges, &range)) {
        cr_assert_lt(range, RANGES_MAX);
        g_atomic_int_inc(&job->taken[range]);
        if (range == job->stop_at)
            bill_ranges_stop(job->ranges);
        bill_ranges_done(job->ranges);
    }
    return NULL;
}

/* Returns: what bill_ranges_run() did. */
static gboolean
run(Job *job, guint64 range_count, guint thread_count)
{
    Comm *comm = comm_alone();
    GThread *threads[THREADS];

    job->ranges = bill_ranges_new(comm, range_count, thread_count);
    for (guint i = 0; i < thread_count; i++)
        threads[i] = g_thread_new("take", take_all, job);
    gboolean whole = bill_ranges_run(job->ranges);
    for (guint i = 0; i < thread_count; i++)
        g_thread_join(threads[i]);
    bill_ranges_free(job->ranges);
    comm_close(comm);
    return whole;
}

Test(bill_ranges, gives_each_once, .timeout = 60)
{
    static const guint64 counts[] = {1, 2, 3, 256, RANGES_MAX};

    for (guint i = 0; i < G_N_ELEMENTS(counts); i++)
        for (guint threads = 1; threads <= THREADS; threads++) {
            Job job = {.stop_at = RANGES_MAX};
            cr_assert(run(&job, counts[i], threads));
            for (guint64 range = 0; range < RANGES_MAX; range++)
                cr_assert_eq(job.taken[range], range < counts[i], "range %u of %u by %u threads",
                             (guint)range, (guint)counts[i], threads);
        }
}

Test(bill_ranges, ends_early_when_it_is_told, .timeout = 60)
{
    Job job = {.stop_at = 10};
    guint taken = 0;

    cr_assert_not(run(&job, RANGES_MAX, 2));
    for (guint range = 0; range < RANGES_MAX; range++)
        taken += (guint)job.taken[range];
    cr_assert_gt(taken, 10);
    cr_assert_lt(taken, RANGES_MAX);
}
