/* test_ledger.c - what a ledger gives back after every way of being cut or damaged.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/ledger.h"

#include "formats/error.h"
#include "tests/unit/scratch.h"

static const LedgerHeader header = {.job = "job-1", .writer = "n1-0-1", .node = "n1"};

/* The ledger of one record, row 7, as a program made it that shares nothing with ours: a Python
 * script with struct.pack() for the fields and libxxhash by ctypes for
 * XXH3_64bits_withSeed(payload, size, size). Fields as in the record below. */
static const guint8 golden[] = {
    0x4d, 0x52, 0x4c, 0x45, 0x44, 0x47, 0x52, 0x31, 0x1c, 0x00, 0x00, 0x00, 0x0d, 0xba, 0xc2, 0x22,
    0x24, 0xdd, 0x6f, 0x7e, 0x05, 0x00, 0x00, 0x00, 0x6a, 0x6f, 0x62, 0x2d, 0x31, 0x00, 0x06, 0x00,
    0x00, 0x00, 0x6e, 0x31, 0x2d, 0x30, 0x2d, 0x31, 0x00, 0x02, 0x00, 0x00, 0x00, 0x6e, 0x31, 0x00,
    0x9b, 0x00, 0x00, 0x00, 0x00, 0xeb, 0xb8, 0xd4, 0x79, 0xa8, 0xb9, 0x38, 0x07, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x61, 0x2e, 0x6a, 0x70, 0x67, 0x00, 0x02, 0x00, 0x00, 0x00,
    0x63, 0x31, 0x00, 0x03, 0x00, 0x00, 0x00, 0x72, 0x2d, 0x37, 0x00, 0xe8, 0x03, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0xb0, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x03, 0x00, 0x00, 0x00,
    0x78, 0x31, 0x30, 0x00, 0x05, 0x00, 0x00, 0x00, 0x61, 0x2e, 0x6a, 0x70, 0x67, 0x00, 0x01, 0x0d,
    0x00, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x00, 0x2c, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10,
    0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x05,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

static LedgerRecord
golden_record(void)
{
    LedgerRecord record = {.row = 7,
                           .time_us = -2,
                           .class = ROW_OK,
                           .message = "",
                           .source = "a.jpg",
                           .customer = "c1",
                           .request = "r-7",
                           .bytes_in = 1000,
                           .pixels_in = 640 * 480,
                           .cpu_us = 5,
                           .wall_us = 9,
                           .output_count = 1,
                           .outputs[0] = {.spec = "x10",
                                          .path = "a.jpg",
                                          .format = IMAGE_FORMAT_JPEG,
                                          .width_px = 13,
                                          .height_px = 10,
                                          .size_bytes = 300,
                                          .cpu_us = 5}};

    for (guint i = 0; i < DIGEST_BYTES; i++)
        record.outputs[0].digest[i] = (guint8)i;
    return record;
}

static void
expect_equal(const LedgerRecord *got, const LedgerRecord *expected)
{
    cr_expect_eq(got->row, expected->row);
    cr_expect_eq(got->time_us, expected->time_us);
    cr_expect_eq(got->class, expected->class);
    cr_expect_str_eq(got->message, expected->message);
    cr_expect_str_eq(got->source, expected->source);
    cr_expect_str_eq(got->customer, expected->customer);
    cr_expect_str_eq(got->request, expected->request);
    cr_expect_eq(got->bytes_in, expected->bytes_in);
    cr_expect_eq(got->pixels_in, expected->pixels_in);
    cr_expect_eq(got->cpu_us, expected->cpu_us);
    cr_expect_eq(got->wall_us, expected->wall_us);
    cr_assert_eq(got->output_count, expected->output_count);
    for (guint i = 0; i < got->output_count; i++) {
        const LedgerOutput *a = &got->outputs[i];
        const LedgerOutput *b = &expected->outputs[i];
        cr_expect_str_eq(a->spec, b->spec);
        cr_expect_str_eq(a->path, b->path);
        cr_expect_eq(a->format, b->format);
        cr_expect_eq(a->width_px, b->width_px);
        cr_expect_eq(a->height_px, b->height_px);
        cr_expect_eq(a->size_bytes, b->size_bytes);
        cr_expect_eq(a->cpu_us, b->cpu_us);
        cr_expect_eq(memcmp(a->digest, b->digest, DIGEST_BYTES), 0);
    }
}

/* Every number at its highest, every string longer than it should ever be, in bytes that are no
 * UTF-8, and as many outputs as there can be. text: borrowed by the record. */
static LedgerRecord
record_at_its_limits(const char *text)
{
    LedgerRecord record = {.row = G_MAXUINT64,
                           .time_us = G_MAXINT64,
                           .class = ROW_CLASS_COUNT - 1,
                           .message = text,
                           .source = text,
                           .customer = text,
                           .request = text,
                           .bytes_in = G_MAXUINT64,
                           .pixels_in = G_MAXUINT64,
                           .cpu_us = G_MAXUINT64,
                           .wall_us = G_MAXUINT64,
                           .output_count = OUTPUTS_PER_ROW_MAX};

    for (guint i = 0; i < OUTPUTS_PER_ROW_MAX; i++) {
        LedgerOutput *output = &record.outputs[i];
        *output = (LedgerOutput){.spec = text,
                                 .path = text,
                                 .format = IMAGE_FORMAT_COUNT - 1,
                                 .width_px = G_MAXUINT32,
                                 .height_px = G_MAXUINT32,
                                 .size_bytes = G_MAXUINT64,
                                 .cpu_us = G_MAXUINT64};
        memset(output->digest, 0xff, DIGEST_BYTES);
    }
    return record;
}

static void
write_ledger(const Scratch *scratch, const char *name, const LedgerRecord *records, guint count)
{
    g_autoptr(LedgerWriter) writer = ledger_writer_create(scratch->fd, name, &header, NULL);

    cr_assert_not_null(writer);
    for (guint i = 0; i < count; i++)
        ledger_writer_append(writer, &records[i]);
    cr_assert(ledger_writer_sync(writer, NULL));
}

static LedgerReader *
open_ledger(const Scratch *scratch, const char *name)
{
    g_autoptr(GError) error = NULL;
    LedgerReader *reader = ledger_reader_open(scratch->fd, name, &error);

    cr_assert_not_null(reader, "%s", error->message);
    return reader;
}

Test(ledger, its_bytes_are_what_the_format_says)
{
    g_auto(Scratch) scratch = scratch_new();
    LedgerRecord record = golden_record();
    gsize size_bytes = 0;

    write_ledger(&scratch, "ledger", &record, 1);
    g_autofree char *got = scratch_get(&scratch, "ledger", &size_bytes);
    cr_assert_eq(size_bytes, sizeof golden);
    cr_expect_eq(memcmp(got, golden, sizeof golden), 0);
}

Test(ledger, bytes_that_another_program_made_are_read)
{
    g_auto(Scratch) scratch = scratch_new();
    LedgerRecord expected = golden_record();
    LedgerRecord record;

    scratch_put(&scratch, "ledger", golden, sizeof golden);
    g_autoptr(LedgerReader) reader = open_ledger(&scratch, "ledger");
    cr_expect_str_eq(ledger_reader_header(reader)->job, "job-1");
    cr_expect_str_eq(ledger_reader_header(reader)->writer, "n1-0-1");
    cr_expect_str_eq(ledger_reader_header(reader)->node, "n1");
    cr_assert_eq(ledger_reader_next(reader, &record, NULL, NULL), 1);
    expect_equal(&record, &expected);
    cr_expect_eq(ledger_reader_next(reader, &record, NULL, NULL), 0);
    cr_expect_eq(ledger_reader_torn_bytes(reader), 0);
}

Test(ledger, every_field_comes_back_at_its_limits)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *text = g_strnfill(20000, '\xfe');
    LedgerRecord records[] = {record_at_its_limits(text), record_at_its_limits(""),
                              golden_record()};
    LedgerRecord record;

    records[1].row = 1;
    records[1].time_us = G_MININT64;
    write_ledger(&scratch, "ledger", records, G_N_ELEMENTS(records));
    g_autoptr(LedgerReader) reader = open_ledger(&scratch, "ledger");
    for (guint i = 0; i < G_N_ELEMENTS(records); i++) {
        cr_assert_eq(ledger_reader_next(reader, &record, NULL, NULL), 1);
        expect_equal(&record, &records[i]);
    }
    cr_expect_eq(ledger_reader_next(reader, &record, NULL, NULL), 0);
}

/* A ledger of three records, and where each ends; ends[0] is the header's. Sizes are asked of the
 * file system. */
static char *
three_records(const Scratch *scratch, gsize ends[4])
{
    g_autoptr(LedgerWriter) writer = ledger_writer_create(scratch->fd, "three", &header, NULL);
    struct stat status;
    gsize size_bytes = 0;

    cr_assert_eq(fstatat(scratch->fd, "three", &status, 0), 0);
    ends[0] = (gsize)status.st_size;
    for (guint i = 1; i <= 3; i++) {
        LedgerRecord record = golden_record();
        record.row = i;
        record.message = i == 2 ? "two" : "";
        ledger_writer_append(writer, &record);
        cr_assert(ledger_writer_sync(writer, NULL));
        cr_assert_eq(fstatat(scratch->fd, "three", &status, 0), 0);
        ends[i] = (gsize)status.st_size;
    }
    char *bytes = scratch_get(scratch, "three", &size_bytes);
    cr_assert_eq(size_bytes, ends[3]);
    return bytes;
}

/* Reads rows 1, 2, .. to the end, and asks twice there. Returns how many. */
static guint
count_records(LedgerReader *reader)
{
    LedgerRecord record;
    guint count = 0;

    while (ledger_reader_next(reader, &record, NULL, NULL) > 0) {
        cr_expect_eq(record.row, ++count);
        cr_expect_str_eq(record.source, "a.jpg");
    }
    cr_expect_eq(ledger_reader_next(reader, &record, NULL, NULL), 0);
    return count;
}

Test(ledger, a_torn_tail_is_ignored)
{
    g_auto(Scratch) scratch = scratch_new();
    gsize ends[4];
    g_autofree char *bytes = three_records(&scratch, ends);

    for (gsize size = 0; size <= ends[3]; size++) {
        guint whole = (size >= ends[1]) + (size >= ends[2]) + (size >= ends[3]);
        scratch_put(&scratch, "torn", bytes, size);
        g_autoptr(LedgerReader) reader = open_ledger(&scratch, "torn");
        cr_expect_eq(count_records(reader), whole, "cut at %zu", size);
        cr_expect_str_eq(ledger_reader_header(reader)->job, size < ends[0] ? "" : "job-1");
        cr_expect_str_eq(ledger_reader_header(reader)->node, size < ends[0] ? "" : "n1");
        if (size >= ends[0])
            cr_expect_eq(ledger_reader_torn_bytes(reader), size - ends[whole], "cut at %zu", size);
    }
}

Test(ledger, zeros_behind_the_last_record_are_ignored)
{
    g_auto(Scratch) scratch = scratch_new();
    gsize ends[4];
    g_autofree char *bytes = three_records(&scratch, ends);
    g_autofree char *longer = g_malloc0(ends[3] + 4096);

    /* As some file systems leave a file whose size was on the disk before its bytes were. */
    memcpy(longer, bytes, ends[3]);
    scratch_put(&scratch, "torn", longer, ends[3] + 4096);
    g_autoptr(LedgerReader) reader = open_ledger(&scratch, "torn");
    cr_expect_eq(count_records(reader), 3);
}

Test(ledger, any_flipped_bit_in_a_record_stops_the_reader_there)
{
    g_auto(Scratch) scratch = scratch_new();
    gsize ends[4];
    g_autofree char *bytes = three_records(&scratch, ends);

    for (gsize bit = ends[0] * 8; bit < ends[3] * 8; bit++) {
        guint before = (bit / 8 >= ends[1]) + (bit / 8 >= ends[2]);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        scratch_put(&scratch, "flipped", bytes, ends[3]);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        g_autoptr(LedgerReader) reader = open_ledger(&scratch, "flipped");
        cr_expect_eq(count_records(reader), before, "bit %zu", bit);
        cr_expect_gt(ledger_reader_torn_bytes(reader), 0);
    }
}

Test(ledger, any_flipped_bit_in_the_header_leaves_an_empty_ledger)
{
    g_auto(Scratch) scratch = scratch_new();
    gsize ends[4];
    g_autofree char *bytes = three_records(&scratch, ends);

    for (gsize bit = 8 * 8; bit < ends[0] * 8; bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        scratch_put(&scratch, "flipped", bytes, ends[3]);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        g_autoptr(LedgerReader) reader = open_ledger(&scratch, "flipped");
        cr_expect_str_eq(ledger_reader_header(reader)->writer, "");
        cr_expect_eq(count_records(reader), 0, "bit %zu", bit);
    }
}

static void
expect_refused(const Scratch *scratch, const char *name, MillraceErrorKind kind)
{
    g_autoptr(GError) error = NULL;

    cr_expect_null(ledger_reader_open(scratch->fd, name, &error));
    cr_assert(g_error_matches(error, MILLRACE_ERROR, (gint)kind), "%s",
              error ? error->message : name);
    cr_expect_not_null(strstr(error->message, name), "%s", error->message);
}

Test(ledger, what_is_not_a_ledger_is_refused)
{
    g_auto(Scratch) scratch = scratch_new();
    gsize ends[4];
    g_autofree char *bytes = three_records(&scratch, ends);

    scratch_put(&scratch, "text", "source,customer\n", 16);
    expect_refused(&scratch, "text", MILLRACE_ERROR_CORRUPT);
    scratch_put(&scratch, "byte", "x", 1);
    expect_refused(&scratch, "byte", MILLRACE_ERROR_CORRUPT);
    bytes[7] = '2'; /* of another version */
    scratch_put(&scratch, "later", bytes, ends[3]);
    expect_refused(&scratch, "later", MILLRACE_ERROR_CORRUPT);
    expect_refused(&scratch, "absent", MILLRACE_ERROR_IO);
    cr_assert_eq(symlinkat("three", scratch.fd, "link"), 0);
    expect_refused(&scratch, "link", MILLRACE_ERROR_IO);
}

Test(ledger, a_ledger_that_exists_is_not_written_over)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GError) error = NULL;
    gsize size_bytes = 0;

    scratch_put(&scratch, "ledger", golden, sizeof golden);
    cr_expect_null(ledger_writer_create(scratch.fd, "ledger", &header, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE));
    g_autofree char *got = scratch_get(&scratch, "ledger", &size_bytes);
    cr_expect_eq(size_bytes, sizeof golden);
}

Test(ledger, what_was_not_synced_is_not_in_the_file)
{
    g_auto(Scratch) scratch = scratch_new();
    LedgerRecord record = golden_record();
    LedgerWriter *writer = ledger_writer_create(scratch.fd, "ledger", &header, NULL);

    record.row = 1;
    ledger_writer_append(writer, &record);
    cr_assert(ledger_writer_sync(writer, NULL));
    record.row = 2;
    ledger_writer_append(writer, &record);
    ledger_writer_free(writer);
    g_autoptr(LedgerReader) reader = open_ledger(&scratch, "ledger");
    cr_expect_eq(count_records(reader), 1);
}

Test(ledger, a_reader_goes_on_when_the_ledger_has_grown)
{
    g_auto(Scratch) scratch = scratch_new();
    LedgerRecord record = golden_record();
    g_autoptr(LedgerWriter) writer = ledger_writer_create(scratch.fd, "ledger", &header, NULL);
    g_autoptr(LedgerReader) reader = open_ledger(&scratch, "ledger");

    cr_expect_eq(ledger_reader_next(reader, &record, NULL, NULL), 0);
    record = golden_record();
    ledger_writer_append(writer, &record);
    cr_assert(ledger_writer_sync(writer, NULL));
    cr_expect_eq(ledger_reader_next(reader, &record, NULL, NULL), 1);
    cr_expect_eq(record.row, 7);
}

Test(ledger, a_record_is_found_again_by_its_offset)
{
    enum { COUNT = 5000 }; /* several buffers full */
    g_auto(Scratch) scratch = scratch_new();
    g_autofree guint64 *offsets = g_new0(guint64, COUNT);
    g_autofree LedgerRecord *records = g_new0(LedgerRecord, COUNT);
    g_autofree char *text = g_strnfill(300000, 'm'); /* larger than a buffer */
    LedgerRecord record;

    for (guint i = 0; i < COUNT; i++) {
        records[i] = golden_record();
        records[i].row = i + 1;
        records[i].message = i == COUNT / 2 ? text : "";
    }
    write_ledger(&scratch, "ledger", records, COUNT);
    g_autoptr(LedgerReader) reader = open_ledger(&scratch, "ledger");
    for (guint i = 0; i < COUNT; i++)
        cr_assert_eq(ledger_reader_next(reader, &record, &offsets[i], NULL), 1);
    for (guint i = 0; i < COUNT; i++) {
        guint k = (guint)((i * 2741ULL) % COUNT); /* a prime: every record, near and far in turn */
        ledger_reader_seek(reader, offsets[k]);
        cr_assert_eq(ledger_reader_next(reader, &record, NULL, NULL), 1);
        expect_equal(&record, &records[k]);
    }
}

/* A record's bytes with one of them changed. */
static gboolean
decodes_with(gsize at, guint8 value)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    LedgerRecord record = golden_record();

    ledger_record_encode(bytes, &record);
    bytes->data[at] = value;
    return ledger_record_decode(bytes->data, bytes->len, &record);
}

Test(ledger, a_record_with_impossible_numbers_is_refused)
{
    cr_expect(decodes_with(0, 8));
    cr_expect_not(decodes_with(0, 0), "row 0");
    cr_expect(decodes_with(16, ROW_CLASS_COUNT - 1));
    cr_expect_not(decodes_with(16, ROW_CLASS_COUNT), "class");
    cr_expect_not(decodes_with(79, 0), "no outputs");
    cr_expect_not(decodes_with(79, 2), "more outputs than there are");
    cr_expect_not(decodes_with(79, OUTPUTS_PER_ROW_MAX + 1), "too many outputs");
    cr_expect(decodes_with(98, IMAGE_FORMAT_COUNT - 1));
    cr_expect_not(decodes_with(98, IMAGE_FORMAT_COUNT), "format");
}

Test(ledger, a_record_cut_or_lengthened_is_refused)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    LedgerRecord record = golden_record();

    ledger_record_encode(bytes, &record);
    for (gsize size = 0; size < bytes->len; size++) {
        g_autofree guint8 *cut = g_memdup2(bytes->data, size);
        cr_expect_not(ledger_record_decode(cut, size, &record), "%zu bytes", size);
    }
    gsize whole = bytes->len;
    cr_expect(ledger_record_decode(bytes->data, whole, &record));
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    cr_expect_not(ledger_record_decode(bytes->data, whole + 1, &record));
}

Test(ledger, classes_have_their_names_and_numbers_for_good)
{
    /* On disk and in usage events since version 1. */
    static const char *const names[] = {
        "ok",           "bad-row",       "not-found", "unreadable", "unsupported-format",
        "corrupt",      "truncated",     "too-large", "timeout",    "out-of-memory",
        "worker-crash", "output-exists", "io"};

    cr_assert_eq(ROW_CLASS_COUNT, G_N_ELEMENTS(names));
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        RowClass class = ROW_CLASS_COUNT;
        cr_expect_str_eq(row_class_name((RowClass)i), names[i]);
        cr_expect(row_class_from_name(names[i], &class));
        cr_expect_eq(class, i);
    }
}

Test(ledger, a_class_that_there_is_not_has_no_number)
{
    static const char *const names[] = {"", "OK", "ok ", "time", "timeouts", "bad_row"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        RowClass class = ROW_IO;
        cr_expect_not(row_class_from_name(names[i], &class), "%s", names[i]);
        cr_expect_eq(class, ROW_IO);
    }
}
