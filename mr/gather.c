/* gather.c - rank 0 merges what the ranks have.
 *
 *     0 → rank   ASK                     answered by a piece
 *     rank → 0   PIECE    state, bytes   items as bytes; one that is larger than a piece is cut
 *     0 → rank   CLOSE                   after the answer to the last ask
 *
 * Rank 0 asks each rank for some pieces more than it is reading: an answer takes as long as the
 * rank sleeps between looking for questions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/gather.h"

#include <string.h>

#include "formats/bytes.h"
#include "formats/error.h"
#include "mr/merge.h"

enum { TAG_ASK = 200, TAG_PIECE, TAG_CLOSE };
enum { STATE_MORE, STATE_END, STATE_FAILED };
/* Pieces of all ranks lie at rank 0; with many ranks they are fewer and smaller. Sizes are those of
 * arrays that grow by doubling. */
enum { PIECE_MAX_BYTES = 256 << 10, PIECE_MIN_BYTES = 32 << 10, PIECES_BYTES = 16 << 20 };
enum { AHEAD_MAX = 4 };
/* An item as bytes begins with the sizes of its key and parts. */
enum { HEAD_BYTES = 4 * (1 + GATHER_PARTS_MAX) };

typedef int (*NextFunc)(gpointer data, GatherItem *item, GError **error);
typedef gboolean (*TakeFunc)(gpointer data, const GatherItem *item, GError **error);

static gsize
piece_bytes(const Comm *comm)
{
    return CLAMP((gsize)PIECES_BYTES / (gsize)comm_size(comm), PIECE_MIN_BYTES, PIECE_MAX_BYTES);
}

static void
put_item(GByteArray *bytes, const GatherItem *item)
{
    gsize size = item->key_size_bytes;

    for (guint i = 0; i < GATHER_PARTS_MAX; i++)
        size += item->part_size_bytes[i];
    g_assert(size <= G_MAXINT32);
    bytes_put_u32(bytes, (guint32)item->key_size_bytes);
    for (guint i = 0; i < GATHER_PARTS_MAX; i++)
        bytes_put_u32(bytes, (guint32)item->part_size_bytes[i]);
    bytes_put_blob(bytes, item->key, item->key_size_bytes);
    for (guint i = 0; i < GATHER_PARTS_MAX; i++)
        bytes_put_blob(bytes, item->parts[i], item->part_size_bytes[i]);
}

/* Returns: the size of the item there, or 0 when it is not all there yet. */
static gsize
get_item(const guint8 *bytes, gsize size_bytes, GatherItem *item)
{
    ByteReader reader = byte_reader(bytes, size_bytes);
    GatherItem got = {.key_size_bytes = bytes_get_u32(&reader)};

    for (guint i = 0; i < GATHER_PARTS_MAX; i++)
        got.part_size_bytes[i] = bytes_get_u32(&reader);
    got.key = bytes_get_blob(&reader, got.key_size_bytes);
    for (guint i = 0; i < GATHER_PARTS_MAX; i++)
        got.parts[i] = (const char *)bytes_get_blob(&reader, got.part_size_bytes[i]);
    if (!reader.ok)
        return 0;
    *item = got;
    return (gsize)(reader.at - bytes);
}

/* A rank that is asked. */
typedef struct {
    Comm *comm;
    NextFunc next;
    gpointer data;
    GByteArray *waiting; /* items as bytes */
    gboolean ended;
    GError *error;
} Giver;

/* Moves as much of what waits as there may be into a piece. */
static void
put_waiting(Giver *giver, GByteArray *piece, gsize limit)
{
    gsize size = MIN(limit - piece->len, giver->waiting->len);

    bytes_put_blob(piece, giver->waiting->data, size);
    g_byte_array_remove_range(giver->waiting, 0, (guint)size);
}

static GByteArray *
make_piece(Giver *giver)
{
    gsize limit = piece_bytes(giver->comm);
    GByteArray *piece = g_byte_array_sized_new((guint)limit);

    bytes_put_u8(piece, STATE_MORE);
    put_waiting(giver, piece, limit);
    while (!giver->ended && !giver->error && giver->waiting->len == 0) {
        GatherItem item = {0};
        guint begin = piece->len;
        int there = giver->next(giver->data, &item, &giver->error);
        giver->ended = there == 0;
        if (there <= 0)
            break;
        put_item(piece, &item);
        if (piece->len <= limit)
            continue;
        /* It is for the next piece, or to be cut when it is all that there is. */
        bytes_put_blob(giver->waiting, piece->data + begin, piece->len - begin);
        g_byte_array_set_size(piece, begin);
        if (begin == 1)
            put_waiting(giver, piece, limit);
    }
    if (giver->error)
        piece->data[0] = STATE_FAILED;
    else if (giver->ended && giver->waiting->len == 0)
        piece->data[0] = STATE_END;
    return piece;
}

/* Answers rank 0 until it has enough. */
static void
give(Giver *giver)
{
    gboolean closed = FALSE;

    giver->waiting = g_byte_array_new();
    while (!closed) {
        CommMessage message;
        comm_wait(giver->comm, &message);
        g_assert(message.from == 0 && (message.tag == TAG_ASK || message.tag == TAG_CLOSE));
        g_byte_array_unref(message.bytes);
        closed = message.tag == TAG_CLOSE;
        if (!closed)
            comm_send(giver->comm, 0, TAG_PIECE, make_piece(giver));
    }
    g_byte_array_unref(giver->waiting);
}

/* Another rank, as rank 0 knows it. */
typedef struct {
    int rank;
    guint asked;       /* how many pieces are on their way */
    gboolean ended;    /* the last one has come */
    GQueue ahead;      /* pieces that have come */
    GByteArray *bytes; /* of items, behind the state of the piece that they are of */
    gsize at;          /* where the next item is */
    GatherItem item;
} Giving;

typedef struct {
    Comm *comm;
    NextFunc next;
    TakeFunc take;
    gpointer data;
    Giving *givings; /* by rank; that of rank 0 has its own item and nothing else */
    gboolean other_failed;
    GError *error;
} Taking;

/* Asks for as many pieces as there may be ahead. */
static void
ask(const Taking *taking, Giving *giving)
{
    guint most = CLAMP(PIECES_BYTES / PIECE_MAX_BYTES / comm_size(taking->comm), 1, AHEAD_MAX);

    while (!giving->ended && giving->asked + giving->ahead.length < most) {
        giving->asked++;
        comm_send(taking->comm, giving->rank, TAG_ASK, g_byte_array_new());
    }
}

/* Waits for one piece, of any rank. */
static void
await_piece(Taking *taking)
{
    CommMessage message;

    comm_wait(taking->comm, &message);
    Giving *giving = &taking->givings[message.from];
    g_assert(message.tag == TAG_PIECE && giving->asked > 0 && message.bytes->len > 0);
    giving->asked--;
    giving->ended = giving->ended || message.bytes->data[0] == STATE_END;
    if (message.bytes->data[0] == STATE_FAILED)
        taking->other_failed = TRUE;
    g_queue_push_tail(&giving->ahead, message.bytes);
}

/* Goes on to the next piece, joining it to an item that has begun, and asks for more. */
static void
take_piece(const Taking *taking, Giving *giving)
{
    GByteArray *piece = g_queue_pop_head(&giving->ahead);

    if (giving->at < giving->bytes->len) {
        g_byte_array_append(giving->bytes, piece->data + 1, piece->len - 1);
        g_byte_array_unref(piece);
    } else {
        g_byte_array_unref(giving->bytes);
        giving->bytes = piece;
        giving->at = 1;
    }
    ask(taking, giving);
}

/* Goes to the next item of another rank. Returns: 1, 0 at the end, -1 when that rank has failed. */
static int
next_given(Taking *taking, Giving *giving)
{
    for (;;) {
        gsize size = get_item(giving->bytes->data + giving->at, giving->bytes->len - giving->at,
                              &giving->item);
        giving->at += size;
        if (size > 0)
            return 1;
        while (giving->ahead.length == 0 && giving->asked > 0)
            await_piece(taking);
        if (taking->other_failed)
            return -1;
        if (giving->ahead.length == 0)
            break;
        take_piece(taking, giving);
    }
    g_assert(giving->ended && giving->at == giving->bytes->len);
    return 0;
}

static int
next_of(Taking *taking, int rank)
{
    Giving *giving = &taking->givings[rank];

    if (rank > 0)
        return next_given(taking, giving);
    giving->item = (GatherItem){.key = (const guint8 *)""};
    return taking->next(taking->data, &giving->item, &taking->error);
}

static MergeHead
head_of(const Taking *taking, int rank)
{
    Giving *giving = &taking->givings[rank];

    return (MergeHead){.word = merge_word(giving->item.key, giving->item.key_size_bytes),
                       .key = giving->item.key,
                       .key_size_bytes = giving->item.key_size_bytes,
                       .order = (guint)rank,
                       .stream = giving};
}

/* Takes items in their order, until the last one or an error. */
static void
merge(Taking *taking)
{
    g_autoptr(GArray) heap = merge_new();
    int there = 0;

    for (int rank = 0; rank < comm_size(taking->comm) && there >= 0; rank++) {
        there = next_of(taking, rank);
        if (there > 0)
            merge_push(heap, head_of(taking, rank));
    }
    while (heap->len > 0 && there >= 0) {
        const Giving *giving = g_array_index(heap, MergeHead, 0).stream;
        if (!taking->take(taking->data, &giving->item, &taking->error))
            return;
        there = next_of(taking, giving->rank);
        if (there > 0)
            merge_replace(heap, head_of(taking, giving->rank));
        else
            merge_pop(heap);
    }
}

/* Every ask is answered before a rank is let go, so nothing is left under way. */
static void
close_all(Taking *taking)
{
    for (int rank = 1; rank < comm_size(taking->comm); rank++) {
        Giving *giving = &taking->givings[rank];
        while (giving->asked > 0)
            await_piece(taking);
        comm_send(taking->comm, rank, TAG_CLOSE, g_byte_array_new());
        g_queue_clear_full(&giving->ahead, (GDestroyNotify)g_byte_array_unref);
        g_byte_array_unref(giving->bytes);
    }
}

static void
take_all(Taking *taking)
{
    taking->givings = g_new0(Giving, comm_size(taking->comm));
    for (int rank = 1; rank < comm_size(taking->comm); rank++) {
        taking->givings[rank].rank = rank;
        taking->givings[rank].bytes = g_byte_array_sized_new(PIECE_MIN_BYTES);
        ask(taking, &taking->givings[rank]);
    }
    merge(taking);
    close_all(taking);
    g_free(taking->givings);
}

gboolean
gather(Comm *comm, int (*next)(gpointer data, GatherItem *item, GError **error),
       gboolean (*take)(gpointer data, const GatherItem *item, GError **error), gpointer data,
       GError **error)
{
    GError *failure = NULL;

    comm_max(comm, 0); /* whatever the ranks did before is over */
    if (comm_rank(comm) == 0) {
        Taking taking = {.comm = comm, .next = next, .take = take, .data = data};
        take_all(&taking);
        failure = taking.error;
    } else {
        Giver giver = {.comm = comm, .next = next, .data = data};
        give(&giver);
        failure = giver.error;
    }
    if (comm_max(comm, failure != NULL) == 0)
        return TRUE;
    if (failure)
        g_propagate_error(error, failure);
    else
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED,
                            "another rank has failed");
    return FALSE;
}
