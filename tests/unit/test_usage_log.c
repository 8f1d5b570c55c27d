/* test_usage_log.c - events are on disk when their answers are allowed, in groups, numbered without
 * gaps whatever failed in between. What is read is what lies in the files, by the lines' text.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/usage_log.h"

#include <sys/mount.h>

#include "formats/error.h"
#include "tests/unit/scratch.h"

#define LARGE_BYTES ((guint64)1 << 40)
#define LATE_US     ((gint64)3600 * G_USEC_PER_SEC)

static const UsageEvent example = {
    .id = "00112233445566778899aabbccddeeff",
    .source = "of somebody else",
    .type = USAGE_TYPE_IMAGE,
    .subject = "acme \"& sons\"",
    .writer = "somebody else",
    .sequence = 77,
    .request = "r-1",
    .op = "resize",
    .format = "webp",
    .status = USAGE_STATUS_OK,
    .bytes_in = 12345,
    .bytes_out = 678,
    .pixels_in = 90000,
    .pixels_out = 76800,
    .cpu_us = 4321,
    .wall_us = 5432,
    .node = "n07",
    .extra = "",
    .present = USAGE_HAS_ALL,
};

/* What is told, from the log's thread. */
typedef struct {
    GMutex mutex;
    GCond cond;
    guint good;
    guint bad;
} Told;

static void
logged(const GError *error, gpointer data)
{
    Told *told = data;

    g_mutex_lock(&told->mutex);
    if (error)
        told->bad++;
    else
        told->good++;
    g_cond_signal(&told->cond);
    g_mutex_unlock(&told->mutex);
}

static void
wait_for(Told *told, guint good, guint bad)
{
    gint64 end_us = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
    gboolean in_time = TRUE;

    g_mutex_lock(&told->mutex);
    while (in_time && (told->good < good || told->bad < bad))
        in_time = g_cond_wait_until(&told->cond, &told->mutex, end_us);
    g_mutex_unlock(&told->mutex);
    cr_assert(in_time, "%u good and %u bad were told", told->good, told->bad);
    cr_assert_eq(told->good, good);
    cr_assert_eq(told->bad, bad);
}

static UsageLog *
open_log(const Scratch *scratch, guint64 rotate_bytes, gint64 rotate_us)
{
    g_autoptr(GError) error = NULL;
    UsageLog *log =
        usage_log_open(scratch->path, "//millrace/door/east", rotate_bytes, rotate_us, &error);

    cr_assert_not_null(log, "%s", error ? error->message : "");
    return log;
}

static void
close_log(UsageLog *log)
{
    g_autoptr(GError) error = NULL;

    cr_assert(usage_log_close(log, &error), "%s", error ? error->message : "");
}

/* All lines of the files that are open, or of those that are closed, and how many files there are.
 * (transfer full) */
static GPtrArray *
read_lines(const Scratch *scratch, gboolean open, guint *file_count)
{
    g_autofree char *list = scratch_list(scratch);
    g_auto(GStrv) names = g_strsplit(list, " ", -1);
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);

    *file_count = 0;
    for (char **name = names; *name; name++) {
        if (*name[0] == '\0' || g_str_has_suffix(*name, ".open.ndjson") != open)
            continue;
        g_autofree char *text = scratch_get(scratch, *name, NULL);
        g_auto(GStrv) parts = g_strsplit(text, "\n", -1);
        guint count = g_strv_length(parts);
        cr_assert_str_eq(parts[count - 1], "", "%s ends within a line", *name);
        for (guint i = 0; i + 1 < count; i++)
            g_ptr_array_add(lines, g_strdup(parts[i]));
        ++*file_count;
    }
    return lines;
}

static guint64
sequence_of(const char *line)
{
    const char *at = strstr(line, "\"sequence\":\"");

    cr_assert_not_null(at, "%s", line);
    return g_ascii_strtoull(at + strlen("\"sequence\":\""), NULL, 10);
}

Test(usage_log, an_event_is_on_disk_when_it_is_told)
{
    g_auto(Scratch) scratch = scratch_new();
    UsageLog *log = open_log(&scratch, LARGE_BYTES, LATE_US);
    Told told = {0};
    guint files = 0;

    usage_log_put(log, &example, logged, &told);
    wait_for(&told, 1, 0);
    g_autoptr(GPtrArray) lines = read_lines(&scratch, TRUE, &files);
    cr_assert_eq(files, 1);
    cr_assert_eq(lines->len, 1);
    const char *line = lines->pdata[0];
    cr_expect_not_null(strstr(line, "\"source\":\"//millrace/door/east\""), "%s", line);
    cr_expect_not_null(strstr(line, "\"sequence\":\"00000000000000000001\""), "%s", line);
    cr_expect_not_null(strstr(line, "\"subject\":\"acme \\\"& sons\\\"\""), "%s", line);
    cr_expect_not_null(strstr(line,
                              "\"data\":{\"request\":\"r-1\",\"op\":\"resize\",\"format\":\"webp\","
                              "\"status\":\"ok\",\"bytes_in\":12345,\"bytes_out\":678,"
                              "\"pixels_in\":90000,\"pixels_out\":76800,\"cpu_us\":4321,"
                              "\"wall_us\":5432,\"node\":\"n07\"}"),
                       "%s", line);
    cr_expect_null(strstr(line, "somebody else"), "%s", line);
    cr_expect_eq(usage_log_count(log), 1);
    cr_expect_eq(usage_log_pending(log), 0);
    close_log(log);
    g_autoptr(GPtrArray) closed = read_lines(&scratch, FALSE, &files);
    cr_expect_eq(files, 1);
    cr_assert_eq(closed->len, 1);
    cr_expect_str_eq(closed->pdata[0], line);
}

Test(usage_log, a_writer_is_named_as_its_file_is_and_never_twice)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GHashTable) writers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (guint i = 0; i < 3; i++) {
        UsageLog *log = open_log(&scratch, LARGE_BYTES, LATE_US);
        Told told = {0};
        usage_log_put(log, &example, logged, &told);
        close_log(log);
        wait_for(&told, 1, 0);
    }
    g_autofree char *list = scratch_list(&scratch);
    g_auto(GStrv) names = g_strsplit(list, " ", -1);
    cr_assert_eq(g_strv_length(names), 3, "%s", list);
    for (char **name = names; *name; name++) {
        g_autofree char *text = scratch_get(&scratch, *name, NULL);
        g_autofree char *writer = g_strndup(*name + 6, strlen(*name) - 6 - strlen(".ndjson"));
        g_autofree char *member = g_strdup_printf("\"writer\":\"%s\"", writer);
        cr_expect_not_null(strstr(text, member), "%s in %s", member, text);
        cr_expect(g_hash_table_add(writers, g_steal_pointer(&writer)));
    }
}

Test(usage_log, a_log_without_events_leaves_no_file)
{
    g_auto(Scratch) scratch = scratch_new();

    close_log(open_log(&scratch, LARGE_BYTES, LATE_US));
    g_autofree char *list = scratch_list(&scratch);
    cr_expect_str_eq(list, "");
}

typedef struct {
    UsageLog *log;
    Told *told;
    guint count;
} Putter;

static gpointer
put_many(gpointer data)
{
    Putter *putter = data;

    for (guint i = 0; i < putter->count; i++)
        usage_log_put(putter->log, &example, logged, putter->told);
    return NULL;
}

static void
put_by_threads(UsageLog *log, Told *told, guint count)
{
    Putter putter = {log, told, count};
    GThread *threads[4];

    for (guint i = 0; i < 4; i++)
        threads[i] = g_thread_new("put", put_many, &putter);
    for (guint i = 0; i < 4; i++)
        g_thread_join(threads[i]);
}

Test(usage_log, sequences_of_many_threads_have_no_gaps)
{
    g_auto(Scratch) scratch = scratch_new();
    UsageLog *log = open_log(&scratch, LARGE_BYTES, LATE_US);
    Told told = {0};
    guint files = 0;

    put_by_threads(log, &told, 500);
    close_log(log);
    wait_for(&told, 2000, 0);
    g_autoptr(GPtrArray) lines = read_lines(&scratch, FALSE, &files);
    cr_assert_eq(files, 1);
    cr_assert_eq(lines->len, 2000);
    for (guint i = 0; i < lines->len; i++)
        cr_assert_eq(sequence_of(lines->pdata[i]), i + 1);
}

Test(usage_log, a_large_file_is_closed_and_another_writer_counts_from_one)
{
    g_auto(Scratch) scratch = scratch_new();
    UsageLog *log = open_log(&scratch, 1000, LATE_US);
    Told told = {0};
    guint files = 0;

    /* A line is 400 to 500 bytes here: the third makes a file large enough. */
    for (guint i = 1; i <= 6; i++) {
        usage_log_put(log, &example, logged, &told);
        wait_for(&told, i, 0);
    }
    close_log(log);
    g_autoptr(GPtrArray) lines = read_lines(&scratch, FALSE, &files);
    cr_assert_eq(files, 2);
    cr_assert_eq(lines->len, 6);
    for (guint i = 0; i < 6; i++)
        cr_expect_eq(sequence_of(lines->pdata[i]), i % 3 + 1);
}

Test(usage_log, an_old_file_is_closed_though_nothing_comes)
{
    g_auto(Scratch) scratch = scratch_new();
    UsageLog *log = open_log(&scratch, LARGE_BYTES, 50000);
    gint64 end_us = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
    Told told = {0};
    guint files = 0;

    usage_log_put(log, &example, logged, &told);
    while (files == 0 && g_get_monotonic_time() < end_us) {
        g_usleep(5000);
        g_ptr_array_unref(read_lines(&scratch, FALSE, &files));
    }
    cr_expect_eq(files, 1);
    g_autofree char *list = scratch_list(&scratch);
    cr_expect_null(strstr(list, "open"), "nothing is begun before there is an event: %s", list);
    close_log(log);
}

Test(usage_log, a_folder_that_cannot_be_is_refused)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "file", "usage", NULL);
    g_autoptr(GError) error = NULL;

    scratch_put(&scratch, "file", "x", 1);
    cr_expect_null(usage_log_open(path, "//millrace/door/east", 1, 1, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE));
}

/* Puts one event and waits until it was told. Returns whether it is durable. */
static gboolean
put_one(UsageLog *log, Told *told)
{
    guint before = told->good;
    guint all = told->good + told->bad + 1;

    usage_log_put(log, &example, logged, told);
    g_mutex_lock(&told->mutex);
    while (told->good + told->bad < all)
        g_cond_wait(&told->cond, &told->mutex);
    g_mutex_unlock(&told->mutex);
    return told->good > before;
}

static void
fill_disk(const Scratch *scratch)
{
    static const char zeros[1024];
    int fd = openat(scratch->fd, "disk/filler", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    cr_assert_geq(fd, 0);
    while (write(fd, zeros, sizeof zeros) > 0)
        continue;
    close(fd);
}

Test(usage_log, a_full_disk_refuses_and_with_room_it_goes_on_without_a_gap)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *disk = g_build_filename(scratch.path, "disk", NULL);
    Told told = {0};
    guint files = 0;

    cr_assert_eq(mkdir(disk, 0700), 0);
    if (mount("millrace-test", disk, "tmpfs", 0, "size=2m") != 0)
        cr_skip_test("cannot mount a small disk");
    Scratch inner = {disk, scratch.fd};
    UsageLog *log = open_log(&inner, LARGE_BYTES, LATE_US);
    cr_expect(put_one(log, &told));
    fill_disk(&scratch);
    /* What was reserved before the disk became full is used up first. */
    for (guint i = 0; i < 10000 && put_one(log, &told); i++)
        continue;
    cr_assert_eq(told.bad, 1);
    cr_expect(usage_log_failing(log));
    cr_expect_not(put_one(log, &told));
    guint good = told.good;
    cr_expect_eq(unlinkat(scratch.fd, "disk/filler", 0), 0);
    for (guint i = 0; i < 2000 && usage_log_failing(log); i++)
        g_usleep(10000);
    cr_expect_not(usage_log_failing(log), "it is looked by itself whether there is room again");
    cr_expect(put_one(log, &told));
    cr_expect_eq(usage_log_count(log), good + 1);
    close_log(log);
    g_autoptr(GPtrArray) lines = read_lines(&inner, FALSE, &files);
    cr_expect_eq(files, 1);
    cr_expect_eq(lines->len, good + 1, "%u lines", lines->len);
    for (guint i = 0; i < lines->len; i++)
        cr_assert_eq(sequence_of(lines->pdata[i]), i + 1);
    umount2(disk, MNT_DETACH);
}
