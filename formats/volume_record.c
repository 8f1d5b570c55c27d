/* volume_record.c - a record: what its name tells, and its line in the index.
 * A line is read only as it would be printed, to the byte: then an index that was checked against
 * its volume, line by line, has nothing in it that was not.
 * SPDX-License-Identifier: Apache-2.0 */
#include <fnmatch.h>
#include <string.h>

#include "formats/json.h"
#include "formats/json_scan.h"
#include "formats/seek_table.h"
#include "formats/usage.h"
#include "formats/volume.h"

#define DAY_US       (G_GINT64_CONSTANT(86400) * G_USEC_PER_SEC)
#define TIME_CHARS   27 /* 2026-11-03T00:00:00.000000Z */
#define DATE_CHARS   10
#define SIZE_MAX_U64 (G_GUINT64_CONSTANT(1) << 62)
/* The years 1 to 9999 can be written; an mtime beyond them counts as the nearest. */
#define MTIME_MIN_S G_GINT64_CONSTANT(-62135596800)
#define MTIME_MAX_S G_GINT64_CONSTANT(253402300799)

/* Reads "CUSTOMER/YYYY-MM-DD.ndjson" as volume_usage_name() writes it, and appends the customer to
 * keep. */
static gboolean
read_usage_name(const char *name, GString *keep, gint64 *day_us)
{
    gsize customer_chars = strcspn(name + strlen("usage/"), "/");
    const char *customer = name + strlen("usage/");
    const char *date = customer + customer_chars;
    gsize begin = keep->len;

    if (customer_chars == 0 || strlen(date) != 1 + DATE_CHARS + strlen(".ndjson"))
        return FALSE;
    char time[] = "YYYY-MM-DDT00:00:00Z";
    memcpy(time, date + 1, DATE_CHARS);
    if (!usage_parse_time(time, strlen(time), day_us))
        return FALSE;
    for (gsize i = 0; i < customer_chars && customer_chars > 1; i++) {
        int high = 0;
        int low = 0;
        if (customer[i] == '%') {
            high = g_ascii_xdigit_value(customer[i + 1]);
            low = high < 0 ? -1 : g_ascii_xdigit_value(customer[i + 2]);
            if (high < 0 || low < 0 || high + low == 0)
                return FALSE;
            g_string_append_c(keep, (char)(high << 4 | low));
            i += 2;
        } else {
            g_string_append_c(keep, customer[i]);
        }
    }
    if (customer_chars == 1 && *customer != '%')
        g_string_append_c(keep, *customer);
    /* Whatever else could be read so is another file's name. */
    g_autofree char *again = volume_usage_name(keep->str + begin, *day_us);
    return strcmp(again, name) == 0 && g_utf8_validate(keep->str + begin, -1, NULL);
}

static void
put_key(GString *keep, const char *tar_name)
{
    static const char digits[] = "0123456789ABCDEF";

    if (g_utf8_validate(tar_name, -1, NULL)) {
        g_string_append(keep, tar_name);
        return;
    }
    for (const char *at = tar_name; *at != '\0'; at++) {
        guchar byte = (guchar)*at;
        if (byte >= 0x20 && byte < 0x7f && byte != '%') {
            g_string_append_c(keep, *at);
            continue;
        }
        g_string_append_c(keep, '%');
        g_string_append_c(keep, digits[byte >> 4]);
        g_string_append_c(keep, digits[byte & 15]);
    }
}

void
volume_record_describe(const char *tar_name, gint64 mtime_s, GString *keep, VolumeRecord *record)
{
    g_string_truncate(keep, 0);
    put_key(keep, tar_name);
    g_string_append_c(keep, '\0');
    gsize customer = keep->len;
    gint64 day_us = 0;
    gboolean is_usage =
        g_str_has_prefix(tar_name, "usage/") && read_usage_name(tar_name, keep, &day_us);

    record->key = keep->str;
    record->customer = is_usage ? keep->str + customer : NULL;
    record->from_us = is_usage ? day_us : CLAMP(mtime_s, MTIME_MIN_S, MTIME_MAX_S) * G_USEC_PER_SEC;
    record->to_us = is_usage ? day_us + DAY_US - 1 : record->from_us;
}

static void
put_time(GString *out, const char *before, gint64 time_us)
{
    g_string_append(out, before);
    usage_print_time(out, time_us);
    g_string_append_c(out, '"');
}

void
volume_record_print(const VolumeRecord *record, GString *out)
{
    json_open(out, NULL, '{');
    json_put_string(out, "key", record->key);
    if (record->customer)
        json_put_string(out, "customer", record->customer);
    put_time(out, ",\"from\":\"", record->from_us);
    put_time(out, ",\"to\":\"", record->to_us);
    json_put_uint(out, "size", record->size_bytes);
    json_put_string(out, "sha256", record->sha256);
    json_put_uint(out, "frame", record->frame);
    json_put_uint(out, "offset", record->offset);
    g_string_append(out, "}\n");
}

static gboolean
take(JsonScan *scan, const char *literal)
{
    gsize size = strlen(literal);

    if ((gsize)(scan->end - scan->at) < size || memcmp(scan->at, literal, size) != 0)
        return json_scan_fail(scan, literal);
    scan->at += size;
    return TRUE;
}

/* Takes a string, as json_put_string() writes it; unescaped in place, with a NUL for its quote. */
static gboolean
take_string(JsonScan *scan, const char **text)
{
    char *begin = scan->at;
    guint flags = 0;

    if (*begin != '"' || !json_scan_string(scan, &flags) ||
        flags & (JSON_STRING_FOREIGN | JSON_STRING_NUL))
        return json_scan_fail(scan, "a string");
    gsize size = (gsize)(scan->at - begin) - 2;
    if (flags & JSON_STRING_ESCAPES)
        size = json_unescape(begin + 1, size);
    begin[1 + size] = '\0';
    *text = begin + 1;
    return TRUE;
}

static gboolean
take_time(JsonScan *scan, gint64 *time_us)
{
    g_autoptr(GString) again = g_string_sized_new(TIME_CHARS + 1);

    if (scan->end - scan->at < TIME_CHARS || !usage_parse_time(scan->at, TIME_CHARS, time_us))
        return json_scan_fail(scan, "a time");
    usage_print_time(again, *time_us);
    if (memcmp(again->str, scan->at, TIME_CHARS) != 0)
        return json_scan_fail(scan, "a time in UTC with microseconds");
    scan->at += TIME_CHARS;
    return TRUE;
}

static gboolean
take_number(JsonScan *scan, guint64 max, guint64 *value)
{
    const char *begin = scan->at;

    *value = 0;
    for (; g_ascii_isdigit(*scan->at) && *value <= max; scan->at++)
        *value = *value * 10 + (guint64)(*scan->at - '0');
    if (scan->at == begin || (*begin == '0' && scan->at > begin + 1) || *value > max)
        return json_scan_fail(scan, "a number that can be");
    return TRUE;
}

static gboolean
take_digest(JsonScan *scan, char hex[SHA256_CHARS + 1])
{
    if (strspn(scan->at, "0123456789abcdef") != SHA256_CHARS)
        return json_scan_fail(scan, "a SHA-256");
    memcpy(hex, scan->at, SHA256_CHARS);
    hex[SHA256_CHARS] = '\0';
    scan->at += SHA256_CHARS;
    return TRUE;
}

static gboolean
take_record(JsonScan *scan, VolumeRecord *record)
{
    guint64 offset = 0;

    if (!take(scan, "{\"key\":") || !take_string(scan, &record->key))
        return FALSE;
    if (*record->key == '\0')
        return json_scan_fail(scan, "a key");
    if (g_str_has_prefix(scan->at, ",\"customer\":") &&
        (!take(scan, ",\"customer\":") || !take_string(scan, &record->customer)))
        return FALSE;
    if (!take(scan, ",\"from\":\"") || !take_time(scan, &record->from_us) ||
        !take(scan, "\",\"to\":\"") || !take_time(scan, &record->to_us) ||
        !take(scan, "\",\"size\":") || !take_number(scan, SIZE_MAX_U64, &record->size_bytes) ||
        !take(scan, ",\"sha256\":\"") || !take_digest(scan, record->sha256) ||
        !take(scan, "\",\"frame\":") ||
        !take_number(scan, SEEK_TABLE_FRAMES_MAX - 1, &record->frame) ||
        !take(scan, ",\"offset\":") || !take_number(scan, VOLUME_FRAME_BYTES - 1, &offset) ||
        !take(scan, "}"))
        return FALSE;
    record->offset = (guint32)offset;
    if (scan->at != scan->end)
        return json_scan_fail(scan, "nothing behind the record");
    return record->from_us <= record->to_us || json_scan_fail(scan, "an end behind its begin");
}

gboolean
volume_record_parse(const char *line, gsize size_bytes, GString *keep, VolumeRecord *record,
                    GError **error)
{
    if (size_bytes > VOLUME_LINE_MAX_BYTES || memchr(line, '\0', size_bytes)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "a line that is too long or has "
                    "a NUL");
        return FALSE;
    }
    g_string_truncate(keep, 0);
    g_string_append_len(keep, line, (gssize)size_bytes);
    JsonScan scan = {.at = keep->str, .end = keep->str + size_bytes};
    *record = (VolumeRecord){0};
    if (take_record(&scan, record))
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT, "byte %zu: expected %s",
                (gsize)(scan.at - keep->str), scan.expected);
    return FALSE;
}

gboolean
volume_record_matches(const VolumeRecord *record, const char *customer, const char *glob,
                      gint64 from_us, gint64 to_us)
{
    if (record->from_us > to_us || record->to_us < from_us)
        return FALSE;
    if (customer && (!record->customer || strcmp(record->customer, customer) != 0))
        return FALSE;
    return !glob || fnmatch(glob, record->key, 0) == 0;
}
