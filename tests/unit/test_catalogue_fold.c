/* test_catalogue_fold.c - what entries come to: volumes, holds, expiry, and time.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/catalogue_fixture.h"

Test(catalogue_fold, entries_come_to_volumes)
{
    g_autoptr(Catalogue) log = parse(golden_log);
    const GPtrArray *volumes = catalogue_volumes(log);

    cr_assert_eq(volumes->len, 2);
    const CatalogueVolume *volume = volumes->pdata[0];
    cr_expect_eq(volume, catalogue_volume(log, VOLUME));
    cr_expect_str_eq(volume->name, VOLUME);
    cr_expect_eq(volume->retain_until_us, at("2040-01-01T00:00:00Z"), "it was extended");
    cr_assert_eq(volume->holds->len, 2);
    cr_expect_str_eq(volume->holds->pdata[0], "CASE-02");
    cr_expect_str_eq(volume->holds->pdata[1], "CASE-17");
    cr_expect_not(volume->expired);
    cr_expect_eq(volume->checked_us, at("2027-02-04T02:00:00Z"));
    cr_expect_str_eq(volume->check_result, "intact");
    volume = catalogue_volume(log, OTHER);
    cr_expect_str_eq(volume->class, "bills");
    cr_expect_eq(volume->holds->len, 0, "it was released");
    cr_expect(volume->expired);
    cr_expect_eq(volume->expired_us, at("2027-02-03T02:00:00Z"));
    cr_expect_eq(volume->checked_us, G_MININT64);
    cr_expect_null(volume->check_result);
    cr_expect_null(catalogue_volume(log, "00000000000000000000000000000000"));
}

Test(catalogue_fold, what_a_sample_finds_counts_when_it_is_bad)
{
    g_autofree char *text = golden_lines(4); /* pack, checkpoint, whole, sample */
    g_autoptr(Catalogue) log = parse(text);
    const CatalogueVolume *volume = catalogue_volume(log, VOLUME);

    cr_expect_eq(volume->checked_us, at("2026-12-02T02:00:00Z"));
    cr_expect_str_eq(volume->check_result, "damaged");
}

Test(catalogue_fold, a_later_pack_brings_a_volume_back_and_shortens_nothing)
{
    g_autoptr(Catalogue) log = parse(golden_log);

    append(log, pack_entry(OTHER, "2027-03-01T00:00:00Z", "2027-01-01T00:00:00Z"));
    const CatalogueVolume *volume = catalogue_volume(log, OTHER);
    cr_expect_not(volume->expired);
    cr_expect_eq(volume->retain_until_us, at("2027-02-01T02:00:00Z"));
    cr_expect_eq(volume->packed_us, at("2027-03-01T00:00:00Z"));
    cr_expect_eq(catalogue_volumes(log)->len, 2);
    append(log, (CatalogueEntry){.time_us = at("2027-03-01T00:00:00Z"),
                                 .actor = "a",
                                 .kind = CATALOGUE_EXTEND,
                                 .volume = OTHER,
                                 .retain_until_us = at("2020-01-01T00:00:00Z")});
    cr_expect_eq(volume->retain_until_us, at("2027-02-01T02:00:00Z"));
}

/* A log that was checked at these times. */
static Catalogue *
log_of(const char *const *times)
{
    Catalogue *log = catalogue_new();

    append(log, pack_entry(VOLUME, *times, "2030-01-01T00:00:00Z"));
    while (*++times)
        append(log, check_entry(*times));
    return log;
}
#define LOG_OF(...) log_of((const char *const[]){__VA_ARGS__, NULL})

static void
expect_vouched(Catalogue *log, const char *now, const char *vouched, const char *latest)
{
    g_autoptr(GString) text = g_string_new(NULL);

    usage_print_time(text, catalogue_vouched_us(log, at(now)));
    cr_expect_str_eq(text->str, vouched);
    g_string_truncate(text, 0);
    usage_print_time(text, catalogue_latest_us(log, at(now)));
    cr_expect_str_eq(text->str, latest);
    catalogue_free(log);
}

Test(catalogue_fold, time_that_passed_is_vouched_for)
{
    expect_vouched(LOG_OF(START), START, START, START);
    expect_vouched(LOG_OF(START, "2027-01-01T00:00:00Z"), "2027-01-30T00:00:00Z",
                   "2027-01-30T00:00:00.000000Z", "2027-01-30T00:00:00.000000Z");
}

Test(catalogue_fold, a_clock_ten_years_forward_vouches_for_nothing)
{
    /* Now; at one check; at the first entry, where it was so for good. */
    expect_vouched(LOG_OF(START), "2036-12-01T02:00:00Z", START, "2036-12-01T02:00:00.000000Z");
    expect_vouched(LOG_OF(START, "2036-12-02T02:00:00Z", "2026-12-03T02:00:00Z"),
                   "2026-12-04T02:00:00Z", "2026-12-02T02:00:00.000000Z",
                   "2036-12-02T02:00:00.000000Z");
    expect_vouched(LOG_OF("2036-12-01T02:00:00Z", "2026-12-02T02:00:00Z"), "2026-12-03T02:00:00Z",
                   "2036-12-02T02:00:00.000000Z", "2036-12-01T02:00:00.000000Z");
}

Test(catalogue_fold, a_clock_that_goes_back_vouches_for_what_passes_after_it)
{
    expect_vouched(LOG_OF(START, "2016-12-01T02:00:00Z", "2016-12-02T02:00:00Z"),
                   "2016-12-03T02:00:00Z", "2026-12-03T02:00:00.000000Z", START);
}

Test(catalogue_fold, a_clock_that_swings_vouches_for_each_day_once)
{
    /* Thirty days forward and back, twice; then five days beyond. */
    expect_vouched(LOG_OF(START, "2026-12-31T02:00:00Z", "2026-12-02T02:00:00Z",
                          "2026-12-31T02:00:00Z", "2026-12-10T02:00:00Z", "2026-12-25T02:00:00Z"),
                   "2027-01-05T02:00:00Z", "2027-01-05T02:00:00.000000Z",
                   "2027-01-05T02:00:00.000000Z");
    /* Two parts, then the time between them. */
    expect_vouched(
        LOG_OF(START, "2027-02-01T02:00:00Z", "2027-02-03T02:00:00Z", "2026-12-31T02:00:00Z"),
        "2027-02-02T02:00:00Z", "2027-01-04T02:00:00.000000Z", "2027-02-03T02:00:00.000000Z");
}

Test(catalogue_fold, time_that_nobody_witnessed_is_not_counted)
{
    /* 35 days to the microsecond do, one more does not. */
    expect_vouched(LOG_OF(START), "2027-01-05T02:00:00Z", "2027-01-05T02:00:00.000000Z",
                   "2027-01-05T02:00:00.000000Z");
    expect_vouched(LOG_OF(START), "2027-01-05T02:00:00.000001Z", START,
                   "2027-01-05T02:00:00.000001Z");
    expect_vouched(LOG_OF(START, "2027-02-01T02:00:00Z"), "2027-02-02T02:00:00Z",
                   "2026-12-02T02:00:00.000000Z", "2027-02-02T02:00:00.000000Z");
}
