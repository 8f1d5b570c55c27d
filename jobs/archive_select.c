/* archive_select.c - from what is asked for to the volumes and lines that have it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_select.h"

#include <string.h>

#include "formats/usage.h"

enum {
    /* An index up to this size is hashed before a record is looked for in it; that takes less than
     * opening the volume over a network does. */
    CHECK_MAX_BYTES = 2 << 20,
    PIECE_BYTES = 256 << 10
};

const char *
archive_split_record(const char *text, char volume[VOLUME_NAME_CHARS + 1])
{
    g_strlcpy(volume, text, VOLUME_NAME_CHARS + 1);
    if (volume_is_name(volume) && text[VOLUME_NAME_CHARS] == ':')
        return text + VOLUME_NAME_CHARS + 1;
    volume[0] = '\0';
    return text;
}

gboolean
archive_wants_volume(const ArchiveSelection *selection, const CatalogueVolume *volume)
{
    char name[VOLUME_NAME_CHARS + 1] = "";

    if (selection->record)
        archive_split_record(selection->record, name);
    if (volume->expired || (*name && strcmp(name, volume->name) != 0))
        return FALSE;
    return !selection->volume || strcmp(selection->volume, volume->name) == 0;
}

static void
put_condition(GString *out, const char *name, const char *value)
{
    if (!value)
        return;
    g_string_append_printf(out, "%s%s %s", out->len > 0 ? ", " : "", name, value);
}

static void
put_time(GString *out, const char *name, gint64 time_us)
{
    g_string_append_printf(out, "%s%s ", out->len > 0 ? ", " : "", name);
    usage_print_time(out, time_us);
}

char *
archive_selection_describe(const ArchiveSelection *selection)
{
    GString *out = g_string_new(NULL);

    put_condition(out, "record", selection->record);
    put_condition(out, "volume", selection->volume);
    put_condition(out, "path", selection->glob);
    put_condition(out, "customer", selection->customer);
    if (selection->from_us != G_MININT64)
        put_time(out, "from", selection->from_us);
    if (selection->to_us != G_MAXINT64)
        put_time(out, "to", selection->to_us);
    if (out->len == 0)
        g_string_append(out, "everything");
    return g_string_free(out, FALSE);
}

char *
archive_clean(const char *text)
{
    GString *out = g_string_new(NULL);

    while (*text != '\0') {
        gunichar character = g_utf8_get_char_validated(text, -1);
        gboolean valid = character != (gunichar)-1 && character != (gunichar)-2;
        gsize size = valid ? (gsize)(g_utf8_next_char(text) - text) : 1;
        if (valid && g_unichar_isprint(character))
            g_string_append_len(out, text, (gssize)size);
        else
            for (gsize i = 0; i < size; i++)
                g_string_append_printf(out, "\\x%02x", (guchar)text[i]);
        text += size;
    }
    return g_string_free(out, FALSE);
}

/* Opens a file of the volume, which must have the size that the manifest gives. */
static TierFile *
open_file(ArchiveVolume *open, VolumeFile file, GError **error)
{
    g_autofree char *path = volume_path(open->volume->name, file);
    g_autoptr(TierFile) opened = tier_file_open(open->archive->tier, path, error);

    if (!opened || tier_file_size(opened) == open->manifest.size_bytes[file])
        return g_steal_pointer(&opened);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s has %" G_GUINT64_FORMAT " bytes, but %" G_GUINT64_FORMAT " in its manifest",
                path, tier_file_size(opened), open->manifest.size_bytes[file]);
    return NULL;
}

ArchiveVolume *
archive_volume_open(Archive *archive, const CatalogueVolume *volume, GError **error)
{
    g_autoptr(ArchiveVolume) open = g_new0(ArchiveVolume, 1);

    open->archive = archive;
    open->volume = volume;
    if (!archive_manifest(archive, volume, &open->manifest, error))
        return NULL;
    open->index = open_file(open, VOLUME_INDEX, error);
    return open->index ? g_steal_pointer(&open) : NULL;
}

void
archive_volume_close(ArchiveVolume *open)
{
    g_clear_pointer(&open->tar, volume_tar_free);
    g_clear_pointer(&open->file, tier_file_close);
    g_clear_pointer(&open->index, tier_file_close);
    volume_manifest_clear(&open->manifest);
    g_free(open);
}

VolumeTar *
archive_volume_tar(ArchiveVolume *open, GError **error)
{
    g_autofree char *path = volume_path(open->volume->name, VOLUME_TAR);

    if (!open->file)
        open->file = open_file(open, VOLUME_TAR, error);
    if (open->file && !open->tar)
        open->tar = volume_tar_open(open->file, path, error);
    return open->tar;
}

/* Puts the index's name before the error. Returns FALSE. */
static gboolean
index_fail(const ArchiveVolume *open, GError **error)
{
    g_prefix_error(error, "volumes/%s%s: ", open->volume->name, volume_suffix(VOLUME_INDEX));
    return FALSE;
}

gboolean
archive_volume_check_index(ArchiveVolume *open, GError **error)
{
    g_autoptr(Sha256) sha256 = sha256_new();
    g_autofree guint8 *piece = g_malloc(PIECE_BYTES);
    char hex[SHA256_CHARS + 1];
    guint64 offset = 0;
    gssize got = 1;

    while (!open->index_checked && got > 0) {
        got = tier_file_read(open->index, offset, piece, PIECE_BYTES, error);
        sha256_add(sha256, piece, (gsize)MAX(got, 0));
        offset += (guint64)MAX(got, 0);
    }
    if (got < 0)
        return index_fail(open, error);
    sha256_finish(sha256, hex);
    if (!open->index_checked && strcmp(hex, open->manifest.sha256[VOLUME_INDEX]) != 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "it is damaged: its SHA-256 is not that of the manifest; millrace archive "
                    "repair makes it anew from the volume");
        return index_fail(open, error);
    }
    open->index_checked = TRUE;
    return TRUE;
}

typedef struct {
    const ArchiveSelection *selection;
    VolumeOnLine on_line;
    gpointer data;
    const char *key; /* the only one; NULL */
    guint64 count;
    gboolean stopped; /* by on_line, whose error is not the index's */
} Each;

static gboolean
pick_line(const VolumeRecord *record, const char *line, gsize size_bytes, gpointer data,
          GError **error)
{
    Each *each = data;
    const ArchiveSelection *selection = each->selection;

    each->count++;
    if (each->key && strcmp(each->key, record->key) != 0)
        return TRUE;
    if (!volume_record_matches(record, selection->customer, selection->glob, selection->from_us,
                               selection->to_us))
        return TRUE;
    each->stopped = !each->on_line(record, line, size_bytes, each->data, error);
    return !each->stopped;
}

gboolean
archive_volume_each(ArchiveVolume *open, const ArchiveSelection *selection, VolumeOnLine on_line,
                    gpointer data, GError **error)
{
    Each each = {.selection = selection, .on_line = on_line, .data = data};
    char volume[VOLUME_NAME_CHARS + 1];

    if (selection->record)
        each.key = archive_split_record(selection->record, volume);
    if (!archive_volume_check_index(open, error))
        return FALSE;
    if (!volume_index_each(open->index, pick_line, &each, error))
        return each.stopped ? FALSE : index_fail(open, error);
    if (each.count == open->manifest.record_count)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%" G_GUINT64_FORMAT " lines, but %" G_GUINT64_FORMAT " records in the manifest",
                each.count, open->manifest.record_count);
    return index_fail(open, error);
}

int
archive_volume_find(ArchiveVolume *open, const char *key, GString *keep, VolumeRecord *record,
                    GError **error)
{
    if (tier_file_size(open->index) <= CHECK_MAX_BYTES && !archive_volume_check_index(open, error))
        return -1;
    int found = volume_index_find(open->index, key, keep, record, error);
    if (found < 0)
        index_fail(open, error);
    return found;
}

static void
found_free(gpointer data)
{
    ArchiveFound *found = data;

    g_clear_pointer(&found->open, archive_volume_close);
    g_string_free(found->keep, TRUE);
    g_free(found);
}

GPtrArray *
archive_find(Archive *archive, const ArchiveSelection *selection, ArchiveOnBad on_bad,
             gpointer data)
{
    GPtrArray *all = g_ptr_array_new_with_free_func(found_free);
    const GPtrArray *volumes = catalogue_volumes(archive->catalogue);
    char name[VOLUME_NAME_CHARS + 1];
    const char *key = archive_split_record(selection->record, name);

    for (guint i = 0; i < volumes->len; i++) {
        const CatalogueVolume *volume = volumes->pdata[i];
        g_autoptr(GError) error = NULL;
        if (!archive_wants_volume(selection, volume))
            continue;
        ArchiveFound *found = g_new0(ArchiveFound, 1);
        found->keep = g_string_new(NULL);
        found->open = archive_volume_open(archive, volume, &error);
        int there = found->open
                        ? archive_volume_find(found->open, key, found->keep, &found->record, &error)
                        : -1;
        if (there == 1)
            g_ptr_array_add(all, found);
        else
            found_free(found);
        if (there < 0)
            on_bad(error->message, data);
    }
    return all;
}
