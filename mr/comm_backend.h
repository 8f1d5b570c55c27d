/* comm_backend.h - what an implementation of comm.h provides; included by mr/comm*.c only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_MR_COMM_BACKEND_H
#define MILLRACE_MR_COMM_BACKEND_H

#include "mr/comm.h"

typedef struct {
    void (*close)(gpointer state);
    void (*send)(gpointer state, int to, int tag, GByteArray *bytes);
    gboolean (*receive)(gpointer state, CommMessage *message);
    gint64 (*max)(gpointer state, gint64 value);
    void (*sum)(gpointer state, gint64 *values, guint count);
    void (*broadcast)(gpointer state, GByteArray *bytes);
} CommBackend;

struct _Comm {
    const CommBackend *backend;
    gpointer state;
    int rank;
    int size;
    int node_rank;
    int node_size;
    GQueue to_self; /* of CommMessage */
};

gboolean comm_mpi_open(Comm *comm, GError **error);
void comm_solo_open(Comm *comm);

#endif
