/* archive_tape_write.c - an archive goes out as a stream. What was written cannot be taken back, so
 * each volume is read and checked first, then read again and written.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/durable.h"
#include "formats/tar.h"
#include "jobs/archive_tape.h"

enum { PIECE_BYTES = 1 << 20, RECORD_BYTES = 10240 };

/* The order of the stream: what tells of the others comes first. */
static const VolumeFile in_order[] = {VOLUME_MANIFEST, VOLUME_MINISIG, VOLUME_INDEX, VOLUME_TAR,
                                      VOLUME_PARITY};

typedef struct {
    Archive *archive;
    int fd;
    GByteArray *buffer; /* of PIECE_BYTES, so that writes are of one size */
    guint64 bytes;      /* all that went out */
} TapeWriter;

static gboolean
flush(TapeWriter *writer, GError **error)
{
    gboolean good = durable_write_all(writer->fd, "the stream", writer->buffer->data,
                                      writer->buffer->len, error);

    g_byte_array_set_size(writer->buffer, 0);
    return good;
}

static gboolean
put(TapeWriter *writer, const void *bytes, gsize size_bytes, GError **error)
{
    const guint8 *at = bytes;

    writer->bytes += size_bytes;
    while (size_bytes > 0) {
        gsize piece_bytes = MIN(size_bytes, PIECE_BYTES - writer->buffer->len);
        g_byte_array_append(writer->buffer, at, (guint)piece_bytes);
        if (writer->buffer->len == PIECE_BYTES && !flush(writer, error))
            return FALSE;
        at += piece_bytes;
        size_bytes -= piece_bytes;
    }
    return TRUE;
}

static gboolean
put_zeros(TapeWriter *writer, gsize size_bytes, GError **error)
{
    static const guint8 zeros[RECORD_BYTES];

    g_assert(size_bytes <= sizeof zeros);
    return put(writer, zeros, size_bytes, error);
}

static gboolean
put_header(TapeWriter *writer, const char *name, guint64 size_bytes, gint64 time_us, GError **error)
{
    g_autoptr(GByteArray) header = g_byte_array_new();

    return tar_header(name, size_bytes, time_us / G_TIME_SPAN_SECOND, header, error) &&
           put(writer, header->data, header->len, error);
}

static gboolean
put_bytes(TapeWriter *writer, const char *name, const void *bytes, gsize size_bytes, gint64 time_us,
          GError **error)
{
    return put_header(writer, name, size_bytes, time_us, error) &&
           put(writer, bytes, size_bytes, error) &&
           put_zeros(writer, tar_padding(size_bytes), error);
}

static gboolean
put_file(TapeWriter *writer, const char *name, gint64 time_us, GError **error)
{
    g_autoptr(TierFile) file = tier_file_open(writer->archive->tier, name, error);
    g_autofree char *piece = g_malloc(PIECE_BYTES);

    if (!file || !put_header(writer, name, tier_file_size(file), time_us, error))
        return FALSE;
    for (guint64 done = 0; done < tier_file_size(file);) {
        gssize got = tier_file_read(file, done, piece, PIECE_BYTES, error);
        if (got <= 0 || !put(writer, piece, (gsize)got, error))
            return FALSE;
        done += (guint64)got;
    }
    return put_zeros(writer, tar_padding(tier_file_size(file)), error);
}

static gboolean
check_file(const Archive *archive, const char *path, const char *sha256, GError **error)
{
    g_autoptr(TierFile) file = tier_file_open(archive->tier, path, error);
    char hex[SHA256_CHARS + 1];

    if (!file || !tier_file_sha256(file, hex, error))
        return FALSE;
    if (strcmp(hex, sha256) == 0)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT, "%s/%s: its SHA-256 is %s, not %s",
                tier_name(archive->tier), path, hex, sha256);
    return FALSE;
}

/* Are all files of the volume there, and what the catalogue says? */
static gboolean
check_volume(Archive *archive, const CatalogueVolume *volume, VolumeManifest *manifest,
             GError **error)
{
    if (!archive_manifest(archive, volume, manifest, error))
        return FALSE;
    for (VolumeFile i = VOLUME_TAR; i <= VOLUME_PARITY; i++) {
        g_autofree char *path = volume_path(volume->name, i);
        if (i == VOLUME_PARITY && manifest->parity.parity == 0)
            continue;
        if (!check_file(archive, path, manifest->sha256[i], error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
put_volume(TapeWriter *writer, const CatalogueVolume *volume, ArchiveTapeTell tell,
           gpointer tell_data, GError **error)
{
    g_auto(VolumeManifest) manifest = {0};
    g_autoptr(GError) damage = NULL;
    guint64 bytes_before = writer->bytes;

    if (!check_volume(writer->archive, volume, &manifest, &damage)) {
        if (tell)
            tell(tell_data, volume->name, 0, damage->message);
        else
            g_propagate_error(error, g_steal_pointer(&damage));
        return tell != NULL;
    }
    for (guint i = 0; i < G_N_ELEMENTS(in_order); i++) {
        g_autofree char *path = volume_path(volume->name, in_order[i]);
        if (in_order[i] == VOLUME_PARITY && manifest.parity.parity == 0)
            continue;
        if (!put_file(writer, path, volume->packed_us, error))
            return FALSE;
    }
    if (tell)
        tell(tell_data, volume->name, writer->bytes - bytes_before, NULL);
    return TRUE;
}

/* The catalogue as far as it holds. */
static gboolean
put_catalogue(TapeWriter *writer, gint64 time_us, GError **error)
{
    Archive *archive = writer->archive;
    gsize size_bytes = 0;
    g_autofree char *text =
        tier_read_all(archive->tier, ARCHIVE_CATALOGUE, CATALOGUE_MAX_BYTES, &size_bytes, error);
    g_autoptr(Catalogue) again =
        text ? catalogue_parse(ARCHIVE_CATALOGUE, text, size_bytes, error) : NULL;

    return again && put_bytes(writer, ARCHIVE_CATALOGUE, text,
                              size_bytes - (gsize)catalogue_torn_bytes(again), time_us, error);
}

static gboolean
put_keys(TapeWriter *writer, gint64 time_us, GError **error)
{
    const Archive *archive = writer->archive;
    g_autoptr(GPtrArray) names = tier_list(archive->tier, ARCHIVE_KEYS, error);

    if (!names)
        return FALSE;
    for (guint i = 0; i < MIN(names->len, ARCHIVE_KEYS_MAX); i++) {
        g_autofree char *path = g_strdup_printf("%s/%s", ARCHIVE_KEYS, (char *)names->pdata[i]);
        gsize size_bytes = 0;
        g_autofree char *text =
            tier_read_all(archive->tier, path, MINISIGN_TEXT_MAX_BYTES, &size_bytes, NULL);
        if (text && !put_bytes(writer, path, text, size_bytes, time_us, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
put_volumes(TapeWriter *writer, const GPtrArray *volumes, ArchiveTapeTell tell, gpointer tell_data,
            GError **error)
{
    for (guint i = 0; i < volumes->len; i++) {
        const CatalogueVolume *volume = volumes->pdata[i];
        if (!volume->expired && !put_volume(writer, volume, tell, tell_data, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
archive_tape_write(Archive *archive, const GPtrArray *volumes, int fd, ArchiveTapeTell tell,
                   gpointer tell_data, GError **error)
{
    TapeWriter writer = {.archive = archive, .fd = fd};
    guint64 count = catalogue_count(archive->catalogue);
    /* The same archive is the same stream. */
    gint64 time_us = count > 0 ? catalogue_entry(archive->catalogue, count - 1)->time_us : 0;

    writer.buffer = g_byte_array_sized_new(PIECE_BYTES);
    gboolean good = put_catalogue(&writer, time_us, error) && put_keys(&writer, time_us, error) &&
                    put_volumes(&writer, volumes ? volumes : catalogue_volumes(archive->catalogue),
                                tell, tell_data, error) &&
                    put_zeros(&writer, TAR_END_BYTES, error);
    guint over = (guint)(writer.bytes % RECORD_BYTES);
    good = good && (over == 0 || put_zeros(&writer, RECORD_BYTES - over, error)) &&
           flush(&writer, error);
    g_byte_array_unref(writer.buffer);
    return good;
}
