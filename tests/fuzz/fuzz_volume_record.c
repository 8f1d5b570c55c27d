/* fuzz_volume_record.c - a line of an index that is read is the line that is printed; and any bytes
 * are a name whose record can be printed and read.
 * SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "formats/tar.h"
#include "formats/volume.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

static void
check_name(const guint8 *data, gsize size_bytes)
{
    g_autofree char *name = g_strndup((const char *)data, size_bytes);
    g_autoptr(GString) keep = g_string_new(NULL);
    g_autoptr(GString) kept = g_string_new(NULL);
    g_autoptr(GString) line = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    VolumeRecord record = {0};
    VolumeRecord again;
    gint64 mtime_s = 0;

    if (*name == '\0' || strlen(name) > TAR_NAME_MAX)
        return;
    memcpy(&mtime_s, data, MIN(size_bytes, sizeof mtime_s));
    volume_record_describe(name, mtime_s, keep, &record);
    memset(record.sha256, 'a', SHA256_CHARS);
    volume_record_print(&record, line);
    g_assert_cmpuint(line->len - 1, <=, VOLUME_LINE_MAX_BYTES);
    volume_record_parse(line->str, line->len - 1, kept, &again, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(again.key, ==, record.key);
    g_assert_cmpstr(again.customer, ==, record.customer);
    if (record.customer) {
        g_autofree char *same = volume_usage_name(record.customer, record.from_us);
        g_assert_cmpstr(same, ==, name);
    }
    g_autofree char *member = volume_member_name(name);
    g_autofree char *member_again = volume_member_name(member);
    g_assert_cmpstr(member, ==, member_again);
    g_assert_true(*member != '/' && !strstr(member, "//") && strcmp(member, "..") != 0);
    g_assert_true(!g_str_has_prefix(member, "../") && !strstr(member, "/../"));
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    g_autoptr(GString) keep = g_string_new(NULL);
    g_autoptr(GString) line = g_string_new(NULL);
    VolumeRecord record;

    check_name(data, size_bytes);
    if (!volume_record_parse((const char *)data, size_bytes, keep, &record, NULL))
        return 0;
    volume_record_print(&record, line);
    g_assert_cmpmem(line->str, line->len - 1, data, size_bytes);
    return 0;
}
