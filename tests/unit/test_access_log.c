/* test_access_log.c - lines reach the file in whole, rotation is followed, and a slow disk costs
 * lines rather than time.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/door/access_log.h"

#include <signal.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include "tests/unit/scratch.h"

Test(access_log, lines_are_written_by_the_time_it_is_closed)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "log", NULL);
    AccessLog *log = access_log_open(path, NULL);

    cr_assert_not_null(log);
    cr_expect(access_log_is_on(log));
    access_log_put(log, "one\n", 4);
    access_log_put(log, "two\n", 4);
    access_log_close(log);
    g_autofree char *text = scratch_get(&scratch, "log", NULL);
    cr_expect_str_eq(text, "one\ntwo\n");
}

Test(access_log, none_takes_nothing)
{
    AccessLog *log = access_log_open("none", NULL);

    cr_expect_not(access_log_is_on(log));
    access_log_close(log);
}

Test(access_log, a_folder_that_is_not_there_is_an_error)
{
    g_autoptr(GError) error = NULL;

    cr_expect_null(access_log_open("/nowhere/log", &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE));
}

Test(access_log, after_a_rotation_lines_go_to_the_new_file)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "log", NULL);
    g_autofree char *old_path = g_build_filename(scratch.path, "old", NULL);
    AccessLog *log = access_log_open(path, NULL);
    struct stat status = {0};

    access_log_put(log, "one\n", 4);
    while (stat(path, &status) != 0 || status.st_size != 4)
        g_usleep(1000);
    cr_assert_eq(rename(path, old_path), 0);
    access_log_reopen(log);
    access_log_put(log, "two\n", 4);
    access_log_close(log);
    g_autofree char *old_text = scratch_get(&scratch, "old", NULL);
    g_autofree char *text = scratch_get(&scratch, "log", NULL);
    cr_expect_str_eq(old_text, "one\n");
    cr_expect_str_eq(text, "two\n");
}

Test(access_log, what_a_stuck_file_cannot_take_is_dropped_and_counted, .timeout = 30)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "pipe", NULL);
    char line[1000];

    signal(SIGPIPE, SIG_IGN);
    /* A pipe that nobody reads stays full. */
    cr_assert_eq(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    AccessLog *log = access_log_open(path, NULL);
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    const guint total = 20000;
    gint64 began_us = g_get_monotonic_time();
    for (guint i = 0; i < total; i++)
        access_log_put(log, line, sizeof(line));
    cr_expect_lt(g_get_monotonic_time() - began_us, 5 * G_USEC_PER_SEC, "nobody waits");
    guint64 dropped = access_log_dropped(log);
    cr_expect_gt(dropped, 0);
    cr_expect_lt(dropped, total);
    close(reader); /* the writer gets EPIPE, drops the rest, and can be joined */
    access_log_close(log);
}
