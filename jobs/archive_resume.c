/* archive_resume.c - what a killed pack left of a volume.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_resume.h"

#include <string.h>
#include <unistd.h>

#include "formats/compress.h"
#include "formats/seek_table.h"
#include "formats/tar.h"
#include "formats/volume.h"
#include "jobs/ordered.h"

/* Compared side by side. */
typedef struct {
    const ArchiveWrite *write;
    guint64 frame_first;
    GArray *found; /* of SeekFrame, without checksum */
} Resuming;

typedef struct {
    Decompressor *decompressor;
    GByteArray *tar;
    guint8 *left; /* what an earlier try has written */
    guint8 *compressed;
} ComparerState;

typedef struct {
    gboolean same;
    guint32 checksum;
    GArray *digests;
} Compared;

static gsize
compressed_max(void)
{
    return compressor_bound(VOLUME_FRAME_BYTES + TAR_END_BYTES);
}

static gpointer
comparer_new(gpointer data G_GNUC_UNUSED)
{
    ComparerState *state = g_new0(ComparerState, 1);

    state->decompressor = decompressor_new();
    state->tar = g_byte_array_new();
    state->left = g_malloc(VOLUME_FRAME_BYTES + TAR_END_BYTES);
    state->compressed = g_malloc(compressed_max());
    return state;
}

static void
comparer_free(gpointer data)
{
    ComparerState *state = data;

    decompressor_free(state->decompressor);
    g_byte_array_unref(state->tar);
    g_free(state->left);
    g_free(state->compressed);
    g_free(state);
}

static void
compared_free(gpointer data)
{
    Compared *compared = data;

    g_array_unref(compared->digests);
    g_free(compared);
}

static gpointer
compare_frame(gpointer data, guint64 index, gpointer resuming_data, GError **error)
{
    ComparerState *state = data;
    const Resuming *resuming = resuming_data;
    const SeekFrame *frame = &g_array_index(resuming->found, SeekFrame, index);
    Compared *compared = g_new0(Compared, 1);

    compared->digests = g_array_new(FALSE, FALSE, sizeof(ArchiveDigest));
    if (!archive_frame_make(resuming->write->plan, resuming->frame_first + index, state->tar,
                            compared->digests, error)) {
        compared_free(compared);
        return NULL;
    }
    ssize_t got = pread(resuming->write->fd, state->compressed, frame->compressed_bytes,
                        (off_t)frame->offset);
    compared->same = got == (ssize_t)frame->compressed_bytes &&
                     state->tar->len <= VOLUME_FRAME_BYTES + TAR_END_BYTES &&
                     decompressor_block(state->decompressor, state->compressed, (gsize)got,
                                        state->left, state->tar->len) &&
                     memcmp(state->left, state->tar->data, state->tar->len) == 0;
    compared->checksum = seek_table_checksum(state->tar->data, state->tar->len);
    return compared;
}

static const OrderedWork compare_work = {comparer_new, comparer_free, compare_frame, compared_free};

/* Where frames lie in what is there, as far as they are whole. (transfer full) of SeekFrame. */
static GArray *
find_frames(const ArchiveWrite *write, const ArchiveVolume *volume)
{
    GArray *found = g_array_new(FALSE, TRUE, sizeof(SeekFrame));
    g_autofree guint8 *piece = g_malloc(compressed_max());
    guint64 offset = 0;

    for (guint64 i = volume->frame_first; i < volume->frame_end; i++) {
        ssize_t got = pread(write->fd, piece, compressed_max(), (off_t)offset);
        gsize size_bytes = got > 0 ? zstd_frame_size(piece, (gsize)got) : 0;
        const ArchiveFrame *frame = &g_array_index(write->plan->frames, ArchiveFrame, i);
        if (size_bytes == 0)
            break;
        SeekFrame there = {.offset = offset,
                           .compressed_bytes = (guint32)size_bytes,
                           .bytes = frame->size_bytes + (frame->ends ? TAR_END_BYTES : 0)};
        g_array_append_val(found, there);
        offset += size_bytes;
    }
    return found;
}

gboolean
archive_resume(const ArchiveWrite *write, GArray *table, GError **error)
{
    const ArchiveVolume *volume =
        &g_array_index(write->plan->volumes, ArchiveVolume, write->volume);
    g_autoptr(GArray) found = find_frames(write, volume);
    Resuming resuming = {.write = write, .frame_first = volume->frame_first, .found = found};
    g_autoptr(Ordered) frames = ordered_new(&compare_work, &resuming, found->len, write->threads);

    for (guint i = 0; i < found->len; i++) {
        GError *failure = NULL;
        Compared *compared = ordered_next(frames, &failure);
        if (!compared) {
            g_propagate_error(error, failure);
            return FALSE;
        }
        gboolean same = compared->same;
        SeekFrame frame = g_array_index(found, SeekFrame, i);
        frame.checksum = compared->checksum;
        if (same) {
            g_array_append_val(table, frame);
            g_array_append_vals(write->digests, compared->digests->data, compared->digests->len);
        }
        compared_free(compared);
        if (!same)
            break;
    }
    return TRUE;
}
