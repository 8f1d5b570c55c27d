/* reduce_spill.c - scratch files that nobody else sees. What comes back from them is checked all
 * the same: disks forget, and a wrong bill is worse than none.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/reduce_spill.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "formats/bytes.h"
#include "formats/durable.h"

enum {
    SIZE_BYTES = 4, /* of a block, before it */
    PACKED_MAX_BYTES = 2 * REDUCE_BLOCK_MAX_BYTES
};

struct _ReduceSpill {
    guint references;
    int fd;
    guint64 size_bytes;
    char *folder;
};

static int
open_nameless(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    /* Some file systems, NFS among them, have no files without names. */
    g_autofree char *path = g_build_filename(folder, ".millrace-spill-XXXXXX", NULL);
    fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        unlink(path);
    return fd;
}

ReduceSpill *
reduce_spill_new(const char *folder, GError **error)
{
    int fd = open_nameless(folder);

    if (fd < 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "scratch in %s", folder);
        return NULL;
    }
    ReduceSpill *spill = g_new0(ReduceSpill, 1);
    *spill = (ReduceSpill){.references = 1, .fd = fd, .folder = g_strdup(folder)};
    return spill;
}

ReduceSpill *
reduce_spill_ref(ReduceSpill *spill)
{
    spill->references++;
    return spill;
}

void
reduce_spill_unref(ReduceSpill *spill)
{
    if (--spill->references > 0)
        return;
    close(spill->fd);
    g_free(spill->folder);
    g_free(spill);
}

guint64
reduce_spill_size(const ReduceSpill *spill)
{
    return spill->size_bytes;
}

gboolean
reduce_spill_append(ReduceSpill *spill, const void *bytes, gsize size_bytes, GError **error)
{
    if (!durable_write_all(spill->fd, spill->folder, bytes, size_bytes, error))
        return FALSE;
    spill->size_bytes += size_bytes;
    return TRUE;
}

gboolean
reduce_spill_read(const ReduceSpill *spill, guint64 offset, void *bytes, gsize size_bytes,
                  GError **error)
{
    gssize got = durable_read_at(spill->fd, spill->folder, offset, bytes, size_bytes, error);

    if (got >= 0 && (gsize)got < size_bytes)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "scratch in %s: a file has become shorter", spill->folder);
    return got == (gssize)size_bytes;
}

static gboolean
append_block(ReduceSpill *spill, ReduceBlockWriter *writer, guint32 number, GError **error)
{
    g_autoptr(GByteArray) block = reduce_block_writer_pack(writer, number);
    g_autoptr(GByteArray) size = g_byte_array_new();

    bytes_put_u32(size, block->len);
    return reduce_spill_append(spill, size->data, size->len, error) &&
           reduce_spill_append(spill, block->data, block->len, error);
}

ReduceRun *
reduce_run_write(ReduceSpill *spill, ReduceSource *source, ReduceBlockWriter *writer,
                 gsize block_bytes, GError **error)
{
    g_autoptr(ReduceRun) run = g_new0(ReduceRun, 1);
    guint32 number = 0;
    int there = 0;

    *run = (ReduceRun){.spill = reduce_spill_ref(spill), .offset = reduce_spill_size(spill)};
    do {
        there = source->next(source, error);
        if (there < 0)
            return NULL;
        if (there > 0)
            reduce_block_writer_add(writer, source);
        gsize size = reduce_block_writer_size(writer);
        run->block_max_bytes = MAX(run->block_max_bytes, size);
        if (size >= block_bytes || (there == 0 && size > 0))
            if (!append_block(spill, writer, number++, error))
                return NULL;
    } while (there > 0);
    run->end = reduce_spill_size(spill);
    return g_steal_pointer(&run);
}

void
reduce_run_free(ReduceRun *run)
{
    reduce_spill_unref(run->spill);
    g_free(run);
}

typedef struct {
    ReduceSource base;
    const ReduceRun *run;
    guint64 offset; /* of the next block */
    guint32 number;
    ReduceBlockReader *reader;
} RunSource;

static gboolean
open_next_block(RunSource *source, GError **error)
{
    guint8 head[SIZE_BYTES];
    ReduceSpill *spill = source->run->spill;

    if (!reduce_spill_read(spill, source->offset, head, sizeof head, error))
        return FALSE;
    ByteReader reader = byte_reader(head, sizeof head);
    /* When the size is wrong, the checksum does not hold. */
    gsize size = bytes_get_u32(&reader);
    size = MIN(size, PACKED_MAX_BYTES);
    g_autofree guint8 *block = g_malloc(size);
    if (!reduce_spill_read(spill, source->offset + sizeof head, block, size, error) ||
        !reduce_block_reader_open(source->reader, block, size, source->number, error))
        return FALSE;
    source->offset += sizeof head + size;
    source->number++;
    return TRUE;
}

static int
run_source_next(ReduceSource *base, GError **error)
{
    RunSource *source = (RunSource *)base;
    int there = 0;

    /* Before the first block, the reader is at the end of none. */
    while ((there = reduce_block_reader_next(source->reader, base, error)) == 0) {
        if (source->offset == source->run->end)
            return 0;
        if (!open_next_block(source, error))
            return -1;
    }
    return there;
}

static void
run_source_free(ReduceSource *base)
{
    RunSource *source = (RunSource *)base;

    reduce_block_reader_free(source->reader);
    g_free(source);
}

ReduceSource *
reduce_run_source(const ReduceRun *run, guint sum_count, Decompressor *decompressor)
{
    RunSource *source = g_new0(RunSource, 1);

    source->base = (ReduceSource){.next = run_source_next, .free = run_source_free};
    source->run = run;
    source->offset = run->offset;
    source->reader = reduce_block_reader_new(sum_count, decompressor);
    return &source->base;
}
