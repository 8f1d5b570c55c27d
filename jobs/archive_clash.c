/* archive_clash.c - keys that volumes have with other bytes: as hashes, since there may be millions
 * of keys and next to none of them clash.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "formats/fingerprint.h"
#include "jobs/archive_restore_internal.h"

typedef struct {
    guint64 key;
    guint64 digest;
} Hashed;

struct _Clashes {
    GArray *all;     /* of Hashed */
    GArray *clashes; /* of guint64: hashes of keys, ascending */
};

Clashes *
clashes_new(void)
{
    Clashes *clashes = g_new0(Clashes, 1);

    clashes->all = g_array_new(FALSE, FALSE, sizeof(Hashed));
    clashes->clashes = g_array_new(FALSE, FALSE, sizeof(guint64));
    return clashes;
}

void
clashes_free(Clashes *clashes)
{
    g_array_unref(clashes->all);
    g_array_unref(clashes->clashes);
    g_free(clashes);
}

static guint64
hash_key(const VolumeRecord *record)
{
    return fingerprint_line(record->key, strlen(record->key));
}

void
clashes_add(Clashes *clashes, const VolumeRecord *record)
{
    const Hashed hashed = {hash_key(record), fingerprint_line(record->sha256, SHA256_CHARS)};

    g_array_append_val(clashes->all, hashed);
}

static gint
compare_hashed(gconstpointer a, gconstpointer b)
{
    const Hashed *left = a;
    const Hashed *right = b;

    if (left->key != right->key)
        return left->key < right->key ? -1 : 1;
    return (left->digest > right->digest) - (left->digest < right->digest);
}

guint64
clashes_count(Clashes *clashes)
{
    const Hashed *all = (const Hashed *)clashes->all->data;

    g_array_sort(clashes->all, compare_hashed);
    for (guint i = 1; i < clashes->all->len; i++) {
        guint count = clashes->clashes->len;
        gboolean known =
            count > 0 && g_array_index(clashes->clashes, guint64, count - 1) == all[i].key;
        if (all[i - 1].key == all[i].key && all[i - 1].digest != all[i].digest && !known)
            g_array_append_val(clashes->clashes, all[i].key);
    }
    return clashes->clashes->len;
}

static int
compare_keys(const void *a, const void *b)
{
    const guint64 *left = a;
    const guint64 *right = b;

    return (*left > *right) - (*left < *right);
}

gboolean
clashes_has(const Clashes *clashes, const VolumeRecord *record)
{
    guint64 key = hash_key(record);

    return clashes->clashes->len > 0 &&
           bsearch(&key, clashes->clashes->data, clashes->clashes->len, sizeof key, compare_keys);
}
