/* foreach.c - rank 0 answers asks with leases; every rank, rank 0 too, asks when it runs low.
 *
 *     rank → 0   ASK       wanted, counts     answered by one LEASE, later if nothing is there yet
 *     0 → rank   LEASE     last, items        last: nothing will come after it
 *     rank → 0   COUNTS    counts             now and then, for the progress
 *     rank → 0   HALT                         please stop handing out
 *     0 → rank   STOP                         forget what you have not begun
 *     rank → 0   FINISHED  counts             all I was leased is done
 *     0 → rank   BYE                          all ranks have finished
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/foreach.h"

#include "formats/bytes.h"

enum { TAG_ASK = 1, TAG_LEASE, TAG_COUNTS, TAG_HALT, TAG_STOP, TAG_FINISHED, TAG_BYE };
enum {
    WANT_FIRST = 32,
    LEASE_SHORT_US = 20000,  /* a lease used up faster: ask for more at a time */
    LEASE_LONG_US = 1000000, /* a lease that lasts longer: ask for less */
    COUNTS_INTERVAL_US = 250000,
    POLL_RELAXED_US = 4000, /* between looks for messages while there is enough to do */
    MESSAGES_A_TURN = 64
};

/* What rank 0 knows of a rank. */
typedef struct {
    guint wanted; /* of an ask not answered yet; 0 = none */
    gboolean finished;
    ForeachCounts counts;
} Taker;

struct _Foreach {
    Comm *comm;
    ForeachJob shape;
    gpointer data;
    guint worker_count;
    GMainLoop *loop;
    GSource *source;

    /* This rank as a taker. */
    GByteArray *lease;      /* the bytes of items */
    GArray *items;          /* of LeaseItem */
    guint item_index;       /* the next one to take */
    GByteArray *lease_next; /* fetched before the one above is used up */
    guint want;
    gint64 asked_us;
    gint64 counts_sent_us;
    gboolean asking;
    gboolean last;     /* nothing more will be leased */
    gboolean finished; /* said so to rank 0 */
    guint64 taken_count;
    ForeachCounts counts;

    /* Rank 0 as the one who hands out. */
    Taker *takers;
    gboolean stopped;
    gboolean ended;
    GError *error;
};

static gboolean
is_rank_0(const Foreach *each)
{
    return comm_rank(each->comm) == 0;
}

static guint
waiting_items(const Foreach *each)
{
    return each->items->len - each->item_index;
}

static void
put_counts(GByteArray *bytes, const ForeachCounts *counts)
{
    bytes_put_u64(bytes, counts->done_count);
    bytes_put_u64(bytes, counts->failed_count);
}

static void
send_counts(Foreach *each, int tag)
{
    GByteArray *bytes = g_byte_array_new();

    put_counts(bytes, &each->counts);
    comm_send(each->comm, 0, tag, bytes);
    each->counts_sent_us = g_get_monotonic_time();
}

/* Asks for a lease when what is in hand is low, and says when all is done. */
static void
ask_or_finish(Foreach *each)
{
    /* The job may have taken as many that wait for its workers. */
    guint low = each->worker_count;

    if (!each->last && !each->asking && !each->lease_next && waiting_items(each) < low) {
        GByteArray *bytes = g_byte_array_new();
        bytes_put_u32(bytes, each->want);
        put_counts(bytes, &each->counts);
        comm_send(each->comm, 0, TAG_ASK, bytes);
        each->asking = TRUE;
        each->asked_us = g_get_monotonic_time();
    }
    if (foreach_exhausted(each) && !each->asking && !each->finished &&
        each->counts.done_count == each->taken_count) {
        each->finished = TRUE;
        send_counts(each, TAG_FINISHED);
    }
}

/* A lease should last tens of milliseconds: long enough to hide the asking, short enough to share.
 */
static void
adapt_want(Foreach *each)
{
    gint64 lasted_us = g_get_monotonic_time() - each->asked_us;

    if (lasted_us < LEASE_SHORT_US)
        each->want = MIN(each->want * 2, LEASE_ITEMS_MAX);
    else if (lasted_us > LEASE_LONG_US)
        each->want = MAX(each->want / 2, each->worker_count * 2);
}

static void
unpack_lease(Foreach *each, GByteArray *lease)
{
    gboolean last = FALSE;

    g_clear_pointer(&each->lease, g_byte_array_unref);
    each->lease = lease;
    each->item_index = 0;
    g_array_set_size(each->items, 0);
    gboolean whole = lease_parse(lease, &last, each->items);
    g_assert(whole); /* both ends are the same program */
    each->last = each->last || last;
    if (foreach_stopped(each))
        g_array_set_size(each->items, 0);
}

static void
take_lease(Foreach *each, GByteArray *lease)
{
    each->asking = FALSE;
    if (waiting_items(each) > 0) {
        each->lease_next = lease;
        each->last = each->last || lease->data[0] != 0;
    } else {
        unpack_lease(each, lease);
    }
    each->shape.ready(each->data);
    ask_or_finish(each);
}

gboolean
foreach_take(Foreach *each, LeaseItem *item)
{
    if (waiting_items(each) == 0 && each->lease_next) {
        adapt_want(each);
        unpack_lease(each, g_steal_pointer(&each->lease_next));
    }
    if (waiting_items(each) == 0) {
        ask_or_finish(each);
        return FALSE;
    }
    *item = g_array_index(each->items, LeaseItem, each->item_index++);
    each->taken_count++;
    ask_or_finish(each);
    return TRUE;
}

gboolean
foreach_exhausted(const Foreach *each)
{
    return each->last && waiting_items(each) == 0 && !each->lease_next;
}

void
foreach_done(Foreach *each, guint64 done_count, guint64 failed_count)
{
    each->counts.done_count += done_count;
    each->counts.failed_count += failed_count;
    g_assert(each->counts.done_count <= each->taken_count);
    if (g_get_monotonic_time() - each->counts_sent_us > COUNTS_INTERVAL_US && !each->finished)
        send_counts(each, TAG_COUNTS);
    ask_or_finish(each);
}

void
foreach_give_back(Foreach *each, guint64 count)
{
    g_assert(each->taken_count >= each->counts.done_count + count);
    each->taken_count -= count;
    ask_or_finish(each);
}

static void
forget_waiting(Foreach *each)
{
    each->last = TRUE;
    each->stopped = TRUE;
    each->item_index = each->items->len;
    g_clear_pointer(&each->lease_next, g_byte_array_unref);
    each->shape.ready(each->data);
    ask_or_finish(each);
}

/* Rank 0: fills one lease. Returns: NULL when nothing can be said yet. */
static GByteArray *
fill_lease(Foreach *each, guint wanted)
{
    guint64 remaining = each->shape.remaining(each->data);
    guint size = lease_size(remaining, (guint)comm_size(each->comm), wanted);
    g_autoptr(GByteArray) lease = lease_new();
    guint count = 0;

    while (!each->ended && count < size && lease->len < LEASE_BYTES_MAX) {
        LeaseItem item;
        ForeachNext next = each->shape.next(each->data, &item, each->error ? NULL : &each->error);
        if (next == FOREACH_LATER)
            break;
        each->ended = next != FOREACH_ITEM;
        if (next == FOREACH_ITEM) {
            lease_add(lease, &item);
            count++;
        }
    }
    if (each->ended)
        lease_set_last(lease);
    return count > 0 || each->ended ? g_steal_pointer(&lease) : NULL;
}

static void
answer(Foreach *each, int rank)
{
    Taker *taker = &each->takers[rank];
    GByteArray *lease = taker->wanted > 0 ? fill_lease(each, taker->wanted) : NULL;

    if (!lease)
        return;
    taker->wanted = 0;
    comm_send(each->comm, rank, TAG_LEASE, lease);
}

void
foreach_wake(Foreach *each)
{
    g_assert(is_rank_0(each));
    for (int rank = 0; rank < comm_size(each->comm); rank++)
        answer(each, rank);
}

static void
send_to_all(Foreach *each, int tag)
{
    for (int rank = 0; rank < comm_size(each->comm); rank++)
        comm_send(each->comm, rank, tag, g_byte_array_new());
}

static void
halt(Foreach *each)
{
    if (each->ended && each->stopped)
        return;
    each->ended = TRUE;
    send_to_all(each, TAG_STOP);
    foreach_wake(each);
}

static void
finish_taker(Foreach *each, int rank)
{
    each->takers[rank].finished = TRUE;
    for (int i = 0; i < comm_size(each->comm); i++)
        if (!each->takers[i].finished)
            return;
    send_to_all(each, TAG_BYE);
}

static void
read_counts(ByteReader *reader, Taker *taker)
{
    taker->counts.done_count = bytes_get_u64(reader);
    taker->counts.failed_count = bytes_get_u64(reader);
}

/* A message to rank 0 in its office of handing out. */
static void
handle_request(Foreach *each, const CommMessage *message)
{
    ByteReader reader = byte_reader(message->bytes->data, message->bytes->len);
    Taker *taker = &each->takers[message->from];

    if (message->tag == TAG_HALT) {
        halt(each);
        return;
    }
    if (message->tag == TAG_ASK)
        taker->wanted = bytes_get_u32(&reader);
    read_counts(&reader, taker);
    g_assert(reader.ok);
    if (message->tag == TAG_ASK)
        answer(each, message->from);
    else if (message->tag == TAG_FINISHED)
        finish_taker(each, message->from);
}

static void
handle(Foreach *each, CommMessage *message)
{
    g_autoptr(GByteArray) bytes = message->bytes;

    switch (message->tag) {
    case TAG_LEASE:
        take_lease(each, g_steal_pointer(&bytes));
        break;
    case TAG_STOP:
        forget_waiting(each);
        break;
    case TAG_BYE:
        g_main_loop_quit(each->loop);
        break;
    default:
        handle_request(each, message);
    }
}

typedef struct {
    GSource base;
    Foreach *each;
} CommSource;

/* How long the main loop may sleep before it looks for messages again. */
static gboolean
comm_source_prepare(GSource *base, gint *timeout_ms)
{
    const Foreach *each = ((CommSource *)base)->each;
    gint64 interval_us = comm_poll_interval_us(each->comm);
    gboolean hungry = each->asking && waiting_items(each) == 0;

    if (interval_us > 0 && !hungry)
        interval_us = MAX(interval_us, POLL_RELAXED_US);
    *timeout_ms = interval_us < 0 ? -1 : (gint)((interval_us + 999) / 1000);
    return interval_us == 0;
}

/* Looking for a message is the same as taking it, so every turn of the loop dispatches. */
static gboolean
comm_source_check(GSource *base G_GNUC_UNUSED)
{
    return TRUE;
}

static gboolean
comm_source_dispatch(GSource *base, GSourceFunc callback G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
    Foreach *each = ((CommSource *)base)->each;
    CommMessage message;

    for (guint i = 0; i < MESSAGES_A_TURN && comm_receive(each->comm, &message); i++)
        handle(each, &message);
    return G_SOURCE_CONTINUE;
}

Foreach *
foreach_new(Comm *comm, const ForeachJob *shape, gpointer data, guint worker_count)
{
    static GSourceFuncs functions = {.prepare = comm_source_prepare,
                                     .check = comm_source_check,
                                     .dispatch = comm_source_dispatch};
    Foreach *each = g_new0(Foreach, 1);

    each->comm = comm;
    each->shape = *shape;
    each->data = data;
    each->worker_count = worker_count;
    each->want = MAX(WANT_FIRST, worker_count * 2);
    each->last = worker_count == 0;
    each->items = g_array_new(FALSE, FALSE, sizeof(LeaseItem));
    each->takers = g_new0(Taker, comm_size(comm));
    each->loop = g_main_loop_new(NULL, FALSE);
    each->source = g_source_new(&functions, sizeof(CommSource));
    ((CommSource *)each->source)->each = each;
    return each;
}

void
foreach_free(Foreach *each)
{
    g_source_destroy(each->source);
    g_source_unref(each->source);
    g_main_loop_unref(each->loop);
    g_clear_pointer(&each->lease, g_byte_array_unref);
    g_clear_pointer(&each->lease_next, g_byte_array_unref);
    g_array_unref(each->items);
    g_clear_error(&each->error);
    g_free(each->takers);
    g_free(each);
}

gboolean
foreach_run(Foreach *each, GError **error)
{
    g_source_attach(each->source, NULL);
    ask_or_finish(each);
    g_main_loop_run(each->loop);
    if (!each->error)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&each->error));
    return FALSE;
}

void
foreach_stop(Foreach *each)
{
    if (!each->finished && !each->stopped)
        comm_send(each->comm, 0, TAG_HALT, g_byte_array_new());
}

gboolean
foreach_stopped(const Foreach *each)
{
    return each->stopped;
}

ForeachCounts
foreach_counts(const Foreach *each)
{
    ForeachCounts sum = {0};

    for (int rank = 0; rank < comm_size(each->comm); rank++) {
        sum.done_count += each->takers[rank].counts.done_count;
        sum.failed_count += each->takers[rank].counts.failed_count;
    }
    return sum;
}
