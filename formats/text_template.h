/* text_template.h - text with holes. Lines of one kind differ in a few values: what they have in
 * common is made once, and a line is that text with its values in the holes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_TEXT_TEMPLATE_H
#define MILLRACE_FORMATS_TEXT_TEMPLATE_H

#include <glib.h>

/* What goes into a hole; borrowed. */
typedef struct {
    const char *text;
    gsize size_bytes;
} TextValue;

typedef struct {
    guint at; /* in the text */
    guint value;
} TextHole;

typedef struct {
    GString *text; /* owns; what is the same in all lines. It may be appended to. */
    GArray *holes; /* owns; of TextHole, ascending */
} TextTemplate;

void text_template_init(TextTemplate *template);
void text_template_release(TextTemplate *template);
/* Makes it empty, and keeps its memory. */
void text_template_clear(TextTemplate *template);

/* Adds a hole behind the text so far. value: which of the values goes there. */
void text_template_add_hole(TextTemplate *template, guint value);
/* Adds text, a hole, and text. */
void text_template_add(TextTemplate *template, const char *before, guint value, const char *behind);
/* Appends another template as a field of CSV, quoted where RFC 4180 asks for it. What goes into its
 * holes must need no quotes, or be quoted and the whole field. */
void text_template_add_csv(TextTemplate *template, const TextTemplate *field);

/* Appends the text with values in its holes. values: indexed by what the holes were given. */
void text_template_print(const TextTemplate *template, const TextValue *values, GString *out);

#endif
