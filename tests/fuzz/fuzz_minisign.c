/* fuzz_minisign.c - what is read as a key is written and read again the same; what is no signature
 * of ours is never taken for one.
 * SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>

#include "formats/minisign.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

static void
check_public(const char *text)
{
    MinisignPublic key;
    MinisignPublic again;
    g_autoptr(GError) error = NULL;

    if (!minisign_public_parse("fuzz", text, &key, &error)) {
        g_assert_nonnull(error);
        return;
    }
    g_autofree char *printed = minisign_public_print(&key);
    g_assert_true(minisign_public_parse("fuzz", printed, &again, NULL));
    g_assert_cmpmem(&key, sizeof key, &again, sizeof again);
}

static void
check_secret(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(MinisignSecret) secret = minisign_secret_parse("fuzz", text, &error);

    g_assert_true((secret == NULL) == (error != NULL));
    if (!secret)
        return;
    g_autofree char *printed = minisign_secret_print(secret);
    g_autoptr(MinisignSecret) again = minisign_secret_parse("fuzz", printed, NULL);
    g_assert_nonnull(again);
    g_autofree char *printed_again = minisign_secret_print(again);
    g_assert_cmpstr(printed, ==, printed_again);
}

/* The key that the corpus' signatures of "record" are by. */
static void
check_signature(const char *text)
{
    static const char public_text[] = "untrusted comment: minisign public key 93C258168EF2B66A\n"
                                      "RWRqtvKOFljCkyNq+kfaz6GtvTse/7kUbAbFkwrXb27TpT9FNNg2P+mt\n";
    MinisignPublic key;
    g_autofree char *comment = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(minisign_public_parse("fuzz", public_text, &key, NULL));
    gboolean holds = minisign_verify(&key, "record", 6, text, FALSE, &comment, &error);
    g_assert_true(holds == (error == NULL) && holds == (comment != NULL));
    g_assert_false(minisign_verify(&key, "another", 7, text, FALSE, NULL, NULL));
    if (!holds)
        g_assert_false(minisign_verify(&key, "record", 6, text, TRUE, NULL, NULL));
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    g_autofree char *text = g_strndup(size_bytes > 0 ? (const char *)data : "", size_bytes);

    check_public(text);
    check_secret(text);
    check_signature(text);
    return 0;
}
