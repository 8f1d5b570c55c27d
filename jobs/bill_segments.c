/* bill_segments.c - finds segments in stores, and reads them through before anything is made of
 * them: what is refused later would be half in the sums already.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_segments.h"

#include <string.h>

#include "formats/bytes.h"
#include "formats/error.h"
#include "formats/segment.h"
#include "formats/store.h"
#include "mr/gather.h"

void
segment_copies_free(SegmentCopies *copies)
{
    g_free(copies->name);
    g_ptr_array_unref(copies->paths);
    g_free(copies->path);
    g_free(copies->reason);
    g_free(copies);
}

static SegmentCopies *
copies_new(const char *name)
{
    SegmentCopies *copies = g_new0(SegmentCopies, 1);

    copies->name = g_strdup(name);
    copies->paths = g_ptr_array_new_with_free_func(g_free);
    return copies;
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp((*(SegmentCopies *const *)a)->name, (*(SegmentCopies *const *)b)->name);
}

GPtrArray *
bill_segments_list(const char *const *stores, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)segment_copies_free);
    g_autoptr(GHashTable) by_name = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; stores[i]; i++) {
        g_autoptr(Store) store = store_open(stores[i], FALSE, error);
        g_autoptr(GPtrArray) names = store ? store_list(store, STORE_SEGMENTS, error) : NULL;
        if (!names)
            return NULL;
        for (guint k = 0; k < names->len; k++) {
            SegmentCopies *copies = g_hash_table_lookup(by_name, names->pdata[k]);
            if (!copies) {
                copies = copies_new(names->pdata[k]);
                g_ptr_array_add(list, copies);
                g_hash_table_insert(by_name, copies->name, copies);
            }
            g_ptr_array_add(copies->paths, store_file_path(store, STORE_SEGMENTS, copies->name));
        }
    }
    g_ptr_array_sort(list, compare_names);
    return g_steal_pointer(&list);
}

void
bill_segments_put(const GPtrArray *list, GByteArray *bytes)
{
    bytes_put_u32(bytes, list->len);
    for (guint i = 0; i < list->len; i++) {
        const SegmentCopies *copies = list->pdata[i];
        bytes_put_string(bytes, copies->name);
        bytes_put_u32(bytes, copies->paths->len);
        for (guint k = 0; k < copies->paths->len; k++)
            bytes_put_string(bytes, copies->paths->pdata[k]);
    }
}

GPtrArray *
bill_segments_get(const GByteArray *bytes)
{
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)segment_copies_free);
    ByteReader reader = byte_reader(bytes->data, bytes->len);

    for (guint32 left = bytes_get_u32(&reader); left > 0 && reader.ok; left--) {
        SegmentCopies *copies = copies_new(bytes_get_string(&reader));
        for (guint32 paths = bytes_get_u32(&reader); paths > 0 && reader.ok; paths--)
            g_ptr_array_add(copies->paths, g_strdup(bytes_get_string(&reader)));
        g_ptr_array_add(list, copies);
    }
    return list;
}

static gboolean
holds(const char *path, char **reason)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SegmentReader) reader = segment_reader_open(path, &error);

    if (reader && segment_reader_verify(reader, &error))
        return TRUE;
    g_free(*reason);
    *reason = g_strdup(error->message);
    return FALSE;
}

typedef struct {
    GPtrArray *list;
    guint rank;
    guint rank_count;
    guint next;       /* atomic: how many of this rank's are taken */
    guint told;       /* for gather() */
    GByteArray *item; /* of the last one told */
    guint8 key[4];
} Verify;

static gpointer
verify_thread(gpointer data)
{
    Verify *verify = data;

    for (;;) {
        guint taken = (guint)g_atomic_int_add(&verify->next, 1);
        guint64 index = (guint64)taken * verify->rank_count + verify->rank;
        if (index >= verify->list->len)
            return NULL;
        SegmentCopies *copies = verify->list->pdata[index];
        for (guint i = 0; i < copies->paths->len && !copies->path; i++)
            if (holds(copies->paths->pdata[i], &copies->reason))
                copies->path = g_strdup(copies->paths->pdata[i]);
    }
}

/* This rank's next finding: the segment's index, and its path or the reason. */
static int
next_finding(gpointer data, GatherItem *item, GError **error G_GNUC_UNUSED)
{
    Verify *verify = data;
    guint index = verify->told++ * verify->rank_count + verify->rank;

    if (index >= verify->list->len)
        return 0;
    const SegmentCopies *copies = verify->list->pdata[index];
    for (guint i = 0; i < sizeof verify->key; i++)
        verify->key[i] = (guint8)(index >> 8 * (sizeof verify->key - 1 - i));
    g_byte_array_set_size(verify->item, 0);
    bytes_put_u32(verify->item, index);
    bytes_put_string(verify->item, copies->path);
    bytes_put_string(verify->item, copies->reason);
    *item = (GatherItem){.key = verify->key, .key_size_bytes = sizeof verify->key};
    item->parts[0] = (const char *)verify->item->data;
    item->part_size_bytes[0] = verify->item->len;
    return 1;
}

static gboolean
take_finding(gpointer data, const GatherItem *item, GError **error G_GNUC_UNUSED)
{
    Verify *verify = data;
    ByteReader reader = byte_reader(item->parts[0], item->part_size_bytes[0]);
    guint32 index = bytes_get_u32(&reader);
    const char *path = bytes_get_string(&reader);
    const char *reason = bytes_get_string(&reader);

    g_assert(reader.ok && index < verify->list->len);
    SegmentCopies *copies = verify->list->pdata[index];
    if (index % verify->rank_count == verify->rank)
        return TRUE;
    copies->path = *path ? g_strdup(path) : NULL;
    copies->reason = g_strdup(reason);
    return TRUE;
}

gboolean
bill_segments_verify(Comm *comm, GPtrArray *list, guint thread_count, GError **error)
{
    Verify verify = {.list = list,
                     .rank = (guint)comm_rank(comm),
                     .rank_count = (guint)comm_size(comm),
                     .item = g_byte_array_new()};
    g_autofree GThread **threads = g_new0(GThread *, thread_count);

    for (guint i = 1; i < thread_count; i++)
        threads[i] = g_thread_new("verify", verify_thread, &verify);
    verify_thread(&verify);
    for (guint i = 1; i < thread_count; i++)
        g_thread_join(threads[i]);
    gboolean good = gather(comm, next_finding, take_finding, &verify, error);
    g_byte_array_unref(verify.item);
    return good;
}

/* The path of the first copy that holds; of the first when none does, or there is no other. */
static const char *
best_path(const SegmentCopies *copies)
{
    g_autofree char *reason = NULL;

    for (guint i = 0; copies->paths->len > 1 && i < copies->paths->len; i++)
        if (holds(copies->paths->pdata[i], &reason))
            return copies->paths->pdata[i];
    return copies->paths->pdata[0];
}

GPtrArray *
bill_segments_find(const char *const *stores, const GPtrArray *names, GError **error)
{
    g_autoptr(GPtrArray) list = bill_segments_list(stores, error);
    g_autoptr(GHashTable) by_name = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);

    if (!list)
        return NULL;
    for (guint i = 0; i < list->len; i++)
        g_hash_table_insert(by_name, ((SegmentCopies *)list->pdata[i])->name, list->pdata[i]);
    for (guint i = 0; i < names->len; i++) {
        const SegmentCopies *copies = g_hash_table_lookup(by_name, names->pdata[i]);
        if (!copies) {
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                        "segment %s is in none of the stores: name those that the run was made "
                        "from by --store",
                        (const char *)names->pdata[i]);
            return NULL;
        }
        g_ptr_array_add(paths, g_strdup(best_path(copies)));
    }
    g_ptr_array_add(paths, NULL);
    g_ptr_array_set_size(paths, (int)names->len); /* the NULL stays behind them */
    return g_steal_pointer(&paths);
}
