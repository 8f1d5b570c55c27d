/* ingest_pool.c - threads that make segments of what one thread reads.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/ingest_pool.h"

#include <string.h>

#include "formats/durable.h"
#include "formats/error.h"
#include "formats/sha256.h"

struct _IngestPool {
    Store *store;
    int quarantine_fd;
    guint thread_count;
    GThreadPool *threads;
    GThreadPool *storing;  /* one thread, so that nobody else waits for the disk */
    GAsyncQueue *buffers;  /* those that are free */
    GAsyncQueue *segments; /* of GByteArray: those that are free */
    GMutex lock;           /* guards what is below, and what comes of logs */
    GCond changed;
    guint regions_free;
    guint regions_max;
    GError *error;
};

/* A piece of a region, and what it held. */
typedef struct {
    IngestRegion *region;
    IngestPiece piece;
    char *buffer; /* NULL = no piece, but a call for help with the region's segment */
    IngestLines lines;
} Piece;

struct _IngestRegion {
    IngestPool *pool;
    gint references; /* the region's own, and one for each call for help */
    IngestedLog *log;
    guint64 from_bytes;
    guint64 line_count;
    GPtrArray *pieces; /* of Piece, in their order; only the reading thread adds */
    gint pending;      /* pieces that are not parsed yet, and one for the reading thread */
    gboolean dropped;
    gboolean has_note;
    StoreLog note;
    IngestLines *lines; /* when all are parsed: what the pieces held; the first of them has it */
    /* The segment while it is made. */
    Piece call;
    SegmentFinish *finish;
    guint part_count;
    gint parts_begun;
    gint parts_pending;
    GByteArray *segment; /* what becomes of it; NULL = no events, and no bad lines */
};

IngestedLog *
ingested_log_new(const char *log)
{
    IngestedLog *ingested = g_new0(IngestedLog, 1);

    ingested->log = g_strdup(log);
    ingested->segments = g_array_new(FALSE, FALSE, sizeof(IngestedSegment));
    return ingested;
}

void
ingested_log_free(IngestedLog *log)
{
    if (!log)
        return;
    g_free(log->log);
    g_array_unref(log->segments);
    g_clear_error(&log->error);
    g_free(log);
}

static void
piece_free(gpointer data)
{
    Piece *piece = data;

    ingest_lines_clear(&piece->lines);
    g_free(piece);
}

gboolean
ingest_pool_failed(IngestPool *pool)
{
    g_mutex_lock(&pool->lock);
    gboolean failed = pool->error != NULL;
    g_mutex_unlock(&pool->lock);
    return failed;
}

static void
dereference(IngestRegion *region)
{
    if (g_atomic_int_dec_and_test(&region->references))
        g_free(region);
}

/* Ends the region, and lets another begin. error: (transfer full), may be NULL. */
static void
leave(IngestRegion *region, GError *error)
{
    IngestPool *pool = region->pool;

    g_ptr_array_unref(region->pieces);
    if (region->segment)
        g_async_queue_push(pool->segments, region->segment);
    dereference(region);
    g_mutex_lock(&pool->lock);
    if (error && !pool->error)
        pool->error = error;
    else
        g_clear_error(&error);
    pool->regions_free++;
    g_cond_broadcast(&pool->changed);
    g_mutex_unlock(&pool->lock);
}

/* Joins what the pieces held, in their order, into the first. */
static IngestLines *
join(IngestRegion *region)
{
    IngestLines *all = &((Piece *)region->pieces->pdata[0])->lines;

    for (guint i = 1; i < region->pieces->len; i++) {
        IngestLines *lines = &((Piece *)region->pieces->pdata[i])->lines;
        segment_builder_append(all->builder, lines->builder);
        g_string_append_len(all->bad, lines->bad->str, (gssize)lines->bad->len);
        all->event_count += lines->event_count;
        all->blank_count += lines->blank_count;
        all->bad_count += lines->bad_count;
        ingest_lines_clear(lines);
    }
    return all;
}

/* Bad lines go to the store, and to the file that was asked for unless they went there with an
 * earlier run. A run that dies in between appends them again: twice is better than never. */
static gboolean
store_bad(IngestRegion *region, const GString *bad, GError **error)
{
    IngestPool *pool = region->pool;
    char *name = region->note.quarantine;
    gboolean good = TRUE;

    sha256_hex(bad->str, bad->len, name);
    if (pool->quarantine_fd >= 0 && !store_has(pool->store, STORE_QUARANTINE, name)) {
        g_mutex_lock(&pool->lock);
        good = durable_write_all(pool->quarantine_fd, "the file of --quarantine", bad->str,
                                 bad->len, error);
        g_mutex_unlock(&pool->lock);
    }
    return good && store_put(pool->store, STORE_QUARANTINE, name, bad->str, bad->len, NULL, error);
}

static gboolean
store_segment(IngestRegion *region, GError **error)
{
    const GByteArray *bytes = region->segment;
    IngestedSegment segment = {.from_bytes = region->from_bytes,
                               .event_count = region->lines->event_count,
                               .size_bytes = bytes->len};

    memcpy(segment.name, region->note.segment, sizeof segment.name);
    if (!store_put(region->pool->store, STORE_SEGMENTS, segment.name, bytes->data, bytes->len,
                   &segment.added, error))
        return FALSE;
    g_mutex_lock(&region->pool->lock);
    g_array_append_val(region->log->segments, segment);
    g_mutex_unlock(&region->pool->lock);
    return TRUE;
}

/* The note is last: what it tells of is there. */
static gboolean
put_region(IngestRegion *region, GError **error)
{
    const IngestLines *lines = region->lines;
    guint64 accounted = lines->event_count + lines->bad_count + lines->blank_count;

    if (accounted != region->line_count) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INVARIANT,
                    "%s: %" G_GUINT64_FORMAT " lines were read, %" G_GUINT64_FORMAT
                    " are accounted for",
                    region->log->log, region->line_count, accounted);
        return FALSE;
    }
    return (lines->bad_count == 0 || store_bad(region, lines->bad, error)) &&
           (!region->segment || store_segment(region, error)) &&
           (!region->has_note || store_log_put(region->pool->store, &region->note, error));
}

static void
account(IngestRegion *region)
{
    const IngestLines *lines = region->lines;
    IngestedLog *log = region->log;

    g_mutex_lock(&region->pool->lock);
    log->line_count += region->line_count;
    log->event_count += lines->event_count;
    log->quarantined_count += lines->bad_count;
    log->blank_count += lines->blank_count;
    g_mutex_unlock(&region->pool->lock);
}

static void
store_region(gpointer data, gpointer pool_data)
{
    IngestRegion *region = data;
    GError *error = NULL;

    if (!ingest_pool_failed(pool_data) && put_region(region, &error))
        account(region);
    leave(region, error);
}

/* All parts are made. */
static void
end_segment(IngestRegion *region)
{
    region->segment = g_async_queue_try_pop(region->pool->segments);
    if (!region->segment)
        region->segment = g_byte_array_new();
    segment_finish_end(region->finish, region->segment, region->note.segment);
    g_thread_pool_push(region->pool->storing, region, NULL);
}

/* Makes parts that no other thread has begun. */
static void
make_parts(IngestRegion *region)
{
    guint part = 0;

    while ((part = (guint)g_atomic_int_add(&region->parts_begun, 1)) < region->part_count) {
        segment_finish_part(region->finish, part);
        if (g_atomic_int_dec_and_test(&region->parts_pending))
            end_segment(region);
    }
    dereference(region);
}

/* Makes the segment with the help of other threads when they have parsed what they were given
 * before, if that is soon enough. Where the log ends it is. */
static void
make_segment(IngestRegion *region)
{
    GThreadPool *threads = region->pool->threads;

    region->finish = segment_finish_begin(region->lines->builder);
    region->part_count = segment_finish_part_count(region->finish);
    region->parts_pending = (gint)region->part_count;
    region->call.region = region;
    guint helpers = MIN(region->pool->thread_count, region->part_count) - 1;
    g_atomic_int_add(&region->references, (gint)helpers + 1);
    for (guint i = 0; i < helpers; i++)
        g_thread_pool_push(threads, &region->call, NULL);
    make_parts(region);
}

/* All pieces are parsed. */
static void
join_region(IngestRegion *region)
{
    IngestLines *lines = join(region);

    region->lines = lines;
    segment_builder_quarantined(lines->builder, lines->bad_count);
    if (lines->event_count + lines->bad_count > 0)
        make_segment(region);
    else
        g_thread_pool_push(region->pool->storing, region, NULL);
}

/* One of those that the region waits for is done. The last one finishes it. */
static void
region_unref(IngestRegion *region)
{
    if (!g_atomic_int_dec_and_test(&region->pending))
        return;
    if (region->dropped || region->pieces->len == 0 || ingest_pool_failed(region->pool))
        leave(region, NULL);
    else
        join_region(region);
}

static void
work(gpointer data, gpointer pool_data)
{
    Piece *piece = data;
    IngestPool *pool = pool_data;

    if (!piece->buffer) {
        make_parts(piece->region);
        return;
    }
    ingest_lines_read(&piece->piece, &piece->lines);
    g_async_queue_push(pool->buffers, piece->buffer);
    region_unref(piece->region);
}

IngestPool *
ingest_pool_new(Store *store, int quarantine_fd, guint thread_count, gsize buffer_bytes)
{
    IngestPool *pool = g_new0(IngestPool, 1);

    g_assert(thread_count > 0);
    pool->store = store;
    pool->quarantine_fd = quarantine_fd;
    pool->thread_count = thread_count;
    pool->segments = g_async_queue_new_full((GDestroyNotify)g_byte_array_unref);
    pool->buffers = g_async_queue_new_full(g_free);
    /* One for the reader, one more that it carries a line's begin to, and two a thread: what it
     * parses and what lies ready. */
    for (guint i = 0; i < 2 * thread_count + 2; i++)
        g_async_queue_push(pool->buffers, g_malloc(buffer_bytes + 1));
    pool->regions_free = pool->regions_max = thread_count + 1;
    g_mutex_init(&pool->lock);
    g_cond_init(&pool->changed);
    pool->threads = g_thread_pool_new(work, pool, (gint)thread_count, TRUE, NULL);
    pool->storing = g_thread_pool_new(store_region, pool, 1, TRUE, NULL);
    return pool;
}

static void
wait_for_regions(IngestPool *pool, guint count)
{
    g_mutex_lock(&pool->lock);
    while (pool->regions_free < count)
        g_cond_wait(&pool->changed, &pool->lock);
    g_mutex_unlock(&pool->lock);
}

gboolean
ingest_pool_finish(IngestPool *pool, GError **error)
{
    wait_for_regions(pool, pool->regions_max);
    g_thread_pool_free(pool->threads, FALSE, TRUE);
    g_thread_pool_free(pool->storing, FALSE, TRUE);
    g_async_queue_unref(pool->buffers);
    g_async_queue_unref(pool->segments);
    g_mutex_clear(&pool->lock);
    g_cond_clear(&pool->changed);
    gboolean good = !pool->error;
    if (!good)
        g_propagate_error(error, pool->error);
    g_free(pool);
    return good;
}

char *
ingest_pool_buffer(IngestPool *pool)
{
    return g_async_queue_pop(pool->buffers);
}

void
ingest_pool_release(IngestPool *pool, char *buffer)
{
    g_async_queue_push(pool->buffers, buffer);
}

IngestRegion *
ingest_region_begin(IngestPool *pool, IngestedLog *log, guint64 from_bytes)
{
    IngestRegion *region = g_new0(IngestRegion, 1);

    wait_for_regions(pool, 1);
    g_mutex_lock(&pool->lock);
    pool->regions_free--;
    g_mutex_unlock(&pool->lock);
    region->pool = pool;
    region->references = 1;
    region->log = log;
    region->from_bytes = from_bytes;
    region->pieces = g_ptr_array_new_with_free_func(piece_free);
    region->pending = 1;
    return region;
}

void
ingest_region_add(IngestRegion *region, char *buffer, const IngestPiece *piece, guint64 line_count)
{
    Piece *added = g_new0(Piece, 1);

    added->region = region;
    added->piece = *piece;
    added->buffer = buffer;
    region->line_count += line_count;
    g_ptr_array_add(region->pieces, added);
    g_atomic_int_inc(&region->pending);
    g_thread_pool_push(region->pool->threads, added, NULL);
}

void
ingest_region_end(IngestRegion *region, const StoreLog *note)
{
    if (note) {
        region->note = *note;
        region->has_note = TRUE;
    }
    region_unref(region);
}

void
ingest_region_drop(IngestRegion *region)
{
    region->dropped = TRUE;
    region_unref(region);
}
