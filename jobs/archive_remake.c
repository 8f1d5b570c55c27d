/* archive_remake.c - the ways to make a file of a volume again. What they give need not be right;
 * remake_is_right() tells by the manifest's digest.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_remake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/sha256.h"
#include "jobs/volume_read.h"
#include "jobs/volume_verify.h"

enum { PIECE_BYTES = 1 << 20, SECTOR_BYTES = 4096 };

/* A file that nobody else sees, where there is room for a volume: beside the archive. */
int
remake_scratch(const Tier *tier, GError **error)
{
    int fd = tier_dir_fd(tier) >= 0
                 ? openat(tier_dir_fd(tier), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)
                 : -1;
    if (fd >= 0)
        return fd;
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "millrace-repair-XXXXXX", NULL);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        millrace_error_set_errno(error, MILLRACE_ERROR_CANT_CREATE, errno, "creating %s", path);
    else
        unlink(path);
    return fd;
}

static const char scratch_name[] = "what is made again";

static gboolean
scratch_write(gpointer data, guint64 offset, const void *bytes, gsize size_bytes, GError **error)
{
    return durable_write_at(*(const int *)data, scratch_name, offset, bytes, size_bytes, error);
}

static gssize
scratch_read(int fd, guint64 offset, void *out, gsize size_bytes, GError **error)
{
    return durable_read_at(fd, scratch_name, offset, out, size_bytes, error);
}

/* Opens the file of the volume in a place. */
TierFile *
remake_open(const Remake *remake, Tier *tier, VolumeFile file, GError **error)
{
    g_autofree char *path = volume_path(remake->name, file);

    return tier_file_open(tier, path, error);
}

/* Cuts the scratch file to its size and compares its digest. */
gboolean
remake_is_right(const Remake *remake, VolumeFile file, int fd, GError **error)
{
    guint64 size_bytes = remake->manifest->size_bytes[file];
    g_autoptr(Sha256) sha256 = sha256_new();
    g_autofree guint8 *piece = g_malloc(PIECE_BYTES);
    char hex[SHA256_CHARS + 1];

    if (ftruncate(fd, (off_t)size_bytes) != 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "making it again");
    for (guint64 offset = 0; offset < size_bytes;) {
        gssize got =
            scratch_read(fd, offset, piece, (gsize)MIN(PIECE_BYTES, size_bytes - offset), error);
        if (got <= 0)
            return FALSE;
        sha256_add(sha256, piece, (gsize)got);
        offset += (guint64)got;
    }
    sha256_finish(sha256, hex);
    if (strcmp(hex, remake->manifest->sha256[file]) == 0)
        return TRUE;
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                        "what it gives has not the digest of the manifest");
    return FALSE;
}

/* Copies what can be read; what cannot is left as zeros, sector by sector. Never more than
 * max_bytes. */
static gboolean
copy_readable(TierFile *from, guint64 max_bytes, int fd, GError **error)
{
    g_autofree guint8 *piece = g_malloc(PIECE_BYTES);
    guint64 end = MIN(tier_file_size(from), max_bytes);
    gsize step = PIECE_BYTES;

    for (guint64 offset = 0; offset < end;) {
        g_autoptr(GError) failure = NULL;
        gsize wanted = (gsize)MIN(step, end - offset);
        gssize got = tier_file_read(from, offset, piece, wanted, &failure);
        if (got < 0 && !g_error_matches(failure, MILLRACE_ERROR, MILLRACE_ERROR_IO)) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
        if (got < 0 && step > SECTOR_BYTES) {
            step = SECTOR_BYTES;
            continue;
        }
        if (got > 0 && !scratch_write(&fd, offset, piece, (gsize)got, error))
            return FALSE;
        offset += wanted;
        if (offset % PIECE_BYTES == 0)
            step = PIECE_BYTES;
    }
    return TRUE;
}

/* The scratch file and parity, for parity_check(). */
typedef struct {
    int fd;
    TierFile *parity;
} Both;

static gssize
both_read_file(gpointer data, guint64 offset, void *out, gsize size_bytes, GError **error)
{
    return scratch_read(((const Both *)data)->fd, offset, out, size_bytes, error);
}

static gssize
both_read_parity(gpointer data, guint64 offset, void *out, gsize size_bytes, GError **error)
{
    return tier_file_read(((const Both *)data)->parity, offset, out, size_bytes, error);
}

static gboolean
both_write_file(gpointer data, guint64 offset, const void *bytes, gsize size_bytes, GError **error)
{
    return scratch_write(&((Both *)data)->fd, offset, bytes, size_bytes, error);
}

/* First asks whether it can be done, then does it. */
static gboolean
check_twice(Remake *remake, Both *both, guint64 file_bytes, GError **error)
{
    ParityReport report;
    ParityFiles files = {.read_file = both_read_file,
                         .read_parity = both_read_parity,
                         .file_bytes = file_bytes,
                         .parity_bytes = tier_file_size(both->parity),
                         .data = both};

    if (!parity_check(&files, &report, error))
        return FALSE;
    if (report.file_bytes != remake->manifest->size_bytes[VOLUME_TAR]) {
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                            "it is the parity of another file");
        return FALSE;
    }
    if (report.stripes_beyond > 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                    " stripes have lost more than the %u blocks that can be brought back",
                    report.stripes_beyond, report.stripe_count, report.shape.parity);
        return FALSE;
    }
    remake->mended_bytes = MIN(report.data_damaged * report.block_bytes, report.file_bytes);
    files.repair_file = both_write_file;
    return parity_check(&files, &report, error);
}

gboolean
remake_by_parity(Remake *remake, VolumeFile file, int fd, GError **error)
{
    g_autoptr(TierFile) parity = NULL;
    g_autoptr(TierFile) there = NULL;
    g_autoptr(GError) failure = NULL;
    Both both = {.fd = fd};

    if (remake->manifest->parity.data == 0) {
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                            "it was packed without parity");
        return FALSE;
    }
    parity = remake_open(remake, remake->tier, VOLUME_PARITY, error);
    if (!parity)
        return FALSE;
    both.parity = parity;
    there = remake_open(remake, remake->tier, file, &failure);
    if (!there && !volume_is_damage(failure)) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return FALSE;
    }
    guint64 size_bytes = remake->manifest->size_bytes[file];
    guint64 file_bytes = there ? MIN(tier_file_size(there), size_bytes) : 0;
    if (there &&
        (!copy_readable(there, size_bytes, fd, error) || ftruncate(fd, (off_t)file_bytes) != 0))
        return FALSE;
    return check_twice(remake, &both, file_bytes, error);
}

/* Lines as the tar gives them; an index has them by key. */
typedef struct {
    GString *lines; /* not yet written */
    guint64 offset;
    GString *before; /* the last key */
    gboolean unsorted;
    int fd;
} Lines;

static gboolean
lines_write(Lines *lines, GError **error)
{
    gboolean good =
        scratch_write(&lines->fd, lines->offset, lines->lines->str, lines->lines->len, error);

    lines->offset += lines->lines->len;
    g_string_truncate(lines->lines, 0);
    return good;
}

static gboolean
on_record(const VolumeRecord *record, gpointer data, GError **error)
{
    Lines *lines = data;

    lines->unsorted |= strcmp(lines->before->str, record->key) > 0;
    g_string_assign(lines->before, record->key);
    volume_record_print(record, lines->lines);
    return lines->lines->len < PIECE_BYTES || lines_write(lines, error);
}

typedef struct {
    char *key;
    const char *line;
    gsize size_bytes;
} Line;

static gint
compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(((const Line *)a)->key, ((const Line *)b)->key);
}

/* Keys that are encoded names may come in another order than the names: rare, so all is read into
 * memory then. */
static gboolean
lines_sort(Lines *lines, GError **error)
{
    g_autofree char *text = g_malloc(lines->offset + 1);
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(Line));
    g_autoptr(GString) keep = g_string_new(NULL);
    gboolean good = scratch_read(lines->fd, 0, text, lines->offset, error) == (gssize)lines->offset;

    for (gsize at = 0; good && at < lines->offset;) {
        const char *end = memchr(text + at, '\n', lines->offset - at);
        Line line = {.line = text + at, .size_bytes = (gsize)(end - (text + at)) + 1};
        VolumeRecord record;
        good = volume_record_parse(line.line, line.size_bytes - 1, keep, &record, error);
        if (!good)
            break;
        line.key = g_strdup(record.key);
        g_array_append_val(all, line);
        at += line.size_bytes;
    }
    g_array_sort(all, compare_lines);
    lines->offset = 0;
    for (guint i = 0; i < all->len; i++) {
        const Line *line = &g_array_index(all, Line, i);
        good =
            good && scratch_write(&lines->fd, lines->offset, line->line, line->size_bytes, error);
        lines->offset += line->size_bytes;
        g_free(line->key);
    }
    return good;
}

static gboolean
index_by_volume(Remake *remake, TierFile *tar_file, int fd, GError **error)
{
    g_autoptr(VolumeTar) tar = volume_tar_open(tar_file, remake->name, error);
    Lines lines = {.fd = fd};
    VolumeScan scan = {.threads = remake->threads, .on_record = on_record, .data = &lines};

    if (!tar)
        return FALSE;
    lines.lines = g_string_new(NULL);
    lines.before = g_string_new(NULL);
    gboolean good = volume_scan(tar, &scan, error) && lines_write(&lines, error) &&
                    (!lines.unsorted || lines_sort(&lines, error));
    g_string_free(lines.lines, TRUE);
    g_string_free(lines.before, TRUE);
    return good;
}

static gssize
read_tar(gpointer data, guint64 offset, void *out, gsize size_bytes, GError **error)
{
    return tier_file_read(data, offset, out, size_bytes, error);
}

gboolean
remake_by_volume(Remake *remake, VolumeFile file, int fd, GError **error)
{
    if (!remake->tar_right) {
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                            "the volume itself is damaged");
        return FALSE;
    }
    g_autoptr(TierFile) tar = remake_open(remake, remake->tier, VOLUME_TAR, error);
    if (!tar)
        return FALSE;
    remake->mended_bytes = remake->manifest->size_bytes[file];
    if (file == VOLUME_INDEX)
        return index_by_volume(remake, tar, fd, error);
    return parity_make(&remake->manifest->parity, tier_file_size(tar), read_tar, tar, scratch_write,
                       &fd, remake->threads, error);
}

gboolean
remake_by_copy(Remake *remake, VolumeFile file, int fd, GError **error)
{
    if (!remake->copy) {
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                            "no other archive was given");
        return FALSE;
    }
    g_autoptr(TierFile) from = remake_open(remake, remake->copy, file, error);
    if (!from)
        return FALSE;
    remake->mended_bytes = remake->manifest->size_bytes[file];
    return copy_readable(from, remake->mended_bytes, fd, error);
}
