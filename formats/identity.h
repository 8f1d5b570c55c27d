/* identity.h - published identity: snapshots of all API keys (LMDB, immutable, named by their
 * digest) and the signed head that says which one is current.
 * Bytes: formats/README.md, "Identity snapshot v1".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_IDENTITY_H
#define MILLRACE_FORMATS_IDENTITY_H

#include <glib.h>

#include "formats/api_key.h"
#include "formats/error.h"
#include "formats/minisign.h"

#define IDENTITY_HEAD_FILE    "head"
#define IDENTITY_DIGEST_CHARS 64
#define IDENTITY_NAME_PREFIX  "snapshot-" /* a snapshot's file: this, its SHA-256, ".lmdb" */
#define IDENTITY_NAME_SUFFIX  ".lmdb"
#define IDENTITY_MAX_BYTES    (8ULL << 30)
#define IDENTITY_CUSTOMER_MAX 255
#define IDENTITY_COUNT_MAX    20000000

/* What a key may do. */
enum {
    SCOPE_RESIZE = 1 << 0,
    SCOPE_JOBS = 1 << 1, /* privileged, as the next: what was stored can be reached with them */
    SCOPE_USAGE = 1 << 2,
    SCOPE_ALL = (1 << 3) - 1,
    SCOPE_PRIVILEGED = SCOPE_JOBS | SCOPE_USAGE
};
/* "resize,jobs,usage" to bits; FALSE and MILLRACE_ERROR_USAGE. */
gboolean scopes_parse(const char *text, guint32 *scopes, GError **error);
/* (transfer full) */
char *scopes_print(guint32 scopes);

/* Is this a customer's name: 1 to 255 bytes of UTF-8 without control characters that can also name
 * a folder (no '/', not "." or "..", no '.' at its beginning)? FALSE and MILLRACE_ERROR_USAGE. */
gboolean identity_customer_check(const char *customer, GError **error);

/* What is known of one key. */
typedef struct {
    char customer[IDENTITY_CUSTOMER_MAX + 1];
    char id[API_KEY_ID_CHARS + 1];
    guint32 scopes;
    guint32 rate_per_s;  /* requests; 0: no limit */
    guint32 burst;       /* at least 1 when rate_per_s is not 0 */
    guint64 daily_quota; /* requests a UTC day, at one door; 0: no limit */
    gint64 expires_us;   /* G_MAXINT64: never */
} IdentityKey;

/* What the head says. */
typedef struct {
    guint64 epoch;                          /* counts from 1 */
    char parent[IDENTITY_DIGEST_CHARS + 1]; /* of the epoch before; "none" */
    char digest[IDENTITY_DIGEST_CHARS + 1]; /* SHA-256 of the snapshot's file */
    guint64 count;                          /* of keys */
    gint64 created_us;
} IdentityHead;

/* (transfer full) the signed head's text; the same head and key give the same bytes. */
char *identity_head_sign(const IdentityHead *head, const MinisignSecret *secret);
/* FALSE and MILLRACE_ERROR_CORRUPT: forged, torn, or by a key that is none of these. */
gboolean identity_head_open(const char *name, const char *text, gsize size_bytes,
                            const MinisignPublic *keys, guint key_count, IdentityHead *head,
                            GError **error);

/* How large the file of a snapshot with so many keys can be. */
guint64 identity_snapshot_max_bytes(guint64 count);
/* (transfer full) the name of the file with that digest. */
char *identity_snapshot_name(const char *digest);

/* Builds a snapshot's file at path, which must not exist: keys come sorted by hash, each once. */
typedef struct _IdentityBuilder IdentityBuilder;
IdentityBuilder *identity_builder_new(const char *path, const guint8 pepper[API_KEY_PEPPER_BYTES],
                                      guint64 count_max, GError **error);
gboolean identity_builder_add(IdentityBuilder *builder, const guint8 hash[API_KEY_HASH_BYTES],
                              const IdentityKey *key, GError **error);
/* Takes the builder. The file is durable, and the same keys, pepper and count_max give the same
 * bytes. Its name is not: the caller syncs the folder.
 * digest: of the file. */
gboolean identity_builder_close(IdentityBuilder *builder, char digest[IDENTITY_DIGEST_CHARS + 1],
                                GError **error);
void identity_builder_abandon(IdentityBuilder *builder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IdentityBuilder, identity_builder_abandon)

/* SHA-256 of a whole file: the digest of a snapshot, and its name. FALSE and MILLRACE_ERROR_IO. */
gboolean identity_file_digest(int fd, const char *name, char digest[IDENTITY_DIGEST_CHARS + 1],
                              GError **error);

/* An opened snapshot; for any number of threads at once. */
typedef struct _IdentitySnapshot IdentitySnapshot;
/* path: a private copy whose digest has been checked by the caller: a damaged map is SIGBUS.
 * (transfer full), or NULL and MILLRACE_ERROR_CORRUPT. */
IdentitySnapshot *identity_snapshot_open(const char *path, GError **error);
void identity_snapshot_free(IdentitySnapshot *snapshot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IdentitySnapshot, identity_snapshot_free)
const guint8 *identity_snapshot_pepper(const IdentitySnapshot *snapshot);
guint64 identity_snapshot_count(const IdentitySnapshot *snapshot);
/* Looks a hash up. Returns FALSE when there is no such key (or the record does not parse). Nothing
 * is said of expiry: that is the caller's clock. */
gboolean identity_snapshot_find(const IdentitySnapshot *snapshot,
                                const guint8 hash[API_KEY_HASH_BYTES], IdentityKey *key);

#endif
