/* test_customer_usage.c - what each customer used, by day, from logs, and from what comes to them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/customer_usage.h"

#include "tests/unit/scratch.h"

static CustomerUsage *
open_usage(const Scratch *scratch)
{
    g_autoptr(GError) error = NULL;
    CustomerUsage *usage = customer_usage_open(scratch->path, &error);

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

    cr_expect_eq(customer_usage_refresh(usage), 1.0);
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
    g_autoptr(CustomerUsage) usage = open_usage(&scratch);
    g_autofree char *expected = g_strdup_printf("%s 2 in 40/600 out 4/8 cpu 10\n"
                                                "%s 1 in 20/300 out 2/4 cpu 5\n",
                                                before, today);
    expect_days(usage, "acme", expected);
    expect_days(usage, "nobody", "");
    cr_expect_eq(customer_usage_bad_lines(usage), 1);
}

Test(customer_usage, what_comes_to_a_log_is_summed_once)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(CustomerUsage) usage = open_usage(&scratch);
    g_autoptr(GString) log = g_string_new(NULL);
    g_autofree char *today = day_text(0);
    g_autofree char *one = g_strdup_printf("%s 1 in 10/300 out 2/4 cpu 5\n", today);
    g_autofree char *two = g_strdup_printf("%s 2 in 30/600 out 4/8 cpu 10\n", today);
    g_autofree char *three = g_strdup_printf("%s 3 in 60/900 out 6/12 cpu 15\n", today);
    g_autofree char *closed = g_build_filename(scratch.path, "usage-a-1.ndjson", NULL);

    expect_days(usage, "acme", "");
    put_line(log, "acme", 0, "ok", 10);
    gsize line_end = log->len;
    put_line(log, "acme", 0, "ok", 20);
    scratch_put(&scratch, "usage-a-1.open.ndjson", log->str, line_end);
    expect_days(usage, "acme", one);
    scratch_put(&scratch, "usage-a-1.open.ndjson", log->str, log->len - 9);
    expect_days(usage, "acme", one); /* the second is being written */
    scratch_put(&scratch, "usage-a-1.open.ndjson", log->str, log->len);
    expect_days(usage, "acme", two);
    cr_assert_eq(renameat(scratch.fd, "usage-a-1.open.ndjson", AT_FDCWD, closed), 0);
    expect_days(usage, "acme", two);
    g_string_truncate(log, 0);
    put_line(log, "acme", 0, "ok", 30);
    scratch_put(&scratch, "usage-job-b.ndjson", log->str, log->len);
    expect_days(usage, "acme", three);
    cr_assert_eq(unlink(closed), 0); /* shipped */
    expect_days(usage, "acme", three);
    cr_expect_eq(customer_usage_bad_lines(usage), 0);
}

Test(customer_usage, a_month_is_kept)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(CustomerUsage) usage = open_usage(&scratch);
    g_autoptr(GString) log = g_string_new(NULL);
    g_autoptr(GString) got = g_string_new(NULL);
    guint days = 0;

    for (gint64 ago = 100; ago >= 0; ago--)
        put_line(log, "acme", ago, "ok", 1);
    scratch_put(&scratch, "usage-a-1.ndjson", log->str, log->len);
    customer_usage_refresh(usage);
    customer_usage_visit(usage, "acme", put_day, got);
    for (const char *at = got->str; (at = strchr(at, '\n')); at++)
        days++;
    cr_expect_eq(days, 31);
    g_autofree char *first = day_text(30);
    cr_expect(g_str_has_prefix(got->str, first), "%s", got->str);
}

Test(customer_usage, of_large_logs_a_part_is_read_at_a_time, .timeout = 120)
{
    enum { LOGS = 3, LINES = 20000 };
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GString) log = g_string_new(NULL);
    g_autofree char *today = day_text(0);
    gdouble harvest = 0;
    guint parts = 0;

    for (guint i = 0; i < LINES; i++)
        put_line(log, "acme", 0, "ok", 1);
    for (guint i = 0; i < LOGS; i++) {
        g_autofree char *name = g_strdup_printf("usage-a-%u.ndjson", i);
        scratch_put(&scratch, name, log->str, log->len);
    }
    g_autoptr(CustomerUsage) usage = open_usage(&scratch);
    while ((harvest = customer_usage_refresh(usage)) < 1) {
        cr_assert_gt(harvest, 0);
        cr_assert_lt(parts++, 100);
    }
    g_autofree char *expected =
        g_strdup_printf("%s %u in %u/%u out %u/%u cpu %u\n", today, LOGS * LINES, LOGS * LINES,
                        LOGS * LINES * 300, LOGS * LINES * 2, LOGS * LINES * 4, LOGS * LINES * 5);
    expect_days(usage, "acme", expected);
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
    g_autoptr(CustomerUsage) usage = open_usage(&scratch);
    g_autofree char *expected = g_strdup_printf("%s 2 in 3/600 out 4/8 cpu 10\n", today);
    expect_days(usage, "acme", expected);
    cr_expect_eq(customer_usage_bad_lines(usage), 1);
}
