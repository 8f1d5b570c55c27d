/* bill_conflicts.c - conflicts as lines.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_conflicts.h"

#include <string.h>

#include "formats/json.h"
#include "jobs/bill_inputs.h"

/* source NUL id NUL line */
typedef struct {
    gsize key_size_bytes;
    GString *text;
    guint64 copy_count;
} Line;

struct _BillConflicts {
    Meter *meter;
    const BillInputs *inputs;
    GArray **threads; /* of Line, by thread */
    guint thread_count;
    GArray *sorted; /* all of them, from the first bill_conflicts_next() on */
    guint next;
};

static void
line_clear(gpointer data)
{
    g_string_free(((Line *)data)->text, TRUE);
}

BillConflicts *
bill_conflicts_new(Meter *meter, const BillInputs *inputs, guint thread_count)
{
    BillConflicts *conflicts = g_new0(BillConflicts, 1);

    conflicts->meter = meter;
    conflicts->inputs = inputs;
    conflicts->thread_count = thread_count;
    conflicts->threads = g_new0(GArray *, thread_count);
    for (guint i = 0; i < thread_count; i++) {
        conflicts->threads[i] = g_array_new(FALSE, FALSE, sizeof(Line));
        g_array_set_clear_func(conflicts->threads[i], line_clear);
    }
    return conflicts;
}

void
bill_conflicts_free(BillConflicts *conflicts)
{
    for (guint i = 0; i < conflicts->thread_count; i++)
        g_array_unref(conflicts->threads[i]);
    g_free(conflicts->threads);
    g_clear_pointer(&conflicts->sorted, g_array_unref);
    g_free(conflicts);
}

static void
put_copy(const BillConflicts *conflicts, const char *key, const ScanCopy *copy, GString *out)
{
    g_autoptr(GString) time = g_string_new(NULL);

    usage_print_time(time, copy->time_us);
    json_open(out, key, '{');
    json_put_string(out, "subject", copy->customer);
    json_put_string(out, "status", copy->status);
    json_put_string(out, "time", time->str);
    json_put_string(out, "writer", copy->writer);
    json_put_uint(out, "sequence", copy->sequence);
    json_put_string(out, "segment",
                    ((const BillSegment *)conflicts->inputs->segments->pdata[copy->segment])->name);
    g_string_append_c(out, '}');
}

static gboolean
is_late(const BillInputs *inputs, const ScanCopy *copy, guint period)
{
    return ((const BillSegment *)inputs->segments->pdata[copy->segment])->late >> period & 1;
}

static gboolean
concerns(const BillInputs *inputs, const ScanConflict *conflict)
{
    for (guint p = 0; p < inputs->period_count; p++) {
        const Period *period = &inputs->periods[p].period;
        if (conflict->billed.time_us >= period->start_us &&
            conflict->billed.time_us < period->end_us)
            return p == 0 || is_late(inputs, &conflict->billed, p) ||
                   is_late(inputs, &conflict->other, p);
    }
    return FALSE;
}

static gboolean
add_conflict(gpointer data, guint number, const ScanConflict *conflict,
             GError **error G_GNUC_UNUSED)
{
    BillConflicts *conflicts = data;

    if (!concerns(conflicts->inputs, conflict))
        return TRUE;
    Line line = {.text = g_string_new(conflict->source), .copy_count = conflict->copy_count};
    g_autoptr(GString) json = g_string_new(NULL);

    json_open(json, NULL, '{');
    json_put_string(json, "source", conflict->source);
    json_put_string(json, "id", conflict->id);
    put_copy(conflicts, "billed", &conflict->billed, json);
    put_copy(conflicts, "other", &conflict->other, json);
    json_put_uint(json, "copies", conflict->copy_count);
    g_string_append(json, "}\n");
    g_string_append_c(line.text, '\0');
    g_string_append_len(line.text, conflict->id, (gssize)strlen(conflict->id) + 1);
    line.key_size_bytes = line.text->len;
    g_string_append_len(line.text, json->str, (gssize)json->len);
    g_array_append_val(conflicts->threads[number], line);
    return TRUE;
}

static void
class_new(gpointer data, ScanClass *class)
{
    meter_visitor.class_new(((BillConflicts *)data)->meter, class);
}

static gboolean
pass_rows(gpointer data, ScanThread *thread, guint number, const ScanRows *rows, GError **error)
{
    return meter_visitor.rows(((BillConflicts *)data)->meter, thread, number, rows, error);
}

static gboolean
pass_event(gpointer data, ScanThread *thread, guint number, const ScanEvent *event, GError **error)
{
    return meter_visitor.event(((BillConflicts *)data)->meter, thread, number, event, error);
}

static gboolean
range_done(gpointer data, ScanThread *thread, guint number, gboolean last, GError **error)
{
    return meter_visitor.range_done(((BillConflicts *)data)->meter, thread, number, last, error);
}

const ScanVisitor bill_conflicts_visitor = {class_new, pass_rows, pass_event, add_conflict,
                                            range_done};

static int
compare_lines(gconstpointer a, gconstpointer b)
{
    const GString *left = ((const Line *)a)->text;
    const GString *right = ((const Line *)b)->text;
    int order = memcmp(left->str, right->str, MIN(left->len, right->len));

    return order != 0 ? order : (left->len > right->len) - (left->len < right->len);
}

guint64
bill_conflicts_count(const BillConflicts *conflicts)
{
    guint64 count = 0;

    for (guint i = 0; i < conflicts->thread_count; i++)
        for (guint k = 0; k < conflicts->threads[i]->len; k++)
            count += g_array_index(conflicts->threads[i], Line, k).copy_count;
    return count;
}

int
bill_conflicts_next(BillConflicts *conflicts, GatherItem *item)
{
    if (!conflicts->sorted) {
        conflicts->sorted = g_array_new(FALSE, FALSE, sizeof(Line));
        for (guint i = 0; i < conflicts->thread_count; i++)
            g_array_append_vals(conflicts->sorted, conflicts->threads[i]->data,
                                conflicts->threads[i]->len);
        g_array_sort(conflicts->sorted, compare_lines);
    }
    if (conflicts->next == conflicts->sorted->len)
        return 0;
    const Line *line = &g_array_index(conflicts->sorted, Line, conflicts->next++);
    *item = (GatherItem){.key = (const guint8 *)line->text->str,
                         .key_size_bytes = line->key_size_bytes};
    item->parts[0] = line->text->str + line->key_size_bytes;
    item->part_size_bytes[0] = line->text->len - line->key_size_bytes;
    return 1;
}
