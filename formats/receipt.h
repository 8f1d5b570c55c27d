/* receipt.h - the signed receipt of an accepted job: who asked for what, and when it was taken.
 * Bytes: formats/README.md, "Receipt v1".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_RECEIPT_H
#define MILLRACE_FORMATS_RECEIPT_H

#include <glib.h>

#include "formats/minisign.h"

#define JOB_ID_CHARS 33 /* 'j' and 32 hexadecimal digits */

/* Strings: owned. */
typedef struct {
    char job[JOB_ID_CHARS + 1];
    char *customer;
    char manifest[64 + 1]; /* SHA-256 of what the client sent */
    guint64 row_count;
    gint64 accepted_us;
    char *cluster; /* of the door */
} Receipt;

void receipt_clear(Receipt *receipt);
/* (transfer full) */
char *receipt_sign(const Receipt *receipt, const MinisignSecret *secret);
/* FALSE and MILLRACE_ERROR_CORRUPT. */
gboolean receipt_open(const char *name, const char *text, gsize size_bytes,
                      const MinisignPublic *keys, guint key_count, Receipt *receipt,
                      GError **error);

#endif
