/* queue_drain.c - millrace queue drain: what cron or a supervisor runs.
 * SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "formats/duration.h"
#include "jobs/bulk_drain.h"
#include "tools/queue.h"
#include "tools/tool.h"

#define LEASE_MIN_US (G_USEC_PER_SEC / 2)
#define LEASE_MAX_US (G_GINT64_CONSTANT(86400) * G_USEC_PER_SEC)
#define KEEP_MIN_US  (G_GINT64_CONSTANT(3600) * G_USEC_PER_SEC)

static const Tool tool = {
    .verb = "queue drain",
    .synopsis = "",
    .example = "  millrace queue drain --state STATE\n"
               "  * * * * * millrace queue drain --state /var/lib/millrace --once",
    .summary = "Takes jobs from the queue and does them. As many as wanted may run, on as many "
               "hosts; any may be\nkilled at any time. SIGTERM lets images in hand be finished and "
               "gives the rest back."};

static volatile gint stop;

static void
on_signal(int number G_GNUC_UNUSED)
{
    g_atomic_int_set(&stop, 1);
}

/* The options as they are typed. They live as long as the program. */
static struct {
    QueuePlaces places;
    char *sources;
    char *usage;
    char *hostfile;
    char *workers;
    char *lease;
    char *keep;
    gboolean once;
    char **rest;
} options;

static gboolean
parse_options(int argc, char **argv, GError **error)
{
    const GOptionEntry entries[] = {
        QUEUE_ENTRIES(&options.places),
        QUEUE_ENTRY_QUEUE(&options.places),
        {"sources", 0, 0, G_OPTION_ARG_FILENAME, &options.sources,
         "The folder with a folder for each customer", "DIR"},
        {"usage", 0, 0, G_OPTION_ARG_FILENAME, &options.usage,
         "Where usage logs go (default: the folder usage beside that of the jobs)", "DIR"},
        {"once", 0, 0, G_OPTION_ARG_NONE, &options.once, "End when nothing waits", NULL},
        {"workers", 'w', 0, G_OPTION_ARG_FILENAME, &options.workers,
         "Image workers per node (default: its cores)", "N"},
        {"hostfile", 0, 0, G_OPTION_ARG_FILENAME, &options.hostfile,
         "Do each job on all of these hosts, under millrace run", "FILE"},
        {"lease", 0, 0, G_OPTION_ARG_FILENAME, &options.lease,
         "How long a drain that is not heard of keeps its job (default: 60s)", "TIME"},
        {"keep", 0, 0, G_OPTION_ARG_FILENAME, &options.keep,
         "Remove jobs with their results so long after their end, as in 30d (default: never)",
         "TIME"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.rest, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    return tool_parse(&tool, entries, &argc, &argv, error) &&
           (!options.rest || queue_usage(error, "expected options alone; see --help"));
}

static gboolean
parse_lease(gint64 *lease_us, GError **error)
{
    Duration lease;

    *lease_us = BULK_LEASE_DEFAULT_US;
    if (!options.lease)
        return TRUE;
    if (!duration_parse("--lease", options.lease, &lease, error))
        return FALSE;
    *lease_us = lease.us;
    return (lease.months == 0 && lease.us >= LEASE_MIN_US && lease.us <= LEASE_MAX_US) ||
           queue_usage(error, "--lease: expected 1s to 24h");
}

static gboolean
parse_keep(BulkDrain *drain, GError **error)
{
    static Duration keep;

    if (!options.keep)
        return TRUE;
    drain->keep = &keep;
    return duration_parse("--keep", options.keep, &keep, error) &&
           (keep.months > 0 || keep.us >= KEEP_MIN_US ||
            queue_usage(error, "--keep: expected an hour at least"));
}

/* Paths are told to programs that run in another folder. */
static gboolean
configure(BulkDrain *drain, GError **error)
{
    guint64 workers = 0;

    if (options.workers &&
        !tool_parse_count("--workers", options.workers, 1, 4096, &workers, error))
        return FALSE;
    if (options.hostfile && access(options.hostfile, R_OK) != 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT, "--hostfile %s cannot be read",
                    options.hostfile);
        return FALSE;
    }
    drain->worker_count = (guint)workers;
    drain->once = options.once;
    if (options.sources)
        drain->sources = g_canonicalize_filename(options.sources, NULL);
    if (options.hostfile)
        drain->hostfile = g_canonicalize_filename(options.hostfile, NULL);
    drain->resize_program = tool_find_program("millrace-resize");
    drain->run_program = tool_find_program("millrace-run");
    return parse_lease(&drain->lease_us, error) && parse_keep(drain, error);
}

static void
told(const char *id, const char *what, gpointer data G_GNUC_UNUSED)
{
    if (id)
        tool_log("%s %s", id, what);
    else
        tool_log("%s", what);
}

static int
verdict(const BulkDrained *drained)
{
    if (drained->again > 0)
        return EXIT_INCOMPLETE;
    return drained->dead > 0 ? EXIT_SOME_FAILED : EXIT_ALL_DONE;
}

int
queue_drain_main(int argc, char **argv)
{
    static BulkDrain drain = {.stop = &stop, .told = told};
    const struct sigaction action = {.sa_handler = on_signal};
    g_autoptr(BulkJobs) jobs = NULL;
    g_autoptr(Queue) queue = NULL;
    g_autoptr(GError) error = NULL;
    BulkDrained drained;

    if (!parse_options(argc, argv, &error) || !configure(&drain, &error) ||
        !queue_places_open(&options.places, &jobs, &queue, &error))
        return tool_fail(error);
    g_autofree char *usage = options.usage
                                 ? g_strdup(options.usage)
                                 : g_build_filename(bulk_jobs_path(jobs), "..", "usage", NULL);
    drain.usage_dir = usage;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    gboolean good = bulk_drain(jobs, queue, &drain, &drained, &error);
    printf("%" G_GUINT64_FORMAT " done, %" G_GUINT64_FORMAT " to be tried again, %" G_GUINT64_FORMAT
           " given up, %" G_GUINT64_FORMAT " passed over\n",
           drained.done, drained.again, drained.dead, drained.skipped);
    return good ? tool_finish(verdict(&drained)) : tool_fail(error);
}
