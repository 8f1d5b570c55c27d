/* segment_read.c - opens segments and fetches their bytes. By pread() and not by mmap(): a file
 * that shrinks under a mapping, as files of network disks may, would kill the process by SIGBUS,
 * and copying costs less than a tenth of what decoding does. SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "formats/durable.h"
#include "formats/error.h"
#include "formats/segment_internal.h"

enum { VERIFY_BYTES = 256 << 10 }; /* which stay in the cache while they are hashed */

struct _SegmentReader {
    int fd;
    char *path;
    guint64 serial;
    SegmentContents contents;
};

static gboolean
corrupt(const SegmentReader *reader, GError **error, const char *what)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s: %s: remove it and copy it anew from another store, or read its log again",
                reader->path, what);
    return FALSE;
}

gboolean
segment_reader_corrupt(const SegmentReader *reader, GError **error, guint bucket, guint column,
                       const char *what)
{
    g_autofree char *where = g_strdup_printf("bucket %u, column %u: %s", bucket, column, what);
    return corrupt(reader, error, where);
}

gboolean
segment_reader_fetch(SegmentReader *reader, guint64 offset, guint8 *to, gsize size_bytes,
                     GError **error)
{
    gssize got = durable_read_at(reader->fd, reader->path, offset, to, size_bytes, error);

    if (got < 0)
        return FALSE;
    return (gsize)got == size_bytes ||
           corrupt(reader, error, "it became shorter while it was read");
}

/* Reads magic, trailer and footer of a file of this size. */
static gboolean
read_contents(SegmentReader *reader, guint64 file_bytes, GError **error)
{
    guint8 head[SEGMENT_MAGIC_BYTES];
    guint8 trailer[SEGMENT_TRAILER_BYTES];

    if (file_bytes < sizeof head + sizeof trailer)
        return corrupt(reader, error, "too short for a segment");
    if (!segment_reader_fetch(reader, 0, head, sizeof head, error) ||
        !segment_reader_fetch(reader, file_bytes - sizeof trailer, trailer, sizeof trailer, error))
        return FALSE;
    if (memcmp(head, SEGMENT_MAGIC, sizeof head) != 0)
        return corrupt(reader, error, "not a segment of version 1");

    ByteReader fields = byte_reader(trailer, sizeof trailer);
    guint64 size = bytes_get_u32(&fields);
    guint64 checksum = bytes_get_u64(&fields);
    if (memcmp(fields.at, SEGMENT_END_MAGIC, SEGMENT_MAGIC_BYTES) != 0 ||
        size > file_bytes - sizeof head - sizeof trailer)
        return corrupt(reader, error, "torn: it does not end as a segment does");
    guint64 begin = file_bytes - sizeof trailer - size;
    g_autofree guint8 *bytes = g_malloc(size + 1);
    if (!segment_reader_fetch(reader, begin, bytes, size, error))
        return FALSE;
    if (segment_footer_checksum(bytes, size) != checksum)
        return corrupt(reader, error, "the footer's checksum does not hold");
    if (!segment_contents_parse(&reader->contents, g_steal_pointer(&bytes), size, begin))
        return corrupt(reader, error, "the footer contradicts itself");
    return TRUE;
}

SegmentReader *
segment_reader_open(const char *path, GError **error)
{
    static gint64 serials;
    struct stat status;
    /* Opening a FIFO would wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_NO_INPUT, errno, "opening %s", path);
        return NULL;
    }
    g_autoptr(SegmentReader) reader = g_new0(SegmentReader, 1);
    reader->fd = fd;
    reader->path = g_strdup(path);
    reader->serial = (guint64)__atomic_add_fetch(&serials, 1, __ATOMIC_RELAXED);
    if (fstat(fd, &status) != 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "reading %s", path);
        return NULL;
    }
    if (!S_ISREG(status.st_mode)) {
        corrupt(reader, error, "not a regular file");
        return NULL;
    }
    if (!read_contents(reader, (guint64)status.st_size, error))
        return NULL;
    return g_steal_pointer(&reader);
}

void
segment_reader_free(SegmentReader *reader)
{
    close(reader->fd);
    segment_contents_release(&reader->contents);
    g_free(reader->path);
    g_free(reader);
}

const SegmentFooter *
segment_reader_footer(const SegmentReader *reader)
{
    return &reader->contents.footer;
}

const char *
segment_reader_path(const SegmentReader *reader)
{
    return reader->path;
}

const SegmentContents *
segment_reader_contents(const SegmentReader *reader)
{
    return &reader->contents;
}

guint64
segment_reader_serial(const SegmentReader *reader)
{
    return reader->serial;
}

static gboolean
checksum_holds(const SegmentReader *reader, guint bucket, guint column, gboolean holds,
               GError **error)
{
    return holds ||
           segment_reader_corrupt(reader, error, bucket, column, "the checksum does not hold");
}

/* Checks a column that is larger than the buffer, piece by piece. */
static gboolean
verify_large(SegmentReader *reader, guint bucket, guint column, const SegmentColumnPlace *place,
             guint8 *buffer, GError **error)
{
    XXH3_state_t *state = XXH3_createState();
    gboolean good = TRUE;

    g_assert(state);
    XXH3_64bits_reset_withSeed(state, segment_checksum_seed(bucket, column));
    for (gsize done = 0; good && done < place->size_bytes;) {
        gsize size = MIN(place->size_bytes - done, VERIFY_BYTES);
        good = segment_reader_fetch(reader, place->offset + done, buffer, size, error);
        if (good)
            XXH3_64bits_update(state, buffer, size);
        done += size;
    }
    guint64 checksum = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return good && checksum_holds(reader, bucket, column, checksum == place->checksum, error);
}

/* How many columns from one on fit into the buffer together. */
static guint
count_fitting(const SegmentColumnPlace *places, guint first)
{
    guint end = first;

    while (end < SEGMENT_COLUMNS &&
           places[end].offset + places[end].size_bytes - places[first].offset <= VERIFY_BYTES)
        end++;
    return end - first;
}

static gboolean
verify_bucket(SegmentReader *reader, guint bucket, guint8 *buffer, GError **error)
{
    SegmentColumnPlace places[SEGMENT_COLUMNS];
    guint count = 0;

    segment_contents_places(&reader->contents, bucket, places);
    for (guint first = 0; first < SEGMENT_COLUMNS; first += MAX(count, 1)) {
        count = count_fitting(places, first);
        if (count == 0) {
            if (!verify_large(reader, bucket, first, &places[first], buffer, error))
                return FALSE;
            continue;
        }
        guint64 begin = places[first].offset;
        const SegmentColumnPlace *last = &places[first + count - 1];
        if (!segment_reader_fetch(reader, begin, buffer, last->offset + last->size_bytes - begin,
                                  error))
            return FALSE;
        for (guint i = first; i < first + count; i++) {
            const guint8 *bytes = buffer + (places[i].offset - begin);
            guint64 checksum = segment_checksum(bytes, places[i].size_bytes, bucket, i);
            if (!checksum_holds(reader, bucket, i, checksum == places[i].checksum, error))
                return FALSE;
        }
    }
    return TRUE;
}

gboolean
segment_reader_verify(SegmentReader *reader, GError **error)
{
    g_autofree guint8 *buffer = g_malloc(VERIFY_BYTES);
    gboolean good = TRUE;

    for (guint bucket = 0; good && bucket >> reader->contents.footer.bucket_bits == 0; bucket++)
        good = verify_bucket(reader, bucket, buffer, error);
    return good;
}

gsize
segment_reader_size(const SegmentReader *reader)
{
    return sizeof *reader + strlen(reader->path) + segment_contents_size(&reader->contents);
}

guint32
segment_bucket_count(const SegmentReader *reader, guint bucket)
{
    g_assert(bucket < 1u << reader->contents.footer.bucket_bits);
    return reader->contents.counts[bucket];
}

gsize
segment_bucket_size(const SegmentReader *reader, guint bucket, guint32 columns)
{
    SegmentColumnPlace places[SEGMENT_COLUMNS];
    gsize size = 0;

    g_assert(bucket < 1u << reader->contents.footer.bucket_bits);
    segment_contents_places(&reader->contents, bucket, places);
    for (guint column = 0; column < SEGMENT_COLUMNS; column++)
        if (columns & 1u << column)
            size += places[column].size_bytes;
    return size;
}
