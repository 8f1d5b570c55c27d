/* json.c - JSON out and in. Writing is in the path of every usage event, so strings and integers
 * are put down without printf; reading wraps jansson, whose header is seen here only.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/error.h"

struct _JsonObject {
    json_t *json; /* owns a reference */
};

struct _JsonList {
    json_t *json; /* owns a reference */
};

static const char hex_digits[] = "0123456789abcdef";

static gboolean
needs_escape(char c)
{
    return (guchar)c < 0x20 || c == '"' || c == '\\';
}

static void
escape_char(GString *out, char c)
{
    static const char short_escapes[] = {
        ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
    };
    guchar byte = (guchar)c;
    g_string_append_c(out, '\\');
    if (byte < sizeof short_escapes && short_escapes[byte] != '\0') {
        g_string_append_c(out, short_escapes[byte]);
        return;
    }
    g_string_append_len(out, "u00", 3);
    g_string_append_c(out, hex_digits[byte >> 4]);
    g_string_append_c(out, hex_digits[byte & 15]);
}

/* Appends UTF-8 text between quotes; runs that need no escape are copied whole. */
static void
append_quoted(GString *out, const char *text, gsize size_bytes)
{
    gsize start = 0;
    g_string_append_c(out, '"');
    for (gsize i = 0; i < size_bytes; i++) {
        if (!needs_escape(text[i]))
            continue;
        g_string_append_len(out, text + start, (gssize)(i - start));
        escape_char(out, text[i]);
        start = i + 1;
    }
    g_string_append_len(out, text + start, (gssize)(size_bytes - start));
    g_string_append_c(out, '"');
}

static void
append_percent_encoded(GString *out, const char *text)
{
    static const char upper_digits[] = "0123456789ABCDEF";
    g_string_append_c(out, '"');
    for (; *text != '\0'; text++) {
        guchar byte = (guchar)*text;
        if (byte < 0x20 || byte >= 0x7f || byte == '%') {
            char code[3] = {'%', upper_digits[byte >> 4], upper_digits[byte & 15]};
            g_string_append_len(out, code, 3);
        } else if (needs_escape(*text)) {
            escape_char(out, *text);
        } else {
            g_string_append_c(out, *text);
        }
    }
    g_string_append_c(out, '"');
}

/* Appends the comma, where one is needed, and the key. A string's last character is its quote, so
 * what the text ends in tells whether something stands before. */
static void
begin_member(GString *out, const char *key)
{
    char last = out->len > 0 ? out->str[out->len - 1] : '\n';
    if (last != '{' && last != '[' && last != ',' && last != ':' && last != '\n')
        g_string_append_c(out, ',');
    if (key != NULL) {
        append_quoted(out, key, strlen(key));
        g_string_append_c(out, ':');
    }
}

static void
append_uint(GString *out, guint64 value)
{
    char digits[20];
    gsize at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    g_string_append_len(out, digits + at, (gssize)(sizeof digits - at));
}

void
json_put_string(GString *out, const char *key, const char *value)
{
    begin_member(out, key);
    gsize size_bytes = value != NULL ? strlen(value) : 0;
    if (value == NULL)
        g_string_append_len(out, "null", 4);
    else if (g_utf8_validate(value, (gssize)size_bytes, NULL))
        append_quoted(out, value, size_bytes);
    else
        append_percent_encoded(out, value);
}

void
json_put_int(GString *out, const char *key, gint64 value)
{
    begin_member(out, key);
    if (value < 0)
        g_string_append_c(out, '-');
    /* Negated as unsigned, because -G_MININT64 is not an int64. */
    append_uint(out, value < 0 ? 0 - (guint64)value : (guint64)value);
}

void
json_put_uint(GString *out, const char *key, guint64 value)
{
    begin_member(out, key);
    append_uint(out, value);
}

void
json_put_double(GString *out, const char *key, double value, int decimals)
{
    begin_member(out, key);
    if (!isfinite(value)) { /* JSON has no word for these */
        g_string_append_len(out, "null", 4);
        return;
    }
    g_assert(decimals >= 0 && decimals <= 17);
    char format[] = "%.00f";
    char text[G_ASCII_DTOSTR_BUF_SIZE + 320];
    format[2] = (char)('0' + decimals / 10);
    format[3] = (char)('0' + decimals % 10);
    g_string_append(out, g_ascii_formatd(text, sizeof text, format, value));
}

void
json_put_bool(GString *out, const char *key, gboolean value)
{
    begin_member(out, key);
    g_string_append(out, value ? "true" : "false");
}

void
json_open(GString *out, const char *key, char bracket)
{
    g_assert(bracket == '{' || bracket == '[');
    begin_member(out, key);
    g_string_append_c(out, bracket);
}

JsonObject *
json_object_parse(const char *text, gsize size_bytes, GError **error)
{
    json_error_t why;
    json_t *json = json_loadb(text, size_bytes, JSON_REJECT_DUPLICATES, &why);
    if (json == NULL) {
        /* jansson quotes the text near the error, which may hold anything. */
        g_autofree char *reason = g_utf8_make_valid(why.text, -1);
        for (char *at = reason; *at != '\0'; at++)
            if (g_ascii_iscntrl(*at))
                *at = '?';
        g_autofree char *where =
            why.line > 1 ? g_strdup_printf("line %d: ", why.line) : g_strdup("");
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT, "%snot JSON: %s", where,
                    reason);
        return NULL;
    }
    if (!json_is_object(json)) {
        json_decref(json);
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT, "not a JSON object");
        return NULL;
    }
    JsonObject *object = g_new(JsonObject, 1);
    object->json = json;
    return object;
}

void
json_object_free(JsonObject *object)
{
    if (object == NULL)
        return;
    json_decref(object->json);
    g_free(object);
}

void
json_object_print_pretty(const JsonObject *object, GString *out)
{
    char *text = json_dumps(object->json, JSON_INDENT(2));
    g_assert(text != NULL); /* whatever was parsed can be written */
    g_string_append(out, text);
    g_string_append_c(out, '\n');
    free(text);
}

gboolean
json_object_has(const JsonObject *object, const char *key)
{
    return json_object_get(object->json, key) != NULL;
}

const char *
json_object_string(const JsonObject *object, const char *key, gboolean *wrong_type)
{
    const json_t *member = json_object_get(object->json, key);
    if (wrong_type != NULL)
        *wrong_type = member != NULL && !json_is_string(member) && !json_is_null(member);
    return json_string_value(member);
}

gboolean
json_object_int(const JsonObject *object, const char *key, gint64 *value)
{
    const json_t *member = json_object_get(object->json, key);
    if (!json_is_integer(member))
        return FALSE;
    *value = json_integer_value(member);
    return TRUE;
}

char *
json_object_number(const JsonObject *object, const char *key)
{
    const json_t *member = json_object_get(object->json, key);
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    if (json_is_integer(member))
        return g_strdup_printf("%" G_GINT64_FORMAT, (gint64)json_integer_value(member));
    if (!json_is_real(member))
        return NULL;
    return g_strdup(g_ascii_formatd(text, sizeof text, "%.15g", json_real_value(member)));
}

gboolean
json_object_bool(const JsonObject *object, const char *key, gboolean *value)
{
    const json_t *member = json_object_get(object->json, key);
    if (!json_is_boolean(member))
        return FALSE;
    *value = json_is_true(member);
    return TRUE;
}

/* Returns: (transfer full) json as an object with a reference of its own, or NULL. */
static JsonObject *
object_of(json_t *json)
{
    if (!json_is_object(json))
        return NULL;
    JsonObject *object = g_new(JsonObject, 1);
    object->json = json_incref(json);
    return object;
}

JsonObject *
json_object_object(const JsonObject *object, const char *key)
{
    return object_of(json_object_get(object->json, key));
}

const char **
json_object_keys(const JsonObject *object)
{
    GPtrArray *keys = g_ptr_array_new();
    const char *key;
    json_t *value;

    json_object_foreach(object->json, key, value) g_ptr_array_add(keys, (char *)key);
    g_ptr_array_add(keys, NULL);
    return (const char **)g_ptr_array_free(keys, FALSE);
}

JsonList *
json_object_list(const JsonObject *object, const char *key)
{
    json_t *member = json_object_get(object->json, key);
    if (!json_is_array(member))
        return NULL;
    JsonList *list = g_new(JsonList, 1);
    list->json = json_incref(member);
    return list;
}

void
json_list_free(JsonList *list)
{
    if (list == NULL)
        return;
    json_decref(list->json);
    g_free(list);
}

gsize
json_list_length(const JsonList *list)
{
    return json_array_size(list->json);
}

const char *
json_list_string(const JsonList *list, gsize index)
{
    return json_string_value(json_array_get(list->json, index));
}

JsonObject *
json_list_object(const JsonList *list, gsize index)
{
    return object_of(json_array_get(list->json, index));
}
