/* test_answers.c - a keyed request is answered once; its retry gets the same answer, of this
 * process or of another that shares the folder.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/answers.h"

#include <sys/mman.h>

#include "tests/unit/scratch.h"

#define DAY_US      ((gint64)86400 * G_USEC_PER_SEC)
#define LARGE_BYTES ((guint64)1 << 40)

static Answers *
open_answers(const Scratch *scratch, gint64 keep_us, guint64 bytes_max)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(scratch->path, "answers", NULL);
    Answers *answers = answers_open(path, keep_us, bytes_max, &error);

    cr_assert_not_null(answers, "%s", error ? error->message : "");
    return answers;
}

static void
request_of(const char *text, guint8 digest[SHA256_BYTES])
{
    sha256_bytes(text, strlen(text), digest);
}

static AnswerVerdict
begin(Answers *answers, const char *customer, const char *key, const char *request, Answer *answer)
{
    guint8 digest[SHA256_BYTES];

    request_of(request, digest);
    return answers_begin(answers, customer, key, digest, answer);
}

/* Ends a request with an answer whose body stands 3 bytes into a file; NULL: without one. */
static void
end(Answers *answers, const char *customer, const char *key, const char *request, const char *body)
{
    guint8 digest[SHA256_BYTES];

    request_of(request, digest);
    if (!body) {
        answers_end(answers, customer, key, digest, NULL);
        return;
    }
    int fd = memfd_create("body", MFD_CLOEXEC);
    gsize size_bytes = strlen(body);
    cr_assert_eq(pwrite(fd, "xxx", 3, 0), 3);
    cr_assert_eq(pwrite(fd, body, size_bytes, 3), (ssize_t)size_bytes);
    Answer answer = {200, (char *)"image/webp", (char *)"320 240", fd, 3, size_bytes};
    answers_end(answers, customer, key, digest, &answer);
    close(fd);
}

static void
expect_replay(Answers *answers, const char *customer, const char *key, const char *request,
              const char *body)
{
    Answer answer;
    char got[256] = "";

    cr_assert_eq(begin(answers, customer, key, request, &answer), ANSWER_REPLAY);
    cr_expect_eq(answer.status, 200);
    cr_expect_str_eq(answer.content_type, "image/webp");
    cr_expect_str_eq(answer.note, "320 240");
    cr_assert_eq(answer.size_bytes, strlen(body));
    cr_expect_eq(pread(answer.fd, got, sizeof got - 1, (off_t)answer.offset),
                 (ssize_t)strlen(body));
    cr_expect_str_eq(got, body);
    answer_clear(&answer);
    cr_expect_eq(answer.fd, -1);
}

Test(answers, keys_are_printable_and_not_endless)
{
    g_autofree char *longest = g_strnfill(ANSWER_KEY_MAX, 'k');
    g_autofree char *longer = g_strnfill(ANSWER_KEY_MAX + 1, 'k');

    cr_expect(answers_key_is_valid("8e03978e-40d5-43dd-bc93-6894a57f9324"));
    cr_expect(answers_key_is_valid(" ~"));
    cr_expect(answers_key_is_valid(longest));
    cr_expect_not(answers_key_is_valid(longer));
    cr_expect_not(answers_key_is_valid(""));
    cr_expect_not(answers_key_is_valid("a\tb"));
    cr_expect_not(answers_key_is_valid("a\x7f"));
    cr_expect_not(answers_key_is_valid("\xc3\xa9"));
}

Test(answers, a_retry_gets_the_answer_again_and_only_its_own_customer_does)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Answers) answers = open_answers(&scratch, DAY_US, LARGE_BYTES);
    Answer answer;

    cr_expect_eq(begin(answers, "acme", "k", "r", &answer), ANSWER_BEGIN);
    cr_expect_eq(begin(answers, "acme", "k", "r", &answer), ANSWER_IN_FLIGHT);
    cr_expect_eq(begin(answers, "acme", "k", "other", &answer), ANSWER_DIFFERS);
    end(answers, "acme", "k", "r", "the picture");
    expect_replay(answers, "acme", "k", "r", "the picture");
    expect_replay(answers, "acme", "k", "r", "the picture");
    cr_expect_eq(begin(answers, "acme", "k", "other", &answer), ANSWER_DIFFERS);
    cr_expect_eq(answer.fd, -1);
    cr_expect_eq(begin(answers, "acme", "k2", "r", &answer), ANSWER_BEGIN);
    cr_expect_eq(begin(answers, "emca", "k", "r", &answer), ANSWER_BEGIN);
    end(answers, "emca", "k", "r", "");
    expect_replay(answers, "emca", "k", "r", "");
    /* Customer and key do not run into one another. */
    cr_expect_eq(begin(answers, "acm", "ek", "r", &answer), ANSWER_BEGIN);
}

Test(answers, another_process_gives_the_same_answer)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Answers) one = open_answers(&scratch, DAY_US, LARGE_BYTES);
    g_autoptr(Answers) other = open_answers(&scratch, DAY_US, LARGE_BYTES);
    Answer answer;

    cr_expect_eq(begin(one, "acme", "k", "r", &answer), ANSWER_BEGIN);
    end(one, "acme", "k", "r", "the picture");
    expect_replay(other, "acme", "k", "r", "the picture");
}

enum { SAME_FOLDER_KEYS = 40 };

typedef struct {
    Answers *answers;
    const GPtrArray *keys;
    guint first;
    char fill;
} Writer;

static gpointer
store_all(gpointer data)
{
    const Writer *writer = data;
    g_autofree char *body = g_strnfill(200000, writer->fill);
    const char request[] = {writer->fill, '\0'};

    for (guint i = writer->first; i < SAME_FOLDER_KEYS; i += 2) {
        Answer answer;
        if (begin(writer->answers, "acme", writer->keys->pdata[i], request, &answer) ==
            ANSWER_BEGIN)
            end(writer->answers, "acme", writer->keys->pdata[i], request, body);
    }
    return NULL;
}

/* Keys whose answers lie in the same of the 256 folders. */
static GPtrArray *
keys_of_one_folder(void)
{
    GPtrArray *keys = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; keys->len < SAME_FOLDER_KEYS; i++) {
        g_autofree char *key = g_strdup_printf("key-%u", i);
        g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
        g_checksum_update(sum, (const guchar *)"acme", 5);
        g_checksum_update(sum, (const guchar *)key, -1);
        if (g_str_has_prefix(g_checksum_get_string(sum), "00"))
            g_ptr_array_add(keys, g_steal_pointer(&key));
    }
    return keys;
}

Test(answers, two_who_store_at_once_do_not_mix_their_answers)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Answers) one = open_answers(&scratch, DAY_US, LARGE_BYTES);
    g_autoptr(Answers) other = open_answers(&scratch, DAY_US, LARGE_BYTES);
    g_autoptr(GPtrArray) keys = keys_of_one_folder();
    Writer writers[] = {{one, keys, 0, 'a'}, {other, keys, 1, 'b'}};
    GThread *threads[] = {g_thread_new("one", store_all, &writers[0]),
                          g_thread_new("other", store_all, &writers[1])};

    for (guint i = 0; i < 2; i++)
        g_thread_join(threads[i]);
    for (guint i = 0; i < SAME_FOLDER_KEYS; i++) {
        Answer answer;
        cr_expect_eq(begin(one, "acme", keys->pdata[i], i % 2 ? "b" : "a", &answer), ANSWER_REPLAY,
                     "%s", (char *)keys->pdata[i]);
        answer_clear(&answer);
    }
}

Test(answers, a_failure_that_a_retry_may_mend_is_not_kept)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Answers) answers = open_answers(&scratch, DAY_US, LARGE_BYTES);
    Answer answer;

    cr_expect_eq(begin(answers, "acme", "k", "r", &answer), ANSWER_BEGIN);
    end(answers, "acme", "k", "r", NULL);
    cr_expect_eq(begin(answers, "acme", "k", "changed", &answer), ANSWER_BEGIN);
}

Test(answers, what_is_too_old_is_not_given_and_swept_away)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Answers) answers = open_answers(&scratch, G_USEC_PER_SEC / 20, LARGE_BYTES);
    Answer answer;

    cr_expect_eq(begin(answers, "acme", "k", "r", &answer), ANSWER_BEGIN);
    end(answers, "acme", "k", "r", "the picture");
    g_usleep(G_USEC_PER_SEC / 10);
    cr_expect_eq(begin(answers, "acme", "k", "other", &answer), ANSWER_BEGIN);
    end(answers, "acme", "k", "other", NULL);
    answers_sweep(answers);
    g_autofree char *find = g_strdup_printf("find %s -type f | grep -q .", scratch.path);
    const char *argv[] = {"/bin/sh", "-c", find, NULL};
    gint status = 0;
    cr_assert(g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, NULL, NULL, &status, NULL));
    cr_expect_neq(status, 0, "a file is left");
}

static char *
key_of(guint number)
{
    return g_strdup_printf("key-%u", number);
}

Test(answers, the_oldest_make_room)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *body = g_strnfill(10000, 'b');
    g_autoptr(Answers) answers = open_answers(&scratch, DAY_US, 10 * 11000);
    guint kept = 0;
    guint last_gone = 0;

    for (guint i = 0; i < 40; i++) {
        g_autofree char *key = key_of(i);
        Answer answer;
        cr_assert_eq(begin(answers, "acme", key, "r", &answer), ANSWER_BEGIN);
        end(answers, "acme", key, "r", body);
        answers_sweep(answers);
        g_usleep(5000); /* times of files differ */
    }
    for (guint i = 0; i < 40; i++) {
        g_autofree char *key = key_of(i);
        Answer answer;
        if (begin(answers, "acme", key, "r", &answer) == ANSWER_REPLAY)
            kept++;
        else
            last_gone = i;
        answer_clear(&answer);
    }
    cr_expect_geq(kept, 5);
    cr_expect_leq(kept, 11);
    cr_expect_eq(last_gone, 39 - kept, "the youngest are those that are kept");
}

Test(answers, small_ones_take_a_block_each)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Answers) answers = open_answers(&scratch, DAY_US, 10 * 4096);
    guint kept = 0;

    for (guint i = 0; i < 40; i++) {
        g_autofree char *key = key_of(i);
        Answer answer;
        cr_assert_eq(begin(answers, "acme", key, "r", &answer), ANSWER_BEGIN);
        end(answers, "acme", key, "r", "tiny");
        if (begin(answers, "acme", key, "r", &answer) == ANSWER_REPLAY)
            kept++;
        answer_clear(&answer);
    }
    cr_expect_eq(kept, 10);
}

/* Runs a change over the only stored file. */
static void
damage(const Scratch *scratch, const char *change)
{
    g_autofree char *script = g_strdup_printf(
        "f=$(find %s/answers -type f) && test -f \"$f\" && %s \"$f\"", scratch->path, change);
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    gint status = 0;

    cr_assert(g_spawn_sync(NULL, (char **)argv, NULL, 0, NULL, NULL, NULL, NULL, &status, NULL));
    cr_assert_eq(status, 0);
}

Test(answers, a_torn_answer_is_as_if_it_were_not_there)
{
    static const char *const changes[] = {
        "truncate -s -1",
        "truncate -s 0",
        "truncate -s 30",
        "truncate -s +1",
        "sed -i 's/picture/pictuer/'",
        "sed -i '1s/millrace/illmrace/'",
        "sed -i '1s/ 200 / x /'",
    };

    for (guint i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_auto(Scratch) scratch = scratch_new();
        g_autoptr(Answers) answers = open_answers(&scratch, DAY_US, LARGE_BYTES);
        Answer answer;
        begin(answers, "acme", "k", "r", &answer);
        end(answers, "acme", "k", "r", "the picture");
        expect_replay(answers, "acme", "k", "r", "the picture");
        damage(&scratch, changes[i]);
        cr_expect_eq(begin(answers, "acme", "k", "r", &answer), ANSWER_BEGIN, "%s", changes[i]);
        end(answers, "acme", "k", "r", "the picture");
        expect_replay(answers, "acme", "k", "r", "the picture");
    }
}

typedef struct {
    Answers *answers;
    gint begun;
} Racers;

static gpointer
race(gpointer data)
{
    Racers *racers = data;

    for (guint i = 0; i < 200; i++) {
        g_autofree char *key = key_of(i);
        Answer answer;
        if (begin(racers->answers, "acme", key, "r", &answer) == ANSWER_BEGIN) {
            g_atomic_int_inc(&racers->begun);
            end(racers->answers, "acme", key, "r", "the picture");
        }
        answer_clear(&answer);
    }
    return NULL;
}

Test(answers, of_many_at_once_one_begins)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Answers) answers = open_answers(&scratch, DAY_US, LARGE_BYTES);
    Racers racers = {answers, 0};
    GThread *threads[4];

    for (guint i = 0; i < 4; i++)
        threads[i] = g_thread_new("race", race, &racers);
    for (guint i = 0; i < 4; i++)
        g_thread_join(threads[i]);
    cr_expect_eq(racers.begun, 200);
}
