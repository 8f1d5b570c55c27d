/* reduce_record.c - adding records up, without a wrap, and telling their owners.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/reduce_record.h"

#include "formats/fingerprint.h"

enum { SHOWN_KEY_MAX_BYTES = 80 };

void
reduce_source_free(ReduceSource *source)
{
    source->free(source);
}

guint
reduce_turn(const void *key, gsize group_size_bytes, int rank, int size)
{
    if (size == 1)
        return 0;
    guint64 partition = fingerprint_line(key, group_size_bytes) % REDUCE_PARTITIONS;
    guint64 owner = partition * (guint64)size / REDUCE_PARTITIONS;
    return (guint)((owner + (guint64)(size - rank - 1)) % (guint64)size);
}

/* A key as text: bytes that do not print as \xNN. (transfer full) */
static char *
show_key(const guint8 *key, gsize key_size_bytes)
{
    GString *text = g_string_new("\"");

    for (gsize i = 0; i < MIN(key_size_bytes, SHOWN_KEY_MAX_BYTES); i++) {
        if (g_ascii_isprint((gchar)key[i]) && key[i] != '"' && key[i] != '\\')
            g_string_append_c(text, (gchar)key[i]);
        else
            g_string_append_printf(text, "\\x%02x", key[i]);
    }
    g_string_append(text, key_size_bytes > SHOWN_KEY_MAX_BYTES ? "\"..." : "\"");
    return g_string_free(text, FALSE);
}

gboolean
reduce_record_add(gint64 *sums, const gint64 *more, guint sum_count, const guint8 *key,
                  gsize key_size_bytes, GError **error)
{
    gboolean overflow = FALSE;

    for (guint i = 0; i < sum_count; i++)
        overflow |= __builtin_add_overflow(sums[i], more[i], &sums[i]);
    if (!overflow)
        return TRUE;
    g_autofree char *shown = show_key(key, key_size_bytes);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                "%s: a sum does not fit into 64 bits; look for absurd quantities among what was "
                "added up",
                shown);
    return FALSE;
}

guint64
reduce_record_hash(const guint8 *key, gsize key_size_bytes, const gint64 *sums, guint sum_count)
{
    gint64 little[REDUCE_SUMS_MAX];

    for (guint i = 0; i < sum_count; i++)
        little[i] = GINT64_TO_LE(sums[i]);
    guint64 seed = fingerprint_line(little, sum_count * sizeof little[0]);
    return fingerprint_seeded(key, key_size_bytes, seed);
}
