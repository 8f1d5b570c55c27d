/* bill_ops.c - ops and their histograms.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_ops.h"

#include <string.h>

#include "formats/json.h"

struct _BillOps {
    GPtrArray *list; /* of BillOp */
    gboolean too_many;
};

static void
op_free(gpointer data)
{
    BillOp *op = data;

    g_free(op->op);
    histogram_free(op->cpu_us);
    histogram_free(op->wall_us);
    g_free(op);
}

void
bill_op_add(BillOp *op, gboolean ok, const gint64 *cpu_us, const gint64 *wall_us, const guint32 *at,
            guint32 count)
{
    op->ok_count += ok ? count : 0;
    op->failed_count += ok ? 0 : count;
    histogram_add_at(op->cpu_us, cpu_us, at, count);
    histogram_add_at(op->wall_us, wall_us, at, count);
}

BillOps *
bill_ops_new(void)
{
    BillOps *ops = g_new0(BillOps, 1);

    ops->list = g_ptr_array_new_with_free_func(op_free);
    return ops;
}

void
bill_ops_free(BillOps *ops)
{
    g_ptr_array_unref(ops->list);
    g_free(ops);
}

BillOp *
bill_ops_find(BillOps *ops, const char *name)
{
    for (guint i = 0; i < ops->list->len; i++) {
        BillOp *op = ops->list->pdata[i];
        if (strcmp(op->op, name) == 0)
            return op;
    }
    if (ops->list->len == BILL_OPS_MAX) {
        ops->too_many = TRUE;
        return NULL;
    }
    BillOp *made = g_new0(BillOp, 1);
    made->op = g_strdup(name);
    made->cpu_us = histogram_new();
    made->wall_us = histogram_new();
    g_ptr_array_add(ops->list, made);
    return made;
}

void
bill_ops_merge(BillOps *into, const BillOps *from)
{
    into->too_many = into->too_many || from->too_many;
    for (guint i = 0; i < from->list->len; i++) {
        const BillOp *op = from->list->pdata[i];
        BillOp *sum = bill_ops_find(into, op->op);
        if (!sum)
            return;
        sum->ok_count += op->ok_count;
        sum->failed_count += op->failed_count;
        histogram_merge(sum->cpu_us, op->cpu_us);
        histogram_merge(sum->wall_us, op->wall_us);
    }
}

void
bill_ops_put(const BillOps *ops, GByteArray *out)
{
    bytes_put_u8(out, (guint8)ops->too_many);
    bytes_put_u32(out, ops->list->len);
    for (guint i = 0; i < ops->list->len; i++) {
        const BillOp *op = ops->list->pdata[i];
        bytes_put_string(out, op->op);
        bytes_put_u64(out, op->ok_count);
        bytes_put_u64(out, op->failed_count);
        histogram_put(op->cpu_us, out);
        histogram_put(op->wall_us, out);
    }
}

gboolean
bill_ops_get(BillOps *into, ByteReader *reader)
{
    into->too_many = bytes_get_u8(reader) || into->too_many;
    for (guint32 left = bytes_get_u32(reader); left > 0 && reader->ok; left--) {
        BillOp *op = bill_ops_find(into, bytes_get_string(reader));
        if (!op)
            return TRUE; /* too many by now: the rest would not be used */
        op->ok_count += bytes_get_u64(reader);
        op->failed_count += bytes_get_u64(reader);
        if (!histogram_get(op->cpu_us, reader) || !histogram_get(op->wall_us, reader))
            return FALSE;
    }
    return reader->ok;
}

static int
compare_ops(gconstpointer a, gconstpointer b)
{
    return strcmp((*(BillOp *const *)a)->op, (*(BillOp *const *)b)->op);
}

static void
print_percentiles(GString *out, const char *key, const Histogram *histogram)
{
    json_open(out, key, '{');
    json_put_uint(out, "p50", histogram_percentile(histogram, 500));
    json_put_uint(out, "p99", histogram_percentile(histogram, 990));
    json_put_uint(out, "p99_9", histogram_percentile(histogram, 999));
    json_put_uint(out, "max", histogram_max(histogram));
    json_put_uint(out, "sum", histogram_sum(histogram));
    g_string_append_c(out, '}');
}

void
bill_ops_print(const BillOps *ops, GString *out)
{
    if (ops->too_many) {
        g_string_append(out, ",\"ops\":null");
        return;
    }
    g_ptr_array_sort(ops->list, compare_ops);
    json_open(out, "ops", '[');
    for (guint i = 0; i < ops->list->len; i++) {
        const BillOp *op = ops->list->pdata[i];
        json_open(out, NULL, '{');
        json_put_string(out, "op", op->op);
        json_put_uint(out, "ok", op->ok_count);
        json_put_uint(out, "failed", op->failed_count);
        print_percentiles(out, "cpu_us", op->cpu_us);
        print_percentiles(out, "wall_us", op->wall_us);
        g_string_append_c(out, '}');
    }
    g_string_append_c(out, ']');
}
