/* archive_frame.c - a frame's bytes, and the digests of members, from the files.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/sha256.h"
#include "formats/tar.h"
#include "jobs/archive_plan.h"

enum { READ_BYTES = 256 << 10 }; /* so that it is hashed while it is in the cache */

static gboolean
has_changed(const ArchivePiece *piece, GError **error)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED,
                "%s: it was changed while it was packed; nothing was archived: run again when "
                "nobody writes to it",
                piece->path);
    return FALSE;
}

/* Opens a piece's file as it was when the inputs were found. Returns: a descriptor, or -1. */
static int
open_piece(const ArchiveMember *member, const ArchivePiece *piece, GError **error)
{
    struct stat status;
    int fd = open(piece->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &status) != 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "%s", piece->path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    gint64 changed_ns =
        status.st_ctim.tv_sec * G_GINT64_CONSTANT(1000000000) + status.st_ctim.tv_nsec;
    if (member->changed_ns != 0 &&
        (changed_ns != member->changed_ns || (guint64)status.st_size != member->size_bytes)) {
        has_changed(piece, error);
        close(fd);
        return -1;
    }
    return fd;
}

static gboolean
read_piece(const ArchiveMember *member, const ArchivePiece *piece, guint64 skip, guint8 *out,
           gsize size_bytes, GError **error)
{
    int fd = open_piece(member, piece, error);

    if (fd < 0)
        return FALSE;
    gssize got = durable_read_at(fd, piece->path, piece->offset + skip, out, size_bytes, error);
    close(fd);
    if (got >= 0 && (gsize)got < size_bytes)
        has_changed(piece, error);
    return got == (gssize)size_bytes;
}

/* Reads a member's data from offset on into out. */
static gboolean
read_data(const ArchiveMember *member, guint64 offset, guint8 *out, gsize size_bytes,
          GError **error)
{
    for (guint i = 0; i < member->piece_count && size_bytes > 0; i++) {
        const ArchivePiece *piece = &member->pieces[i];
        if (offset >= piece->size_bytes) {
            offset -= piece->size_bytes;
            continue;
        }
        gsize part_bytes = (gsize)MIN((guint64)size_bytes, piece->size_bytes - offset);
        if (!read_piece(member, piece, offset, out, part_bytes, error))
            return FALSE;
        out += part_bytes;
        size_bytes -= part_bytes;
        offset = 0;
    }
    g_assert(size_bytes == 0);
    return TRUE;
}

/* Appends the member's tar bytes from offset on, of which room_bytes are wanted at most.
 * *header_bytes: of its header. */
static gboolean
append_member(const ArchiveMember *member, guint64 offset, gsize room_bytes, GByteArray *tar,
              guint *header_bytes, GError **error)
{
    g_autoptr(GByteArray) header = g_byte_array_new();
    gsize end = tar->len + room_bytes;

    if (!tar_header(member->name, member->size_bytes, member->mtime_s, header, error))
        return FALSE;
    *header_bytes = header->len;
    if (offset < header->len)
        g_byte_array_append(tar, header->data + offset,
                            (guint)MIN(header->len - offset, end - tar->len));
    guint64 data_offset = offset > header->len ? offset - header->len : 0;
    if (data_offset < member->size_bytes && tar->len < end) {
        gsize at = tar->len;
        gsize size_bytes = (gsize)MIN(member->size_bytes - data_offset, (guint64)(end - at));
        g_byte_array_set_size(tar, (guint)(at + size_bytes));
        if (!read_data(member, data_offset, tar->data + at, size_bytes, error))
            return FALSE;
    }
    /* Padding is shorter than a frame, so what is left of it fits if anything does. */
    gsize at = tar->len;
    gsize zeros = MIN((gsize)tar_padding(member->size_bytes), end - at);
    g_byte_array_set_size(tar, (guint)(at + zeros));
    memset(tar->data + at, 0, zeros);
    return TRUE;
}

gboolean
archive_frame_make(const ArchivePlan *plan, guint64 index, GByteArray *tar, GArray *digests,
                   GError **error)
{
    const ArchiveFrame *frame = &g_array_index(plan->frames, ArchiveFrame, index);
    guint64 offset = frame->member_offset;

    g_byte_array_set_size(tar, 0);
    g_array_set_size(digests, 0);
    for (guint i = frame->member; tar->len < frame->size_bytes; i++) {
        const ArchiveMember *member = &g_array_index(plan->inputs->members, ArchiveMember, i);
        gsize begin = tar->len;
        guint header_bytes = 0;
        if (!append_member(member, offset, frame->size_bytes - begin, tar, &header_bytes, error))
            return FALSE;
        guint64 whole = header_bytes + member->size_bytes + tar_padding(member->size_bytes);
        if (tar->len - begin == whole) {
            ArchiveDigest digest = {.member = i};
            sha256_hex(tar->data + begin + header_bytes, member->size_bytes, digest.sha256);
            g_array_append_val(digests, digest);
        }
        offset = 0;
    }
    if (frame->ends) {
        guint8 end[TAR_END_BYTES] = {0};
        g_byte_array_append(tar, end, sizeof end);
    }
    return TRUE;
}

gboolean
archive_member_digest(const ArchivePlan *plan, guint index, char sha256[65], GError **error)
{
    const ArchiveMember *member = &g_array_index(plan->inputs->members, ArchiveMember, index);
    g_autoptr(Sha256) state = sha256_new();
    g_autofree guint8 *piece = g_malloc(READ_BYTES);

    for (guint64 offset = 0; offset < member->size_bytes; offset += READ_BYTES) {
        gsize size_bytes = (gsize)MIN((guint64)READ_BYTES, member->size_bytes - offset);
        if (!read_data(member, offset, piece, size_bytes, error))
            return FALSE;
        sha256_add(state, piece, size_bytes);
    }
    sha256_finish(state, sha256);
    return TRUE;
}
