/* catalogue_fold.c - what the entries come to: volumes and their holds.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/catalogue_internal.h"

void
catalogue_volume_free(gpointer volume)
{
    g_ptr_array_unref(((CatalogueVolume *)volume)->holds);
    g_free(volume);
}

static void
fold_pack(Catalogue *catalogue, CatalogueVolume *volume, const CatalogueEntry *entry)
{
    if (!volume) {
        volume = g_new0(CatalogueVolume, 1);
        volume->name = entry->volume;
        volume->holds = g_ptr_array_new();
        volume->retain_until_us = entry->retain_until_us;
        g_ptr_array_add(catalogue->volumes, volume);
        g_hash_table_insert(catalogue->volume_named, (gpointer)volume->name, volume);
    }
    volume->class = entry->class;
    volume->manifest = entry->manifest;
    volume->minisig = entry->minisig;
    volume->packed_us = entry->time_us;
    volume->retain_until_us = MAX(volume->retain_until_us, entry->retain_until_us);
    volume->record_count = entry->record_count;
    volume->bytes = entry->bytes;
    volume->expired = FALSE;
    volume->expired_us = 0;
    volume->checked_us = G_MININT64;
    volume->check_result = NULL;
    catalogue->last_manifest = entry->manifest;
}

/* Where name is among the holds, or where it belongs. */
static guint
find_hold(const GPtrArray *holds, const char *name, gboolean *found)
{
    guint low = 0;
    guint high = holds->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (strcmp(holds->pdata[middle], name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low < holds->len && strcmp(holds->pdata[low], name) == 0;
    return low;
}

static void
fold_hold(CatalogueVolume *volume, const CatalogueEntry *entry)
{
    gboolean found = FALSE;
    guint place = find_hold(volume->holds, entry->name, &found);

    if (entry->kind == CATALOGUE_HOLD && !found)
        g_ptr_array_insert(volume->holds, (gint)place, (gpointer)entry->name);
    else if (entry->kind == CATALOGUE_RELEASE && found)
        g_ptr_array_remove_index(volume->holds, place);
}

static void
fold_check(CatalogueVolume *volume, const CatalogueEntry *entry)
{
    gboolean whole = strcmp(entry->scope, "whole") == 0;

    if (whole)
        volume->checked_us = entry->time_us;
    /* That a sample was intact does not say that the rest is. */
    if (whole || strcmp(entry->result, "intact") != 0)
        volume->check_result = entry->result;
}

/* What is said of a volume that was never packed says nothing. */
void
catalogue_fold(Catalogue *catalogue, const CatalogueEntry *entry)
{
    CatalogueVolume *volume =
        entry->volume ? g_hash_table_lookup(catalogue->volume_named, entry->volume) : NULL;

    catalogue_fold_time(catalogue, entry);
    if (entry->kind == CATALOGUE_PACK) {
        fold_pack(catalogue, volume, entry);
        return;
    }
    if (!volume)
        return;
    if (entry->kind == CATALOGUE_HOLD || entry->kind == CATALOGUE_RELEASE) {
        fold_hold(volume, entry);
    } else if (entry->kind == CATALOGUE_EXTEND) {
        volume->retain_until_us = MAX(volume->retain_until_us, entry->retain_until_us);
    } else if (entry->kind == CATALOGUE_EXPIRE) {
        volume->expired = TRUE;
        volume->expired_us = entry->time_us;
    } else if (entry->kind == CATALOGUE_CHECK) {
        fold_check(volume, entry);
    }
}
