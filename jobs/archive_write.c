/* archive_write.c - V.tar.zst written: what each rank has made of its frames is gathered by their
 * numbers.
 *
 *     files → archive_frame_make → compress        in threads, by ordered.h
 *           → give_next → gather → take_frame      to rank 0, in order
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_write.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "formats/compress.h"
#include "formats/durable.h"
#include "formats/seek_table.h"
#include "formats/volume.h"
#include "jobs/archive_resume.h"
#include "jobs/ordered.h"
#include "mr/gather.h"

enum { WRITE_OUT_BYTES = 32 << 20 }; /* what is written is sent to the disk so soon */

/* A frame that is made. */
typedef struct {
    SeekFrame frame;
    GArray *digests;
    GByteArray *compressed;
} Made;

static void
made_free(gpointer data)
{
    Made *made = data;

    g_array_unref(made->digests);
    g_clear_pointer(&made->compressed, g_byte_array_unref);
    g_free(made);
}

/* One rank at one volume. */
typedef struct {
    const ArchiveWrite *write;
    guint64 first; /* this rank's frames: first, first + step, ... */
    guint64 step;
    Ordered *frames;
    guint64 given; /* frames given to gather() */
    Made *giving;
    guint8 key[8];
    /* Rank 0. */
    GArray *table; /* of SeekFrame */
    guint64 size_bytes;
    guint64 sent_bytes; /* on their way to the disk */
    guint64 done_bytes; /* of members */
} Writing;

typedef struct {
    GByteArray *tar;
    GByteArray *compressed;
    Compressor *compressor;
} MakerState;

static gpointer
maker_new(gpointer data)
{
    const Writing *writing = data;
    MakerState *state = g_new0(MakerState, 1);

    state->tar = g_byte_array_new();
    state->compressed = g_byte_array_new();
    state->compressor = compressor_new_lasting(writing->write->level);
    return state;
}

static void
maker_free(gpointer data)
{
    MakerState *state = data;

    g_byte_array_unref(state->tar);
    g_byte_array_unref(state->compressed);
    compressor_free(state->compressor);
    g_free(state);
}

static gpointer
make_frame(gpointer data, guint64 index, gpointer writing_data, GError **error)
{
    MakerState *state = data;
    const Writing *writing = writing_data;
    Made *made = g_new0(Made, 1);

    made->digests = g_array_new(FALSE, FALSE, sizeof(ArchiveDigest));
    if (!archive_frame_make(writing->write->plan, writing->first + index * writing->step,
                            state->tar, made->digests, error)) {
        made_free(made);
        return NULL;
    }
    gsize bound = compressor_bound(state->tar->len);
    g_byte_array_set_size(state->compressed, (guint)bound);
    gsize size = compressor_block(state->compressor, state->tar->data, state->tar->len,
                                  state->compressed->data, bound);
    g_assert(size > 0);
    /* Copied, so that large buffers stay with their threads and are not mapped anew each time. */
    made->compressed = g_byte_array_sized_new((guint)size);
    g_byte_array_append(made->compressed, state->compressed->data, (guint)size);
    made->frame = (SeekFrame){.compressed_bytes = (guint32)size,
                              .bytes = state->tar->len,
                              .checksum = seek_table_checksum(state->tar->data, state->tar->len)};
    return made;
}

static const OrderedWork frame_work = {maker_new, maker_free, make_frame, made_free};

static void
put_key(guint8 key[8], guint64 number)
{
    guint64 big_endian = GUINT64_TO_BE(number);

    memcpy(key, &big_endian, sizeof big_endian);
}

static gboolean
stopped(const ArchiveWrite *write, GError **error)
{
    if (!write->stop || !*write->stop)
        return FALSE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED,
                "interrupted; nothing was archived yet: the same command goes on from here");
    return TRUE;
}

static int
give_next(gpointer data, GatherItem *item, GError **error)
{
    Writing *writing = data;
    GError *failure = NULL;

    g_clear_pointer(&writing->giving, made_free);
    if (stopped(writing->write, error))
        return -1;
    writing->giving = ordered_next(writing->frames, &failure);
    if (!writing->giving) {
        if (!failure)
            return 0;
        g_propagate_error(error, failure);
        return -1;
    }
    put_key(writing->key, writing->first + writing->given * writing->step);
    writing->given++;
    const Made *made = writing->giving;
    item->key = writing->key;
    item->key_size_bytes = sizeof writing->key;
    item->parts[0] = (const char *)&made->frame;
    item->part_size_bytes[0] = sizeof made->frame;
    item->parts[1] = made->digests->data;
    item->part_size_bytes[1] = made->digests->len * sizeof(ArchiveDigest);
    item->parts[2] = (const char *)made->compressed->data;
    item->part_size_bytes[2] = made->compressed->len;
    return 1;
}

/* Puts a frame behind what is written. */
static gboolean
put_frame(Writing *writing, SeekFrame frame, const void *compressed, GError **error)
{
    frame.offset = writing->size_bytes;
    g_array_append_val(writing->table, frame);
    if (!durable_write_all(writing->write->fd, writing->write->name, compressed,
                           frame.compressed_bytes, error))
        return FALSE;
    writing->size_bytes += frame.compressed_bytes;
    if (writing->size_bytes - writing->sent_bytes >= WRITE_OUT_BYTES) {
        sync_file_range(writing->write->fd, (off64_t)writing->sent_bytes,
                        (off64_t)(writing->size_bytes - writing->sent_bytes),
                        SYNC_FILE_RANGE_WRITE);
        writing->sent_bytes = writing->size_bytes;
    }
    return TRUE;
}

static gboolean
take_frame(gpointer data, const GatherItem *item, GError **error)
{
    Writing *writing = data;
    const ArchiveWrite *write = writing->write;
    SeekFrame frame;

    memcpy(&frame, item->parts[0], sizeof frame);
    g_array_append_vals(write->digests, item->parts[1],
                        (guint)(item->part_size_bytes[1] / sizeof(ArchiveDigest)));
    writing->done_bytes += frame.bytes;
    if (write->progress)
        write->progress(writing->done_bytes, 0, write->progress_data);
    return put_frame(writing, frame, item->parts[2], error);
}

/* The volume's table, and everything on the disk. */
static gboolean
finish(Writing *writing, GError **error)
{
    g_autoptr(GByteArray) table = g_byte_array_new();

    seek_table_print(writing->table, table);
    return durable_write_all(writing->write->fd, writing->write->name, table->data, table->len,
                             error) &&
           durable_sync(writing->write->fd, writing->write->name, error);
}

/* Rank 0: goes to where the frames of an earlier try end. */
static gboolean
resume(Writing *writing, GError **error)
{
    const ArchiveWrite *write = writing->write;

    if (!archive_resume(write, writing->table, error))
        return FALSE;
    for (guint i = 0; i < writing->table->len; i++) {
        const SeekFrame *frame = &g_array_index(writing->table, SeekFrame, i);
        writing->size_bytes += frame->compressed_bytes;
        writing->done_bytes += frame->bytes;
    }
    writing->sent_bytes = writing->size_bytes;
    *write->kept_count += writing->table->len;
    if (ftruncate(write->fd, (off_t)writing->size_bytes) != 0 ||
        lseek(write->fd, (off_t)writing->size_bytes, SEEK_SET) < 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "%s", write->name);
    return TRUE;
}

gboolean
archive_write_volume(const ArchiveWrite *write, GError **error)
{
    const ArchiveVolume *volume =
        &g_array_index(write->plan->volumes, ArchiveVolume, write->volume);
    guint rank = (guint)comm_rank(write->comm);
    Writing writing = {.write = write, .step = (guint64)comm_size(write->comm)};
    gboolean good = TRUE;

    writing.table = g_array_new(FALSE, FALSE, sizeof(SeekFrame));
    if (rank == 0)
        good = resume(&writing, error);
    gint64 kept = comm_max(write->comm, good ? (gint64)writing.table->len : G_MAXINT64);
    if (kept < G_MAXINT64) {
        guint64 begin = volume->frame_first + (guint64)kept;
        writing.first = begin + rank;
        guint64 count = writing.first < volume->frame_end
                            ? (volume->frame_end - writing.first - 1) / writing.step + 1
                            : 0;
        writing.frames = ordered_new(&frame_work, &writing, count, write->threads);
        good = gather(write->comm, give_next, take_frame, &writing, error);
        ordered_free(writing.frames);
        g_clear_pointer(&writing.giving, made_free);
        if (good && rank == 0)
            good = finish(&writing, error);
    }
    if (comm_max(write->comm, !good) && good) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED, "another rank has failed");
        good = FALSE;
    }
    g_array_unref(writing.table);
    return good;
}
