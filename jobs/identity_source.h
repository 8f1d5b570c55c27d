/* identity_source.h - where published identity is read from: a folder, or the http(s) URL of one.
 * Nothing that a source gives is believed before a signature or a digest says so.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_IDENTITY_SOURCE_H
#define MILLRACE_JOBS_IDENTITY_SOURCE_H

#include "formats/identity.h"

/* Is it spelled as a source: a folder, or http:// or https://? FALSE and MILLRACE_ERROR_USAGE. */
gboolean identity_source_check(const char *source, GError **error);

/* The head that a source has now. text: (out) (transfer full). age_us: for how long the source
 * itself has had no word from the publisher; of a folder 0. FALSE and MILLRACE_ERROR_CORRUPT
 * (forged, torn, too large), or MILLRACE_ERROR_NO_INPUT, MILLRACE_ERROR_UNAVAILABLE,
 * MILLRACE_ERROR_IO (out of reach). */
gboolean identity_source_head(const char *source, const MinisignPublic *keys, guint key_count,
                              IdentityHead *head, char **text, gint64 *age_us, GError **error);

/* Copies the snapshot that head names into a folder, under its name, for its owner alone; a copy
 * that is there and holds is kept. durable: sync it. FALSE and MILLRACE_ERROR_CORRUPT: the digest
 * is another, it is too large, or it is no snapshot of so many keys; or as above. */
gboolean identity_source_copy(const char *source, const IdentityHead *head, int folder_fd,
                              const char *folder, gboolean durable, GError **error);

/* Is there a copy of this snapshot in the folder that holds? */
gboolean identity_copy_holds(int folder_fd, const IdentityHead *head);

/* Removes all snapshots from a folder but the current one and the newest others, so many in all,
 * and what killed processes have left there: temporary files, all of them for whom the folder is
 * alone, otherwise those of an hour ago. What cannot be removed stays: it harms nobody. */
void identity_prune(const char *folder, int folder_fd, const char *current, guint keep_count,
                    gboolean alone);
/* Who has just read the head still finds the snapshot that it names. */
#define IDENTITY_KEPT 3

/* May a head take the place of the one that was seen last (epoch 0: none)? Returns 1; 0 when they
 * say the same; -1 and MILLRACE_ERROR_INVARIANT when it is older, or of the same epoch and says
 * something else. */
int identity_head_compare(const char *source, const IdentityHead *head, const IdentityHead *seen,
                          GError **error);

/* Brings DEST to what source has: the snapshot, then its head, durably; nothing when it has them.
 * head: (out) what DEST has then. Errors as above; DEST stays what it was. */
gboolean identity_mirror(const char *source, const char *dest, const MinisignPublic *keys,
                         guint key_count, IdentityHead *head, GError **error);

#endif
