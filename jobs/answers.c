/* answers.c - stored answers: a file each, named by the SHA-256 of customer and key,
 *
 *     DIR/ab/cdef...    millrace-answer-v1 STATUS REQUEST CREATED_US SIZE FINGERPRINT\n
 *                       CONTENT-TYPE\n
 *                       NOTE\n
 *                       the body
 *
 * They are renamed into place but not synced: after a power cut one may be torn, which its size and
 * fingerprint show, and then it is as if it were not there.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/answers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/fingerprint.h"

#define MAGIC "millrace-answer-v1"

enum { HEAD_MAX_BYTES = 2048, PIECE_BYTES = 64 << 10, FOLDERS = 256, BLOCK_BYTES = 4096 };
/* What a process that died left behind. */
#define LEFT_BEHIND_US (3600 * (gint64)G_USEC_PER_SEC)

struct _Answers {
    int dir_fd;
    gint64 keep_us;
    guint64 bytes_max;
    GMutex mutex;
    GHashTable *in_flight; /* name -> digest of the request */
    guint64 stored_bytes;  /* by the last sweep, and by us since */
    guint64 opened;        /* a number that no other who has the folder open has drawn */
    guint64 temporary_count;
};

/* A stored answer's head. */
typedef struct {
    char request[SHA256_CHARS + 1];
    char fingerprint[FINGERPRINT_CHARS + 1];
    gint64 created_us;
} Head;

/* What a file takes of a disk: one of a few bytes takes a block, and more of them are more names to
 * sweep. */
static guint64
room_of(guint64 size_bytes)
{
    return (size_bytes / BLOCK_BYTES + 1) * BLOCK_BYTES;
}

/* "ab/cdef...". (transfer full) */
static char *
answer_name(const char *customer, const char *key)
{
    g_autoptr(Sha256) sha256 = sha256_new();
    char hex[SHA256_CHARS + 1];

    sha256_add(sha256, customer, strlen(customer) + 1);
    sha256_add(sha256, key, strlen(key));
    sha256_finish(sha256, hex);
    return g_strdup_printf("%.2s/%s", hex, hex + 2);
}

Answers *
answers_open(const char *dir, gint64 keep_us, guint64 bytes_max, GError **error)
{
    int dir_fd = durable_folder_open(dir, TRUE, error);

    if (dir_fd < 0)
        return NULL;
    Answers *answers = g_new0(Answers, 1);
    answers->dir_fd = dir_fd;
    answers->keep_us = keep_us;
    answers->bytes_max = bytes_max;
    answers->opened = (guint64)g_random_int() << 32 | g_random_int();
    answers->in_flight = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_mutex_init(&answers->mutex);
    answers_sweep(answers);
    return answers;
}

void
answers_free(Answers *answers)
{
    if (!answers)
        return;
    close(answers->dir_fd);
    g_hash_table_unref(answers->in_flight);
    g_mutex_clear(&answers->mutex);
    g_free(answers);
}

void
answer_clear(Answer *answer)
{
    if (answer->fd >= 0)
        close(answer->fd);
    g_free(answer->content_type);
    g_free(answer->note);
    *answer = (Answer){.fd = -1};
}

gboolean
answers_key_is_valid(const char *key)
{
    gsize length = strlen(key);

    for (gsize i = 0; i < length; i++)
        if (key[i] < 0x20 || key[i] > 0x7e)
            return FALSE;
    return length >= 1 && length <= ANSWER_KEY_MAX;
}

/* Is the body what its head says? Reads it whole. */
static gboolean
body_holds(const Answer *answer, const char *expected)
{
    g_autoptr(Fingerprint) fingerprint = fingerprint_new();
    g_autofree guint8 *piece = g_malloc(PIECE_BYTES);
    char got[FINGERPRINT_CHARS + 1];

    for (guint64 done = 0; done < answer->size_bytes;) {
        gsize wanted = (gsize)MIN(answer->size_bytes - done, PIECE_BYTES);
        if (durable_read_at(answer->fd, "an answer", answer->offset + done, piece, wanted, NULL) !=
            (gssize)wanted)
            return FALSE;
        fingerprint_add(fingerprint, piece, wanted);
        done += wanted;
    }
    fingerprint_print(fingerprint, got);
    return strcmp(got, expected) == 0;
}

/* Takes the next of the head's lines. NULL when there is none. */
static char *
next_line(char **at)
{
    char *line = *at;
    char *end = strchr(line, '\n');

    if (!end)
        return NULL;
    *end = '\0';
    *at = end + 1;
    return line;
}

/* Reads the head; the descriptor is the answer's. */
static gboolean
read_head(Answer *answer, Head *head)
{
    char text[HEAD_MAX_BYTES + 1];
    char *at = text;
    struct stat status;
    guint64 size_bytes = 0;

    gssize got = durable_read_at(answer->fd, "an answer", 0, text, HEAD_MAX_BYTES, NULL);
    if (got < 0 || fstat(answer->fd, &status) != 0)
        return FALSE;
    text[got] = '\0';
    const char *first = next_line(&at);
    const char *type = first ? next_line(&at) : NULL;
    const char *note = type ? next_line(&at) : NULL;
    if (!note ||
        sscanf(first, /* NOLINT(cert-err34-c): of our own making, and checked below */
               MAGIC " %u %64[0-9a-f] %" G_GINT64_FORMAT " %" G_GUINT64_FORMAT " %32[0-9a-f]",
               &answer->status, head->request, &head->created_us, &size_bytes,
               head->fingerprint) != 5)
        return FALSE;
    answer->offset = (guint64)(at - text);
    answer->size_bytes = size_bytes;
    answer->content_type = *type ? g_strdup(type) : NULL;
    answer->note = *note ? g_strdup(note) : NULL;
    return (guint64)status.st_size == answer->offset + size_bytes;
}

/* Opens what is stored under the name, if it is whole and not too old. */
static gboolean
open_answer(const Answers *answers, const char *name, Answer *answer, Head *head)
{
    gint64 oldest_us = g_get_real_time() - answers->keep_us;

    *answer = (Answer){.fd = openat(answers->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (answer->fd >= 0 && read_head(answer, head) && head->created_us > oldest_us &&
        body_holds(answer, head->fingerprint))
        return TRUE;
    answer_clear(answer);
    return FALSE;
}

static AnswerVerdict
look_up(const Answers *answers, const char *name, const char *request, Answer *answer)
{
    Head head = {0};

    if (!open_answer(answers, name, answer, &head))
        return ANSWER_BEGIN;
    if (strcmp(head.request, request) == 0)
        return ANSWER_REPLAY;
    answer_clear(answer);
    return ANSWER_DIFFERS;
}

AnswerVerdict
answers_begin(Answers *answers, const char *customer, const char *key,
              const guint8 request[SHA256_BYTES], Answer *answer)
{
    g_autofree char *name = answer_name(customer, key);
    char digest[SHA256_CHARS + 1];
    AnswerVerdict verdict = ANSWER_BEGIN;

    sha256_print(request, digest);
    *answer = (Answer){.fd = -1};
    g_mutex_lock(&answers->mutex);
    const char *other = g_hash_table_lookup(answers->in_flight, name);
    if (other)
        verdict = strcmp(other, digest) == 0 ? ANSWER_IN_FLIGHT : ANSWER_DIFFERS;
    g_mutex_unlock(&answers->mutex);
    if (verdict != ANSWER_BEGIN)
        return verdict;
    /* First without being in flight, so that two who ask for what is stored both get it. */
    verdict = look_up(answers, name, digest, answer);
    if (verdict != ANSWER_BEGIN)
        return verdict;
    g_mutex_lock(&answers->mutex);
    other = g_hash_table_lookup(answers->in_flight, name);
    if (other)
        verdict = strcmp(other, digest) == 0 ? ANSWER_IN_FLIGHT : ANSWER_DIFFERS;
    else
        g_hash_table_insert(answers->in_flight, g_strdup(name), g_strdup(digest));
    g_mutex_unlock(&answers->mutex);
    if (verdict != ANSWER_BEGIN)
        return verdict;
    /* Then again: it may have been stored in between. */
    verdict = look_up(answers, name, digest, answer);
    if (verdict != ANSWER_BEGIN) {
        g_mutex_lock(&answers->mutex);
        g_hash_table_remove(answers->in_flight, name);
        g_mutex_unlock(&answers->mutex);
    }
    return verdict;
}

/* Copies the body behind the head that is there, and prints its fingerprint. */
static gboolean
copy_body(const Answer *answer, int fd, guint64 offset, char print[FINGERPRINT_CHARS + 1])
{
    g_autoptr(Fingerprint) fingerprint = fingerprint_new();
    g_autofree guint8 *piece = g_malloc(PIECE_BYTES);

    for (guint64 done = 0; done < answer->size_bytes;) {
        gsize wanted = (gsize)MIN(answer->size_bytes - done, PIECE_BYTES);
        if (durable_read_at(answer->fd, "an answer", answer->offset + done, piece, wanted, NULL) !=
                (gssize)wanted ||
            !durable_write_at(fd, "an answer", offset + done, piece, wanted, NULL))
            return FALSE;
        fingerprint_add(fingerprint, piece, wanted);
        done += wanted;
    }
    fingerprint_print(fingerprint, print);
    return TRUE;
}

static char *
print_head(const Answer *answer, const char *request, const char *fingerprint)
{
    char *head = g_strdup_printf(
        MAGIC " %u %s %" G_GINT64_FORMAT " %" G_GUINT64_FORMAT " %s\n%s\n%s\n", answer->status,
        request, g_get_real_time(), answer->size_bytes, fingerprint,
        answer->content_type ? answer->content_type : "", answer->note ? answer->note : "");

    return head;
}

/* Writes the file under a name of its own. */
static gboolean
write_answer(const Answer *answer, int fd, const char *request)
{
    char fingerprint[FINGERPRINT_CHARS + 1];
    /* The head's length is known before the body's fingerprint. */
    g_autofree char *blank = print_head(answer, request, "00000000000000000000000000000000");
    gsize head_bytes = strlen(blank);

    if (head_bytes > HEAD_MAX_BYTES || !copy_body(answer, fd, head_bytes, fingerprint))
        return FALSE;
    g_autofree char *head = print_head(answer, request, fingerprint);
    return strlen(head) == head_bytes &&
           durable_write_at(fd, "an answer", 0, head, head_bytes, NULL);
}

static void
store(Answers *answers, const char *name, const char *request, const Answer *answer)
{
    g_autofree char *folder = g_strndup(name, 2);
    g_mutex_lock(&answers->mutex);
    gboolean room = answers->stored_bytes + room_of(answer->size_bytes) <= answers->bytes_max;
    guint64 number = ++answers->temporary_count;
    g_mutex_unlock(&answers->mutex);
    /* Process ids would not do: those of two hosts, or containers, may be the same. */
    g_autofree char *temporary = g_strdup_printf(
        "%s/.%016" G_GINT64_MODIFIER "x-%" G_GUINT64_FORMAT, folder, answers->opened, number);

    if (!room || (mkdirat(answers->dir_fd, folder, 0777) != 0 && errno != EEXIST))
        return;
    int fd = openat(answers->dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return;
    gboolean good = write_answer(answer, fd, request);
    good = close(fd) == 0 && good;
    if (!good || renameat(answers->dir_fd, temporary, answers->dir_fd, name) != 0) {
        unlinkat(answers->dir_fd, temporary, 0);
        return;
    }
    g_mutex_lock(&answers->mutex);
    answers->stored_bytes += room_of(answer->size_bytes);
    g_mutex_unlock(&answers->mutex);
}

void
answers_end(Answers *answers, const char *customer, const char *key,
            const guint8 request[SHA256_BYTES], const Answer *answer)
{
    g_autofree char *name = answer_name(customer, key);
    char digest[SHA256_CHARS + 1];

    sha256_print(request, digest);
    if (answer)
        store(answers, name, digest, answer);
    g_mutex_lock(&answers->mutex);
    g_hash_table_remove(answers->in_flight, name);
    g_mutex_unlock(&answers->mutex);
}

/* A file of the folder. */
typedef struct {
    char *name;
    gint64 written_us;
    guint64 room_bytes;
} Stored;

static void
stored_clear(gpointer data)
{
    g_free(((Stored *)data)->name);
}

static gint
compare_age(gconstpointer a, gconstpointer b)
{
    const Stored *one = a;
    const Stored *other = b;

    return (one->written_us > other->written_us) - (one->written_us < other->written_us);
}

/* Lists a folder, temporary files included; removes those that are too old. */
static void
sweep_folder(const Answers *answers, const char *folder, gint64 now_us, GArray *files)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d/%s", answers->dir_fd, folder);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *entry = NULL;
    struct stat status;

    while (dir && (entry = g_dir_read_name(dir))) {
        g_autofree char *name = g_strconcat(folder, "/", entry, NULL);
        if (fstatat(answers->dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        gint64 written_us =
            status.st_mtim.tv_sec * (gint64)G_USEC_PER_SEC + status.st_mtim.tv_nsec / 1000;
        gint64 keep_us = *entry == '.' ? MIN(LEFT_BEHIND_US, answers->keep_us) : answers->keep_us;
        if (written_us < now_us - keep_us) {
            unlinkat(answers->dir_fd, name, 0);
            continue;
        }
        Stored stored = {g_steal_pointer(&name), written_us, room_of((guint64)status.st_size)};
        g_array_append_val(files, stored);
    }
}

void
answers_sweep(Answers *answers)
{
    g_autoptr(GArray) files = g_array_new(FALSE, FALSE, sizeof(Stored));
    gint64 now_us = g_get_real_time();
    guint64 sum_bytes = 0;

    g_array_set_clear_func(files, stored_clear);
    for (guint i = 0; i < FOLDERS; i++) {
        char folder[3];
        g_snprintf(folder, sizeof folder, "%02x", i);
        sweep_folder(answers, folder, now_us, files);
    }
    for (guint i = 0; i < files->len; i++)
        sum_bytes += g_array_index(files, Stored, i).room_bytes;
    /* A quarter stays free for what comes until the next time. */
    guint64 left_max = answers->bytes_max - answers->bytes_max / 4;
    if (sum_bytes > left_max)
        g_array_sort(files, compare_age);
    for (guint i = 0; sum_bytes > left_max; i++) {
        const Stored *stored = &g_array_index(files, Stored, i);
        unlinkat(answers->dir_fd, stored->name, 0);
        sum_bytes -= stored->room_bytes;
    }
    g_mutex_lock(&answers->mutex);
    answers->stored_bytes = sum_bytes;
    g_mutex_unlock(&answers->mutex);
}
