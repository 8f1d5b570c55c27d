/* identity_edge.h - the data plane of identity: the snapshot that this process serves by. It is
 * refreshed from a folder or a URL; the highest validly signed epoch wins; what is corrupt, forged
 * or older is refused and the present one serves on. Looking a key up touches no network, no lock
 * that a refresh holds, and no file but the snapshot's map.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_IDENTITY_EDGE_H
#define MILLRACE_JOBS_IDENTITY_EDGE_H

#include "formats/identity.h"

typedef struct _IdentityEdge IdentityEdge;

/* cache: a folder for private copies of snapshots (made when missing), from which the edge starts
 * when no source can be reached. sources: folders or http(s) URLs of folders, NULL-terminated,
 * asked in turn. keys: who may sign. NULL and an error when neither a source nor the cache has a
 * snapshot that holds. */
IdentityEdge *identity_edge_open(const char *cache, const char *const *sources,
                                 const MinisignPublic *keys, guint key_count, GError **error);
/* No lookup may be under way. */
void identity_edge_free(IdentityEdge *edge);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IdentityEdge, identity_edge_free)

/* Asks all sources once (connect within 1 s, whole within 30 s, bounded sizes) and swaps when one
 * has a higher epoch. Blocks; for one thread. Returns FALSE and error when no source gave a head
 * that holds, or one gave something that was refused; the present snapshot stays in any case. */
gboolean identity_edge_refresh(IdentityEdge *edge, GError **error);
/* Refreshes every interval_us in a thread of its own until the edge is freed. refused: called there
 * with what was refused, may be NULL. */
void identity_edge_watch(IdentityEdge *edge, gint64 interval_us,
                         void (*refused)(const GError *error, gpointer data), gpointer data);

/* Any thread. text: the key as a client sent it. Returns FALSE when no key is known by it. */
gboolean identity_edge_find(IdentityEdge *edge, const char *text, gsize size_bytes,
                            IdentityKey *key);

/* Any thread. */
typedef struct {
    IdentityHead head;
    gint64 age_us;         /* since a source last confirmed the head or gave a newer one */
    guint64 refused_count; /* heads and snapshots that were refused */
    guint64 swap_count;
} IdentityEdgeState;
void identity_edge_state(IdentityEdge *edge, IdentityEdgeState *state);
/* The path of the current snapshot's private copy and the head's text, for peers.
 * (transfer full) */
char *identity_edge_head_text(IdentityEdge *edge);
char *identity_edge_snapshot_path(IdentityEdge *edge);

#endif
