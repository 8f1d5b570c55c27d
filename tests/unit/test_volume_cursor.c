/* test_volume_cursor.c - records out of frames: in any order, ahead or not, and beside damage.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/volume_cursor.h"

#include "formats/compress.h"
#include "tests/unit/scratch.h"

#define VOLUME  "volumes/0123456789abcdef0123456789abcdef.tar.zst"
#define RECORDS 40

/* Forty records of 0 to 39,000 bytes in frames of 100,000; the last one goes over three. */
typedef struct {
    Scratch scratch;
    Tier *tier;
    TierFile *file;
    VolumeTar *tar;
    GArray *table; /* of SeekFrame */
    char *keys[RECORDS];
    char *bytes[RECORDS];
    VolumeRecord *records;
} Fixture;

static void
put_frame(GByteArray *file, GArray *table, const guint8 *bytes, guint32 size_bytes)
{
    g_autoptr(Compressor) compressor = compressor_new(3);
    SeekFrame frame = {.offset = file->len,
                       .bytes = size_bytes,
                       .checksum = seek_table_checksum(bytes, size_bytes)};
    gsize capacity = compressor_bound(size_bytes);

    g_byte_array_set_size(file, (guint)(frame.offset + capacity));
    frame.compressed_bytes = (guint32)compressor_block(compressor, bytes, size_bytes,
                                                       file->data + frame.offset, capacity);
    g_byte_array_set_size(file, (guint)frame.offset + frame.compressed_bytes);
    g_array_append_val(table, frame);
}

static void
put_record(Fixture *fixture, guint i, GByteArray *tar, guint64 frame_start, guint64 frame)
{
    gsize size_bytes = i + 1 < RECORDS ? i * 1000 : 250000;
    VolumeRecord *record = &fixture->records[i];
    g_autoptr(GRand) random = g_rand_new_with_seed(i);
    static const guint8 zeros[TAR_BLOCK_BYTES];

    fixture->keys[i] = g_strdup_printf("record-%02u", i);
    fixture->bytes[i] = g_malloc(size_bytes + 1);
    for (gsize k = 0; k < size_bytes; k++)
        fixture->bytes[i][k] = (char)g_rand_int_range(random, 0, 16);
    *record = (VolumeRecord){.key = fixture->keys[i],
                             .size_bytes = size_bytes,
                             .frame = frame,
                             .offset = (guint32)(tar->len - frame_start)};
    sha256_hex(fixture->bytes[i], size_bytes, record->sha256);
    cr_assert(tar_header(record->key, size_bytes, 7, tar, NULL));
    g_byte_array_append(tar, (const guint8 *)fixture->bytes[i], (guint)size_bytes);
    g_byte_array_append(tar, zeros, tar_padding(size_bytes));
}

static Fixture *
fixture_new(void)
{
    Fixture *fixture = g_new0(Fixture, 1);
    g_autoptr(GByteArray) tar = g_byte_array_new();
    g_autoptr(GByteArray) file = g_byte_array_new();

    fixture->scratch = scratch_new();
    fixture->records = g_new0(VolumeRecord, RECORDS);
    fixture->table = g_array_new(FALSE, TRUE, sizeof(SeekFrame));
    /* Frames are cut wherever 100,000 bytes are full, which is in the middle of members too. */
    for (guint i = 0; i < RECORDS; i++)
        put_record(fixture, i, tar, tar->len / 100000 * 100000, tar->len / 100000);
    for (guint at = 0; at < tar->len; at += 100000)
        put_frame(file, fixture->table, tar->data + at, MIN(100000, tar->len - at));
    seek_table_print(fixture->table, file);
    cr_assert_eq(mkdirat(fixture->scratch.fd, "volumes", 0777), 0);
    scratch_put(&fixture->scratch, VOLUME, file->data, file->len);
    return fixture;
}

static void
fixture_open(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    fixture->tier = tier_open(fixture->scratch.path, FALSE, &error);
    fixture->file = fixture->tier ? tier_file_open(fixture->tier, VOLUME, &error) : NULL;
    fixture->tar = fixture->file ? volume_tar_open(fixture->file, "v", &error) : NULL;
    cr_assert_not_null(fixture->tar, "%s", error ? error->message : "");
}

static void
fixture_free(Fixture *fixture)
{
    volume_tar_free(fixture->tar);
    tier_file_close(fixture->file);
    tier_free(fixture->tier);
    scratch_release(&fixture->scratch);
    g_array_unref(fixture->table);
    g_free(fixture->records);
    for (guint i = 0; i < RECORDS; i++) {
        g_free(fixture->keys[i]);
        g_free(fixture->bytes[i]);
    }
    g_free(fixture);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fixture, fixture_free)

static gboolean
collect(const void *bytes, gsize size_bytes, gpointer data, GError **error G_GNUC_UNUSED)
{
    g_byte_array_append(data, bytes, (guint)size_bytes);
    return TRUE;
}

/* Returns whether the record was read, which must then be right. */
static gboolean
reads(VolumeCursor *cursor, const Fixture *fixture, guint i)
{
    g_autoptr(GByteArray) got = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    const VolumeSink sink = {.on_bytes = collect, .data = got};
    gboolean good = volume_cursor_read(cursor, &fixture->records[i], &sink, &error);

    cr_expect_eq(good, error == NULL);
    if (error)
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    if (good) {
        cr_assert_eq(got->len, fixture->records[i].size_bytes);
        cr_expect(got->len == 0 || memcmp(got->data, fixture->bytes[i], got->len) == 0);
    }
    return good;
}

static guint8 *
want(const Fixture *fixture, guint step)
{
    guint8 *wanted = g_malloc0(volume_tar_frame_count(fixture->tar));

    for (guint i = 0; i < RECORDS; i += step)
        volume_cursor_want(fixture->tar, &fixture->records[i], wanted);
    return wanted;
}

Test(volume_cursor, records_are_read_in_order_by_any_number_of_threads)
{
    g_autoptr(Fixture) fixture = fixture_new();

    fixture_open(fixture);
    for (guint threads = 1; threads <= 3; threads++) {
        g_autofree guint8 *wanted = want(fixture, 1);
        g_autoptr(VolumeCursor) cursor = volume_cursor_new(fixture->tar, wanted, threads);
        for (guint i = 0; i < RECORDS; i++)
            cr_expect(reads(cursor, fixture, i), "%u", i);
    }
}

Test(volume_cursor, and_in_any_order_and_again_and_those_that_were_not_announced)
{
    g_autoptr(Fixture) fixture = fixture_new();

    fixture_open(fixture);
    g_autofree guint8 *wanted = want(fixture, 7);
    g_autoptr(VolumeCursor) ahead = volume_cursor_new(fixture->tar, wanted, 2);
    g_autoptr(VolumeCursor) alone = volume_cursor_new(fixture->tar, NULL, 1);
    for (guint k = 0; k < 2 * RECORDS; k++) {
        guint i = k * 23 % RECORDS;
        cr_expect(reads(ahead, fixture, i), "%u", i);
        cr_expect(reads(alone, fixture, i), "%u", i);
    }
}

Test(volume_cursor, wanted_frames_are_those_of_the_record)
{
    g_autoptr(Fixture) fixture = fixture_new();
    g_autofree guint8 *wanted = NULL;
    guint count = 0;

    fixture_open(fixture);
    wanted = g_malloc0(volume_tar_frame_count(fixture->tar));
    volume_cursor_want(fixture->tar, &fixture->records[RECORDS - 1], wanted);
    for (guint64 i = 0; i < volume_tar_frame_count(fixture->tar); i++) {
        count += wanted[i];
        cr_expect(!wanted[i] || i >= fixture->records[RECORDS - 1].frame);
    }
    cr_expect_geq(count, 3, "250,000 bytes");
    cr_expect_leq(count, 4);
}

Test(volume_cursor, a_damaged_frame_fails_the_records_in_it_and_no_others)
{
    g_autoptr(Fixture) fixture = fixture_new();
    guint damaged = 3;
    gsize size_bytes = 0;
    g_autofree char *bytes = scratch_get(&fixture->scratch, VOLUME, &size_bytes);
    const SeekFrame *frame = &g_array_index(fixture->table, SeekFrame, damaged);

    bytes[frame->offset + frame->compressed_bytes / 2] ^= 1;
    scratch_put(&fixture->scratch, VOLUME, bytes, size_bytes);
    fixture_open(fixture);
    g_autofree guint8 *wanted = want(fixture, 1);
    g_autoptr(VolumeCursor) cursor = volume_cursor_new(fixture->tar, wanted, 2);
    guint failed = 0;
    for (guint i = 0; i < RECORDS; i++) {
        const VolumeRecord *record = &fixture->records[i];
        guint64 begin = record->frame * 100000 + record->offset;
        guint64 end = begin + TAR_BLOCK_BYTES + record->size_bytes;
        gboolean hit = begin < (damaged + 1) * 100000 && end > damaged * 100000;
        cr_expect_eq(reads(cursor, fixture, i), !hit, "%u", i);
        failed += hit;
    }
    cr_expect_gt(failed, 3);
}

Test(volume_cursor, what_the_index_gets_wrong_is_damage)
{
    g_autoptr(Fixture) fixture = fixture_new();
    VolumeRecord *record = &fixture->records[20];
    const VolumeRecord right = *record;

    fixture_open(fixture);
    g_autoptr(VolumeCursor) cursor = volume_cursor_new(fixture->tar, NULL, 1);
    record->frame = 99;
    cr_expect_not(reads(cursor, fixture, 20), "no such frame");
    *record = right;
    record->offset += TAR_BLOCK_BYTES;
    cr_expect_not(reads(cursor, fixture, 20), "in the data");
    *record = right;
    record->offset = 3000000;
    cr_expect_not(reads(cursor, fixture, 20), "behind the frame");
    *record = right;
    record->size_bytes--;
    cr_expect_not(reads(cursor, fixture, 20), "size");
    *record = right;
    record->sha256[0] = record->sha256[0] == '0' ? '1' : '0';
    cr_expect_not(reads(cursor, fixture, 20), "digest");
    *record = right;
    record->key = "record-21";
    cr_expect_not(reads(cursor, fixture, 20), "key");
    *record = right;
    cr_expect(reads(cursor, fixture, 20));
}
