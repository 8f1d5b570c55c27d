/* archive_prove.c - the line of the index, the path from it to the root that is in the manifest,
 * the manifest, and its signature. SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_prove.h"

#include <string.h>

#include "formats/json.h"

/* Leaves of a volume, which are in one array. */
#define LEAVES_MAX (G_MAXINT32 / MERKLE_BYTES)

typedef struct {
    const char *key;
    GByteArray *leaves; /* hashes */
    GString *line;      /* of the record; empty until it is found */
    guint64 index;      /* its place */
} Proof;

static gboolean
take_line(const VolumeRecord *record, const char *line, gsize size_bytes, gpointer data,
          GError **error)
{
    Proof *proof = data;
    guint8 leaf[MERKLE_BYTES];
    guint64 index = proof->leaves->len / MERKLE_BYTES;

    if (index == LEAVES_MAX) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                    "a volume of more than %d records is too large to prove one", LEAVES_MAX);
        return FALSE;
    }
    merkle_leaf(line, size_bytes, leaf);
    g_byte_array_append(proof->leaves, leaf, MERKLE_BYTES);
    if (strcmp(record->key, proof->key) == 0) {
        g_string_append_len(proof->line, line, (gssize)size_bytes);
        proof->index = index;
    }
    return TRUE;
}

/* Volumes that cannot be searched, on their way to the caller. */
typedef struct {
    ArchiveOnBad on_bad;
    gpointer data;
    guint count;
} Unsearched;

static void
count_unsearched(const char *text, gpointer data)
{
    Unsearched *unsearched = data;

    unsearched->count++;
    unsearched->on_bad(text, unsearched->data);
}

/* The one record that is meant. Borrowed from found; NULL and error. */
static ArchiveFound *
choose(const GPtrArray *found, guint unsearched_count, const char *record, GError **error)
{
    g_autoptr(GString) volumes = g_string_new(NULL);
    gboolean same = TRUE;

    for (guint i = 0; i < found->len; i++) {
        const ArchiveFound *one = found->pdata[i];
        const ArchiveFound *first = found->pdata[0];
        same = same && strcmp(one->record.sha256, first->record.sha256) == 0;
        g_string_append_printf(volumes, "%s%s", i > 0 ? ", " : "", one->open->volume->name);
    }
    if (found->len > 0 && same)
        return found->pdata[0];
    g_autofree char *clean = archive_clean(record);
    if (found->len == 0)
        g_set_error(error, MILLRACE_ERROR,
                    unsearched_count > 0 ? MILLRACE_ERROR_CORRUPT : MILLRACE_ERROR_NO_INPUT,
                    "no volume%s has the record %s",
                    unsearched_count > 0 ? " that can be searched" : "", clean);
    else
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                    "%s is in several volumes, with other bytes (%s): say which by VOLUME:KEY",
                    clean, volumes->str);
    return NULL;
}

/* Reads a text of the volume once more, which has been checked before. (transfer full) */
static char *
read_text(const ArchiveVolume *open, VolumeFile file, const char *sha256, GError **error)
{
    char hex[SHA256_CHARS + 1];
    gsize size_bytes = 0;
    g_autofree char *path = volume_path(open->volume->name, file);
    g_autofree char *text =
        tier_read_all(open->archive->tier, path, VOLUME_MANIFEST_MAX, &size_bytes, error);

    if (!text)
        return NULL;
    sha256_hex(text, size_bytes, hex);
    if (strcmp(hex, sha256) == 0 && g_utf8_validate(text, (gssize)size_bytes, NULL))
        return g_steal_pointer(&text);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT, "%s has changed, or is no text",
                path);
    return NULL;
}

static void
put_path(GString *out, const guint8 (*path)[MERKLE_BYTES], guint count)
{
    char hex[2 * MERKLE_BYTES + 1] = "";

    json_open(out, "path", '[');
    for (guint i = 0; i < count; i++) {
        for (guint k = 0; k < MERKLE_BYTES; k++)
            g_snprintf(hex + (gsize)2 * k, 3, "%02x", path[i][k]);
        json_put_string(out, NULL, hex);
    }
    g_string_append_c(out, ']');
}

static gboolean
print_proof(const ArchiveVolume *open, const Proof *proof, GString *out, GError **error)
{
    guint8 path[MERKLE_PATH_MAX][MERKLE_BYTES];
    guint8 root[MERKLE_BYTES];
    guint64 count = proof->leaves->len / MERKLE_BYTES;
    guint path_count = merkle_path(proof->leaves->data, count, proof->index, path);

    if (!merkle_climb(proof->leaves->data + proof->index * MERKLE_BYTES, proof->index, count,
                      (const guint8(*)[MERKLE_BYTES])path, path_count, root) ||
        memcmp(root, open->manifest.root, MERKLE_BYTES) != 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "volume %s: its index has another Merkle root than its manifest",
                    open->volume->name);
        return FALSE;
    }
    g_autofree char *manifest = read_text(open, VOLUME_MANIFEST, open->volume->manifest, error);
    g_autofree char *minisig =
        manifest ? read_text(open, VOLUME_MINISIG, open->volume->minisig, error) : NULL;
    if (!minisig)
        return FALSE;
    json_open(out, NULL, '{');
    json_put_int(out, "millrace_proof", 1);
    json_put_string(out, "record", proof->line->str);
    json_put_uint(out, "leaf", proof->index);
    json_put_uint(out, "records", count);
    put_path(out, (const guint8(*)[MERKLE_BYTES])path, path_count);
    json_put_string(out, "manifest", manifest);
    json_put_string(out, "minisig", minisig);
    g_string_append(out, "}\n");
    return TRUE;
}

gboolean
archive_prove(Archive *archive, const char *record, ArchiveOnBad on_bad, gpointer data,
              GString *out, GError **error)
{
    const ArchiveSelection wanted = {.record = record, .from_us = G_MININT64, .to_us = G_MAXINT64};
    const ArchiveSelection all = ARCHIVE_SELECTION_ALL;
    char volume[VOLUME_NAME_CHARS + 1];
    Unsearched unsearched = {.on_bad = on_bad, .data = data};
    g_autoptr(GPtrArray) found = archive_find(archive, &wanted, count_unsearched, &unsearched);
    g_autoptr(GByteArray) leaves = g_byte_array_new();
    g_autoptr(GString) line = g_string_new(NULL);
    Proof proof = {.key = archive_split_record(record, volume), .leaves = leaves, .line = line};
    const ArchiveFound *one = choose(found, unsearched.count, record, error);

    if (!one || !archive_volume_each(one->open, &all, take_line, &proof, error))
        return FALSE;
    g_assert(line->len > 0);
    return print_proof(one->open, &proof, out, error);
}
