/* usage_ingest.c - usage logs become segments of a batch store, on one rank or many.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/usage_ingest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/bytes.h"
#include "formats/durable.h"
#include "formats/error.h"
#include "formats/json.h"
#include "jobs/ingest_log.h"
#include "mr/comm.h"

enum { TAG_LOG = 1, PIECE_MAX_BYTES = 8 << 20, PIECES_A_REGION = 32 };
enum { PIECE_MIN_BYTES = 128 << 10, SEGMENTS_NAMED_MAX = 10000 };

typedef struct {
    const UsageIngestConfig *config;
    Comm *comm;
    guint log_count;
    GByteArray *ranks; /* u32 for each log: who reads it */
    Store *store;
    int quarantine_fd;
    GPtrArray *ingested; /* of IngestedLog; NULL where another rank reads it */
} Ingest;

static void
free_log(gpointer data)
{
    UsageIngestLog *log = data;

    g_free(log->json);
    g_free(log->error);
    g_free(log);
}

void
usage_ingest_report_clear(UsageIngestReport *report)
{
    g_clear_pointer(&report->logs, g_ptr_array_unref);
}

/* Sizes of logs, to share them out by. */
typedef struct {
    guint index;
    goffset size_bytes;
} LogSize;

static gint
largest_first(gconstpointer a, gconstpointer b)
{
    const LogSize *left = a;
    const LogSize *right = b;

    if (left->size_bytes != right->size_bytes)
        return left->size_bytes > right->size_bytes ? -1 : 1;
    return (left->index > right->index) - (left->index < right->index);
}

/* Which rank reads which log: the largest first, each to whoever has least so far. Rank 0 decides
 * for all, since a log may grow while ranks look at it. */
static void
share_out(Ingest *ingest)
{
    guint rank_count = (guint)comm_size(ingest->comm);
    g_autofree LogSize *sizes = g_new0(LogSize, ingest->log_count);
    g_autofree guint64 *loads = g_new0(guint64, rank_count);
    g_autofree guint32 *ranks = g_new0(guint32, ingest->log_count);
    struct stat status;

    for (guint i = 0; i < ingest->log_count; i++) {
        const char *log = ingest->config->logs[i];
        gboolean sized = strcmp(log, "-") != 0 && stat(log, &status) == 0;
        sizes[i] = (LogSize){i, sized ? status.st_size : 0};
    }
    qsort(sizes, ingest->log_count, sizeof *sizes, largest_first);
    for (guint i = 0; i < ingest->log_count; i++) {
        guint least = 0;
        for (guint rank = 1; rank < rank_count; rank++)
            if (loads[rank] < loads[least])
                least = rank;
        /* mpirun gives its standard input to rank 0. */
        if (strcmp(ingest->config->logs[sizes[i].index], "-") == 0)
            least = 0;
        ranks[sizes[i].index] = least;
        loads[least] += (guint64)sizes[i].size_bytes + 1;
    }
    for (guint i = 0; i < ingest->log_count; i++)
        bytes_put_u32(ingest->ranks, ranks[i]);
}

static guint
rank_of(const Ingest *ingest, guint log)
{
    ByteReader reader = byte_reader(ingest->ranks->data + log * 4, 4);

    return bytes_get_u32(&reader);
}

static gboolean
open_outputs(Ingest *ingest, GError **error)
{
    const char *quarantine = ingest->config->quarantine;

    ingest->store = store_open(ingest->config->store, TRUE, error);
    if (!ingest->store || !quarantine)
        return ingest->store != NULL;
    ingest->quarantine_fd = open(quarantine, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    return ingest->quarantine_fd >= 0 ||
           millrace_error_set_errno(error, durable_creation_error(errno), errno, "--quarantine %s",
                                    quarantine);
}

static guint
thread_count(const Ingest *ingest)
{
    guint shared = g_get_num_processors() / (guint)comm_node_size(ingest->comm);

    return ingest->config->thread_count > 0 ? ingest->config->thread_count : MAX(shared, 1);
}

/* Reads the logs that are this rank's. */
static gboolean
read_logs(Ingest *ingest, GError **error)
{
    guint64 region_bytes = ingest->config->region_bytes;
    guint64 piece_bytes = CLAMP(region_bytes / PIECES_A_REGION, PIECE_MIN_BYTES, PIECE_MAX_BYTES);
    IngestSizes sizes = {.piece_bytes = (gsize)piece_bytes, .region_bytes = region_bytes};
    IngestPool *pool = ingest_pool_new(ingest->store, ingest->quarantine_fd, thread_count(ingest),
                                       sizes.piece_bytes);

    for (guint i = 0; i < ingest->log_count && !ingest_pool_failed(pool); i++)
        if (ingest->ingested->pdata[i])
            ingest_log_read(pool, ingest->store, &sizes, ingest->ingested->pdata[i]);
    return ingest_pool_finish(pool, error) &&
           (ingest->quarantine_fd < 0 ||
            durable_sync(ingest->quarantine_fd, ingest->config->quarantine, error));
}

static gint
by_place(gconstpointer a, gconstpointer b)
{
    const IngestedSegment *left = a;
    const IngestedSegment *right = b;

    return (left->from_bytes > right->from_bytes) - (left->from_bytes < right->from_bytes);
}

/* Names of the segments that are new. Of a log so long that nobody reads their names, how many. */
static void
print_segments(const GArray *segments, GString *json)
{
    guint count = 0;

    json_open(json, "segments", '[');
    for (guint i = 0; i < segments->len; i++) {
        const IngestedSegment *segment = &g_array_index(segments, IngestedSegment, i);
        count += segment->added;
        if (segment->added && count <= SEGMENTS_NAMED_MAX)
            json_put_string(json, NULL, segment->name);
    }
    g_string_append_c(json, ']');
    if (count > SEGMENTS_NAMED_MAX)
        json_put_uint(json, "segment_count", count);
}

static void
print_log(const IngestedLog *log, GString *json)
{
    g_array_sort(log->segments, by_place);
    json_open(json, NULL, '{');
    json_put_string(json, "log", log->log);
    json_put_uint(json, "lines", log->line_count);
    json_put_uint(json, "events", log->event_count);
    json_put_uint(json, "quarantined", log->quarantined_count);
    json_put_uint(json, "blank", log->blank_count);
    print_segments(log->segments, json);
    json_put_uint(json, "from_byte", log->from_bytes);
    json_put_uint(json, "to_byte", log->to_bytes);
    json_put_bool(json, "truncated", log->truncated);
    if (log->error)
        json_put_string(json, "error", log->error->message);
    g_string_append(json, "}\n");
}

/* Tells rank 0 what came of a log. */
static void
send_log(Ingest *ingest, guint index)
{
    const IngestedLog *log = ingest->ingested->pdata[index];
    g_autoptr(GString) json = g_string_new(NULL);
    GByteArray *message = g_byte_array_new();
    guint64 segment_count = 0;
    guint64 segment_bytes = 0;

    for (guint i = 0; i < log->segments->len; i++) {
        const IngestedSegment *segment = &g_array_index(log->segments, IngestedSegment, i);
        segment_count += segment->added;
        segment_bytes += segment->added ? segment->size_bytes : 0;
    }
    print_log(log, json);
    bytes_put_u32(message, index);
    bytes_put_u32(message, log->error ? (guint32)millrace_error_exit_code(log->error) : 0);
    bytes_put_string(message, log->error ? log->error->message : "");
    bytes_put_string(message, json->str);
    bytes_put_u8(message, log->truncated != FALSE);
    bytes_put_u64(message, log->line_count);
    bytes_put_u64(message, log->event_count);
    bytes_put_u64(message, log->quarantined_count);
    bytes_put_u64(message, segment_count);
    bytes_put_u64(message, segment_bytes);
    comm_send(ingest->comm, 0, TAG_LOG, message);
}

static void
take_log(UsageIngestReport *report, const CommMessage *message)
{
    ByteReader reader = byte_reader(message->bytes->data, message->bytes->len);
    guint32 index = bytes_get_u32(&reader);
    UsageIngestLog *log = report->logs->pdata[index];
    UsageIngestLog *total = &report->total;

    log->exit_code = (int)bytes_get_u32(&reader);
    const char *text = bytes_get_string(&reader);
    log->error = *text ? g_strdup(text) : NULL;
    log->json = g_strdup(bytes_get_string(&reader));
    log->truncated = bytes_get_u8(&reader);
    log->line_count = bytes_get_u64(&reader);
    log->event_count = bytes_get_u64(&reader);
    log->quarantined_count = bytes_get_u64(&reader);
    log->segment_count = bytes_get_u64(&reader);
    log->segment_bytes = bytes_get_u64(&reader);
    g_assert(reader.ok);
    total->exit_code = MAX(total->exit_code, log->exit_code);
    total->truncated |= log->truncated;
    total->line_count += log->line_count;
    total->event_count += log->event_count;
    total->quarantined_count += log->quarantined_count;
    total->segment_count += log->segment_count;
    total->segment_bytes += log->segment_bytes;
}

/* *Collective.* What came of all logs, on rank 0. */
static void
gather_logs(Ingest *ingest, UsageIngestReport *report)
{
    guint missing = report->is_rank_0 ? ingest->log_count : 0;
    CommMessage message;

    for (guint i = 0; i < ingest->log_count; i++)
        if (ingest->ingested->pdata[i])
            send_log(ingest, i);
    while (missing > 0) {
        if (!comm_receive(ingest->comm, &message)) {
            g_usleep((gulong)MAX(comm_poll_interval_us(ingest->comm), 0));
            continue;
        }
        take_log(report, &message);
        g_byte_array_unref(message.bytes);
        missing--;
    }
    comm_max(ingest->comm, 0); /* nobody leaves before everything has come */
}

/* *Collective.* One verdict for all. */
static gboolean
agree(Ingest *ingest, UsageIngestReport *report, gboolean good, GError **error)
{
    if (comm_max(ingest->comm, !good) == 0)
        return TRUE;
    if (good) {
        report->error_elsewhere = TRUE;
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED,
                            "another rank could not go on");
    }
    return FALSE;
}

static void
free_ingested(gpointer log)
{
    ingested_log_free(log);
}

static void
prepare(Ingest *ingest, UsageIngestReport *report)
{
    int rank = comm_rank(ingest->comm);

    report->is_rank_0 = rank == 0;
    if (report->is_rank_0)
        share_out(ingest);
    comm_broadcast(ingest->comm, ingest->ranks);
    for (guint i = 0; i < ingest->log_count; i++) {
        gboolean ours = rank_of(ingest, i) == (guint)rank;
        g_ptr_array_add(report->logs, g_new0(UsageIngestLog, 1));
        g_ptr_array_add(ingest->ingested, ours ? ingested_log_new(ingest->config->logs[i]) : NULL);
    }
}

gboolean
usage_ingest(const UsageIngestConfig *config, UsageIngestReport *report, GError **error)
{
    Ingest ingest = {.config = config, .quarantine_fd = -1};

    *report = (UsageIngestReport){.logs = g_ptr_array_new_with_free_func(free_log)};
    ingest.comm = comm_open(error);
    if (!ingest.comm)
        return FALSE;
    ingest.log_count = g_strv_length((char **)config->logs);
    ingest.ranks = g_byte_array_new();
    ingest.ingested = g_ptr_array_new_with_free_func(free_ingested);
    prepare(&ingest, report);
    gboolean good = agree(&ingest, report, open_outputs(&ingest, error), error);
    if (good) {
        good = agree(&ingest, report, read_logs(&ingest, error), error);
        gather_logs(&ingest, report);
    }
    comm_close(ingest.comm);
    g_ptr_array_unref(ingest.ingested);
    g_byte_array_unref(ingest.ranks);
    store_free(ingest.store);
    if (ingest.quarantine_fd >= 0)
        close(ingest.quarantine_fd);
    return good;
}
