/* bill_show.c - statements are sorted by customer, so one is found by halving.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_show.h"

#include <string.h>

#include "formats/error.h"
#include "formats/json.h"
#include "jobs/bill_folder.h"

/* The line that at lies in: where it begins, and its size without LF. */
static const char *
line_around(const char *begin, const char *end, const char *at, gsize *size_bytes)
{
    while (at > begin && at[-1] != '\n')
        at--;
    const char *newline = memchr(at, '\n', (gsize)(end - at));

    *size_bytes = (gsize)((newline ? newline : end) - at);
    return at;
}

static char *
find(const char *begin, const char *end, const char *customer, GError **error)
{
    const char *low = begin;
    const char *high = end;

    while (low < high) {
        gsize size_bytes = 0;
        const char *line = line_around(low, high, low + (high - low) / 2, &size_bytes);
        g_autoptr(JsonObject) statement = json_object_parse(line, size_bytes, error);
        const char *name = statement ? json_object_string(statement, "customer", NULL) : NULL;
        if (!statement)
            return NULL;
        int order = strcmp(customer, name ? name : "");
        if (order == 0)
            return g_strndup(line, size_bytes);
        if (order < 0)
            high = line;
        else
            low = MIN(high, line + size_bytes + 1);
    }
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                "there is no statement of customer \"%s\"", customer);
    return NULL;
}

char *
bill_find_statement(const char *run, const char *customer, GError **error)
{
    g_autoptr(BillFolder) folder = bill_folder_open(run, error);
    g_autoptr(GMappedFile) file = folder ? bill_folder_map(folder, BILL_STATEMENTS, error) : NULL;

    if (!file)
        return NULL;
    const char *begin = g_mapped_file_get_contents(file);
    char *line = find(begin, begin + g_mapped_file_get_length(file), customer, error);
    if (!line)
        g_prefix_error(error, "%s: ", run);
    return line;
}
