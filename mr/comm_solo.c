/* comm_solo.c - one rank alone: nothing to send, nobody to agree with.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/comm_backend.h"

static void
solo_close(gpointer state G_GNUC_UNUSED)
{
}

static void
solo_send(gpointer state G_GNUC_UNUSED, int to G_GNUC_UNUSED, int tag G_GNUC_UNUSED,
          GByteArray *bytes G_GNUC_UNUSED)
{
    g_assert_not_reached(); /* comm.c keeps messages to oneself */
}

static gboolean
solo_receive(gpointer state G_GNUC_UNUSED, CommMessage *message G_GNUC_UNUSED)
{
    return FALSE;
}

static gint64
solo_max(gpointer state G_GNUC_UNUSED, gint64 value)
{
    return value;
}

static void
solo_sum(gpointer state G_GNUC_UNUSED, gint64 *values G_GNUC_UNUSED, guint count G_GNUC_UNUSED)
{
}

static void
solo_broadcast(gpointer state G_GNUC_UNUSED, GByteArray *bytes G_GNUC_UNUSED)
{
}

void
comm_solo_open(Comm *comm)
{
    static const CommBackend backend = {solo_close, solo_send, solo_receive,
                                        solo_max,   solo_sum,  solo_broadcast};
    comm->backend = &backend;
    comm->size = 1;
    comm->node_size = 1;
}
