/* archive_list.c - lines on records and volumes, for people and as JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_list.h"

#include <errno.h>
#include <string.h>

#include "formats/json.h"
#include "formats/usage.h"

typedef struct {
    Archive *archive;
    const ArchiveListConfig *config;
    FILE *out;
    GString *line;
    const CatalogueVolume *volume;
    guint64 line_count;
    guint64 bad_count;
} Listing;

static gboolean
put_line(Listing *listing, GError **error)
{
    g_string_append_c(listing->line, '\n');
    listing->line_count++;
    if (fwrite(listing->line->str, 1, listing->line->len, listing->out) == listing->line->len)
        return TRUE;
    return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "writing the list");
}

static void
count_bad(const char *text, gpointer data)
{
    Listing *listing = data;
    g_autofree char *clean = archive_clean(text);

    listing->bad_count++;
    listing->config->on_bad(clean, listing->config->data);
}

static void
put_time_member(GString *out, const char *key, gint64 time_us)
{
    g_autoptr(GString) text = g_string_new(NULL);

    usage_print_time(text, time_us);
    json_put_string(out, key, text->str);
}

static gboolean
put_record(const VolumeRecord *record, const char *line, gsize size_bytes, gpointer data,
           GError **error)
{
    Listing *listing = data;
    GString *out = listing->line;

    g_string_truncate(out, 0);
    if (listing->config->json) {
        /* The line of the index, with the volume before. */
        json_open(out, NULL, '{');
        json_put_string(out, "volume", listing->volume->name);
        g_string_append_c(out, ',');
        g_string_append_len(out, line + 1, (gssize)size_bytes - 1);
        return put_line(listing, error);
    }
    g_autofree char *key = archive_clean(record->key);
    g_string_append_printf(out, "%s %" G_GUINT64_FORMAT " ", listing->volume->name,
                           record->size_bytes);
    usage_print_time(out, record->from_us);
    g_string_append_printf(out, " %s", key);
    return put_line(listing, error);
}

/* Lists the selected records of a volume. Damage is told of; FALSE is for what ends the list. */
static gboolean
list_volume_records(Listing *listing, GError **error)
{
    g_autoptr(GError) damage = NULL;
    g_autoptr(ArchiveVolume) open = archive_volume_open(listing->archive, listing->volume, &damage);

    if (open &&
        archive_volume_each(open, &listing->config->selection, put_record, listing, &damage))
        return TRUE;
    if (ferror(listing->out)) {
        g_propagate_error(error, g_steal_pointer(&damage));
        return FALSE;
    }
    count_bad(damage->message, listing);
    return TRUE;
}

static void
put_volume_json(const CatalogueVolume *volume, GString *out)
{
    json_open(out, NULL, '{');
    json_put_string(out, "volume", volume->name);
    json_put_string(out, "class", volume->class);
    put_time_member(out, "packed", volume->packed_us);
    put_time_member(out, "retain_until", volume->retain_until_us);
    json_put_uint(out, "records", volume->record_count);
    json_put_uint(out, "bytes", volume->bytes);
    json_open(out, "holds", '[');
    for (guint i = 0; i < volume->holds->len; i++)
        json_put_string(out, NULL, volume->holds->pdata[i]);
    g_string_append_c(out, ']');
    if (volume->checked_us != G_MININT64) {
        put_time_member(out, "checked", volume->checked_us);
        json_put_string(out, "result", volume->check_result);
    }
    if (volume->expired)
        put_time_member(out, "expired", volume->expired_us);
    g_string_append_c(out, '}');
}

static void
put_volume_text(const CatalogueVolume *volume, GString *out)
{
    g_autofree char *class = archive_clean(volume->class);

    g_string_append_printf(out, "%s %s packed ", volume->name, class);
    usage_print_time(out, volume->packed_us);
    g_string_append(out, " retain-until ");
    usage_print_time(out, volume->retain_until_us);
    g_string_append_printf(out, " records %" G_GUINT64_FORMAT " bytes %" G_GUINT64_FORMAT,
                           volume->record_count, volume->bytes);
    if (volume->checked_us == G_MININT64) {
        g_string_append(out, " never-checked");
    } else {
        g_autofree char *result = archive_clean(volume->check_result ? volume->check_result : "?");
        g_string_append(out, " checked ");
        usage_print_time(out, volume->checked_us);
        g_string_append_printf(out, " %s", result);
    }
    for (guint i = 0; i < volume->holds->len; i++) {
        g_autofree char *name = archive_clean(volume->holds->pdata[i]);
        g_string_append_printf(out, " hold %s", name);
    }
    if (volume->expired) {
        g_string_append(out, " expired ");
        usage_print_time(out, volume->expired_us);
    }
}

static gboolean
list_volumes(Listing *listing, GError **error)
{
    const ArchiveListConfig *config = listing->config;
    const GPtrArray *volumes = catalogue_volumes(listing->archive->catalogue);

    for (guint i = 0; i < volumes->len; i++) {
        const CatalogueVolume *volume = volumes->pdata[i];
        const char *only = config->selection.volume;
        if ((volume->expired && !config->tombstones) || (only && strcmp(only, volume->name) != 0))
            continue;
        g_string_truncate(listing->line, 0);
        if (config->json)
            put_volume_json(volume, listing->line);
        else
            put_volume_text(volume, listing->line);
        if (!put_line(listing, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
list_records(Listing *listing, GError **error)
{
    const GPtrArray *volumes = catalogue_volumes(listing->archive->catalogue);

    for (guint i = 0; i < volumes->len; i++) {
        listing->volume = volumes->pdata[i];
        if (archive_wants_volume(&listing->config->selection, listing->volume) &&
            !list_volume_records(listing, error))
            return FALSE;
    }
    return TRUE;
}

/* Where the record lies, so that it can be got at with zstd and tar alone. */
static gboolean
put_place(Listing *listing, const ArchiveFound *found, GError **error)
{
    g_autoptr(GError) damage = NULL;
    g_autofree char *path = volume_path(found->open->volume->name, VOLUME_TAR);
    const VolumeTar *tar = archive_volume_tar(found->open, &damage);
    const SeekFrame *frame = tar && found->record.frame < volume_tar_frame_count(tar)
                                 ? volume_tar_frame(tar, found->record.frame)
                                 : NULL;
    GString *out = listing->line;

    if (damage)
        count_bad(damage->message, listing);
    g_string_truncate(out, 0);
    if (listing->config->json) {
        json_open(out, NULL, '{');
        json_put_string(out, "file", path);
        if (frame) {
            json_put_uint(out, "frame_offset", frame->offset);
            json_put_uint(out, "frame_bytes", frame->compressed_bytes);
        }
        g_string_append_c(out, '}');
    } else {
        g_string_append_printf(out, "  lies in %s, frame %" G_GUINT64_FORMAT, path,
                               found->record.frame);
        if (frame)
            g_string_append_printf(out, " (%u bytes from %" G_GUINT64_FORMAT ")",
                                   frame->compressed_bytes, frame->offset);
        g_string_append_printf(out, ", %u bytes into it; SHA-256 %s", found->record.offset,
                               found->record.sha256);
    }
    return put_line(listing, error);
}

static void
put_entry_json(const CatalogueEntry *entry, GString *out)
{
    json_open(out, NULL, '{');
    json_put_uint(out, "n", entry->number);
    put_time_member(out, "time", entry->time_us);
    json_put_string(out, "actor", entry->actor);
    json_put_string(out, "kind", catalogue_kind_name(entry->kind));
    json_put_string(out, "volume", entry->volume);
    if (entry->kind == CATALOGUE_PACK || entry->kind == CATALOGUE_EXTEND)
        put_time_member(out, "retain_until", entry->retain_until_us);
    if (entry->name)
        json_put_string(out, "name", entry->name);
    if (entry->result)
        json_put_string(out, "result", entry->result);
    if (entry->scope)
        json_put_string(out, "scope", entry->scope);
    if (entry->kind == CATALOGUE_PACK || entry->kind == CATALOGUE_RESTORE)
        json_put_uint(out, "records", entry->record_count);
    if (entry->kind == CATALOGUE_PACK || entry->kind == CATALOGUE_RESTORE ||
        entry->kind == CATALOGUE_REPAIR)
        json_put_uint(out, "bytes", entry->bytes);
    if (entry->note)
        json_put_string(out, "note", entry->note);
    g_string_append_c(out, '}');
}

static void
put_word(GString *out, const char *before, const char *text)
{
    if (!text)
        return;
    g_autofree char *clean = archive_clean(text);
    g_string_append_printf(out, " %s%s", before, clean);
}

static void
put_entry_text(const CatalogueEntry *entry, GString *out)
{
    g_string_append_printf(out, "  %" G_GUINT64_FORMAT " ", entry->number);
    usage_print_time(out, entry->time_us);
    put_word(out, "", entry->actor);
    put_word(out, "", catalogue_kind_name(entry->kind));
    put_word(out, "class ", entry->class);
    put_word(out, "", entry->name);
    put_word(out, "", entry->scope);
    put_word(out, "", entry->result);
    if (entry->kind == CATALOGUE_PACK || entry->kind == CATALOGUE_EXTEND) {
        g_string_append(out, " retain-until ");
        usage_print_time(out, entry->retain_until_us);
    }
    if (entry->kind == CATALOGUE_PACK || entry->kind == CATALOGUE_RESTORE)
        g_string_append_printf(out, " records %" G_GUINT64_FORMAT, entry->record_count);
    if (entry->kind == CATALOGUE_PACK || entry->kind == CATALOGUE_RESTORE ||
        entry->kind == CATALOGUE_REPAIR)
        g_string_append_printf(out, " bytes %" G_GUINT64_FORMAT, entry->bytes);
    put_word(out, "note ", entry->note);
}

/* What was done to a volume, from the first entry to the last. */
static gboolean
put_entries(Listing *listing, GError **error)
{
    const Catalogue *catalogue = listing->archive->catalogue;

    for (guint64 i = 0; i < catalogue_count(catalogue); i++) {
        const CatalogueEntry *entry = catalogue_entry(catalogue, i);
        if (!entry->volume || strcmp(entry->volume, listing->volume->name) != 0)
            continue;
        g_string_truncate(listing->line, 0);
        if (listing->config->json)
            put_entry_json(entry, listing->line);
        else
            put_entry_text(entry, listing->line);
        if (!put_line(listing, error))
            return FALSE;
    }
    return TRUE;
}

/* The record that is asked for, of every volume that is wanted and has it; with its trail where
 * that is. */
static gboolean
list_found(Listing *listing, const ArchiveSelection *selection, GError **error)
{
    gboolean trail = listing->config->what == ARCHIVE_LIST_TRAIL;
    g_autoptr(GPtrArray) all = archive_find(listing->archive, selection, count_bad, listing);
    g_autoptr(GString) line = g_string_new(NULL);

    for (guint i = 0; i < all->len; i++) {
        const ArchiveFound *found = all->pdata[i];
        listing->volume = found->open->volume;
        g_string_truncate(line, 0);
        volume_record_print(&found->record, line);
        if (!put_record(&found->record, line->str, line->len - 1, listing, error) ||
            (trail && (!put_place(listing, found, error) || !put_entries(listing, error))))
            return FALSE;
    }
    return TRUE;
}

static gboolean
list_stream(Listing *listing, GError **error)
{
    const ArchiveListConfig *config = listing->config;
    const CatalogueVolume *volume = NULL;
    int more = 0;

    /* It is read to its end even for what its beginning tells, so that nobody writes to nobody. */
    if (config->what == ARCHIVE_LIST_VOLUMES && !list_volumes(listing, error))
        return FALSE;
    while ((more = archive_tape_next(config->tape, &volume, error)) > 0) {
        ArchiveSelection here = config->selection;
        if (!archive_wants_volume(&here, volume) || config->what == ARCHIVE_LIST_VOLUMES)
            continue;
        here.volume = volume->name;
        listing->volume = volume;
        gboolean good =
            here.record ? list_found(listing, &here, error) : list_volume_records(listing, error);
        if (!good)
            return FALSE;
    }
    const GPtrArray *volumes = catalogue_volumes(listing->archive->catalogue);
    for (guint i = 0; more == 0 && i < volumes->len; i++) {
        volume = volumes->pdata[i];
        if (!archive_wants_volume(&config->selection, volume) ||
            archive_tape_has_seen(config->tape, volume->name))
            continue;
        g_autofree char *text = g_strdup_printf("volume %s is not in the stream", volume->name);
        count_bad(text, listing);
    }
    return more == 0;
}

/* Was the one record that is asked for anywhere? */
static gboolean
check_there(const Listing *listing, GError **error)
{
    const char *record = listing->config->selection.record;

    if (!record || listing->line_count > 0 || listing->bad_count > 0)
        return TRUE;
    g_autofree char *clean = archive_clean(record);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT, "no volume has a record %s", clean);
    return FALSE;
}

gboolean
archive_list(Archive *archive, const ArchiveListConfig *config, FILE *out, guint64 *line_count,
             guint64 *bad_count, GError **error)
{
    g_autoptr(GString) line = g_string_new(NULL);
    Listing listing = {.archive = archive, .config = config, .out = out, .line = line};
    gboolean good = FALSE;

    if (config->selection.volume && !catalogue_volume(archive->catalogue, config->selection.volume))
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT, "there is no volume %s",
                    config->selection.volume);
    else if (config->tape)
        good = list_stream(&listing, error);
    else if (config->what == ARCHIVE_LIST_VOLUMES)
        good = list_volumes(&listing, error);
    else
        good = config->selection.record ? list_found(&listing, &config->selection, error)
                                        : list_records(&listing, error);
    good = good && check_there(&listing, error);
    *line_count = listing.line_count;
    *bad_count = listing.bad_count;
    return good;
}
