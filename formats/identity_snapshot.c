/* identity_snapshot.c - reads a snapshot of identity: an LMDB file that never changes, so that it
 * needs no locks, and any number of threads look up in it at once.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <lmdb.h>
#include <string.h>

#include "formats/bytes.h"
#include "formats/identity_internal.h"

struct _IdentitySnapshot {
    MDB_env *env;
    MDB_dbi dbi;
    guint64 count;
    guint8 pepper[API_KEY_PEPPER_BYTES];
};

/* Reads the record beside the keys, and how many they are. */
static int
read_meta(IdentitySnapshot *snapshot, MDB_txn *txn)
{
    MDB_val name = {.mv_size = IDENTITY_META_KEY_BYTES, .mv_data = (void *)IDENTITY_META_KEY};
    MDB_val value;
    MDB_stat stat;

    int code = mdb_dbi_open(txn, NULL, 0, &snapshot->dbi);
    if (code == 0)
        code = mdb_get(txn, snapshot->dbi, &name, &value);
    if (code == 0)
        code = mdb_stat(txn, snapshot->dbi, &stat);
    if (code != 0)
        return code;
    ByteReader reader = byte_reader(value.mv_data, value.mv_size);
    if (value.mv_size != IDENTITY_META_BYTES || bytes_get_u32(&reader) != IDENTITY_VERSION)
        return MDB_VERSION_MISMATCH;
    memcpy(snapshot->pepper, bytes_get_blob(&reader, API_KEY_PEPPER_BYTES), API_KEY_PEPPER_BYTES);
    snapshot->count = stat.ms_entries - 1;
    return 0;
}

static int
open_env(IdentitySnapshot *snapshot, const char *path)
{
    const unsigned flags = MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS;
    MDB_txn *txn = NULL;

    int code = mdb_env_create(&snapshot->env);
    if (code == 0)
        code = mdb_env_open(snapshot->env, path, flags, 0);
    if (code == 0)
        code = mdb_txn_begin(snapshot->env, NULL, MDB_RDONLY, &txn);
    if (code != 0)
        return code;
    code = read_meta(snapshot, txn);
    /* So that the table's handle stays. */
    if (code == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return code;
}

IdentitySnapshot *
identity_snapshot_open(const char *path, GError **error)
{
    g_autoptr(IdentitySnapshot) snapshot = g_new0(IdentitySnapshot, 1);

    int code = open_env(snapshot, path);
    if (code == 0)
        return g_steal_pointer(&snapshot);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s: no snapshot of identity of version %d: %s", path, IDENTITY_VERSION,
                mdb_strerror(code));
    return NULL;
}

void
identity_snapshot_free(IdentitySnapshot *snapshot)
{
    if (!snapshot)
        return;
    mdb_env_close(snapshot->env);
    g_free(snapshot);
}

const guint8 *
identity_snapshot_pepper(const IdentitySnapshot *snapshot)
{
    return snapshot->pepper;
}

guint64
identity_snapshot_count(const IdentitySnapshot *snapshot)
{
    return snapshot->count;
}

gboolean
identity_record_parse(const void *bytes, gsize size_bytes, IdentityKey *key)
{
    ByteReader reader = byte_reader(bytes, size_bytes);

    key->scopes = bytes_get_u32(&reader);
    key->rate_per_s = bytes_get_u32(&reader);
    key->burst = bytes_get_u32(&reader);
    key->daily_quota = bytes_get_u64(&reader);
    key->expires_us = (gint64)bytes_get_u64(&reader);
    gsize customer_bytes = (gsize)(reader.end - reader.at);
    if (!reader.ok || customer_bytes == 0 || customer_bytes > IDENTITY_CUSTOMER_MAX ||
        memchr(reader.at, '\0', customer_bytes) || (key->scopes & ~(guint32)SCOPE_ALL) != 0 ||
        (key->rate_per_s > 0 && key->burst == 0))
        return FALSE;
    memcpy(key->customer, reader.at, customer_bytes);
    key->customer[customer_bytes] = '\0';
    return TRUE;
}

gboolean
identity_snapshot_find(const IdentitySnapshot *snapshot, const guint8 hash[API_KEY_HASH_BYTES],
                       IdentityKey *key)
{
    MDB_val name = {.mv_size = API_KEY_HASH_BYTES, .mv_data = (void *)hash};
    MDB_val value;
    MDB_txn *txn = NULL;

    /* A transaction is for one thread; without locks to take, it costs next to nothing. */
    if (mdb_txn_begin(snapshot->env, NULL, MDB_RDONLY, &txn) != 0)
        return FALSE;
    gboolean found = mdb_get(txn, snapshot->dbi, &name, &value) == 0 &&
                     identity_record_parse(value.mv_data, value.mv_size, key);
    mdb_txn_abort(txn);
    if (found)
        api_key_id(hash, key->id);
    return found;
}
