/* tier_s3.c - an archive on an S3 server: files are objects, whole or not there by the server's
 * word, and read back before we believe it.
 * There are no locks. So that two writers do not overwrite each other's catalogue all the same, it
 * is written on condition that it is the one that was read (servers that know no conditions ignore
 * them).
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "jobs/tier_internal.h"
#include "jobs/tier_s3_request.h"
#include "jobs/tier_s3_xml.h"

#define PART_FROM_BYTES (64ull << 20) /* larger files go in parts */
#define PART_BYTES      (16ull << 20)
#define PART_COUNT_MAX  9000 /* S3 takes 10000 */

enum { HEAD_BYTES = 64 << 10, PIECE_BYTES = 8 << 20, WINDOW_BYTES = 4 << 20, PAGES_MAX = 100000 };

typedef struct {
    Tier base;
    S3 *s3;
    GHashTable *etags; /* of files that were opened: what tier_append() goes on from */
} TierS3;

typedef struct {
    TierFile base;
    char *etag; /* every byte is of this version */
    gsize head_bytes;
    char head[HEAD_BYTES]; /* its begin, which came with the news that it is there */
    GMutex lock;
    /* Who reads on where the last reading ended gets the next bytes before they are asked for.
     * All under lock. */
    guint64 next;
    guint64 window_offset;
    GBytes *window;
} TierS3File;

static S3 *
s3_of(const Tier *tier)
{
    return ((const TierS3 *)tier)->s3;
}

static void
free_tier(Tier *tier)
{
    TierS3 *self = (TierS3 *)tier;

    s3_free(self->s3);
    g_hash_table_unref(self->etags);
    g_free(self);
}

/* Buckets are not made here: where they are, and who may read them, is not ours to decide. */
static Tier *
open_tier(const char *where, gboolean create G_GNUC_UNUSED, GError **error)
{
    g_autoptr(S3) s3 = s3_new(where, error);
    g_auto(S3Answer) answer = {0};

    if (!s3 || !s3_request(s3, &(S3Request){.method = "GET", .query = "list-type=2&max-keys=1"},
                           &answer, error))
        return NULL;
    TierS3 *self = g_new0(TierS3, 1);
    self->s3 = g_steal_pointer(&s3);
    self->base.dir_fd = -1;
    self->etags = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return &self->base;
}

static gboolean
lock_tier(Tier *tier G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
    return TRUE;
}

/* Asks for the begin, which tells the size as well. An empty object has no begin: 416. */
static TierFile *
open_file(Tier *tier, const char *name, GError **error)
{
    TierS3File *file = g_new0(TierS3File, 1);
    g_auto(S3Answer) answer = {0};
    g_autoptr(GError) reason = NULL;
    const S3Request request = {
        .method = "GET", .name = name, .out = file->head, .range_bytes = HEAD_BYTES};

    file->base.fd = -1;
    if (!s3_request(s3_of(tier), &request, &answer, &reason) && answer.status != 416) {
        g_propagate_error(error, g_steal_pointer(&reason));
        g_free(file);
        return NULL;
    }
    g_mutex_init(&file->lock);
    file->head_bytes = answer.out_bytes;
    file->base.size_bytes = reason ? 0 : answer.total_bytes;
    file->etag = g_strdup(answer.etag);
    if (answer.etag)
        g_hash_table_insert(((TierS3 *)tier)->etags, g_strdup(name), g_strdup(answer.etag));
    return &file->base;
}

static void
close_file(TierFile *file)
{
    TierS3File *self = (TierS3File *)file;

    g_mutex_clear(&self->lock);
    g_clear_pointer(&self->window, g_bytes_unref);
    g_free(self->etag);
    g_free(self);
}

static gboolean
read_piece(TierFile *file, guint64 offset, void *out, gsize size_bytes, GError **error)
{
    const char *etag = ((const TierS3File *)file)->etag;
    g_autofree char *condition = etag ? g_strconcat("If-Match: ", etag, NULL) : NULL;
    g_auto(S3Answer) answer = {0};
    const S3Request request = {.method = "GET",
                               .name = file->name,
                               .out = out,
                               .range_offset = offset,
                               .range_bytes = size_bytes,
                               .condition = condition};

    if (s3_request(s3_of(file->tier), &request, &answer, error)) {
        if (answer.total_bytes == file->size_bytes)
            return TRUE;
        answer.status = 412;
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO, "%s", file->name);
    }
    if (answer.status == 412)
        g_prefix_error(error, "it was replaced while it was read: ");
    return FALSE;
}

/* The part of a reading that is in the window. */
static gsize
read_window(TierS3File *self, guint64 offset, void *out, gsize size_bytes)
{
    gsize window_bytes = self->window ? g_bytes_get_size(self->window) : 0;

    if (!self->window || offset < self->window_offset ||
        offset >= self->window_offset + window_bytes)
        return 0;
    gsize skip = (gsize)(offset - self->window_offset);
    gsize have = MIN(size_bytes, window_bytes - skip);
    memcpy(out, (const char *)g_bytes_get_data(self->window, NULL) + skip, have);
    return have;
}

/* Reads a new window from offset on. */
static gboolean
move_window(TierS3File *self, guint64 offset, GError **error)
{
    gsize window_bytes = (gsize)MIN(self->base.size_bytes - offset, WINDOW_BYTES);
    g_autofree char *bytes = g_malloc(window_bytes);

    if (!read_piece(&self->base, offset, bytes, window_bytes, error))
        return FALSE;
    g_mutex_lock(&self->lock);
    g_clear_pointer(&self->window, g_bytes_unref);
    self->window = g_bytes_new_take(g_steal_pointer(&bytes), window_bytes);
    self->window_offset = offset;
    g_mutex_unlock(&self->lock);
    return TRUE;
}

static gboolean
read_file(TierFile *file, guint64 offset, void *out, gsize size_bytes, GError **error)
{
    TierS3File *self = (TierS3File *)file;
    gsize done = 0;

    if (offset < self->head_bytes) {
        done = (gsize)MIN(size_bytes, self->head_bytes - offset);
        memcpy(out, self->head + offset, done);
    }
    g_mutex_lock(&self->lock);
    gboolean reads_on = offset == self->next && size_bytes < WINDOW_BYTES / 4;
    self->next = offset + size_bytes;
    done += read_window(self, offset + done, (char *)out + done, size_bytes - done);
    g_mutex_unlock(&self->lock);
    if (reads_on && done < size_bytes) {
        if (!move_window(self, offset + done, error))
            return FALSE;
        g_mutex_lock(&self->lock);
        done += read_window(self, offset + done, (char *)out + done, size_bytes - done);
        g_mutex_unlock(&self->lock);
    }
    /* Also what another thread has moved the window away from. */
    while (done < size_bytes) {
        gsize piece_bytes = MIN(size_bytes - done, PIECE_BYTES);
        if (!read_piece(file, offset + done, (char *)out + done, piece_bytes, error))
            return FALSE;
        done += piece_bytes;
    }
    return TRUE;
}

/* Sends a part; its tag goes into what ends the upload. */
static gboolean
send_part(S3 *s3, const char *name, const char *upload, guint number, const TierSource *source,
          guint64 part_bytes, GString *parts, GError **error)
{
    guint64 offset = (number - 1) * part_bytes;
    g_autofree char *query = g_strdup_printf("partNumber=%u&uploadId=%s", number, upload);
    g_auto(S3Answer) answer = {0};
    const S3Request request = {.method = "PUT",
                               .name = name,
                               .query = query,
                               .body = source,
                               .body_offset = offset,
                               .body_bytes = MIN(part_bytes, source->size_bytes - offset)};

    if (!s3_request(s3, &request, &answer, error))
        return FALSE;
    if (!answer.etag) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO,
                    "%s: the server gives no tag for a part of it", name);
        return FALSE;
    }
    g_autofree char *tag = g_markup_escape_text(answer.etag, -1);
    g_string_append_printf(parts, "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>", number,
                           tag);
    return TRUE;
}

/* Begins an upload in parts. Returns: (transfer full) its number, encoded for queries. */
static char *
begin_parts(S3 *s3, const char *name, GError **error)
{
    const TierSource nothing = {.bytes = (const guint8 *)"", .fd = -1};
    g_auto(S3Answer) answer = {0};
    const S3Request request = {
        .method = "POST", .name = name, .query = "uploads=", .body = &nothing};

    if (!s3_request(s3, &request, &answer, error))
        return NULL;
    g_autofree char *upload = s3_xml_value(answer.text->str, answer.text->len, "UploadId");
    if (upload)
        return g_uri_escape_string(upload, NULL, FALSE);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO,
                "%s: the server does not say which upload it has begun", name);
    return NULL;
}

/* A server may say 200 first and think of an error later. That an upload is not known any more may
 * mean that a try before, whose answer was lost, has ended it: reading back will tell. */
static gboolean
end_parts(S3 *s3, const char *name, const char *query, const GString *parts, GError **error)
{
    const TierSource body = {
        .bytes = (const guint8 *)parts->str, .fd = -1, .size_bytes = parts->len};
    g_auto(S3Answer) answer = {0};
    g_autoptr(GError) reason = NULL;
    const S3Request request = {
        .method = "POST", .name = name, .query = query, .body = &body, .body_bytes = parts->len};

    if (!s3_request(s3, &request, &answer, &reason)) {
        if (answer.status == 404)
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
    }
    g_autofree char *code = s3_xml_value(answer.text->str, answer.text->len, "Code");
    if (!code)
        return TRUE;
    g_autofree char *printable = g_strescape(code, NULL);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE,
                "%s: the server cannot put its parts together: %.200s", name, printable);
    return FALSE;
}

static gboolean
put_parts(S3 *s3, const char *name, const TierSource *source, GError **error)
{
    guint64 part_bytes = MAX(PART_BYTES, source->size_bytes / PART_COUNT_MAX + 1);
    g_autofree char *upload = begin_parts(s3, name, error);
    g_autoptr(GString) parts = g_string_new("<CompleteMultipartUpload>");

    if (!upload)
        return FALSE;
    gboolean good = TRUE;
    for (guint number = 1; good && (number - 1) * part_bytes < source->size_bytes; number++)
        good = send_part(s3, name, upload, number, source, part_bytes, parts, error);
    g_string_append(parts, "</CompleteMultipartUpload>");
    g_autofree char *query = g_strconcat("uploadId=", upload, NULL);
    if (good && end_parts(s3, name, query, parts, error))
        return TRUE;
    /* What was sent costs money until it is thrown away; the error stays the first one. */
    g_auto(S3Answer) answer = {0};
    s3_request(s3, &(S3Request){.method = "DELETE", .name = name, .query = query}, &answer, NULL);
    return FALSE;
}

/* 412: another version is there. It may be ours, of a try whose answer was lost: reading back will
 * tell, so this is no failure yet. */
static gboolean
put_whole(S3 *s3, const char *name, const TierSource *source, const char *condition,
          gboolean *other_version, GError **error)
{
    g_auto(S3Answer) answer = {0};
    g_autoptr(GError) reason = NULL;
    S3Request request = {.method = "PUT",
                         .name = name,
                         .body = source,
                         .body_bytes = source->size_bytes,
                         .condition = condition};

    if (s3_request(s3, &request, &answer, &reason))
        return TRUE;
    if (condition && answer.status == 501) {
        request.condition = NULL;
        g_clear_error(&reason);
        if (s3_request(s3, &request, &answer, &reason))
            return TRUE;
    }
    *other_version = condition && (answer.status == 412 || answer.status == 409);
    if (*other_version)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

/* An object has its name at once, so that what is damaged is found before it is sent. */
static gboolean
check_source(const TierSource *source, const char *name, GError **error)
{
    char hex[SHA256_CHARS + 1];

    if (!source->sha256)
        return TRUE;
    if (!tier_source_sha256(source, name, 0, source->size_bytes, hex, error))
        return FALSE;
    if (strcmp(hex, source->sha256) == 0)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT, "%s: its SHA-256 is %s, not %s",
                name, hex, source->sha256);
    return FALSE;
}

static gboolean
write_if(Tier *tier, const char *name, const TierSource *source, const char *condition,
         GError **error)
{
    gboolean other_version = FALSE;

    if (!check_source(source, name, error))
        return FALSE;
    gboolean written = source->size_bytes > PART_FROM_BYTES
                           ? put_parts(s3_of(tier), name, source, error)
                           : put_whole(s3_of(tier), name, source, condition, &other_version, error);
    g_autoptr(TierFile) file = written ? tier_file_open(tier, name, error) : NULL;

    if (!file)
        return FALSE;
    if (!other_version)
        return tier_source_check(source, file, error);
    if (tier_source_check(source, file, NULL))
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED,
                "%s/%s: another process has written it meanwhile; run again", tier->name, name);
    return FALSE;
}

static gboolean
write_file(Tier *tier, const char *name, const TierSource *source, GError **error)
{
    return write_if(tier, name, source, NULL, error);
}

static gboolean
append_file(Tier *tier, const char *name, guint64 keep_bytes, const void *bytes, gsize size_bytes,
            GError **error)
{
    const char *etag = g_hash_table_lookup(((TierS3 *)tier)->etags, name);
    g_autofree char *condition =
        etag ? g_strconcat("If-Match: ", etag, NULL) : g_strdup("If-None-Match: *");
    g_autoptr(GByteArray) whole = g_byte_array_new();

    if (keep_bytes > 0) {
        g_autoptr(TierFile) file = tier_file_open(tier, name, error);
        if (!file)
            return FALSE;
        if (tier_file_size(file) < keep_bytes || keep_bytes > G_MAXUINT32 - size_bytes) {
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO,
                        "%s/%s is not what was read before", tier->name, name);
            return FALSE;
        }
        g_byte_array_set_size(whole, (guint)keep_bytes);
        if (tier_file_read(file, 0, whole->data, keep_bytes, error) < 0)
            return FALSE;
    }
    g_byte_array_append(whole, bytes ? bytes : (const guint8 *)"", (guint)size_bytes);
    const TierSource source = {.bytes = whole->data ? whole->data : (const guint8 *)"",
                               .fd = -1,
                               .size_bytes = whole->len};
    return write_if(tier, name, &source, condition, error);
}

static GPtrArray *
list_files(Tier *tier, const char *folder, GError **error)
{
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *prefix = g_strconcat(s3_prefix(s3_of(tier)), folder, "/", NULL);
    g_autofree char *escaped = g_uri_escape_string(prefix, NULL, FALSE);
    g_autofree char *token = NULL;
    guint page = 0;

    do {
        g_autofree char *from = token ? g_uri_escape_string(token, NULL, FALSE) : NULL;
        g_autofree char *query =
            g_strdup_printf("%s%s%slist-type=2&prefix=%s", from ? "continuation-token=" : "",
                            from ? from : "", from ? "&" : "", escaped);
        g_auto(S3Answer) answer = {0};
        g_clear_pointer(&token, g_free);
        if (!s3_request(s3_of(tier), &(S3Request){.method = "GET", .query = query}, &answer,
                        error) ||
            !s3_xml_list(answer.text->str, answer.text->len, keys, &token, error))
            return NULL;
    } while (token && ++page < PAGES_MAX);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < keys->len; i++)
        if (g_str_has_prefix(keys->pdata[i], prefix))
            g_ptr_array_add(names, g_strdup((const char *)keys->pdata[i] + strlen(prefix)));
    return names;
}

static gboolean
remove_file(Tier *tier, const char *name, GError **error)
{
    g_auto(S3Answer) answer = {0};
    g_autoptr(GError) reason = NULL;

    if (s3_request(s3_of(tier), &(S3Request){.method = "DELETE", .name = name}, &answer, &reason) ||
        answer.status == 404)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

const TierKind tier_s3_kind = {
    .open = open_tier,
    .free = free_tier,
    .lock = lock_tier,
    .file_open = open_file,
    .file_close = close_file,
    .file_read = read_file,
    .write = write_file,
    .append = append_file,
    .list = list_files,
    .remove = remove_file,
};
