/* test_durable.c - files are whole or not there, folders are never left. That bytes are on the
 * platter after fsync is not for a unit test; the order of calls is watched by the fault tests.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/durable.h"

#include <errno.h>

#include "formats/error.h"
#include "tests/unit/scratch.h"

static void
expect_file(const Scratch *scratch, const char *name, const char *expected)
{
    gsize size_bytes = 0;
    g_autofree char *got = scratch_get(scratch, name, &size_bytes);

    cr_assert_not_null(got, "%s is not there", name);
    cr_expect_eq(size_bytes, strlen(expected));
    cr_expect_str_eq(got, expected);
}

static void
expect_listing(const Scratch *scratch, const char *expected)
{
    g_autofree char *got = scratch_list(scratch);

    cr_expect_str_eq(got, expected);
}

static void
expect_error(const GError *error, MillraceErrorKind kind, const char *part)
{
    cr_assert(g_error_matches(error, MILLRACE_ERROR, (gint)kind), "%s",
              error ? error->message : "no error");
    cr_expect_not_null(strstr(error->message, part), "%s", error->message);
}

Test(durable, what_was_written_reads_back)
{
    g_auto(Scratch) scratch = scratch_new();
    static const char bytes[] = "a\0b\n";
    gsize size_bytes = 0;

    cr_assert(durable_write_file(scratch.fd, "file", bytes, sizeof bytes - 1, NULL));
    g_autofree char *got = durable_read_file(scratch.fd, "file", 4, &size_bytes, NULL);
    cr_assert_not_null(got);
    cr_expect_eq(size_bytes, 4);
    cr_expect_eq(memcmp(got, bytes, 5), 0, "a NUL stands behind the bytes");
    expect_listing(&scratch, "file");
}

Test(durable, an_empty_file_reads_as_an_empty_string)
{
    g_auto(Scratch) scratch = scratch_new();
    gsize size_bytes = 1;

    cr_assert(durable_write_file(scratch.fd, "file", "", 0, NULL));
    g_autofree char *got = durable_read_file(scratch.fd, "file", 0, &size_bytes, NULL);
    cr_expect_str_eq(got, "");
    cr_expect_eq(size_bytes, 0);
}

Test(durable, writing_a_file_replaces_it)
{
    g_auto(Scratch) scratch = scratch_new();

    scratch_put(&scratch, "file", "old and longer", 14);
    cr_assert(durable_write_file(scratch.fd, "file", "new", 3, NULL));
    expect_file(&scratch, "file", "new");
    expect_listing(&scratch, "file");
}

Test(durable, a_file_that_is_too_large_is_refused)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GError) error = NULL;
    gsize size_bytes = 0;

    scratch_put(&scratch, "file", "12345", 5);
    cr_expect_null(durable_read_file(scratch.fd, "file", 4, &size_bytes, &error));
    expect_error(error, MILLRACE_ERROR_IO, g_strerror(EFBIG));
}

Test(durable, a_large_file_is_read_whole)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *large = g_strnfill(100001, 'x');
    gsize size_bytes = 0;

    scratch_put(&scratch, "file", large, 100001);
    g_autofree char *got = durable_read_file(scratch.fd, "file", 100001, &size_bytes, NULL);
    cr_expect_eq(size_bytes, 100001);
    cr_expect_str_eq(got, large);
    cr_expect_null(durable_read_file(scratch.fd, "file", 100000, &size_bytes, NULL));
}

Test(durable, a_file_that_is_not_there_is_told_from_one_that_cannot_be_read)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GError) absent = NULL;
    g_autoptr(GError) folder = NULL;

    cr_expect_null(durable_read_file(scratch.fd, "file", 10, NULL, &absent));
    expect_error(absent, MILLRACE_ERROR_NO_INPUT, "file");
    cr_expect_null(durable_read_file(scratch.fd, ".", 10, NULL, &folder));
    expect_error(folder, MILLRACE_ERROR_IO, g_strerror(EISDIR));
}

Test(durable, a_stream_has_no_name_until_it_is_closed)
{
    g_auto(Scratch) scratch = scratch_new();
    DurableStream *stream = durable_stream_open(scratch.fd, "file", NULL);

    cr_assert_not_null(stream);
    cr_expect(durable_stream_write(stream, "one,", 4, NULL));
    cr_expect_null(scratch_get(&scratch, "file", NULL));
    cr_expect(durable_stream_write(stream, "two", 3, NULL));
    cr_expect(durable_stream_close(stream, NULL));
    expect_file(&scratch, "file", "one,two");
    expect_listing(&scratch, "file");
}

Test(durable, pieces_of_every_size_stay_in_order)
{
    static const gsize sizes[] = {1, 262143, 262144, 262145, 7, 600000, 1, 262140, 10, 0, 3};
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GString) expected = g_string_new(NULL);
    DurableStream *stream = durable_stream_open(scratch.fd, "file", NULL);

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *piece = g_strnfill(sizes[i], (char)('a' + i));
        g_string_append(expected, piece);
        cr_assert(durable_stream_write(stream, piece, sizes[i], NULL));
    }
    cr_assert(durable_stream_close(stream, NULL));
    expect_file(&scratch, "file", expected->str);
}

Test(durable, an_abandoned_stream_leaves_nothing)
{
    g_auto(Scratch) scratch = scratch_new();

    scratch_put(&scratch, "file", "old", 3);
    DurableStream *stream = durable_stream_open(scratch.fd, "file", NULL);
    cr_expect(durable_stream_write(stream, "new", 3, NULL));
    durable_stream_abandon(stream);
    expect_file(&scratch, "file", "old");
    expect_listing(&scratch, "file");
}

/* Writes aligned pieces of these sizes, and then "the rest". */
static void
expect_aligned(const Scratch *scratch, const char *name, const gsize *sizes, guint count)
{
    g_autoptr(GString) expected = g_string_new(NULL);
    DurableStream *stream = durable_stream_open(scratch->fd, name, NULL);

    cr_assert_not_null(stream);
    for (guint i = 0; i < count; i++) {
        char *piece = aligned_alloc(DURABLE_ALIGN_BYTES, sizes[i]);
        memset(piece, 'a' + (int)i, sizes[i]);
        g_string_append_len(expected, piece, (gssize)sizes[i]);
        cr_assert(durable_stream_write_aligned(stream, piece, sizes[i], NULL));
        free(piece);
    }
    g_string_append(expected, "the rest");
    cr_assert(durable_stream_write(stream, "the ", 4, NULL));
    cr_assert(durable_stream_write(stream, "rest", 4, NULL));
    cr_assert(durable_stream_close(stream, NULL));
    expect_file(scratch, name, expected->str);
}

Test(durable, aligned_pieces_and_what_is_behind_them_stay_in_order)
{
    static const gsize sizes[] = {4096, 1 << 20, 8192, 4096, 300 << 10};
    g_auto(Scratch) scratch = scratch_new();
    Scratch memory = {.path = g_strdup("/dev/shm"), .fd = open("/dev/shm", O_RDONLY | O_DIRECTORY)};
    g_autofree char *name = g_strdup_printf("millrace-%d", (int)getpid());

    for (guint count = 0; count <= G_N_ELEMENTS(sizes); count++)
        expect_aligned(&scratch, "file", sizes, count);
    if (memory.fd >= 0) { /* not every file system can pass its cache by */
        expect_aligned(&memory, name, sizes, G_N_ELEMENTS(sizes));
        unlinkat(memory.fd, name, 0);
        close(memory.fd);
    }
    g_free(memory.path);
}

Test(durable, a_stream_that_cannot_get_its_name_leaves_nothing)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GError) error = NULL;

    cr_assert_eq(mkdirat(scratch.fd, "file", 0777), 0);
    cr_expect_not(durable_write_file(scratch.fd, "file", "x", 1, &error));
    expect_error(error, MILLRACE_ERROR_IO, "file");
    expect_listing(&scratch, "file");
}

Test(durable, a_full_disk_is_an_error)
{
    g_autoptr(GError) error = NULL;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    cr_assert_geq(fd, 0);
    cr_expect_not(durable_write_all(fd, "the file", "x", 1, &error));
    expect_error(error, MILLRACE_ERROR_IO, g_strerror(ENOSPC));
    cr_expect_not_null(strstr(error->message, "the file"));
    close(fd);
}

Test(durable, publishing_gives_a_name)
{
    g_auto(Scratch) scratch = scratch_new();

    scratch_put(&scratch, "temporary", "new", 3);
    cr_expect_eq(durable_publish(scratch.fd, "temporary", scratch.fd, "file", NULL), PUBLISH_DONE);
    expect_file(&scratch, "file", "new");
    expect_listing(&scratch, "file");
}

Test(durable, publishing_does_not_replace)
{
    g_auto(Scratch) scratch = scratch_new();

    scratch_put(&scratch, "temporary", "new", 3);
    scratch_put(&scratch, "file", "old", 3);
    cr_assert_eq(symlinkat("nowhere", scratch.fd, "link"), 0);
    cr_assert_eq(mkdirat(scratch.fd, "folder", 0777), 0);
    cr_expect_eq(durable_publish(scratch.fd, "temporary", scratch.fd, "file", NULL),
                 PUBLISH_EXISTS);
    cr_expect_eq(durable_publish(scratch.fd, "temporary", scratch.fd, "link", NULL),
                 PUBLISH_EXISTS);
    cr_expect_eq(durable_publish(scratch.fd, "temporary", scratch.fd, "folder", NULL),
                 PUBLISH_EXISTS);
    expect_file(&scratch, "file", "old");
    expect_listing(&scratch, "file folder link temporary");
}

Test(durable, a_name_that_cannot_be_is_no_fault_of_the_disk)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *long_name = g_strnfill(256, 'x');
    g_autoptr(GError) publish = NULL;
    g_autoptr(GError) folder = NULL;

    scratch_put(&scratch, "temporary", "new", 3);
    cr_expect_eq(durable_publish(scratch.fd, "temporary", scratch.fd, long_name, &publish),
                 PUBLISH_FAILED);
    expect_error(publish, MILLRACE_ERROR_CANT_CREATE, g_strerror(ENAMETOOLONG));
    cr_expect_lt(durable_folder_beneath(scratch.fd, long_name, &folder), 0);
    expect_error(folder, MILLRACE_ERROR_CANT_CREATE, g_strerror(ENAMETOOLONG));
}

/* Writes "here" into the folder at fd, and closes that. */
static void
mark(int fd)
{
    cr_assert_geq(fd, 0);
    cr_expect(durable_write_file(fd, "here", "", 0, NULL));
    close(fd);
}

static void
expect_mark(const Scratch *scratch, const char *name)
{
    g_autofree char *got = scratch_get(scratch, name, NULL);

    cr_expect_not_null(got, "%s is not there", name);
}

Test(durable, folders_beneath_are_made_and_found_again)
{
    g_auto(Scratch) scratch = scratch_new();

    mark(durable_folder_beneath(scratch.fd, "", NULL));
    mark(durable_folder_beneath(scratch.fd, "a/b/c", NULL));
    mark(durable_folder_beneath(scratch.fd, "a/b", NULL));
    mark(durable_folder_beneath(scratch.fd, "d//e/", NULL));
    expect_mark(&scratch, "here");
    expect_mark(&scratch, "a/b/c/here");
    expect_mark(&scratch, "a/b/here");
    expect_mark(&scratch, "d/e/here");
    expect_listing(&scratch, "a d here");
}

Test(durable, a_symlink_in_the_way_is_refused)
{
    g_auto(Scratch) scratch = scratch_new();
    g_auto(Scratch) elsewhere = scratch_new();
    static const char *const paths[] = {"link", "link/a", "folder/link/a"};

    cr_assert_eq(mkdirat(scratch.fd, "folder", 0777), 0);
    cr_assert_eq(symlinkat(elsewhere.path, scratch.fd, "link"), 0);
    cr_assert_eq(symlinkat(elsewhere.path, scratch.fd, "folder/link"), 0);
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autoptr(GError) error = NULL;
        cr_expect_lt(durable_folder_beneath(scratch.fd, paths[i], &error), 0);
        expect_error(error, MILLRACE_ERROR_CANT_CREATE, "link");
    }
    expect_listing(&elsewhere, "");
}

Test(durable, a_file_in_the_way_is_refused)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GError) error = NULL;

    scratch_put(&scratch, "file", "old", 3);
    cr_expect_lt(durable_folder_beneath(scratch.fd, "file/a", &error), 0);
    expect_error(error, MILLRACE_ERROR_CANT_CREATE, g_strerror(ENOTDIR));
    expect_file(&scratch, "file", "old");
}

Test(durable, a_symlink_in_place_of_a_temporary_is_not_followed)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *temporary = g_strdup_printf(".file.%d.tmp", (int)getpid());
    g_autoptr(GError) error = NULL;

    scratch_put(&scratch, "victim", "old", 3);
    cr_assert_eq(symlinkat("victim", scratch.fd, temporary), 0);
    cr_expect_not(durable_write_file(scratch.fd, "file", "new", 3, &error));
    expect_error(error, MILLRACE_ERROR_CANT_CREATE, "file");
    expect_file(&scratch, "victim", "old");
}

Test(durable, a_folder_is_made_with_its_parents_only_when_asked)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "a", "b", NULL);
    g_autoptr(GError) error = NULL;

    cr_expect_lt(durable_folder_open(path, FALSE, &error), 0);
    expect_error(error, MILLRACE_ERROR_NO_INPUT, path);
    expect_listing(&scratch, "");
    mark(durable_folder_open(path, TRUE, NULL));
    mark(durable_folder_open(path, FALSE, NULL));
    expect_mark(&scratch, "a/b/here");
}

Test(durable, a_slash_behind_a_folder_changes_nothing)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *one = g_strconcat(scratch.path, "/a/", NULL);
    g_autofree char *many = g_strconcat(scratch.path, "/b//c///", NULL);

    mark(durable_folder_open(one, TRUE, NULL));
    mark(durable_folder_open(many, TRUE, NULL));
    expect_mark(&scratch, "a/here");
    expect_mark(&scratch, "b/c/here");
}

Test(durable, a_folder_that_cannot_be_made_is_an_error)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "file", "b", NULL);
    g_autoptr(GError) behind_file = NULL;
    g_autoptr(GError) empty = NULL;

    scratch_put(&scratch, "file", "", 0);
    cr_expect_lt(durable_folder_open(path, TRUE, &behind_file), 0);
    expect_error(behind_file, MILLRACE_ERROR_CANT_CREATE, path);
    cr_expect_lt(durable_folder_open("", TRUE, &empty), 0);
    expect_error(empty, MILLRACE_ERROR_CANT_CREATE, g_strerror(ENOENT));
}

Test(durable, a_folder_is_listed_in_order_by_prefix)
{
    g_auto(Scratch) scratch = scratch_new();

    scratch_put(&scratch, "ledger-b", "", 0);
    scratch_put(&scratch, "ledger-a", "", 0);
    scratch_put(&scratch, ".ledger-c", "", 0);
    scratch_put(&scratch, "usage-a", "", 0);
    g_autoptr(GPtrArray) names = durable_folder_list(scratch.fd, "ledger-", NULL);
    cr_assert_eq(names->len, 2);
    cr_expect_str_eq(names->pdata[0], "ledger-a");
    cr_expect_str_eq(names->pdata[1], "ledger-b");
}

Test(durable, what_is_no_folder_is_not_listed)
{
    g_autoptr(GError) error = NULL;

    cr_expect_null(durable_folder_list(-1, "", &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_IO));
}

Test(durable, bytes_are_written_and_read_where_they_belong)
{
    g_auto(Scratch) scratch = scratch_new();
    int fd = openat(scratch.fd, "holes", O_RDWR | O_CREAT, 0600);
    char got[8] = "";
    GError *error = NULL;

    cr_assert_geq(fd, 0);
    cr_expect(durable_write_at(fd, "holes", 3, "def", 3, NULL));
    cr_expect(durable_write_at(fd, "holes", 0, "abc", 3, NULL));
    cr_expect_eq(durable_read_at(fd, "holes", 1, got, 4, NULL), 4);
    cr_expect_str_eq(got, "bcde");
    cr_expect_eq(durable_read_at(fd, "holes", 4, got, sizeof got, NULL), 2, "the file ends there");
    cr_expect_eq(durable_read_at(fd, "holes", 6, got, sizeof got, NULL), 0);
    close(fd);
    cr_expect_eq(durable_read_at(fd, "holes", 0, got, 1, &error), -1);
    expect_error(error, MILLRACE_ERROR_IO, "reading holes: ");
    g_clear_error(&error);
    cr_expect_not(durable_write_at(fd, "holes", 0, got, 1, &error));
    expect_error(error, MILLRACE_ERROR_IO, "writing holes: ");
    g_clear_error(&error);
}
