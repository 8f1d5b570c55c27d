/* test_identity_head.c - heads say what another program signs; scopes and customers have rules.
 * SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <string.h>

#include "formats/identity.h"
#include "formats/note.h"
#include "tests/unit/note_golden.h"

#define PARENT "e47125968b3b71049fbc4802d1e40a71ea1359decfabacf70b34588037d4ff0c"
#define DIGEST "16a0eeb0791b6c92451fd284dd9f599e0a7dbe7f6ebea6e2d2d06c7f74aec112"

static MinisignSecret *
golden_secret(void)
{
    MinisignSecret *secret = minisign_secret_parse("their.key", note_golden_secret, NULL);

    cr_assert_not_null(secret);
    return secret;
}

static gboolean
open_head(const char *text, IdentityHead *head, GError **error)
{
    g_autoptr(MinisignSecret) secret = golden_secret();

    return identity_head_open("a head", text, strlen(text), minisign_public(secret), 1, head,
                              error);
}

Test(identity_head, what_another_program_signed_is_read_and_written_the_same)
{
    g_autoptr(MinisignSecret) secret = golden_secret();
    IdentityHead head;

    cr_assert(open_head(note_golden_head, &head, NULL));
    cr_expect_eq(head.epoch, 7);
    cr_expect_str_eq(head.parent, PARENT);
    cr_expect_str_eq(head.digest, DIGEST);
    cr_expect_eq(head.count, 1234567);
    cr_expect_eq(head.created_us, NOTE_GOLDEN_TIME_US);
    const IdentityHead same = {.epoch = 7,
                               .parent = PARENT,
                               .digest = DIGEST,
                               .count = 1234567,
                               .created_us = NOTE_GOLDEN_TIME_US};
    g_autofree char *text = identity_head_sign(&same, secret);
    cr_expect_str_eq(text, note_golden_head);
}

/* Signs the golden head's body with one text replaced. */
static gboolean
opens_with(const char *from, const char *to)
{
    g_autoptr(MinisignSecret) secret = golden_secret();
    gsize body_bytes = 0;
    IdentityHead head;
    g_autoptr(GError) error = NULL;

    cr_assert(note_is_form(note_golden_head, strlen(note_golden_head), &body_bytes));
    g_autoptr(GString) body = g_string_new_len(note_golden_head, (gssize)body_bytes);
    cr_assert_eq(g_string_replace(body, from, to, 0), 1, "%s", from);
    g_autofree char *text = note_sign(secret, body->str);
    if (open_head(text, &head, &error))
        return TRUE;
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    cr_expect_not_null(strstr(error->message, "no head of identity of version 1"), "%s",
                       error->message);
    return FALSE;
}

Test(identity_head, a_note_that_is_no_head_is_refused_though_it_is_signed)
{
    cr_expect(opens_with("parent " PARENT, "parent none"));
    cr_expect(opens_with("epoch 7\n", "epoch 9223372036854775807\n"));
    cr_expect(opens_with("count 1234567", "count 20000000"));
    cr_expect_not(opens_with("digest " DIGEST, "digest none"));
    cr_expect_not(opens_with("identity/v1", "identity/v2"));
    cr_expect_not(opens_with("identity/v1", "receipt/v1"));
    cr_expect_not(opens_with("epoch 7\n", "epoch 0\n"));
    cr_expect_not(opens_with("epoch 7\n", "epoch 07\n"));
    cr_expect_not(opens_with("epoch 7\n", "epoch -7\n"));
    cr_expect_not(opens_with("epoch 7\n", "epoch 9223372036854775808\n"));
    cr_expect_not(opens_with("epoch 7\n", "epoch 7\nepoch 7\n"));
    cr_expect_not(opens_with("epoch 7\n", ""));
    cr_expect_not(opens_with("count 1234567", "count 20000001"));
    cr_expect_not(opens_with("digest 16", "digest ../"));
    cr_expect_not(opens_with("digest 16", "digest 1A"));
    cr_expect_not(opens_with("created 2026", "created 2026x"));
    cr_expect_not(opens_with(".000001Z\n", ".000001Z\nmore 1\n"));
}

Test(identity_head, another_keys_head_is_refused)
{
    g_autoptr(MinisignSecret) other = minisign_generate(NULL);
    g_autoptr(GError) error = NULL;
    IdentityHead head;

    cr_expect_not(identity_head_open("h", note_golden_head, strlen(note_golden_head),
                                     minisign_public(other), 1, &head, &error));
    cr_expect_not_null(strstr(error->message, "none of:"), "%s", error->message);
}

Test(identity_head, scopes_are_words_with_commas)
{
    static const char *const bad[] = {"", ",", "resize,", "Resize", "all", "resize jobs"};
    guint32 scopes = 0;

    cr_assert(scopes_parse("usage,resize", &scopes, NULL));
    cr_expect_eq(scopes, SCOPE_USAGE | SCOPE_RESIZE);
    g_autofree char *some = scopes_print(scopes);
    cr_expect_str_eq(some, "resize,usage");
    g_autofree char *all = scopes_print(SCOPE_ALL);
    cr_expect_str_eq(all, "resize,jobs,usage");
    cr_assert(scopes_parse("jobs,jobs", &scopes, NULL));
    cr_expect_eq(scopes, SCOPE_JOBS);
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        cr_expect_not(scopes_parse(bad[i], &scopes, &error), "%s", bad[i]);
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE));
    }
}

Test(identity_head, a_customer_can_name_a_folder)
{
    static const char *const good[] = {"acme", "a b", "a.b", "-", "M\xc3\xbcller & S\xc3\xb6hne"};
    static const char *const bad[] = {"", ".", "..", ".a", "/", "a/b", "a\tb", "a\n", "\xc3"};
    g_autofree char *longest = g_strnfill(255, 'x');
    g_autofree char *longer = g_strnfill(256, 'x');

    for (guint i = 0; i < G_N_ELEMENTS(good); i++)
        cr_expect(identity_customer_check(good[i], NULL), "%s", good[i]);
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        cr_expect_not(identity_customer_check(bad[i], NULL), "%s", bad[i]);
    cr_expect(identity_customer_check(longest, NULL));
    cr_expect_not(identity_customer_check(longer, NULL));
}
