/* comm.h - ranks that send each other small messages, under MPI or alone.
 * Alone (no mpirun) costs nothing to start: MPI_Init is not called. Messages to oneself never touch
 * the network in either case. Calls marked *collective* are made by every rank, in the same order;
 * the others are local.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_MR_COMM_H
#define MILLRACE_MR_COMM_H

#include <glib.h>

#define COMM_MESSAGE_MAX_BYTES (4 << 20)

typedef struct _Comm Comm;

/* One message that has come. bytes: (transfer full). */
typedef struct {
    int from;
    int tag;
    GByteArray *bytes;
} CommMessage;

/* Was this process started by an MPI launcher? */
gboolean comm_under_launcher(void);

/* *Collective.* Joins the ranks, or begins alone when there is no launcher.
 * Returns: (transfer full), or NULL and MILLRACE_ERROR_UNAVAILABLE. */
Comm *comm_open(GError **error);
/* Begins alone, whatever started this process. Returns: (transfer full). */
Comm *comm_alone(void);
/* *Collective.* Every message sent must have been received. */
void comm_close(Comm *comm);

int comm_rank(const Comm *comm);
int comm_size(const Comm *comm);
/* This rank's number among those on the same node, and how many they are. */
int comm_node_rank(const Comm *comm);
int comm_node_size(const Comm *comm);

/* Sends bytes; returns at once. bytes: (transfer full). */
void comm_send(Comm *comm, int to, int tag, GByteArray *bytes);
/* Takes a message if one has come. Also moves what is being sent. Returns: whether there was one.
 */
gboolean comm_receive(Comm *comm, CommMessage *message);
/* Waits for a message, asleep between looks: Open MPI's own waiting takes a whole core. Somebody
 * must be about to send one. */
void comm_wait(Comm *comm, CommMessage *message);
/* How soon to look again, in microseconds, when waiting: 0 = a message to oneself lies ready,
 * -1 = never, nobody else is there. */
gint64 comm_poll_interval_us(const Comm *comm);

/* *Collective.* The highest of all ranks' values. */
gint64 comm_max(Comm *comm, gint64 value);
/* *Collective.* The sum of all ranks' values. */
gint64 comm_sum(Comm *comm, gint64 value);
/* *Collective.* The sums of count values, in their places, by one message. */
void comm_sum_each(Comm *comm, gint64 *values, guint count);
/* *Collective.* Rank 0's bytes, for every rank. On other ranks what bytes held is replaced. */
void comm_broadcast(Comm *comm, GByteArray *bytes);

#endif
