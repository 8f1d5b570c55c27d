/* fuzz_identity_head.c - what is no note of ours is never taken for a head or a receipt; what is
 * one is signed again as the same bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/identity.h"
#include "formats/note.h"
#include "formats/receipt.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

/* The key that the corpus is signed with. */
static const char secret_text[] =
    "untrusted comment: minisign encrypted secret key\n"
    "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAarbyjhZY"
    "wpNjFZP6t69EmGUmK63TvbNOL2hJLT7LQtG1MBg35yx5hiNq+kfaz6GtvTse/7kUbAbFkwrXb27TpT9F"
    "NNg2P+mtAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    "\n";

static MinisignSecret *
secret(void)
{
    static MinisignSecret *parsed;

    if (!parsed)
        parsed = minisign_secret_parse("fuzz", secret_text, NULL);
    g_assert_nonnull(parsed);
    return parsed;
}

/* Whatever can be opened is what would be signed. */
static void
check_same(const char *again, const char *text, gsize size_bytes)
{
    g_assert_cmpmem(again, strlen(again), text, size_bytes);
}

static void
check(const char *text, gsize size_bytes)
{
    const MinisignPublic *key = minisign_public(secret());
    IdentityHead head;
    Receipt receipt;
    gsize body_bytes = 0;
    g_autoptr(GError) error = NULL;
    g_autofree char *body = note_open("fuzz", text, size_bytes, key, 1, NULL, &error);

    g_assert_true((body == NULL) == (error != NULL));
    if (body) {
        g_assert_true(note_is_form(text, size_bytes, &body_bytes));
        g_assert_cmpuint(body_bytes, ==, strlen(body));
        g_autofree char *again = note_sign(secret(), body);
        check_same(again, text, size_bytes);
        g_free(note_value(body, "epoch"));
    }
    if (identity_head_open("fuzz", text, size_bytes, key, 1, &head, NULL)) {
        g_assert_nonnull(body);
        g_autofree char *again = identity_head_sign(&head, secret());
        check_same(again, text, size_bytes);
    }
    if (receipt_open("fuzz", text, size_bytes, key, 1, &receipt, NULL)) {
        g_assert_nonnull(body);
        g_autofree char *again = receipt_sign(&receipt, secret());
        check_same(again, text, size_bytes);
        receipt_clear(&receipt);
    }
}

/* The input as it is; then as a body, so that what lies behind the signature is met, too. */
int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    const char *text = size_bytes > 0 ? (const char *)data : "";
    gsize body_bytes = 0;

    check(text, size_bytes);
    if (size_bytes > NOTE_MAX_BYTES / 2)
        return 0;
    if (!note_is_form(text, size_bytes, &body_bytes))
        body_bytes = size_bytes;
    g_autofree char *escaped = g_utf8_make_valid(text, (gssize)body_bytes);
    g_autoptr(GString) body = g_string_new(NULL);
    for (const char *at = escaped; *at; at = g_utf8_next_char(at)) {
        gunichar character = g_utf8_get_char(at);
        if (character == '\n' || !g_unichar_iscntrl(character))
            g_string_append_unichar(body, character);
    }
    if (!g_str_has_suffix(body->str, "\n"))
        g_string_append_c(body, '\n');
    if (body->len > NOTE_MAX_BYTES - 256)
        return 0;
    g_autofree char *note = note_sign(secret(), body->str);
    check(note, strlen(note));
    return 0;
}
