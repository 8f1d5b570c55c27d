/* test_hosts.c - host files, and who answers: by a script in the place of ssh.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/hosts.h"

#include <criterion/criterion.h>
#include <pthread.h>

#include "formats/error.h"
#include "tests/unit/scratch.h"

static void
expect_names(const Hosts *hosts, gboolean answering, const char *expected)
{
    g_auto(GStrv) names = hosts_names(hosts, answering);
    g_autofree char *joined = g_strjoinv(" ", names);

    cr_expect_str_eq(joined, expected);
    cr_expect_eq(hosts_count(hosts, answering), g_strv_length(names));
}

static Hosts *
read_text(const Scratch *scratch, const char *text)
{
    g_autofree char *path = g_build_filename(scratch->path, "hosts", NULL);
    g_autoptr(GError) error = NULL;

    scratch_put(scratch, "hosts", text, strlen(text));
    Hosts *hosts = hosts_read(path, &error);
    cr_assert_not_null(hosts, "%s", error ? error->message : "");
    return hosts;
}

/* Hosts are asked by this script from now on. */
static void
use_agent(const Scratch *scratch, const char *script)
{
    g_autofree char *path = g_build_filename(scratch->path, "agent", NULL);

    scratch_put(scratch, "agent", script, strlen(script));
    cr_assert_eq(chmod(path, 0700), 0);
    g_setenv("OMPI_MCA_plm_rsh_agent", path, TRUE);
}

/* As supervise.c has them blocked. */
static sigset_t
block_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    return signals;
}

static void
expect_written(const Hosts *hosts, const char *expected)
{
    char text[256] = "";
    int fd = hosts_write(hosts, NULL);

    cr_assert_geq(fd, 0);
    cr_assert_geq(pread(fd, text, sizeof text - 1, 0), 0);
    cr_expect_str_eq(text, expected);
    close(fd);
}

Test(hosts, names_are_the_first_words_of_lines)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Hosts) hosts = read_text(&scratch, "# two of them\n\n  n1 slots=4 # fast\n"
                                                 "me@n2\tmax_slots=2\r\n^n3\n");

    expect_names(hosts, TRUE, "n1 me@n2");
    expect_names(hosts, FALSE, "");
    expect_written(hosts, "# two of them\nn1 slots=4 # fast\nme@n2\tmax_slots=2\n^n3\n");
}

Test(hosts, a_file_that_is_not_there_is_no_input)
{
    g_autoptr(GError) error = NULL;

    cr_expect_null(hosts_read("/nonexistent/hosts", &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT));
}

Test(hosts, those_that_do_not_answer_are_left_out_until_they_do)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Hosts) hosts = read_text(&scratch, "n1\nn2 slots=2\nme@n3\n# end\n");
    sigset_t signals = block_signals();

    use_agent(&scratch, "#!/bin/sh\n[ \"$1 $2 $#\" = 'n2 true 2' ]\n");
    cr_expect(hosts_probe(hosts, &signals));
    expect_names(hosts, TRUE, "n2");
    expect_names(hosts, FALSE, "n1 me@n3");
    expect_written(hosts, "n2 slots=2\n# end\n");
    use_agent(&scratch, "#!/bin/sh\n[ $1 = me@n3 ]\n");
    cr_expect(hosts_probe(hosts, &signals));
    expect_names(hosts, TRUE, "me@n3");
}

Test(hosts, this_host_is_not_asked)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *text =
        g_strdup_printf("localhost\n127.0.0.1\nme@127.0.0.1\n%s\nn1\n", g_get_host_name());
    g_autoptr(Hosts) hosts = read_text(&scratch, text);
    sigset_t signals = block_signals();

    use_agent(&scratch, "#!/bin/sh\nexit 255\n");
    cr_expect(hosts_probe(hosts, &signals));
    expect_names(hosts, FALSE, "n1");
}

Test(hosts, many_are_asked_but_not_all_at_a_time)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GString) text = g_string_new(NULL);
    sigset_t signals = block_signals();

    for (guint i = 0; i < 200; i++)
        g_string_append_printf(text, "192.0.2.%u\n", i);
    g_autoptr(Hosts) hosts = read_text(&scratch, text->str);
    use_agent(&scratch, "#!/bin/sh\ncase $1 in *7) exit 1 ;; esac\n");
    cr_expect(hosts_probe(hosts, &signals));
    cr_expect_eq(hosts_count(hosts, FALSE), 20);
    cr_expect_eq(hosts_count(hosts, TRUE), 180);
}

Test(hosts, a_signal_ends_the_asking_and_changes_nothing, .timeout = 8)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Hosts) hosts = read_text(&scratch, "n1\nn2\n");
    sigset_t signals = block_signals();

    use_agent(&scratch, "#!/bin/sh\n[ $1 = n1 ] || { kill -USR1 $PPID; exec sleep 60; }\n");
    cr_expect_not(hosts_probe(hosts, &signals));
    expect_names(hosts, TRUE, "n1 n2");
}
