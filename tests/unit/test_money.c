/* test_money.c - decimals in and out, and rounding, by hand and by Python's decimal module.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/money.h"

#include <criterion/criterion.h>

static void
expect_parsed(const char *text, guint digits, gint64 expected)
{
    gint64 value = -99;
    cr_assert(money_parse(text, digits, &value), "%s was refused", text);
    cr_expect_eq(value, expected, "%s: got %" G_GINT64_FORMAT, text, value);
}

static void
expect_refused(const char *text, guint digits)
{
    gint64 value;
    cr_expect(!money_parse(text, digits, &value), "%s was accepted", text);
}

static void
expect_printed(gint64 value, guint digits, guint shown_min, const char *expected)
{
    g_autoptr(GString) out = g_string_new(NULL);
    money_print(out, value, digits, shown_min);
    cr_expect_str_eq(out->str, expected);
}

static void
expect_quantity(gint64 quantity, gint64 divisor, const char *expected)
{
    g_autoptr(GString) out = g_string_new(NULL);
    money_print_quantity(out, quantity, divisor);
    cr_expect_str_eq(out->str, expected);
}

Test(money, decimals_are_read_exactly)
{
    expect_parsed("0", 9, 0);
    expect_parsed("-0", 9, 0);
    expect_parsed("-12.34", 9, G_GINT64_CONSTANT(-12340000000));
    expect_parsed("0.000000001", 9, 1);
    expect_parsed("0.045", 12, G_GINT64_CONSTANT(45000000000));
    expect_parsed("0.10", 2, 10);
    expect_parsed("007", 0, 7);
    expect_parsed("9223372036.854775807", 9, G_MAXINT64);
    expect_parsed("-9223372036.854775808", 9, G_MININT64);
    expect_parsed("9223372036854775807", 0, G_MAXINT64);
}

Test(money, what_is_no_decimal_is_refused)
{
    static const char *const wrong[] = {
        "",   "-",  ".",   ".5",  "5.",    "+5",  "--5", "5-",  "1e3",
        " 1", "1 ", "1,5", "0x1", "1.2.3", "NaN", "-.5", "1_0", "\xd9\xa1",
    };
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++)
        expect_refused(wrong[i], 9);
}

Test(money, more_digits_than_asked_for_are_refused_and_not_cut)
{
    expect_refused("0.001", 2);
    expect_refused("0.000", 2);
    expect_refused("1.0", 0);
}

Test(money, what_does_not_fit_is_refused)
{
    expect_refused("9223372036.854775808", 9);
    expect_refused("-9223372036.854775809", 9);
    expect_refused("18446744073709551616", 0);
    expect_refused("18446744073709551617", 0);
    expect_refused("340282366920938463463374607431768211457", 0);
    g_autofree char *zeros = g_strnfill(100000, '0');
    expect_refused(zeros, 9);
}

static void
expect_times(const char *text, gint64 factor, gint64 expected)
{
    gint64 value = -1;
    cr_assert(money_parse_times(text, factor, &value), "%s was refused", text);
    cr_expect_eq(value, expected, "%s: got %" G_GINT64_FORMAT, text, value);
}

Test(money, a_bound_in_priced_units_becomes_whole_metered_units)
{
    gint64 value;
    expect_times("10", G_GINT64_CONSTANT(3600000000), G_GINT64_CONSTANT(36000000000));
    expect_times("0.5", 2, 1);
    expect_times("0.125000", 1000, 125);
    expect_times("0.000000000001", G_GINT64_CONSTANT(1000000000000), 1);
    expect_times("9223372036854775807", 1, G_MAXINT64);
    cr_expect_not(money_parse_times("0.5", 3, &value));
    cr_expect_not(money_parse_times("0.0001", 1000, &value));
    cr_expect_not(money_parse_times("-1", 1000, &value));
    cr_expect_not(money_parse_times("9223372036854775808", 1, &value));
    cr_expect_not(money_parse_times("9223372036854775807", 2, &value));
    /* The product wraps 128 bits to a small number, if nobody looks. */
    cr_expect_not(money_parse_times("36893488147419103232", G_GINT64_CONSTANT(1) << 62, &value));
}

Test(money, as_many_digits_are_shown_as_are_needed)
{
    expect_printed(0, 9, 0, "0");
    expect_printed(0, 9, 2, "0.00");
    expect_printed(G_GINT64_CONSTANT(1200000000), 9, 2, "1.20");
    expect_printed(G_GINT64_CONSTANT(1200000000), 9, 0, "1.2");
    expect_printed(G_GINT64_CONSTANT(10000000000), 9, 0, "10");
    expect_printed(G_GINT64_CONSTANT(1234500000), 9, 2, "1.2345");
    expect_printed(-1, 9, 2, "-0.000000001");
    expect_printed(1, 12, 0, "0.000000000001");
    expect_printed(-7, 0, 0, "-7");
    expect_printed(G_MAXINT64, 9, 9, "9223372036.854775807");
    expect_printed(G_MININT64, 9, 2, "-9223372036.854775808");
}

Test(money, what_is_printed_reads_back)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(4);
    for (int i = 0; i < 20000; i++) {
        gint64 value = (gint64)(((guint64)g_rand_int(random) << 32) | g_rand_int(random));
        value >>= g_rand_int_range(random, 0, 63);
        guint digits = (guint)g_rand_int_range(random, 0, 13);
        g_autoptr(GString) out = g_string_new(NULL);
        money_print(out, value, digits, (guint)g_rand_int_range(random, 0, (gint32)digits + 1));
        expect_parsed(out->str, digits, value);
    }
}

/* Python: Decimal(x).quantize(Decimal("1"), rounding=ROUND_HALF_EVEN, HALF_UP, HALF_DOWN, UP, DOWN)
 */
Test(money, each_rule_rounds_as_decimal_arithmetic_has_it)
{
    static const struct {
        gint64 tenths;
        gint64 rounded[5];
    } cases[] = {
        {0, {0, 0, 0, 0, 0}},        {1, {0, 0, 0, 1, 0}},        {4, {0, 0, 0, 1, 0}},
        {5, {0, 1, 0, 1, 0}},        {6, {1, 1, 1, 1, 0}},        {9, {1, 1, 1, 1, 0}},
        {10, {1, 1, 1, 1, 1}},       {15, {2, 2, 1, 2, 1}},       {25, {2, 3, 2, 3, 2}},
        {26, {3, 3, 3, 3, 2}},       {-1, {0, 0, 0, -1, 0}},      {-5, {0, -1, 0, -1, 0}},
        {-6, {-1, -1, -1, -1, 0}},   {-15, {-2, -2, -1, -2, -1}}, {-25, {-2, -3, -2, -3, -2}},
        {-26, {-3, -3, -3, -3, -2}},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        for (guint ties = MONEY_HALF_EVEN; ties <= MONEY_DOWN; ties++) {
            gint64 value = -99;
            cr_expect(money_divide(cases[i].tenths, 10, (MoneyTies)ties, &value));
            cr_expect_eq(value, cases[i].rounded[ties], "%d/10 %s: %d", (int)cases[i].tenths,
                         money_ties_name((MoneyTies)ties), (int)value);
        }
}

Test(money, division_works_at_the_ends_of_128_bits_and_says_what_does_not_fit)
{
    gint64 value = 0;
    __int128 max = (__int128)(~(unsigned __int128)0 >> 1);
    __int128 min = -max - 1;
    cr_expect(money_divide(max, max, MONEY_HALF_EVEN, &value));
    cr_expect_eq(value, 1);
    cr_expect(money_divide(min, max, MONEY_HALF_EVEN, &value));
    cr_expect_eq(value, -1);
    cr_expect(money_divide(min, max, MONEY_UP, &value));
    cr_expect_eq(value, -2);
    cr_expect_not(money_divide(max, 1, MONEY_DOWN, &value));
    cr_expect_not(money_divide(min, 1, MONEY_DOWN, &value));
    cr_expect(money_divide((__int128)G_MAXINT64 * 2 + 1, 2, MONEY_DOWN, &value));
    cr_expect_eq(value, G_MAXINT64);
    cr_expect_not(money_divide((__int128)G_MAXINT64 * 2 + 1, 2, MONEY_HALF_UP, &value));
    cr_expect(money_divide((__int128)G_MININT64 * 2 - 1, 2, MONEY_DOWN, &value));
    cr_expect_eq(value, G_MININT64);
    cr_expect_not(money_divide((__int128)G_MININT64 * 2 - 1, 2, MONEY_UP, &value));
}

Test(money, a_charge_is_rounded_once)
{
    gint64 amount = 0;
    /* 3.5 CPU hours at 0.045 are 0.1575: 0.16. */
    cr_expect(money_charge(G_GINT64_CONSTANT(12600000000), G_GINT64_CONSTANT(3600000000),
                           G_GINT64_CONSTANT(45000000000), 2, MONEY_HALF_EVEN, &amount));
    cr_expect_eq(amount, 160000000);
    /* 1/3 at 0.0149999999: 0.00499999996..., which is 0.00; 0.005 by way of 0.00500 would be up. */
    cr_expect(money_charge(1, 3, G_GINT64_CONSTANT(14999999900), 2, MONEY_HALF_UP, &amount));
    cr_expect_eq(amount, 0);
    /* 2.5 cents, and exactly that. */
    cr_expect(money_charge(1, 1, G_GINT64_CONSTANT(25000000000), 2, MONEY_HALF_EVEN, &amount));
    cr_expect_eq(amount, 20000000);
    cr_expect(money_charge(1, 1, G_GINT64_CONSTANT(25000000000), 9, MONEY_HALF_EVEN, &amount));
    cr_expect_eq(amount, 25000000);
    /* 1e-12 of the currency is less than can be held. */
    cr_expect(money_charge(1, 1, 1, 9, MONEY_UP, &amount));
    cr_expect_eq(amount, 1);
    cr_expect(money_charge(1, 1, 1, 0, MONEY_UP, &amount));
    cr_expect_eq(amount, 1000000000);
}

Test(money, a_charge_that_does_not_fit_is_an_error_and_no_wrap)
{
    gint64 amount;
    cr_expect(money_charge(G_MAXINT64, G_MAXINT64, G_MAXINT64, 9, MONEY_HALF_EVEN, &amount));
    cr_expect_eq(amount, G_GINT64_CONSTANT(9223372036854776)); /* 9223372036854775.807 */
    cr_expect_not(money_charge(G_MAXINT64, 1, G_MAXINT64, 9, MONEY_HALF_EVEN, &amount));
    /* 9,223,372,036.99 has its nanos above 2^63; in cents it still fits, and that is the trap. */
    cr_expect_not(money_charge(G_GINT64_CONSTANT(922337203699), 1, G_GINT64_CONSTANT(10000000000),
                               2, MONEY_HALF_EVEN, &amount));
    cr_expect(money_charge(G_GINT64_CONSTANT(922337203685), 1, G_GINT64_CONSTANT(10000000000), 2,
                           MONEY_HALF_EVEN, &amount));
    cr_expect_eq(amount, G_GINT64_CONSTANT(9223372036850000000));
}

Test(money, sums_are_rounded_to_minor_digits)
{
    gint64 rounded = 0;
    cr_expect(money_round(G_GINT64_CONSTANT(1005000000), 2, MONEY_HALF_EVEN, &rounded));
    cr_expect_eq(rounded, G_GINT64_CONSTANT(1000000000));
    cr_expect(money_round(G_GINT64_CONSTANT(1005000001), 2, MONEY_HALF_EVEN, &rounded));
    cr_expect_eq(rounded, G_GINT64_CONSTANT(1010000000));
    cr_expect(money_round(G_MININT64, 9, MONEY_UP, &rounded));
    cr_expect_eq(rounded, G_MININT64);
    cr_expect_not(money_round(G_MAXINT64, 0, MONEY_UP, &rounded));
}

Test(money, a_quantity_is_exact_within_12_digits_and_else_half_even)
{
    expect_quantity(G_GINT64_CONSTANT(12600000000), G_GINT64_CONSTANT(3600000000), "3.5");
    expect_quantity(0, 7, "0");
    expect_quantity(1, 3, "0.333333333333");
    expect_quantity(2, 3, "0.666666666667");
    expect_quantity(-2, 3, "-0.666666666667");
    expect_quantity(1, G_GINT64_CONSTANT(1000000000000), "0.000000000001");
    expect_quantity(1, G_GINT64_CONSTANT(2000000000000), "0");
    expect_quantity(3, G_GINT64_CONSTANT(2000000000000), "0.000000000002");
    expect_quantity(G_MAXINT64, 1, "9223372036854775807");
    expect_quantity(G_MININT64, G_MAXINT64, "-1");
}

Test(money, names_of_ties_read_back_and_others_are_none)
{
    MoneyTies ties;
    for (guint i = MONEY_HALF_EVEN; i <= MONEY_DOWN; i++) {
        cr_assert(money_ties_parse(money_ties_name((MoneyTies)i), &ties));
        cr_expect_eq(ties, i);
    }
    cr_expect_not(money_ties_parse("half_even", &ties));
    cr_expect_not(money_ties_parse("", &ties));
}

static void
expect_wide(__int128 value, guint digits, guint shown_min, const char *expected)
{
    char text[MONEY_TEXT_MAX_BYTES + 1];
    g_autoptr(GString) out = g_string_new(NULL);
    *money_put_wide(text, value, digits, shown_min) = '\0';
    money_print_wide(out, value, digits, shown_min);
    cr_expect_str_eq(text, expected);
    cr_expect_str_eq(out->str, expected);
}

Test(money, numbers_of_128_bits_are_written_to_their_last_digit)
{
    __int128 lowest = (__int128)((unsigned __int128)1 << 127);
    __int128 part = (__int128)10000000000 * 1000000000; /* 10^19, where a part of 64 bits ends */
    expect_wide(lowest, 0, 0, "-170141183460469231731687303715884105728");
    expect_wide(lowest, 24, 0, "-170141183460469.231731687303715884105728");
    expect_wide(-(lowest + 1), 24, 24, "170141183460469.231731687303715884105727");
    expect_wide(part, 0, 0, "10000000000000000000");
    expect_wide(part, 19, 1, "1.0");
    expect_wide(part * part, 19, 0, "10000000000000000000");
    expect_wide(part * part + 7, 19, 0, "10000000000000000000.0000000000000000007");
    expect_wide(2 * part + 5, 24, 0, "0.000020000000000000000005");
    expect_wide((__int128)G_MAXUINT64 + 1, 0, 0, "18446744073709551616");
    expect_wide(0, 24, 24, "0.000000000000000000000000");
    expect_wide(-1, 24, 0, "-0.000000000000000000000001");
}
