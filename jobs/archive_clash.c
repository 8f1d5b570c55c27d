/* archive_clash.c - keys that volumes have with other bytes: as hashes, since there may be millions
 * of keys and next to none of them clash.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/fingerprint.h"
#include "jobs/archive_restore_internal.h"

struct _Clashes {
    GHashTable *digests; /* of keys: hashes as pointers */
    GHashTable *keys;    /* a set of those that clash */
};

/* What a pointer holds of a hash. */
static gpointer
hash_text(const char *text)
{
    return GSIZE_TO_POINTER((gsize)fingerprint_line(text, strlen(text)));
}

Clashes *
clashes_new(void)
{
    Clashes *clashes = g_new0(Clashes, 1);

    clashes->digests = g_hash_table_new(NULL, NULL);
    clashes->keys = g_hash_table_new(NULL, NULL);
    return clashes;
}

void
clashes_free(Clashes *clashes)
{
    g_hash_table_unref(clashes->digests);
    g_hash_table_unref(clashes->keys);
    g_free(clashes);
}

void
clashes_add(Clashes *clashes, const VolumeRecord *record)
{
    gpointer key = hash_text(record->key);
    gpointer digest = hash_text(record->sha256);
    gpointer known = NULL;

    if (!g_hash_table_lookup_extended(clashes->digests, key, NULL, &known))
        g_hash_table_insert(clashes->digests, key, digest);
    else if (known != digest)
        g_hash_table_add(clashes->keys, key);
}

guint64
clashes_count(const Clashes *clashes)
{
    return g_hash_table_size(clashes->keys);
}

gboolean
clashes_has(const Clashes *clashes, const VolumeRecord *record)
{
    return g_hash_table_size(clashes->keys) > 0 &&
           g_hash_table_contains(clashes->keys, hash_text(record->key));
}
