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

/* Where bytes are read from: returns how many it read, fewer than size_bytes only at the end, or -1
 * and error. */
typedef gssize (*ParityRead)(gpointer data, guint64 offset, void *out, gsize size_bytes,
                             GError **error);

/* Makes the parity of the file read by read, of size_bytes, and writes it to write in order.
 * threads: how many to work with. Memory: threads x (k + m) x 64 KiB. */
typedef gboolean (*ParityWrite)(gpointer data, const void *bytes, gsize size_bytes, GError **error);
gboolean parity_make(const ParityShape *shape, guint64 size_bytes, ParityRead read,
                     gpointer read_data, ParityWrite write, gpointer write_data, guint threads,
                     GError **error);

/* What a check found. */
typedef struct {
    guint64 block_bytes;
    guint64 stripe_count;
    guint64 data_count;     /* blocks */
    guint64 data_damaged;   /* of the file: flipped, or beyond its end */
    guint64 parity_damaged; /* of the parity file */
    guint64 stripes_beyond; /* with more damaged blocks than parity: cannot be repaired */
} ParityReport;

/* Checks a file of whatever size it has now against its parity, and, when repair is not NULL,
 * writes each block that differs in place: repair_file at an offset of the file, repair_parity at
 * an offset of the parity file (both over what was there; the file's true size is in *file_bytes).
 * Damaged headers of the parity file are survived by the copy at its end. Nothing is written for a
 * stripe that is beyond repair. FALSE and MILLRACE_ERROR_CORRUPT when neither header holds,
 * MILLRACE_ERROR_IO. */
typedef struct {
    ParityRead read_file;
    ParityRead read_parity;
    guint64 parity_bytes; /* as it is now */
    gboolean (*repair_file)(gpointer data, guint64 offset, const void *bytes, gsize size_bytes,
                            GError **error); /* may be NULL: only check */
    gboolean (*repair_parity)(gpointer data, guint64 offset, const void *bytes, gsize size_bytes,
                              GError **error);
    gpointer data;
} ParityFiles;
gboolean parity_check(const ParityFiles *files, guint64 *file_bytes, ParityReport *report,
                      GError **error);

#endif
