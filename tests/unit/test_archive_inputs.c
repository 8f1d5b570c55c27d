/* test_archive_inputs.c - what a pack is made of: every file under the paths given, or an error
 * that names what cannot be.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_inputs.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "formats/bytes.h"
#include "tests/unit/scratch.h"

/* A folder that is the current one. */
static Scratch
enter(void)
{
    Scratch scratch = scratch_new();

    cr_assert_eq(chdir(scratch.path), 0);
    return scratch;
}

static void
put(const Scratch *scratch, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(scratch->path, name, NULL);
    g_autofree char *folder = g_path_get_dirname(path);

    cr_assert_eq(g_mkdir_with_parents(folder, 0755), 0);
    scratch_put(scratch, name, text, strlen(text));
}

#define FIND(error, ...) find_all((const char *const[]){__VA_ARGS__, NULL}, NULL, '\n', error)

static ArchiveInputs *
find_all(const char *const *operands, FILE *list, char list_end, GError **error)
{
    const ArchiveOperands given = {.operands = operands, .list = list, .list_end = list_end};

    return archive_inputs_find(&given, error);
}

/* Returns: (transfer full) "NAME=BYTES from PATH+OFFSET+BYTES..." of each, then the segments. */
static char *
told(const ArchiveInputs *inputs)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < inputs->members->len; i++) {
        const ArchiveMember *member = &g_array_index(inputs->members, ArchiveMember, i);
        g_string_append_printf(text, "%s=%u", member->name, (guint)member->size_bytes);
        for (guint k = 0; k < member->piece_count; k++)
            g_string_append_printf(text, " %s+%u+%u", member->pieces[k].path,
                                   (guint)member->pieces[k].offset,
                                   (guint)member->pieces[k].size_bytes);
        g_string_append_c(text, '\n');
    }
    for (guint i = 0; i < inputs->segments->len; i++)
        g_string_append_printf(text, "segment %s\n", (const char *)inputs->segments->pdata[i]);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void
expect(const ArchiveInputs *inputs, const GError *error, const char *expected)
{
    cr_assert_not_null(inputs, "%s", error ? error->message : "");
    g_autofree char *text = told(inputs);
    cr_expect_str_eq(text, expected);
}

static void
expect_refused(const ArchiveInputs *inputs, GError **error, MillraceErrorKind kind,
               const char *part)
{
    cr_assert_null(inputs);
    cr_expect(g_error_matches(*error, MILLRACE_ERROR, (int)kind), "%s", (*error)->message);
    cr_expect_not_null(strstr((*error)->message, part), "%s", (*error)->message);
}

Test(archive_inputs, files_and_folders_become_members_in_bytewise_order_of_their_names)
{
    g_auto(Scratch) scratch = enter();
    g_autoptr(GError) error = NULL;

    put(&scratch, "run/b.csv", "12345");
    put(&scratch, "run/B.csv", "1");
    put(&scratch, "run/deep/er/.hidden", "12");
    put(&scratch, "run-1", "");
    cr_assert_eq(mkdir("run/empty", 0755), 0);
    g_autoptr(ArchiveInputs) inputs = FIND(&error, "./run//", "run-1");
    expect(inputs, error,
           "run-1=0 run-1+0+0\n"
           "run/B.csv=1 ./run//B.csv+0+1\n"
           "run/b.csv=5 ./run//b.csv+0+5\n"
           "run/deep/er/.hidden=2 ./run//deep/er/.hidden+0+2\n");
    cr_expect_eq(inputs->size_bytes, 8);
}

Test(archive_inputs, names_begin_below_the_root_and_say_what_went_up)
{
    g_auto(Scratch) scratch = enter();
    g_autoptr(GError) error = NULL;

    put(&scratch, "a/x", "1");
    cr_assert_eq(mkdir("b", 0755), 0);
    cr_assert_eq(chdir("b"), 0);
    g_autofree char *whole = g_build_filename(scratch.path, "a", "x", NULL);
    g_autoptr(ArchiveInputs) inputs = FIND(&error, "../a", whole);
    g_autofree char *expected =
        g_strdup_printf("%%2E%%2E/a/x=1 ../a/x+0+1\n%s=1 %s+0+1\n", whole + 1, whole);
    expect(inputs, error, expected);
}

Test(archive_inputs, a_time_and_a_change_are_told)
{
    g_auto(Scratch) scratch = enter();
    g_autoptr(GError) error = NULL;
    struct stat status;
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = -5, .tv_nsec = 7}};

    put(&scratch, "x", "1");
    cr_assert_eq(utimensat(AT_FDCWD, "x", times, 0), 0);
    cr_assert_eq(stat("x", &status), 0);
    g_autoptr(ArchiveInputs) inputs = FIND(&error, "x");
    cr_assert_not_null(inputs);
    const ArchiveMember *member = &g_array_index(inputs->members, ArchiveMember, 0);
    cr_expect_eq(member->mtime_s, -5);
    cr_expect_eq(member->changed_ns,
                 (gint64)status.st_ctim.tv_sec * 1000000000 + status.st_ctim.tv_nsec);
}

Test(archive_inputs, a_symlink_is_followed_as_an_operand_only)
{
    g_auto(Scratch) scratch = enter();
    g_autoptr(GError) error = NULL;

    put(&scratch, "real/x", "123");
    cr_assert_eq(symlink("real", "link"), 0);
    cr_assert_eq(symlink("real/x", "file"), 0);
    g_autoptr(ArchiveInputs) inputs = FIND(&error, "link", "file");
    expect(inputs, error, "file=3 file+0+3\nlink/x=3 link/x+0+3\n");

    cr_assert_eq(symlink("x", "real/inner"), 0);
    expect_refused(FIND(&error, "real"), &error, MILLRACE_ERROR_BAD_INPUT, "real/inner: a symlink");
    g_clear_error(&error);
    cr_assert_eq(symlink("nowhere", "dangling"), 0);
    expect_refused(FIND(&error, "dangling"), &error, MILLRACE_ERROR_NO_INPUT, "dangling: No such");
}

Test(archive_inputs, what_is_no_file_is_refused_by_name)
{
    g_auto(Scratch) scratch = enter();
    g_autoptr(GError) error = NULL;
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "run/socket"};

    put(&scratch, "run/x", "1");
    cr_assert_eq(mkfifo("run/pipe", 0600), 0);
    expect_refused(FIND(&error, "run"), &error, MILLRACE_ERROR_BAD_INPUT, "run/pipe: neither");
    g_clear_error(&error);
    cr_assert_eq(unlink("run/pipe"), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    expect_refused(FIND(&error, "run"), &error, MILLRACE_ERROR_BAD_INPUT, "run/socket: neither");
    g_clear_error(&error);
    expect_refused(FIND(&error, "/dev/null"), &error, MILLRACE_ERROR_BAD_INPUT, "/dev/null");
}

Test(archive_inputs, what_is_not_there_or_cannot_be_read_is_told_before_anything)
{
    g_auto(Scratch) scratch = enter();
    g_autoptr(GError) error = NULL;

    put(&scratch, "run/x", "1");
    expect_refused(FIND(&error, "run", "absent"), &error, MILLRACE_ERROR_NO_INPUT,
                   "absent: No such");
    g_clear_error(&error);
    expect_refused(FIND(&error, ""), &error, MILLRACE_ERROR_NO_INPUT, "\"\": No such");
    g_clear_error(&error);
    cr_assert_eq(mkdir("empty", 0755), 0);
    expect_refused(FIND(&error, "empty"), &error, MILLRACE_ERROR_NO_INPUT, "no file");
    g_clear_error(&error);
    if (geteuid() == 0)
        return; /* who may read everything */
    cr_assert_eq(chmod("run/x", 0), 0);
    expect_refused(FIND(&error, "run"), &error, MILLRACE_ERROR_NO_INPUT, "run/x: Permission");
}

Test(archive_inputs, the_same_file_given_twice_is_there_once)
{
    g_auto(Scratch) scratch = enter();
    g_autoptr(GError) error = NULL;

    put(&scratch, "run/x", "123");
    g_autoptr(ArchiveInputs) inputs = FIND(&error, "run", "run/x", "./run/./x");
    expect(inputs, error, "run/x=3 run/x+0+3\n");
    cr_expect_eq(inputs->size_bytes, 3);
}

Test(archive_inputs, two_files_of_one_name_are_refused_with_both)
{
    g_auto(Scratch) scratch = enter();
    g_autoptr(GError) error = NULL;
    g_autofree char *here = g_build_filename(scratch.path, "x", NULL);
    g_autofree char *there = g_strconcat("./", here + 1, NULL);

    put(&scratch, "x", "1");
    put(&scratch, there, "1");
    expect_refused(FIND(&error, here, there), &error, MILLRACE_ERROR_BAD_INPUT, here);
    cr_expect_not_null(strstr(error->message, there), "%s", error->message);
}

Test(archive_inputs, two_files_of_one_key_are_refused_with_both)
{
    g_auto(Scratch) scratch = enter();
    g_autoptr(GError) error = NULL;

    put(&scratch, "a\xff", "1");
    g_autoptr(ArchiveInputs) alone = FIND(&error, ".");
    expect(alone, error, "a\xff=1 ./a\xff+0+1\n");
    put(&scratch, "a%FF", "1");
    expect_refused(FIND(&error, "."), &error, MILLRACE_ERROR_BAD_INPUT, "a\xff");
    cr_expect_not_null(strstr(error->message, "./a%FF"), "%s", error->message);
}

Test(archive_inputs, a_list_gives_paths_line_by_line_or_with_NUL)
{
    g_auto(Scratch) scratch = enter();
    g_autoptr(GError) error = NULL;
    static const char nul[] = "a\nb\0run\0";

    put(&scratch, "a", "1");
    put(&scratch, "a\nb", "22");
    put(&scratch, "run/x", "333");
    FILE *list = fmemopen("a\n\nrun", 6, "r");
    g_autoptr(ArchiveInputs) lines = find_all((const char *const[]){"-", NULL}, list, '\n', &error);
    expect(lines, error, "a=1 a+0+1\nrun/x=3 run/x+0+3\n");
    fclose(list);
    list = fmemopen((void *)nul, sizeof nul - 1, "r");
    g_autoptr(ArchiveInputs) nuls = find_all((const char *const[]){"-", NULL}, list, '\0', &error);
    expect(nuls, error, "a\nb=2 a\nb+0+2\nrun/x=3 run/x+0+3\n");
    rewind(list);
    expect_refused(find_all((const char *const[]){"-", NULL}, list, '\n', &error), &error,
                   MILLRACE_ERROR_BAD_INPUT, "-0");
    fclose(list);
}

Test(archive_inputs, segments_are_usage_sorted_by_name_each_once)
{
    g_auto(Scratch) scratch = enter();
    g_autoptr(GError) error = NULL;

    put(&scratch, "z/a.segment", "MRSEGMT1 a");
    put(&scratch, "b/b.segment", "MRSEGMT1 b");
    put(&scratch, "c/a.segment", "MRSEGMT1 a");
    put(&scratch, "c/short", "MRSEGMT");
    g_autoptr(ArchiveInputs) inputs = FIND(&error, ".");
    expect(inputs, error,
           "c/short=7 ./c/short+0+7\nsegment ./c/a.segment\nsegment ./b/b.segment\n");
    put(&scratch, "c/a.segment", "MRSEGMT1 A");
    expect_refused(FIND(&error, "."), &error, MILLRACE_ERROR_BAD_INPUT, "./z/a.segment");
    cr_expect_not_null(strstr(error->message, "./c/a.segment"), "%s", error->message);
}

/* Inputs with members of every kind. */
static ArchiveInputs *
some_inputs(void)
{
    ArchiveInputs *inputs = archive_inputs_new();
    const ArchivePiece day[] = {{"scratch/1", 0, 10}, {"scratch/2", 7, 5}};
    const ArchivePiece file = {"/run/x", 0, 3};
    const ArchivePiece up = {"../y", 0, 0};
    const ArchiveMember members[] = {
        {"usage/acme/2026-11-01.ndjson", 15, 1793577599, 0, day, 2},
        {"run/x", 3, -7, 99, &file, 1},
        {"%2E%2E/y", 0, 0, 0, &up, 1},
        {"usage/acme/2026-11-02.ndjson", 5, 1793663999, 0, day + 1, 1},
    };

    for (guint i = 0; i < G_N_ELEMENTS(members); i++)
        archive_inputs_add(inputs, &members[i]);
    g_ptr_array_add(inputs->segments, g_string_chunk_insert(inputs->strings, "s/1.segment"));
    cr_assert(archive_inputs_sort(inputs, NULL));
    return inputs;
}

Test(archive_inputs, other_ranks_are_told_the_same)
{
    g_autoptr(ArchiveInputs) inputs = some_inputs();
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GError) error = NULL;

    cr_assert(archive_inputs_print(inputs, bytes, &error));
    g_autoptr(ArchiveInputs) again = archive_inputs_parse(bytes->data, bytes->len, &error);
    expect(again, error,
           "%2E%2E/y=0 ../y+0+0\n"
           "run/x=3 /run/x+0+3\n"
           "usage/acme/2026-11-01.ndjson=15 scratch/1+0+10 scratch/2+7+5\n"
           "usage/acme/2026-11-02.ndjson=5 scratch/2+7+5\n"
           "segment s/1.segment\n");
    cr_expect_eq(again->size_bytes, 23);
    const ArchiveMember *member = &g_array_index(again->members, ArchiveMember, 1);
    cr_expect_eq(member->mtime_s, -7);
    cr_expect_eq(member->changed_ns, 99);
}

Test(archive_inputs, what_was_cut_or_changed_on_the_way_is_refused_or_read_within_bounds)
{
    g_autoptr(ArchiveInputs) inputs = some_inputs();
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    cr_assert(archive_inputs_print(inputs, bytes, NULL));
    for (guint size = 0; size < bytes->len; size++) {
        g_autofree guint8 *cut = g_memdup2(bytes->data, size); /* for the sanitizer's bounds */
        g_autoptr(GError) error = NULL;
        expect_refused(archive_inputs_parse(cut, size, &error), &error, MILLRACE_ERROR_BUG,
                       "rank 0");
    }
    for (guint i = 0; i < bytes->len; i++) {
        bytes->data[i] ^= 0xff;
        ArchiveInputs *other = archive_inputs_parse(bytes->data, bytes->len, NULL);
        g_clear_pointer(&other, archive_inputs_free);
        bytes->data[i] ^= 0xff;
    }
}

Test(archive_inputs, a_member_of_more_pieces_than_a_block_keeps_them_all)
{
    g_autoptr(ArchiveInputs) inputs = archive_inputs_new();
    ArchivePiece pieces[3000];

    for (guint i = 0; i < G_N_ELEMENTS(pieces); i++)
        pieces[i] = (ArchivePiece){"p", i, 1};
    for (guint count = 1; count <= G_N_ELEMENTS(pieces); count += 333) {
        g_autofree char *name = g_strdup_printf("m%05u", count);
        const ArchiveMember member = {name, count, 0, 0, pieces, count};
        archive_inputs_add(inputs, &member);
    }
    for (guint i = 0; i < inputs->members->len; i++) {
        const ArchiveMember *member = &g_array_index(inputs->members, ArchiveMember, i);
        cr_assert_eq(member->piece_count, 1 + 333 * i);
        for (guint k = 0; k < member->piece_count; k++)
            cr_assert_eq(member->pieces[k].offset, k);
    }
}
