/* store_seal.c - seals: writers' words of what there is.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/json.h"
#include "formats/period.h"
#include "formats/store_internal.h"

enum { SEAL_VERSION = 1 };

StoreSeal *
store_seal_new(const char *writer, const char *period, guint64 through)
{
    StoreSeal *seal = g_new0(StoreSeal, 1);

    seal->writer = g_strdup(writer);
    seal->period = g_strdup(period);
    seal->through = through;
    seal->lost = g_array_new(FALSE, FALSE, sizeof(StoreLost));
    return seal;
}

void
store_seal_free(StoreSeal *seal)
{
    if (!seal)
        return;
    g_free(seal->writer);
    g_free(seal->period);
    g_array_unref(seal->lost);
    g_free(seal);
}

gboolean
store_seal_lose(StoreSeal *seal, guint64 first, guint64 last, GError **error)
{
    guint at = 0;

    if (first < 1 || first > last || last > seal->through) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT
                    ": expected sequences from 1 to %" G_GUINT64_FORMAT ", the lower first",
                    first, last, seal->through);
        return FALSE;
    }
    while (at < seal->lost->len) {
        const StoreLost *there = &g_array_index(seal->lost, StoreLost, at);
        if (there->first > last + 1)
            break;
        if (there->last + 1 < first) {
            at++;
            continue;
        }
        first = MIN(first, there->first);
        last = MAX(last, there->last);
        g_array_remove_index(seal->lost, at);
    }
    StoreLost lost = {first, last};
    g_array_insert_val(seal->lost, at, lost);
    return TRUE;
}

static void
print(const StoreSeal *seal, GString *json)
{
    json_open(json, NULL, '{');
    json_put_int(json, "version", SEAL_VERSION);
    json_put_string(json, "writer", seal->writer);
    json_put_string(json, "period", seal->period);
    json_put_uint(json, "through", seal->through);
    json_open(json, "lost", '[');
    for (guint i = 0; i < seal->lost->len; i++) {
        const StoreLost *lost = &g_array_index(seal->lost, StoreLost, i);
        json_open(json, NULL, '{');
        json_put_uint(json, "first", lost->first);
        json_put_uint(json, "last", lost->last);
        g_string_append_c(json, '}');
    }
    g_string_append(json, "]}\n");
}

static gboolean
parse_lost(const JsonObject *json, StoreSeal *seal)
{
    g_autoptr(JsonList) list = json_object_list(json, "lost");

    if (!list)
        return FALSE;
    for (gsize i = 0; i < json_list_length(list); i++) {
        g_autoptr(JsonObject) range = json_list_object(list, i);
        gint64 first = 0;
        gint64 last = 0;
        if (!range || !json_object_int(range, "first", &first) ||
            !json_object_int(range, "last", &last) || first < 1 || last < 1 ||
            !store_seal_lose(seal, (guint64)first, (guint64)last, NULL))
            return FALSE;
    }
    return TRUE;
}

/* Returns: (transfer full), or NULL when it is no seal. */
static StoreSeal *
parse(const char *text, gsize size_bytes)
{
    g_autoptr(JsonObject) json = json_object_parse(text, size_bytes, NULL);
    gint64 version = 0;
    gint64 through = -1;
    Period period;

    if (!json || !json_object_int(json, "version", &version) || version != SEAL_VERSION ||
        !json_object_int(json, "through", &through) || through < 0)
        return NULL;
    const char *writer = json_object_string(json, "writer", NULL);
    const char *month = json_object_string(json, "period", NULL);
    if (!writer || !*writer || !month || !period_parse(month, &period, NULL))
        return NULL;
    g_autoptr(StoreSeal) seal = store_seal_new(writer, month, (guint64)through);
    return parse_lost(json, seal) ? g_steal_pointer(&seal) : NULL;
}

StoreSeal *
store_seal_read(Store *store, const char *name, GError **error)
{
    gsize size_bytes = 0;
    g_autofree char *text = store_read(store, STORE_SEALS, name, &size_bytes, error);
    StoreSeal *seal = text ? parse(text, size_bytes) : NULL;

    if (text && !seal) {
        g_autofree char *path = store_file_path(store, STORE_SEALS, name);
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT, "%s: not a seal of version 1",
                    path);
    }
    return seal;
}

gint
store_seal_compare(gconstpointer a, gconstpointer b)
{
    const StoreSeal *left = *(const StoreSeal *const *)a;
    const StoreSeal *right = *(const StoreSeal *const *)b;
    int writers = strcmp(left->writer, right->writer);
    int periods = strcmp(left->period, right->period);

    if (writers != 0 || periods != 0)
        return writers != 0 ? writers : periods;
    return (left->through > right->through) - (left->through < right->through);
}

static void
free_seal(gpointer seal)
{
    store_seal_free(seal);
}

GPtrArray *
store_seals(Store *store, GError **error)
{
    g_autoptr(GPtrArray) names = store_list(store, STORE_SEALS, error);
    g_autoptr(GPtrArray) seals = g_ptr_array_new_with_free_func(free_seal);

    for (guint i = 0; names && i < names->len; i++) {
        StoreSeal *seal = store_seal_read(store, names->pdata[i], error);
        if (!seal)
            return NULL;
        g_ptr_array_add(seals, seal);
    }
    if (!names)
        return NULL;
    g_ptr_array_sort(seals, store_seal_compare);
    return g_steal_pointer(&seals);
}

/* A word that was given before is the same, or it is an error. */
static gboolean
check_word(Store *store, const StoreSeal *seal, const char *json, GError **error)
{
    g_autoptr(GPtrArray) seals = store_seals(store, error);

    for (guint i = 0; seals && i < seals->len; i++) {
        const StoreSeal *there = seals->pdata[i];
        g_autoptr(GString) text = g_string_new(NULL);
        print(there, text);
        if (strcmp(there->writer, seal->writer) != 0 || strcmp(there->period, seal->period) != 0 ||
            strcmp(text->str, json) == 0)
            continue;
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                    "%s has sealed %s already, through %" G_GUINT64_FORMAT
                    " with %u ranges lost: a seal is not changed",
                    seal->writer, seal->period, there->through, there->lost->len);
        return FALSE;
    }
    return seals != NULL;
}

gboolean
store_seal_put(Store *store, const StoreSeal *seal, gboolean *added, GError **error)
{
    g_autoptr(GString) json = g_string_new(NULL);

    print(seal, json);
    return check_word(store, seal, json->str, error) &&
           store_put(store, STORE_SEALS, NULL, json->str, json->len, added, error);
}
