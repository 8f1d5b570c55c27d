/* catalogue.c - the log of an archive in memory: what it holds, and what is added to it.
 * Entries are parsed in catalogue_parse.c, printed in catalogue_print.c, and understood in
 * catalogue_fold.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/catalogue.h"

#include <string.h>

#include "formats/catalogue_internal.h"

static void
clear_checkpoint(gpointer checkpoint)
{
    g_free(((CatalogueCheckpoint *)checkpoint)->text);
}

Catalogue *
catalogue_new(void)
{
    Catalogue *catalogue = g_new0(Catalogue, 1);

    catalogue->name = g_strdup("catalogue.log");
    catalogue->strings = g_string_chunk_new(16 << 10);
    catalogue->entries = g_array_new(FALSE, FALSE, sizeof(CatalogueEntry));
    catalogue->leaves = g_byte_array_new();
    catalogue->checkpoints = g_array_new(FALSE, FALSE, sizeof(CatalogueCheckpoint));
    g_array_set_clear_func(catalogue->checkpoints, clear_checkpoint);
    catalogue->pending = g_string_new(NULL);
    catalogue->volumes = g_ptr_array_new_with_free_func(catalogue_volume_free);
    catalogue->covered = catalogue_parts_new();
    catalogue->volume_named = g_hash_table_new(g_str_hash, g_str_equal);
    return catalogue;
}

void
catalogue_free(Catalogue *catalogue)
{
    if (!catalogue)
        return;
    g_hash_table_unref(catalogue->volume_named);
    g_ptr_array_unref(catalogue->volumes);
    g_array_unref(catalogue->covered);
    g_string_free(catalogue->pending, TRUE);
    g_array_unref(catalogue->checkpoints);
    g_byte_array_unref(catalogue->leaves);
    g_array_unref(catalogue->entries);
    g_string_chunk_free(catalogue->strings);
    g_free(catalogue->origin);
    g_free(catalogue->name);
    g_free(catalogue);
}

guint64
catalogue_torn_bytes(const Catalogue *catalogue)
{
    return catalogue->torn_bytes;
}

const char *
catalogue_origin(const Catalogue *catalogue)
{
    return catalogue->state.count > 0 ? catalogue->origin : NULL;
}

guint64
catalogue_count(const Catalogue *catalogue)
{
    return catalogue->state.count;
}

const CatalogueEntry *
catalogue_entry(const Catalogue *catalogue, guint64 index)
{
    g_assert(index < catalogue->state.count);
    return &g_array_index(catalogue->entries, CatalogueEntry, (guint)index);
}

guint64
catalogue_signed_count(const Catalogue *catalogue)
{
    return catalogue->signed_count;
}

const char *
catalogue_checkpoint(const Catalogue *catalogue)
{
    guint count = catalogue->checkpoints->len;

    if (count == 0)
        return NULL;
    return g_array_index(catalogue->checkpoints, CatalogueCheckpoint, count - 1).text;
}

const GPtrArray *
catalogue_volumes(Catalogue *catalogue)
{
    return catalogue->volumes;
}

const CatalogueVolume *
catalogue_volume(Catalogue *catalogue, const char *name)
{
    return g_hash_table_lookup(catalogue->volume_named, name);
}

const char *
catalogue_last_manifest(const Catalogue *catalogue)
{
    return catalogue->last_manifest ? catalogue->last_manifest : "none";
}

/* Returns: text as an entry has it, in the catalogue's memory. */
static const char *
keep_text(Catalogue *catalogue, const char *text)
{
    g_autofree char *clean = catalogue_clean(text);

    return g_string_chunk_insert_const(catalogue->strings, clean);
}

static gint64
checked_time(gint64 time_us)
{
    g_assert(time_us >= CATALOGUE_TIME_MIN_US && time_us <= CATALOGUE_TIME_MAX_US);
    return time_us;
}

static void
copy_member(Catalogue *catalogue, const CatalogueEntry *entry, const CatalogueMember *member,
            CatalogueEntry *copy)
{
    if (member->type == MEMBER_TIME) {
        CATALOGUE_FIELD(copy, member, gint64) =
            checked_time(CATALOGUE_FIELD(entry, member, const gint64));
        return;
    }
    if (member->type == MEMBER_COUNT) {
        CATALOGUE_FIELD(copy, member, guint64) = CATALOGUE_FIELD(entry, member, const guint64);
        g_assert(CATALOGUE_FIELD(copy, member, guint64) <= G_MAXINT64);
        return;
    }
    const char *text = CATALOGUE_FIELD(entry, member, const char *const);
    g_assert(text || (member->optional >> entry->kind & 1) != 0);
    if (!text)
        return;
    text = keep_text(catalogue, text);
    g_assert(catalogue_text_is(member->type, text));
    CATALOGUE_FIELD(copy, member, const char *) = text;
}

/* Only what the kind has, in strings of the catalogue. */
static CatalogueEntry
copy_entry(Catalogue *catalogue, const CatalogueEntry *entry)
{
    g_assert(entry->kind < CATALOGUE_OTHER);
    CatalogueEntry copy = {.number = catalogue->state.count,
                           .time_us = checked_time(entry->time_us),
                           .actor = keep_text(catalogue, entry->actor),
                           .kind = entry->kind};

    for (guint i = 0; i < catalogue_member_count; i++)
        if ((catalogue_members[i].kinds >> entry->kind & 1) != 0)
            copy_member(catalogue, entry, &catalogue_members[i], &copy);
    return copy;
}

void
catalogue_append(Catalogue *catalogue, const CatalogueEntry *entry)
{
    CatalogueEntry copy = copy_entry(catalogue, entry);
    GString *out = catalogue->pending;
    gsize begin = out->len;
    char chain[CATALOGUE_CHAIN_CHARS + 1];

    catalogue_print_entry(&copy, out);
    catalogue_chain(catalogue->state.chain, out->str + begin, out->len - begin, chain);
    catalogue_print_chain(chain, out);
    g_assert(out->len - begin <= CATALOGUE_LINE_MAX);
    catalogue_advance(catalogue, chain, out->str + begin, out->len - begin);
    g_string_append_c(out, '\n');
    g_array_append_val(catalogue->entries, copy);
    catalogue_fold(catalogue, &copy);
}

void
catalogue_sign(Catalogue *catalogue, const MinisignSecret *secret)
{
    g_assert(catalogue->state.count > 0);
    CatalogueCheckpoint checkpoint = catalogue_checkpoint_sign(catalogue, secret);
    catalogue_print_checkpoint(checkpoint.text, catalogue->pending);
    g_string_append_c(catalogue->pending, '\n');
    g_array_append_val(catalogue->checkpoints, checkpoint);
    catalogue->signed_count = catalogue->state.count;
}

const char *
catalogue_pending(const Catalogue *catalogue, guint64 *keep_bytes, gsize *size_bytes)
{
    *keep_bytes = catalogue->keep_bytes;
    *size_bytes = catalogue->pending->len;
    return catalogue->pending->str;
}

void
catalogue_written(Catalogue *catalogue)
{
    catalogue->keep_bytes += catalogue->pending->len;
    catalogue->torn_bytes = 0;
    g_string_truncate(catalogue->pending, 0);
}

guint64
catalogue_common(const Catalogue *a, const Catalogue *b)
{
    guint64 shorter = MIN(a->state.count, b->state.count);

    for (guint64 i = 0; i < shorter; i++)
        if (memcmp(a->leaves->data + i * MERKLE_BYTES, b->leaves->data + i * MERKLE_BYTES,
                   MERKLE_BYTES) != 0)
            return i;
    return shorter;
}

gboolean
catalogue_continues(const Catalogue *longer, const Catalogue *shorter)
{
    return catalogue_common(longer, shorter) == shorter->state.count;
}
