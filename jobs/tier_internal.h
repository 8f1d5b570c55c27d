/* tier_internal.h - what a kind of tier has to offer; tier.c checks names before it asks.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_TIER_INTERNAL_H
#define MILLRACE_JOBS_TIER_INTERNAL_H

#include "formats/sha256.h"
#include "jobs/tier.h"

/* Bytes to be written: in memory, of another tier's file, or of a local file from its begin. */
typedef struct {
    const guint8 *bytes; /* borrowed */
    TierFile *file;      /* where bytes is NULL; borrowed */
    int fd;              /* where both are NULL; borrowed */
    guint64 size_bytes;
    const char *sha256; /* what they have to be, or NULL; borrowed */
} TierSource;

/* Reads size_bytes at an offset; the source has to have them. name: for messages. */
gboolean tier_source_read(const TierSource *source, const char *name, guint64 offset, void *out,
                          gsize size_bytes, GError **error);
/* Writes the SHA-256 of size_bytes of the source from an offset on. */
gboolean tier_source_sha256(const TierSource *source, const char *name, guint64 offset,
                            guint64 size_bytes, char hex[SHA256_CHARS + 1], GError **error);
/* Reads back what was written of the source: has it the source's SHA-256, where that is known, or
 * else every byte? MILLRACE_ERROR_IO when not. */
gboolean tier_source_check(const TierSource *source, TierFile *written, GError **error);

/* A kind's Tier and TierFile begin with these; tier.c fills them in. */
typedef struct _TierKind TierKind;
struct _Tier {
    const TierKind *kind;
    char *name; /* as it was opened */
    int dir_fd; /* owned by the kind; -1 where there is none */
};
struct _TierFile {
    Tier *tier;
    char *name;
    guint64 size_bytes;
    int fd; /* owned by the kind; -1 where there is none */
};

/* As the functions of tier.h of the same names. */
struct _TierKind {
    Tier *(*open)(const char *where, gboolean create, GError **error);
    void (*free)(Tier *tier);
    gboolean (*lock)(Tier *tier, GError **error);
    TierFile *(*file_open)(Tier *tier, const char *name, GError **error);
    void (*file_close)(TierFile *file);
    /* size_bytes: at least 1, and the file has them. */
    gboolean (*file_read)(TierFile *file, guint64 offset, void *out, gsize size_bytes,
                          GError **error);
    /* Read back and compared before it returns. */
    gboolean (*write)(Tier *tier, const char *name, const TierSource *source, GError **error);
    gboolean (*append)(Tier *tier, const char *name, guint64 keep_bytes, const void *bytes,
                       gsize size_bytes, GError **error);
    /* In any order. */
    GPtrArray *(*list)(Tier *tier, const char *folder, GError **error);
    gboolean (*remove)(Tier *tier, const char *name, GError **error);
};

extern const TierKind tier_dir_kind;
extern const TierKind tier_s3_kind;

#endif
