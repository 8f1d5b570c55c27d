/* pricebook_reader.c - reads one member of a price book at a time, strictly.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/error.h"
#include "formats/pricebook_internal.h"

/* What is quoted of a wrong value: enough to find it, not a page. */
#define QUOTE_MAX_BYTES 80
#define NAME_MAX_BYTES  255
/* Longer names are compared up to here, when the one that was meant is looked for. */
#define NEAR_MAX_CHARS 32
#define NEAR_DISTANCE  2

/* Returns: (transfer full) the text, fit for a terminal. */
static char *
quote(const char *text)
{
    char *quoted = g_utf8_make_valid(text, (gssize)strnlen(text, QUOTE_MAX_BYTES));
    for (char *at = quoted; *at != '\0'; at++)
        if (g_ascii_iscntrl(*at))
            *at = '?';
    return quoted;
}

gsize
book_enter(BookReader *reader, const char *key, gsize index)
{
    gsize mark = reader->path->len;
    g_autofree char *quoted = quote(key);
    if (mark > 0 && *key != '\0')
        g_string_append_c(reader->path, '.');
    g_string_append(reader->path, quoted);
    if (index != G_MAXSIZE)
        g_string_append_printf(reader->path, "[%" G_GSIZE_FORMAT "]", index);
    return mark;
}

void
book_leave(BookReader *reader, gsize mark)
{
    g_string_truncate(reader->path, mark);
}

static gboolean
fail_at(BookReader *reader, const char *format, va_list arguments)
{
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    const char *between = reader->path->len > 0 ? ": " : "";
    g_set_error(reader->error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT, "%s: %s%s%s", reader->name,
                reader->path->str, between, message);
    return FALSE;
}

gboolean
book_fail(BookReader *reader, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail_at(reader, format, arguments);
    va_end(arguments);
    return FALSE;
}

gboolean
book_fail_member(BookReader *reader, const char *key, const char *format, ...)
{
    va_list arguments;
    gsize mark = book_enter(reader, key, G_MAXSIZE);
    va_start(arguments, format);
    fail_at(reader, format, arguments);
    va_end(arguments);
    book_leave(reader, mark);
    return FALSE;
}

/* How many characters must be put in, taken out or changed to make one of the other. */
static guint
edit_distance(const char *a, const char *b)
{
    guint row[NEAR_MAX_CHARS + 1];
    guint a_chars = (guint)strnlen(a, NEAR_MAX_CHARS);
    guint b_chars = (guint)strnlen(b, NEAR_MAX_CHARS);

    for (guint j = 0; j <= b_chars; j++)
        row[j] = j;
    for (guint i = 1; i <= a_chars; i++) {
        guint diagonal = row[0];
        row[0] = i;
        for (guint j = 1; j <= b_chars; j++) {
            guint above = row[j];
            guint changed = diagonal + (g_ascii_tolower(a[i - 1]) != g_ascii_tolower(b[j - 1]));
            row[j] = MIN(changed, MIN(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[b_chars];
}

/* Sets the error for a member or word that is not known. */
static gboolean
fail_unknown(BookReader *reader, const char *what, const char *text, const char *const *known)
{
    g_autofree char *quoted = quote(text);
    const char *nearest = NULL;
    guint distance = NEAR_DISTANCE + 1;
    for (gsize i = 0; known[i] != NULL; i++) {
        guint here = edit_distance(text, known[i]);
        if (here < distance) {
            distance = here;
            nearest = known[i];
        }
    }
    if (nearest != NULL)
        return book_fail(reader, "unknown %s \"%s\": did you mean \"%s\"?", what, quoted, nearest);
    g_autofree char *choices = g_strjoinv(", ", (char **)known);
    return book_fail(reader, "unknown %s \"%s\": expected one of %s", what, quoted, choices);
}

gboolean
book_check_members(BookReader *reader, const JsonObject *object, const char *const *known)
{
    g_autofree const char **keys = json_object_keys(object);
    for (gsize i = 0; keys[i] != NULL; i++)
        if (!g_strv_contains(known, keys[i]))
            return fail_unknown(reader, "member", keys[i], known);
    return TRUE;
}

/* Says that a member is missing, or what it should be instead. */
static gboolean
fail_expected(BookReader *reader, const JsonObject *object, const char *key, const char *expected)
{
    if (!json_object_has(object, key))
        return book_fail(reader, "\"%s\" is missing: expected %s", key, expected);
    const char *text = json_object_string(object, key, NULL);
    if (text == NULL)
        return book_fail_member(reader, key, "expected %s", expected);
    g_autofree char *quoted = quote(text);
    return book_fail_member(reader, key, "\"%s\": expected %s", quoted, expected);
}

JsonObject *
book_object(BookReader *reader, const JsonObject *object, const char *key)
{
    JsonObject *member = json_object_object(object, key);
    if (member == NULL)
        fail_expected(reader, object, key, "an object");
    return member;
}

JsonList *
book_list(BookReader *reader, const JsonObject *object, const char *key)
{
    JsonList *list = json_object_list(object, key);
    if (list != NULL && json_list_length(list) > 0)
        return list;
    json_list_free(list);
    fail_expected(reader, object, key, "an array that is not empty");
    return NULL;
}

const char *
book_text(BookReader *reader, const JsonObject *object, const char *key)
{
    const char *text = json_object_string(object, key, NULL);
    gboolean good = text != NULL && *text != '\0' && strlen(text) <= NAME_MAX_BYTES;
    for (const char *at = text; good && *at != '\0'; at++)
        good = !g_ascii_iscntrl(*at);
    if (good)
        return g_string_chunk_insert_const(reader->book->strings, text);
    fail_expected(reader, object, key,
                  "a string of 1 to " G_STRINGIFY(NAME_MAX_BYTES) " bytes without control "
                                                                  "characters");
    return NULL;
}

int
book_word(BookReader *reader, const JsonObject *object, const char *key, const char *const *words)
{
    const char *text = json_object_string(object, key, NULL);
    for (int i = 0; text != NULL && words[i] != NULL; i++)
        if (strcmp(text, words[i]) == 0)
            return i;
    if (text != NULL) {
        fail_unknown(reader, key, text, words);
    } else {
        g_autofree char *choices = g_strjoinv(", ", (char **)words);
        g_autofree char *expected = g_strconcat("one of ", choices, NULL);
        fail_expected(reader, object, key, expected);
    }
    return -1;
}

gboolean
book_int(BookReader *reader, const JsonObject *object, const char *key, gint64 min, gint64 max,
         gint64 *value)
{
    if (json_object_int(object, key, value) && *value >= min && *value <= max)
        return TRUE;
    g_autofree char *expected =
        g_strdup_printf("a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, min, max);
    return fail_expected(reader, object, key, expected);
}

gboolean
book_decimal(BookReader *reader, const JsonObject *object, const char *key, guint digits,
             gint64 *value)
{
    const char *text = json_object_string(object, key, NULL);
    if (text != NULL && *text != '-' && money_parse(text, digits, value))
        return TRUE;
    g_autofree char *expected = g_strdup_printf(
        "a decimal in a string, as in \"0.5\", not negative, of at most %u digits behind the point",
        digits);
    return fail_expected(reader, object, key, expected);
}

gboolean
book_amount(BookReader *reader, const JsonObject *object, const char *key, gint64 *nano)
{
    gint64 rounded;
    if (!book_decimal(reader, object, key, MONEY_NANO_DIGITS, nano))
        return FALSE;
    if (money_round(*nano, reader->book->minor_digits, MONEY_DOWN, &rounded) && rounded == *nano)
        return TRUE;
    return book_fail_member(reader, key, "expected at most the %u minor digits behind the point",
                            reader->book->minor_digits);
}

gboolean
book_units(BookReader *reader, const JsonObject *object, const char *key, gint64 divisor,
           gint64 *metered)
{
    const char *text = json_object_string(object, key, NULL);
    if (text != NULL && money_parse_times(text, divisor, metered) && *metered < G_MAXINT64)
        return TRUE;
    g_autofree char *expected =
        g_strdup_printf("a decimal in a string that is a whole number, below 2^63, of metered "
                        "units when multiplied by the divisor %" G_GINT64_FORMAT,
                        divisor);
    return fail_expected(reader, object, key, expected);
}

gboolean
book_time(BookReader *reader, const JsonObject *object, const char *key, gint64 *time_us)
{
    const char *text = json_object_string(object, key, NULL);
    if (text != NULL && usage_parse_time(text, strlen(text), time_us) &&
        *time_us % G_USEC_PER_SEC == 0)
        return TRUE;
    return fail_expected(reader, object, key,
                         "a time of whole seconds with a zone, as in \"2026-11-01T00:00:00Z\"");
}

gboolean
book_is_null(const JsonObject *object, const char *key)
{
    gboolean wrong_type = FALSE;
    return json_object_string(object, key, &wrong_type) == NULL && !wrong_type;
}

gboolean
book_interval(BookReader *reader, const JsonObject *object, const char *to_key, gint64 *from_us,
              gint64 *to_us)
{
    *to_us = G_MAXINT64;
    if (!book_time(reader, object, "from", from_us) ||
        (!book_is_null(object, to_key) && !book_time(reader, object, to_key, to_us)))
        return FALSE;
    return *from_us < *to_us || book_fail_member(reader, to_key, "expected a time behind \"from\"");
}

gpointer
book_keep(PriceBook *book, GArray *array)
{
    gpointer elements = g_array_free(array, FALSE);
    g_ptr_array_add(book->blocks, elements);
    return elements;
}
