/* deal_driver.c - takes numbers by as many threads on rank 0, one more on rank 1 and so on, each
 * for a tenth of a millisecond. Into the file rank.RANK go the numbers, a line each, and "failed"
 * if a rank has. SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include <glib.h>

#include "formats/error.h"
#include "mr/deal.h"

enum { WORK_US = 100, SLOWER = 10, THREADS_MAX = 64 };

static Deal *deal;
static GMutex lock;
static GString *taken;
static int number_count = 100;
static int first_threads = 1; /* of rank 0 */
static int fail_at = -1;      /* the thread that takes it */
static int slow_rank = -1;    /* takes ten times as long */
static gulong work_us = WORK_US;

static gpointer
take_all(gpointer data G_GNUC_UNUSED)
{
    guint number = 0;

    while (deal_take(deal, &number)) {
        g_usleep(work_us);
        g_mutex_lock(&lock);
        g_string_append_printf(taken, "%u\n", number);
        g_mutex_unlock(&lock);
        if ((int)number == fail_at)
            deal_fail(deal);
    }
    return NULL;
}

int
main(int argc, char **argv)
{
    static const GOptionEntry entries[] = {
        {"count", 0, 0, G_OPTION_ARG_INT, &number_count, "Numbers", "N"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &first_threads, "Of rank 0", "N"},
        {"fail", 0, 0, G_OPTION_ARG_INT, &fail_at, "Fail at this number", "N"},
        {"slow", 0, 0, G_OPTION_ARG_INT, &slow_rank, "The slow rank", "RANK"},
        {0}};
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    GThread *threads[THREADS_MAX];

    g_option_context_add_main_entries(context, entries, NULL);
    Comm *comm = g_option_context_parse(context, &argc, &argv, &error) ? comm_open(&error) : NULL;
    if (!comm)
        return EXIT_FAILURE;
    guint thread_count = (guint)(first_threads + comm_rank(comm));
    g_assert(thread_count <= THREADS_MAX);
    if (slow_rank == comm_rank(comm))
        work_us *= SLOWER;
    taken = g_string_new(NULL);
    deal = deal_new(comm, (guint)number_count, thread_count);
    for (guint i = 0; i < thread_count; i++)
        threads[i] = g_thread_new("take", take_all, NULL);
    gboolean whole = deal_run(deal);
    for (guint i = 0; i < thread_count; i++)
        g_thread_join(threads[i]);
    if (!whole)
        g_string_append(taken, "failed\n");
    g_autofree char *name = g_strdup_printf("rank.%d", comm_rank(comm));
    if (!g_file_set_contents(name, taken->str, (gssize)taken->len, NULL))
        return EXIT_FAILURE;
    deal_free(deal);
    g_string_free(taken, TRUE);
    comm_close(comm);
    return EXIT_SUCCESS;
}
