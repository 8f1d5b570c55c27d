/* ledger.c - what became of each row: append-only, framed by length and checksum.
 * The reader keeps one buffer that it refills from the file by pread, so that records are borrowed
 * from it without copying and a seek costs nothing when the next record is near.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "formats/bytes.h"
#include "formats/durable.h"
#include "formats/error.h"

static const char magic[8] = "MRLEDGR1";
enum { FRAME_BYTES = 12, READ_BYTES = 256 << 10 };

struct _LedgerWriter {
    int fd;
    char *name;
    GByteArray *buffer;
    GByteArray *record;
};

struct _LedgerReader {
    int fd;
    char *name;
    guint8 *buffer; /* file bytes [base, base + filled) */
    gsize capacity;
    guint64 base;
    gsize filled;
    guint64 offset; /* of the next record */
    guint64 torn_bytes;
    LedgerHeader header;
    char *header_strings[3];
};

static const char *const class_names[ROW_CLASS_COUNT] = {
    "ok",           "bad-row",       "not-found", "unreadable", "unsupported-format",
    "corrupt",      "truncated",     "too-large", "timeout",    "out-of-memory",
    "worker-crash", "output-exists", "io"};

const char *
row_class_name(RowClass class)
{
    g_assert((guint) class < ROW_CLASS_COUNT);
    return class_names[class];
}

gboolean
row_class_from_name(const char *name, RowClass *class)
{
    for (guint i = 0; i < ROW_CLASS_COUNT; i++) {
        if (strcmp(name, class_names[i]) != 0)
            continue;
        *class = (RowClass)i;
        return TRUE;
    }
    return FALSE;
}

static void
output_encode(GByteArray *out, const LedgerOutput *output)
{
    bytes_put_string(out, output->spec);
    bytes_put_string(out, output->path);
    bytes_put_u8(out, (guint8)output->format);
    bytes_put_u32(out, output->width_px);
    bytes_put_u32(out, output->height_px);
    bytes_put_u64(out, output->size_bytes);
    bytes_put_blob(out, output->digest, DIGEST_BYTES);
    bytes_put_u64(out, output->cpu_us);
}

static gboolean
output_decode(ByteReader *reader, LedgerOutput *output)
{
    output->spec = bytes_get_string(reader);
    output->path = bytes_get_string(reader);
    guint8 format = bytes_get_u8(reader);
    output->format = (ImageFormat)format;
    output->width_px = bytes_get_u32(reader);
    output->height_px = bytes_get_u32(reader);
    output->size_bytes = bytes_get_u64(reader);
    const guint8 *digest = bytes_get_blob(reader, DIGEST_BYTES);
    if (digest)
        memcpy(output->digest, digest, DIGEST_BYTES);
    output->cpu_us = bytes_get_u64(reader);
    return reader->ok && format < IMAGE_FORMAT_COUNT;
}

void
ledger_record_encode(GByteArray *out, const LedgerRecord *record)
{
    g_assert(record->output_count >= 1 && record->output_count <= OUTPUTS_PER_ROW_MAX);
    bytes_put_u64(out, record->row);
    bytes_put_u64(out, (guint64)record->time_us);
    bytes_put_u8(out, (guint8)record->class);
    bytes_put_string(out, record->message);
    bytes_put_string(out, record->source);
    bytes_put_string(out, record->customer);
    bytes_put_string(out, record->request);
    bytes_put_u64(out, record->bytes_in);
    bytes_put_u64(out, record->pixels_in);
    bytes_put_u64(out, record->cpu_us);
    bytes_put_u64(out, record->wall_us);
    bytes_put_u8(out, (guint8)record->output_count);
    for (guint i = 0; i < record->output_count; i++)
        output_encode(out, &record->outputs[i]);
}

gboolean
ledger_record_decode(const guint8 *bytes, gsize size_bytes, LedgerRecord *record)
{
    ByteReader reader = byte_reader(bytes, size_bytes);

    memset(record, 0, sizeof *record);
    record->row = bytes_get_u64(&reader);
    record->time_us = (gint64)bytes_get_u64(&reader);
    guint8 class = bytes_get_u8(&reader);
    record->class = (RowClass) class;
    record->message = bytes_get_string(&reader);
    record->source = bytes_get_string(&reader);
    record->customer = bytes_get_string(&reader);
    record->request = bytes_get_string(&reader);
    record->bytes_in = bytes_get_u64(&reader);
    record->pixels_in = bytes_get_u64(&reader);
    record->cpu_us = bytes_get_u64(&reader);
    record->wall_us = bytes_get_u64(&reader);
    record->output_count = bytes_get_u8(&reader);
    if (!reader.ok || class >= ROW_CLASS_COUNT || record->row == 0 || record->output_count < 1 ||
        record->output_count > OUTPUTS_PER_ROW_MAX)
        return FALSE;
    for (guint i = 0; i < record->output_count; i++)
        if (!output_decode(&reader, &record->outputs[i]))
            return FALSE;
    return reader.at == reader.end;
}

/* A frame's checksum covers its length too, so that a wrong length is not taken for a longer
 * record. */
static guint64
frame_checksum(const guint8 *payload, guint32 size_bytes)
{
    return XXH3_64bits_withSeed(payload, size_bytes, size_bytes);
}

static void
put_frame(GByteArray *out, const GByteArray *payload)
{
    bytes_put_u32(out, payload->len);
    bytes_put_u64(out, frame_checksum(payload->data, payload->len));
    bytes_put_blob(out, payload->data, payload->len);
}

LedgerWriter *
ledger_writer_create(int dir_fd, const char *name, const LedgerHeader *header, GError **error)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) {
        millrace_error_set_errno(error, durable_creation_error(errno), errno, "creating %s", name);
        return NULL;
    }
    g_autoptr(LedgerWriter) writer = g_new0(LedgerWriter, 1);
    writer->fd = fd;
    writer->name = g_strdup(name);
    writer->buffer = g_byte_array_new();
    writer->record = g_byte_array_new();
    bytes_put_string(writer->record, header->job);
    bytes_put_string(writer->record, header->writer);
    bytes_put_string(writer->record, header->node);
    bytes_put_blob(writer->buffer, magic, sizeof magic);
    put_frame(writer->buffer, writer->record);
    if (!ledger_writer_sync(writer, error) || !durable_sync(dir_fd, "the job's folder", error))
        return NULL;
    return g_steal_pointer(&writer);
}

void
ledger_writer_append(LedgerWriter *writer, const LedgerRecord *record)
{
    g_byte_array_set_size(writer->record, 0);
    ledger_record_encode(writer->record, record);
    g_assert(writer->record->len <= LEDGER_RECORD_MAX_BYTES);
    put_frame(writer->buffer, writer->record);
}

gboolean
ledger_writer_sync(LedgerWriter *writer, GError **error)
{
    if (!durable_write_all(writer->fd, writer->name, writer->buffer->data, writer->buffer->len,
                           error))
        return FALSE;
    g_byte_array_set_size(writer->buffer, 0);
    return durable_sync(writer->fd, writer->name, error);
}

void
ledger_writer_free(LedgerWriter *writer)
{
    close(writer->fd);
    g_byte_array_unref(writer->buffer);
    g_byte_array_unref(writer->record);
    g_free(writer->name);
    g_free(writer);
}

/* Makes file bytes [offset, offset + size) available. Returns: how many of them there are (fewer
 * only at the end of the file), with *bytes pointing at them; -1 and error. */
static gssize
fill(LedgerReader *reader, guint64 offset, gsize size, const guint8 **bytes, GError **error)
{
    if (offset < reader->base || offset + size > reader->base + reader->filled) {
        if (size > reader->capacity) {
            reader->capacity = size;
            reader->buffer = g_realloc(reader->buffer, reader->capacity);
        }
        reader->base = offset;
        reader->filled = 0;
        ssize_t got = 1;
        while (reader->filled < reader->capacity && got != 0) {
            got = pread(reader->fd, reader->buffer + reader->filled,
                        reader->capacity - reader->filled, (off_t)(offset + reader->filled));
            if (got < 0 && errno != EINTR) {
                millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "reading %s",
                                         reader->name);
                return -1;
            }
            reader->filled += got > 0 ? (gsize)got : 0;
        }
    }
    *bytes = reader->buffer + (offset - reader->base);
    return (gssize)MIN(size, reader->base + reader->filled - offset);
}

/* Reads the frame at reader->offset. Returns: 1; 0 when there is no whole one; -1 and error. */
static int
next_frame(LedgerReader *reader, const guint8 **payload, guint32 *size, GError **error)
{
    const guint8 *bytes = NULL;
    gssize got = fill(reader, reader->offset, FRAME_BYTES, &bytes, error);
    if (got < 0)
        return -1;
    ByteReader head = byte_reader(bytes, (gsize)got);
    *size = bytes_get_u32(&head);
    guint64 checksum = bytes_get_u64(&head);
    if (!head.ok || *size > LEDGER_RECORD_MAX_BYTES) {
        reader->torn_bytes = (guint64)got;
        return 0;
    }
    got = fill(reader, reader->offset, FRAME_BYTES + *size, &bytes, error);
    if (got < 0)
        return -1;
    *payload = bytes + FRAME_BYTES;
    if ((gsize)got < FRAME_BYTES + *size || frame_checksum(*payload, *size) != checksum) {
        reader->torn_bytes = (guint64)got;
        return 0;
    }
    reader->offset += FRAME_BYTES + *size;
    return 1;
}

/* Reads magic and header. A file cut short in them is an empty ledger. */
static gboolean
read_header(LedgerReader *reader, GError **error)
{
    const guint8 *bytes = NULL;
    gssize got = fill(reader, 0, sizeof magic, &bytes, error);
    if (got < 0)
        return FALSE;
    if (memcmp(bytes, magic, (gsize)got) != 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "%s: not a ledger of version 1: move it away", reader->name);
        return FALSE;
    }
    guint32 size = 0;
    reader->offset = sizeof magic;
    int found = (gsize)got < sizeof magic ? 0 : next_frame(reader, &bytes, &size, error);
    ByteReader fields = byte_reader(bytes, found > 0 ? size : 0);
    for (guint i = 0; i < G_N_ELEMENTS(reader->header_strings); i++)
        reader->header_strings[i] = g_strdup(found > 0 ? bytes_get_string(&fields) : "");
    reader->header = (LedgerHeader){.job = reader->header_strings[0],
                                    .writer = reader->header_strings[1],
                                    .node = reader->header_strings[2]};
    return found >= 0;
}

LedgerReader *
ledger_reader_open(int dir_fd, const char *name, GError **error)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "opening %s", name);
        return NULL;
    }
    g_autoptr(LedgerReader) reader = g_new0(LedgerReader, 1);
    reader->fd = fd;
    reader->name = g_strdup(name);
    reader->capacity = READ_BYTES;
    reader->buffer = g_malloc(reader->capacity);
    if (!read_header(reader, error))
        return NULL;
    return g_steal_pointer(&reader);
}

void
ledger_reader_free(LedgerReader *reader)
{
    close(reader->fd);
    for (guint i = 0; i < G_N_ELEMENTS(reader->header_strings); i++)
        g_free(reader->header_strings[i]);
    g_free(reader->buffer);
    g_free(reader->name);
    g_free(reader);
}

const LedgerHeader *
ledger_reader_header(const LedgerReader *reader)
{
    return &reader->header;
}

int
ledger_reader_next(LedgerReader *reader, LedgerRecord *record, guint64 *offset_bytes,
                   GError **error)
{
    const guint8 *payload = NULL;
    guint32 size = 0;
    guint64 offset = reader->offset;
    int found = next_frame(reader, &payload, &size, error);

    if (found <= 0)
        return found;
    if (!ledger_record_decode(payload, size, record)) {
        reader->offset = offset;
        reader->torn_bytes = FRAME_BYTES + size;
        return 0;
    }
    if (offset_bytes)
        *offset_bytes = offset;
    return 1;
}

void
ledger_reader_seek(LedgerReader *reader, guint64 offset_bytes)
{
    reader->offset = offset_bytes;
}

guint64
ledger_reader_torn_bytes(const LedgerReader *reader)
{
    return reader->torn_bytes;
}
