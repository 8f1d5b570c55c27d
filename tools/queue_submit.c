/* queue_submit.c - millrace queue submit: a job of a manifest, or of a tar of images.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/identity.h"
#include "jobs/bulk_submit.h"
#include "jobs/key_pair.h"
#include "tools/queue.h"
#include "tools/tool.h"

static const Tool tool = {
    .verb = "queue submit",
    .synopsis = "MANIFEST|TAR|-",
    .example = "  millrace queue submit --state STATE --customer acme --to 320x320 images.tar\n"
               "  find . -name '*.jpg' | millrace queue submit --state STATE --customer acme \\\n"
               "      --sources /srv/sources --to '320x320;800x' -",
    .summary = "Makes a job and puts it into the queue, as a door does. The images are in the tar, "
               "or beneath\nthe folder of sources, in the customer's own. Prints the job's id."};

/* The options as they are typed. They live as long as the program. */
static struct {
    QueuePlaces places;
    char *customer;
    char *to;
    char *key;
    char *sources;
    char *sign;
    char *cluster;
    char *receipt;
    char **operands;
} options;

static gboolean
parse_options(int argc, char **argv, GError **error)
{
    const GOptionEntry entries[] = {
        QUEUE_ENTRIES(&options.places),
        QUEUE_ENTRY_QUEUE(&options.places),
        {"customer", 0, 0, G_OPTION_ARG_FILENAME, &options.customer, "Whose job it is", "C"},
        {"to", 't', 0, G_OPTION_ARG_FILENAME, &options.to,
         "Output specs, ';' between, for rows that bring none", "SPEC"},
        {"key", 0, 0, G_OPTION_ARG_FILENAME, &options.key,
         "The same key and manifest again make no second job", "KEY"},
        {"sources", 0, 0, G_OPTION_ARG_FILENAME, &options.sources,
         "The folder with a folder for each customer", "DIR"},
        {"sign", 0, 0, G_OPTION_ARG_FILENAME, &options.sign,
         "Sign the receipt by this key (default: door.key of the state folder)", "FILE"},
        {"cluster", 0, 0, G_OPTION_ARG_FILENAME, &options.cluster,
         "Who signs, as the receipt says (default: the host's name)", "NAME"},
        {"receipt", 0, 0, G_OPTION_ARG_FILENAME, &options.receipt, "Write the receipt here",
         "FILE"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.operands, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, error) ||
        !queue_operand(options.operands, "one MANIFEST or TAR, or - for standard input", error))
        return FALSE;
    if (!options.customer || !*options.customer)
        return queue_usage(error, "expected --customer C");
    if (!identity_customer_check(options.customer, error))
        return FALSE;
    if (options.cluster && (!*options.cluster || manifest_name_problem(options.cluster)))
        return queue_usage(error, "--cluster: expected 1 to 255 bytes of text");
    return TRUE;
}

/* What comes through a pipe is read twice, so it is kept in a file without a name. */
static int
keep_input(const char *folder, GError **error)
{
    guint8 piece[16384];
    ssize_t got = 0;
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "keeping standard input in %s",
                                 folder);
        return -1;
    }
    while ((got = read(STDIN_FILENO, piece, sizeof piece)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "standard input");
        if (got < 0 || !durable_write_all(fd, folder, piece, (gsize)got, error)) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

static int
open_input(const BulkJobs *jobs, const char *path, guint64 *size_bytes, GError **error)
{
    struct stat status;
    int fd = strcmp(path, "-") == 0 ? keep_input(bulk_jobs_path(jobs), error)
                                    : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 && strcmp(path, "-") == 0)
        return -1;
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        *size_bytes = (guint64)status.st_size;
        return fd;
    }
    millrace_error_set_errno(error, MILLRACE_ERROR_NO_INPUT, fd >= 0 ? EINVAL : errno, "%s", path);
    if (fd >= 0)
        close(fd);
    return -1;
}

static gboolean
read_secret(MinisignSecret **secret, GError **error)
{
    g_autofree char *usual = queue_state_path(&options.places, "door.key");
    const char *path = options.sign ? options.sign : usual;

    *secret = NULL;
    if (!path || (!options.sign && access(path, F_OK) != 0))
        return TRUE;
    gsize size_bytes = 0;
    char *text = durable_read_file(AT_FDCWD, path, MINISIGN_TEXT_MAX_BYTES, &size_bytes, error);
    if (!text)
        return FALSE;
    *secret = minisign_secret_parse(path, text, error);
    explicit_bzero(text, size_bytes);
    g_free(text);
    return *secret != NULL;
}

/* The job is there; now into the queue with it, unless it was put there before. */
static gboolean
enqueue(BulkJobs *jobs, Queue *queue, const char *id, int submitted, GError **error)
{
    BulkJob job;

    if (!bulk_jobs_read(jobs, id, &job, error))
        return FALSE;
    BulkState state = job.state;
    bulk_job_clear(&job);
    if (state != BULK_ACCEPTED)
        return TRUE;
    if (queue_enqueue(queue, id, error))
        return bulk_job_queued(jobs, id, error);
    if (submitted == BULK_NEW)
        bulk_job_forget(jobs, id, NULL);
    return FALSE;
}

static gboolean
write_receipt(const char *path, const char *receipt, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    int fd = durable_folder_open(folder, FALSE, error);
    gboolean written = fd >= 0 && durable_write_file(fd, name, receipt, strlen(receipt), error);

    if (fd >= 0)
        close(fd);
    return written;
}

/* Prints the id once the job is in the queue: from then on it is accepted. */
static gboolean
submit(BulkJobs *jobs, Queue *queue, GError **error)
{
    char id[JOB_ID_CHARS + 1];
    g_autoptr(MinisignSecret) secret = NULL;
    g_autofree char *receipt = NULL;
    g_autofree char *drawn = g_uuid_string_random();
    const char *path = options.operands[0];
    guint64 size_bytes = 0;

    if (!read_secret(&secret, error))
        return FALSE;
    int fd = open_input(jobs, path, &size_bytes, error);
    if (fd < 0)
        return FALSE;
    BulkRequest request = {.customer = options.customer,
                           .key = options.key ? options.key : drawn,
                           .to = options.to,
                           .name = strcmp(path, "-") == 0 ? NULL : path,
                           .cluster = options.cluster ? options.cluster : g_get_host_name(),
                           .sources = options.sources,
                           .secret = secret};
    int submitted = bulk_submit(jobs, fd, size_bytes, &request, id, &receipt, error);
    close(fd);
    if (submitted == BULK_DIFFERS)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                    "--key %s was used for another job, %s: give another key", options.key, id);
    if (submitted < 0 || submitted == BULK_DIFFERS || !enqueue(jobs, queue, id, submitted, error))
        return FALSE;
    if (submitted == BULK_AGAIN)
        tool_log("this is job %s again", id);
    puts(id);
    return !options.receipt || write_receipt(options.receipt, receipt, error);
}

int
queue_submit_main(int argc, char **argv)
{
    g_autoptr(BulkJobs) jobs = NULL;
    g_autoptr(Queue) queue = NULL;
    g_autoptr(GError) error = NULL;

    if (!parse_options(argc, argv, &error) ||
        !queue_places_open(&options.places, &jobs, &queue, &error) || !submit(jobs, queue, &error))
        return tool_fail(error);
    return tool_finish(EXIT_ALL_DONE);
}
