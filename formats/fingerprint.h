/* fingerprint.h - a 128-bit XXH3 of bytes as they come: tells whether a file is still the same one.
 * It guards against mistakes, not against malice; for that there is SHA-256.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_FINGERPRINT_H
#define MILLRACE_FORMATS_FINGERPRINT_H

#include <glib.h>

#define FINGERPRINT_CHARS 32

typedef struct _Fingerprint Fingerprint;

Fingerprint *fingerprint_new(void);
void fingerprint_free(Fingerprint *fingerprint);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fingerprint, fingerprint_free)

/* One that goes on from here by itself. (transfer full) */
Fingerprint *fingerprint_copy(const Fingerprint *fingerprint);

void fingerprint_add(Fingerprint *fingerprint, const void *bytes, gsize size_bytes);
/* Writes the fingerprint of what was added so far in hexadecimal. */
void fingerprint_print(const Fingerprint *fingerprint, char text[FINGERPRINT_CHARS + 1]);

/* A 64-bit hash whose sums are the same in any order: for multisets of lines. */
guint64 fingerprint_line(const void *bytes, gsize size_bytes);
/* The same hash under another seed: for hash tables, checksums, and hashes of several things. */
guint64 fingerprint_seeded(const void *bytes, gsize size_bytes, guint64 seed);

#endif
