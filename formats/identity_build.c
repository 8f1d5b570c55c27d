/* identity_build.c - writes a snapshot of identity: an LMDB file, filled in the order of its keys
 * within one transaction, so that its pages are full and its bytes follow from what is in it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/bytes.h"
#include "formats/durable.h"
#include "formats/identity_internal.h"
#include "formats/sha256.h"

enum {
    KEY_MAX_BYTES = 400, /* a key's share of a page at most, branches above it included */
    BASE_BYTES = 1 << 20,
    PIECE_BYTES = 256 << 10
};

struct _IdentityBuilder {
    char *path;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    guint64 count;
    guint64 count_max;
    GByteArray *record;
};

guint64
identity_snapshot_max_bytes(guint64 count)
{
    g_assert(count <= IDENTITY_COUNT_MAX);
    return count * KEY_MAX_BYTES + BASE_BYTES;
}

static gboolean
fail(const IdentityBuilder *builder, int code, GError **error)
{
    /* LMDB's own numbers are negative, and none of them comes of a good program. */
    MillraceErrorKind kind = code > 0 ? durable_creation_error(code) : MILLRACE_ERROR_BUG;

    /* A write that was cut short, as by a full disk, is EIO to LMDB. */
    g_set_error(error, MILLRACE_ERROR, kind, "writing the snapshot %s: %s%s", builder->path,
                mdb_strerror(code), code == EIO ? ": is the disk full?" : "");
    return FALSE;
}

static int
append(IdentityBuilder *builder, const void *key, gsize key_bytes)
{
    MDB_val name = {.mv_size = key_bytes, .mv_data = (void *)key};
    MDB_val value = {.mv_size = builder->record->len, .mv_data = builder->record->data};

    return mdb_put(builder->txn, builder->dbi, &name, &value, MDB_APPEND);
}

/* The environment's map is as large as it may become, and nothing of it is taken before it is
 * written. No lock file: nobody else knows of the file. */
static int
open_env(IdentityBuilder *builder)
{
    int code = mdb_env_create(&builder->env);

    if (code == 0)
        code = mdb_env_set_mapsize(builder->env, identity_snapshot_max_bytes(builder->count_max));
    if (code == 0)
        code = mdb_env_open(builder->env, builder->path, MDB_NOSUBDIR | MDB_NOLOCK, 0644);
    if (code == 0)
        code = mdb_txn_begin(builder->env, NULL, 0, &builder->txn);
    if (code == 0)
        code = mdb_dbi_open(builder->txn, NULL, 0, &builder->dbi);
    return code;
}

IdentityBuilder *
identity_builder_new(const char *path, const guint8 pepper[API_KEY_PEPPER_BYTES], guint64 count_max,
                     GError **error)
{
    g_autoptr(IdentityBuilder) builder = g_new0(IdentityBuilder, 1);

    g_assert(!g_file_test(path, G_FILE_TEST_EXISTS));
    builder->path = g_strdup(path);
    builder->count_max = count_max;
    builder->record = g_byte_array_new();
    int code = open_env(builder);
    if (code == 0) {
        bytes_put_u32(builder->record, IDENTITY_VERSION);
        bytes_put_blob(builder->record, pepper, API_KEY_PEPPER_BYTES);
        code = append(builder, IDENTITY_META_KEY, IDENTITY_META_KEY_BYTES);
    }
    if (code == 0)
        return g_steal_pointer(&builder);
    fail(builder, code, error);
    return NULL;
}

gboolean
identity_builder_add(IdentityBuilder *builder, const guint8 hash[API_KEY_HASH_BYTES],
                     const IdentityKey *key, GError **error)
{
    GByteArray *record = builder->record;

    g_assert(builder->count < builder->count_max && *key->customer != '\0');
    g_byte_array_set_size(record, 0);
    bytes_put_u32(record, key->scopes);
    bytes_put_u32(record, key->rate_per_s);
    bytes_put_u32(record, key->burst);
    bytes_put_u64(record, key->daily_quota);
    bytes_put_u64(record, (guint64)key->expires_us);
    bytes_put_blob(record, key->customer, strlen(key->customer));
    int code = append(builder, hash, API_KEY_HASH_BYTES);
    builder->count++;
    return code == 0 || fail(builder, code, error);
}

static gboolean
digest_file(const char *path, char digest[IDENTITY_DIGEST_CHARS + 1], GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "opening %s", path);
    gboolean done = identity_file_digest(fd, path, digest, error);
    close(fd);
    return done;
}

gboolean
identity_file_digest(int fd, const char *name, char digest[IDENTITY_DIGEST_CHARS + 1],
                     GError **error)
{
    g_autofree guint8 *piece = g_malloc(PIECE_BYTES);
    g_autoptr(Sha256) sha256 = sha256_new();
    guint64 offset = 0;
    gssize got = 0;

    while ((got = durable_read_at(fd, name, offset, piece, PIECE_BYTES, error)) > 0) {
        sha256_add(sha256, piece, (gsize)got);
        offset += (guint64)got;
    }
    sha256_finish(sha256, digest);
    return got == 0;
}

static void
builder_free(IdentityBuilder *builder)
{
    if (builder->txn)
        mdb_txn_abort(builder->txn);
    if (builder->env)
        mdb_env_close(builder->env);
    g_byte_array_unref(builder->record);
    g_free(builder->path);
    g_free(builder);
}

gboolean
identity_builder_close(IdentityBuilder *builder, char digest[IDENTITY_DIGEST_CHARS + 1],
                       GError **error)
{
    int code = mdb_txn_commit(builder->txn); /* and syncs */

    builder->txn = NULL;
    gboolean done =
        code == 0 ? digest_file(builder->path, digest, error) : fail(builder, code, error);
    if (!done)
        unlink(builder->path);
    builder_free(builder);
    return done;
}

void
identity_builder_abandon(IdentityBuilder *builder)
{
    if (!builder)
        return;
    unlink(builder->path);
    builder_free(builder);
}
