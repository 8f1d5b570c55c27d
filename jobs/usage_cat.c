/* usage_cat.c - events of a batch store as lines again.
 * What is asked for by customer or time is found in those two columns, so a bucket that has none of
 * it is not decoded any further.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/usage_cat.h"

#include <errno.h>
#include <string.h>

#include "formats/error.h"
#include "formats/segment.h"
#include "formats/store.h"

enum { WRITE_BYTES = 256 << 10 };

typedef struct {
    const UsageCatConfig *config;
    FILE *out;
    GString *lines;
    SegmentBlock *block;
    GByteArray *wanted; /* a byte for each event of the bucket */
} Cat;

static gboolean
flush(Cat *cat, GError **error)
{
    gsize size_bytes = cat->lines->len;
    gboolean good = fwrite(cat->lines->str, 1, size_bytes, cat->out) == size_bytes;

    g_string_truncate(cat->lines, 0);
    return good || millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "writing events");
}

/* Is the value of a code what is asked for? (transfer full) a byte for each value */
static guint8 *
customers_wanted(const Cat *cat, const SegmentTexts *subjects)
{
    const char *customer = cat->config->customer;
    guint8 *wanted = g_malloc(subjects->value_count);

    for (guint32 i = 0; i < subjects->value_count; i++)
        wanted[i] = strcmp(subjects->values[i], customer) == 0;
    return wanted;
}

/* Marks the events that are asked for, of those columns that this takes. Returns: how many. */
static guint32
mark_wanted(Cat *cat)
{
    guint32 count = segment_block_count(cat->block);
    const gint64 *times = segment_block_numbers(cat->block, SEGMENT_TIME);
    const SegmentTexts *subjects =
        cat->config->customer ? segment_block_texts(cat->block, SEGMENT_SUBJECT) : NULL;
    g_autofree guint8 *by_code = subjects ? customers_wanted(cat, subjects) : NULL;
    guint32 wanted_count = 0;

    g_byte_array_set_size(cat->wanted, count);
    for (guint32 row = 0; row < count; row++) {
        gboolean wanted = times[row] >= cat->config->from_us && times[row] < cat->config->to_us &&
                          (!subjects || by_code[subjects->codes[row]]);
        cat->wanted->data[row] = (guint8)wanted;
        wanted_count += (guint32)wanted;
    }
    return wanted_count;
}

/* Returns FALSE and *failure when the segment does not hold, or *error when writing failed. */
static gboolean
cat_bucket(Cat *cat, SegmentReader *reader, guint bucket, GError **failure, GError **error)
{
    guint32 first = 1U << SEGMENT_TIME | (cat->config->customer ? 1U << SEGMENT_SUBJECT : 0);
    UsageEvent event;

    if (!segment_block_read(cat->block, reader, bucket, first, failure))
        return FALSE;
    if (mark_wanted(cat) == 0)
        return TRUE;
    if (!segment_block_read(cat->block, reader, bucket, SEGMENT_ALL_COLUMNS, failure))
        return FALSE;
    for (guint32 row = 0; row < segment_block_count(cat->block); row++) {
        if (!cat->wanted->data[row])
            continue;
        segment_block_event(cat->block, row, &event);
        usage_event_print(&event, cat->lines);
        if (cat->lines->len >= WRITE_BYTES && !flush(cat, error))
            return FALSE;
    }
    return TRUE;
}

/* Does the segment hold events of the time that is asked for? */
static gboolean
overlaps(const Cat *cat, const SegmentFooter *footer)
{
    return footer->event_count > 0 && footer->time_max_us >= cat->config->from_us &&
           footer->time_min_us < cat->config->to_us;
}

static gboolean
cat_segment(Cat *cat, const char *path, GPtrArray *bad, GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(GError) unwritten = NULL;
    g_autoptr(SegmentReader) reader = segment_reader_open(path, &failure);
    const SegmentFooter *footer = reader ? segment_reader_footer(reader) : NULL;

    if (footer && overlaps(cat, footer) && segment_reader_verify(reader, &failure))
        for (guint bucket = 0; bucket >> footer->bucket_bits == 0; bucket++)
            if (segment_bucket_count(reader, bucket) > 0 &&
                !cat_bucket(cat, reader, bucket, &failure, &unwritten))
                break;
    if (failure)
        g_ptr_array_add(bad, g_strdup(failure->message));
    if (unwritten) {
        g_propagate_error(error, g_steal_pointer(&unwritten));
        return FALSE;
    }
    return flush(cat, error);
}

/* Finds the one name that begins so. Returns: borrowed, or NULL and error. */
static const char *
find_name(const GPtrArray *names, const char *begin, GError **error)
{
    const char *found = NULL;

    for (guint i = 0; i < names->len; i++) {
        if (!g_str_has_prefix(names->pdata[i], begin))
            continue;
        if (found) {
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                        "%s: several segments have names that begin so: give more of it", begin);
            return NULL;
        }
        found = names->pdata[i];
    }
    if (!found)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                    "%s: no segment has a name that begins so, and no file is called so", begin);
    return found;
}

/* The path of a segment that was asked for. (transfer full), or NULL and error. */
static char *
find_segment(Store *store, const GPtrArray *names, const char *asked, GError **error)
{
    const char *name = NULL;

    if (strchr(asked, '/') || g_file_test(asked, G_FILE_TEST_IS_REGULAR))
        return g_strdup(asked);
    if (!store) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                    "%s: no such file; if it is the name of a segment, give --store", asked);
        return NULL;
    }
    g_autofree char *begin =
        g_strndup(asked, strlen(asked) - (g_str_has_suffix(asked, store_suffix(STORE_SEGMENTS))
                                              ? strlen(store_suffix(STORE_SEGMENTS))
                                              : 0));
    name = find_name(names, begin, error);
    return name ? store_file_path(store, STORE_SEGMENTS, name) : NULL;
}

/* The paths of the segments to print. (transfer full), or NULL and error. */
static GPtrArray *
find_segments(const UsageCatConfig *config, GError **error)
{
    g_autoptr(Store) store = config->store ? store_open(config->store, FALSE, error) : NULL;
    g_autoptr(GPtrArray) names = store ? store_list(store, STORE_SEGMENTS, error) : NULL;
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);

    if (config->store && !names)
        return NULL;
    for (guint i = 0; !config->segments && names && i < names->len; i++)
        g_ptr_array_add(paths, store_file_path(store, STORE_SEGMENTS, names->pdata[i]));
    for (guint i = 0; config->segments && config->segments[i]; i++) {
        char *path = find_segment(store, names, config->segments[i], error);
        if (!path)
            return NULL;
        g_ptr_array_add(paths, path);
    }
    return g_steal_pointer(&paths);
}

gboolean
usage_cat(const UsageCatConfig *config, FILE *out, GPtrArray *bad, GError **error)
{
    g_autoptr(GPtrArray) paths = find_segments(config, error);
    gboolean good = paths != NULL;

    if (!good)
        return FALSE;
    Cat cat = {.config = config,
               .out = out,
               .lines = g_string_sized_new(WRITE_BYTES + 1024),
               .block = segment_block_new(),
               .wanted = g_byte_array_new()};
    for (guint i = 0; good && i < paths->len; i++)
        good = cat_segment(&cat, paths->pdata[i], bad, error);
    g_string_free(cat.lines, TRUE);
    segment_block_free(cat.block);
    g_byte_array_unref(cat.wanted);
    return good;
}
