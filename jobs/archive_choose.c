/* archive_choose.c - volumes by name, class and hold, and by the records that they have.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_choose.h"

#include <string.h>

#include "jobs/archive_select.h"

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
    const ArchiveSelection all = ARCHIVE_SELECTION_ALL;
    g_autoptr(GString) keep = g_string_new(NULL);
    g_autoptr(ArchiveVolume) open = archive_volume_open(choose->archive, volume, error);
    Search search = {.choose = choose};

    if (!open || !archive_volume_check_index(open, error))
        return FALSE;
    for (guint i = 0; i < choose->record_count; i++) {
        VolumeRecord record;
        int there = archive_volume_find(open, choose->choice->records[i], keep, &record, error);
        if (there < 0)
            return FALSE;
        choose->answered[i] = choose->answered[i] || there > 0;
        search.found = search.found || there > 0;
    }
    if (choose->customer_count > 0 &&
        !archive_volume_each(open, &all, look_for_customers, &search, error))
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
