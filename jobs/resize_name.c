/* resize_name.c - the name of an output beneath the output folder.
 * Whatever a source or a template says, the name that comes out stays beneath the folder: it is
 * taken apart at its slashes and put together again without the parts that lead elsewhere.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/resize_name.h"

#include <string.h>

#include "formats/error.h"

static const char *const fields[] = {"path", "dir",     "stem",     "ext", "spec",
                                     "row",  "request", "customer", NULL};

/* Takes path apart and joins what is left, as the header promises. */
static char *
clean_path(const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    g_autoptr(GString) out = g_string_new(NULL);

    for (char **part = parts; *part; part++) {
        if (**part == '\0' || strcmp(*part, ".") == 0)
            continue;
        if (out->len > 0)
            g_string_append_c(out, '/');
        if (strcmp(*part, "..") == 0)
            g_string_append(out, "%2E%2E");
        else if (out->len == 0 && strcmp(*part, STATE_FOLDER) == 0)
            g_string_append_printf(out, "%%2E%s", STATE_FOLDER + 1);
        else
            g_string_append(out, *part);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

/* Where the extension of a path begins (behind the dot), or NULL. */
static const char *
find_extension(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *file = slash ? slash + 1 : path;
    const char *dot = strrchr(file, '.');

    return dot && dot != file ? dot + 1 : NULL;
}

static void
append_field(GString *out, const char *field, const OutputName *name)
{
    g_autofree char *path = clean_path(name->source);
    g_autofree char *folder = g_path_get_dirname(path);
    const char *slash = strrchr(path, '/');
    const char *file = slash ? slash + 1 : path;
    const char *extension = find_extension(path);

    if (strcmp(field, "path") == 0)
        g_string_append(out, path);
    else if (strcmp(field, "dir") == 0)
        g_string_append(out, folder);
    else if (strcmp(field, "stem") == 0)
        g_string_append_len(out, file, extension ? extension - 1 - file : (gssize)strlen(file));
    else if (strcmp(field, "ext") == 0)
        g_string_append(out, image_format_extension(name->format));
    else if (strcmp(field, "spec") == 0)
        g_string_append(out, name->spec);
    else if (strcmp(field, "row") == 0)
        g_string_append_printf(out, "%" G_GUINT64_FORMAT, name->row);
    else if (strcmp(field, "request") == 0)
        g_string_append(out, name->request);
    else if (strcmp(field, "customer") == 0)
        g_string_append(out, name->customer);
}

/* Finds the next {field} of a template. Returns: where its '{' is, or NULL; *end is behind its '}'.
 */
static const char *
find_field(const char *template, char **field, const char **end)
{
    const char *open = strchr(template, '{');
    const char *close = open ? strchr(open, '}') : NULL;

    if (!close)
        return NULL;
    *field = g_strndup(open + 1, (gsize)(close - open - 1));
    *end = close + 1;
    return open;
}

gboolean
output_name_check(const char *template, GError **error)
{
    g_autofree char *known = g_strjoinv("} {", (char **)(gpointer)fields);
    const char *at = template;
    const char *end = NULL;
    char *found = NULL;
    guint field_count = 0;

    for (; find_field(at, &found, &end); at = end, field_count++) {
        g_autofree char *field = found;
        if (g_strv_contains(fields, field))
            continue;
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "--name: there is no field {%s}: expected {%s}", field, known);
        return FALSE;
    }
    if (field_count > 0 && !strpbrk(at, "{}"))
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "--name=%s: expected a text with fields, as in {dir}/{stem}-{spec}.{ext}",
                template);
    return FALSE;
}

static char *
default_name(const OutputName *name)
{
    const char *extension = find_extension(name->source);
    g_autoptr(GString) out = g_string_new(NULL);

    if (name->with_spec)
        g_string_append_printf(out, "%s/", name->spec);
    append_field(out, "path", name);
    if (!extension || !image_format_has_extension(name->format, extension))
        g_string_append_printf(out, ".%s", image_format_extension(name->format));
    return g_string_free(g_steal_pointer(&out), FALSE);
}

char *
output_name_make(const char *template, const OutputName *name)
{
    if (!template) {
        g_autofree char *plain = default_name(name);
        return clean_path(plain);
    }
    g_autoptr(GString) out = g_string_new(NULL);
    const char *at = template;
    const char *open = NULL;
    const char *end = NULL;
    char *found = NULL;
    while ((open = find_field(at, &found, &end))) {
        g_autofree char *field = found;
        g_string_append_len(out, at, open - at);
        append_field(out, field, name);
        at = end;
    }
    g_string_append(out, at);
    return clean_path(out->str);
}
