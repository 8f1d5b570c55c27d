/* shuffle.c - blocks of records from rank to rank.
 *
 *     a → b   BLOCK   a block              at most CREDITS of them unanswered
 *     b → a   KEPT    size of a block      b has put it away
 *     a → b   END     failed, blocks, records, hash    nothing will come behind it
 *
 * A rank waits only for messages and answers every block at once, so no ring of ranks can wait for
 * each other. A rank that has met an error stops sending, but keeps on answering until all others
 * have said END: so they learn of it, and none hangs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/shuffle.h"

#include "formats/bytes.h"

enum { TAG_BLOCK = 100, TAG_KEPT, TAG_END };
enum { CREDITS = 4 };

/* A block that has come: its bytes, or where they are in scratch. */
typedef struct {
    GByteArray *bytes;
    guint64 offset;
    gsize size_bytes;
} Kept;

/* Another rank. */
typedef struct {
    guint in_flight;       /* blocks to it */
    guint32 sent_count;    /* blocks to it */
    ShuffleTally sent;     /* to it */
    GArray *kept;          /* of Kept, from it */
    ShuffleTally received; /* from it, as far as it was read */
    ShuffleTally claimed;  /* what it says it has sent */
} Peer;

struct _Shuffle {
    Comm *comm;
    ShuffleConfig config;
    Decompressor *decompressor;
    ReduceBlockWriter *writer;
    ReduceSpill *spill;
    Peer *peers; /* by rank */
    guint turn;  /* whom it sends to */
    gsize flight_bytes;
    guint in_flight; /* blocks to all */
    guint ended_count;
    gsize kept_bytes;
    gboolean stopped; /* some rank has failed, so there is no use in going on */
    GError *error;    /* this rank's first */
};

static void
kept_clear(gpointer data)
{
    Kept *kept = data;
    g_clear_pointer(&kept->bytes, g_byte_array_unref);
}

Shuffle *
shuffle_new(Comm *comm, const ShuffleConfig *config, Decompressor *decompressor)
{
    Shuffle *shuffle = g_new0(Shuffle, 1);

    shuffle->comm = comm;
    shuffle->config = *config;
    shuffle->decompressor = decompressor;
    shuffle->writer = reduce_block_writer_new(config->sum_count);
    shuffle->peers = g_new0(Peer, comm_size(comm));
    for (int rank = 0; rank < comm_size(comm); rank++) {
        shuffle->peers[rank].kept = g_array_new(FALSE, FALSE, sizeof(Kept));
        g_array_set_clear_func(shuffle->peers[rank].kept, kept_clear);
    }
    return shuffle;
}

void
shuffle_free(Shuffle *shuffle)
{
    for (int rank = 0; rank < comm_size(shuffle->comm); rank++)
        g_array_unref(shuffle->peers[rank].kept);
    g_free(shuffle->peers);
    reduce_block_writer_free(shuffle->writer);
    g_clear_pointer(&shuffle->spill, reduce_spill_unref);
    g_clear_error(&shuffle->error);
    g_free(shuffle);
}

void
shuffle_tally_add(ShuffleTally *tally, const ReduceSource *source, guint sum_count)
{
    tally->count++;
    tally->hash += reduce_record_hash(source->key, source->key_size_bytes, source->sums, sum_count);
}

/* The turn at which a rank sends to itself: the last one. */
static guint
own_turn(const Shuffle *shuffle)
{
    return (guint)comm_size(shuffle->comm) - 1;
}

/* Whom this rank sends to at its turn. */
static int
rank_of_turn(const Shuffle *shuffle)
{
    return (int)((guint)comm_rank(shuffle->comm) + 1 + shuffle->turn) % comm_size(shuffle->comm);
}

/* Takes the error: the first one stays. */
static void
fail(Shuffle *shuffle, GError *error)
{
    shuffle->stopped = TRUE;
    if (shuffle->error)
        g_error_free(error);
    else
        shuffle->error = error;
}

/* Puts a block away, in memory while there is room. bytes: (transfer full). */
static gboolean
keep(Shuffle *shuffle, Peer *peer, GByteArray *bytes, GError **error)
{
    Kept kept = {.bytes = bytes, .size_bytes = bytes->len};
    gsize size = sizeof kept + sizeof(GByteArray) + bytes->len;

    if (shuffle->kept_bytes + size <= shuffle->config.kept_bytes) {
        shuffle->kept_bytes += size;
        g_array_append_val(peer->kept, kept);
        return TRUE;
    }
    if (!shuffle->spill)
        shuffle->spill = reduce_spill_new(shuffle->config.scratch, error);
    kept.bytes = NULL;
    kept.offset = shuffle->spill ? reduce_spill_size(shuffle->spill) : 0;
    gboolean good =
        shuffle->spill && reduce_spill_append(shuffle->spill, bytes->data, bytes->len, error);
    g_byte_array_unref(bytes);
    g_array_append_val(peer->kept, kept);
    return good;
}

static void
take_block(Shuffle *shuffle, int from, GByteArray *bytes)
{
    Peer *peer = &shuffle->peers[from];
    GByteArray *answer = g_byte_array_new();
    GError *error = NULL;

    bytes_put_u32(answer, bytes->len);
    if (!shuffle->stopped && reduce_block_check(bytes->data, bytes->len, peer->kept->len, &error))
        keep(shuffle, peer, g_steal_pointer(&bytes), &error);
    g_clear_pointer(&bytes, g_byte_array_unref);
    if (error)
        fail(shuffle, error);
    comm_send(shuffle->comm, from, TAG_KEPT, answer);
}

static gboolean
lost_records(GError **error, int from)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "what came from rank %d is not what it has sent; run again", from);
    return FALSE;
}

static void
take_end(Shuffle *shuffle, int from, ByteReader *reader)
{
    Peer *peer = &shuffle->peers[from];
    gboolean failed = bytes_get_u8(reader) != 0;
    guint32 block_count = bytes_get_u32(reader);
    GError *error = NULL;

    peer->claimed.count = bytes_get_u64(reader);
    peer->claimed.hash = bytes_get_u64(reader);
    shuffle->ended_count++;
    if (failed)
        shuffle->stopped = TRUE;
    if (!shuffle->stopped && block_count != peer->kept->len && !lost_records(&error, from))
        fail(shuffle, error);
}

static void
handle(Shuffle *shuffle, const CommMessage *message)
{
    ByteReader reader = byte_reader(message->bytes->data, message->bytes->len);

    switch (message->tag) {
    case TAG_BLOCK:
        take_block(shuffle, message->from, message->bytes);
        return;
    case TAG_KEPT:
        shuffle->flight_bytes -= bytes_get_u32(&reader);
        shuffle->in_flight--;
        shuffle->peers[message->from].in_flight--;
        break;
    case TAG_END:
        take_end(shuffle, message->from, &reader);
        break;
    default:
        g_assert_not_reached();
    }
    g_assert(reader.ok);
    g_byte_array_unref(message->bytes);
}

static gboolean
may_send(const Shuffle *shuffle)
{
    const Peer *peer = &shuffle->peers[rank_of_turn(shuffle)];

    return peer->in_flight < CREDITS &&
           (shuffle->in_flight == 0 || shuffle->flight_bytes < shuffle->config.flight_bytes);
}

/* Goes on to the next rank. */
static void
send_end(Shuffle *shuffle)
{
    int to = rank_of_turn(shuffle);
    const Peer *peer = &shuffle->peers[to];
    GByteArray *bytes = g_byte_array_new();

    bytes_put_u8(bytes, shuffle->stopped);
    bytes_put_u32(bytes, peer->sent_count);
    bytes_put_u64(bytes, peer->sent.count);
    bytes_put_u64(bytes, peer->sent.hash);
    comm_send(shuffle->comm, to, TAG_END, bytes);
    shuffle->turn++;
}

/* Sends a block of the records that local is at, if any are for this turn's rank. *there: whether
 * local is at a record. Returns: whether they were the last ones for this rank. */
static gboolean
send_block(Shuffle *shuffle, ReduceSource *local, gboolean *there)
{
    int to = rank_of_turn(shuffle);
    Peer *peer = &shuffle->peers[to];
    GError *error = NULL;
    gsize size = 0;

    while (*there && local->turn == shuffle->turn && size < shuffle->config.block_bytes) {
        reduce_block_writer_add(shuffle->writer, local);
        shuffle_tally_add(&peer->sent, local, shuffle->config.sum_count);
        size = reduce_block_writer_size(shuffle->writer);
        *there = local->next(local, &error) > 0;
    }
    if (error) {
        fail(shuffle, error);
        return TRUE;
    }
    if (size > 0) {
        GByteArray *block = reduce_block_writer_pack(shuffle->writer, peer->sent_count++);
        shuffle->flight_bytes += block->len;
        shuffle->in_flight++;
        peer->in_flight++;
        comm_send(shuffle->comm, to, TAG_BLOCK, block);
    }
    return !*there || local->turn != shuffle->turn;
}

/* Sends until all is sent or credit is used up. */
static void
send_some(Shuffle *shuffle, ReduceSource *local, gboolean *there)
{
    CommMessage message;

    while (shuffle->turn < own_turn(shuffle) && (shuffle->stopped || may_send(shuffle))) {
        if (shuffle->stopped || send_block(shuffle, local, there))
            send_end(shuffle);
        while (comm_receive(shuffle->comm, &message))
            handle(shuffle, &message);
    }
}

static gboolean
is_done(const Shuffle *shuffle)
{
    return shuffle->turn == own_turn(shuffle) && shuffle->ended_count == own_turn(shuffle) &&
           shuffle->in_flight == 0;
}

gboolean
shuffle_run(Shuffle *shuffle, ReduceSource *local, gboolean failed, gboolean *own, GError **error)
{
    GError *failure = NULL;
    CommMessage message;

    shuffle->stopped = failed;
    *own = !failed && local->next(local, &failure) > 0;
    if (failure)
        fail(shuffle, failure);
    for (;;) {
        send_some(shuffle, local, own);
        if (is_done(shuffle))
            break;
        comm_wait(shuffle->comm, &message);
        handle(shuffle, &message);
    }
    if (comm_max(shuffle->comm, shuffle->stopped) == 0)
        return TRUE;
    if (shuffle->error)
        g_propagate_error(error, g_steal_pointer(&shuffle->error));
    return FALSE;
}

typedef struct {
    ReduceSource base;
    Shuffle *shuffle;
    int from;
    guint32 index; /* of the next block */
    ReduceBlockReader *reader;
} PeerSource;

static gboolean
open_next_block(PeerSource *source, GError **error)
{
    Shuffle *shuffle = source->shuffle;
    guint32 number = source->index++;
    Kept *kept = &g_array_index(shuffle->peers[source->from].kept, Kept, number);
    GByteArray *bytes = g_steal_pointer(&kept->bytes);
    gboolean good = TRUE;

    if (!bytes) {
        bytes = g_byte_array_new();
        g_byte_array_set_size(bytes, (guint)kept->size_bytes);
        good =
            reduce_spill_read(shuffle->spill, kept->offset, bytes->data, kept->size_bytes, error);
    }
    good = good && reduce_block_reader_open(source->reader, bytes->data, bytes->len, number, error);
    g_byte_array_unref(bytes);
    return good;
}

static int
peer_source_next(ReduceSource *base, GError **error)
{
    PeerSource *source = (PeerSource *)base;
    Shuffle *shuffle = source->shuffle;
    Peer *peer = &shuffle->peers[source->from];
    guint count = (guint)comm_size(shuffle->comm);
    guint their_turn = (guint)(comm_rank(shuffle->comm) - source->from - 1 + (int)count) % count;
    int there = 0;

    while ((there = reduce_block_reader_next(source->reader, base, error)) == 0) {
        if (source->index == peer->kept->len)
            break;
        if (!open_next_block(source, error))
            return -1;
    }
    if (there < 0)
        return -1;
    gboolean good = there > 0 ? base->turn == their_turn
                              : peer->received.count == peer->claimed.count &&
                                    peer->received.hash == peer->claimed.hash;
    if (!good) {
        lost_records(error, source->from);
        return -1;
    }
    if (there > 0) {
        shuffle_tally_add(&peer->received, base, shuffle->config.sum_count);
        base->turn = own_turn(shuffle);
    }
    return there;
}

static void
peer_source_free(ReduceSource *base)
{
    PeerSource *source = (PeerSource *)base;

    reduce_block_reader_free(source->reader);
    g_free(source);
}

void
shuffle_add_sources(Shuffle *shuffle, GPtrArray *sources)
{
    for (int rank = 0; rank < comm_size(shuffle->comm); rank++) {
        PeerSource *source = NULL;
        if (rank == comm_rank(shuffle->comm))
            continue;
        source = g_new0(PeerSource, 1);
        source->base = (ReduceSource){.next = peer_source_next, .free = peer_source_free};
        source->shuffle = shuffle;
        source->from = rank;
        source->reader = reduce_block_reader_new(shuffle->config.sum_count, shuffle->decompressor);
        g_ptr_array_add(sources, source);
    }
}

static void
join(ShuffleTally *tally, const ShuffleTally *more)
{
    tally->count += more->count;
    tally->hash += more->hash;
}

ShuffleTally
shuffle_sent(const Shuffle *shuffle)
{
    ShuffleTally sent = {0};

    for (int rank = 0; rank < comm_size(shuffle->comm); rank++)
        join(&sent, &shuffle->peers[rank].sent);
    return sent;
}

ShuffleTally
shuffle_received(const Shuffle *shuffle)
{
    ShuffleTally received = {0};

    for (int rank = 0; rank < comm_size(shuffle->comm); rank++)
        join(&received, &shuffle->peers[rank].received);
    return received;
}

guint64
shuffle_spilled_bytes(const Shuffle *shuffle)
{
    return shuffle->spill ? reduce_spill_size(shuffle->spill) : 0;
}
