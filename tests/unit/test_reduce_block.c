/* test_reduce_block.c - blocks of records, and what becomes of damaged ones.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/reduce_block.h"

#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/scratch.h"

#include "mr/reduce_spill.h"

enum { SUMS = 2, RECORDS = 500 };

/* Records 0, 1, .. of which some have long keys and some have sums at the limits. */
typedef struct {
    ReduceSource base;
    guint count;
    guint index;
    char key[300];
    gint64 sums[SUMS];
} Counting;

static int
counting_next(ReduceSource *base, GError **error G_GNUC_UNUSED)
{
    Counting *counting = (Counting *)base;
    static const gint64 limits[] = {0, 1, -1, 63, 64, -64, -65, G_MAXINT64, G_MININT64};

    if (counting->index == counting->count)
        return 0;
    guint index = counting->index++;
    memset(counting->key, 'k', sizeof counting->key);
    counting->key[0] = (char)(index >> 8);
    counting->key[1] = (char)index;
    base->turn = index / 100;
    base->key = (const guint8 *)counting->key;
    base->key_size_bytes = 2 + index % 290;
    counting->sums[0] = limits[index % G_N_ELEMENTS(limits)];
    counting->sums[1] = index;
    base->sums = counting->sums;
    return 1;
}

static Counting
counting_new(guint count)
{
    return (Counting){.base = {.next = counting_next}, .count = count};
}

static void
expect_same(const ReduceSource *got, const ReduceSource *expected)
{
    cr_assert_eq(got->turn, expected->turn);
    cr_assert_eq(got->key_size_bytes, expected->key_size_bytes);
    cr_assert(memcmp(got->key, expected->key, got->key_size_bytes) == 0);
    for (guint i = 0; i < SUMS; i++)
        cr_assert_eq(got->sums[i], expected->sums[i]);
}

static GByteArray *
make_block(guint count, guint32 number)
{
    g_autoptr(ReduceBlockWriter) writer = reduce_block_writer_new(SUMS);
    Counting counting = counting_new(count);

    while (counting.base.next(&counting.base, NULL) > 0)
        reduce_block_writer_add(writer, &counting.base);
    return reduce_block_writer_pack(writer, number);
}

/* Reads a block whole. Returns: how many records it gave, or -1. */
static int
read_block(const GByteArray *block, guint32 number, GError **error)
{
    g_autoptr(Decompressor) decompressor = decompressor_new();
    g_autoptr(ReduceBlockReader) reader = reduce_block_reader_new(SUMS, decompressor);
    Counting counting = counting_new(RECORDS);
    ReduceSource got = {0};
    int count = 0;
    int there = 0;

    if (!reduce_block_reader_open(reader, block->data, block->len, number, error))
        return -1;
    while ((there = reduce_block_reader_next(reader, &got, error)) > 0) {
        cr_assert_eq(counting.base.next(&counting.base, NULL), 1);
        expect_same(&got, &counting.base);
        count++;
    }
    return there < 0 ? -1 : count;
}

Test(reduce_block, records_come_back_as_they_were)
{
    static const guint counts[] = {1, 2, 99, 100, 101, RECORDS};

    for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
        g_autoptr(GByteArray) block = make_block(counts[i], i);
        cr_expect_eq(read_block(block, i, NULL), (int)counts[i]);
    }
}

Test(reduce_block, a_block_with_a_flipped_bit_is_refused)
{
    g_autoptr(GByteArray) block = make_block(20, 3);

    for (gsize bit = 0; bit < (gsize)block->len * 8; bit++) {
        g_autoptr(GError) error = NULL;
        block->data[bit / 8] ^= (guint8)(1 << bit % 8);
        cr_expect_eq(read_block(block, 3, &error), -1, "bit %zu", bit);
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
        block->data[bit / 8] ^= (guint8)(1 << bit % 8);
    }
    cr_expect_eq(read_block(block, 3, NULL), 20);
}

Test(reduce_block, so_is_one_that_was_cut_or_grew)
{
    g_autoptr(GByteArray) block = make_block(20, 0);
    guint size = block->len;

    for (guint i = 0; i < size; i++) {
        g_autoptr(GError) error = NULL;
        block->len = i;
        cr_expect_eq(read_block(block, 0, &error), -1, "%u bytes", i);
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    }
    block->len = size;
    g_byte_array_append(block, (const guint8 *)"", 1);
    cr_expect_eq(read_block(block, 0, NULL), -1);
}

Test(reduce_block, so_is_one_in_the_place_of_another)
{
    g_autoptr(GByteArray) block = make_block(20, 1);

    cr_expect_eq(read_block(block, 0, NULL), -1);
    cr_expect_eq(read_block(block, 2, NULL), -1);
}

static ReduceRun *
write_run(const Scratch *scratch, guint count, gsize block_bytes)
{
    g_autoptr(ReduceSpill) spill = reduce_spill_new(scratch->path, NULL);
    g_autoptr(ReduceBlockWriter) writer = reduce_block_writer_new(SUMS);
    Counting counting = counting_new(count);

    cr_assert(reduce_spill_append(spill, "something else", 14, NULL));
    ReduceRun *run = reduce_run_write(spill, &counting.base, writer, block_bytes, NULL);
    cr_assert_not_null(run);
    cr_assert(reduce_spill_append(spill, "and more of it", 14, NULL));
    return run;
}

Test(reduce_block, a_run_gives_its_records_over_all_its_blocks)
{
    static const gsize block_sizes[] = {1, 100, 5000, 1 << 20};

    for (guint i = 0; i < G_N_ELEMENTS(block_sizes); i++) {
        g_auto(Scratch) scratch = scratch_new();
        g_autoptr(Decompressor) decompressor = decompressor_new();
        g_autoptr(ReduceRun) run = write_run(&scratch, RECORDS, block_sizes[i]);
        g_autoptr(ReduceSource) source = reduce_run_source(run, SUMS, decompressor);
        Counting counting = counting_new(RECORDS);
        while (counting.base.next(&counting.base, NULL) > 0) {
            cr_assert_eq(source->next(source, NULL), 1);
            expect_same(source, &counting.base);
        }
        cr_expect_eq(source->next(source, NULL), 0);
    }
}

/* Where the kernel shows the file that has no name. */
static int
open_nameless_file(void)
{
    for (int fd = 3; fd < 64; fd++) {
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
        g_autofree char *target = g_file_read_link(path, NULL);
        if (target && g_str_has_suffix(target, " (deleted)"))
            return open(path, O_RDWR | O_CLOEXEC);
    }
    return -1;
}

Test(reduce_block, a_run_whose_bytes_were_damaged_on_disk_is_refused)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(ReduceRun) run = write_run(&scratch, RECORDS, 1000);
    int fd = open_nameless_file();

    cr_assert_geq(fd, 0);
    for (guint64 at = run->offset; at < run->end; at += 7) {
        g_autoptr(Decompressor) decompressor = decompressor_new();
        g_autoptr(ReduceSource) source = reduce_run_source(run, SUMS, decompressor);
        g_autoptr(GError) error = NULL;
        guint8 byte = 0;
        int there = 1;
        cr_assert_eq(pread(fd, &byte, 1, (off_t)at), 1);
        byte ^= 0x10;
        cr_assert_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
        while ((there = source->next(source, &error)) > 0)
            ;
        cr_expect_eq(there, -1, "byte %u", (guint)at);
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
        byte ^= 0x10;
        cr_assert_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
    }
    cr_assert_eq(ftruncate(fd, (off_t)run->end - 1), 0);
    g_autoptr(Decompressor) decompressor = decompressor_new();
    g_autoptr(ReduceSource) source = reduce_run_source(run, SUMS, decompressor);
    g_autoptr(GError) error = NULL;
    while (source->next(source, &error) > 0)
        ;
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    close(fd);
}
