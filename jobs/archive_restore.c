/* archive_restore.c - from what is asked for to records that are there.
 *
 *     plan       each volume's index: what is selected, which frames that takes; keys that clash
 *     volumes    frames in their order → records by key → where they go
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_restore.h"

#include <string.h>

#include "jobs/archive_restore_internal.h"

/* What one volume has to give. */
typedef struct {
    const CatalogueVolume *volume;
    guint8 *wanted; /* a byte for each frame; NULL: the tar cannot be read */
    GError *damage; /* why that is */
    guint64 count;
} Plan;

typedef struct {
    Archive *archive;
    const ArchiveRestoreConfig *config;
    ArchiveRestored *restored;
    RestoreTo *to;
    GArray *plans;    /* of Plan; like restored->volumes */
    Clashes *clashes; /* NULL where they do not matter */
    /* The volume that is being read. */
    guint volume;
    ArchiveVolume *open;
    VolumeCursor *cursor;
} Restoring;

void
archive_restored_clear(ArchiveRestored *restored)
{
    g_clear_pointer(&restored->volumes, g_array_unref);
}

static void
plan_clear(gpointer data)
{
    Plan *plan = data;

    g_free(plan->wanted);
    g_clear_error(&plan->damage);
}

static void
tell(const Restoring *restoring, const char *text)
{
    g_autofree char *clean = archive_clean(text);

    restoring->config->on_bad(clean, restoring->config->data);
}

/* Is it the archive that is to blame? */
static void
note_damage(Restoring *restoring, const GError *failure)
{
    restoring->restored->damaged |=
        !g_error_matches(failure, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE);
}

static void
record_done(guint volume, const char *key, guint64 size_bytes, gboolean was_there,
            const GError *failure, gpointer data)
{
    Restoring *restoring = data;
    ArchiveRestored *restored = restoring->restored;
    ArchiveRestoredVolume *of = &g_array_index(restored->volumes, ArchiveRestoredVolume, volume);

    if (failure) {
        g_autofree char *text = g_strdup_printf("%s: %s", key, failure->message);
        tell(restoring, text);
        note_damage(restoring, failure);
        restored->failed_count++;
        return;
    }
    of->record_count++;
    of->bytes += size_bytes;
    restored->restored_count++;
    restored->restored_bytes += size_bytes;
    restored->there_count += was_there != FALSE;
}

/* Restores one record of the volume that is open. FALSE and error only when nothing else can be
 * restored either; *failure: of this one. */
static gboolean
restore_record(Restoring *restoring, const VolumeRecord *record, GError **failure, GError **error)
{
    RestoreTo *to = restoring->to;

    restore_to_begin(to, restoring->volume, restoring->open->volume->name, record);
    if (volume_cursor_read(restoring->cursor, record, restore_to_sink(to), failure) &&
        restore_to_finish(to, failure))
        return TRUE;
    restore_to_abandon(to);
    if (!restore_to_broken(to))
        return TRUE;
    g_propagate_error(error, *failure);
    *failure = NULL;
    return FALSE;
}

static guint
add_volume(Restoring *restoring, const CatalogueVolume *volume)
{
    const ArchiveRestoredVolume of = {.volume = volume};
    const Plan plan = {.volume = volume};

    g_array_append_val(restoring->restored->volumes, of);
    g_array_append_val(restoring->plans, plan);
    return restoring->plans->len - 1;
}

static gboolean
plan_line(const VolumeRecord *record, const char *line G_GNUC_UNUSED,
          gsize size_bytes G_GNUC_UNUSED, gpointer data, GError **error G_GNUC_UNUSED)
{
    Restoring *restoring = data;
    Plan *plan = &g_array_index(restoring->plans, Plan, restoring->volume);

    plan->count++;
    if (plan->wanted)
        volume_cursor_want(restoring->open->tar, record, plan->wanted);
    if (restoring->clashes)
        clashes_add(restoring->clashes, record);
    return TRUE;
}

/* Looks what is selected in a volume. One that cannot be searched is told of. */
static void
plan_volume(Restoring *restoring, const CatalogueVolume *volume)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ArchiveVolume) open = archive_volume_open(restoring->archive, volume, &error);

    restoring->volume = add_volume(restoring, volume);
    Plan *plan = &g_array_index(restoring->plans, Plan, restoring->volume);
    restoring->open = open;
    if (open && archive_volume_tar(open, &plan->damage))
        plan->wanted = g_malloc0(MAX(volume_tar_frame_count(open->tar), 1));
    if (!open ||
        !archive_volume_each(open, &restoring->config->selection, plan_line, restoring, &error)) {
        plan->count = 0;
        restoring->restored->damaged = TRUE;
        restoring->restored->bad_volume_count++;
        tell(restoring, error->message);
    }
    restoring->restored->selected_count += plan->count;
    restoring->open = NULL;
}

static gboolean
restore_line(const VolumeRecord *record, const char *line G_GNUC_UNUSED,
             gsize size_bytes G_GNUC_UNUSED, gpointer data, GError **error)
{
    Restoring *restoring = data;
    const ArchiveRestoreConfig *config = restoring->config;
    g_autoptr(GError) failure = NULL;

    /* Of a stream nobody knows beforehand what is still to come. */
    if (config->tape && restoring->clashes && clashes_has(restoring->clashes, record)) {
        g_set_error(&failure, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE,
                    "a volume before has other bytes for it: choose by --volume %s",
                    restoring->open->volume->name);
    } else if (config->tape && config->selection.record &&
               restoring->restored->restored_count > 0) {
        restoring->restored->selected_count--;
        return TRUE;
    } else if (!restore_record(restoring, record, &failure, error)) {
        return FALSE;
    }
    if (failure)
        record_done(restoring->volume, record->key, 0, FALSE, failure, restoring);
    return TRUE;
}

/* Restores what was planned of a volume. */
static gboolean
restore_volume(Restoring *restoring, guint index, GError **error)
{
    const Plan *plan = &g_array_index(restoring->plans, Plan, index);
    g_autoptr(GError) damage = NULL;

    if (plan->count == 0)
        return TRUE;
    restoring->volume = index;
    g_autoptr(ArchiveVolume) open = archive_volume_open(restoring->archive, plan->volume, &damage);
    if (!open || !plan->wanted || !archive_volume_tar(open, &damage)) {
        g_autofree char *text = g_strdup_printf(
            "volume %s: %s: %" G_GUINT64_FORMAT " records of it are not restored; millrace "
            "archive repair may mend it",
            plan->volume->name, (damage ? damage : plan->damage)->message, plan->count);
        tell(restoring, text);
        restoring->restored->damaged = TRUE;
        restoring->restored->failed_count += plan->count;
        return TRUE;
    }
    g_autoptr(VolumeCursor) cursor =
        volume_cursor_new(open->tar, plan->wanted, restoring->config->threads);
    restoring->open = open;
    restoring->cursor = cursor;
    /* What an index that was whole a moment ago has to say now is the disk's matter. */
    gboolean good =
        archive_volume_each(open, &restoring->config->selection, restore_line, restoring, error);
    restoring->open = NULL;
    restoring->cursor = NULL;
    return good;
}

static gboolean
tell_clash(const VolumeRecord *record, const char *line G_GNUC_UNUSED,
           gsize size_bytes G_GNUC_UNUSED, gpointer data, GError **error G_GNUC_UNUSED)
{
    Restoring *restoring = data;

    if (clashes_has(restoring->clashes, record)) {
        g_autofree char *text = g_strdup_printf(
            "%s:%s has %" G_GUINT64_FORMAT " bytes and SHA-256 %s", restoring->open->volume->name,
            record->key, record->size_bytes, record->sha256);
        tell(restoring, text);
    }
    return TRUE;
}

/* Two volumes may have a day of the same customer, when events came late: then both are right, and
 * whoever restores must say where each goes. */
static gboolean
check_clashes(Restoring *restoring, GError **error)
{
    guint64 count = restoring->clashes ? clashes_count(restoring->clashes) : 0;

    if (count == 0)
        return TRUE;
    for (guint i = 0; i < restoring->plans->len; i++) {
        const Plan *plan = &g_array_index(restoring->plans, Plan, i);
        g_autoptr(ArchiveVolume) open =
            plan->count > 0 ? archive_volume_open(restoring->archive, plan->volume, NULL) : NULL;
        restoring->open = open;
        if (open)
            archive_volume_each(open, &restoring->config->selection, tell_clash, restoring, NULL);
    }
    restoring->open = NULL;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                "%" G_GUINT64_FORMAT " keys have other bytes in another volume: restore with "
                "--by-volume, or choose by --volume V or --record V:KEY",
                count);
    return FALSE;
}

static gboolean
restore_selected(Restoring *restoring, GError **error)
{
    const GPtrArray *volumes = catalogue_volumes(restoring->archive->catalogue);

    for (guint i = 0; i < volumes->len; i++)
        if (archive_wants_volume(&restoring->config->selection, volumes->pdata[i]))
            plan_volume(restoring, volumes->pdata[i]);
    if (!check_clashes(restoring, error))
        return FALSE;
    for (guint i = 0; i < restoring->plans->len; i++)
        if (!restore_volume(restoring, i, error))
            return FALSE;
    return TRUE;
}

/* A stream has one volume at a time, so each is planned and restored before the next comes. */
static gboolean
restore_stream(Restoring *restoring, GError **error)
{
    const GPtrArray *volumes = catalogue_volumes(restoring->archive->catalogue);
    ArchiveTape *tape = restoring->config->tape;
    const ArchiveSelection *selection = &restoring->config->selection;
    const CatalogueVolume *volume = NULL;
    int more = 0;

    while ((more = archive_tape_next(tape, &volume, error)) > 0) {
        if (!archive_wants_volume(selection, volume))
            continue;
        plan_volume(restoring, volume);
        if (!restore_volume(restoring, restoring->plans->len - 1, error) ||
            !restore_to_flush(restoring->to, error))
            return FALSE;
    }
    for (guint i = 0; more == 0 && i < volumes->len; i++) {
        volume = volumes->pdata[i];
        if (!archive_wants_volume(selection, volume) || archive_tape_has_seen(tape, volume->name))
            continue;
        g_autofree char *text = g_strdup_printf("volume %s is not in the stream", volume->name);
        restoring->restored->bad_volume_count++;
        restoring->restored->damaged = TRUE;
        tell(restoring, text);
    }
    return more == 0;
}

/* All that were found must be one and the same, or one must be chosen. */
static gboolean
check_same(const Restoring *restoring, const GPtrArray *all, GError **error)
{
    gboolean same = TRUE;

    for (guint i = 1; i < all->len; i++) {
        const ArchiveFound *first = all->pdata[0];
        const ArchiveFound *found = all->pdata[i];
        same = same && strcmp(first->record.sha256, found->record.sha256) == 0;
    }
    for (guint i = 0; !same && i < all->len; i++) {
        const ArchiveFound *found = all->pdata[i];
        g_autofree char *text = g_strdup_printf(
            "%s:%s has %" G_GUINT64_FORMAT " bytes and SHA-256 %s", found->open->volume->name,
            found->record.key, found->record.size_bytes, found->record.sha256);
        tell(restoring, text);
    }
    if (!same)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                    "%u volumes have this record with other bytes: choose by --record VOLUME:KEY",
                    all->len);
    return same;
}

static void
count_bad_volume(const char *text, gpointer data)
{
    Restoring *restoring = data;

    restoring->restored->damaged = TRUE;
    restoring->restored->bad_volume_count++;
    tell(restoring, text);
}

/* Restores one record from the first volume that gives it whole. */
static gboolean
restore_found(Restoring *restoring, GError **error)
{
    g_autoptr(GPtrArray) all = archive_find(restoring->archive, &restoring->config->selection,
                                            count_bad_volume, restoring);
    guint64 before = restoring->restored->restored_count;

    restoring->restored->selected_count = all->len > 0;
    if (!check_same(restoring, all, error))
        return FALSE;
    for (guint i = 0; i < all->len; i++) {
        ArchiveFound *found = all->pdata[i];
        g_autoptr(GError) failure = NULL;
        restoring->volume = add_volume(restoring, found->open->volume);
        restoring->open = found->open;
        VolumeTar *tar = archive_volume_tar(found->open, &failure);
        g_autoptr(VolumeCursor) cursor = tar ? volume_cursor_new(tar, NULL, 1) : NULL;
        restoring->cursor = cursor;
        if (tar && (!restore_record(restoring, &found->record, &failure, error) ||
                    (!failure && !restore_to_flush(restoring->to, error))))
            return FALSE;
        restoring->open = NULL;
        restoring->cursor = NULL;
        if (failure) {
            tell(restoring, failure->message);
            note_damage(restoring, failure);
        }
        if (restoring->restored->restored_count > before)
            break;
    }
    if (restoring->restored->restored_count > before)
        restoring->restored->failed_count = 0;
    else
        restoring->restored->failed_count = restoring->restored->selected_count;
    return TRUE;
}

static gboolean
check_sum(const ArchiveRestored *restored, GError **error)
{
    if (restored->selected_count == 0 && restored->bad_volume_count == 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT,
                    "the archive has no such record");
        return FALSE;
    }
    if (restored->selected_count == restored->restored_count + restored->failed_count)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INVARIANT,
                "%" G_GUINT64_FORMAT " records were selected, but %" G_GUINT64_FORMAT
                " restored and %" G_GUINT64_FORMAT " failed",
                restored->selected_count, restored->restored_count, restored->failed_count);
    return FALSE;
}

static gboolean
run(Restoring *restoring, GError **error)
{
    const ArchiveRestoreConfig *config = restoring->config;
    gboolean good = config->tape               ? restore_stream(restoring, error)
                    : config->selection.record ? restore_found(restoring, error)
                                               : restore_selected(restoring, error);

    return good && restore_to_flush(restoring->to, error) && check_sum(restoring->restored, error);
}

static Restoring
restoring_new(Archive *archive, const ArchiveRestoreConfig *config, ArchiveRestored *restored)
{
    Restoring restoring = {.archive = archive, .config = config, .restored = restored};

    *restored = (ArchiveRestored){0};
    restored->volumes = g_array_new(FALSE, FALSE, sizeof(ArchiveRestoredVolume));
    restoring.plans = g_array_new(FALSE, FALSE, sizeof(Plan));
    g_array_set_clear_func(restoring.plans, plan_clear);
    return restoring;
}

gboolean
archive_restore(Archive *archive, const ArchiveRestoreConfig *config, ArchiveRestored *restored,
                GError **error)
{
    Restoring restoring = restoring_new(archive, config, restored);
    g_autoptr(Clashes) clashes = config->by_volume ? NULL : clashes_new();

    restoring.clashes = clashes;
    restoring.to = restore_to_folder(config, record_done, &restoring, error);
    gboolean good = restoring.to && run(&restoring, error);
    g_clear_pointer(&restoring.to, restore_to_free);
    g_array_unref(restoring.plans);
    return good;
}

gboolean
archive_cat(Archive *archive, const ArchiveRestoreConfig *config, int fd, ArchiveRestored *restored,
            GError **error)
{
    Restoring restoring = restoring_new(archive, config, restored);
    g_autoptr(Clashes) clashes = config->selection.record ? clashes_new() : NULL;

    restoring.clashes = clashes;
    restoring.to = restore_to_fd(fd, record_done, &restoring);
    gboolean good = run(&restoring, error);
    restore_to_free(restoring.to);
    g_array_unref(restoring.plans);
    return good;
}

gboolean
archive_restore_note(const ArchiveOpen *how, const ArchiveRestored *restored, const char *note,
                     GError **error)
{
    ArchiveOpen to_write = *how;

    to_write.write = TRUE;
    g_autoptr(Archive) archive = archive_open(&to_write, error);
    if (!archive)
        return FALSE;
    for (guint i = 0; i < restored->volumes->len; i++) {
        const ArchiveRestoredVolume *of =
            &g_array_index(restored->volumes, ArchiveRestoredVolume, i);
        CatalogueEntry entry = {.kind = CATALOGUE_RESTORE,
                                .volume = of->volume->name,
                                .record_count = of->record_count,
                                .bytes = of->bytes,
                                .note = note};
        if (of->record_count > 0)
            archive_note(archive, &entry);
    }
    return archive_commit(archive, NULL, error);
}
