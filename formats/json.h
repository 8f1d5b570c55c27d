/* json.h - JSON: an appender for the lines we write, and a strict reader (jansson) for those that
 * we read.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_JSON_H
#define MILLRACE_FORMATS_JSON_H

#include <glib.h>

/* Appends members to a JSON text: a comma first where one is needed, which is seen from the last
 * character. key NULL appends a bare value (in an array). Strings that are not UTF-8 are
 * percent-encoded whole ('%' and every byte outside printable ASCII), and can be got back. */
void json_put_string(GString *out, const char *key, const char *value);
void json_put_int(GString *out, const char *key, gint64 value);
void json_put_uint(GString *out, const char *key, guint64 value);
void json_put_double(GString *out, const char *key, double value, int decimals);
void json_put_bool(GString *out, const char *key, gboolean value);
/* Opens '{' or '['; close by g_string_append_c(). */
void json_open(GString *out, const char *key, char bracket);

/* One parsed JSON object. */
typedef struct _JsonObject JsonObject;
/* Returns: (transfer full), or NULL and MILLRACE_ERROR_BAD_INPUT. Refuses duplicate keys, depth
 * above jansson's 2048, and anything behind the object but white space. */
JsonObject *json_object_parse(const char *text, gsize size_bytes, GError **error);
void json_object_free(JsonObject *object);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JsonObject, json_object_free)

/* Returns: the string, borrowed from the object; NULL when key is absent, null, or not a string
 * (*wrong_type then set, if given). */
const char *json_object_string(const JsonObject *object, const char *key, gboolean *wrong_type);
/* Appends the object for people: a member a line, in the order of the text. */
void json_object_print_pretty(const JsonObject *object, GString *out);
gboolean json_object_has(const JsonObject *object, const char *key);
/* Returns TRUE and *value when key is an integer. */
gboolean json_object_int(const JsonObject *object, const char *key, gint64 *value);
/* Returns: (transfer full) a number as it would be typed, to 15 digits when it is no integer; NULL
 * when key is none. */
char *json_object_number(const JsonObject *object, const char *key);
/* Returns TRUE and *value when key is true or false. */
gboolean json_object_bool(const JsonObject *object, const char *key, gboolean *value);
/* A nested object, borrowed until its parent is freed; release it with json_object_free() too. NULL
 * if none. */
JsonObject *json_object_object(const JsonObject *object, const char *key);
/* Names of the members, in the order of the text.
 * Returns: (transfer container) NULL-terminated; the names are borrowed until the parent is freed.
 */
const char **json_object_keys(const JsonObject *object);

/* A JSON array. */
typedef struct _JsonList JsonList;
/* The array of a member, borrowed as a nested object is. NULL if it is none. */
JsonList *json_object_list(const JsonObject *object, const char *key);
void json_list_free(JsonList *list);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JsonList, json_list_free)
gsize json_list_length(const JsonList *list);
/* The element at index, which is below the length. NULL when it is none of that type. */
const char *json_list_string(const JsonList *list, gsize index);
JsonObject *json_list_object(const JsonList *list, gsize index);

#endif
