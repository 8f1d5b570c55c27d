/* volume_manifest.c - the manifest of a volume: lines "# KEY VALUE", which sha256sum passes over,
 * and the lines that it checks.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/usage.h"
#include "formats/volume.h"

#define FIRST_LINE   "# millrace volume 1"
#define COUNT_MAX    (G_GUINT64_CONSTANT(1) << 62)
#define LEVEL_MIN    (-(1 << 17)) /* zstd's own limits */
#define LEVEL_MAX    22
#define HEX_DIGITS   "0123456789abcdef"
#define TEXT_MAX     1024 /* of a class, of made-by */
#define VOLUME_FIRST VOLUME_TAR

void
volume_manifest_clear(VolumeManifest *manifest)
{
    g_free(manifest->class);
    g_free(manifest->made_by);
    *manifest = (VolumeManifest){0};
}

/* Files that the manifest speaks of. */
static guint
file_count(const VolumeManifest *manifest)
{
    return manifest->parity.parity > 0 ? VOLUME_PARITY + 1 : VOLUME_PARITY;
}

static void
put_time(GString *out, const char *key, gint64 time_us)
{
    g_string_append_printf(out, "# %s ", key);
    usage_print_time(out, time_us);
    g_string_append_c(out, '\n');
}

static void
put_count(GString *out, const char *key, guint64 count)
{
    g_string_append_printf(out, "# %s %" G_GUINT64_FORMAT "\n", key, count);
}

void
volume_manifest_print(const VolumeManifest *manifest, GString *out)
{
    g_string_append_printf(out, FIRST_LINE "\n# volume %s\n# class %s\n", manifest->volume,
                           manifest->class);
    put_time(out, "packed", manifest->packed_us);
    put_time(out, "retain-until", manifest->retain_until_us);
    put_count(out, "records", manifest->record_count);
    put_count(out, "record-bytes", manifest->record_bytes);
    put_count(out, "frames", manifest->frame_count);
    g_string_append_printf(out, "# level %d\n", manifest->level);
    if (manifest->parity.parity > 0)
        g_string_append_printf(out, "# parity %u+%u\n", manifest->parity.data,
                               manifest->parity.parity);
    else
        g_string_append(out, "# parity none\n");
    g_string_append(out, "# merkle-root ");
    for (guint i = 0; i < MERKLE_BYTES; i++)
        g_string_append_printf(out, "%02x", manifest->root[i]);
    g_string_append_printf(out, "\n# previous %s\n# made-by %s\n", manifest->previous,
                           manifest->made_by);
    for (guint i = 0; i < file_count(manifest); i++)
        g_string_append_printf(out, "# size %" G_GUINT64_FORMAT " %s%s\n", manifest->size_bytes[i],
                               manifest->volume, volume_suffix((VolumeFile)i));
    for (guint i = 0; i < file_count(manifest); i++)
        g_string_append_printf(out, "%s  %s%s\n", manifest->sha256[i], manifest->volume,
                               volume_suffix((VolumeFile)i));
}

/* Takes a decimal number without leading zeros; *end: behind it. */
static gboolean
take_count(const char *text, guint64 max, guint64 *count, const char **end)
{
    const char *at = text;

    for (*count = 0; g_ascii_isdigit(*at) && *count <= max; at++)
        *count = *count * 10 + (guint64)(*at - '0');
    *end = at;
    return at > text && (*text != '0' || at == text + 1) && *count <= max;
}

static gboolean
read_count(const char *text, guint64 *count)
{
    const char *end = NULL;

    return take_count(text, COUNT_MAX, count, &end) && *end == '\0';
}

static gboolean
read_level(const char *text, int *level)
{
    gboolean negative = *text == '-';
    const char *end = NULL;
    guint64 size = 0;

    if (!take_count(text + negative, (guint64)(negative ? -LEVEL_MIN : LEVEL_MAX), &size, &end) ||
        *end != '\0' || (negative && size == 0))
        return FALSE;
    *level = negative ? -(int)size : (int)size;
    return TRUE;
}

/* A time as it is printed, and no other spelling of it. */
static gboolean
read_time(const char *text, gint64 *time_us)
{
    if (!usage_parse_time(text, strlen(text), time_us))
        return FALSE;
    g_autoptr(GString) again = g_string_new(NULL);
    usage_print_time(again, *time_us);
    return strcmp(again->str, text) == 0;
}

static gboolean
is_digest(const char *text)
{
    return strspn(text, HEX_DIGITS) == SHA256_CHARS && text[SHA256_CHARS] == '\0';
}

static gboolean
read_root(const char *text, guint8 root[MERKLE_BYTES])
{
    if (!is_digest(text))
        return FALSE;
    for (guint i = 0; i < MERKLE_BYTES; i++)
        root[i] = (guint8)(g_ascii_xdigit_value(text[2 * i]) << 4 |
                           g_ascii_xdigit_value(text[2 * i + 1]));
    return TRUE;
}

static gboolean
read_shape(const char *text, ParityShape *shape)
{
    const char *end = NULL;
    guint64 data = 0;
    guint64 parity = 0;

    *shape = (ParityShape){0};
    if (strcmp(text, "none") == 0)
        return TRUE;
    if (!take_count(text, PARITY_DATA_MAX, &data, &end) || *end != '+' ||
        !take_count(end + 1, PARITY_PARITY_MAX, &parity, &end) || *end != '\0' || data == 0 ||
        parity == 0)
        return FALSE;
    *shape = (ParityShape){(guint)data, (guint)parity};
    return TRUE;
}

/* Words for people, on one line. */
static gboolean
read_text(const char *text, char **out)
{
    gsize size = strlen(text);

    if (size == 0 || size > TEXT_MAX || !g_utf8_validate(text, (gssize)size, NULL))
        return FALSE;
    for (const char *at = text; *at != '\0'; at++)
        if (g_ascii_iscntrl(*at))
            return FALSE;
    *out = g_strdup(text);
    return TRUE;
}

/* What is read of a manifest while it is. */
typedef struct {
    VolumeManifest *manifest;
    guint keys_seen;    /* a bit each */
    guint sizes_seen;   /* of files, a bit each */
    guint digests_seen; /* likewise */
} Parsing;

/* Which file of the volume this names. FALSE when it is none, or was named already. */
static gboolean
see_file(const VolumeManifest *manifest, const char *text, guint *seen, VolumeFile *file)
{
    if (strncmp(text, manifest->volume, VOLUME_NAME_CHARS) != 0 || *manifest->volume == '\0')
        return FALSE;
    for (guint i = VOLUME_FIRST; i <= VOLUME_PARITY; i++) {
        if (strcmp(text + VOLUME_NAME_CHARS, volume_suffix((VolumeFile)i)) != 0)
            continue;
        gboolean first = !(*seen & 1u << i);
        *seen |= 1u << i;
        *file = (VolumeFile)i;
        return first;
    }
    return FALSE;
}

static gboolean
read_size(Parsing *parsing, const char *value)
{
    const char *end = NULL;
    guint64 size_bytes = 0;
    VolumeFile file = VOLUME_TAR;

    if (!take_count(value, COUNT_MAX, &size_bytes, &end) || *end != ' ' ||
        !see_file(parsing->manifest, end + 1, &parsing->sizes_seen, &file))
        return FALSE;
    parsing->manifest->size_bytes[file] = size_bytes;
    return TRUE;
}

enum {
    KEY_VOLUME,
    KEY_CLASS,
    KEY_PACKED,
    KEY_RETAIN,
    KEY_RECORDS,
    KEY_RECORD_BYTES,
    KEY_FRAMES,
    KEY_LEVEL,
    KEY_PARITY,
    KEY_ROOT,
    KEY_PREVIOUS,
    KEY_MADE_BY,
    KEYS
};
static const char *const keys[KEYS] = {"volume",  "class",        "packed",   "retain-until",
                                       "records", "record-bytes", "frames",   "level",
                                       "parity",  "merkle-root",  "previous", "made-by"};

static gboolean
read_value(VolumeManifest *manifest, guint key, const char *value)
{
    switch (key) {
    case KEY_VOLUME:
        if (!volume_is_name(value))
            return FALSE;
        g_strlcpy(manifest->volume, value, sizeof manifest->volume);
        return TRUE;
    case KEY_CLASS:
        return read_text(value, &manifest->class);
    case KEY_PACKED:
        return read_time(value, &manifest->packed_us);
    case KEY_RETAIN:
        return read_time(value, &manifest->retain_until_us);
    case KEY_RECORDS:
        return read_count(value, &manifest->record_count);
    case KEY_RECORD_BYTES:
        return read_count(value, &manifest->record_bytes);
    case KEY_FRAMES:
        return read_count(value, &manifest->frame_count);
    case KEY_LEVEL:
        return read_level(value, &manifest->level);
    case KEY_PARITY:
        return read_shape(value, &manifest->parity);
    case KEY_ROOT:
        return read_root(value, manifest->root);
    case KEY_PREVIOUS:
        g_strlcpy(manifest->previous, value, sizeof manifest->previous);
        return strcmp(value, "none") == 0 || is_digest(value);
    default:
        return read_text(value, &manifest->made_by);
    }
}

/* "KEY VALUE", behind "# ". */
static gboolean
read_remark(Parsing *parsing, const char *text)
{
    gsize key_chars = strcspn(text, " ");
    const char *value = text + key_chars + (text[key_chars] == ' ');

    if (key_chars == strlen("size") && g_str_has_prefix(text, "size"))
        return read_size(parsing, value);
    for (guint i = 0; i < KEYS; i++) {
        if (strlen(keys[i]) != key_chars || memcmp(keys[i], text, key_chars) != 0)
            continue;
        if (parsing->keys_seen & 1u << i)
            return FALSE;
        parsing->keys_seen |= 1u << i;
        return read_value(parsing->manifest, i, value);
    }
    return TRUE;
}

/* "HEX  FILE". */
static gboolean
read_digest(Parsing *parsing, const char *line)
{
    VolumeFile file = VOLUME_TAR;

    if (strspn(line, HEX_DIGITS) != SHA256_CHARS || !g_str_has_prefix(line + SHA256_CHARS, "  ") ||
        !see_file(parsing->manifest, line + SHA256_CHARS + 2, &parsing->digests_seen, &file))
        return FALSE;
    g_strlcpy(parsing->manifest->sha256[file], line, SHA256_CHARS + 1);
    return TRUE;
}

static gboolean
refuse(const char *name, guint line, GError **error)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s:%u: this is not a line of a volume's manifest", name, line);
    return FALSE;
}

/* Is all there that must be, and nothing else? */
static gboolean
check_whole(const Parsing *parsing)
{
    const VolumeManifest *manifest = parsing->manifest;
    guint files = (1u << file_count(manifest)) - 1;

    return parsing->keys_seen == (1u << KEYS) - 1 && parsing->sizes_seen == files &&
           parsing->digests_seen == files &&
           strncmp(manifest->volume, manifest->sha256[VOLUME_TAR], VOLUME_NAME_CHARS) == 0;
}

static gboolean
read_lines(const char *name, char *text, Parsing *parsing, GError **error)
{
    guint number = 1;

    for (char *line = text; *line != '\0'; number++) {
        char *end = strchr(line, '\n');
        if (!end)
            return refuse(name, number, error);
        *end = '\0';
        gboolean known = number == 1                    ? strcmp(line, FIRST_LINE) == 0
                         : g_str_has_prefix(line, "# ") ? read_remark(parsing, line + 2)
                                                        : read_digest(parsing, line);
        if (!known)
            return refuse(name, number, error);
        line = end + 1;
    }
    return TRUE;
}

gboolean
volume_manifest_parse(const char *name, const char *text, gsize size_bytes,
                      VolumeManifest *manifest, GError **error)
{
    Parsing parsing = {.manifest = manifest};

    *manifest = (VolumeManifest){0};
    if (size_bytes > VOLUME_MANIFEST_MAX || memchr(text, '\0', size_bytes)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "%s: too large for a manifest, or no text", name);
        return FALSE;
    }
    g_autofree char *copy = g_strndup(text, size_bytes);
    gboolean whole = read_lines(name, copy, &parsing, error);
    if (whole && !check_whole(&parsing)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "%s: lines of the manifest are missing, or do not fit together", name);
        whole = FALSE;
    }
    if (!whole)
        volume_manifest_clear(manifest);
    return whole;
}
