/* bill_output.c - writes a run's files. Hashing and writing hundreds of megabytes takes as long as
 * rating them, so that each file has a thread that does both. Whole pieces go past the page cache.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/error.h"
#include "jobs/bill_folder.h"

/* Pieces lie in large pages: what a disk is given in one of them is one request and not hundreds of
 * pages, which takes a quarter of the time in the kernel. */
enum { BLOCK_BYTES = 2 << 20, BLOCK_PIECES = 2, PIECE_BYTES = BLOCK_BYTES / BLOCK_PIECES };
enum { PIECES_MAX = 3, STALE_S = 24 * 3600 };

typedef struct {
    guint8 *bytes; /* PIECE_BYTES of room, aligned */
    gsize size_bytes;
    gboolean alone; /* of no block */
} Piece;

struct _BillOutput {
    char *bills;
    int bills_fd;
    char *temporary; /* the folder's name for now */
    int fd;
    gboolean published;
    GMutex lock; /* also of the files' queues */
    GPtrArray *blocks;
    GQueue idle; /* pieces of blocks that can be used again */
};

struct _BillFile {
    BillOutput *output;
    DurableStream *stream;
    Sha256 *sha256;
    Piece *piece; /* being filled; NULL before the first byte */
    GThread *thread;
    GCond changed;
    GQueue pieces; /* to be hashed and written; all but the last are full */
    guint under_way;
    gboolean ended;
    guint64 size_bytes;
    GError *error; /* the thread's, until it is joined */
};

static void
remove_folder(const char *bills, const char *name)
{
    g_autofree char *path = g_build_filename(bills, name, NULL);
    g_autoptr(GDir) files = g_dir_open(path, 0, NULL);
    const char *file = NULL;

    while (files && (file = g_dir_read_name(files))) {
        g_autofree char *file_path = g_build_filename(path, file, NULL);
        unlink(file_path);
    }
    rmdir(path);
}

/* Removes what runs have left behind that died: none writes for that long. */
static void
sweep(int bills_fd, const char *bills)
{
    g_autoptr(GDir) names = g_dir_open(bills, 0, NULL);
    gint64 now_s = g_get_real_time() / G_USEC_PER_SEC;
    const char *name = NULL;
    struct stat status;

    while (names && (name = g_dir_read_name(names))) {
        if (*name != '.' || !g_str_has_suffix(name, ".tmp") ||
            fstatat(bills_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISDIR(status.st_mode) || status.st_mtime > now_s - STALE_S)
            continue;
        remove_folder(bills, name);
    }
}

BillOutput *
bill_output_new(const char *bills, GError **error)
{
    g_autoptr(BillOutput) output = g_new0(BillOutput, 1);

    output->fd = -1;
    output->bills = g_strdup(bills);
    output->blocks = g_ptr_array_new_with_free_func(free);
    g_queue_init(&output->idle);
    g_mutex_init(&output->lock);
    output->bills_fd = durable_folder_open(bills, TRUE, error);
    if (output->bills_fd < 0)
        return NULL;
    sweep(output->bills_fd, bills);
    do {
        g_free(output->temporary);
        output->temporary = g_strdup_printf(".%08x%08x.tmp", g_random_int(), g_random_int());
    } while (mkdirat(output->bills_fd, output->temporary, 0777) != 0 && errno == EEXIST);
    output->fd = openat(output->bills_fd, output->temporary,
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (output->fd >= 0)
        return g_steal_pointer(&output);
    millrace_error_set_errno(error, durable_creation_error(errno), errno, "%s/%s", bills,
                             output->temporary);
    return NULL;
}

void
bill_output_free(BillOutput *output)
{
    g_queue_clear_full(&output->idle, g_free);
    g_ptr_array_unref(output->blocks);
    g_mutex_clear(&output->lock);
    if (output->fd >= 0) {
        if (!output->published)
            remove_folder(output->bills, output->temporary);
        close(output->fd);
    }
    if (output->bills_fd >= 0)
        close(output->bills_fd);
    g_free(output->temporary);
    g_free(output->bills);
    g_free(output);
}

static guint8 *
allocate(gsize align_bytes, gsize size_bytes)
{
    guint8 *bytes = aligned_alloc(align_bytes, size_bytes);

    if (!bytes)
        g_error("no room for %zu bytes", size_bytes);
    return bytes;
}

static Piece *
piece_new(guint8 *bytes, gboolean alone)
{
    Piece *piece = g_new0(Piece, 1);

    piece->bytes = bytes;
    piece->alone = alone;
    return piece;
}

static void
add_block(BillOutput *output)
{
    guint8 *block = allocate(BLOCK_BYTES, BLOCK_BYTES);

    madvise(block, BLOCK_BYTES, MADV_HUGEPAGE);
    g_ptr_array_add(output->blocks, block);
    for (guint i = 0; i < BLOCK_PIECES; i++)
        g_queue_push_tail(&output->idle, piece_new(block + (gsize)i * PIECE_BYTES, FALSE));
}

/* Under lock. */
static void
release_piece(BillOutput *output, Piece *piece)
{
    if (!piece->alone) {
        g_queue_push_head(&output->idle, piece);
        return;
    }
    free(piece->bytes);
    g_free(piece);
}

static void
write_piece(BillFile *file, const Piece *piece)
{
    sha256_add(file->sha256, piece->bytes, piece->size_bytes);
    if (file->error)
        return;
    if (piece->size_bytes == PIECE_BYTES)
        durable_stream_write_aligned(file->stream, piece->bytes, piece->size_bytes, &file->error);
    else
        durable_stream_write(file->stream, piece->bytes, piece->size_bytes, &file->error);
}

static gpointer
write_pieces(gpointer data)
{
    BillFile *file = data;
    GMutex *lock = &file->output->lock;

    g_mutex_lock(lock);
    while (file->under_way > 0 || !file->ended) {
        Piece *piece = g_queue_pop_head(&file->pieces);
        if (!piece) {
            g_cond_wait(&file->changed, lock);
            continue;
        }
        g_mutex_unlock(lock);
        write_piece(file, piece);
        g_mutex_lock(lock);
        release_piece(file->output, piece);
        file->under_way--;
        g_cond_broadcast(&file->changed);
    }
    g_mutex_unlock(lock);
    if (file->error)
        durable_stream_abandon(file->stream);
    else
        durable_stream_close(file->stream, &file->error);
    return NULL;
}

BillFile *
bill_output_open(BillOutput *output, const char *name, GError **error)
{
    DurableStream *stream = durable_stream_open(output->fd, name, error);

    if (!stream)
        return NULL;
    BillFile *file = g_new0(BillFile, 1);
    file->output = output;
    file->stream = stream;
    file->sha256 = sha256_new();
    g_cond_init(&file->changed);
    g_queue_init(&file->pieces);
    file->thread = g_thread_new("output", write_pieces, file);
    return file;
}

/* Gives the piece at hand to the threads. */
static void
hand_over(BillFile *file, gboolean last)
{
    BillOutput *output = file->output;

    g_mutex_lock(&output->lock);
    if (file->piece) {
        g_queue_push_tail(&file->pieces, file->piece);
        file->under_way++;
    }
    file->ended = last;
    g_cond_broadcast(&file->changed);
    g_mutex_unlock(&output->lock);
    file->piece = NULL;
}

/* An empty piece, once no more are under way than may be. The first one takes no more memory than
 * there is in it, since few files are large. */
static Piece *
take_piece(BillFile *file)
{
    BillOutput *output = file->output;
    Piece *piece = NULL;

    if (file->size_bytes == 0)
        return piece_new(allocate(DURABLE_ALIGN_BYTES, PIECE_BYTES), TRUE);
    g_mutex_lock(&output->lock);
    while (file->under_way >= PIECES_MAX)
        g_cond_wait(&file->changed, &output->lock);
    if (output->idle.length == 0)
        add_block(output);
    piece = g_queue_pop_head(&output->idle);
    g_mutex_unlock(&output->lock);
    piece->size_bytes = 0;
    return piece;
}

void
bill_file_write(BillFile *file, const void *bytes, gsize size_bytes)
{
    const guint8 *at = bytes;

    while (size_bytes > 0) {
        if (!file->piece)
            file->piece = take_piece(file);
        gsize part = MIN(size_bytes, PIECE_BYTES - file->piece->size_bytes);
        memcpy(file->piece->bytes + file->piece->size_bytes, at, part);
        file->piece->size_bytes += part;
        file->size_bytes += part;
        at += part;
        size_bytes -= part;
        if (file->piece->size_bytes == PIECE_BYTES)
            hand_over(file, FALSE);
    }
}

void
bill_file_end(BillFile *file)
{
    hand_over(file, TRUE);
}

gboolean
bill_file_close(BillFile *file, char digest[SHA256_CHARS + 1], guint64 *size_bytes, GError **error)
{
    if (!file->ended)
        bill_file_end(file);
    g_thread_join(file->thread);
    sha256_finish(file->sha256, digest);
    *size_bytes = file->size_bytes;
    gboolean good = file->error == NULL;
    if (!good)
        g_propagate_error(error, file->error);
    sha256_free(file->sha256);
    g_cond_clear(&file->changed);
    g_free(file);
    return good;
}

/* Is the run that has the name the same? */
static gboolean
compare_with(const BillOutput *output, const char *run, GError **error)
{
    g_autofree char *name = g_strconcat(run, "/" BILL_PROOF, NULL);
    gsize ours_bytes = 0;
    gsize theirs_bytes = 0;
    g_autofree char *ours =
        durable_read_file(output->fd, BILL_PROOF, BILL_FILE_MAX_BYTES, &ours_bytes, error);
    g_autofree char *theirs =
        ours ? durable_read_file(output->bills_fd, name, BILL_FILE_MAX_BYTES, &theirs_bytes, error)
             : NULL;

    if (!theirs)
        return FALSE;
    if (ours_bytes == theirs_bytes && memcmp(ours, theirs, ours_bytes) == 0)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INVARIANT,
                "%s/%s: the same inputs have given another result before; compare its " BILL_PROOF
                ", and move it away to run again",
                output->bills, run);
    return FALSE;
}

gboolean
bill_output_publish(BillOutput *output, const char *run, gboolean *existed, GError **error)
{
    if (!durable_sync(output->fd, output->temporary, error))
        return FALSE;
    PublishResult result =
        durable_publish(output->bills_fd, output->temporary, output->bills_fd, run, error);
    *existed = result == PUBLISH_EXISTS;
    if (*existed)
        return compare_with(output, run, error);
    if (result == PUBLISH_FAILED)
        return FALSE;
    output->published = TRUE;
    return durable_sync(output->bills_fd, output->bills, error);
}
