/* manifest_json.c - manifests of one JSON object a line. A line that is wrong is a bad row, and the
 * next line is read as if nothing had been.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/error.h"
#include "formats/manifest.h"
#include "formats/manifest_internal.h"

static gboolean
is_blank(const char *line, gsize size_bytes)
{
    for (gsize i = 0; i < size_bytes; i++)
        if (line[i] == '\0' || strchr(" \t\r", line[i]) == NULL)
            return FALSE;
    return TRUE;
}

static int
read_row(ManifestReader *reader, ManifestRow *row, guint64 line, const char *text, gsize size_bytes)
{
    const char *fields[FIELD_COUNT] = {"", "", "", ""};
    const char *problem = NULL;
    g_autoptr(GError) error = NULL;

    json_object_free(reader->object);
    reader->object = json_object_parse(text, size_bytes, &error);
    if (reader->object == NULL) {
        problem = manifest_problem(reader, "%s", error->message);
        return manifest_emit(reader, row, line, fields, problem);
    }
    for (int i = 0; i < FIELD_COUNT; i++) {
        gboolean wrong_type;
        const char *value =
            json_object_string(reader->object, manifest_field_names[i], &wrong_type);
        if (wrong_type && problem == NULL)
            problem = manifest_problem(reader, "\"%s\" is not a string", manifest_field_names[i]);
        fields[i] = value != NULL ? value : "";
    }
    return manifest_emit(reader, row, line, fields, problem);
}

int
manifest_json_next(ManifestReader *reader, ManifestRow *row)
{
    for (;;) {
        guint64 line = reader->line;
        gsize size_bytes;
        char *text;
        int taken = manifest_take_line(reader, '\n', &text, &size_bytes);
        if (taken <= 0)
            return taken;
        if (!is_blank(text, size_bytes))
            return read_row(reader, row, line, text, size_bytes);
    }
}
