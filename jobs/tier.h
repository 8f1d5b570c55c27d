/* tier.h - a place that holds an archive: a directory, s3://BUCKET/PREFIX. Files have names as
 * "volumes/V.tar.zst", are written once and whole, and read at any offset. Another kind of place is
 * another TierKind (tier_dir.c, tier_s3.c). One thread at a time, but for tier_read().
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_TIER_H
#define MILLRACE_JOBS_TIER_H

#include <glib.h>

#include "formats/error.h"
#include "formats/sha256.h"

typedef struct _Tier Tier;
typedef struct _TierFile TierFile;

/* where: a path, or s3://BUCKET[/PREFIX] (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
 * AWS_SESSION_TOKEN, AWS_REGION and AWS_ENDPOINT_URL are read from the environment). create: makes
 * what is missing. (transfer full), or NULL and MILLRACE_ERROR_NO_INPUT, _CANT_CREATE,
 * _UNAVAILABLE, _USAGE. */
Tier *tier_open(const char *where, gboolean create, GError **error);
void tier_free(Tier *tier);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Tier, tier_free)
const char *tier_name(const Tier *tier);
/* The directory's descriptor, or -1 where files are not at hand; borrowed. */
int tier_dir_fd(const Tier *tier);

/* Takes the archive for writing until tier_free(): one writer at a time; waits for ten seconds,
 * then MILLRACE_ERROR_INTERRUPTED. A directory is locked by flock; S3 has no locks, so there it is
 * for the caller's schedule to see to. */
gboolean tier_lock(Tier *tier, GError **error);

/* Opens a file. NULL and MILLRACE_ERROR_NO_INPUT when it is not there, MILLRACE_ERROR_IO. A file
 * must not outlive its tier. */
TierFile *tier_file_open(Tier *tier, const char *name, GError **error);
void tier_file_close(TierFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TierFile, tier_file_close)
guint64 tier_file_size(const TierFile *file);
/* How many bytes it read: fewer than asked for only at the end; -1 and MILLRACE_ERROR_IO. Any
 * thread. */
gssize tier_file_read(TierFile *file, guint64 offset, void *out, gsize size_bytes, GError **error);
/* The file's own descriptor where there is one (a directory's), else -1; borrowed. */
int tier_file_fd(const TierFile *file);

/* Reads a file whole, and writes its SHA-256. */
gboolean tier_file_sha256(TierFile *file, char hex[SHA256_CHARS + 1], GError **error);

/* Reads a small file whole. (transfer full) with a NUL behind, NULL and errors as above. */
char *tier_read_all(Tier *tier, const char *name, gsize max_bytes, gsize *size_bytes,
                    GError **error);

/* Writes a file whole, durably, over one that is there (in place: nobody ever sees a part of it):
 * temporary name, fsync, read back, rename, fsync of the folder; PUT or multipart, read back. */
gboolean tier_write_all(Tier *tier, const char *name, const void *bytes, gsize size_bytes,
                        GError **error);
/* The same with a local file's bytes, from its begin. */
gboolean tier_write_file(Tier *tier, const char *name, int fd, GError **error);
/* The same with another tier's file, which has this SHA-256: name is not given to anything else.
 * MILLRACE_ERROR_CORRUPT when it has another one. */
gboolean tier_copy(Tier *tier, const char *name, TierFile *file, const char *sha256,
                   GError **error);
/* Makes name end as this: its first keep_bytes stay, then these bytes. A directory appends and
 * fsyncs; S3 writes the whole object anew. */
gboolean tier_append(Tier *tier, const char *name, guint64 keep_bytes, const void *bytes,
                     gsize size_bytes, GError **error);

/* Names of the files in folder ("volumes", "keys"), without the folder, bytewise; temporary ones
 * are left out. (transfer full), or NULL and MILLRACE_ERROR_IO. */
GPtrArray *tier_list(Tier *tier, const char *folder, GError **error);
/* Removes a file; one that is not there is no error. */
gboolean tier_remove(Tier *tier, const char *name, GError **error);

#endif
