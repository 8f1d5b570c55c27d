/* commit.c - the last step of every row. The order is what makes a crash harmless at any point:
 *
 *     1. the outputs' bytes are synced under their temporary names
 *     2. they get their names, unless those exist; the folders are synced
 *     3. the ledger gets the records, and is synced
 *     4. the usage log gets the lines that follow from the records
 *
 * A crash after 2 leaves outputs that the next run makes again, byte for byte, and adopts; one
 * after 3 leaves lines out of the log, which the next run completes from the ledger.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/commit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/error.h"
#include "formats/usage.h"

enum { BATCH_FILES_MAX = 64, BATCH_ROWS_MAX = 4096, BATCH_WAIT_MS = 1000 };

struct _Committer {
    const ResizeFolder *folder;
    const LedgerHeader *header;
    CommitDone done;
    gpointer data;
    GThread *thread;
    GAsyncQueue *queue; /* of batches, each a GPtrArray of RowWork; an empty one ends the thread */

    /* The main thread's own. To hand over whole batches spares waking the thread for every row. */
    GPtrArray *batch;
    guint file_count; /* of the batch */
    guint due_source;

    /* The thread's own. */
    LedgerWriter *ledger;
    int usage_fd;
    guint64 sequence; /* of the last event */
    GString *usage;
    GHashTable *folders; /* of this batch: path -> descriptor + 1 */
    GError *error;
    gboolean error_told;
};

/* What is told of a batch, in the main thread. */
typedef struct {
    CommitDone done;
    gpointer data;
    guint done_count;
    guint failed_count;
    GError *error;
} Told;

static gboolean
tell(gpointer data)
{
    Told *told = data;

    told->done(told->done_count, told->failed_count, told->error, told->data);
    g_clear_error(&told->error);
    g_free(told);
    return G_SOURCE_REMOVE;
}

static void
tell_later(Committer *committer, guint done_count, guint failed_count)
{
    Told *told = g_new0(Told, 1);
    g_autoptr(GSource) source = g_idle_source_new();

    told->done = committer->done;
    told->data = committer->data;
    told->done_count = done_count;
    told->failed_count = failed_count;
    if (committer->error && !committer->error_told)
        told->error = g_error_copy(committer->error);
    committer->error_told = committer->error != NULL;
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, tell, told, NULL);
    g_source_attach(source, NULL);
}

static gboolean
open_logs(Committer *committer, GError **error)
{
    g_autofree char *ledger = g_strconcat("ledger-", committer->header->writer, NULL);
    g_autofree char *usage = g_strconcat("usage-", committer->header->writer, ".ndjson", NULL);

    if (unlinkat(committer->folder->state_fd, REPORT_FILE, 0) != 0 && errno != ENOENT)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "removing " REPORT_FILE);
    committer->ledger =
        ledger_writer_create(committer->folder->state_fd, ledger, committer->header, error);
    if (!committer->ledger)
        return FALSE;
    committer->usage_fd = openat(committer->folder->state_fd, usage,
                                 O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (committer->usage_fd >= 0)
        return durable_sync(committer->folder->state_fd, "the job's folder", error);
    return millrace_error_set_errno(error, durable_creation_error(errno), errno, "creating %s",
                                    usage);
}

/* Step 1: first all are sent on their way, then each is waited for. */
static gboolean
sync_outputs(GPtrArray *batch, GError **error)
{
    for (guint i = 0; i < batch->len; i++) {
        const RowWork *work = batch->pdata[i];
        for (guint k = 0; k < work->record.output_count && work->record.class == ROW_OK; k++)
            sync_file_range(work->fds[1 + k], 0, 0, SYNC_FILE_RANGE_WRITE);
    }
    for (guint i = 0; i < batch->len; i++) {
        const RowWork *work = batch->pdata[i];
        for (guint k = 0; k < work->record.output_count && work->record.class == ROW_OK; k++)
            if (!durable_sync(work->fds[1 + k], work->record.outputs[k].path, error))
                return FALSE;
    }
    return TRUE;
}

/* The folder of an output, opened once a batch. Returns: borrowed descriptor, or -1 and error. */
static int
open_folder(Committer *committer, const char *path, GError **error)
{
    const char *slash = strrchr(path, '/');
    g_autofree char *folder = g_strndup(path, slash ? (gsize)(slash - path) : 0);
    int fd = GPOINTER_TO_INT(g_hash_table_lookup(committer->folders, folder)) - 1;

    if (fd >= 0)
        return fd;
    fd = durable_folder_beneath(committer->folder->output_fd, folder, error);
    if (fd >= 0)
        g_hash_table_insert(committer->folders, g_steal_pointer(&folder), GINT_TO_POINTER(fd + 1));
    return fd;
}

static int
unknown(const char *name, GError **error)
{
    millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "reading %s, which exists", name);
    return -1;
}

/* Is dir_fd/name a file with this digest already? Returns: 1, 0, or -1 and error when the disk does
 * not let us know. */
static int
has_digest(int dir_fd, const char *name, const LedgerOutput *output, GError **error)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    guint8 digest[DIGEST_BYTES] = {0};
    gsize digest_bytes = DIGEST_BYTES;
    guint8 piece[16384];
    ssize_t got = 1;

    if (fd < 0)
        return durable_creation_error(errno) == MILLRACE_ERROR_IO ? unknown(name, error) : 0;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
        (guint64)status.st_size != output->size_bytes) {
        close(fd);
        return 0;
    }
    g_autoptr(GChecksum) sha256 = g_checksum_new(G_CHECKSUM_SHA256);
    while ((got = read(fd, piece, sizeof piece)) > 0)
        g_checksum_update(sha256, piece, got);
    g_checksum_get_digest(sha256, digest, &digest_bytes);
    int same = got < 0 ? unknown(name, error) : memcmp(digest, output->digest, sizeof digest) == 0;
    /* It may be left from a crash before it was synced. */
    if (same > 0 && !durable_sync(fd, name, error))
        same = -1;
    close(fd);
    return same;
}

/* Gives one output its name. Returns: PUBLISH_EXISTS when something else has it; the same bytes are
 * adopted and count as done, but *made is set only for a name we gave. */
static PublishResult
publish_output(Committer *committer, RowWork *work, guint k, gboolean *made, GError **error)
{
    const LedgerOutput *output = &work->record.outputs[k];
    const char *slash = strrchr(output->path, '/');
    const char *name = slash ? slash + 1 : output->path;
    g_autofree char *temporary = row_work_temporary(work, committer->header->writer, k);
    int dir_fd = open_folder(committer, output->path, error);
    if (dir_fd < 0)
        return PUBLISH_FAILED;

    PublishResult result =
        durable_publish(committer->folder->tmp_fd, temporary, dir_fd, name, error);
    *made = result == PUBLISH_DONE;
    if (result != PUBLISH_EXISTS)
        return result;
    int same = has_digest(dir_fd, name, output, error);
    return same < 0 ? PUBLISH_FAILED : same > 0 ? PUBLISH_DONE : PUBLISH_EXISTS;
}

static void
unlink_output(Committer *committer, const char *path)
{
    const char *slash = strrchr(path, '/');
    int dir_fd = open_folder(committer, path, NULL);

    if (dir_fd >= 0)
        unlinkat(dir_fd, slash ? slash + 1 : path, 0);
}

/* Step 2 for one row: all its outputs get their names, or none. Returns FALSE and error only when
 * the disk fails; what lies in the row itself makes it a failure. */
static gboolean
publish_row(Committer *committer, RowWork *work, GError **error)
{
    g_autoptr(GError) problem = NULL;
    gboolean made[OUTPUTS_PER_ROW_MAX] = {FALSE};
    PublishResult result = PUBLISH_DONE;
    guint k = 0;

    for (; k < work->record.output_count && result == PUBLISH_DONE; k++)
        result = publish_output(committer, work, k, &made[k], &problem);
    for (guint i = 0; i < work->record.output_count; i++) {
        g_autofree char *temporary = row_work_temporary(work, committer->header->writer, i);
        if (!made[i])
            unlinkat(committer->folder->tmp_fd, temporary, 0);
        else if (result != PUBLISH_DONE)
            unlink_output(committer, work->record.outputs[i].path);
    }
    if (result == PUBLISH_EXISTS)
        row_work_fail(work, ROW_OUTPUT_EXISTS, "%s exists with other content",
                      work->record.outputs[k - 1].path);
    else if (result == PUBLISH_FAILED && problem->code == MILLRACE_ERROR_CANT_CREATE)
        row_work_fail(work, ROW_IO, "%s", problem->message);
    else if (result == PUBLISH_FAILED)
        g_propagate_error(error, g_steal_pointer(&problem));
    return result != PUBLISH_FAILED || work->record.class != ROW_OK;
}

static void
close_folder(gpointer descriptor)
{
    close(GPOINTER_TO_INT(descriptor) - 1);
}

/* Step 2: names, then the folders. */
static gboolean
publish(Committer *committer, GPtrArray *batch, GError **error)
{
    GHashTableIter iter;
    gpointer path = NULL;
    gpointer descriptor = NULL;
    gboolean good = TRUE;

    for (guint i = 0; i < batch->len && good; i++) {
        RowWork *work = batch->pdata[i];
        good = work->record.class != ROW_OK || publish_row(committer, work, error);
    }
    g_hash_table_iter_init(&iter, committer->folders);
    while (good && g_hash_table_iter_next(&iter, &path, &descriptor))
        good = durable_sync(GPOINTER_TO_INT(descriptor) - 1, path, error);
    g_hash_table_remove_all(committer->folders);
    return good;
}

/* Steps 3 and 4. */
static gboolean
record(Committer *committer, GPtrArray *batch, GError **error)
{
    if (!committer->ledger && !open_logs(committer, error))
        return FALSE;
    g_string_truncate(committer->usage, 0);
    for (guint i = 0; i < batch->len; i++) {
        RowWork *work = batch->pdata[i];
        work->record.time_us = g_get_real_time();
        row_work_share_cpu(work);
        ledger_writer_append(committer->ledger, &work->record);
        usage_print_record(committer->header, &work->record, committer->sequence + 1,
                           committer->usage);
        committer->sequence += work->record.output_count;
    }
    return ledger_writer_sync(committer->ledger, error) &&
           durable_write_all(committer->usage_fd, "the usage log", committer->usage->str,
                             committer->usage->len, error);
}

static void
commit(Committer *committer, GPtrArray *batch)
{
    guint failed_count = 0;

    if (!committer->error && sync_outputs(batch, &committer->error) &&
        publish(committer, batch, &committer->error))
        record(committer, batch, &committer->error);
    for (guint i = 0; i < batch->len; i++)
        failed_count += ((const RowWork *)batch->pdata[i])->record.class != ROW_OK;
    tell_later(committer, batch->len, failed_count);
}

static gpointer
run(gpointer data)
{
    Committer *committer = data;

    for (;;) {
        g_autoptr(GPtrArray) batch = g_async_queue_pop(committer->queue);
        if (batch->len == 0)
            return NULL;
        commit(committer, batch);
    }
}

static GPtrArray *
batch_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)row_work_free);
}

static gboolean
on_due(gpointer data)
{
    Committer *committer = data;

    committer->due_source = 0;
    committer_flush(committer);
    return G_SOURCE_REMOVE;
}

Committer *
committer_new(const ResizeFolder *folder, const LedgerHeader *header, CommitDone done,
              gpointer data)
{
    Committer *committer = g_new0(Committer, 1);

    committer->folder = folder;
    committer->header = header;
    committer->done = done;
    committer->data = data;
    committer->usage_fd = -1;
    committer->usage = g_string_new(NULL);
    committer->folders = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, close_folder);
    committer->queue = g_async_queue_new();
    committer->batch = batch_new();
    committer->thread = g_thread_new("commit", run, committer);
    return committer;
}

void
committer_push(Committer *committer, RowWork *work)
{
    g_ptr_array_add(committer->batch, work);
    committer->file_count += work->record.class == ROW_OK ? work->record.output_count : 0;
    if (committer->file_count >= BATCH_FILES_MAX || committer->batch->len >= BATCH_ROWS_MAX)
        committer_flush(committer);
    else if (!committer->due_source)
        committer->due_source = g_timeout_add(BATCH_WAIT_MS, on_due, committer);
}

void
committer_flush(Committer *committer)
{
    if (committer->due_source)
        g_source_remove(committer->due_source);
    committer->due_source = 0;
    if (committer->batch->len == 0)
        return;
    g_async_queue_push(committer->queue, committer->batch);
    committer->batch = batch_new();
    committer->file_count = 0;
}

gboolean
committer_close(Committer *committer, GError **error)
{
    gboolean good = TRUE;

    committer_flush(committer);
    g_async_queue_push(committer->queue, g_steal_pointer(&committer->batch)); /* empty */
    g_thread_join(committer->thread);
    if (committer->usage_fd >= 0) {
        good =
            committer->error != NULL || durable_sync(committer->usage_fd, "the usage log", error);
        if (close(committer->usage_fd) != 0 && good)
            good =
                millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "closing the usage log");
    }
    g_clear_pointer(&committer->ledger, ledger_writer_free);
    g_clear_error(&committer->error);
    g_hash_table_unref(committer->folders);
    g_async_queue_unref(committer->queue);
    g_string_free(committer->usage, TRUE);
    g_free(committer);
    return good;
}
