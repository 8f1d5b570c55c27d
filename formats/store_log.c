/* store_log.c - which parts of which logs have been read.
 * A note names the segment that came of its part, and counts only while that is there: so a store
 * that was copied in part, or one whose damaged segment was removed, reads the part again.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/fingerprint.h"
#include "formats/json.h"
#include "formats/store_internal.h"

enum { LOG_VERSION = 1 };

gboolean
store_log_put(Store *store, const StoreLog *log, GError **error)
{
    g_autoptr(GString) json = g_string_new(NULL);

    json_open(json, NULL, '{');
    json_put_int(json, "version", LOG_VERSION);
    json_put_string(json, "first_line", log->first_line);
    json_put_uint(json, "from_bytes", log->from_bytes);
    json_put_string(json, "from_prefix", log->from_prefix);
    json_put_uint(json, "bytes", log->size_bytes);
    json_put_string(json, "prefix", log->prefix);
    json_put_uint(json, "lines", log->line_count);
    if (*log->segment)
        json_put_string(json, "segment", log->segment);
    if (*log->quarantine)
        json_put_string(json, "quarantine", log->quarantine);
    g_string_append(json, "}\n");
    return store_put(store, STORE_LOGS, NULL, json->str, json->len, NULL, error);
}

/* Copies a member of hexadecimal digits. Returns: whether it is as long as it should be; a member
 * that is not there is as long as optional allows. */
static gboolean
get_hex(const JsonObject *json, const char *key, gboolean optional, char *text, gsize chars)
{
    const char *value = json_object_string(json, key, NULL);

    *text = '\0';
    if (!value)
        return optional && !json_object_has(json, key);
    g_strlcpy(text, value, chars + 1);
    return strlen(value) == chars && strspn(value, "0123456789abcdef") == chars;
}

static gboolean
get_count(const JsonObject *json, const char *key, guint64 *value)
{
    gint64 number = -1;

    if (!json_object_int(json, key, &number) || number < 0)
        return FALSE;
    *value = (guint64)number;
    return TRUE;
}

static gboolean
parse(const char *text, gsize size_bytes, StoreLog *log)
{
    g_autoptr(JsonObject) json = json_object_parse(text, size_bytes, NULL);
    guint64 version = 0;

    *log = (StoreLog){0};
    return json && get_count(json, "version", &version) && version == LOG_VERSION &&
           get_hex(json, "first_line", FALSE, log->first_line, FINGERPRINT_CHARS) &&
           get_hex(json, "from_prefix", FALSE, log->from_prefix, FINGERPRINT_CHARS) &&
           get_hex(json, "prefix", FALSE, log->prefix, FINGERPRINT_CHARS) &&
           get_count(json, "from_bytes", &log->from_bytes) &&
           get_count(json, "bytes", &log->size_bytes) && log->size_bytes > log->from_bytes &&
           get_count(json, "lines", &log->line_count) &&
           get_hex(json, "segment", TRUE, log->segment, STORE_NAME_CHARS) &&
           get_hex(json, "quarantine", TRUE, log->quarantine, STORE_NAME_CHARS);
}

static void
remember(GHashTable *logs, const StoreLog *log)
{
    GArray *parts = g_hash_table_lookup(logs, log->first_line);

    if (!parts) {
        parts = g_array_new(FALSE, FALSE, sizeof(StoreLog));
        g_hash_table_insert(logs, g_strdup(log->first_line), parts);
    }
    g_array_append_val(parts, *log);
}

static gint
compare(gconstpointer a, gconstpointer b)
{
    const StoreLog *left = a;
    const StoreLog *right = b;

    if (left->from_bytes != right->from_bytes)
        return left->from_bytes < right->from_bytes ? -1 : 1;
    if (left->size_bytes != right->size_bytes)
        return left->size_bytes < right->size_bytes ? -1 : 1;
    return strcmp(left->prefix, right->prefix);
}

/* Reads all notes there are. Damaged ones cost no more than reading a log again. */
static GHashTable *
load(Store *store, GError **error)
{
    g_autoptr(GPtrArray) names = store_list(store, STORE_LOGS, error);
    GHashTable *logs = NULL;

    if (!names)
        return NULL;
    logs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_array_unref);
    for (guint i = 0; i < names->len; i++) {
        gsize size_bytes = 0;
        StoreLog log;
        g_autofree char *text = store_read(store, STORE_LOGS, names->pdata[i], &size_bytes, NULL);
        if (text && parse(text, size_bytes, &log))
            remember(logs, &log);
    }
    return logs;
}

GArray *
store_logs(Store *store, const char *first_line, GError **error)
{
    if (!store->logs && !(store->logs = load(store, error)))
        return NULL;
    GArray *parts = g_hash_table_lookup(store->logs, first_line);
    GArray *copy = g_array_new(FALSE, FALSE, sizeof(StoreLog));
    for (guint i = 0; parts && i < parts->len; i++) {
        const StoreLog *log = &g_array_index(parts, StoreLog, i);
        if (!*log->segment || store_has(store, STORE_SEGMENTS, log->segment))
            g_array_append_val(copy, *log);
    }
    g_array_sort(copy, compare);
    return copy;
}
