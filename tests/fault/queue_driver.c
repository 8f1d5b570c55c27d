/* queue_driver.c - calls of jobs/queue.h, one after the other, for tests that break what is behind
 * them.
 *     queue_driver WHERE conform            what every queue owes; WHERE holds nothing before
 *     queue_driver WHERE put FIRST COUNT    enqueues; prints "NUMBER SECONDS" for each that was
 *                                           confirmed, to stderr the reasons of those that were
 * not; each is tried for 60 s queue_driver WHERE try NUMBER         enqueues once; prints how long
 * that took queue_driver WHERE drain COUNT        claims and acknowledges until COUNT different
 * ones were seen, or none came for 10 s; prints each time a number queue_driver WHERE hold SECONDS
 * claims one, prints it, and keeps it queue_driver WHERE depth SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/queue.h"

enum { PATIENCE_US = 60 * G_USEC_PER_SEC, PAUSE_US = 100000, SETTLE_US = 10 * G_USEC_PER_SEC };

#define SHORT_QUEUE 4

static guint failed_count;
static gint64 lease_us = 60 * G_USEC_PER_SEC;

static const char *
id_of(guint number, char id[JOB_ID_CHARS + 1])
{
    g_snprintf(id, JOB_ID_CHARS + 1, "j%032x", number);
    return id;
}

static guint
number_of(const char *id)
{
    return (guint)g_ascii_strtoull(id + 1, NULL, 16);
}

static void
expect(gboolean good, const char *what)
{
    printf("%s: %s\n", good ? "good" : "BAD", what);
    if (!good)
        failed_count++;
}

static gboolean
put(Queue *queue, guint number)
{
    char id[JOB_ID_CHARS + 1];
    GError *error = NULL;

    if (queue_enqueue(queue, id_of(number, id), &error))
        return TRUE;
    fprintf(stderr, "%u: %s\n", number, error->message);
    if (!g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE))
        expect(FALSE, "a refused enqueue is MILLRACE_ERROR_UNAVAILABLE");
    g_clear_error(&error);
    return FALSE;
}

/* The number of what was claimed, or 0. */
static guint
take(Queue *queue, gint64 wait_us, QueueClaim *claim)
{
    g_autoptr(GError) error = NULL;

    switch (queue_claim(queue, lease_us, wait_us, claim, &error)) {
    case 1:
        return number_of(claim->id);
    case 0:
        return 0;
    default:
        fprintf(stderr, "claim: %s\n", error->message);
        return 0;
    }
}

/* A broker counts what it has told of only after a moment. */
static gboolean
has_depth(Queue *queue, guint64 ready, guint64 dead)
{
    gint64 until_us = g_get_monotonic_time() + SETTLE_US;
    QueueDepth depth;

    for (;;) {
        gboolean known = queue_depth(queue, &depth, NULL);
        if (known && depth.ready == ready && depth.dead == dead)
            return TRUE;
        if (g_get_monotonic_time() > until_us) {
            fprintf(stderr, "ready %u, dead %u\n", (guint)depth.ready, (guint)depth.dead);
            return FALSE;
        }
        g_usleep(PAUSE_US);
    }
}

static void
conform_order(const char *where)
{
    g_autoptr(Queue) queue = queue_open(where, SHORT_QUEUE, NULL);
    QueueClaim claim, other;

    expect(take(queue, 0, &claim) == 0, "nothing waits in a new queue");
    expect(put(queue, 3) && put(queue, 1) && put(queue, 2), "three are put in");
    expect(has_depth(queue, 3, 0), "three wait");
    expect(take(queue, 0, &claim) == 3 && claim.deliveries == 1, "the first comes first");
    expect(take(queue, 0, &other) == 1, "another claim is another job");
    expect(queue_ack(queue, &other, NULL), "it is acknowledged");
    expect(!queue_ack(queue, &other, NULL), "but only once");
    expect(queue_nack(queue, &claim, FALSE, NULL), "the first is given back");
    expect(has_depth(queue, 2, 0), "two wait");
    expect(take(queue, 0, &claim) == 3 && claim.deliveries == 2,
           "what was given back comes first again, for the second time");
    expect(queue_ack(queue, &claim, NULL), "and is acknowledged");
    expect(take(queue, 0, &claim) == 2 && queue_nack(queue, &claim, TRUE, NULL),
           "the last is a dead letter");
    expect(has_depth(queue, 0, 1), "nothing waits, one is dead");
    gint64 start_us = g_get_monotonic_time();
    expect(take(queue, 300000, &claim) == 0 && g_get_monotonic_time() - start_us >= 300000,
           "a claim waits as long as it was told");
}

static void
conform_loss(const char *where)
{
    Queue *first = queue_open(where, SHORT_QUEUE, NULL);
    g_autoptr(Queue) second = queue_open(where, SHORT_QUEUE, NULL);
    QueueClaim claim, again;

    expect(put(first, 10), "one is put in");
    expect(queue_claim(first, 100000, 0, &claim, NULL) == 1, "it is claimed for a tenth second");
    expect(take(second, 0, &again) == 0, "another gets nothing meanwhile");
    g_usleep(150000);
    expect(take(first, SETTLE_US, &again) == 10 && again.deliveries == 2,
           "a lease that is over returns the job");
    expect(!queue_ack(first, &claim, NULL), "the old claim is of no more use");
    expect(queue_nack(first, &again, FALSE, NULL), "it is given back");
    queue_free(first);
    expect(take(second, SETTLE_US, &again) == 10, "another gets it");
    expect(queue_ack(second, &again, NULL), "and acknowledges it");
    expect(has_depth(second, 0, 1), "nothing is left");
}

static void
conform_bounds(const char *where)
{
    g_autoptr(Queue) queue = queue_open(where, SHORT_QUEUE, NULL);
    g_autoptr(Queue) longer = queue_open(where, 100 * SHORT_QUEUE, NULL);
    QueueClaim claim;
    guint number = 100;

    /* A broker's bound is soft, so some more may come in. */
    while (number < 200 && put(queue, number))
        number++;
    expect(number >= 100 + SHORT_QUEUE && number < 110, "a full queue refuses");
    guint count = 0;
    while (take(longer, 300000, &claim) == 100 + count && queue_ack(longer, &claim, NULL))
        count++;
    expect(count == number - 100, "what it took is there, in order, for one with another bound");
    expect(put(queue, 200) && take(queue, 0, &claim) == 200 && queue_ack(queue, &claim, NULL),
           "then it takes again");
    expect(put(queue, 300), "a job that nobody can do");
    for (guint i = 1; i <= 20; i++)
        if (take(queue, 300000, &claim) != 300 || claim.deliveries != i ||
            !queue_nack(queue, &claim, FALSE, NULL))
            expect(FALSE, "it is given back and comes again");
    expect(has_depth(queue, 0, 2), "is a dead letter after twenty times");
}

static int
conform(const char *where)
{
    conform_order(where);
    conform_loss(where);
    conform_bounds(where);
    return failed_count > 0;
}

static int
put_many(Queue *queue, guint first, guint count, guint pause_ms)
{
    guint missed = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (guint number = first; number < first + count; number++) {
        gint64 start_us = g_get_monotonic_time();
        gboolean good = put(queue, number);
        while (!good && g_get_monotonic_time() - start_us < PATIENCE_US) {
            g_usleep(PAUSE_US);
            good = put(queue, number);
        }
        if (good)
            printf("%u %.6f\n", number, (double)(g_get_monotonic_time() - start_us) / 1e6);
        else
            missed++;
        g_usleep(pause_ms * 1000);
    }
    return missed > 0;
}

static int
put_once(Queue *queue, guint number)
{
    gint64 start_us = g_get_monotonic_time();
    gboolean good = put(queue, number);

    printf("%.3f\n", (double)(g_get_monotonic_time() - start_us) / 1e6);
    return failed_count > 0 ? 1 : good ? EXIT_ALL_DONE : EXIT_UNAVAILABLE;
}

static int
drain(Queue *queue, guint count)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    gint64 until_us = g_get_monotonic_time() + SETTLE_US;
    QueueClaim claim;

    setvbuf(stdout, NULL, _IOLBF, 0);
    while (g_hash_table_size(seen) < count && g_get_monotonic_time() < until_us) {
        guint number = take(queue, G_USEC_PER_SEC, &claim);
        if (number == 0) {
            g_usleep(PAUSE_US);
            continue;
        }
        printf("%u\n", number);
        until_us = g_get_monotonic_time() + SETTLE_US;
        if (queue_ack(queue, &claim, NULL))
            g_hash_table_add(seen, GUINT_TO_POINTER(number));
    }
    return g_hash_table_size(seen) < count;
}

static int
hold(Queue *queue, guint seconds)
{
    QueueClaim claim;

    printf("%u\n", take(queue, SETTLE_US, &claim));
    fflush(stdout);
    g_usleep(seconds * G_USEC_PER_SEC);
    return 0;
}

static int
print_depth(Queue *queue)
{
    g_autoptr(GError) error = NULL;
    QueueDepth depth;

    if (!queue_depth(queue, &depth, &error)) {
        fprintf(stderr, "%s\n", error->message);
        return millrace_error_exit_code(error);
    }
    printf("%u %u %u\n", (guint)depth.ready, (guint)depth.claimed, (guint)depth.dead);
    return 0;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (argc < 3)
        return EXIT_BAD_USAGE;
    const char *verb = argv[2];
    const char *lease_ms = g_getenv("QUEUE_LEASE_MS");
    if (lease_ms)
        lease_us = (gint64)g_ascii_strtoull(lease_ms, NULL, 10) * 1000;
    guint first = argc > 3 ? (guint)strtoul(argv[3], NULL, 10) : 0;
    guint second = argc > 4 ? (guint)strtoul(argv[4], NULL, 10) : 0;
    guint third = argc > 5 ? (guint)strtoul(argv[5], NULL, 10) : 0;
    if (strcmp(verb, "conform") == 0)
        return conform(argv[1]);
    g_autoptr(Queue) queue = queue_open(argv[1], QUEUE_LENGTH_MAX_DEFAULT, &error);
    if (!queue) {
        fprintf(stderr, "%s\n", error->message);
        return millrace_error_exit_code(error);
    }
    if (strcmp(verb, "put") == 0)
        return put_many(queue, first, second, third);
    if (strcmp(verb, "try") == 0)
        return put_once(queue, first);
    if (strcmp(verb, "drain") == 0)
        return drain(queue, first);
    if (strcmp(verb, "hold") == 0)
        return hold(queue, first);
    return strcmp(verb, "depth") == 0 ? print_depth(queue) : EXIT_BAD_USAGE;
}
