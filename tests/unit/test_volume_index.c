/* test_volume_index.c - records found by key, and every way in which an index can be none.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/volume_read.h"

#include "tests/unit/scratch.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define REST                                                                                       \
    "\",\"from\":\"2026-11-03T00:00:00.000000Z\",\"to\":\"2026-11-03T23:59:59.999999Z\","          \
    "\"size\":%u,\"sha256\":\"" DIGEST "\",\"frame\":12,\"offset\":512}\n"

typedef struct {
    Scratch scratch;
    Tier *tier;
    TierFile *file;
} Fixture;

static Fixture
with_index(const char *text, gsize size_bytes)
{
    g_autoptr(GError) error = NULL;
    Fixture fixture = {.scratch = scratch_new()};
    g_autofree char *folder = g_build_filename(fixture.scratch.path, "volumes", NULL);

    cr_assert_eq(mkdir(folder, 0777), 0);
    scratch_put(&fixture.scratch,
                "volumes/"
                "0123456789abcdef0123456789abcdef.index",
                text, size_bytes);
    fixture.tier = tier_open(fixture.scratch.path, FALSE, &error);
    cr_assert_not_null(fixture.tier, "%s", error ? error->message : "");
    fixture.file =
        tier_file_open(fixture.tier, "volumes/0123456789abcdef0123456789abcdef.index", &error);
    cr_assert_not_null(fixture.file, "%s", error ? error->message : "");
    return fixture;
}

static void
fixture_clear(Fixture *fixture)
{
    tier_file_close(fixture->file);
    tier_free(fixture->tier);
    scratch_release(&fixture->scratch);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_clear)

/* Keys of count lines, in order: "k000007" and then as many letters as the number says, so that
 * lines have lengths of all sorts; the size of a record is its number. */
static char *
key_of(guint number)
{
    guint letters = number % 50 == 49 ? number * 37 % 9000 : number % 7;
    g_autofree char *tail = g_strnfill(letters, 'x');

    return g_strdup_printf("k%06u%s", number, tail);
}

static GString *
index_of(guint count)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < count; i++) {
        g_autofree char *key = key_of(i * 2);
        g_string_append_printf(text, "{\"key\":\"%s" REST, key, i * 2);
    }
    return text;
}

static int
find(const Fixture *fixture, const char *key, guint64 *size_bytes, GError **error)
{
    g_autoptr(GString) keep = g_string_new(NULL);
    VolumeRecord record = {0};
    int found = volume_index_find(fixture->file, key, keep, &record, error);

    if (found == 1) {
        cr_expect_str_eq(record.key, key);
        *size_bytes = record.size_bytes;
    }
    return found;
}

Test(volume_index, every_key_is_found_and_no_other)
{
    static const guint counts[] = {0, 1, 2, 3, 17, 40, 1000};

    for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
        g_autoptr(GString) text = index_of(counts[i]);
        g_auto(Fixture) fixture = with_index(text->str, text->len);
        for (guint k = 0; k < 2 * counts[i] + 2; k++) {
            g_autoptr(GError) error = NULL;
            g_autofree char *key = key_of(k);
            guint64 size_bytes = 0;
            gboolean there = k % 2 == 0 && k < 2 * counts[i];
            cr_assert_eq(find(&fixture, key, &size_bytes, &error), there, "%u of %u: %s", k,
                         counts[i], error ? error->message : "");
            cr_expect(!there || size_bytes == k);
        }
        guint64 size_bytes = 0;
        cr_expect_eq(find(&fixture, "", &size_bytes, NULL), 0);
        cr_expect_eq(find(&fixture, "zzz", &size_bytes, NULL), 0);
    }
}

typedef struct {
    GString *lines;
    guint count;
    guint stops_at;
} Seen;

static gboolean
on_line(const VolumeRecord *record, const char *line, gsize size_bytes, gpointer data,
        GError **error)
{
    Seen *seen = data;

    cr_expect_eq(record->frame, 12);
    g_string_append_len(seen->lines, line, (gssize)size_bytes);
    g_string_append_c(seen->lines, '\n');
    seen->count++;
    if (seen->count != seen->stops_at)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO, "enough");
    return FALSE;
}

Test(volume_index, each_line_is_told_once_in_order)
{
    g_autoptr(GString) text = index_of(3000);
    g_auto(Fixture) fixture = with_index(text->str, text->len);
    g_autoptr(GString) lines = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    Seen seen = {.lines = lines};

    cr_assert_gt(text->len, 2 * 256 << 10, "more than a piece");
    cr_assert(volume_index_each(fixture.file, on_line, &seen, &error));
    cr_expect_eq(seen.count, 3000);
    cr_expect(strcmp(lines->str, text->str) == 0);
}

Test(volume_index, who_is_told_may_stop)
{
    g_autoptr(GString) text = index_of(10);
    g_auto(Fixture) fixture = with_index(text->str, text->len);
    g_autoptr(GString) lines = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    Seen seen = {.lines = lines, .stops_at = 3};

    cr_expect_not(volume_index_each(fixture.file, on_line, &seen, &error));
    cr_expect_str_eq(error->message, "enough");
    cr_expect_eq(seen.count, 3);
}

static void
expect_corrupt(const char *text, gsize size_bytes, const char *key)
{
    g_auto(Fixture) fixture = with_index(text, size_bytes);
    g_autoptr(GString) lines = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) not_found = NULL;
    Seen seen = {.lines = lines};
    guint64 found_bytes = 0;

    cr_expect_not(volume_index_each(fixture.file, on_line, &seen, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    if (!key)
        return;
    cr_expect_eq(find(&fixture, key, &found_bytes, &not_found), -1);
    cr_expect(g_error_matches(not_found, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
}

Test(volume_index, a_cut_is_noticed)
{
    g_autoptr(GString) text = index_of(2);

    expect_corrupt(text->str, text->len - 1, "k000002xx");
    expect_corrupt(text->str, 10, "k");
    expect_corrupt("\n", 1, "k");
}

Test(volume_index, keys_that_do_not_ascend_are_noticed)
{
    g_autofree char *twice = g_strdup_printf("{\"key\":\"a" REST "{\"key\":\"a" REST, 1, 2);
    g_autofree char *back = g_strdup_printf("{\"key\":\"b" REST "{\"key\":\"a" REST, 1, 2);

    expect_corrupt(twice, strlen(twice), NULL);
    expect_corrupt(back, strlen(back), NULL);
}

Test(volume_index, a_line_without_end_is_not_read_to_its_end)
{
    g_autofree char *endless = g_strnfill(4 << 20, 'x');

    expect_corrupt(endless, 4 << 20, "k");
}
