/* text_template.c - text with holes: made once, filled many times.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/text_template.h"

#include <string.h>

#include "formats/text_out.h"

void
text_template_init(TextTemplate *template)
{
    template->text = g_string_new(NULL);
    template->holes = g_array_new(FALSE, FALSE, sizeof(TextHole));
}

void
text_template_release(TextTemplate *template)
{
    g_string_free(template->text, TRUE);
    g_array_unref(template->holes);
}

void
text_template_clear(TextTemplate *template)
{
    g_string_truncate(template->text, 0);
    g_array_set_size(template->holes, 0);
}

void
text_template_add_hole(TextTemplate *template, guint value)
{
    TextHole hole = {(guint) template->text->len, value};
    g_array_append_val(template->holes, hole);
}

void
text_template_add(TextTemplate *template, const char *before, guint value, const char *behind)
{
    g_string_append(template->text, before);
    text_template_add_hole(template, value);
    g_string_append(template->text, behind);
}

/* Appends text whose quotes are doubled when the field is quoted. */
static void
add_part(GString *out, const char *text, gsize size_bytes, gboolean quoted)
{
    if (!quoted) {
        g_string_append_len(out, text, (gssize)size_bytes);
        return;
    }
    for (gsize i = 0; i < size_bytes; i++) {
        if (text[i] == '"')
            g_string_append_c(out, '"');
        g_string_append_c(out, text[i]);
    }
}

void
text_template_add_csv(TextTemplate *template, const TextTemplate *field)
{
    const char *text = field->text->str;
    gboolean quoted = strpbrk(text, "\",\r\n") != NULL;
    gsize begin = 0;

    g_string_append(template->text, quoted ? "\"" : "");
    for (guint i = 0; i < field->holes->len; i++) {
        const TextHole *hole = &g_array_index(field->holes, TextHole, i);
        add_part(template->text, text + begin, hole->at - begin, quoted);
        text_template_add_hole(template, hole->value);
        begin = hole->at;
    }
    add_part(template->text, text + begin, field->text->len - begin, quoted);
    g_string_append(template->text, quoted ? "\"" : "");
}

static gsize
printed_bytes(const TextTemplate *template, const TextValue *values)
{
    const TextHole *holes = (const TextHole *)(gconstpointer) template->holes->data;
    gsize size_bytes = template->text->len;

    for (guint i = 0; i < template->holes->len; i++)
        size_bytes += values[holes[i].value].size_bytes;
    return size_bytes;
}

void
text_template_print(const TextTemplate *template, const TextValue *values, GString *out)
{
    const TextHole *holes = (const TextHole *)(gconstpointer) template->holes->data;
    const char *text = template->text->str;
    gsize begin = 0;
    char *at = text_reserve(out, printed_bytes(template, values));

    for (guint i = 0; i < template->holes->len; i++) {
        const TextValue *value = &values[holes[i].value];
        at = text_put(at, text + begin, holes[i].at - begin);
        at = text_put(at, value->text, value->size_bytes);
        begin = holes[i].at;
    }
    at = text_put(at, text + begin, template->text->len - begin);
    text_commit(out, at);
}
