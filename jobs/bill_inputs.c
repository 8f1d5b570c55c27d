/* bill_inputs.c - freezes what a run is made from.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_inputs.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "formats/bytes.h"
#include "formats/error.h"
#include "formats/segment.h"
#include "formats/sha256.h"
#include "formats/store.h"
#include "jobs/bill_segments.h"

#define DAY_US (24 * 60 * 60 * G_GINT64_CONSTANT(1000000))

static void
segment_free(gpointer data)
{
    BillSegment *segment = data;

    g_free(segment->name);
    g_free(segment->path);
    g_free(segment);
}

static void
refused_free(gpointer data)
{
    BillRefused *refused = data;

    g_free(refused->name);
    g_free(refused->path);
    g_free(refused->reason);
    g_free(refused);
}

static BillInputs *
inputs_new(void)
{
    BillInputs *inputs = g_new0(BillInputs, 1);

    inputs->frozen_text = g_string_new(NULL);
    inputs->book_text = g_string_new(NULL);
    inputs->segments = g_ptr_array_new_with_free_func(segment_free);
    inputs->refused = g_ptr_array_new_with_free_func(refused_free);
    inputs->books = g_ptr_array_new_with_free_func((GDestroyNotify)pricebook_free);
    inputs->closed_periods = g_array_new(FALSE, FALSE, sizeof(Period));
    inputs->closed = g_ptr_array_new_with_free_func((GDestroyNotify)bill_folder_free);
    return inputs;
}

void
bill_inputs_free(BillInputs *inputs)
{
    g_clear_pointer(&inputs->frozen, frozen_free);
    g_string_free(inputs->frozen_text, TRUE);
    g_string_free(inputs->book_text, TRUE);
    g_clear_pointer(&inputs->book, pricebook_free);
    g_ptr_array_unref(inputs->segments);
    g_ptr_array_unref(inputs->refused);
    g_ptr_array_unref(inputs->books);
    g_array_unref(inputs->closed_periods);
    g_ptr_array_unref(inputs->closed);
    g_free(inputs);
}

static gboolean
read_book(BillInputs *inputs, const BillSources *sources, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) failure = NULL;
    gsize size_bytes = 0;
    struct stat status;

    if (stat(sources->prices, &status) == 0 && status.st_size > PRICEBOOK_MAX_BYTES) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT, "%s: above %d bytes",
                    sources->prices, PRICEBOOK_MAX_BYTES);
        return FALSE;
    }
    if (!g_file_get_contents(sources->prices, &text, &size_bytes, &failure)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT, "--prices: %s",
                    failure->message);
        return FALSE;
    }
    inputs->book = pricebook_parse(sources->prices, text, size_bytes, error);
    g_string_append_len(inputs->book_text, text, (gssize)size_bytes);
    return inputs->book != NULL;
}

/* Those of the period and before, as texts: what is frozen says by itself what was promised. */
static gboolean
freeze_seals(FrozenInputs *frozen, const BillSources *sources, GError **error)
{
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; sources->stores[i]; i++) {
        g_autoptr(Store) store = store_open(sources->stores[i], FALSE, error);
        g_autoptr(GPtrArray) seals = store ? store_seals(store, error) : NULL;
        if (!seals)
            return FALSE;
        for (guint k = 0; k < seals->len; k++) {
            const StoreSeal *seal = seals->pdata[k];
            g_autoptr(GString) text = g_string_new(NULL);
            if (strcmp(seal->period, sources->period.name) > 0)
                continue;
            g_string_printf(text, "%s %" G_GUINT64_FORMAT " ", seal->period, seal->through);
            for (guint l = 0; l < seal->lost->len; l++) {
                const StoreLost *lost = &g_array_index(seal->lost, StoreLost, l);
                g_string_append_printf(text, "%s%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT,
                                       l > 0 ? "," : "", lost->first, lost->last);
            }
            g_string_append_printf(text, "%s %s", seal->lost->len > 0 ? "" : "-", seal->writer);
            if (g_hash_table_contains(known, text->str))
                continue;
            g_ptr_array_add(frozen->seals, g_strdup(text->str));
            g_hash_table_add(known, frozen->seals->pdata[frozen->seals->len - 1]);
        }
    }
    return TRUE;
}

static gboolean
add_segment(BillInputs *inputs, const SegmentCopies *copies, GError **error)
{
    if (!copies->path) {
        BillRefused *refused = g_new0(BillRefused, 1);
        *refused = (BillRefused){g_strdup(copies->name), g_strdup(copies->paths->pdata[0]),
                                 g_strdup(copies->reason)};
        g_ptr_array_add(inputs->refused, refused);
        g_ptr_array_add(inputs->frozen->refused, g_strdup(copies->name));
        return TRUE;
    }
    g_autoptr(SegmentReader) reader = segment_reader_open(copies->path, error);
    struct stat status;
    if (!reader)
        return FALSE;
    const SegmentFooter *footer = segment_reader_footer(reader);
    BillSegment *segment = g_new0(BillSegment, 1);
    *segment =
        (BillSegment){.name = g_strdup(copies->name),
                      .path = g_strdup(copies->path),
                      .size_bytes = stat(copies->path, &status) == 0 ? (guint64)status.st_size : 0,
                      .event_count = footer->event_count,
                      .quarantined_count = footer->quarantined_count,
                      .time_min_us = footer->time_min_us,
                      .time_max_us = footer->time_max_us,
                      .identity_sum = footer->identity_sum};
    g_ptr_array_add(inputs->segments, segment);
    g_ptr_array_add(inputs->frozen->segments, g_strdup(copies->name));
    return TRUE;
}

/* Closed periods before this one. */
static gboolean
read_closed(BillInputs *inputs, const BillSources *sources, GError **error)
{
    g_autoptr(GPtrArray) closed = bill_closed_runs(sources->bills, error);

    if (!closed)
        return FALSE;
    for (guint i = 0; i < closed->len;) {
        BillFolder *folder = closed->pdata[i];
        if (strcmp(folder->inputs->period.name, sources->period.name) >= 0) {
            i++;
            continue;
        }
        g_ptr_array_steal_index(closed, i);
        g_ptr_array_add(inputs->closed, folder);
        g_array_append_val(inputs->closed_periods, folder->inputs->period);
        g_ptr_array_add(inputs->frozen->closed,
                        g_strdup_printf("%s %s", folder->inputs->period.name, folder->run));
    }
    return TRUE;
}

static gboolean
is_named(const GPtrArray *names, const char *name)
{
    for (guint i = 0; names && i < names->len; i++)
        if (strcmp(names->pdata[i], name) == 0)
            return TRUE;
    return FALSE;
}

/* Could the segment have events of the period, or copies that take events out of it? A try that
 * worked mostly comes within a day of the one that failed. */
static gboolean
is_near(const BillSegment *segment, const Period *period)
{
    return segment->time_min_us < period->end_us + DAY_US &&
           segment->time_max_us >= period->start_us - DAY_US;
}

/* Marks what the closed run of one period and those after it did not know. */
static gboolean
mark_late(BillInputs *inputs, guint closed_index, const GPtrArray *corrected, GError **error)
{
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
    const BillFolder *folder = inputs->closed->pdata[closed_index];
    const Period *period = &folder->inputs->period;
    gboolean any = is_named(corrected, period->name);

    for (guint i = closed_index; i < inputs->closed->len; i++) {
        const FrozenInputs *frozen = ((BillFolder *)inputs->closed->pdata[i])->inputs;
        for (guint k = 0; k < frozen->segments->len; k++)
            g_hash_table_add(known, frozen->segments->pdata[k]);
    }
    for (guint i = 0; i < inputs->segments->len; i++) {
        BillSegment *segment = inputs->segments->pdata[i];
        gboolean is_known = g_hash_table_contains(known, segment->name);
        segment->known = segment->known || is_known;
        if (is_known || !is_near(segment, period))
            continue;
        any = TRUE;
        if (inputs->period_count < METER_PERIODS_MAX)
            segment->late |= 1ULL << inputs->period_count;
    }
    if (!any)
        return TRUE;
    if (inputs->period_count == METER_PERIODS_MAX) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                    "there are late events of more than %d closed periods", METER_PERIODS_MAX - 1);
        return FALSE;
    }
    inputs->periods[inputs->period_count++] = (MeterPeriod){*period, folder->book};
    return TRUE;
}

static int
compare_segments(gconstpointer a, gconstpointer b)
{
    const BillSegment *left = *(BillSegment *const *)a;
    const BillSegment *right = *(BillSegment *const *)b;
    int order = __builtin_popcountll(left->late) - __builtin_popcountll(right->late);

    return order != 0 ? order : strcmp(left->name, right->name);
}

/* Rank 0: everything that the others are told. */
static gboolean
complete(BillInputs *inputs, const BillSources *sources, const GPtrArray *list, GError **error)
{
    char digest[SHA256_CHARS + 1];

    sha256_hex(inputs->book_text->str, inputs->book_text->len, digest);
    inputs->frozen->made_by = g_strdup("millrace " MILLRACE_VERSION);
    inputs->frozen->prices = g_strdup(digest);
    inputs->frozen->all_expected = sources->expected == NULL;
    for (guint i = 0; sources->expected && sources->expected[i]; i++)
        g_ptr_array_add(inputs->frozen->expected, g_strdup(sources->expected[i]));
    for (guint i = 0; i < list->len; i++)
        if (!add_segment(inputs, list->pdata[i], error))
            return FALSE;
    if (!freeze_seals(inputs->frozen, sources, error) || !read_closed(inputs, sources, error))
        return FALSE;
    inputs->periods[0] = (MeterPeriod){sources->period, inputs->book};
    inputs->period_count = 1;
    for (guint i = 0; i < inputs->closed->len; i++)
        if (!mark_late(inputs, i, sources->corrected, error))
            return FALSE;
    g_ptr_array_sort(inputs->segments, compare_segments);
    frozen_print(inputs->frozen, inputs->frozen_text);
    return TRUE;
}

/* What the other ranks need of it. */
static void
put_inputs(const BillInputs *inputs, GByteArray *bytes)
{
    bytes_put_string(bytes, inputs->frozen_text->str);
    bytes_put_u32(bytes, inputs->segments->len);
    for (guint i = 0; i < inputs->segments->len; i++) {
        const BillSegment *segment = inputs->segments->pdata[i];
        bytes_put_string(bytes, segment->name);
        bytes_put_string(bytes, segment->path);
        bytes_put_u64(bytes, segment->late);
        bytes_put_u8(bytes, (guint8)segment->known);
    }
    bytes_put_u32(bytes, inputs->period_count);
    bytes_put_string(bytes, inputs->book_text->str);
    for (guint p = 1; p < inputs->period_count; p++) {
        bytes_put_string(bytes, inputs->periods[p].period.name);
        for (guint i = 0; i < inputs->closed->len; i++) {
            const BillFolder *folder = inputs->closed->pdata[i];
            g_autoptr(GMappedFile) book = NULL;
            if (strcmp(folder->inputs->period.name, inputs->periods[p].period.name) != 0)
                continue;
            book = bill_folder_map(folder, BILL_PRICES, NULL);
            g_autofree char *text =
                book ? g_strndup(g_mapped_file_get_contents(book), g_mapped_file_get_length(book))
                     : NULL;
            bytes_put_string(bytes, text);
        }
    }
    bytes_put_u32(bytes, inputs->closed_periods->len);
    for (guint i = 0; i < inputs->closed_periods->len; i++)
        bytes_put_string(bytes, g_array_index(inputs->closed_periods, Period, i).name);
}

static gboolean
get_periods(BillInputs *inputs, ByteReader *reader)
{
    guint32 period_count = bytes_get_u32(reader);

    g_string_assign(inputs->book_text, bytes_get_string(reader));
    inputs->book =
        pricebook_parse("price book", inputs->book_text->str, inputs->book_text->len, NULL);
    inputs->periods[0] = (MeterPeriod){inputs->frozen->period, inputs->book};
    inputs->period_count = 1;
    while (reader->ok && inputs->book && inputs->period_count < period_count) {
        MeterPeriod *period = &inputs->periods[inputs->period_count++];
        if (!period_parse(bytes_get_string(reader), &period->period, NULL))
            return FALSE;
        const char *text = bytes_get_string(reader);
        PriceBook *book = pricebook_parse("price book", text, strlen(text), NULL);
        if (!book)
            return FALSE;
        period->book = book;
        g_ptr_array_add(inputs->books, book);
    }
    for (guint32 left = bytes_get_u32(reader); left > 0 && reader->ok; left--) {
        Period period;
        if (!period_parse(bytes_get_string(reader), &period, NULL))
            return FALSE;
        g_array_append_val(inputs->closed_periods, period);
    }
    return inputs->book && reader->ok;
}

static gboolean
get_inputs(BillInputs *inputs, const GByteArray *bytes, GError **error)
{
    ByteReader reader = byte_reader(bytes->data, bytes->len);

    g_string_assign(inputs->frozen_text, bytes_get_string(&reader));
    g_clear_pointer(&inputs->frozen, frozen_free);
    inputs->frozen = frozen_parse("inputs of rank 0", inputs->frozen_text->str, error);
    if (!inputs->frozen)
        return FALSE;
    for (guint32 left = bytes_get_u32(&reader); left > 0 && reader.ok; left--) {
        BillSegment *segment = g_new0(BillSegment, 1);
        segment->name = g_strdup(bytes_get_string(&reader));
        segment->path = g_strdup(bytes_get_string(&reader));
        segment->late = bytes_get_u64(&reader);
        segment->known = bytes_get_u8(&reader);
        g_ptr_array_add(inputs->segments, segment);
    }
    if (get_periods(inputs, &reader))
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BUG, "rank 0's inputs cannot be read");
    return FALSE;
}

/* *Collective.* An empty message says that rank 0 has failed. */
static gboolean
spread(Comm *comm, GByteArray *bytes, GError **error)
{
    comm_broadcast(comm, bytes);
    if (bytes->len > 0)
        return TRUE;
    if (comm_rank(comm) > 0)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED,
                    "rank 0 could not read its inputs");
    return FALSE;
}

BillInputs *
bill_inputs_read(Comm *comm, const BillSources *sources, GError **error)
{
    g_autoptr(BillInputs) inputs = inputs_new();
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GPtrArray) list = NULL;
    gboolean is_rank_0 = comm_rank(comm) == 0;

    inputs->frozen = frozen_new();
    inputs->frozen->period = sources->period;
    if (is_rank_0 && read_book(inputs, sources, error))
        list = bill_segments_list(sources->stores, error);
    if (list)
        bill_segments_put(list, bytes);
    if (!spread(comm, bytes, error))
        return NULL;
    if (!list)
        list = bill_segments_get(bytes);
    inputs->verify_us = -g_get_monotonic_time();
    if (!bill_segments_verify(comm, list, sources->thread_count, error))
        return NULL;
    inputs->verify_us += g_get_monotonic_time();
    g_byte_array_set_size(bytes, 0);
    if (is_rank_0 && complete(inputs, sources, list, error))
        put_inputs(inputs, bytes);
    if (!spread(comm, bytes, error) || (!is_rank_0 && !get_inputs(inputs, bytes, error)))
        return NULL;
    frozen_run(inputs->frozen, inputs->frozen_text->str, inputs->frozen_text->len, inputs->run);
    return g_steal_pointer(&inputs);
}
