/* Tests of formats/parity.c and parity_repair.c: the bytes are those of an independent writer, what
 * is promised is repaired, what is not is said, whatever lies in either file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/parity.h"

#include <string.h>

#include <criterion/criterion.h>

#include "formats/sha256.h"

/* A file and its parity in memory, as they should be and as they are. */
typedef struct {
    ParityShape shape;
    GByteArray *file, *file_now;
    GByteArray *parity, *parity_now;
    guint64 unreadable_from, unreadable_to; /* of the file */
} Pair;

static gssize
read_bytes(const GByteArray *from, guint64 offset, void *out, gsize size)
{
    gsize got = offset < from->len ? MIN(size, from->len - (gsize)offset) : 0;

    if (got > 0)
        memcpy(out, from->data + offset, got);
    return (gssize)got;
}

static gboolean
write_bytes(GByteArray *to, guint64 offset, const void *bytes, gsize size)
{
    cr_assert_lt(offset + size, 64 << 20);
    if (offset + size > to->len) {
        gsize old = to->len;
        g_byte_array_set_size(to, (guint)(offset + size));
        memset(to->data + old, 0, to->len - old);
    }
    memcpy(to->data + offset, bytes, size);
    return TRUE;
}

static gssize
read_file(gpointer data, guint64 offset, void *out, gsize size, GError **error)
{
    Pair *pair = data;

    if (offset < pair->unreadable_to && offset + size > pair->unreadable_from) {
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_IO, "a bad sector");
        return -1;
    }
    return read_bytes(pair->file_now, offset, out, size);
}

static gssize
read_parity(gpointer data, guint64 offset, void *out, gsize size, GError **error G_GNUC_UNUSED)
{
    Pair *pair = data;

    return read_bytes(pair->parity_now, offset, out, size);
}

static gboolean
write_parity(gpointer data, guint64 offset, const void *bytes, gsize size,
             GError **error G_GNUC_UNUSED)
{
    Pair *pair = data;

    return write_bytes(pair->parity_now, offset, bytes, size);
}

static gboolean
write_file(gpointer data, guint64 offset, const void *bytes, gsize size,
           GError **error G_GNUC_UNUSED)
{
    Pair *pair = data;

    return write_bytes(pair->file_now, offset, bytes, size);
}

static GByteArray *
copy_of(const GByteArray *bytes)
{
    GByteArray *copy = g_byte_array_sized_new(MAX(bytes->len, 1));

    return g_byte_array_append(copy, bytes->data, bytes->len);
}

static void
pair_reset(Pair *pair)
{
    g_clear_pointer(&pair->file_now, g_byte_array_unref);
    g_clear_pointer(&pair->parity_now, g_byte_array_unref);
    pair->file_now = copy_of(pair->file);
    pair->parity_now = copy_of(pair->parity);
}

/* The bytes that the vectors below are of. */
static Pair
pair_new(guint size, guint data, guint parity, guint threads)
{
    Pair pair = {.shape = {data, parity}, .file_now = g_byte_array_new()};

    g_byte_array_set_size(pair.file_now, size);
    for (guint i = 0; i < size; i++)
        pair.file_now->data[i] = (guint8)((i * 2654435761u) >> 13);
    pair.parity_now = g_byte_array_new();
    cr_assert(parity_make(&pair.shape, size, read_file, &pair, write_parity, &pair, threads, NULL));
    pair.file = copy_of(pair.file_now);
    pair.parity = copy_of(pair.parity_now);
    return pair;
}

static void
pair_release(Pair *pair)
{
    g_byte_array_unref(pair->file);
    g_byte_array_unref(pair->file_now);
    g_byte_array_unref(pair->parity);
    g_byte_array_unref(pair->parity_now);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pair, pair_release)

static ParityReport
pair_check(Pair *pair, gboolean repair)
{
    ParityReport report = {0};
    g_autoptr(GError) error = NULL;
    ParityFiles files = {.read_file = read_file,
                         .read_parity = read_parity,
                         .file_bytes = pair->file_now->len,
                         .parity_bytes = pair->parity_now->len,
                         .repair_file = repair ? write_file : NULL,
                         .repair_parity = repair ? write_parity : NULL,
                         .data = pair};

    cr_assert(parity_check(&files, &report, &error), "%s", error ? error->message : "");
    return report;
}

static gboolean
same(const GByteArray *a, const GByteArray *b)
{
    return a->len >= b->len && (b->len == 0 || memcmp(a->data, b->data, b->len) == 0);
}

/* Both files are whole again, whatever lies behind them. */
static gboolean
is_mended(const Pair *pair)
{
    return same(pair->file_now, pair->file) && same(pair->parity_now, pair->parity);
}

static guint64
unit_bytes(const Pair *pair)
{
    return (pair->shape.data + pair->shape.parity) * 16 + 32 + 4096;
}

Test(parity, shapes_are_read)
{
    ParityShape shape;

    cr_assert(parity_shape_parse("10+2", &shape, NULL));
    cr_expect(shape.data == 10 && shape.parity == 2);
    cr_assert(parity_shape_parse("128+64", &shape, NULL));
    cr_expect(shape.data == 128 && shape.parity == 64);
    cr_assert(parity_shape_parse("none", &shape, NULL));
    cr_expect(shape.data == 0 && shape.parity == 0);
}

Test(parity, shapes_that_cannot_be_are_refused)
{
    static const char *const wrong[] = {"",     "10",    "10+",    "+2",    "0+2",   "10+0",
                                        "10-2", "129+2", "10+65",  " 10+2", "10+2 ", "010+2",
                                        "None", "1+1+1", "999+99", "1000+1"};

    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        ParityShape shape;
        cr_expect_not(parity_shape_parse(wrong[i], &shape, &error), "%s", wrong[i]);
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE), "%s", wrong[i]);
    }
}

/* By tests/golden/parity.py. */
static const struct {
    guint size;
    ParityShape shape;
    guint parity_bytes;
    const char *sha256;
} vectors[] = {
    {0, {10, 2}, 256, "5bd1fa6c5c92a41260e7c4ec9a3bd9ab6292bc1ff47f6204ca662da66b0f48b7"},
    {1, {1, 1}, 4416, "864f123434ed283a555bbc194f236269219b40d9a452f08ec6b49fc72e52205a"},
    {4096, {10, 2}, 8896, "1f02f0506284563e2ac1d5700f3431f54bd04b2dce766e22a607abe2ae884322"},
    {4097, {3, 2}, 8672, "8db0d2c47b179db5f33bfbaac9a73a292d37f2f5b4c46012a58e69170924e3e1"},
    {100001, {4, 3}, 89296, "395d78cbade10b58f66679dd3e03635b4760edafcccbc9837b4b35eb684b8e9b"},
    {1048593, {1, 1}, 1083712, "cd28fb67e5fc23c71982c0b3b82cdb9cd960ecb7bc184982a7301933be39f4d8"},
    {300000, {128, 64}, 461056, "2ce33a7d78f110c77a9cfe413e74e36d30fc02f4db93e0a28433c4d53567d321"},
    {700000, {10, 2}, 155776, "a84f043c0d2565b05cfbb91676f2f92ce34fe5c432945913af73191db0282322"},
};

Test(parity, the_bytes_are_those_of_an_independent_writer)
{
    for (guint i = 0; i < G_N_ELEMENTS(vectors); i++) {
        g_auto(Pair) pair =
            pair_new(vectors[i].size, vectors[i].shape.data, vectors[i].shape.parity, 1);
        char hex[SHA256_CHARS + 1];
        sha256_hex(pair.parity->data, pair.parity->len, hex);
        cr_expect_str_eq(hex, vectors[i].sha256, "%u bytes", vectors[i].size);
        cr_expect_eq(parity_file_bytes(&vectors[i].shape, vectors[i].size),
                     vectors[i].parity_bytes);
        ParityReport report = pair_check(&pair, FALSE);
        cr_expect(report.data_damaged == 0 && report.parity_damaged == 0 &&
                  report.stripes_beyond == 0 && report.stripes_unproven == 0);
        cr_expect_eq(report.file_bytes, vectors[i].size);
    }
}

Test(parity, any_number_of_threads_makes_the_same_bytes)
{
    g_auto(Pair) one = pair_new(30 << 20, 10, 2, 1);
    g_auto(Pair) two = pair_new(30 << 20, 10, 2, 2);
    g_auto(Pair) five = pair_new(30 << 20, 10, 2, 5);

    cr_expect_eq(pair_check(&one, FALSE).block_bytes, 65536);
    cr_assert(one.parity->len == two.parity->len && one.parity->len == five.parity->len);
    cr_expect_arr_eq(one.parity->data, two.parity->data, one.parity->len);
    cr_expect_arr_eq(one.parity->data, five.parity->data, one.parity->len);
}

static gssize
read_short(gpointer data, guint64 offset, void *out, gsize size, GError **error)
{
    return offset > 100000 ? 0 : read_file(data, offset, out, size, error);
}

Test(parity, a_file_that_ends_too_early_has_no_parity)
{
    g_auto(Pair) pair = pair_new(700000, 10, 2, 1);
    g_autoptr(GError) error = NULL;

    cr_expect_not(
        parity_make(&pair.shape, 700000, read_short, &pair, write_parity, &pair, 2, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_IO));
}

Test(parity, every_flipped_byte_is_found_and_mended)
{
    g_auto(Pair) pair = pair_new(9000, 2, 2, 1);

    for (guint i = 0; i < pair.file->len + pair.parity->len; i += 1 + i % 7) {
        gboolean in_file = i < pair.file->len;
        GByteArray *now = in_file ? pair.file_now : pair.parity_now;
        now->data[in_file ? i : i - pair.file->len] ^= (guint8)(1 << i % 8);
        ParityReport report = pair_check(&pair, FALSE);
        cr_expect_eq(report.data_damaged, in_file, "%u", i);
        cr_expect_eq(report.parity_damaged, !in_file, "%u", i);
        cr_expect_eq(report.stripes_beyond + report.stripes_unproven, 0);
        pair_check(&pair, TRUE);
        cr_expect(is_mended(&pair), "%u", i);
    }
}

/* Damages what is stored of each stripe at random and compares with what it did. A stripe with no
 * more lost than parity is repaired, and of the others nothing is changed. */
Test(parity, what_is_promised_is_repaired_and_no_more)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);
    guint beyond_seen = 0;

    for (guint round = 0; round < 300; round++) {
        guint k = (guint)g_rand_int_range(rand, 1, 12);
        guint m = (guint)g_rand_int_range(rand, 1, 5);
        guint size = (guint)g_rand_int_range(rand, 1, 200000);
        guint chance = (guint)g_rand_int_range(rand, 2, 12);
        g_auto(Pair) pair = pair_new(size, k, m, 1);
        guint blocks = (size + 4095) / 4096;
        guint stripes = (blocks + k - 1) / k;
        g_autofree guint *lost = g_new0(guint, stripes);
        g_autofree guint *lost_units = g_new0(guint, stripes);
        for (guint i = 0; i < blocks + stripes * m; i++) {
            if (g_rand_int_range(rand, 0, (gint)chance) > 0)
                continue;
            guint unit = i - blocks;
            guint at = i < blocks ? i * 4096 : 128 + unit * (guint)unit_bytes(&pair);
            guint bytes = i < blocks ? MIN(4096, size - at) : (guint)unit_bytes(&pair);
            guint8 *out = (i < blocks ? pair.file_now : pair.parity_now)->data + at;
            for (guint b = 0; b < bytes; b++)
                out[b] = (guint8)~out[b];
            lost[i < blocks ? i % stripes : unit % stripes]++;
            lost_units[unit % stripes] += i >= blocks;
        }
        guint beyond = 0;
        guint unproven = 0;
        for (guint s = 0; s < stripes; s++) {
            /* Without any hash, more than the promise looks as what all units lost does. */
            unproven += lost_units[s] == m;
            beyond += lost[s] > m && lost_units[s] < m;
        }
        ParityReport report = pair_check(&pair, TRUE);
        cr_expect_eq(report.stripes_beyond, beyond);
        cr_expect_eq(report.stripes_unproven, unproven);
        if (beyond + unproven == 0)
            cr_expect(is_mended(&pair), "round %u", round);
        beyond_seen += beyond > 0;
        report = pair_check(&pair, FALSE);
        cr_expect_eq(report.stripes_beyond, beyond);
        cr_expect(beyond + unproven > 0 || report.data_damaged + report.parity_damaged == 0);
    }
    cr_expect(beyond_seen > 20 && beyond_seen < 280);
}

Test(parity, files_cut_off_or_grown_are_made_whole)
{
    static const struct {
        int file, parity; /* bytes more, or less */
    } changes[] = {{-1, 0},   {-4096, 0},    {-17000, 0},   {1, 0},     {70000, 0},      {0, -1},
                   {0, -128}, {0, -129},     {0, -5000},    {0, 1},     {0, 3000000},    {-1, -1},
                   {1, 1},    {-4096, -129}, {12345, -200}, {-20, 128}, {-8192, 2000000}};

    g_auto(Pair) pair = pair_new(300000, 10, 4, 1);
    for (guint i = 0; i < G_N_ELEMENTS(changes); i++) {
        pair_reset(&pair);
        guint file = pair.file->len;
        guint parity = pair.parity->len;
        g_byte_array_set_size(pair.file_now, (guint)((int)file + changes[i].file));
        g_byte_array_set_size(pair.parity_now, (guint)((int)parity + changes[i].parity));
        for (guint b = file; b < pair.file_now->len; b++)
            pair.file_now->data[b] = (guint8)b;
        for (guint b = parity; b < pair.parity_now->len; b++)
            pair.parity_now->data[b] = (guint8)b;
        ParityReport report = pair_check(&pair, TRUE);
        cr_expect_eq(report.stripes_beyond + report.stripes_unproven, 0, "change %u", i);
        cr_expect_eq(report.data_damaged > 0, changes[i].file < 0, "change %u", i);
        cr_expect_eq(report.file_bytes, file);
        cr_expect(is_mended(&pair), "change %u", i);
    }
}

Test(parity, a_file_that_is_gone_is_made_anew_where_parity_is_as_large)
{
    g_auto(Pair) pair = pair_new(100000, 3, 3, 1);

    g_byte_array_set_size(pair.file_now, 0);
    ParityReport report = pair_check(&pair, TRUE);
    cr_expect_eq(report.data_damaged, report.data_count);
    cr_expect_eq(report.stripes_beyond, 0);
    cr_expect(is_mended(&pair));
}

Test(parity, one_header_is_enough_wherever_it_is)
{
    g_auto(Pair) pair = pair_new(300000, 10, 4, 1);

    memset(pair.parity_now->data, 0, 128);
    cr_expect_eq(pair_check(&pair, FALSE).parity_damaged, 1);
    g_byte_array_append(pair.parity_now, (const guint8 *)"and more", 8);
    cr_expect_eq(pair_check(&pair, FALSE).parity_damaged, 1);
    pair_check(&pair, TRUE);
    cr_expect(is_mended(&pair));
    g_byte_array_set_size(pair.parity_now, pair.parity->len);
    memset(pair.parity_now->data, 0, 128);
    memset(pair.parity_now->data + pair.parity->len - 128, 0, 128);

    ParityReport report;
    g_autoptr(GError) error = NULL;
    ParityFiles files = {.read_file = read_file,
                         .read_parity = read_parity,
                         .file_bytes = pair.file->len,
                         .parity_bytes = pair.parity->len,
                         .data = &pair};
    cr_expect_not(parity_check(&files, &report, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
}

Test(parity, a_bad_sector_costs_its_block_alone)
{
    g_auto(Pair) pair = pair_new(300000, 10, 2, 1);

    pair.unreadable_from = 20480;
    pair.unreadable_to = 20992;
    ParityReport report = pair_check(&pair, FALSE);
    cr_expect_eq(report.data_damaged, 1);
    memset(pair.file_now->data + 20480, 0, 512);
    report = pair_check(&pair, TRUE);
    cr_expect_eq(report.data_damaged, 1);
    cr_expect(is_mended(&pair));
}

Test(parity, zeros_do_not_prove_each_other)
{
    g_auto(Pair) pair = pair_new(4096 * 3, 3, 2, 1);

    memset(pair.file_now->data, 0, pair.file->len);
    memset(pair.parity_now->data + 128, 0, pair.parity->len - 256);
    cr_expect_eq(pair_check(&pair, FALSE).stripes_unproven, 1);
}

Test(parity, without_any_unit_nothing_is_proven_and_nothing_written)
{
    g_auto(Pair) pair = pair_new(4096 * 3, 3, 2, 1);

    memset(pair.parity_now->data + 128, 7, pair.parity->len - 256);
    pair.file_now->data[5000] ^= 1;
    ParityReport report = pair_check(&pair, TRUE);
    cr_expect_eq(report.stripes_unproven, 1);
    cr_expect_eq(report.parity_damaged, 2);
    cr_expect_eq(pair.parity_now->data[128], 7);
    g_byte_array_set_size(pair.file_now, 8192);
    report = pair_check(&pair, TRUE);
    cr_expect_eq(report.stripes_unproven, 0, "the end of the file is lost for sure");
    cr_expect_eq(report.stripes_beyond, 1);
}

Test(parity, a_header_of_more_than_there_is_costs_no_time)
{
    /* By tests/golden/parity.py: Layout(1 << 50, 1, 64).header() */
    static const guint8 hash[] = {0x19, 0x36, 0x3a, 0x7e, 0xa2, 0xe5, 0xb5, 0xe5,
                                  0x9d, 0x13, 0x4b, 0x72, 0x81, 0x83, 0xab, 0x3b};
    guint8 header[128] = "MRPARIT1\1\0\0\0\x40\0\0\0\0\0\1\0\0\0\0\0"
                         "\0\0\0\0\0\0\4\0\0\0\0\0\4\0\0";
    g_auto(Pair) pair = pair_new(4096, 1, 1, 1);

    memcpy(header + 112, hash, sizeof hash);
    g_byte_array_set_size(pair.parity_now, 0);
    g_byte_array_append(pair.parity_now, header, sizeof header);
    ParityReport report = pair_check(&pair, TRUE);
    cr_expect_eq(report.data_count, G_GUINT64_CONSTANT(1) << 34);
    cr_expect_eq(report.data_damaged, report.data_count);
    cr_expect_eq(report.stripes_beyond, report.stripe_count);
}
