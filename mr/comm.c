/* comm.c - chooses between MPI and solo, and keeps messages to oneself off the network.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/comm.h"

#include "mr/comm_backend.h"

enum { POLL_INTERVAL_US = 1000, WAIT_FIRST_US = 20 };

gboolean
comm_under_launcher(void)
{
    static const char *const marks[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"};

    for (guint i = 0; i < G_N_ELEMENTS(marks); i++)
        if (g_getenv(marks[i]))
            return TRUE;
    return FALSE;
}

Comm *
comm_alone(void)
{
    Comm *comm = g_new0(Comm, 1);

    g_queue_init(&comm->to_self);
    comm_solo_open(comm);
    return comm;
}

Comm *
comm_open(GError **error)
{
    if (!comm_under_launcher())
        return comm_alone();
    Comm *comm = g_new0(Comm, 1);
    g_queue_init(&comm->to_self);
    if (!comm_mpi_open(comm, error))
        g_clear_pointer(&comm, g_free);
    return comm;
}

void
comm_close(Comm *comm)
{
    g_assert(g_queue_is_empty(&comm->to_self));
    comm->backend->close(comm->state);
    g_free(comm);
}

int
comm_rank(const Comm *comm)
{
    return comm->rank;
}

int
comm_size(const Comm *comm)
{
    return comm->size;
}

int
comm_node_rank(const Comm *comm)
{
    return comm->node_rank;
}

int
comm_node_size(const Comm *comm)
{
    return comm->node_size;
}

void
comm_send(Comm *comm, int to, int tag, GByteArray *bytes)
{
    g_assert(to >= 0 && to < comm->size && bytes->len <= COMM_MESSAGE_MAX_BYTES);
    if (to != comm->rank) {
        comm->backend->send(comm->state, to, tag, bytes);
        return;
    }
    CommMessage *message = g_new(CommMessage, 1);
    *message = (CommMessage){.from = to, .tag = tag, .bytes = bytes};
    g_queue_push_tail(&comm->to_self, message);
}

gboolean
comm_receive(Comm *comm, CommMessage *message)
{
    g_autofree CommMessage *own = g_queue_pop_head(&comm->to_self);

    if (!own)
        return comm->backend->receive(comm->state, message);
    *message = *own;
    return TRUE;
}

void
comm_wait(Comm *comm, CommMessage *message)
{
    gulong pause_us = WAIT_FIRST_US;

    while (!comm_receive(comm, message)) {
        g_assert(comm->size > 1);
        g_usleep(pause_us);
        pause_us = MIN(pause_us * 2, POLL_INTERVAL_US);
    }
}

gint64
comm_poll_interval_us(const Comm *comm)
{
    if (comm->to_self.length > 0)
        return 0;
    return comm->size > 1 ? POLL_INTERVAL_US : -1;
}

gint64
comm_max(Comm *comm, gint64 value)
{
    return comm->backend->max(comm->state, value);
}

gint64
comm_sum(Comm *comm, gint64 value)
{
    comm->backend->sum(comm->state, &value, 1);
    return value;
}

void
comm_sum_each(Comm *comm, gint64 *values, guint count)
{
    comm->backend->sum(comm->state, values, count);
}

void
comm_broadcast(Comm *comm, GByteArray *bytes)
{
    comm->backend->broadcast(comm->state, bytes);
}
