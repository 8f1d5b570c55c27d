/* tier.c - what all tiers have in common: which names there are, whole files, and which kind of
 * tier a place is.
 * A name may come out of a catalogue that nobody vouches for, so it is checked here, once, before
 * any kind of tier makes a path of it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/tier.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "jobs/tier_internal.h"

enum { NAME_MAX_CHARS = 200, PIECE_BYTES = 4 << 20 };

/* A file's own name: nothing that a shell, a URL or a folder could take for something else. */
static gboolean
is_plain(const char *name)
{
    gsize length = strlen(name);

    if (length == 0 || length > NAME_MAX_CHARS || *name == '.')
        return FALSE;
    for (const char *at = name; *at; at++)
        if (!g_ascii_isalnum(*at) && !strchr("._-", *at))
            return FALSE;
    return TRUE;
}

static gboolean
is_folder(const char *folder)
{
    return strcmp(folder, "volumes") == 0 || strcmp(folder, "keys") == 0;
}

static gboolean
check_name(const char *name, GError **error)
{
    static const char *const folders[] = {"volumes/", "keys/"};

    if (strcmp(name, "catalogue.log") == 0)
        return TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(folders); i++)
        if (g_str_has_prefix(name, folders[i]) && is_plain(name + strlen(folders[i])))
            return TRUE;
    g_autofree char *printable = g_strescape(name, NULL);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                "\"%.200s\": an archive has no files of such a name", printable);
    return FALSE;
}

static gboolean
read_local(int fd, const char *name, guint64 offset, char *out, gsize size_bytes, GError **error)
{
    gssize got = durable_read_at(fd, name, offset, out, size_bytes, error);

    if (got >= 0 && (gsize)got < size_bytes)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO,
                    "%s: what it is made of has become shorter meanwhile", name);
    return got == (gssize)size_bytes;
}

gboolean
tier_source_read(const TierSource *source, const char *name, guint64 offset, void *out,
                 gsize size_bytes, GError **error)
{
    g_assert(offset <= source->size_bytes && size_bytes <= source->size_bytes - offset);
    if (source->bytes) {
        memcpy(out, source->bytes + offset, size_bytes);
        return TRUE;
    }
    if (source->file)
        return tier_file_read(source->file, offset, out, size_bytes, error) >= 0;
    return read_local(source->fd, name, offset, out, size_bytes, error);
}

gboolean
tier_source_sha256(const TierSource *source, const char *name, guint64 offset, guint64 size_bytes,
                   char hex[SHA256_CHARS + 1], GError **error)
{
    g_autoptr(Sha256) sha256 = sha256_new();
    g_autofree char *piece = g_malloc(PIECE_BYTES);

    while (size_bytes > 0) {
        gsize piece_bytes = (gsize)MIN(size_bytes, PIECE_BYTES);
        if (!tier_source_read(source, name, offset, piece, piece_bytes, error))
            return FALSE;
        sha256_add(sha256, piece, piece_bytes);
        offset += piece_bytes;
        size_bytes -= piece_bytes;
    }
    sha256_finish(sha256, hex);
    return TRUE;
}

static gboolean
is_same(const TierSource *source, TierFile *written, gboolean *same, GError **error)
{
    g_autofree char *meant = g_malloc(PIECE_BYTES);
    g_autofree char *got = g_malloc(PIECE_BYTES);

    *same = TRUE;
    for (guint64 offset = 0; *same && offset < source->size_bytes;) {
        gsize piece_bytes = (gsize)MIN(source->size_bytes - offset, PIECE_BYTES);
        if (!tier_source_read(source, written->name, offset, meant, piece_bytes, error) ||
            tier_file_read(written, offset, got, piece_bytes, error) < 0)
            return FALSE;
        *same = memcmp(meant, got, piece_bytes) == 0;
        offset += piece_bytes;
    }
    return TRUE;
}

gboolean
tier_source_check(const TierSource *source, TierFile *written, GError **error)
{
    gboolean same = tier_file_size(written) == source->size_bytes;
    char hex[SHA256_CHARS + 1];

    if (same && !source->sha256 && !is_same(source, written, &same, error))
        return FALSE;
    if (same && source->sha256) {
        if (!tier_file_sha256(written, hex, error))
            return FALSE;
        same = strcmp(hex, source->sha256) == 0;
    }
    if (!same)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO,
                    "%s/%s: what was written does not read back as it was", written->tier->name,
                    written->name);
    return same;
}

Tier *
tier_open(const char *where, gboolean create, GError **error)
{
    gboolean is_s3 = g_str_has_prefix(where, "s3://");
    const TierKind *kind = is_s3 ? &tier_s3_kind : &tier_dir_kind;

    if (strcmp(where, "-") == 0 || *where == '\0' || (!is_s3 && strstr(where, "://"))) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "\"%s\": expected a folder or s3://BUCKET/PREFIX", where);
        return NULL;
    }
    Tier *tier = kind->open(where, create, error);
    if (tier) {
        tier->kind = kind;
        tier->name = g_strdup(where);
    }
    return tier;
}

void
tier_free(Tier *tier)
{
    if (!tier)
        return;
    g_free(tier->name);
    tier->kind->free(tier);
}

const char *
tier_name(const Tier *tier)
{
    return tier->name;
}

int
tier_dir_fd(const Tier *tier)
{
    return tier->dir_fd;
}

gboolean
tier_lock(Tier *tier, GError **error)
{
    return tier->kind->lock(tier, error);
}

TierFile *
tier_file_open(Tier *tier, const char *name, GError **error)
{
    TierFile *file = check_name(name, error) ? tier->kind->file_open(tier, name, error) : NULL;

    if (file) {
        file->tier = tier;
        file->name = g_strdup(name);
    }
    return file;
}

void
tier_file_close(TierFile *file)
{
    if (!file)
        return;
    g_free(file->name);
    file->tier->kind->file_close(file);
}

guint64
tier_file_size(const TierFile *file)
{
    return file->size_bytes;
}

gssize
tier_file_read(TierFile *file, guint64 offset, void *out, gsize size_bytes, GError **error)
{
    gsize wanted = offset < file->size_bytes
                       ? (gsize)MIN(file->size_bytes - offset, MIN(size_bytes, G_MAXSSIZE))
                       : 0;

    if (wanted > 0 && !file->tier->kind->file_read(file, offset, out, wanted, error))
        return -1;
    return (gssize)wanted;
}

int
tier_file_fd(const TierFile *file)
{
    return file->fd;
}

gboolean
tier_file_sha256(TierFile *file, char hex[SHA256_CHARS + 1], GError **error)
{
    const TierSource source = {.file = file, .size_bytes = file->size_bytes};

    return tier_source_sha256(&source, file->name, 0, file->size_bytes, hex, error);
}

char *
tier_read_all(Tier *tier, const char *name, gsize max_bytes, gsize *size_bytes, GError **error)
{
    g_autoptr(TierFile) file = tier_file_open(tier, name, error);

    if (!file)
        return NULL;
    if (file->size_bytes > max_bytes) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO,
                    "%s/%s: %" G_GUINT64_FORMAT " bytes are more than the %" G_GSIZE_FORMAT
                    " that such a file may have",
                    tier->name, name, file->size_bytes, max_bytes);
        return NULL;
    }
    g_autofree char *bytes = g_malloc(file->size_bytes + 1);
    gssize got = tier_file_read(file, 0, bytes, file->size_bytes, error);
    if (got < 0)
        return NULL;
    bytes[got] = '\0';
    if (size_bytes)
        *size_bytes = (gsize)got;
    return g_steal_pointer(&bytes);
}

gboolean
tier_write_all(Tier *tier, const char *name, const void *bytes, gsize size_bytes, GError **error)
{
    const TierSource source = {.bytes = bytes ? bytes : "", .fd = -1, .size_bytes = size_bytes};

    return check_name(name, error) && tier->kind->write(tier, name, &source, error);
}

gboolean
tier_write_file(Tier *tier, const char *name, int fd, GError **error)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "%s", name);
    const TierSource source = {.fd = fd, .size_bytes = (guint64)status.st_size};
    return check_name(name, error) && tier->kind->write(tier, name, &source, error);
}

/* Whose fault it was that what was written is not what it should be. */
static gboolean
is_damaged(TierFile *file, const char *sha256, GError **error)
{
    g_autoptr(GError) reason = NULL;
    char hex[SHA256_CHARS + 1];

    if (tier_file_sha256(file, hex, &reason) && strcmp(hex, sha256) == 0)
        return FALSE;
    g_clear_error(error);
    if (reason)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT, "%s", reason->message);
    else
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "%s/%s: its SHA-256 is %s, not %s", file->tier->name, file->name, hex, sha256);
    return TRUE;
}

gboolean
tier_copy(Tier *tier, const char *name, TierFile *file, const char *sha256, GError **error)
{
    const TierSource source = {
        .file = file, .fd = -1, .size_bytes = file->size_bytes, .sha256 = sha256};
    GError *reason = NULL;

    if (!check_name(name, error))
        return FALSE;
    if (tier->kind->write(tier, name, &source, &reason))
        return TRUE;
    is_damaged(file, sha256, &reason);
    g_propagate_error(error, reason);
    return FALSE;
}

gboolean
tier_append(Tier *tier, const char *name, guint64 keep_bytes, const void *bytes, gsize size_bytes,
            GError **error)
{
    return check_name(name, error) &&
           tier->kind->append(tier, name, keep_bytes, bytes, size_bytes, error);
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *
tier_list(Tier *tier, const char *folder, GError **error)
{
    g_assert(is_folder(folder));
    GPtrArray *names = tier->kind->list(tier, folder, error);
    if (!names)
        return NULL;
    for (guint i = names->len; i > 0; i--)
        if (!is_plain(names->pdata[i - 1]))
            g_ptr_array_remove_index_fast(names, i - 1);
    g_ptr_array_sort(names, compare_names);
    return names;
}

gboolean
tier_remove(Tier *tier, const char *name, GError **error)
{
    return check_name(name, error) && tier->kind->remove(tier, name, error);
}
