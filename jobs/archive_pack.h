/* archive_pack.h - files and usage become volumes of an archive, committed all at once.
 *
 *     operands → inputs → (usage as NDJSON) → plan → V.tar.zst → read back: index, parity
 *              → manifest, signature → final names → catalogue: the commit
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ARCHIVE_PACK_H
#define MILLRACE_JOBS_ARCHIVE_PACK_H

#include "formats/duration.h"
#include "formats/parity.h"
#include "jobs/archive_publish.h"
#include "jobs/archive_write.h"

#define ARCHIVE_LEVEL_DEFAULT  3
#define ARCHIVE_VOLUME_DEFAULT (G_GUINT64_CONSTANT(4) << 30)

/* Strings: borrowed. */
typedef struct {
    ArchiveOperands operands;
    const char *to;
    const char *key; /* path of the secret key */
    const char *class;
    Duration retain;
    ParityShape parity;
    guint64 volume_max_bytes; /* of tar */
    int level;
    const char *actor;   /* NULL: USER@HOST */
    gint64 now_us;       /* 0: the clock */
    const char *scratch; /* a folder that all ranks see; NULL: within the archive */
    guint node_threads;  /* 0: a node's cores */
    gboolean new_key;    /* the key may be one that never signed in the archive */
    const volatile sig_atomic_t *stop;
    ArchiveProgress progress;
    gpointer progress_data;
} ArchivePackConfig;

/* What was done; rank 0. */
typedef struct {
    GArray *volumes; /* of ArchiveDone */
    guint64 record_count;
    guint64 record_bytes;
    guint64 kept_count; /* frames that an earlier try had made */
} ArchivePackReport;
void archive_pack_report_clear(ArchivePackReport *report);

/* *Collective.* Packs. Nothing is in the archive before everything is; what was compressed when it
 * was interrupted is used by the next try with the same files. Returns FALSE on every rank when it
 * failed on any: there with its error, elsewhere with MILLRACE_ERROR_INTERRUPTED. */
gboolean archive_pack(Comm *comm, const ArchivePackConfig *config, ArchivePackReport *report,
                      GError **error);

#endif
