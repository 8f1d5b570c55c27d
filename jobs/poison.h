/* poison.h - bodies that killed a worker, remembered by digest in a shared folder, a file each, so
 * that no door that shares it tries one again.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_POISON_H
#define MILLRACE_JOBS_POISON_H

#include <glib.h>

#include "formats/error.h"
#include "formats/sha256.h"

typedef struct _Poison Poison;

/* dir: made when missing. Any thread. */
Poison *poison_open(const char *dir, GError **error);
void poison_free(Poison *poison);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Poison, poison_free)
gboolean poison_has(Poison *poison, const guint8 digest[SHA256_BYTES]);
/* why: one line for people. Best effort beyond this process. */
gboolean poison_add(Poison *poison, const guint8 digest[SHA256_BYTES], const char *why,
                    GError **error);

#endif
