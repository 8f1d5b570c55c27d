/* statement_view.c - reads a line of statements.ndjson and says in words what its members mean.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/statement_view.h"

#include <string.h>

#include "formats/error.h"
#include "formats/json.h"

#define HARVEST_DIGITS 6

/* Owned by the view. Control characters would move a terminal's cursor or hide text. */
static const char *
keep(StatementView *view, const char *text)
{
    g_autoptr(GString) clean = g_string_new(NULL);
    for (const char *at = text; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        GUnicodeType type = g_unichar_type(c);
        gboolean hidden = type == G_UNICODE_CONTROL || type == G_UNICODE_FORMAT ||
                          type == G_UNICODE_LINE_SEPARATOR || type == G_UNICODE_PARAGRAPH_SEPARATOR;
        g_string_append_unichar(clean, hidden ? '?' : c);
    }
    return g_string_chunk_insert_len(view->strings, clean->str, (gssize)clean->len);
}

/* Reads a string that must be there. Returns FALSE when it is not. */
static gboolean
read_text(StatementView *view, const JsonObject *object, const char *key, const char **text)
{
    const char *value = json_object_string(object, key, NULL);
    *text = value != NULL ? keep(view, value) : "";
    return value != NULL;
}

/* Reads one that lines of no SKU do not have. */
static const char *
optional_text(StatementView *view, const JsonObject *object, const char *key)
{
    const char *value = json_object_string(object, key, NULL);
    return value != NULL ? keep(view, value) : "";
}

static gboolean
read_class(const JsonObject *object, LineClass *class)
{
    const char *name = json_object_string(object, "class", NULL);
    for (guint i = LINE_USAGE; name != NULL && i <= LINE_ROUNDING; i++)
        if (strcmp(name, line_class_name((LineClass)i)) == 0) {
            *class = (LineClass)i;
            return TRUE;
        }
    return FALSE;
}

/* Appends a time in the middle of the period; midnights are their days. */
static void
append_moment(GString *label, const char *word, const char *time, gint64 not_us)
{
    g_autoptr(GString) bound = g_string_new(NULL);
    period_print_time(bound, not_us);
    if (strcmp(bound->str, time) == 0 || *time == '\0')
        return;
    const char *midnight = g_str_has_suffix(time, "T00:00:00Z") ? strchr(time, 'T') : NULL;
    g_string_append_printf(label, ", %s ", word);
    g_string_append_len(label, time, midnight != NULL ? midnight - time : (gssize)strlen(time));
}

/* Is the line behind this one another tier of the same version? */
static gboolean
has_next_tier(const JsonObject *line, const JsonObject *next)
{
    static const char *const same[] = {"class", "period", "sku", "price_from"};
    for (guint i = 0; next != NULL && i < G_N_ELEMENTS(same); i++)
        if (g_strcmp0(json_object_string(line, same[i], NULL),
                      json_object_string(next, same[i], NULL)) != 0)
            return FALSE;
    return next != NULL;
}

static const char *
label_of(StatementView *view, const JsonObject *object, const JsonObject *next, const char *sku)
{
    g_autoptr(GString) label = g_string_new(sku);
    gint64 tier;
    Period period;
    if (json_object_int(object, "tier", &tier)) {
        if (tier == 0)
            g_string_append(label, ", free");
        else if (tier > 1 || has_next_tier(object, next))
            g_string_append_printf(label, ", tier %" G_GINT64_FORMAT, tier);
        if (period_parse(json_object_string(object, "period", NULL), &period, NULL)) {
            append_moment(label, "from", optional_text(view, object, "start"), period.start_us);
            append_moment(label, "before", optional_text(view, object, "end"), period.end_us);
        }
    } else if (g_str_has_prefix(sku, "credit:")) {
        g_string_printf(label, "Credit %s", sku + strlen("credit:"));
    } else if (strcmp(sku, "true-up") == 0) {
        g_string_assign(label, "True-up to the minimum");
    } else {
        label->str[0] = g_ascii_toupper(label->str[0]);
    }
    return keep(view, label->str);
}

static gboolean
read_line(StatementView *view, const JsonList *lines, gsize index)
{
    ViewLine line = {0};
    const char *sku;
    g_autoptr(JsonObject) object = json_list_object(lines, index);
    if (object == NULL || !read_text(view, object, "id", &line.id) ||
        !read_class(object, &line.class) || !read_text(view, object, "period", &line.period) ||
        !read_text(view, object, "sku", &sku) || !read_text(view, object, "amount", &line.amount))
        return FALSE;
    g_autoptr(JsonObject) next =
        index + 1 < json_list_length(lines) ? json_list_object(lines, index + 1) : NULL;
    line.label = label_of(view, object, next, sku);
    line.quantity = optional_text(view, object, "quantity");
    line.unit = optional_text(view, object, "unit");
    line.unit_price = optional_text(view, object, "unit_price");
    g_array_append_val(view->lines, line);
    return TRUE;
}

static gboolean
read_credit(StatementView *view, const JsonList *credits, gsize index)
{
    static const char *const keys[VIEW_CREDIT_FIELDS] = {"opening", "granted", "burned", "expired",
                                                         "closing"};
    ViewCredit credit;
    g_autoptr(JsonObject) object = json_list_object(credits, index);
    gboolean good = object != NULL && read_text(view, object, "id", &credit.id);
    for (guint i = 0; good && i < VIEW_CREDIT_FIELDS; i++)
        good = read_text(view, object, keys[i], &credit.fields[i]);
    if (good)
        g_array_append_val(view->credits, credit);
    return good;
}

static gboolean
read_lists(StatementView *view, const JsonObject *object)
{
    g_autoptr(JsonList) lines = json_object_list(object, "lines");
    g_autoptr(JsonList) credits = json_object_list(object, "credits");
    gboolean good = lines != NULL && credits != NULL;
    for (gsize i = 0; good && i < json_list_length(lines); i++)
        good = read_line(view, lines, i);
    for (gsize i = 0; good && i < json_list_length(credits); i++)
        good = read_credit(view, credits, i);
    return good;
}

/* "0.987654" is 98.7654 %. */
static gboolean
read_harvest(StatementView *view, const JsonObject *object)
{
    g_autoptr(GString) percent = g_string_new(NULL);
    const char *text = json_object_string(object, "harvest", NULL);
    gint64 share;
    if (text == NULL || !money_parse(text, HARVEST_DIGITS, &share))
        return FALSE;
    money_print(percent, share, HARVEST_DIGITS - 2, 0);
    view->harvest_percent = keep(view, percent->str);
    return json_object_bool(object, "preliminary", &view->preliminary);
}

static gboolean
read_head(StatementView *view, const JsonObject *object)
{
    const char *period;
    return read_text(view, object, "customer", &view->customer) &&
           read_text(view, object, "run", &view->run) &&
           read_text(view, object, "invoice", &view->invoice) &&
           read_text(view, object, "issuer", &view->issuer) &&
           read_text(view, object, "currency", &view->currency) &&
           read_text(view, object, "usage", &view->usage) &&
           read_text(view, object, "payable", &view->payable) &&
           read_text(view, object, "period", &period) &&
           period_parse(period, &view->period, NULL) && read_harvest(view, object);
}

gboolean
statement_view_read(StatementView *view, const char *json, gsize size_bytes, GError **error)
{
    *view = (StatementView){.strings = g_string_chunk_new(4096),
                            .lines = g_array_new(FALSE, TRUE, sizeof(ViewLine)),
                            .credits = g_array_new(FALSE, TRUE, sizeof(ViewCredit))};
    g_autoptr(JsonObject) object = json_object_parse(json, size_bytes, NULL);
    if (object != NULL && read_head(view, object) && read_lists(view, object))
        return TRUE;
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                        "not a statement of a bill run: the file is damaged");
    return FALSE;
}

void
statement_view_release(StatementView *view)
{
    if (view->strings == NULL)
        return;
    g_string_chunk_free(view->strings);
    g_array_unref(view->lines);
    g_array_unref(view->credits);
    *view = (StatementView){0};
}
