/* test_receipt.c - receipts say what another program signs, and nothing else is one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/receipt.h"

#include <criterion/criterion.h>
#include <string.h>

#include "formats/error.h"
#include "formats/note.h"
#include "tests/unit/note_golden.h"

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Receipt, receipt_clear)

static MinisignSecret *
golden_secret(void)
{
    MinisignSecret *secret = minisign_secret_parse("their.key", note_golden_secret, NULL);

    cr_assert_not_null(secret);
    return secret;
}

static gboolean
open_receipt(const char *text, Receipt *receipt, GError **error)
{
    g_autoptr(MinisignSecret) secret = golden_secret();

    return receipt_open("a receipt", text, strlen(text), minisign_public(secret), 1, receipt,
                        error);
}

Test(receipt, what_another_program_signed_is_read)
{
    g_auto(Receipt) receipt = {0};

    cr_assert(open_receipt(note_golden_receipt, &receipt, NULL));
    cr_expect_str_eq(receipt.job, "j0123456789abcdef0123456789abcdef");
    cr_expect_str_eq(receipt.customer, "M\xc3\xbcller & S\xc3\xb6hne");
    cr_expect_str_eq(receipt.manifest,
                     "16a0eeb0791b6c92451fd284dd9f599e0a7dbe7f6ebea6e2d2d06c7f74aec112");
    cr_expect_eq(receipt.row_count, 3);
    cr_expect_eq(receipt.accepted_us, NOTE_GOLDEN_TIME_US);
    cr_expect_str_eq(receipt.cluster, "eu 1");
}

Test(receipt, it_is_what_another_program_signs)
{
    g_autoptr(MinisignSecret) secret = golden_secret();
    const Receipt receipt = {.job = "j0123456789abcdef0123456789abcdef",
                             .customer = (char *)"M\xc3\xbcller & S\xc3\xb6hne",
                             .manifest =
                                 "16a0eeb0791b6c92451fd284dd9f599e0a7dbe7f6ebea6e2d2d06c7f74aec112",
                             .row_count = 3,
                             .accepted_us = NOTE_GOLDEN_TIME_US,
                             .cluster = (char *)"eu 1"};
    g_autofree char *text = receipt_sign(&receipt, secret);

    cr_expect_str_eq(text, note_golden_receipt);
}

/* Signs the golden receipt's body with one text replaced. */
static void
expect_refused(const char *from, const char *to)
{
    g_autoptr(MinisignSecret) secret = golden_secret();
    gsize body_bytes = 0;
    g_auto(Receipt) receipt = {0};
    g_autoptr(GError) error = NULL;

    cr_assert(note_is_form(note_golden_receipt, strlen(note_golden_receipt), &body_bytes));
    g_autoptr(GString) body = g_string_new_len(note_golden_receipt, (gssize)body_bytes);
    cr_assert_eq(g_string_replace(body, from, to, 0), 1, "%s", from);
    g_autofree char *text = note_sign(secret, body->str);
    cr_assert_not(open_receipt(text, &receipt, &error), "%s", to);
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    cr_expect_not_null(strstr(error->message, "no receipt of version 1"), "%s", error->message);
    cr_expect_null(receipt.customer);
}

Test(receipt, a_note_that_is_no_receipt_is_refused_though_it_is_signed)
{
    expect_refused("millrace.receipt/v1\n", "millrace.receipt/v2\n");
    expect_refused("millrace.receipt/v1\n", "millrace.identity/v1\n");
    expect_refused("job j0", "job k0");
    expect_refused("job j0", "job j");
    expect_refused("customer M\xc3\xbcller & S\xc3\xb6hne\n", "");
    expect_refused("rows 3\n", "rows 03\n");
    expect_refused("rows 3\n", "rows -3\n");
    expect_refused("rows 3\n", "rows 9223372036854775808\n");
    expect_refused("rows 3\n", "rows 3\nrows 4\n");
    expect_refused("manifest 16", "manifest 1G");
    expect_refused("000001Z", "000001+00:00");
    expect_refused("cluster eu 1\n", "cluster eu 1\nmore x\n");
}

Test(receipt, another_key_is_refused)
{
    g_autoptr(MinisignSecret) other = minisign_generate(NULL);
    g_auto(Receipt) receipt = {0};
    g_autoptr(GError) error = NULL;

    cr_expect_not(receipt_open("r", note_golden_receipt, strlen(note_golden_receipt),
                               minisign_public(other), 1, &receipt, &error));
    cr_expect_not_null(strstr(error->message, "none of:"), "%s", error->message);
}
