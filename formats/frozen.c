/* frozen.c - the inputs of a bill run as lines of a keyword and a value.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/frozen.h"

#include <stddef.h>
#include <string.h>

#include "formats/error.h"
#include "formats/json.h"
#include "formats/sha256.h"

#define MAGIC "millrace-bill-inputs 1"

/* The lists, in the order of the file. */
static const struct {
    const char *keyword;
    gsize offset;
    gboolean digest;
} lists[] = {{"expect", offsetof(FrozenInputs, expected), FALSE},
             {"segment", offsetof(FrozenInputs, segments), TRUE},
             {"refused", offsetof(FrozenInputs, refused), FALSE},
             {"seal", offsetof(FrozenInputs, seals), FALSE},
             {"closed", offsetof(FrozenInputs, closed), FALSE}};

static GPtrArray **
list_of(FrozenInputs *frozen, guint i)
{
    return (GPtrArray **)((char *)frozen + lists[i].offset);
}

FrozenInputs *
frozen_new(void)
{
    FrozenInputs *frozen = g_new0(FrozenInputs, 1);

    for (guint i = 0; i < G_N_ELEMENTS(lists); i++)
        *list_of(frozen, i) = g_ptr_array_new_with_free_func(g_free);
    return frozen;
}

void
frozen_free(FrozenInputs *frozen)
{
    for (guint i = 0; i < G_N_ELEMENTS(lists); i++)
        g_ptr_array_unref(*list_of(frozen, i));
    g_free(frozen->made_by);
    g_free(frozen->prices);
    g_free(frozen);
}

static int
compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A name that someone chose may hold anything: it is a JSON string. */
static void
print_value(const char *keyword, const char *value, gboolean digest, GString *out)
{
    g_string_append(out, keyword);
    g_string_append_c(out, ' ');
    if (digest) {
        g_string_append(out, value);
    } else {
        g_autoptr(GString) quoted = g_string_new(NULL);
        json_open(quoted, NULL, '[');
        json_put_string(quoted, NULL, value);
        g_string_append_len(out, quoted->str + 1, (gssize)quoted->len - 1);
    }
    g_string_append_c(out, '\n');
}

void
frozen_print(FrozenInputs *frozen, GString *out)
{
    g_string_append_printf(out, MAGIC "\nmade-by %s\nperiod %s\nprices %s\n", frozen->made_by,
                           frozen->period.name, frozen->prices);
    if (frozen->all_expected)
        g_string_append(out, "expect *\n");
    for (guint i = 0; i < G_N_ELEMENTS(lists); i++) {
        GPtrArray *list = *list_of(frozen, i);
        g_ptr_array_sort(list, compare_texts);
        for (guint k = 0; k < list->len; k++)
            print_value(lists[i].keyword, list->pdata[k], lists[i].digest, out);
    }
}

void
frozen_run(const FrozenInputs *frozen, const char *text, gsize size_bytes,
           char run[FROZEN_RUN_CHARS + 1])
{
    char digest[SHA256_CHARS + 1];

    sha256_hex(text, size_bytes, digest);
    g_snprintf(run, FROZEN_RUN_CHARS + 1, "%s-%.16s", frozen->period.name, digest);
}

/* A JSON string alone. (transfer full), or NULL when it is none. */
static char *
parse_string(const char *value)
{
    g_autofree char *text = g_strdup_printf("{\"v\":%s}", value);
    g_autoptr(JsonObject) object = json_object_parse(text, strlen(text), NULL);
    g_autofree const char **keys = object ? json_object_keys(object) : NULL;

    return keys && !keys[1] ? g_strdup(json_object_string(object, "v", NULL)) : NULL;
}

static gboolean
parse_value(FrozenInputs *frozen, const char *keyword, const char *value)
{
    if (strcmp(keyword, "period") == 0)
        return period_parse(value, &frozen->period, NULL);
    if (strcmp(keyword, "prices") == 0 || strcmp(keyword, "made-by") == 0) {
        char **field = *keyword == 'p' ? &frozen->prices : &frozen->made_by;
        g_free(*field);
        *field = g_strdup(value);
        return TRUE;
    }
    if (strcmp(keyword, "expect") == 0 && strcmp(value, "*") == 0) {
        frozen->all_expected = TRUE;
        return TRUE;
    }
    for (guint i = 0; i < G_N_ELEMENTS(lists); i++) {
        if (strcmp(keyword, lists[i].keyword) != 0)
            continue;
        char *text = lists[i].digest ? g_strdup(value) : parse_string(value);
        if (text)
            g_ptr_array_add(*list_of(frozen, i), text);
        return text != NULL;
    }
    return FALSE;
}

FrozenInputs *
frozen_parse(const char *name, const char *text, GError **error)
{
    g_autoptr(FrozenInputs) frozen = frozen_new();
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    gboolean good = lines[0] && strcmp(lines[0], MAGIC) == 0;
    guint line = 0;

    while (good && lines[line + 1] && *lines[line + 1]) {
        char *space = strchr(lines[++line], ' ');
        if (space)
            *space = '\0';
        good = space && parse_value(frozen, lines[line], space + 1);
    }
    if (good && frozen->made_by && frozen->prices && *frozen->period.name)
        return g_steal_pointer(&frozen);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s:%u: this is not what a bill run has written", name, line + 1);
    return NULL;
}
