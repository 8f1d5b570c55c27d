/* test_archive_usage.c - segments of usage become a file for each customer and day, and what is in
 * them is what `usage cat` prints.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_usage.h"

#include "jobs/usage_cat.h"
#include "tests/unit/segment_fixture.h"

#define DAY_US G_TIME_SPAN_DAY
enum { EVENTS = 5000, SEGMENTS = 4 };

/* A folder with segments in it, and one for scratch files. */
typedef struct {
    Scratch scratch;
    Scratch work;
    Comm *comm;
    GPtrArray *paths; /* of segments, as they sort */
} Fixture;

static char *
put_segment(const Scratch *scratch, SegmentBuilder *builder)
{
    char name[SEGMENT_NAME_CHARS + 1];
    g_autoptr(GByteArray) bytes = segment_builder_finish(builder, name);
    g_autofree char *file = g_strconcat(name, ".segment", NULL);

    scratch_put(scratch, file, bytes->data, bytes->len);
    return g_build_filename(scratch->path, file, NULL);
}

static void
add_event(SegmentBuilder *builder, const UsageEvent *event)
{
    segment_builder_add(builder, event, fixture_identity(event));
}

static Fixture
fixture_new(void)
{
    Fixture fixture = {.scratch = scratch_new(), .work = scratch_new()};

    fixture.comm = comm_open(NULL);
    fixture.paths = g_ptr_array_new_with_free_func(g_free);
    for (guint s = 0; s < SEGMENTS; s++) {
        g_autoptr(SegmentBuilder) builder = segment_builder_new();
        for (guint64 i = 0; i < EVENTS; i++) {
            MadeEvent made;
            fixture_event(&made, s * EVENTS + i);
            made.event.time_us += (gint64)(i % 3) * DAY_US;
            add_event(builder, &made.event);
        }
        g_ptr_array_add(fixture.paths, put_segment(&fixture.scratch, builder));
    }
    g_ptr_array_sort(fixture.paths, scratch_compare);
    return fixture;
}

static void
fixture_release(Fixture *fixture)
{
    comm_close(fixture->comm);
    g_ptr_array_unref(fixture->paths);
    scratch_release(&fixture->scratch);
    scratch_release(&fixture->work);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_release)

static ArchiveInputs *
find(const Fixture *fixture, GError **error)
{
    const char *const operands[] = {fixture->scratch.path, NULL};
    const ArchiveOperands given = {.operands = operands};

    return archive_inputs_find(&given, error);
}

static gboolean
unpack(Fixture *fixture, ArchiveInputs *inputs, guint thread_count, gsize batch_bytes,
       ArchiveUsageReport *report, GError **error)
{
    const ArchiveUsageConfig config = {
        .folder = fixture->work.path, .thread_count = thread_count, .batch_bytes = batch_bytes};

    return archive_usage(fixture->comm, inputs, &config, report, error);
}

/* (transfer full) what the member is made of. */
static char *
member_text(const ArchiveMember *member)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < member->piece_count; i++) {
        const ArchivePiece *piece = &member->pieces[i];
        g_autofree char *file = NULL;
        gsize size = 0;
        cr_assert(g_file_get_contents(piece->path, &file, &size, NULL), "%s", piece->path);
        cr_assert_leq(piece->offset + piece->size_bytes, size);
        g_string_append_len(text, file + piece->offset, (gssize)piece->size_bytes);
    }
    cr_assert_eq(text->len, member->size_bytes);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static const ArchiveMember *
find_member(const ArchiveInputs *inputs, const char *name)
{
    const ArchiveMember *found = NULL;

    for (guint i = 0; i < inputs->members->len && !found; i++) {
        const ArchiveMember *member = &g_array_index(inputs->members, ArchiveMember, i);
        if (strcmp(member->name, name) == 0)
            found = member;
    }
    cr_assert_not_null(found, "%s is not there", name);
    return found;
}

/* (transfer full) what `usage cat` prints of these segments. */
static char *
cat(const GPtrArray *paths, const char *customer, gint64 from_us, gint64 to_us)
{
    g_autofree const char **segments = g_new0(const char *, paths->len + 1);
    g_autoptr(GPtrArray) bad = g_ptr_array_new();
    char *text = NULL;
    gsize size = 0;
    FILE *out = open_memstream(&text, &size);

    memcpy(segments, paths->pdata, paths->len * sizeof *segments);
    const UsageCatConfig config = {
        .segments = segments, .customer = customer, .from_us = from_us, .to_us = to_us};
    cr_assert(usage_cat(&config, out, bad, NULL) && bad->len == 0);
    fclose(out);
    return text;
}

static char *
sorted_lines(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    qsort(lines, g_strv_length(lines), sizeof *lines, scratch_compare);
    return g_strjoinv("\n", lines);
}

Test(archive_usage, a_customers_day_is_what_usage_cat_prints_of_it)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(ArchiveInputs) inputs = find(&fixture, &error);
    ArchiveUsageReport report;

    cr_assert_not_null(inputs);
    cr_assert(unpack(&fixture, inputs, 2, ARCHIVE_USAGE_BATCH_BYTES, &report, &error), "%s",
              error ? error->message : "");
    cr_expect_eq(report.event_count, EVENTS * SEGMENTS);
    cr_expect_eq(report.member_count, 97 * 3);
    cr_expect_eq(inputs->members->len, 97 * 3);
    cr_expect_eq(inputs->size_bytes, report.size_bytes);
    for (guint i = 0; i < 97 * 3; i += 13) {
        g_autofree char *customer = g_strdup_printf("customer-%u", i / 3);
        g_autofree char *name =
            g_strdup_printf("usage/%s/2026-11-%02u.ndjson", customer, 1 + i % 3);
        gint64 day_us = 1793491200000000 + (gint64)(i % 3) * DAY_US;
        const ArchiveMember *member = find_member(inputs, name);
        g_autofree char *expected = cat(fixture.paths, customer, day_us, day_us + DAY_US);
        g_autofree char *text = member_text(member);
        cr_expect_str_eq(text, expected, "%s", name);
        cr_expect_eq(member->mtime_s, (day_us + DAY_US) / G_USEC_PER_SEC - 1);
        cr_expect_eq(member->piece_count, SEGMENTS);
    }
}

Test(archive_usage, all_members_together_are_all_events)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(ArchiveInputs) inputs = find(&fixture, NULL);
    g_autoptr(GString) all = g_string_new(NULL);

    cr_assert(unpack(&fixture, inputs, 1, ARCHIVE_USAGE_BATCH_BYTES, NULL, NULL));
    for (guint i = 0; i < inputs->members->len; i++) {
        g_autofree char *text = member_text(&g_array_index(inputs->members, ArchiveMember, i));
        g_string_append(all, text);
    }
    g_autofree char *printed = cat(fixture.paths, NULL, G_MININT64, G_MAXINT64);
    g_autofree char *expected = sorted_lines(printed);
    g_autofree char *got = sorted_lines(all->str);
    cr_expect_str_eq(got, expected);
}

Test(archive_usage, batches_and_threads_change_no_member)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(ArchiveInputs) whole = find(&fixture, NULL);
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);

    cr_assert(unpack(&fixture, whole, 1, ARCHIVE_USAGE_BATCH_BYTES, NULL, NULL));
    for (guint i = 0; i < whole->members->len; i++)
        g_ptr_array_add(texts, member_text(&g_array_index(whole->members, ArchiveMember, i)));
    for (guint threads = 1; threads <= 3; threads += 2) {
        g_autoptr(ArchiveInputs) inputs = find(&fixture, NULL);
        cr_assert(unpack(&fixture, inputs, threads, 100000, NULL, NULL));
        cr_assert_eq(inputs->members->len, whole->members->len);
        for (guint i = 0; i < inputs->members->len; i++) {
            const ArchiveMember *member = &g_array_index(inputs->members, ArchiveMember, i);
            g_autofree char *text = member_text(member);
            cr_expect_gt(member->piece_count, SEGMENTS);
            cr_expect_str_eq(member->name, g_array_index(whole->members, ArchiveMember, i).name);
            cr_expect_str_eq(text, texts->pdata[i]);
        }
    }
}

Test(archive_usage, days_end_at_midnight_UTC_and_customers_are_names_of_folders)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(SegmentBuilder) builder = segment_builder_new();
    g_autoptr(GError) error = NULL;
    static const struct {
        const char *customer;
        gint64 time_us;
        const char *name;
    } cases[] = {{"z", -1, "usage/z/1969-12-31.ndjson"},
                 {"z", 0, "usage/z/1970-01-01.ndjson"},
                 {"z", DAY_US - 1, "usage/z/1970-01-01.ndjson"},
                 {"z", -62135596800000000, "usage/z/0001-01-01.ndjson"},
                 {"z", 253402300799999999, "usage/z/9999-12-31.ndjson"},
                 {"", 0, "usage/%/1970-01-01.ndjson"},
                 {"../x", 0, "usage/%2E.%2Fx/1970-01-01.ndjson"}};

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        MadeEvent made;
        fixture_event(&made, 1000000 + i);
        made.event.subject = cases[i].customer;
        made.event.time_us = cases[i].time_us;
        if (*cases[i].customer == '\0')
            made.event.present &= ~(guint32)USAGE_HAS_SUBJECT;
        add_event(builder, &made.event);
    }
    g_ptr_array_add(fixture.paths, put_segment(&fixture.scratch, builder));
    g_autoptr(ArchiveInputs) inputs = find(&fixture, &error);
    cr_assert(unpack(&fixture, inputs, 1, ARCHIVE_USAGE_BATCH_BYTES, NULL, &error), "%s",
              error ? error->message : "");
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        const ArchiveMember *member = find_member(inputs, cases[i].name);
        g_autofree char *text = member_text(member);
        guint lines = 0;
        for (const char *at = text; (at = strchr(at, '\n')); at++)
            lines++;
        cr_expect_eq(lines, strcmp(cases[i].name, cases[1].name) == 0 ? 2 : 1, "%s", member->name);
    }
}

Test(archive_usage, a_segment_that_does_not_hold_is_refused_by_name)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(ArchiveInputs) inputs = find(&fixture, NULL);
    g_autofree char *bytes = NULL;
    gsize size = 0;

    cr_assert(g_file_get_contents(fixture.paths->pdata[2], &bytes, &size, NULL));
    bytes[size / 2] ^= 1;
    cr_assert(g_file_set_contents(fixture.paths->pdata[2], bytes, (gssize)size, NULL));
    cr_assert_not(unpack(&fixture, inputs, 2, ARCHIVE_USAGE_BATCH_BYTES, NULL, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    cr_expect_not_null(strstr(error->message, fixture.paths->pdata[2]), "%s", error->message);
}

Test(archive_usage, a_file_with_the_name_of_a_customers_day_is_refused)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(GError) error = NULL;

    cr_assert_eq(chdir(fixture.scratch.path), 0);
    cr_assert_eq(g_mkdir_with_parents("usage/customer-5", 0755), 0);
    scratch_put(&fixture.scratch, "usage/customer-5/2026-11-02.ndjson", "x", 1);
    const char *const operands[] = {".", NULL};
    const ArchiveOperands given = {.operands = operands};
    g_autoptr(ArchiveInputs) inputs = archive_inputs_find(&given, &error);
    cr_assert_not(unpack(&fixture, inputs, 1, ARCHIVE_USAGE_BATCH_BYTES, NULL, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT));
    cr_expect_not_null(strstr(error->message, "./usage/customer-5/2026-11-02.ndjson"), "%s",
                       error->message);
}

Test(archive_usage, a_folder_that_cannot_be_written_is_told)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(ArchiveInputs) inputs = find(&fixture, NULL);
    const ArchiveUsageConfig config = {
        .folder = "/dev/null/x", .thread_count = 1, .batch_bytes = ARCHIVE_USAGE_BATCH_BYTES};

    cr_assert_not(archive_usage(fixture.comm, inputs, &config, NULL, &error));
    cr_expect_not_null(strstr(error->message, "/dev/null/x"), "%s", error->message);
}

Test(archive_usage, what_was_printed_is_cleaned_away_and_nothing_else)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(ArchiveInputs) inputs = find(&fixture, NULL);

    scratch_put(&fixture.work, "other", "", 0);
    cr_assert(unpack(&fixture, inputs, 1, ARCHIVE_USAGE_BATCH_BYTES, NULL, NULL));
    g_autofree char *before = scratch_list(&fixture.work);
    cr_expect_str_eq(before, "other usage-000000.ndjson usage-000001.ndjson usage-000002.ndjson "
                             "usage-000003.ndjson");
    cr_assert(archive_usage_clean(fixture.work.path, NULL));
    g_autofree char *after = scratch_list(&fixture.work);
    cr_expect_str_eq(after, "other");
}

Test(archive_usage, no_segments_add_nothing)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(ArchiveInputs) inputs = archive_inputs_new();
    ArchiveUsageReport report;

    cr_assert(unpack(&fixture, inputs, 4, ARCHIVE_USAGE_BATCH_BYTES, &report, NULL));
    cr_expect_eq(report.event_count + report.member_count + inputs->members->len, 0);
}
