/* test_customer_usage.c - what each customer used, by day, from logs and from what is added.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/customer_usage.h"

#include "tests/unit/scratch.h"

#define DAY_US ((gint64)86400 * G_USEC_PER_SEC)

static CustomerUsage *
open_usage(const Scratch *scratch, gint64 now_us)
{
    g_autoptr(GError) error = NULL;
    CustomerUsage *usage = customer_usage_open(scratch->path, now_us, &error);

    cr_assert_not_null(usage, "%s", error ? error->message : "");
    return usage;
}

static void
put_day(const char *day, const CustomerSums *sums, gpointer data)
{
    g_string_append_printf(data,
                           "%s %" G_GUINT64_FORMAT " in %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT
                           " out %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT " cpu %" G_GUINT64_FORMAT
                           "\n",
                           day, sums->requests, sums->bytes_in, sums->pixels_in, sums->bytes_out,
                           sums->pixels_out, sums->cpu_us);
}

static void
expect_days(CustomerUsage *usage, const char *customer, const char *expected)
{
    g_autoptr(GString) got = g_string_new(NULL);

    customer_usage_visit(usage, customer, put_day, got);
    cr_expect_str_eq(got->str, expected, "%s: %s", customer, got->str);
}

/* A day, as people write it, so many days ago. (transfer full) */
static char *
day_text(gint64 days_ago)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autoptr(GDateTime) then = g_date_time_add_days(now, (gint)-days_ago);

    return g_date_time_format(then, "%Y-%m-%d");
}

static void
put_line(GString *log, const char *customer, gint64 days_ago, const char *status, guint count)
{
    g_autofree char *day = day_text(days_ago);

    g_string_append_printf(
        log,
        "{\"specversion\":\"1.0\",\"id\":\"i%u\",\"source\":\"//millrace/door/east\","
        "\"type\":\"millrace.image.v1\",\"subject\":\"%s\",\"time\":\"%sT23:59:59.999999Z\","
        "\"data\":{\"op\":\"resize\",\"format\":\"jpeg\",\"status\":\"%s\",\"bytes_in\":%u,"
        "\"bytes_out\":2,\"pixels_in\":300,\"pixels_out\":4,\"cpu_us\":5}}\n",
        (guint)log->len, customer, day, status, count);
}

Test(customer_usage, logs_are_summed_by_customer_and_day)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GString) one = g_string_new(NULL);
    g_autoptr(GString) other = g_string_new(NULL);
    g_autofree char *today = day_text(0);
    g_autofree char *before = day_text(3);

    put_line(one, "acme", 3, "ok", 10);
    put_line(one, "acme", 0, "ok", 20);
    put_line(one, "emca", 3, "ok", 1000);
    put_line(one, "acme", 0, "timeout", 5000);
    put_line(other, "acme", 3, "ok", 30);
    put_line(other, "acme", 31, "ok", 7000);
    put_line(other, "acme", -3, "ok", 7000);
    g_string_append(other, "no event\n\n{\"torn\":");
    scratch_put(&scratch, "usage-a-1.ndjson", one->str, one->len);
    scratch_put(&scratch, "usage-a-2.open.ndjson", other->str, other->len);
    scratch_put(&scratch, "else.ndjson", one->str, one->len);
    scratch_put(&scratch, "usage-a-3.ndjson.zst", one->str, one->len);
    g_autoptr(CustomerUsage) usage = open_usage(&scratch, g_get_real_time());
    g_autofree char *expected = g_strdup_printf("%s 2 in 40/600 out 4/8 cpu 10\n"
                                                "%s 1 in 20/300 out 2/4 cpu 5\n",
                                                before, today);
    expect_days(usage, "acme", expected);
    expect_days(usage, "nobody", "");
    cr_expect_eq(customer_usage_bad_lines(usage), 1);
}

Test(customer_usage, what_is_added_counts_at_once)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(CustomerUsage) usage = open_usage(&scratch, g_get_real_time());
    g_autofree char *today = day_text(0);
    g_autofree char *yesterday = day_text(1);
    UsageEvent event = {.subject = "acme",
                        .status = "ok",
                        .bytes_in = 10,
                        .bytes_out = 1,
                        .pixels_in = 100,
                        .pixels_out = 7,
                        .cpu_us = 3};

    customer_usage_add(usage, &event);
    event.time_us = g_get_real_time() - DAY_US;
    customer_usage_add(usage, &event);
    customer_usage_add(usage, &event);
    g_autofree char *expected = g_strdup_printf("%s 2 in 20/200 out 2/14 cpu 6\n"
                                                "%s 1 in 10/100 out 1/7 cpu 3\n",
                                                yesterday, today);
    expect_days(usage, "acme", expected);
}

Test(customer_usage, a_month_is_kept)
{
    g_auto(Scratch) scratch = scratch_new();
    gint64 now_us = g_get_real_time();
    g_autoptr(CustomerUsage) usage = open_usage(&scratch, now_us - 100 * DAY_US);
    g_autoptr(GString) got = g_string_new(NULL);
    guint days = 0;

    for (gint64 ago = 100; ago >= 0; ago--) {
        UsageEvent event = {.subject = "acme", .status = "ok", .time_us = now_us - ago * DAY_US};
        customer_usage_add(usage, &event);
    }
    customer_usage_visit(usage, "acme", put_day, got);
    for (const char *at = got->str; (at = strchr(at, '\n')); at++)
        days++;
    cr_expect_eq(days, 31);
    g_autofree char *first = day_text(30);
    cr_expect(g_str_has_prefix(got->str, first), "%s", got->str);
}

Test(customer_usage, a_line_longer_than_any_is_passed_over)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GString) log = g_string_new(NULL);
    g_autofree char *today = day_text(0);

    put_line(log, "acme", 0, "ok", 1);
    g_string_append_c(log, '"');
    for (guint i = 0; i < 1000000; i++)
        g_string_append_c(log, 'x');
    g_string_append_c(log, '\n');
    put_line(log, "acme", 0, "ok", 2);
    scratch_put(&scratch, "usage-a-1.ndjson", log->str, log->len);
    g_autoptr(CustomerUsage) usage = open_usage(&scratch, g_get_real_time());
    g_autofree char *expected = g_strdup_printf("%s 2 in 3/600 out 4/8 cpu 10\n", today);
    expect_days(usage, "acme", expected);
    cr_expect_eq(customer_usage_bad_lines(usage), 1);
}
