/* archive_usage.c - members of usage: each rank and thread prints segments, rank 0 puts the pieces
 * together.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_usage.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "formats/bytes.h"
#include "formats/durable.h"
#include "formats/tar.h"
#include "formats/volume.h"
#include "jobs/archive_lines.h"
#include "mr/gather.h"

#define DAY_US G_TIME_SPAN_DAY

typedef struct {
    const ArchiveUsageConfig *config;
    GPtrArray *segments; /* paths; the same on every rank */
    guint rank;
    guint rank_count;
    guint next;       /* atomic: how many of this rank's are taken */
    gint failed;      /* atomic */
    GMutex mutex;     /* of what follows */
    LinesTotal total; /* of this rank */
    GArray *extents;  /* of LinesExtent */
    GStringChunk *customers;
    GError *error; /* of the first segment that has one */
    guint error_index;
    /* For gather(): */
    guint told;
    GByteArray *key;
    GByteArray *value;
    /* On rank 0: */
    ArchiveInputs *inputs;
    ArchiveUsageReport *report;
    GString *customer; /* of the member being put together */
    gint64 day_us;
    GArray *pieces; /* of ArchivePiece */
    GStringChunk *paths;
} Usage;

/* Scratch files are named by the segment's place, which is the same on every rank. */
static char *
scratch_name(guint index)
{
    return g_strdup_printf(LINES_PREFIX "%06u.ndjson", index);
}

static void
fail(Usage *usage, guint index, GError *error)
{
    g_mutex_lock(&usage->mutex);
    g_atomic_int_set(&usage->failed, TRUE);
    if (!usage->error || index < usage->error_index) {
        g_clear_error(&usage->error);
        usage->error = g_steal_pointer(&error);
        usage->error_index = index;
    }
    g_mutex_unlock(&usage->mutex);
    g_clear_error(&error);
}

/* Customers are texts of the thread's until then. */
static void
keep_extents(Usage *usage, const GArray *extents, const LinesTotal *total)
{
    const char *before = NULL;
    const char *kept = NULL;

    g_mutex_lock(&usage->mutex);
    usage->total.event_count += total->event_count;
    usage->total.size_bytes += total->size_bytes;
    for (guint i = 0; i < extents->len; i++) {
        LinesExtent extent = g_array_index(extents, LinesExtent, i);
        if (extent.customer != before)
            kept = g_string_chunk_insert_const(usage->customers, extent.customer);
        before = extent.customer;
        extent.customer = kept;
        g_array_append_val(usage->extents, extent);
    }
    g_mutex_unlock(&usage->mutex);
}

static gpointer
print_segments(gpointer data)
{
    Usage *usage = data;
    g_autoptr(Lines) lines = lines_new(usage->config->batch_bytes);
    GError *error = NULL;
    int dir_fd = durable_folder_open(usage->config->folder, FALSE, &error);

    if (dir_fd < 0)
        fail(usage, 0, error);
    while (!g_atomic_int_get(&usage->failed)) {
        guint taken = (guint)g_atomic_int_add(&usage->next, 1);
        guint64 index = (guint64)taken * usage->rank_count + usage->rank;
        LinesTotal total = {0};
        if (index >= usage->segments->len)
            break;
        g_autofree char *name = scratch_name((guint)index);
        const GArray *extents = lines_print(lines, usage->segments->pdata[index], (guint)index,
                                            dir_fd, name, &total, &error);
        if (extents)
            keep_extents(usage, extents, &total);
        else
            fail(usage, (guint)index, g_steal_pointer(&error));
    }
    if (dir_fd >= 0)
        close(dir_fd);
    return NULL;
}

/* By what becomes one member, then in the order in which its pieces follow each other. */
static int
compare_extents(gconstpointer a, gconstpointer b)
{
    const LinesExtent *left = a;
    const LinesExtent *right = b;
    int order = left->customer == right->customer ? 0 : strcmp(left->customer, right->customer);

    if (order == 0)
        order = (left->day_us > right->day_us) - (left->day_us < right->day_us);
    if (order == 0)
        order = (left->segment > right->segment) - (left->segment < right->segment);
    return order != 0 ? order : (left->offset > right->offset) - (left->offset < right->offset);
}

static void
put_ascending(GByteArray *key, guint64 value)
{
    guint64 big = GUINT64_TO_BE(value);

    g_byte_array_append(key, (const guint8 *)&big, sizeof big);
}

/* This rank's next extent; keys ascend as compare_extents() does. */
static int
next_extent(gpointer data, GatherItem *item, GError **error)
{
    Usage *usage = data;

    if (usage->error) {
        g_propagate_error(error, g_steal_pointer(&usage->error));
        return -1;
    }
    if (usage->told == usage->extents->len)
        return 0;
    const LinesExtent *extent = &g_array_index(usage->extents, LinesExtent, usage->told++);
    g_byte_array_set_size(usage->key, 0);
    bytes_put_blob(usage->key, extent->customer, strlen(extent->customer) + 1);
    put_ascending(usage->key, (guint64)extent->day_us ^ (1ULL << 63));
    put_ascending(usage->key, extent->segment);
    put_ascending(usage->key, extent->offset);
    g_byte_array_set_size(usage->value, 0);
    bytes_put_string(usage->value, extent->customer);
    bytes_put_u64(usage->value, (guint64)extent->day_us);
    bytes_put_u32(usage->value, extent->segment);
    bytes_put_u64(usage->value, extent->offset);
    bytes_put_u64(usage->value, extent->size_bytes);
    *item = (GatherItem){.key = usage->key->data, .key_size_bytes = usage->key->len};
    item->parts[0] = (const char *)usage->value->data;
    item->part_size_bytes[0] = usage->value->len;
    return 1;
}

/* Rank 0: the member whose pieces are all there. */
static gboolean
add_member(Usage *usage, GError **error)
{
    if (usage->pieces->len == 0)
        return TRUE;
    g_autofree char *name = volume_usage_name(usage->customer->str, usage->day_us);
    ArchiveMember member = {.name = name,
                            .mtime_s = (usage->day_us + DAY_US) / G_USEC_PER_SEC - 1,
                            .pieces = (const ArchivePiece *)(const void *)usage->pieces->data,
                            .piece_count = usage->pieces->len};

    if (strlen(name) > TAR_NAME_MAX) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                    "the customer \"%.60s...\" has a name of %u bytes, which is more than a tar "
                    "can hold",
                    usage->customer->str, (guint)usage->customer->len);
        return FALSE;
    }
    for (guint i = 0; i < member.piece_count; i++)
        member.size_bytes += member.pieces[i].size_bytes;
    archive_inputs_add(usage->inputs, &member);
    usage->report->member_count++;
    usage->report->size_bytes += member.size_bytes;
    g_array_set_size(usage->pieces, 0);
    return TRUE;
}

static gboolean
take_extent(gpointer data, const GatherItem *item, GError **error)
{
    Usage *usage = data;
    ByteReader reader = byte_reader(item->parts[0], item->part_size_bytes[0]);
    const char *customer = bytes_get_string(&reader);
    gint64 day_us = (gint64)bytes_get_u64(&reader);
    guint32 segment = bytes_get_u32(&reader);
    ArchivePiece piece = {.offset = bytes_get_u64(&reader)};

    piece.size_bytes = bytes_get_u64(&reader);
    g_assert(reader.ok && segment < usage->segments->len);
    if (day_us != usage->day_us || strcmp(customer, usage->customer->str) != 0) {
        if (!add_member(usage, error))
            return FALSE;
        g_string_assign(usage->customer, customer);
        usage->day_us = day_us;
    }
    g_autofree char *name = scratch_name(segment);
    g_autofree char *path = g_build_filename(usage->config->folder, name, NULL);
    piece.path = g_string_chunk_insert_const(usage->paths, path);
    g_array_append_val(usage->pieces, piece);
    return TRUE;
}

/* *Collective.* Are there as many lines and bytes in the members as there were events and bytes
 * printed? Then rank 0 sorts. */
static gboolean
finish(Comm *comm, Usage *usage, GError **error)
{
    guint64 event_count = (guint64)comm_sum(comm, (gint64)usage->total.event_count);
    guint64 size_bytes = (guint64)comm_sum(comm, (gint64)usage->total.size_bytes);
    gboolean good = TRUE;

    if (usage->inputs) {
        usage->report->event_count = event_count;
        good = add_member(usage, error);
        if (good && size_bytes != usage->report->size_bytes) {
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INVARIANT,
                        "%" G_GUINT64_FORMAT " bytes of events were printed, and %" G_GUINT64_FORMAT
                        " would be packed",
                        size_bytes, usage->report->size_bytes);
            good = FALSE;
        }
        good = good && archive_inputs_sort(usage->inputs, error);
    }
    if (comm_max(comm, !good) == 0)
        return TRUE;
    if (good)
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED,
                            "another rank has failed");
    return FALSE;
}

/* *Collective.* The paths of rank 0's segments, on every rank. */
static void
spread_segments(Comm *comm, Usage *usage)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    for (guint i = 0; usage->inputs && i < usage->inputs->segments->len; i++)
        bytes_put_string(bytes, usage->inputs->segments->pdata[i]);
    comm_broadcast(comm, bytes);
    ByteReader reader = byte_reader(bytes->data, bytes->len);
    while (reader.ok && reader.at < reader.end)
        g_ptr_array_add(usage->segments, g_strdup(bytes_get_string(&reader)));
    g_assert(reader.ok);
}

static void
print_all(Usage *usage)
{
    guint thread_count = CLAMP(usage->config->thread_count, 1, MAX(usage->segments->len, 1));
    g_autofree GThread **threads = g_new0(GThread *, thread_count);

    for (guint i = 1; i < thread_count; i++)
        threads[i] = g_thread_new("usage", print_segments, usage);
    print_segments(usage);
    for (guint i = 1; i < thread_count; i++)
        g_thread_join(threads[i]);
    g_array_sort(usage->extents, compare_extents);
}

gboolean
archive_usage(Comm *comm, ArchiveInputs *inputs, const ArchiveUsageConfig *config,
              ArchiveUsageReport *report, GError **error)
{
    g_autoptr(GPtrArray) segments = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE, sizeof(LinesExtent));
    g_autoptr(GArray) pieces = g_array_new(FALSE, FALSE, sizeof(ArchivePiece));
    g_autoptr(GByteArray) key = g_byte_array_new();
    g_autoptr(GByteArray) value = g_byte_array_new();
    g_autoptr(GString) customer = g_string_new(NULL);
    ArchiveUsageReport unasked = {0};
    Usage usage = {.config = config,
                   .segments = segments,
                   .rank = (guint)comm_rank(comm),
                   .rank_count = (guint)comm_size(comm),
                   .extents = extents,
                   .customers = g_string_chunk_new(4096),
                   .key = key,
                   .value = value,
                   .inputs = comm_rank(comm) == 0 ? inputs : NULL,
                   .report = report ? report : &unasked,
                   .customer = customer,
                   .pieces = pieces,
                   .paths = g_string_chunk_new(4096)};

    *usage.report = (ArchiveUsageReport){0};
    g_mutex_init(&usage.mutex);
    spread_segments(comm, &usage);
    print_all(&usage);
    gboolean good =
        gather(comm, next_extent, take_extent, &usage, error) && finish(comm, &usage, error);
    g_clear_error(&usage.error);
    g_mutex_clear(&usage.mutex);
    g_string_chunk_free(usage.customers);
    g_string_chunk_free(usage.paths);
    return good;
}

gboolean
archive_usage_clean(const char *folder, GError **error)
{
    int dir_fd = durable_folder_open(folder, FALSE, error);
    g_autoptr(GPtrArray) names =
        dir_fd < 0 ? NULL : durable_folder_list(dir_fd, LINES_PREFIX, error);
    gboolean good = names != NULL;

    for (guint i = 0; good && i < names->len; i++)
        if (unlinkat(dir_fd, names->pdata[i], 0) != 0 && errno != ENOENT)
            good = millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "%s/%s", folder,
                                            (const char *)names->pdata[i]);
    if (dir_fd >= 0)
        close(dir_fd);
    return good;
}
