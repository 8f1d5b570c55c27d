/* test_histogram.c - percentiles against those of the sorted values themselves.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/histogram.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#define VALUE_COUNT 20000

static const guint permilles[] = {0, 1, 10, 250, 500, 900, 990, 999, 1000};

static int
compare_values(const void *a, const void *b)
{
    guint64 x = *(const guint64 *)a;
    guint64 y = *(const guint64 *)b;
    return (x > y) - (x < y);
}

/* Values of every size: as many of few bits as of many. */
static guint64
random_value(GRand *random, guint bits_max)
{
    guint64 bits = ((guint64)g_rand_int(random) << 32) | g_rand_int(random);
    return bits >> (64 - g_rand_int_range(random, 1, (gint32)bits_max + 1));
}

/* The value of nearest rank, as statistics books define it. */
static guint64
exact_percentile(const guint64 *sorted, guint count, guint permille)
{
    guint64 rank = ((guint64)count * permille + 999) / 1000;
    return sorted[rank > 0 ? rank - 1 : 0];
}

Test(histogram, percentiles_are_within_one_in_128_of_the_exact_ones)
{
    for (guint bits_max = 1; bits_max <= 64; bits_max++) {
        g_autoptr(GRand) random = g_rand_new_with_seed(bits_max);
        g_autoptr(Histogram) histogram = histogram_new();
        g_autofree guint64 *values = g_new(guint64, VALUE_COUNT);
        for (guint i = 0; i < VALUE_COUNT; i++) {
            values[i] = random_value(random, bits_max);
            histogram_add(histogram, values[i]);
        }
        qsort(values, VALUE_COUNT, sizeof *values, compare_values);

        for (guint i = 0; i < G_N_ELEMENTS(permilles); i++) {
            guint64 exact = exact_percentile(values, VALUE_COUNT, permilles[i]);
            guint64 got = histogram_percentile(histogram, permilles[i]);
            cr_assert(got >= exact && got - exact <= exact / 128,
                      "%u bits, %u permille: %" G_GUINT64_FORMAT ", exactly %" G_GUINT64_FORMAT,
                      bits_max, permilles[i], got, exact);
        }
    }
}

Test(histogram, small_values_are_exact)
{
    g_autoptr(Histogram) histogram = histogram_new();
    for (guint64 value = 1; value <= 200; value++)
        histogram_add(histogram, value);

    cr_assert(eq(u64, histogram_percentile(histogram, 0), 1));
    cr_assert(eq(u64, histogram_percentile(histogram, 500), 100));
    cr_assert(eq(u64, histogram_percentile(histogram, 990), 198));
    cr_assert(eq(u64, histogram_percentile(histogram, 999), 200));
    cr_assert(eq(u64, histogram_percentile(histogram, 1000), 200));
}

Test(histogram, count_sum_and_max_are_exact)
{
    g_autoptr(Histogram) histogram = histogram_new();
    histogram_add(histogram, 1000001);
    histogram_add(histogram, 0);
    histogram_add(histogram, 7);

    cr_assert(eq(u64, histogram_count(histogram), 3));
    cr_assert(eq(u64, histogram_sum(histogram), 1000008));
    cr_assert(eq(u64, histogram_max(histogram), 1000001));
}

Test(histogram, an_empty_one_answers_zero)
{
    g_autoptr(Histogram) histogram = histogram_new();

    cr_assert(eq(u64, histogram_count(histogram), 0));
    cr_assert(eq(u64, histogram_max(histogram), 0));
    cr_assert(eq(u64, histogram_percentile(histogram, 500), 0));
}

Test(histogram, a_percentile_is_never_above_the_maximum)
{
    g_autoptr(Histogram) histogram = histogram_new();
    histogram_add(histogram, 1000000);

    cr_assert(eq(u64, histogram_percentile(histogram, 500), 1000000));
}

Test(histogram, the_largest_integer_fits_and_the_sum_stays_there)
{
    g_autoptr(Histogram) histogram = histogram_new();
    histogram_add(histogram, G_MAXUINT64);
    histogram_add(histogram, G_MAXUINT64);

    cr_assert(eq(u64, histogram_percentile(histogram, 500), G_MAXUINT64));
    cr_assert(eq(u64, histogram_sum(histogram), G_MAXUINT64));
}

Test(histogram, merging_parts_is_adding_all)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(7);
    g_autoptr(Histogram) whole = histogram_new();
    g_autoptr(Histogram) merged = histogram_new();
    for (guint part = 0; part < 3; part++) {
        g_autoptr(Histogram) histogram = histogram_new();
        for (guint i = 0; i < VALUE_COUNT; i++) {
            guint64 value = random_value(random, 40);
            histogram_add(whole, value);
            histogram_add(histogram, value);
        }
        histogram_merge(merged, histogram);
    }

    cr_assert(eq(u64, histogram_count(merged), histogram_count(whole)));
    cr_assert(eq(u64, histogram_sum(merged), histogram_sum(whole)));
    cr_assert(eq(u64, histogram_max(merged), histogram_max(whole)));
    for (guint permille = 0; permille <= 1000; permille++)
        cr_assert(
            eq(u64, histogram_percentile(merged, permille), histogram_percentile(whole, permille)));
}

Test(histogram, adding_some_of_an_array_is_adding_each_of_them)
{
    static const gint64 values[] = {0, 255, 256, G_MAXINT64, 77, G_MAXINT64, 77000};
    static const guint32 at[] = {6, 0, 3, 5, 3, 2};
    g_autoptr(Histogram) each = histogram_new();
    g_autoptr(Histogram) some = histogram_new();

    for (guint i = 0; i < G_N_ELEMENTS(at); i++)
        histogram_add(each, (guint64)values[at[i]]);
    histogram_add_at(some, values, at, 2);
    histogram_add_at(some, values, at + 2, G_N_ELEMENTS(at) - 2);
    cr_assert(eq(u64, histogram_count(some), G_N_ELEMENTS(at)));
    cr_assert(eq(u64, histogram_sum(some), G_MAXUINT64), "three times 2^63 - 1 does not fit");
    cr_assert(eq(u64, histogram_max(some), G_MAXINT64));
    for (guint permille = 0; permille <= 1000; permille++)
        cr_assert(
            eq(u64, histogram_percentile(some, permille), histogram_percentile(each, permille)));
}
