/* archive_finish.c - a volume that was written is read back, and gets its index and parity.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_finish.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "formats/durable.h"
#include "jobs/volume_read.h"

enum { WRITE_BYTES = 1 << 20 };

void
volume_index_init(VolumeIndex *index)
{
    *index = (VolumeIndex){.newest_us = G_MININT64};
    index->sha256 = sha256_new();
    index->lines = g_string_new(NULL);
}

void
volume_index_clear(VolumeIndex *index)
{
    g_clear_pointer(&index->sha256, sha256_free);
    if (index->lines)
        g_string_free(index->lines, TRUE);
    index->lines = NULL;
}

void
volume_index_add(VolumeIndex *index, const VolumeRecord *record)
{
    gsize begin = index->lines->len;

    volume_record_print(record, index->lines);
    gsize line_bytes = index->lines->len - begin;
    merkle_add(&index->tree, index->lines->str + begin, line_bytes - 1);
    sha256_add(index->sha256, index->lines->str + begin, line_bytes);
    index->size_bytes += line_bytes;
    index->record_count++;
    index->record_bytes += record->size_bytes;
    index->newest_us = MAX(index->newest_us, record->to_us);
}

void
volume_index_finish(VolumeIndex *index, VolumeManifest *manifest)
{
    merkle_root(&index->tree, manifest->root);
    sha256_finish(index->sha256, manifest->sha256[VOLUME_INDEX]);
    manifest->size_bytes[VOLUME_INDEX] = index->size_bytes;
    manifest->record_count = index->record_count;
    manifest->record_bytes = index->record_bytes;
}

/* A volume being read back. */
typedef struct {
    const VolumeIndexing *how;
    VolumeIndex index;
    int fd;
} ReadBack;

static gboolean
write_lines(ReadBack *back, GError **error)
{
    gboolean good = durable_write_all(back->fd, back->how->index_name, back->index.lines->str,
                                      back->index.lines->len, error);

    g_string_truncate(back->index.lines, 0);
    return good;
}

static gboolean
on_record(const VolumeRecord *record, gpointer data, GError **error)
{
    ReadBack *back = data;
    guint64 ordinal = back->index.record_count;

    if (back->how->digests && (ordinal >= back->how->digest_count ||
                               strcmp(record->sha256, back->how->digests[ordinal]) != 0)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INVARIANT,
                    "%s was not archived as it is: what was read back differs; nothing was "
                    "committed",
                    record->key);
        return FALSE;
    }
    volume_index_add(&back->index, record);
    return back->index.lines->len < WRITE_BYTES || write_lines(back, error);
}

static gboolean
read_back(ReadBack *back, TierFile *file, VolumeManifest *manifest, GError **error)
{
    const VolumeIndexing *how = back->how;
    VolumeScan scan = {.threads = how->threads, .on_record = on_record, .data = back};
    g_autoptr(VolumeTar) tar = volume_tar_open(file, how->tar_name, error);

    if (!tar || !volume_scan(tar, &scan, error))
        return FALSE;
    if (how->digests && back->index.record_count != how->digest_count) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INVARIANT,
                    "%" G_GUINT64_FORMAT " records were archived of %" G_GUINT64_FORMAT
                    "; nothing was committed",
                    back->index.record_count, how->digest_count);
        return FALSE;
    }
    memcpy(manifest->sha256[VOLUME_TAR], scan.sha256, sizeof scan.sha256);
    memcpy(manifest->volume, scan.sha256, VOLUME_NAME_CHARS);
    manifest->volume[VOLUME_NAME_CHARS] = '\0';
    manifest->size_bytes[VOLUME_TAR] = tier_file_size(file);
    manifest->frame_count = volume_tar_frame_count(tar);
    volume_index_finish(&back->index, manifest);
    return TRUE;
}

static int
create(Tier *tier, const char *name, GError **error)
{
    int fd =
        openat(tier_dir_fd(tier), name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);

    if (fd < 0)
        millrace_error_set_errno(error, durable_creation_error(errno), errno, "%s/%s",
                                 tier_name(tier), name);
    return fd;
}

gboolean
archive_make_index(const VolumeIndexing *how, VolumeManifest *manifest, gint64 *newest_us,
                   GError **error)
{
    g_autoptr(TierFile) file = tier_file_open(how->tier, how->tar_name, error);
    ReadBack back = {.how = how};

    if (!file || (back.fd = create(how->tier, how->index_name, error)) < 0)
        return FALSE;
    volume_index_init(&back.index);
    gboolean good = read_back(&back, file, manifest, error) && write_lines(&back, error) &&
                    durable_sync(back.fd, how->index_name, error);
    if (newest_us)
        *newest_us = back.index.newest_us;
    volume_index_clear(&back.index);
    close(back.fd);
    return good;
}

static gssize
read_tar(gpointer data, guint64 offset, void *out, gsize size_bytes, GError **error)
{
    return tier_file_read(data, offset, out, size_bytes, error);
}

static gboolean
write_parity(gpointer data, guint64 offset, const void *bytes, gsize size_bytes, GError **error)
{
    return durable_write_at(*(const int *)data, "parity", offset, bytes, size_bytes, error);
}

static gboolean
digest_parity(int fd, const char *name, VolumeManifest *manifest, GError **error)
{
    g_autoptr(Sha256) sha256 = sha256_new();
    g_autofree guint8 *piece = g_malloc(WRITE_BYTES);
    guint64 offset = 0;
    gssize got = 0;

    while ((got = durable_read_at(fd, name, offset, piece, WRITE_BYTES, error)) > 0) {
        sha256_add(sha256, piece, (gsize)got);
        offset += (guint64)got;
    }
    if (got < 0)
        return FALSE;
    sha256_finish(sha256, manifest->sha256[VOLUME_PARITY]);
    manifest->size_bytes[VOLUME_PARITY] = offset;
    return TRUE;
}

gboolean
archive_make_parity(Tier *tier, const char *tar_name, const char *parity_name, guint threads,
                    VolumeManifest *manifest, GError **error)
{
    g_autoptr(TierFile) file = tier_file_open(tier, tar_name, error);
    int fd = file ? create(tier, parity_name, error) : -1;

    if (fd < 0)
        return FALSE;
    gboolean good = parity_make(&manifest->parity, tier_file_size(file), read_tar, file,
                                write_parity, &fd, threads, error) &&
                    durable_sync(fd, parity_name, error) &&
                    digest_parity(fd, parity_name, manifest, error);
    close(fd);
    return good;
}
