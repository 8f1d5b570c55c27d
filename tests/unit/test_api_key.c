/* test_api_key.c - keys have one spelling, and hash to what Python's hashlib says.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/api_key.h"

#include <criterion/criterion.h>
#include <string.h>

static void
fill_counting(guint8 pepper[API_KEY_PEPPER_BYTES])
{
    for (guint i = 0; i < API_KEY_PEPPER_BYTES; i++)
        pepper[i] = (guint8)i;
}

static void
expect_hash(const guint8 *pepper, const char *key, const char *expected)
{
    g_autoptr(ApiKeyHasher) hasher = api_key_hasher_new(pepper);
    guint8 hash[API_KEY_HASH_BYTES];
    char id[API_KEY_ID_CHARS + 1];
    g_autoptr(GString) hex = g_string_new(NULL);

    /* Twice: the first leaves nothing behind. */
    cr_assert(api_key_hash(hasher, key, strlen(key), hash));
    cr_assert(api_key_hash(hasher, key, strlen(key), hash));
    for (guint i = 0; i < sizeof hash; i++)
        g_string_append_printf(hex, "%02x", hash[i]);
    cr_expect_str_eq(hex->str, expected);
    api_key_id(hash, id);
    cr_expect(strlen(id) == 12 && g_str_has_prefix(expected, id), "%s", id);
}

/* hashlib.blake2b(key.encode(), digest_size=32, key=pepper).hexdigest() */
Test(api_key, hashes_are_those_of_hashlib)
{
    static const char zeros[] = "mr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    guint8 counting[API_KEY_PEPPER_BYTES];
    guint8 ones[API_KEY_PEPPER_BYTES];

    fill_counting(counting);
    memset(ones, 0xff, sizeof ones);
    expect_hash(counting, zeros,
                "befebdc364df8cbcd581a30d3880098fb445b63a3d2c4c8e028d69f28dc3ac6e");
    expect_hash(ones, zeros, "acd0f740831390929ddeeebe5471b5afc792a04e474ac27574ccf12546940d9a");
    expect_hash(counting, "mr_yMnKy8zNzs_Q0dLT1NXW19jZ2tvc3d7f4OHi4-Tl5uc",
                "caf29b9157b13c002567d1344f9190eeee43e8779267505eb8cbb52ffba2156a");
}

Test(api_key, what_is_drawn_is_32_bytes_in_base64url_and_never_the_same)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    guint8 pepper[API_KEY_PEPPER_BYTES];
    guint8 hash[API_KEY_HASH_BYTES];
    guint8 any[32] = {0};

    fill_counting(pepper);
    g_autoptr(ApiKeyHasher) hasher = api_key_hasher_new(pepper);
    for (guint i = 0; i < 1000; i++) {
        char key[API_KEY_CHARS + 1];
        gsize size_bytes = 0;
        api_key_draw(key);
        cr_assert(api_key_hash(hasher, key, strlen(key), hash));
        cr_assert(g_hash_table_add(seen, g_strdup(key)));
        /* GLib's decoder wants the other alphabet, and padding. */
        g_autofree char *base64 = g_strconcat(key + 3, "=", NULL);
        g_strdelimit(base64, "-", '+');
        g_strdelimit(base64, "_", '/');
        g_autofree guchar *bytes = g_base64_decode(base64, &size_bytes);
        cr_assert_eq(size_bytes, 32);
        g_autofree char *again = g_base64_encode(bytes, size_bytes);
        cr_assert_str_eq(again, base64);
        for (guint j = 0; j < 32; j++)
            any[j] |= bytes[j];
    }
    for (guint j = 0; j < 32; j++)
        cr_expect_eq(any[j], 0xff, "every bit of byte %u is drawn", j);
}

Test(api_key, another_spelling_is_no_key)
{
    static const char good[] = "mr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    static const struct {
        guint at;
        char character;
    } wrong[] = {{0, 'M'},   {2, '-'},     {3, '='},  {10, '+'}, {10, '/'}, {10, ' '},
                 {10, '\0'}, {10, '\xc3'}, {45, 'B'}, {45, 'D'}, {45, '_'}, {45, '='}};
    guint8 pepper[API_KEY_PEPPER_BYTES] = {0};
    guint8 hash[API_KEY_HASH_BYTES];
    g_autoptr(ApiKeyHasher) hasher = api_key_hasher_new(pepper);

    cr_expect(api_key_hash(hasher, good, API_KEY_CHARS, hash));
    cr_expect_not(api_key_hash(hasher, good, API_KEY_CHARS - 1, hash));
    cr_expect_not(api_key_hash(hasher, good, API_KEY_CHARS + 1, hash));
    cr_expect_not(api_key_hash(hasher, "", 0, hash));
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *text = g_strdup(good);
        text[wrong[i].at] = wrong[i].character;
        cr_expect_not(api_key_hash(hasher, text, API_KEY_CHARS, hash), "%u", i);
    }
}
