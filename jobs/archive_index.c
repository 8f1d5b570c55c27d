/* archive_index.c - indexes that are checked before they are believed, and volumes found by them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_index.h"

#include <string.h>

#include "jobs/volume_read.h"

enum { READ_BYTES = 1 << 20 };

static gboolean
check_digest(TierFile *file, const char *path, const VolumeManifest *manifest, GError **error)
{
    g_autoptr(Sha256) sha256 = sha256_new();
    g_autofree char *bytes = g_malloc(READ_BYTES);
    char hex[SHA256_CHARS + 1];
    guint64 at = 0;
    gssize got = 0;

    while ((got = tier_file_read(file, at, bytes, READ_BYTES, error)) > 0) {
        sha256_add(sha256, bytes, (gsize)got);
        at += (guint64)got;
    }
    if (got < 0)
        return FALSE;
    sha256_finish(sha256, hex);
    if (at == manifest->size_bytes[VOLUME_INDEX] &&
        strcmp(hex, manifest->sha256[VOLUME_INDEX]) == 0)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s is not the file that the manifest tells of: run millrace archive repair %s",
                path, manifest->volume);
    return FALSE;
}

TierFile *
archive_index_open(Archive *archive, const CatalogueVolume *volume, VolumeManifest *manifest,
                   GError **error)
{
    g_autofree char *path = volume_path(volume->name, VOLUME_INDEX);

    *manifest = (VolumeManifest){0};
    if (!archive_manifest(archive, volume, manifest, error))
        return NULL;
    g_autoptr(TierFile) file = tier_file_open(archive->tier, path, error);
    if (!file || !check_digest(file, path, manifest, error))
        return NULL;
    return g_steal_pointer(&file);
}

typedef struct {
    Archive *archive;
    const ArchiveChoice *choice;
    GPtrArray *live;    /* volumes that have not expired */
    gboolean *chosen;   /* by place in live */
    gboolean *answered; /* by place: records, then customers */
    guint record_count;
    guint customer_count;
} Choose;

static guint
count_of(const char *const *list)
{
    return list ? g_strv_length((char **)list) : 0;
}

static gboolean
choose_by_name(Choose *choose, const char *name, GError **error)
{
    guint found = 0;
    guint at = 0;

    for (guint i = 0; i < choose->live->len; i++) {
        const CatalogueVolume *volume = choose->live->pdata[i];
        if (*name == '\0' || !g_str_has_prefix(volume->name, name))
            continue;
        found++;
        at = i;
    }
    if (found == 1) {
        choose->chosen[at] = TRUE;
        return TRUE;
    }
    const CatalogueVolume *gone = catalogue_volume(choose->archive->catalogue, name);
    if (found > 1)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "%s: several volumes have names that begin so: give more of it", name);
    else
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT, "%s: %s", name,
                    gone ? "this volume has expired" : "there is no such volume");
    return FALSE;
}

/* Finds the customers that are asked for among an index's lines. */
typedef struct {
    Choose *choose;
    gboolean found;
} Search;

static gboolean
look_for_customers(const VolumeRecord *record, const char *line G_GNUC_UNUSED,
                   gsize size_bytes G_GNUC_UNUSED, gpointer data, GError **error G_GNUC_UNUSED)
{
    Search *search = data;
    Choose *choose = search->choose;

    for (guint i = 0; record->customer && i < choose->customer_count; i++) {
        if (strcmp(record->customer, choose->choice->customers[i]) != 0)
            continue;
        choose->answered[choose->record_count + i] = TRUE;
        search->found = TRUE;
    }
    return TRUE;
}

static gboolean
choose_by_index(Choose *choose, guint at, GError **error)
{
    const CatalogueVolume *volume = choose->live->pdata[at];
    g_auto(VolumeManifest) manifest = {0};
    g_autoptr(GString) keep = g_string_new(NULL);
    g_autoptr(TierFile) index = archive_index_open(choose->archive, volume, &manifest, error);
    Search search = {.choose = choose};

    if (!index)
        return FALSE;
    for (guint i = 0; i < choose->record_count; i++) {
        VolumeRecord record;
        int there = volume_index_find(index, choose->choice->records[i], keep, &record, error);
        if (there < 0)
            return FALSE;
        choose->answered[i] = choose->answered[i] || there > 0;
        search.found = search.found || there > 0;
    }
    if (choose->customer_count > 0 && !volume_index_each(index, look_for_customers, &search, error))
        return FALSE;
    choose->chosen[at] = choose->chosen[at] || search.found;
    return TRUE;
}

static gboolean
is_held_by(const CatalogueVolume *volume, const char *name)
{
    for (guint i = 0; i < volume->holds->len; i++)
        if (strcmp(volume->holds->pdata[i], name) == 0)
            return TRUE;
    return FALSE;
}

static gboolean
check_answered(const Choose *choose, GError **error)
{
    for (guint i = 0; i < choose->record_count + choose->customer_count; i++) {
        if (choose->answered[i])
            continue;
        gboolean is_record = i < choose->record_count;
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT, "no volume has %s %s",
                    is_record ? "the record" : "usage of the customer",
                    is_record ? choose->choice->records[i]
                              : choose->choice->customers[i - choose->record_count]);
        return FALSE;
    }
    return TRUE;
}

static gboolean
choose_all(Choose *choose, GError **error)
{
    const ArchiveChoice *choice = choose->choice;
    gboolean good = TRUE;

    for (guint i = 0; good && i < count_of(choice->volumes); i++)
        good = choose_by_name(choose, choice->volumes[i], error);
    for (guint i = 0; i < choose->live->len; i++) {
        const CatalogueVolume *volume = choose->live->pdata[i];
        if ((choice->class && strcmp(volume->class, choice->class) == 0) ||
            (choice->hold && is_held_by(volume, choice->hold)))
            choose->chosen[i] = TRUE;
    }
    if (choose->record_count + choose->customer_count > 0)
        for (guint i = 0; good && i < choose->live->len; i++)
            good = choose_by_index(choose, i, error);
    return good && check_answered(choose, error);
}

GPtrArray *
archive_choose(Archive *archive, const ArchiveChoice *choice, GError **error)
{
    const GPtrArray *volumes = catalogue_volumes(archive->catalogue);
    g_autoptr(GPtrArray) live = g_ptr_array_new();
    g_autoptr(GPtrArray) chosen = g_ptr_array_new();
    Choose choose = {.archive = archive,
                     .choice = choice,
                     .live = live,
                     .record_count = count_of(choice->records),
                     .customer_count = count_of(choice->customers)};
    g_autofree gboolean *answered =
        g_new0(gboolean, choose.record_count + choose.customer_count + 1);
    g_autofree gboolean *marks = g_new0(gboolean, volumes->len + 1);

    for (guint i = 0; i < volumes->len; i++)
        if (!((const CatalogueVolume *)volumes->pdata[i])->expired)
            g_ptr_array_add(live, volumes->pdata[i]);
    choose.answered = answered;
    choose.chosen = marks;
    if (!choose_all(&choose, error))
        return NULL;
    for (guint i = 0; i < live->len; i++)
        if (marks[i])
            g_ptr_array_add(chosen, live->pdata[i]);
    if (chosen->len > 0)
        return g_steal_pointer(&chosen);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT, "no volume is %s %s",
                choice->class ? "of the class" : "held by",
                choice->class ? choice->class : choice->hold);
    return NULL;
}
