/* test_tier.c - files of an archive in a directory: whole or not there, nowhere else, and nobody
 * is led out of it. The same calls against a server are tried by tests/cli/archive_s3.t.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/tier.h"

#include <sys/file.h>

#include "tests/unit/scratch.h"

static Tier *
open_new(const Scratch *scratch)
{
    g_autoptr(GError) error = NULL;
    Tier *tier = tier_open(scratch->path, TRUE, &error);

    cr_assert_not_null(tier, "%s", error ? error->message : "");
    return tier;
}

static void
expect_error(const GError *error, MillraceErrorKind kind, const char *part)
{
    cr_assert(g_error_matches(error, MILLRACE_ERROR, (gint)kind), "%s",
              error ? error->message : "no error");
    cr_expect_not_null(strstr(error->message, part), "%s", error->message);
}

static void
expect_file(const Scratch *scratch, const char *name, const char *expected)
{
    gsize size_bytes = 0;
    g_autofree char *got = scratch_get(scratch, name, &size_bytes);

    cr_assert_not_null(got, "%s is not there", name);
    cr_expect_eq(size_bytes, strlen(expected));
    cr_expect_str_eq(got, expected);
}

Test(tier, what_is_not_there_is_made_only_when_asked_to)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "a", "cold", NULL);
    g_autoptr(GError) error = NULL;

    cr_expect_null(tier_open(path, FALSE, &error));
    expect_error(error, MILLRACE_ERROR_NO_INPUT, "cold");
    g_autoptr(Tier) tier = tier_open(path, TRUE, NULL);
    cr_assert_not_null(tier);
    cr_expect_str_eq(tier_name(tier), path);
    cr_expect_geq(tier_dir_fd(tier), 0);
    g_autofree char *volumes = g_build_filename(path, "volumes", NULL);
    cr_expect(g_file_test(volumes, G_FILE_TEST_IS_DIR));
}

Test(tier, a_stream_or_another_scheme_is_no_tier)
{
    static const char *const places[] = {"-", "", "ftp://host/x"};

    for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autoptr(GError) error = NULL;
        cr_expect_null(tier_open(places[i], TRUE, &error));
        expect_error(error, MILLRACE_ERROR_USAGE, "expected a folder");
    }
}

Test(tier, what_was_written_reads_back_at_any_offset)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Tier) tier = open_new(&scratch);
    char piece[8] = "xxxxxxx";
    gsize size_bytes = 0;

    cr_assert(tier_write_all(tier, "volumes/v.index", "0123456789", 10, NULL));
    expect_file(&scratch, "volumes/v.index", "0123456789");
    g_autoptr(TierFile) file = tier_file_open(tier, "volumes/v.index", NULL);
    cr_assert_not_null(file);
    cr_expect_eq(tier_file_size(file), 10);
    cr_expect_geq(tier_file_fd(file), 0);
    cr_expect_eq(tier_file_read(file, 3, piece, 4, NULL), 4);
    cr_expect_eq(memcmp(piece, "3456xxx", 7), 0);
    cr_expect_eq(tier_file_read(file, 8, piece, 4, NULL), 2, "the end comes early");
    cr_expect_eq(tier_file_read(file, 10, piece, 4, NULL), 0);
    cr_expect_eq(tier_file_read(file, G_MAXUINT64, piece, 4, NULL), 0);
    g_autofree char *whole = tier_read_all(tier, "volumes/v.index", 10, &size_bytes, NULL);
    cr_expect_str_eq(whole, "0123456789");
    cr_expect_eq(size_bytes, 10);
}

Test(tier, a_file_larger_than_expected_is_not_read)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Tier) tier = open_new(&scratch);
    g_autoptr(GError) error = NULL;

    cr_assert(tier_write_all(tier, "keys/k.pub", "12345", 5, NULL));
    cr_expect_null(tier_read_all(tier, "keys/k.pub", 4, NULL, &error));
    expect_error(error, MILLRACE_ERROR_IO, "more than the 4");
}

Test(tier, a_file_that_is_not_there_says_so)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Tier) tier = open_new(&scratch);
    g_autoptr(GError) error = NULL;

    cr_expect_null(tier_file_open(tier, "catalogue.log", &error));
    expect_error(error, MILLRACE_ERROR_NO_INPUT, "catalogue.log");
    cr_expect(tier_remove(tier, "volumes/v.index", NULL), "what is not there need not be removed");
}

Test(tier, a_local_file_is_copied_whole_from_its_begin)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Tier) tier = open_new(&scratch);
    g_autofree char *bytes = g_malloc((3 << 20) + 1);

    for (guint i = 0; i < (3 << 20) + 1; i++)
        bytes[i] = (char)(i * 2654435761u >> 24);
    scratch_put(&scratch, "source", bytes, (3 << 20) + 1);
    int fd = openat(scratch.fd, "source", O_RDONLY | O_CLOEXEC);
    cr_assert_eq(lseek(fd, 17, SEEK_SET), 17);
    cr_assert(tier_write_file(tier, "volumes/v.tar.zst", fd, NULL));
    close(fd);
    gsize size_bytes = 0;
    g_autofree char *got = scratch_get(&scratch, "volumes/v.tar.zst", &size_bytes);
    cr_assert_eq(size_bytes, (3 << 20) + 1);
    cr_expect_eq(memcmp(got, bytes, size_bytes), 0);
}

/* printf hello | sha256sum */
#define HELLO_SHA256 "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

Test(tier, a_copy_has_its_name_only_when_it_is_what_it_should_be)
{
    g_auto(Scratch) left = scratch_new();
    g_auto(Scratch) right = scratch_new();
    g_autoptr(Tier) from = open_new(&left);
    g_autoptr(Tier) to = open_new(&right);
    g_autoptr(GError) error = NULL;
    char hex[SHA256_CHARS + 1];

    scratch_put(&left, "volumes/v.index", "hello", 5);
    scratch_put(&left, "volumes/w.index", "hellO", 5);
    g_autoptr(TierFile) good = tier_file_open(from, "volumes/v.index", NULL);
    g_autoptr(TierFile) bad = tier_file_open(from, "volumes/w.index", NULL);
    cr_assert(tier_file_sha256(good, hex, NULL));
    cr_expect_str_eq(hex, HELLO_SHA256);
    cr_expect(tier_copy(to, "volumes/v.index", good, HELLO_SHA256, NULL));
    expect_file(&right, "volumes/v.index", "hello");
    cr_expect_not(tier_copy(to, "volumes/v.index", bad, HELLO_SHA256, &error));
    expect_error(error, MILLRACE_ERROR_CORRUPT, "w.index: its SHA-256 is");
    expect_file(&right, "volumes/v.index", "hello");
    cr_expect_not(tier_copy(to, "volumes/../x", good, HELLO_SHA256, NULL));
}

Test(tier, writing_replaces_and_leaves_nothing_else)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Tier) tier = open_new(&scratch);

    cr_assert(tier_write_all(tier, "keys/k.pub", "old and longer", 14, NULL));
    cr_assert(tier_write_all(tier, "keys/k.pub", "", 0, NULL));
    expect_file(&scratch, "keys/k.pub", "");
    g_autofree char *path = g_build_filename(scratch.path, "keys", NULL);
    const Scratch keys = {.path = path};
    g_autofree char *listing = scratch_list(&keys);
    cr_expect_str_eq(listing, "k.pub");
}

Test(tier, a_log_is_cut_and_grows)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Tier) tier = open_new(&scratch);
    g_autoptr(GError) error = NULL;

    cr_assert(tier_append(tier, "catalogue.log", 0, "one\ntor", 7, NULL));
    cr_assert(tier_append(tier, "catalogue.log", 4, "two\n", 4, NULL));
    expect_file(&scratch, "catalogue.log", "one\ntwo\n");
    cr_assert(tier_append(tier, "catalogue.log", 8, "", 0, NULL));
    expect_file(&scratch, "catalogue.log", "one\ntwo\n");
    cr_expect_not(tier_append(tier, "catalogue.log", 9, "three\n", 6, &error));
    expect_error(error, MILLRACE_ERROR_IO, "not what was read before");
    expect_file(&scratch, "catalogue.log", "one\ntwo\n");
}

Test(tier, a_listing_is_sorted_and_without_temporary_files)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Tier) tier = open_new(&scratch);

    scratch_put(&scratch, "volumes/b", "", 0);
    scratch_put(&scratch, "volumes/a", "", 0);
    scratch_put(&scratch, "volumes/B", "", 0);
    scratch_put(&scratch, "volumes/.c.1.tmp", "", 0);
    scratch_put(&scratch, "volumes/with blank", "", 0);
    g_autoptr(GPtrArray) names = tier_list(tier, "volumes", NULL);
    cr_assert_not_null(names);
    cr_assert_eq(names->len, 3);
    cr_expect_str_eq(names->pdata[0], "B");
    cr_expect_str_eq(names->pdata[1], "a");
    cr_expect_str_eq(names->pdata[2], "b");
}

Test(tier, a_folder_that_is_not_there_has_no_files)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Tier) tier = tier_open(scratch.path, FALSE, NULL);
    g_autoptr(GPtrArray) names = tier_list(tier, "volumes", NULL);

    cr_assert_not_null(names);
    cr_expect_eq(names->len, 0);
}

Test(tier, names_that_lead_elsewhere_are_refused)
{
    static const char *const names[] = {
        "",         "x",          "/etc/passwd", "../x",           "volumes/../x",
        "volumes/", "volumes/..", "volumes/.x",  "volumes/a/b",    "keys//x",
        "keys/a b", "keys/a\nb",  "keys/\xff",   "catalogue.log/", "./catalogue.log",
        "lock",     ".tmp/x",     "volumes",     "volumes/a%2Fb",  "elsewhere/x",
    };
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Tier) tier = open_new(&scratch);

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) error = NULL;
        cr_expect_not(tier_write_all(tier, names[i], "x", 1, &error), "%s", names[i]);
        expect_error(error, MILLRACE_ERROR_BAD_INPUT, "no files of such a name");
        cr_expect_null(tier_file_open(tier, names[i], NULL), "%s", names[i]);
        cr_expect_not(tier_append(tier, names[i], 0, "x", 1, NULL), "%s", names[i]);
        cr_expect_not(tier_remove(tier, names[i], NULL), "%s", names[i]);
    }
}

Test(tier, symlinks_are_not_followed)
{
    g_auto(Scratch) scratch = scratch_new();
    g_auto(Scratch) outside = scratch_new();
    g_autoptr(Tier) tier = open_new(&scratch);
    g_autoptr(GError) error = NULL;
    g_autofree char *target = g_build_filename(outside.path, "secret", NULL);

    scratch_put(&outside, "secret", "secret", 6);
    cr_assert_eq(symlinkat(target, scratch.fd, "volumes/v.index"), 0);
    cr_assert_eq(symlinkat(target, scratch.fd, "catalogue.log"), 0);
    cr_assert_eq(unlinkat(scratch.fd, "keys", AT_REMOVEDIR), 0);
    cr_assert_eq(symlinkat(outside.path, scratch.fd, "keys"), 0);
    cr_expect_null(tier_file_open(tier, "volumes/v.index", &error));
    expect_error(error, MILLRACE_ERROR_IO, "symlink");
    cr_expect_not(tier_append(tier, "catalogue.log", 0, "x", 1, NULL));
    cr_expect_not(tier_write_all(tier, "keys/secret", "x", 1, NULL));
    cr_expect_not(tier_remove(tier, "keys/secret", NULL));
    cr_expect_null(tier_list(tier, "keys", NULL));
    cr_expect(tier_write_all(tier, "volumes/v.index", "ours", 4, NULL),
              "a symlink in the place of a file is replaced, not followed");
    expect_file(&outside, "secret", "secret");
    expect_file(&scratch, "volumes/v.index", "ours");
}

Test(tier, a_fifo_makes_nobody_wait)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Tier) tier = open_new(&scratch);
    g_autoptr(GError) error = NULL;

    cr_assert_eq(mkfifoat(scratch.fd, "catalogue.log", 0600), 0);
    cr_expect_null(tier_read_all(tier, "catalogue.log", 10, NULL, &error));
    expect_error(error, MILLRACE_ERROR_IO, "no regular file");
    cr_expect_not(tier_append(tier, "catalogue.log", 0, "x", 1, NULL));
}

Test(tier, one_process_writes_at_a_time)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Tier) first = open_new(&scratch);
    g_autoptr(Tier) second = open_new(&scratch);
    g_autoptr(GError) error = NULL;

    cr_assert(tier_lock(first, NULL));
    cr_expect(tier_lock(first, NULL), "it has it already");
    cr_expect_not(tier_lock(second, &error));
    expect_error(error, MILLRACE_ERROR_INTERRUPTED, "another process");
    tier_free(g_steal_pointer(&first));
    cr_expect(tier_lock(second, NULL));
}

Test(tier, a_writer_removes_what_a_killed_one_left)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Tier) tier = open_new(&scratch);

    scratch_put(&scratch, "volumes/.v.tar.zst.17.tmp", "half", 4);
    scratch_put(&scratch, "volumes/v.index", "whole", 5);
    cr_assert_eq(mkdirat(scratch.fd, ".tmp", 0777), 0);
    scratch_put(&scratch, ".tmp/pack", "to be resumed", 13);
    cr_assert(tier_lock(tier, NULL));
    cr_expect_eq(faccessat(scratch.fd, "volumes/.v.tar.zst.17.tmp", F_OK, 0), -1);
    expect_file(&scratch, "volumes/v.index", "whole");
    expect_file(&scratch, ".tmp/pack", "to be resumed");
}
