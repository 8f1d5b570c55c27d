/* test_volume.c - names of a volume's files and members.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/volume.h"

#include <criterion/criterion.h>

static void
expect_member_name(const char *path, const char *expected)
{
    g_autofree char *name = volume_member_name(path);

    cr_expect_str_eq(name, expected);
}

static void
expect_usage_name(const char *customer, gint64 day, const char *expected)
{
    g_autofree char *name = volume_usage_name(customer, day * 86400 * G_USEC_PER_SEC);

    cr_expect_str_eq(name, expected);
}

Test(volume, files_are_named_after_it)
{
    static const char volume[] = "0123456789abcdef0123456789abcdef";
    g_autofree char *tar = volume_path(volume, VOLUME_TAR);
    g_autofree char *signature = volume_path(volume, VOLUME_MINISIG);

    cr_expect_str_eq(tar, "volumes/0123456789abcdef0123456789abcdef.tar.zst");
    cr_expect_str_eq(signature, "volumes/0123456789abcdef0123456789abcdef.manifest.minisig");
}

Test(volume, a_name_is_32_digits)
{
    cr_expect(volume_is_name("0123456789abcdef0123456789abcdef"));
    cr_expect_not(volume_is_name("0123456789ABCDEF0123456789abcdef"));
    cr_expect_not(volume_is_name("0123456789abcdef0123456789abcde"));
    cr_expect_not(volume_is_name("0123456789abcdef0123456789abcdef0"));
    cr_expect_not(volume_is_name("../3456789abcdef0123456789abcdef"));
    cr_expect_not(volume_is_name(""));
}

Test(volume, a_member_never_leads_out_of_its_folder)
{
    expect_member_name("a/b", "a/b");
    expect_member_name("/etc/passwd", "etc/passwd");
    expect_member_name("//a///b/", "a/b");
    expect_member_name("./a/./b/.", "a/b");
    expect_member_name("../a/..", "%2E%2E/a/%2E%2E");
    expect_member_name("...", "...");
    expect_member_name(".hidden/..b", ".hidden/..b");
    expect_member_name("/./", "");
    expect_member_name("", "");
}

Test(volume, a_day_of_usage_is_named_by_customer_and_date)
{
    /* 2026-11-03 is day 20760. */
    expect_usage_name("acme", 20760, "usage/acme/2026-11-03.ndjson");
    expect_usage_name("", 0, "usage/%/1970-01-01.ndjson");
    expect_usage_name(NULL, 0, "usage/%/1970-01-01.ndjson");
    expect_usage_name("%", 0, "usage/%25/1970-01-01.ndjson");
    expect_usage_name("a.b", -1, "usage/a.b/1969-12-31.ndjson");
    expect_usage_name("..", 0, "usage/%2E./1970-01-01.ndjson");
    expect_usage_name("A/\xc3\xa9 z_-9", 0, "usage/A%2F%C3%A9%20z_-9/1970-01-01.ndjson");
}
