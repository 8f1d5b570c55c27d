/* frozen.h - what a bill run is made from, frozen before the first event is read. The file's
 * SHA-256 is the run's id. Bytes: formats/README.md, "Bill run v1, inputs.txt".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_FROZEN_H
#define MILLRACE_FORMATS_FROZEN_H

#include <glib.h>

#include "formats/period.h"

#define FROZEN_RUN_CHARS (7 + 1 + 16) /* "2026-11-" and the first digits of the digest */

/* Lists are sorted by bytes and own their texts. */
typedef struct {
    Period period;
    char *made_by;         /* "millrace 0.1.0": another version is another run */
    char *prices;          /* SHA-256 of the price book */
    gboolean all_expected; /* no writers were named: those that are seen are expected */
    GPtrArray *expected;   /* writers */
    GPtrArray *segments;   /* names (SHA-256) of those that are read */
    GPtrArray *refused;    /* names of those that do not hold */
    GPtrArray *seals; /* "2026-11 THROUGH LOST WRITER" up to the period; LOST as "-" or "5-6,9-9" */
    GPtrArray *closed; /* "2026-10 RUN", of closed periods before this one */
} FrozenInputs;

FrozenInputs *frozen_new(void);
void frozen_free(FrozenInputs *frozen);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FrozenInputs, frozen_free)

/* Sorts the lists, then appends the file's text. */
void frozen_print(FrozenInputs *frozen, GString *out);
/* The run's name by that text. */
void frozen_run(const FrozenInputs *frozen, const char *text, gsize size_bytes,
                char run[FROZEN_RUN_CHARS + 1]);
/* name: for messages. Returns: (transfer full), or NULL and MILLRACE_ERROR_CORRUPT. */
FrozenInputs *frozen_parse(const char *name, const char *text, GError **error);

#endif
