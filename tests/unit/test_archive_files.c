/* test_archive_files.c - what a restore may make, when it gets its name, and what is left alone.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_files.h"

#include <sys/file.h>

#include "tests/unit/scratch.h"

/* SHA-256 of "abc" and "def" (sha256sum). */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define DEF "cb8379ac2098aa165029e3938a51da0bcecfc008fd6795f401178647f96c5b34"

typedef struct {
    guint done_count;
    guint there_count;
    guint failed_count;
    GString *text; /* "KEY of VOLUME;" of those that are there */
} Told;

static void
tell(const ArchiveFile *file, gboolean was_there, const GError *failure, gpointer data)
{
    Told *told = data;

    told->done_count++;
    told->there_count += was_there != FALSE;
    told->failed_count += failure != NULL;
    if (!failure)
        g_string_append_printf(told->text, "%s of %u;", file->key, file->volume);
}

typedef struct {
    Scratch scratch;
    Told told;
    ArchiveFiles *files;
} Fixture;

static Fixture
fixture_new(void)
{
    Fixture fixture = {.scratch = scratch_new()};

    fixture.told.text = g_string_new(NULL);
    return fixture;
}

static void
fixture_open(Fixture *fixture, gboolean force)
{
    g_autoptr(GError) error = NULL;

    fixture->files = archive_files_open(fixture->scratch.path, force, tell, &fixture->told, &error);
    cr_assert_not_null(fixture->files, "%s", error ? error->message : "");
}

static void
fixture_clear(Fixture *fixture)
{
    g_clear_pointer(&fixture->files, archive_files_close);
    g_string_free(fixture->told.text, TRUE);
    scratch_release(&fixture->scratch);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_clear)

/* Begins a file of three bytes. Returns the error's kind, or -1. */
static int
begin(Fixture *fixture, const char *name, const char *sha256)
{
    const TarMember member = {.name = name, .size_bytes = 3, .mtime_s = 77, .is_file = TRUE};
    VolumeRecord record = {.key = name, .size_bytes = 3};
    g_autoptr(GError) error = NULL;

    g_strlcpy(record.sha256, sha256, sizeof record.sha256);
    if (archive_files_begin(fixture->files, NULL, &member, &record, 5, &error))
        return -1;
    archive_files_abandon(fixture->files);
    return error->code;
}

static void
put(Fixture *fixture, const char *name, const char *bytes, const char *sha256)
{
    g_autoptr(GError) error = NULL;

    cr_assert_eq(begin(fixture, name, sha256), -1, "%s", name);
    cr_assert(archive_files_write(fixture->files, bytes, 1, &error));
    cr_assert(archive_files_write(fixture->files, bytes + 1, strlen(bytes) - 1, &error));
    cr_assert(archive_files_finish(fixture->files, &error));
}

static void
flush(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    cr_assert(archive_files_flush(fixture->files, &error), "%s", error ? error->message : "");
}

static void
expect_file(const Fixture *fixture, const char *name, const char *expected)
{
    g_autofree char *bytes = scratch_get(&fixture->scratch, name, NULL);

    if (expected)
        cr_expect_str_eq(bytes ? bytes : "(none)", expected, "%s", name);
    else
        cr_expect_null(bytes, "%s", name);
}

Test(archive_files, a_file_has_its_name_when_it_is_durable_and_not_before)
{
    g_auto(Fixture) fixture = fixture_new();
    struct stat status;

    fixture_open(&fixture, FALSE);
    put(&fixture, "a", "abc", ABC);
    put(&fixture, "deep/er/b", "def", DEF);
    expect_file(&fixture, "a", NULL);
    cr_expect_eq(fixture.told.done_count, 0);
    flush(&fixture);
    expect_file(&fixture, "a", "abc");
    expect_file(&fixture, "deep/er/b", "def");
    cr_expect_str_eq(fixture.told.text->str, "a of 5;deep/er/b of 5;");
    cr_assert_eq(fstatat(fixture.scratch.fd, "deep/er/b", &status, 0), 0);
    cr_expect_eq(status.st_mtim.tv_sec, 77);
    g_clear_pointer(&fixture.files, archive_files_close);
    g_autofree char *left = scratch_list(&fixture.scratch);
    cr_expect_str_eq(left, "a deep");
}

Test(archive_files, what_was_not_flushed_or_abandoned_leaves_nothing)
{
    g_auto(Fixture) fixture = fixture_new();

    fixture_open(&fixture, FALSE);
    put(&fixture, "a", "abc", ABC);
    cr_assert_eq(begin(&fixture, "b", DEF), -1);
    archive_files_abandon(fixture.files);
    cr_assert_eq(begin(&fixture, "c", DEF), -1);
    g_clear_pointer(&fixture.files, archive_files_close);
    g_autofree char *left = scratch_list(&fixture.scratch);
    cr_expect_str_eq(left, "");
}

Test(archive_files, hundreds_are_flushed_by_themselves)
{
    g_auto(Fixture) fixture = fixture_new();

    fixture_open(&fixture, FALSE);
    for (guint i = 0; i < 600; i++) {
        g_autofree char *name = g_strdup_printf("%u/%u", i / 100, i);
        put(&fixture, name, "abc", ABC);
    }
    cr_expect_eq(fixture.told.done_count, 512, "two batches of 256");
    flush(&fixture);
    cr_expect_eq(fixture.told.done_count, 600);
    expect_file(&fixture, "5/599", "abc");
}

Test(archive_files, names_that_may_lead_elsewhere_are_refused)
{
    static const char *const names[] = {"../a",
                                        "..",
                                        "a/../../b",
                                        "a/..",
                                        "/etc/x",
                                        "//x",
                                        "",
                                        ".",
                                        "./a",
                                        "a/./b",
                                        "a//b",
                                        "a/",
                                        ".millrace-restore.tmp",
                                        ".millrace-restore.tmp/0"};
    g_auto(Fixture) fixture = fixture_new();

    fixture_open(&fixture, TRUE);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        cr_expect_eq(begin(&fixture, names[i], ABC), MILLRACE_ERROR_BAD_INPUT, "\"%s\"", names[i]);
    cr_expect_not(archive_files_broken(fixture.files));
    cr_expect_eq(begin(&fixture, ".millrace-restore.tmpx", ABC), -1);
}

Test(archive_files, symlinks_in_the_folder_lead_nowhere)
{
    g_auto(Fixture) fixture = fixture_new();
    g_auto(Scratch) outside = scratch_new();

    scratch_put(&outside, "secret", "xyz", 3);
    cr_assert_eq(symlinkat(outside.path, fixture.scratch.fd, "link"), 0);
    g_autofree char *secret = g_build_filename(outside.path, "secret", NULL);
    cr_assert_eq(symlinkat(secret, fixture.scratch.fd, "file"), 0);
    fixture_open(&fixture, FALSE);
    cr_expect_eq(begin(&fixture, "link/a", ABC), MILLRACE_ERROR_CANT_CREATE);
    cr_expect_eq(begin(&fixture, "link/secret", ABC), MILLRACE_ERROR_CANT_CREATE);
    cr_expect_eq(begin(&fixture, "file", ABC), MILLRACE_ERROR_CANT_CREATE);
    g_clear_pointer(&fixture.files, archive_files_close);
    fixture_open(&fixture, TRUE);
    cr_expect_eq(begin(&fixture, "link/a", ABC), MILLRACE_ERROR_CANT_CREATE);
    put(&fixture, "file", "abc", ABC);
    flush(&fixture);
    expect_file(&fixture, "file", "abc");
    g_autofree char *names = scratch_list(&outside);
    cr_expect_str_eq(names, "secret");
    g_autofree char *bytes = scratch_get(&outside, "secret", NULL);
    cr_expect_str_eq(bytes, "xyz");
}

Test(archive_files, the_same_bytes_are_fine_and_others_stay_unless_forced)
{
    g_auto(Fixture) fixture = fixture_new();

    scratch_put(&fixture.scratch, "a", "abc", 3);
    scratch_put(&fixture.scratch, "b", "xyz", 3);
    scratch_put(&fixture.scratch, "c", "longer", 6);
    fixture_open(&fixture, FALSE);
    put(&fixture, "a", "abc", ABC);
    cr_expect_eq(fixture.told.there_count, 1);
    cr_expect_eq(begin(&fixture, "b", DEF), MILLRACE_ERROR_CANT_CREATE);
    cr_expect_eq(begin(&fixture, "c", DEF), MILLRACE_ERROR_CANT_CREATE);
    expect_file(&fixture, "b", "xyz");
    g_clear_pointer(&fixture.files, archive_files_close);
    fixture_open(&fixture, TRUE);
    put(&fixture, "b", "def", DEF);
    put(&fixture, "c", "def", DEF);
    flush(&fixture);
    expect_file(&fixture, "b", "def");
    expect_file(&fixture, "c", "def");
}

Test(archive_files, one_name_twice_in_a_batch_is_one_file)
{
    g_auto(Fixture) fixture = fixture_new();

    fixture_open(&fixture, FALSE);
    put(&fixture, "a", "abc", ABC);
    put(&fixture, "a", "abc", ABC);
    put(&fixture, "a", "def", DEF);
    put(&fixture, "a/b", "def", DEF);
    flush(&fixture);
    expect_file(&fixture, "a", NULL);
    cr_expect_eq(fixture.told.done_count, 4);
    cr_expect_eq(fixture.told.there_count, 0);
    cr_expect_eq(fixture.told.failed_count, 3, "the folder was there first");
    expect_file(&fixture, "a/b", "def");
}

Test(archive_files, copies_of_a_batch_are_there_and_others_fail)
{
    g_auto(Fixture) fixture = fixture_new();

    fixture_open(&fixture, FALSE);
    put(&fixture, "a", "abc", ABC);
    put(&fixture, "a", "abc", ABC);
    put(&fixture, "a", "def", DEF);
    flush(&fixture);
    expect_file(&fixture, "a", "abc");
    cr_expect_eq(fixture.told.done_count, 3);
    cr_expect_eq(fixture.told.there_count, 1);
    cr_expect_eq(fixture.told.failed_count, 1);
    cr_expect_not(archive_files_broken(fixture.files));
}

Test(archive_files, what_a_killed_restore_left_is_removed)
{
    g_auto(Fixture) fixture = fixture_new();

    cr_assert_eq(mkdirat(fixture.scratch.fd, ".millrace-restore.tmp", 0700), 0);
    scratch_put(&fixture.scratch, ".millrace-restore.tmp/0", "half", 4);
    fixture_open(&fixture, FALSE);
    put(&fixture, "a", "abc", ABC);
    flush(&fixture);
    g_clear_pointer(&fixture.files, archive_files_close);
    g_autofree char *left = scratch_list(&fixture.scratch);
    cr_expect_str_eq(left, "a");
}

Test(archive_files, two_at_a_time_are_one_too_many)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(GError) error = NULL;

    fixture_open(&fixture, FALSE);
    cr_expect_null(archive_files_open(fixture.scratch.path, FALSE, tell, &fixture.told, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED));
    /* It must not have removed what the first one works with. */
    put(&fixture, "a", "abc", ABC);
    flush(&fixture);
    expect_file(&fixture, "a", "abc");
}

Test(archive_files, an_absurd_size_is_refused_before_it_fills_the_disk)
{
    g_auto(Fixture) fixture = fixture_new();
    const TarMember member = {.name = "a", .size_bytes = G_GUINT64_CONSTANT(1) << 60};
    const VolumeRecord record = {.key = "a", .size_bytes = G_GUINT64_CONSTANT(1) << 60};
    g_autoptr(GError) error = NULL;

    fixture_open(&fixture, FALSE);
    cr_expect_not(archive_files_begin(fixture.files, NULL, &member, &record, 0, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE));
    cr_expect_not(archive_files_broken(fixture.files));
}
