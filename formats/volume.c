/* volume.c - names: of a volume's files, and of what lies in it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/volume.h"

#include <string.h>

#include "formats/usage.h"

static const char *const suffixes[VOLUME_FILES] = {".tar.zst", ".index", ".parity", ".manifest",
                                                   ".manifest.minisig"};

#define DATE_CHARS 10 /* 2026-11-03 */

const char *
volume_suffix(VolumeFile file)
{
    g_assert((guint)file < VOLUME_FILES);
    return suffixes[file];
}

char *
volume_path(const char *volume, VolumeFile file)
{
    return g_strconcat("volumes/", volume, volume_suffix(file), NULL);
}

gboolean
volume_is_name(const char *name)
{
    return strspn(name, "0123456789abcdef") == VOLUME_NAME_CHARS && name[VOLUME_NAME_CHARS] == '\0';
}

/* The customer as a folder of the tar: no name of a folder that has a meaning, and none that any
 * file system would refuse. */
static void
put_customer(GString *out, const char *customer)
{
    static const char digits[] = "0123456789ABCDEF";

    if (*customer == '\0')
        g_string_append_c(out, '%');
    for (const char *at = customer; *at != '\0'; at++) {
        guchar byte = (guchar)*at;
        if (g_ascii_isalnum(*at) || *at == '_' || *at == '-' || (*at == '.' && at > customer)) {
            g_string_append_c(out, *at);
        } else {
            g_string_append_c(out, '%');
            g_string_append_c(out, digits[byte >> 4]);
            g_string_append_c(out, digits[byte & 15]);
        }
    }
}

char *
volume_usage_name(const char *customer, gint64 day_start_us)
{
    GString *name = g_string_new("usage/");

    put_customer(name, customer ? customer : "");
    g_string_append_c(name, '/');
    gsize date = name->len;
    usage_print_time(name, day_start_us);
    g_string_truncate(name, date + DATE_CHARS);
    g_string_append(name, ".ndjson");
    return g_string_free(name, FALSE);
}

char *
volume_member_name(const char *path)
{
    GString *name = g_string_new(NULL);

    for (const char *at = path; *at != '\0';) {
        gsize size = strcspn(at, "/");
        gboolean nothing = size == 0 || (size == 1 && *at == '.');
        if (!nothing && name->len > 0)
            g_string_append_c(name, '/');
        if (size == 2 && at[0] == '.' && at[1] == '.')
            g_string_append(name, "%2E%2E");
        else if (!nothing)
            g_string_append_len(name, at, (gssize)size);
        at += size + (at[size] == '/');
    }
    return g_string_free(name, FALSE);
}
