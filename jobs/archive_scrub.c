/* archive_scrub.c - verifies, repairs, and writes down that it did, volume by volume: a scrub that
 * is killed loses no more than the volume it was at.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_scrub.h"

#include <string.h>

static const VerifyScope whole;

typedef struct {
    const ArchiveScrubConfig *config;
    ArchiveScrubReport *report;
    Tier *copy;
} Scrub;

/* Checked longest ago first; never checked before all. */
static gint
compare_checked(gconstpointer a, gconstpointer b)
{
    const CatalogueVolume *left = *(const CatalogueVolume *const *)a;
    const CatalogueVolume *right = *(const CatalogueVolume *const *)b;

    if (left->checked_us != right->checked_us)
        return left->checked_us < right->checked_us ? -1 : 1;
    return strcmp(left->name, right->name);
}

/* The volumes' names in the order in which they are due. (transfer full) */
static GPtrArray *
list_due(Archive *archive)
{
    const GPtrArray *all = catalogue_volumes(archive->catalogue);
    g_autoptr(GPtrArray) live = g_ptr_array_new();
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < all->len; i++)
        if (!((const CatalogueVolume *)all->pdata[i])->expired)
            g_ptr_array_add(live, all->pdata[i]);
    g_ptr_array_sort(live, compare_checked);
    for (guint i = 0; i < live->len; i++)
        g_ptr_array_add(names, g_strdup(((const CatalogueVolume *)live->pdata[i])->name));
    return names;
}

/* Removes what an expiry that was killed left behind its tombstone. */
static gboolean
remove_expired(Scrub *scrub, Archive *archive, GError **error)
{
    const GPtrArray *volumes = catalogue_volumes(archive->catalogue);
    g_autoptr(GPtrArray) names = tier_list(archive->tier, ARCHIVE_VOLUMES, error);
    g_autoptr(GHashTable) there = g_hash_table_new(g_str_hash, g_str_equal);

    if (!names)
        return FALSE;
    for (guint i = 0; i < names->len; i++)
        g_hash_table_add(there, names->pdata[i]);
    for (guint i = 0; i < volumes->len; i++) {
        const CatalogueVolume *volume = volumes->pdata[i];
        for (VolumeFile file = 0; volume->expired && file < VOLUME_FILES; file++) {
            g_autofree char *path = volume_path(volume->name, file);
            if (!g_hash_table_contains(there, strchr(path, '/') + 1))
                continue;
            if (!tier_remove(archive->tier, path, error))
                return FALSE;
            scrub->report->removed_count++;
        }
    }
    return TRUE;
}

static Archive *
open_for_writing(const Scrub *scrub, GError **error)
{
    ArchiveOpen how = scrub->config->open;

    how.write = TRUE;
    return archive_open(&how, error);
}

static void
note_check(Archive *archive, const char *volume, VerifyResult result)
{
    CatalogueEntry entry = {.kind = CATALOGUE_CHECK,
                            .volume = volume,
                            .result = verify_result_name(result),
                            .scope = verify_scope_name(&whole)};

    archive_note(archive, &entry);
}

/* Checks a volume by name; *result: as found. */
static gboolean
check(const Scrub *scrub, Archive *archive, const char *name, VolumeFindings *findings,
      GError **error)
{
    g_auto(VolumeManifest) manifest = {0};

    return archive_verify_volume(archive, catalogue_volume(archive->catalogue, name), &whole,
                                 scrub->config->threads, &manifest, findings, error);
}

/* Repairs and checks again, with the archive locked. */
static gboolean
mend(Scrub *scrub, Archive *archive, ArchiveScrubbed *scrubbed, ArchiveRepairReport *repair,
     GError **error)
{
    g_auto(VolumeFindings) findings = {0};

    volume_findings_init(&findings);
    if (!archive_repair_volume(archive, scrubbed->volume, scrub->copy, scrub->config->threads,
                               repair, error))
        return FALSE;
    if (repair->done->len == 0 && repair->left->len > 0)
        return TRUE;
    if (!check(scrub, archive, scrubbed->volume, &findings, error))
        return FALSE;
    VerifyResult result = verify_result(&findings);
    scrubbed->repaired = result == VERIFY_INTACT;
    note_check(archive, scrubbed->volume, result);
    return TRUE;
}

static gboolean
scrub_one(Scrub *scrub, Archive *reading, const char *name, GError **error)
{
    g_auto(VolumeFindings) findings = {0};
    g_auto(ArchiveRepairReport) repair = {0};
    ArchiveScrubbed scrubbed = {.volume = name, .findings = &findings, .repair = &repair};

    volume_findings_init(&findings);
    archive_repair_report_init(&repair);
    if (!check(scrub, reading, name, &findings, error))
        return FALSE;
    scrubbed.result = verify_result(&findings);
    g_autoptr(Archive) archive = open_for_writing(scrub, error);
    if (!archive)
        return FALSE;
    const CatalogueVolume *volume = catalogue_volume(archive->catalogue, name);
    if (!volume || volume->expired)
        return TRUE; /* meanwhile */
    note_check(archive, name, scrubbed.result);
    if (scrubbed.result != VERIFY_INTACT && !mend(scrub, archive, &scrubbed, &repair, error))
        return FALSE;
    if (!archive_commit(archive, NULL, error))
        return FALSE;
    scrub->report->checked_count++;
    scrub->report->repaired_count += scrubbed.repaired;
    scrub->report->damaged_count += scrubbed.result != VERIFY_INTACT && !scrubbed.repaired;
    scrub->config->on_scrubbed(&scrubbed, scrub->config->data);
    return TRUE;
}

static gboolean
scrub_all(Scrub *scrub, GError **error)
{
    gint64 end_us = g_get_monotonic_time() + scrub->config->budget_us;
    g_autoptr(Archive) writing = open_for_writing(scrub, error);

    if (!writing || !remove_expired(scrub, writing, error))
        return FALSE;
    g_autoptr(GPtrArray) due = list_due(writing);
    scrub->report->trusted = writing->trusted->len > 0;
    g_clear_pointer(&writing, archive_close);
    g_autoptr(Archive) reading = due->len > 0 ? archive_open(&scrub->config->open, error) : NULL;
    if (due->len > 0 && !reading)
        return FALSE;
    for (guint i = 0; i < due->len; i++) {
        if (i > 0 && g_get_monotonic_time() >= end_us) {
            scrub->report->left_count = due->len - i;
            break;
        }
        if (catalogue_volume(reading->catalogue, due->pdata[i]) &&
            !scrub_one(scrub, reading, due->pdata[i], error))
            return FALSE;
    }
    return TRUE;
}

gboolean
archive_scrub(const ArchiveScrubConfig *config, ArchiveScrubReport *report, GError **error)
{
    Scrub scrub = {.config = config, .report = report};

    *report = (ArchiveScrubReport){0};
    if (config->copy && !(scrub.copy = tier_open(config->copy, FALSE, error)))
        return FALSE;
    gboolean good = scrub_all(&scrub, error);
    g_clear_pointer(&scrub.copy, tier_free);
    return good;
}
