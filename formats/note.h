/* note.h - signed notes (C2SP signed-note): text, an empty line, and a signature. Checkpoints of an
 * archive's log, heads of identity snapshots and receipts of jobs are notes.
 * Bytes: formats/README.md, "Signed note".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_NOTE_H
#define MILLRACE_FORMATS_NOTE_H

#include <glib.h>

#include "formats/minisign.h"

#define NOTE_MAX_BYTES 16384

/* body: lines of UTF-8 without control characters, each with its LF. (transfer full) the whole
 * note: body, an empty line, "— ID BASE64(key hash, signature)" and LF. ID is minisign_id(). The
 * same body and key give the same note. */
char *note_sign(const MinisignSecret *secret, const char *body);

/* Is text a note signed by one of keys? name: for messages. Returns: (transfer full) the body, or
 * NULL and MILLRACE_ERROR_CORRUPT with the reason (no note; signed by another key, whose id is
 * said; a signature that does not hold). id: (out) (nullable) whose signature it is. */
char *note_open(const char *name, const char *text, gsize size_bytes, const MinisignPublic *keys,
                guint key_count, char id[MINISIGN_ID_CHARS + 1], GError **error);

/* Has text the form of a note, spelled as note_sign() does? Whether the signature holds is not
 * asked. body_bytes: (out) of the body, where text begins. */
gboolean note_is_form(const char *text, gsize size_bytes, gsize *body_bytes);

/* The value of a line "KEY VALUE" in a body: (transfer full), or NULL when there is none or there
 * are two. */
char *note_value(const char *body, const char *key);

#endif
