/* parity.h - Reed-Solomon blocks beside a file, so that what is lost or flipped on the shelf can be
 * made again, bit for bit. ISA-L's Cauchy matrix over GF(2^8). The file's blocks are dealt to
 * stripes like cards (block b belongs to stripe b mod stripes), so that a burst spreads; each
 * parity block carries the hashes of its whole stripe, so any data + parity - lost >= data blocks
 * of a stripe bring the rest back. Bytes: formats/README.md, "Cold archive v1, parity".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_PARITY_H
#define MILLRACE_FORMATS_PARITY_H

#include <glib.h>

#include "formats/error.h"

#define PARITY_DATA_MAX   128
#define PARITY_PARITY_MAX 64

typedef struct {
    guint data;   /* k: blocks of the file in a stripe */
    guint parity; /* m: what each stripe can lose, of all k + m */
} ParityShape;

/* Reads "10+2"; "none" is 0+0. FALSE and MILLRACE_ERROR_USAGE. */
gboolean parity_shape_parse(const char *text, ParityShape *shape, GError **error);

/* ISA-L's version, as in "2.30.0". */
const char *parity_version(void);

/* Where bytes are read from: returns how many it read, fewer than size_bytes only at the end, or -1
 * and error. */
typedef gssize (*ParityRead)(gpointer data, guint64 offset, void *out, gsize size_bytes,
                             GError **error);

/* Where bytes are written to, at an offset: parity grows in as many places at once as a stripe has
 * parity blocks. Each byte is written once; never two calls at a time, but from any thread. */
typedef gboolean (*ParityWrite)(gpointer data, guint64 offset, const void *bytes, gsize size_bytes,
                                GError **error);

/* How large the parity file of a file of size_bytes is. */
guint64 parity_file_bytes(const ParityShape *shape, guint64 size_bytes);

/* Makes the parity of the file read by read, of size_bytes, which it reads once. threads: how many
 * to work with; read is called by all of them at once. Memory: 8 MiB a thread, or one stripe where
 * that is more. A file that ends before size_bytes is MILLRACE_ERROR_IO. */
gboolean parity_make(const ParityShape *shape, guint64 size_bytes, ParityRead read,
                     gpointer read_data, ParityWrite write, gpointer write_data, guint threads,
                     GError **error);

/* What a check found. */
typedef struct {
    ParityShape shape;
    guint64 file_bytes; /* the file's true size */
    guint64 block_bytes;
    guint64 stripe_count;
    guint64 data_count;       /* blocks of the file */
    guint64 data_damaged;     /* flipped, or beyond the file's end */
    guint64 parity_count;     /* units of the parity file, and its two headers */
    guint64 parity_damaged;   /* of these */
    guint64 stripes_beyond;   /* with more lost than they have parity: cannot be repaired */
    guint64 stripes_unproven; /* with all of their units lost, and so all hashes: whether the blocks
                                 are right only a digest of the file can tell */
} ParityReport;

/* Checks a file of whatever size it has now against its parity, and, when repair_file is not NULL,
 * writes each block that differs in place, at an offset of the file or the parity file: over what
 * was there, or beyond its end. What is behind the true sizes (report.file_bytes,
 * parity_file_bytes()) is the caller's to cut off. Damaged headers of the parity file are survived
 * by any copy of one; blocks whose reading fails with MILLRACE_ERROR_IO are lost ones. Nothing is
 * written for a stripe that is beyond repair or unproven. A report with nothing beyond and nothing
 * unproven means that the file is whole now, or can be made so. FALSE and MILLRACE_ERROR_CORRUPT
 * when no header holds, or the error of a callback (of reading: other than _IO). */
typedef struct {
    ParityRead read_file;
    ParityRead read_parity;
    guint64 file_bytes; /* as they are now */
    guint64 parity_bytes;
    ParityWrite repair_file;   /* may be NULL: only check */
    ParityWrite repair_parity; /* NULL: parity is left as it is */
    gpointer data;             /* of all four */
} ParityFiles;
gboolean parity_check(const ParityFiles *files, ParityReport *report, GError **error);

#endif
