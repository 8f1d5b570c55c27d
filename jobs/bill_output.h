/* bill_output.h - a run's folder while it is made: files under a temporary name, their digests, and
 * the moment when the folder gets its own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_OUTPUT_H
#define MILLRACE_JOBS_BILL_OUTPUT_H

#include <glib.h>

#include "formats/sha256.h"

typedef struct _BillOutput BillOutput;

/* Makes a folder of its own in BILLS, which is made too.
 * Returns: (transfer full), or NULL and MILLRACE_ERROR_CANT_CREATE, MILLRACE_ERROR_IO. */
BillOutput *bill_output_new(const char *bills, GError **error);
/* Removes what was not published. */
void bill_output_free(BillOutput *output);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BillOutput, bill_output_free)

/* A file that is written piece by piece; pieces are collected, and hashed and written by other
 * threads. To be closed before the output is freed. */
typedef struct _BillFile BillFile;
BillFile *bill_output_open(BillOutput *output, const char *name, GError **error);
void bill_file_write(BillFile *file, const void *bytes, gsize size_bytes);
/* Nothing more comes; the file is made durable from now on. Several that are ended before one of
 * them is closed take little longer than one. */
void bill_file_end(BillFile *file);
/* Ends the file if it was not, waits until it is durable and takes file.
 * Returns FALSE and the first error of all of it. digest, size_bytes: filled. */
gboolean bill_file_close(BillFile *file, char digest[SHA256_CHARS + 1], guint64 *size_bytes,
                         GError **error);

/* Gives the folder its name. When a run of that name is there already its proof must be the same:
 * then nothing changes and *existed is set; else MILLRACE_ERROR_INVARIANT. */
gboolean bill_output_publish(BillOutput *output, const char *run, gboolean *existed,
                             GError **error);

#endif
