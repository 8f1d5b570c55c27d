/* volume.h - what lies beside a cold volume V.tar.zst: its index (a line for each record), its
 * manifest, and the names of its files. Bytes: formats/README.md, "Cold archive v1".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_VOLUME_H
#define MILLRACE_FORMATS_VOLUME_H

#include <glib.h>

#include "formats/error.h"
#include "formats/merkle.h"
#include "formats/parity.h"
#include "formats/sha256.h"

#define VOLUME_FRAME_BYTES    (4u << 20) /* of tar, at most: a frame */
#define VOLUME_NAME_CHARS     32
#define VOLUME_MANIFEST_MAX   (64u << 10)
#define VOLUME_LINE_MAX_BYTES (32u << 10) /* of the index */

/* The files of a volume; in this order they are written and copied. */
typedef enum {
    VOLUME_TAR,      /* V.tar.zst */
    VOLUME_INDEX,    /* V.index */
    VOLUME_PARITY,   /* V.parity; none where the shape is 0+0 */
    VOLUME_MANIFEST, /* V.manifest */
    VOLUME_MINISIG,  /* V.manifest.minisig */
    VOLUME_FILES
} VolumeFile;
/* "volumes/V.tar.zst": its path in an archive. (transfer full) */
char *volume_path(const char *volume, VolumeFile file);
const char *volume_suffix(VolumeFile file);
/* Could this be a volume's name? 32 lower-case hexadecimal digits. */
gboolean volume_is_name(const char *name);

/* One record: a member of the tar. Strings: borrowed. */
typedef struct {
    const char *key;      /* its name in the tar; percent-encoded whole where that is not UTF-8 */
    const char *customer; /* of usage; NULL for other files */
    gint64 from_us;       /* usage: its day; else its mtime, twice */
    gint64 to_us;         /* the last microsecond of it */
    guint64 size_bytes;
    char sha256[SHA256_CHARS + 1];
    guint64 frame;  /* in which its header begins, from 0 */
    guint32 offset; /* of the header in that frame, decompressed */
} VolumeRecord;

/* Fills in what its name and mtime tell of a record: key, customer, from, to. keep: owns the
 * strings; emptied first. */
void volume_record_describe(const char *tar_name, gint64 mtime_s, GString *keep,
                            VolumeRecord *record);
/* The tar name of a day of a customer's usage: "usage/CUSTOMER/2026-11-03.ndjson". (transfer full)
 */
char *volume_usage_name(const char *customer, gint64 day_start_us);
/* The name a path gets in a volume: without leading '/', "." and empty components, ".." as
 * "%2E%2E". (transfer full), "" when nothing is left. */
char *volume_member_name(const char *path);

/* Appends the record's line, LF included; deterministic. The leaf of the Merkle tree is the line
 * without its LF. */
void volume_record_print(const VolumeRecord *record, GString *out);
/* Reads a line (without LF). Strings are borrowed from keep, which is emptied first. FALSE and
 * MILLRACE_ERROR_CORRUPT. */
gboolean volume_record_parse(const char *line, gsize size_bytes, GString *keep,
                             VolumeRecord *record, GError **error);
/* Is a record of customer (NULL = any), with a key matching glob (NULL = any; '*' passes '/') and
 * times that touch from_us to to_us? */
gboolean volume_record_matches(const VolumeRecord *record, const char *customer, const char *glob,
                               gint64 from_us, gint64 to_us);

/* The manifest. Strings: owned. */
typedef struct {
    char volume[VOLUME_NAME_CHARS + 1];
    char *class;
    gint64 packed_us;
    gint64 retain_until_us;
    guint64 record_count;
    guint64 record_bytes; /* of all records */
    guint64 frame_count;
    int level;
    ParityShape parity;
    guint8 root[MERKLE_BYTES];       /* over the index's lines */
    char previous[SHA256_CHARS + 1]; /* of the manifest packed before; "none" */
    char *made_by;
    guint64 size_bytes[VOLUME_PARITY + 1];
    char sha256[VOLUME_PARITY + 1][SHA256_CHARS + 1];
} VolumeManifest;

void volume_manifest_clear(VolumeManifest *manifest);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VolumeManifest, volume_manifest_clear)
/* Appends its text, which sha256sum -c reads (within the folder volumes/). */
void volume_manifest_print(const VolumeManifest *manifest, GString *out);
/* name: for messages. Lines "# KEY …" that are not known are passed over. FALSE and
 * MILLRACE_ERROR_CORRUPT. */
gboolean volume_manifest_parse(const char *name, const char *text, gsize size_bytes,
                               VolumeManifest *manifest, GError **error);

#endif
