/* deal.c - rank 0 deals. Its own threads help themselves; another rank's take from a line, which
 * its main thread keeps filled:
 *
 *     rank → 0   ASK    how many, failed?   answered by one GIVE
 *     0 → rank   GIVE   first, how many     none: there will be no more
 *
 * Nobody asks for what the threads begin with, so ranks of different speed or distance all begin.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/deal.h"

#include "formats/bytes.h"
#include "mr/lease.h"

enum { TAG_ASK = 300, TAG_GIVE };
enum { POLL_US = 2000, THREADS_A_SPARE = 4, SPARE_MAX = 64 };

struct _Deal {
    Comm *comm;
    guint count;
    guint thread_count;
    GMutex lock;     /* of what follows */
    GCond come;      /* numbers, or the end, for the threads */
    GCond taken;     /* a number, or notice of the end, for the main thread */
    GQueue line;     /* of numbers as pointers, one higher, so that none is NULL */
    guint spare;     /* how many shall lie in the line */
    guint waiting;   /* threads */
    guint gone;      /* threads that know of the end */
    gboolean ended;  /* nothing comes behind the line */
    gboolean failed; /* here */
    gboolean asking; /* another rank than 0 */
    guint next;      /* rank 0: the lowest number that nobody has */
    guint told;      /* rank 0: other ranks that know of the end */
};

static gboolean
is_rank_0(const Deal *deal)
{
    return comm_rank(deal->comm) == 0;
}

static void
push(Deal *deal, guint number)
{
    g_queue_push_tail(&deal->line, GUINT_TO_POINTER(number + 1));
}

/* What the threads of all ranks begin with, rank by rank. */
static void
deal_first(Deal *deal)
{
    int rank_count = comm_size(deal->comm);
    g_autofree gint64 *threads = g_new0(gint64, rank_count);
    gint64 before = 0;
    gint64 all = 0;

    threads[comm_rank(deal->comm)] = deal->thread_count;
    comm_sum_each(deal->comm, threads, (guint)rank_count);
    for (int rank = 0; rank < rank_count; rank++) {
        before += rank < comm_rank(deal->comm) ? threads[rank] : 0;
        all += threads[rank];
    }
    for (gint64 i = before; i < MIN(before + deal->thread_count, deal->count); i++)
        push(deal, (guint)i);
    deal->next = (guint)MIN(all, deal->count);
}

Deal *
deal_new(Comm *comm, guint count, guint thread_count)
{
    Deal *deal = g_new0(Deal, 1);

    g_assert(thread_count > 0);
    deal->comm = comm;
    deal->count = count;
    deal->thread_count = thread_count;
    deal->spare = 1 + thread_count / THREADS_A_SPARE;
    g_mutex_init(&deal->lock);
    g_cond_init(&deal->come);
    g_cond_init(&deal->taken);
    g_queue_init(&deal->line);
    deal_first(deal);
    return deal;
}

void
deal_free(Deal *deal)
{
    g_queue_clear(&deal->line);
    g_cond_clear(&deal->come);
    g_cond_clear(&deal->taken);
    g_mutex_clear(&deal->lock);
    g_free(deal);
}

/* Rank 0's threads need not ask. */
static void
help_oneself(Deal *deal)
{
    if (deal->line.length == 0 && deal->next < deal->count)
        push(deal, deal->next++);
    deal->ended = deal->next == deal->count;
}

gboolean
deal_take(Deal *deal, guint *number)
{
    gpointer taken = NULL;

    g_mutex_lock(&deal->lock);
    for (;;) {
        if (is_rank_0(deal))
            help_oneself(deal);
        taken = g_queue_pop_head(&deal->line);
        if (taken || deal->ended)
            break;
        deal->waiting++;
        g_cond_signal(&deal->taken);
        g_cond_wait(&deal->come, &deal->lock);
        deal->waiting--;
    }
    deal->gone += taken == NULL;
    g_cond_signal(&deal->taken);
    g_mutex_unlock(&deal->lock);
    if (taken)
        *number = GPOINTER_TO_UINT(taken) - 1;
    return taken != NULL;
}

/* Under lock. */
static void
stop(Deal *deal)
{
    g_queue_clear(&deal->line);
    if (is_rank_0(deal))
        deal->next = deal->count;
}

void
deal_fail(Deal *deal)
{
    g_mutex_lock(&deal->lock);
    deal->failed = TRUE;
    stop(deal);
    g_cond_signal(&deal->taken);
    g_mutex_unlock(&deal->lock);
}

/* Asks for what is missing in the line; after a failure only to hear of the end. A thread that had
 * to wait shows that too few were spare. */
static void
ask(Deal *deal)
{
    guint wanted = deal->spare + deal->waiting;

    if (deal->asking || deal->ended || (!deal->failed && deal->line.length >= wanted))
        return;
    if (deal->waiting > 0)
        deal->spare = MIN(deal->spare * 2, SPARE_MAX);
    GByteArray *bytes = g_byte_array_new();
    bytes_put_u32(bytes, deal->failed ? 1 : wanted - deal->line.length);
    bytes_put_u8(bytes, deal->failed);
    comm_send(deal->comm, 0, TAG_ASK, bytes);
    deal->asking = TRUE;
}

static void
answer(Deal *deal, int rank, guint wanted)
{
    guint remaining = deal->count - deal->next;
    guint size = remaining > 0 ? lease_size(remaining, (guint)comm_size(deal->comm), wanted) : 0;
    GByteArray *bytes = g_byte_array_new();

    bytes_put_u32(bytes, deal->next);
    bytes_put_u32(bytes, size);
    comm_send(deal->comm, rank, TAG_GIVE, bytes);
    deal->next += size;
    deal->told += size == 0;
}

static void
take_given(Deal *deal, guint first, guint size)
{
    deal->asking = FALSE;
    deal->ended = size == 0;
    for (guint i = 0; i < size && !deal->failed; i++)
        push(deal, first + i);
    g_cond_broadcast(&deal->come);
}

static void
handle(Deal *deal, const CommMessage *message)
{
    ByteReader reader = byte_reader(message->bytes->data, message->bytes->len);
    guint32 word = bytes_get_u32(&reader);

    if (message->tag == TAG_ASK) {
        if (bytes_get_u8(&reader))
            stop(deal);
        answer(deal, message->from, word);
    } else {
        g_assert(message->tag == TAG_GIVE);
        take_given(deal, word, bytes_get_u32(&reader));
    }
    g_assert(reader.ok); /* both ends are the same program */
    g_byte_array_unref(message->bytes);
}

static gboolean
is_over(const Deal *deal)
{
    return deal->gone == deal->thread_count &&
           (!is_rank_0(deal) || deal->told + 1 == (guint)comm_size(deal->comm));
}

gboolean
deal_run(Deal *deal)
{
    CommMessage message;

    g_mutex_lock(&deal->lock);
    for (;;) {
        while (comm_receive(deal->comm, &message))
            handle(deal, &message);
        if (!is_rank_0(deal))
            ask(deal);
        if (is_over(deal))
            break;
        if (comm_size(deal->comm) > 1)
            g_cond_wait_until(&deal->taken, &deal->lock, g_get_monotonic_time() + POLL_US);
        else
            g_cond_wait(&deal->taken, &deal->lock);
    }
    g_mutex_unlock(&deal->lock);
    return comm_max(deal->comm, deal->failed) == 0;
}
