/* test_tar.c - members as GNU tar and Python's tarfile see them, and tars that nobody vouches for.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/tar.h"

#include <locale.h>
#include <sys/wait.h>

#include "tests/unit/scratch.h"

#define MTIME_S G_GINT64_CONSTANT(1700000000)

/* A member at a time: header, data of one letter, padding. */
static void
put_member(GByteArray *tar, const char *name, guint64 size_bytes, gint64 mtime_s)
{
    static const guint8 zeros[TAR_BLOCK_BYTES];
    g_autoptr(GError) error = NULL;

    cr_assert(tar_header(name, size_bytes, mtime_s, tar, &error), "%s", error->message);
    for (guint64 i = 0; i < size_bytes; i++)
        g_byte_array_append(tar, (const guint8 *)"x", 1);
    g_byte_array_append(tar, zeros, tar_padding(size_bytes));
}

static void
put_end(GByteArray *tar)
{
    static const guint8 zeros[TAR_END_BYTES];

    g_byte_array_append(tar, zeros, sizeof zeros);
}

/* What a program prints, its errors with it. */
static char *
ask(const char *const *argv)
{
    g_autoptr(GError) error = NULL;
    char *out = NULL;
    char *errors = NULL;
    int status = -1;

    cr_assert(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out,
                           &errors, &status, &error),
              "%s", error->message);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: %s", argv[0], errors);
    char *all = g_strconcat(out, errors, NULL);
    g_free(out);
    g_free(errors);
    return all;
}

static char *
repeated(const char *piece, guint count)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < count; i++)
        g_string_append(text, piece);
    return g_string_free(text, FALSE);
}

/* A source that gives pieces of some size. */
typedef struct {
    const guint8 *bytes;
    gsize size_bytes;
    gsize at;
    gsize piece_bytes;
    gsize fails_at;
} Source;

static gssize
source_read(gpointer data, const void **bytes, GError **error)
{
    Source *source = data;
    gsize size = MIN(source->piece_bytes, source->size_bytes - source->at);

    if (source->fails_at > 0 && source->at >= source->fails_at) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO, "the disk is on fire");
        return -1;
    }
    *bytes = source->bytes + source->at;
    source->at += size;
    return (gssize)size;
}

/* Everything as text: "WHAT SIZE MTIME NAME BYTES-READ;" a member; then "end" or the error. */
static char *
describe(const guint8 *bytes, gsize size_bytes, gsize piece_bytes)
{
    Source source = {.bytes = bytes, .size_bytes = size_bytes, .piece_bytes = piece_bytes};
    g_autoptr(TarReader) reader = tar_reader_new(source_read, &source);
    g_autoptr(GError) error = NULL;
    GString *out = g_string_new(NULL);
    TarMember member;

    while (tar_reader_next(reader, &member, &error) == 1) {
        g_autofree char *name = g_strescape(member.name, NULL);
        cr_expect_eq(member.is_file, strcmp(member.what, "file") == 0);
        g_string_append_printf(out, "%s %" G_GUINT64_FORMAT " %" G_GINT64_FORMAT " %s", member.what,
                               member.size_bytes, member.mtime_s, name);
        const void *piece = NULL;
        gssize got = 0;
        gsize all = 0;
        while (member.is_file && (got = tar_reader_data(reader, &piece, &error)) > 0)
            all += (gsize)got;
        if (got < 0)
            break;
        g_string_append_printf(out, " %zu;", all);
    }
    if (error)
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    g_string_append(out, error ? "corrupt" : "end");
    return g_string_free(out, FALSE);
}

/* A tar made by GNU tar. */
static char *
made_by_tar(const char *script, gsize *size_bytes)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *commands =
        g_strdup_printf("cd %s && export LC_ALL=C && %s", scratch.path, script);
    g_autofree char *said = ask((const char *[]){"sh", "-c", commands, NULL});
    char *tar = scratch_get(&scratch, "t.tar", size_bytes);

    cr_assert_not_null(tar, "%s", said);
    return tar;
}

Test(tar, gnu_tar_lists_names_of_every_length_and_sizes_around_a_block)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GByteArray) tar = g_byte_array_new();
    g_autoptr(GString) expected = g_string_new(NULL);
    g_autofree char *path = g_build_filename(scratch.path, "t.tar", NULL);
    static const guint lengths[] = {1, 99, 100, 101, 155, 255, 256, 257, 300, TAR_NAME_MAX};
    static const guint64 sizes[] = {0, 1, 511, 512, 513};

    for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
        g_autofree char *name = repeated(i % 2 ? "a" : "bcd/e", lengths[i]);
        name[lengths[i]] = '\0';
        if (name[lengths[i] - 1] == '/')
            name[lengths[i] - 1] = 'z';
        guint64 size_bytes = sizes[i % G_N_ELEMENTS(sizes)];
        put_member(tar, name, size_bytes, MTIME_S);
        g_string_append_printf(expected,
                               "-rw-r--r-- 0/0 %" G_GUINT64_FORMAT " 2023-11-14 22:13:20 %s\n",
                               size_bytes, name);
    }
    put_end(tar);
    scratch_put(&scratch, "t.tar", tar->data, tar->len);
    static const char list[] =
        "TZ=UTC LC_ALL=C tar --numeric-owner --full-time -tvf \"$0\" | sed 's/  */ /g'";
    g_autofree char *got = ask((const char *[]){"sh", "-c", list, path, NULL});
    cr_expect_str_eq(got, expected->str);
}

Test(tar, python_reads_what_we_write_owner_and_time_too)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GByteArray) tar = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(scratch.path, "t.tar", NULL);
    g_autofree char *folders = repeated("\xc3\xa9/", 60);
    g_autofree char *file = g_strconcat(folders, "f", NULL);

    put_member(tar, file, 3, MTIME_S);
    put_member(tar, "h\xe9llo", 2, 0);
    put_member(tar, "e\xcc\x81", 1, -5);
    put_member(tar, "later", 0, G_GINT64_CONSTANT(1) << 40);
    cr_assert(tar_header("huge", G_GUINT64_CONSTANT(9) << 30, MTIME_S, tar, &error));
    scratch_put(&scratch, "t.tar", tar->data, tar->len);
    g_autofree char *got = ask((const char *[]){
        "python3", "-c",
        "import sys, tarfile\n"
        "t = tarfile.open(sys.argv[1], encoding='utf-8', errors='surrogateescape')\n"
        "for i in range(5):\n"
        "    m = t.next()\n"
        "    name = m.name.encode('utf-8', 'surrogateescape')\n"
        "    print(name.hex()[-8:], len(name), m.size, int(m.mtime), oct(m.mode), m.uid, m.gid,\n"
        "          m.uname, m.gname, m.isreg(), *sorted(m.pax_headers))\n",
        path, NULL});
    cr_expect_str_eq(got, "c3a92f66 181 3 1700000000 0o644 0 0 root root True path\n"
                          "e96c6c6f 5 2 0 0o644 0 0 root root True hdrcharset path\n"
                          "65cc81 3 1 -5 0o644 0 0 root root True mtime path\n"
                          "61746572 5 0 1099511627776 0o644 0 0 root root True mtime\n"
                          "68756765 4 9663676416 1700000000 0o644 0 0 root root True size\n");
}

Test(tar, a_header_is_the_same_in_every_locale)
{
    static const char *const names[] = {"a", "h\xc3\xa9llo", "h\xe9llo", "e\xcc\x81",
                                        "\xf4\x8f\xbf\xbf"};
    g_autoptr(GByteArray) plain = g_byte_array_new();
    g_autoptr(GByteArray) other = g_byte_array_new();

    setlocale(LC_ALL, "C");
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        put_member(plain, names[i], 7, MTIME_S);
    cr_assert_not_null(setlocale(LC_ALL, "C.UTF-8"));
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        put_member(other, names[i], 7, MTIME_S);
    cr_assert_eq(plain->len, other->len);
    cr_expect_arr_eq(plain->data, other->data, plain->len);
    /* GNU tar complains of hdrcharset, so only a name that needs it has it. */
    g_autofree char *found = describe(plain->data, plain->len, 512);
    cr_expect_str_eq(found, "file 7 1700000000 a 7;file 7 1700000000 h\\303\\251llo 7;"
                            "file 7 1700000000 h\\351llo 7;file 7 1700000000 e\\314\\201 7;"
                            "file 7 1700000000 \\364\\217\\277\\277 7;end");
}

Test(tar, what_no_tar_can_say_is_refused)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autofree char *longest = repeated("a", TAR_NAME_MAX + 1);
    const char *const names[] = {"", "folder/", longest};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) error = NULL;
        cr_expect_not(tar_header(names[i], 1, 0, out, &error));
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT));
    }
    g_autoptr(GError) error = NULL;
    cr_expect_not(tar_header("a", (G_GUINT64_CONSTANT(1) << 62) + 1, 0, out, &error));
    cr_expect_eq(out->len, 0);
}

Test(tar, padding_fills_a_block)
{
    cr_expect_eq(tar_padding(0), 0);
    cr_expect_eq(tar_padding(1), 511);
    cr_expect_eq(tar_padding(511), 1);
    cr_expect_eq(tar_padding(512), 0);
    cr_expect_eq(tar_padding((G_GUINT64_CONSTANT(1) << 33) + 100), 412);
}

Test(tar, names_of_gnu_and_pax_tars_come_back_as_bytes_in_any_locale)
{
    static const char *const locales[] = {"C", "C.UTF-8"};
    static const char *const formats[] = {"gnu", "pax", "ustar"};

    for (guint i = 0; i < 6; i++) {
        gsize size_bytes = 0;
        g_autofree char *script = g_strdup_printf(
            "f=$(printf 'e\\314\\201') && g=$(printf 'h\\351') && printf 123 > \"$f\" && "
            "printf 45 > \"$g\" && touch -d @99 \"$f\" \"$g\" && "
            "tar --format=%s -cf t.tar \"$f\" \"$g\"",
            formats[i / 2]);
        g_autofree char *tar = made_by_tar(script, &size_bytes);
        setlocale(LC_ALL, locales[i % 2]);
        g_autofree char *got = describe((guint8 *)tar, size_bytes, 10240);
        cr_expect_str_eq(got, "file 3 99 e\\314\\201 3;file 2 99 h\\351 2;end", "%s: %s",
                         formats[i / 2], got);
    }
}

Test(tar, what_is_no_regular_file_is_told_as_what_it_is)
{
    gsize size_bytes = 0;
    g_autofree char *tar =
        made_by_tar("mkdir d && printf 1 > f && ln f h && ln -s /etc/passwd s && mkfifo p && "
                    "truncate -s 1M hole && printf 1 >> hole && touch -d @7 * && touch -hd @7 s && "
                    "tar --format=pax --sparse --pax-option=delete=atime,delete=ctime "
                    "-cf t.tar d f h s p hole",
                    &size_bytes);
    g_autofree char *got = describe((guint8 *)tar, size_bytes, 512);
    cr_expect_str_eq(got, "folder 0 7 d/ 0;file 1 7 f 1;hard link 0 7 h 0;symlink 0 7 s 0;"
                          "pipe 0 7 p 0;sparse file 1048577 7 hole 0;end");
}

Test(tar, pieces_of_any_size_give_the_same)
{
    g_autoptr(GByteArray) tar = g_byte_array_new();
    static const gsize pieces[] = {1, 7, 511, 512, 513, 4096, 100000};

    put_member(tar, "a", 1000, 1);
    put_member(tar, "b", 0, 2);
    put_member(tar, "c", 512, 3);
    put_end(tar);
    for (guint i = 0; i < G_N_ELEMENTS(pieces); i++) {
        g_autofree char *got = describe(tar->data, tar->len, pieces[i]);
        cr_expect_str_eq(got, "file 1000 1 a 1000;file 0 2 b 0;file 512 3 c 512;end");
    }
}

Test(tar, a_member_is_told_where_its_first_header_begins)
{
    g_autoptr(GByteArray) tar = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    TarMember member;

    put_member(tar, "a", 5000, 1);
    put_member(tar, "h\xc3\xa9llo", 1, 2);
    put_member(tar, "c", 0, 2);
    put_end(tar);
    Source source = {.bytes = tar->data, .size_bytes = tar->len, .piece_bytes = 10240};
    g_autoptr(TarReader) reader = tar_reader_new(source_read, &source);
    /* A header; ten blocks of data; a pax header, its data, a header, a block. */
    static const guint64 offsets[] = {0, 512 + 5120, 512 + 5120 + 3 * 512 + 512};
    for (guint i = 0; i < G_N_ELEMENTS(offsets); i++) {
        cr_assert_eq(tar_reader_next(reader, &member, &error), 1);
        cr_expect_eq(member.offset, offsets[i]);
    }
}

Test(tar, data_that_was_left_is_passed_over)
{
    g_autoptr(GByteArray) tar = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    TarMember member;

    put_member(tar, "a", 5000, 1);
    put_member(tar, "b", 1, 2);
    put_end(tar);
    Source source = {.bytes = tar->data, .size_bytes = tar->len, .piece_bytes = 100};
    g_autoptr(TarReader) reader = tar_reader_new(source_read, &source);
    cr_assert_eq(tar_reader_next(reader, &member, &error), 1);
    const void *piece = NULL;
    cr_expect_gt(tar_reader_data(reader, &piece, &error), 0);
    cr_assert_eq(tar_reader_next(reader, &member, &error), 1);
    cr_expect_str_eq(member.name, "b");
    cr_expect_eq(tar_reader_next(reader, &member, &error), 0);
    cr_expect_null(error);
}

Test(tar, a_tar_that_was_cut_in_a_member_is_corrupt)
{
    g_autoptr(GByteArray) tar = g_byte_array_new();

    put_member(tar, "a", 5000, 1);
    for (gsize cut = 1; cut < tar->len; cut += 100) {
        g_autofree char *got = describe(tar->data, cut, 4096);
        cr_expect(g_str_has_suffix(got, "corrupt") || cut > 512 + 5000, "%zu: %s", cut, got);
    }
}

Test(tar, an_error_of_the_source_is_told_as_it_is)
{
    g_autoptr(GByteArray) tar = g_byte_array_new();
    static const gsize places[] = {1, 600, 1536};

    put_member(tar, "a", 600, 1);
    put_member(tar, "b", 600, 1);
    for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
        Source source = {
            .bytes = tar->data, .size_bytes = tar->len, .piece_bytes = 64, .fails_at = places[i]};
        g_autoptr(TarReader) reader = tar_reader_new(source_read, &source);
        g_autoptr(GError) error = NULL;
        const void *piece = NULL;
        TarMember member;
        gssize got = 0;
        while (got >= 0 && tar_reader_next(reader, &member, &error) == 1)
            while ((got = tar_reader_data(reader, &piece, &error)) > 0)
                ;
        cr_assert_not_null(error);
        cr_expect_str_eq(error->message, "the disk is on fire");
    }
}

/* Sets a field of the first header, and its checksum anew. */
static void
patch(GByteArray *tar, guint at, const void *bytes, gsize size_bytes)
{
    guint sum = 0;

    memcpy(tar->data + at, bytes, size_bytes);
    memset(tar->data + 148, ' ', 8);
    for (guint i = 0; i < TAR_BLOCK_BYTES; i++)
        sum += tar->data[i];
    g_snprintf((char *)tar->data + 148, 8, "%06o", sum);
}

Test(tar, absurd_sizes_and_names_are_corrupt)
{
    /* Base-256 numbers: -1, and 2^62 + 1. */
    static const guint8 negative[12] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                        0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const guint8 huge[12] = {0x80, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 1};
    static const guint8 *const sizes[] = {negative, huge};

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GByteArray) tar = g_byte_array_new();
        put_member(tar, "a", 512, 1);
        put_end(tar);
        patch(tar, 124, sizes[i], 12);
        g_autofree char *got = describe(tar->data, tar->len, 512);
        cr_expect_str_eq(got, "corrupt");
    }
    /* A pax header, and a GNU long name, that claim to be of gigabytes. */
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GByteArray) tar = g_byte_array_new();
        put_member(tar, "a", 512, 1);
        put_end(tar);
        patch(tar, 124, "77777777777", 11);
        patch(tar, 156, i ? "L" : "x", 1);
        g_autofree char *got = describe(tar->data, tar->len, 512);
        cr_expect_str_eq(got, "corrupt");
    }
    gsize size_bytes = 0;
    g_autofree char *tar = made_by_tar("printf 1 > f && n=$(printf '%05000d' 0) && "
                                       "tar --format=gnu --transform s/f/$n/ -cf t.tar f",
                                       &size_bytes);
    g_autofree char *got = describe((guint8 *)tar, size_bytes, 512);
    cr_expect_str_eq(got, "corrupt");
}

Test(tar, what_is_no_tar_is_corrupt_and_an_empty_one_is_empty)
{
    static const guint8 zeros[10240];
    g_autofree char *noise = repeated("no tar at all, ", 500);
    g_autofree char *got_noise = describe((guint8 *)noise, strlen(noise), 512);
    g_autofree char *got_nothing = describe(zeros, 0, 512);
    g_autofree char *got_zeros = describe(zeros, sizeof zeros, 512);

    cr_expect_str_eq(got_noise, "corrupt");
    cr_expect_str_eq(got_nothing, "corrupt");
    cr_expect_str_eq(got_zeros, "end");
}
