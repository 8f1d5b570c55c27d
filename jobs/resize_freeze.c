/* resize_freeze.c - what a job is, frozen in its folder on the first run and compared ever after.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/durable.h"
#include "formats/error.h"
#include "formats/json.h"
#include "jobs/resize_folder.h"
#include "jobs/resize_name.h"

static const char options_file[] = "options.json";
enum { OPTIONS_MAX_BYTES = 1 << 20 };

/* One frozen option, as text. */
typedef struct {
    const char *key;
    const char *option; /* what the user calls it */
    char *value;
    gboolean is_limit;
} Frozen;

enum { FROZEN_COUNT = 11 };

static char *
print_uint(guint64 value)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT, value);
}

static void
collect(const ResizeConfig *config, const ManifestIdentity *manifest, Frozen frozen[FROZEN_COUNT])
{
    const Frozen all[FROZEN_COUNT] = {
        {"to", "--to", g_strdup(config->to ? config->to : ""), FALSE},
        {"name", "--name", g_strdup(config->name_template ? config->name_template : ""), FALSE},
        {"customer", "--customer", g_strdup(config->customer), FALSE},
        {"beneath", "--beneath", g_strdup(config->beneath ? config->beneath : ""), FALSE},
        {"list0", "-0", g_strdup(config->manifest_nul ? "yes" : "no"), FALSE},
        {"manifest", "the manifest's kind", g_strdup(manifest->is_pipe ? "pipe" : "file"), FALSE},
        {"manifest_bytes", "the manifest's size", print_uint(manifest->size_bytes), FALSE},
        {"manifest_xxh128", "the manifest's fingerprint", g_strdup(manifest->fingerprint), FALSE},
        {"deadline_us", "--deadline in microseconds", print_uint((guint64)config->deadline_us),
         TRUE},
        {"max_pixels", "--max-pixels", print_uint(config->pixels_max), TRUE},
        {"max_bytes", "--max-bytes", print_uint(config->bytes_max), TRUE},
    };

    memcpy(frozen, all, sizeof all);
}

/* A job's name, drawn once: unlikely to meet another. */
static char *
draw_job(void)
{
    g_autofree char *uuid = g_uuid_string_random();

    return g_strndup(uuid, 13);
}

static gboolean
write_options(const ResizeFolder *folder, const char *job, const Frozen frozen[FROZEN_COUNT],
              GError **error)
{
    g_autoptr(GString) json = g_string_new(NULL);

    json_open(json, NULL, '{');
    json_put_int(json, "version", 1);
    json_put_string(json, "job", job);
    for (guint i = 0; i < FROZEN_COUNT; i++)
        json_put_string(json, frozen[i].key, frozen[i].value);
    g_string_append(json, "}\n");
    return durable_write_file(folder->state_fd, options_file, json->str, json->len, error);
}

/* Compares one option. An absent key is one that an older version did not know, and so was not
 * given. */
static gboolean
compare(const JsonObject *stored, const Frozen *frozen, GError **error)
{
    const char *value = json_object_string(stored, frozen->key, NULL);

    if (strcmp(value ? value : "", frozen->value) == 0)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "this folder's job has %s \"%s\", not \"%s\": give the same, or another -o%s",
                frozen->option, value ? value : "", frozen->value,
                frozen->is_limit ? ", or --retry-failed to change a limit" : "");
    return FALSE;
}

static gboolean
compare_all(const ResizeFolder *folder, const ResizeConfig *config, const char *text, gsize size,
            const Frozen frozen[FROZEN_COUNT], char **job, GError **error)
{
    g_autoptr(JsonObject) stored = json_object_parse(text, size, error);
    const char *stored_job = stored ? json_object_string(stored, "job", NULL) : NULL;
    gboolean limits_differ = FALSE;
    gint64 version = 0;

    if (stored_job && (!json_object_int(stored, "version", &version) || version != 1)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    STATE_FOLDER "/options.json: not of version 1: a newer millrace wrote it");
        return FALSE;
    }
    if (!stored_job) {
        g_prefix_error(error, STATE_FOLDER "/options.json: ");
        if (error && !*error)
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                        STATE_FOLDER "/options.json: no job in it");
        return FALSE;
    }
    if (config->job && strcmp(config->job, stored_job) != 0) {
        Frozen name = {"job", "--job", (char *)config->job, FALSE};
        return compare(stored, &name, error);
    }
    for (guint i = 0; i < FROZEN_COUNT; i++) {
        g_autoptr(GError) difference = NULL;
        if (compare(stored, &frozen[i], &difference))
            continue;
        if (!frozen[i].is_limit || !config->retry_mask) {
            g_propagate_error(error, g_steal_pointer(&difference));
            return FALSE;
        }
        limits_differ = TRUE;
    }
    *job = g_strdup(stored_job);
    return !limits_differ || write_options(folder, *job, frozen, error);
}

gboolean
resize_folder_freeze(ResizeFolder *folder, const ResizeConfig *config,
                     const ManifestIdentity *manifest, char **job, GError **error)
{
    Frozen frozen[FROZEN_COUNT];
    g_autoptr(GError) absent = NULL;
    gboolean frozen_so = FALSE;
    gsize size = 0;
    g_autofree char *text =
        durable_read_file(folder->state_fd, options_file, OPTIONS_MAX_BYTES, &size, &absent);

    collect(config, manifest, frozen);
    if (text) {
        frozen_so = compare_all(folder, config, text, size, frozen, job, error);
    } else if (g_error_matches(absent, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT)) {
        *job = config->job ? g_strdup(config->job) : draw_job();
        frozen_so = write_options(folder, *job, frozen, error);
    } else {
        g_propagate_error(error, g_steal_pointer(&absent));
    }
    for (guint i = 0; i < FROZEN_COUNT; i++)
        g_free(frozen[i].value);
    return frozen_so;
}
