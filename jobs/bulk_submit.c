/* bulk_submit.c - from what a client sent to a job's folder. It is made beneath .tmp/, made
 * durable, and given its name by one rename; until then nothing has happened. The name follows from
 * the customer and the key, so the same request twice, at any door, makes one job.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bulk_submit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/image_header.h"
#include "formats/json.h"
#include "formats/outspec.h"
#include "formats/sha256.h"
#include "jobs/bulk_internal.h"
#include "jobs/bulk_rows.h"
#include "jobs/bulk_unpack.h"

#define BYTES_MAX_DEFAULT        (4ULL << 30)
#define MEMBER_BYTES_MAX_DEFAULT (256ULL << 20)
enum { ROWS_MAX_DEFAULT = 1000000, PIECE_BYTES = 64 << 10, RECEIPT_MAX_BYTES = 1 << 16 };

typedef struct {
    BulkJobs *jobs;
    const BulkRequest *request;
    BulkLimits limits;
    int fd;
    guint64 size_bytes;
    BulkJob job; /* what will be written of it */
    gboolean is_tar;
    int stage_fd;
} Submission;

static gboolean
refuse(GError **error, const char *message)
{
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT, message);
    return FALSE;
}

char *
bulk_sources_folder(const char *sources, const char *customer, GError **error)
{
    struct stat status;

    if (!sources) {
        refuse(error, "sources must be members of a tar that is sent: there is no folder of "
                      "sources here");
        return NULL;
    }
    if (*customer == '\0' || *customer == '.' || strchr(customer, '/')) {
        refuse(error, "the customer's name cannot be that of a folder: send a tar");
        return NULL;
    }
    g_autofree char *folder = g_build_filename(sources, customer, NULL);
    if (lstat(folder, &status) == 0 && S_ISDIR(status.st_mode))
        return g_steal_pointer(&folder);
    refuse(error, "this customer has no folder of sources here: send a tar");
    return NULL;
}

/* (transfer full) the canonical output specs; NULL without error when there are none. */
static gboolean
print_specs(const char *to, char **canonical, GError **error)
{
    OutputSpec specs[OUTPUTS_PER_ROW_MAX];
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GError) wrong = NULL;
    int count = to && *to ? output_spec_parse_list(to, specs, G_N_ELEMENTS(specs), &wrong) : 0;

    if (count < 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT, "to: %s", wrong->message);
        return FALSE;
    }
    for (int i = 0; i < count; i++) {
        g_autofree char *text = output_spec_print(&specs[i]);
        g_string_append_printf(out, "%s%s", i > 0 ? ";" : "", text);
    }
    *canonical = count > 0 ? g_string_free(g_steal_pointer(&out), FALSE) : NULL;
    return TRUE;
}

/* Looks at how what was sent begins. An image would be read as a list of strange names. */
static gboolean
take_head(Submission *sub, const guint8 *bytes, gsize size_bytes, GError **error)
{
    sub->is_tar = bulk_is_tar(bytes, size_bytes);
    if (sub->is_tar || !memchr(bytes, '\0', size_bytes) ||
        image_sniff(bytes, size_bytes) == IMAGE_FORMAT_INPUT)
        return TRUE;
    return refuse(error, "this is an image: a job is a manifest or a tar of images; one image "
                         "alone is resized at once, by a door at /v1/resize");
}

/* Reads all that was sent: its digest, and whether it is a tar. */
static gboolean
digest_sent(Submission *sub, GError **error)
{
    g_autoptr(Sha256) sha256 = sha256_new();
    g_autofree guint8 *piece = g_malloc(PIECE_BYTES);
    guint64 offset = 0;

    while (offset < sub->size_bytes) {
        gssize got = durable_read_at(sub->fd, "what was sent", offset, piece,
                                     MIN(PIECE_BYTES, sub->size_bytes - offset), error);
        if (got < 0)
            return FALSE;
        if (got == 0) {
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO,
                        "what was sent is shorter than it was");
            return FALSE;
        }
        if (offset == 0 && !take_head(sub, piece, (gsize)got, error))
            return FALSE;
        sha256_add(sha256, piece, (gsize)got);
        offset += (guint64)got;
    }
    sha256_finish(sha256, sub->job.manifest);
    return TRUE;
}

/* The rows of what was unpacked: those of its manifest, or one for each member. */
static gboolean
write_unpacked_rows(Submission *sub, BulkRows *rows, GError **error)
{
    g_autofree char *manifest = NULL;

    if (!bulk_unpack(sub->fd, sub->stage_fd, &sub->limits, &manifest, error))
        return FALSE;
    int fd =
        openat(sub->stage_fd, manifest ? "sent" : BULK_MEMBERS, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "reading the manifest");
    gboolean written = bulk_rows_write(fd, manifest ? manifest : "the tar",
                                       manifest ? MANIFEST_AUTO : MANIFEST_LIST0,
                                       sub->limits.rows_max, sub->stage_fd, rows, error);
    close(fd);
    unlinkat(sub->stage_fd, "sent", 0);
    unlinkat(sub->stage_fd, BULK_MEMBERS, 0);
    return written;
}

static gboolean
write_rows(Submission *sub, GError **error)
{
    const BulkRequest *request = sub->request;
    g_autofree char *folder =
        sub->is_tar ? NULL : bulk_sources_folder(request->sources, request->customer, error);
    BulkRows rows = {0};
    gboolean written = FALSE;

    if (sub->is_tar) {
        written = write_unpacked_rows(sub, &rows, error);
    } else if (folder) {
        written = bulk_rows_write(sub->fd, request->name ? request->name : "manifest",
                                  request->kind, sub->limits.rows_max, sub->stage_fd, &rows, error);
    }
    if (!written)
        return FALSE;
    sub->job.row_count = rows.row_count;
    return sub->job.to || rows.any_to ||
           refuse(error, "nothing says what to make: give output specs (to), or fill the column "
                         "\"to\"");
}

static gboolean
write_job(const Submission *sub, const char *receipt, GError **error)
{
    const BulkJob *job = &sub->job;
    g_autoptr(GString) json = g_string_new(NULL);

    json_open(json, NULL, '{');
    json_put_int(json, "version", 1);
    json_put_string(json, "job", job->id);
    json_put_string(json, "customer", sub->request->customer);
    if (job->to)
        json_put_string(json, "to", job->to);
    json_put_string(json, "manifest", job->manifest);
    json_put_uint(json, "bytes", sub->size_bytes);
    json_put_uint(json, "rows", job->row_count);
    json_put_bool(json, "inputs", sub->is_tar);
    json_put_int(json, "accepted_us", job->accepted_us);
    g_string_append(json, "}\n");
    return durable_write_file(sub->stage_fd, "receipt", receipt, strlen(receipt), error) &&
           durable_write_file(sub->stage_fd, "job.json", json->str, json->len, error);
}

static char *
sign(Submission *sub)
{
    Receipt receipt = {.customer = (char *)sub->request->customer,
                       .row_count = sub->job.row_count,
                       .accepted_us = sub->job.accepted_us,
                       .cluster = (char *)sub->request->cluster};

    if (!sub->request->secret)
        return g_strdup("");
    g_strlcpy(receipt.job, sub->job.id, sizeof receipt.job);
    g_strlcpy(receipt.manifest, sub->job.manifest, sizeof receipt.manifest);
    return receipt_sign(&receipt, sub->request->secret);
}

/* Makes the folder beneath .tmp/, and gives it its name. Returns: BULK_NEW; BULK_AGAIN when another
 * gave that name meanwhile, or -1. */
static int
make_job(Submission *sub, char **receipt, GError **error)
{
    BulkJobs *jobs = sub->jobs;
    g_autofree char *stage = bulk_temporary(sub->job.id);
    int made = -1;

    sub->stage_fd = durable_folder_beneath(jobs->tmp_fd, stage, error);
    if (sub->stage_fd < 0)
        return -1;
    if (write_rows(sub, error)) {
        sub->job.accepted_us = g_get_real_time();
        *receipt = sign(sub);
        if (write_job(sub, *receipt, error)) {
            int failed = bulk_rename(jobs->tmp_fd, stage, jobs->fd, sub->job.id);
            if (failed == 0)
                made = durable_sync(jobs->fd, "the jobs' folder", error) ? BULK_NEW : -1;
            else if (failed == EEXIST)
                made = BULK_AGAIN;
            else
                millrace_error_set_errno(error, MILLRACE_ERROR_IO, failed, "naming job %s",
                                         sub->job.id);
        }
    }
    close(sub->stage_fd);
    bulk_tree_remove(jobs->tmp_fd, stage, NULL);
    if (made != BULK_NEW)
        g_clear_pointer(receipt, g_free);
    return made;
}

/* Compares with the job that has the name. */
static int
compare(const Submission *sub, char **receipt, GError **error)
{
    BulkJob there;
    g_autofree char *path = bulk_name(sub->job.id, "receipt");

    if (!bulk_jobs_read(sub->jobs, sub->job.id, &there, error))
        return -1;
    gboolean same = strcmp(there.manifest, sub->job.manifest) == 0 &&
                    g_strcmp0(there.to, sub->job.to) == 0 &&
                    strcmp(there.customer, sub->request->customer) == 0;
    bulk_job_clear(&there);
    if (!same)
        return BULK_DIFFERS;
    *receipt = durable_read_file(sub->jobs->fd, path, RECEIPT_MAX_BYTES, NULL, error);
    return *receipt ? BULK_AGAIN : -1;
}

int
bulk_submit(BulkJobs *jobs, int fd, guint64 size_bytes, const BulkRequest *request,
            char id[JOB_ID_CHARS + 1], char **receipt, GError **error)
{
    Submission sub = {.jobs = jobs,
                      .request = request,
                      .limits = request->limits,
                      .fd = fd,
                      .size_bytes = size_bytes,
                      .stage_fd = -1};
    int came = -1;

    sub.limits.rows_max = sub.limits.rows_max ? sub.limits.rows_max : ROWS_MAX_DEFAULT;
    sub.limits.bytes_max = sub.limits.bytes_max ? sub.limits.bytes_max : BYTES_MAX_DEFAULT;
    if (!sub.limits.member_bytes_max)
        sub.limits.member_bytes_max = MEMBER_BYTES_MAX_DEFAULT;
    *receipt = NULL;
    bulk_id_make(request->customer, request->key, sub.job.id);
    memcpy(id, sub.job.id, sizeof sub.job.id);
    if (print_specs(request->to, &sub.job.to, error) && digest_sent(&sub, error)) {
        came = bulk_has(jobs, id, "job.json") ? BULK_AGAIN : make_job(&sub, receipt, error);
        if (came == BULK_AGAIN)
            came = compare(&sub, receipt, error);
    }
    bulk_job_clear(&sub.job);
    return came;
}
