/* comm_mpi.c - ranks over Open MPI: two-sided messages and non-blocking collectives only.
 * Blocking calls of Open MPI spin on a core, and that core belongs to the image workers; so every
 * wait here tests, then sleeps.
 * SPDX-License-Identifier: Apache-2.0 */
#include <mpi.h>

#include "formats/error.h"
#include "mr/comm_backend.h"

/* RECEIVING_MAX: a large message takes a while to come, and the next one may begin meanwhile. */
enum { WAIT_US = 200, RECEIVING_MAX = 4 };

typedef struct {
    MPI_Request request;
    GByteArray *bytes;
} Sending;

typedef struct {
    MPI_Request request;
    CommMessage message;
} Receiving;

typedef struct {
    MPI_Comm comm;
    GArray *sending;  /* of Sending */
    GQueue receiving; /* of Receiving, in the order they are handed out */
} MpiState;

/* Errors of MPI end the process under the default handler, so return codes tell nothing new. */
static void
wait_for(MPI_Request *request)
{
    int done = 0;

    MPI_Test(request, &done, MPI_STATUS_IGNORE);
    while (!done) {
        g_usleep(WAIT_US);
        MPI_Test(request, &done, MPI_STATUS_IGNORE);
    }
}

/* Forgets messages that have left. */
static void
reap(MpiState *state)
{
    for (guint i = 0; i < state->sending->len;) {
        Sending *sending = &g_array_index(state->sending, Sending, i);
        int done = 0;
        MPI_Test(&sending->request, &done, MPI_STATUS_IGNORE);
        if (!done) {
            i++;
            continue;
        }
        g_byte_array_unref(sending->bytes);
        g_array_remove_index_fast(state->sending, i);
    }
}

static void
mpi_send(gpointer data, int to, int tag, GByteArray *bytes)
{
    MpiState *state = data;
    Sending sending = {.bytes = bytes};

    MPI_Isend(bytes->data, (int)bytes->len, MPI_BYTE, to, tag, state->comm, &sending.request);
    g_array_append_val(state->sending, sending);
}

/* Begins to receive the next message, if one is there. */
static gboolean
begin_receiving(MpiState *state)
{
    MPI_Status status;
    MPI_Message handle;
    int there = 0;
    int size = 0;

    MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, state->comm, &there, &handle, &status);
    if (!there)
        return FALSE;
    MPI_Get_count(&status, MPI_BYTE, &size);
    g_assert(size >= 0 && size <= COMM_MESSAGE_MAX_BYTES);
    Receiving *receiving = g_new(Receiving, 1);
    receiving->message =
        (CommMessage){.from = status.MPI_SOURCE,
                      .tag = status.MPI_TAG,
                      .bytes = g_byte_array_new_take(g_malloc((gsize)size), (gsize)size)};
    MPI_Imrecv(receiving->message.bytes->data, size, MPI_BYTE, &handle, &receiving->request);
    g_queue_push_tail(&state->receiving, receiving);
    return TRUE;
}

static gboolean
mpi_receive(gpointer data, CommMessage *message)
{
    MpiState *state = data;
    int done = 0;

    reap(state);
    while (state->receiving.length < RECEIVING_MAX && begin_receiving(state))
        ;
    Receiving *first = g_queue_peek_head(&state->receiving);
    if (first)
        MPI_Test(&first->request, &done, MPI_STATUS_IGNORE);
    if (!done)
        return FALSE;
    *message = first->message;
    g_free(g_queue_pop_head(&state->receiving));
    return TRUE;
}

/* values: those of this rank, then of all. */
static void
reduce(const MpiState *state, gint64 *values, guint count, MPI_Op operation)
{
    MPI_Request request;

    MPI_Iallreduce(MPI_IN_PLACE, values, (int)count, MPI_INT64_T, operation, state->comm, &request);
    wait_for(&request);
}

static gint64
mpi_max(gpointer data, gint64 value)
{
    reduce(data, &value, 1, MPI_MAX);
    return value;
}

static void
mpi_sum(gpointer data, gint64 *values, guint count)
{
    reduce(data, values, count, MPI_SUM);
}

static void
mpi_broadcast(gpointer data, GByteArray *bytes)
{
    MpiState *state = data;
    guint32 size = bytes->len;
    MPI_Request request;

    MPI_Ibcast(&size, 1, MPI_UINT32_T, 0, state->comm, &request);
    wait_for(&request);
    g_byte_array_set_size(bytes, size);
    MPI_Ibcast(bytes->data, (int)size, MPI_BYTE, 0, state->comm, &request);
    wait_for(&request);
}

static void
mpi_close(gpointer data)
{
    MpiState *state = data;

    g_assert(g_queue_is_empty(&state->receiving));
    while (state->sending->len > 0) {
        reap(state);
        g_usleep(WAIT_US);
    }
    g_array_unref(state->sending);
    g_free(state);
    MPI_Finalize();
}

/* Ranks of one host talk through its memory. Open MPI looks for networks all the same, a fifth of a
 * second long, unless it is told which way to take; what the user has told it stays. */
static void
skip_networks(void)
{
    const char *here = g_getenv("OMPI_COMM_WORLD_LOCAL_SIZE");

    if (here && g_strcmp0(here, g_getenv("OMPI_COMM_WORLD_SIZE")) == 0)
        g_setenv("OMPI_MCA_pml", "ob1", FALSE);
}

gboolean
comm_mpi_open(Comm *comm, GError **error)
{
    static const CommBackend backend = {mpi_close, mpi_send, mpi_receive,
                                        mpi_max,   mpi_sum,  mpi_broadcast};
    int provided = 0;

    skip_networks();
    /* Other threads of ours never call MPI. */
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS ||
        provided < MPI_THREAD_FUNNELED) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE, "MPI does not start");
        return FALSE;
    }
    MpiState *state = g_new0(MpiState, 1);
    MPI_Comm node = MPI_COMM_NULL;
    state->comm = MPI_COMM_WORLD;
    state->sending = g_array_new(FALSE, FALSE, sizeof(Sending));
    comm->backend = &backend;
    comm->state = state;
    MPI_Comm_rank(state->comm, &comm->rank);
    MPI_Comm_size(state->comm, &comm->size);
    MPI_Comm_split_type(state->comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    MPI_Comm_rank(node, &comm->node_rank);
    MPI_Comm_size(node, &comm->node_size);
    MPI_Comm_free(&node);
    return TRUE;
}
