/* test_identity_snapshot.c - a snapshot has all keys that were put in and no other, and the same
 * keys make the same file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/identity_internal.h"
#include "tests/unit/identity_fixture.h"

/* (transfer full) the snapshot of so many keys. */
static IdentitySnapshot *
open_new(const Scratch *scratch, const char *name, guint count, char *digest)
{
    g_autofree char *path = g_build_filename(scratch->path, name, NULL);
    g_autoptr(GError) error = NULL;

    publisher_build(path, 0, count, digest);
    IdentitySnapshot *snapshot = identity_snapshot_open(path, &error);
    cr_assert_not_null(snapshot, "%s", error ? error->message : "");
    return snapshot;
}

Test(identity_snapshot, every_key_is_found_with_what_is_known_of_it_and_no_other)
{
    enum { COUNT = 20000 };
    g_auto(Scratch) scratch = scratch_new();
    char digest[IDENTITY_DIGEST_CHARS + 1];
    g_autoptr(IdentitySnapshot) snapshot = open_new(&scratch, "s", COUNT, digest);
    g_autoptr(GArray) keys = publisher_keys(0, 2 * COUNT);
    guint found = 0;

    cr_expect_eq(identity_snapshot_count(snapshot), COUNT);
    cr_expect_eq(memcmp(identity_snapshot_pepper(snapshot), publisher_pepper, 32), 0);
    for (guint i = 0; i < keys->len; i++) {
        const PublishedKey *key = &g_array_index(keys, PublishedKey, i);
        IdentityKey got;
        gboolean expected = g_ascii_strtoull(strchr(key->key.customer, ' '), NULL, 10) < COUNT;
        cr_assert_eq(identity_snapshot_find(snapshot, key->hash, &got), expected);
        if (!expected)
            continue;
        found++;
        cr_assert_str_eq(got.customer, key->key.customer);
        cr_assert(got.scopes == key->key.scopes && got.rate_per_s == 50 && got.burst == 7 &&
                  got.daily_quota == 1000000 && got.expires_us == G_MAXINT64);
    }
    cr_expect_eq(found, COUNT);
}

Test(identity_snapshot, one_without_keys_finds_none)
{
    g_auto(Scratch) scratch = scratch_new();
    char digest[IDENTITY_DIGEST_CHARS + 1];
    g_autoptr(IdentitySnapshot) snapshot = open_new(&scratch, "s", 0, digest);
    guint8 hash[API_KEY_HASH_BYTES] = {0};
    IdentityKey key;

    cr_expect_eq(identity_snapshot_count(snapshot), 0);
    cr_expect_not(identity_snapshot_find(snapshot, hash, &key));
}

Test(identity_snapshot, the_same_keys_make_the_same_bytes_whatever_was_in_memory)
{
    g_auto(Scratch) scratch = scratch_new();
    char digests[3][IDENTITY_DIGEST_CHARS + 1];
    gsize size_bytes = 0;

    identity_snapshot_free(open_new(&scratch, "a", 5000, digests[0]));
    /* Memory that the second finds is full of something else. */
    g_autoptr(GPtrArray) dirt = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < 2000; i++)
        g_ptr_array_add(dirt, g_strnfill(4096 + i % 64, (char)(i | 1)));
    g_ptr_array_set_size(dirt, 0);
    identity_snapshot_free(open_new(&scratch, "b", 5000, digests[1]));
    identity_snapshot_free(open_new(&scratch, "c", 4999, digests[2]));
    g_autofree char *bytes = scratch_get(&scratch, "a", &size_bytes);
    g_autofree char *sum =
        g_compute_checksum_for_data(G_CHECKSUM_SHA256, (guchar *)bytes, size_bytes);
    cr_expect_str_eq(digests[0], sum, "the digest is of the file");
    cr_expect_str_eq(digests[0], digests[1]);
    cr_expect_neq(strcmp(digests[0], digests[2]), 0);
}

Test(identity_snapshot, a_file_is_as_large_as_was_promised_at_most)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "s", NULL);
    char digest[IDENTITY_DIGEST_CHARS + 1];
    enum { COUNT = 20000 };
    g_autoptr(IdentityBuilder) builder = identity_builder_new(path, publisher_pepper, COUNT, NULL);
    IdentityKey key = {.scopes = SCOPE_ALL, .expires_us = 1};
    struct stat status;

    /* The longest customers there are. */
    memset(key.customer, 'x', IDENTITY_CUSTOMER_MAX);
    for (guint i = 0; i < COUNT; i++) {
        guint8 hash[API_KEY_HASH_BYTES] = {(guint8)(i >> 16), (guint8)(i >> 8), (guint8)i};
        cr_assert(identity_builder_add(builder, hash, &key, NULL));
    }
    cr_assert(identity_builder_close(g_steal_pointer(&builder), digest, NULL));
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_leq((guint64)status.st_size, identity_snapshot_max_bytes(COUNT));
    cr_expect_geq(status.st_size, COUNT * 255);
}

Test(identity_snapshot, an_abandoned_one_leaves_no_file)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "s", NULL);

    identity_builder_abandon(identity_builder_new(path, publisher_pepper, 10, NULL));
    g_autofree char *names = scratch_list(&scratch);
    cr_expect_str_eq(names, "");
}

Test(identity_snapshot, where_nothing_can_be_written_it_says_so)
{
    g_autoptr(GError) error = NULL;

    cr_expect_null(identity_builder_new("/no/such/folder/s", publisher_pepper, 10, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE), "%s",
              error->message);
}

Test(identity_snapshot, a_file_that_is_none_is_refused)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *junk = g_strnfill(20000, 'x');
    g_autofree char *path = g_build_filename(scratch.path, "s", NULL);
    g_autoptr(GError) error = NULL;

    scratch_put(&scratch, "s", junk, 20000);
    cr_expect_null(identity_snapshot_open(path, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT), "%s", error->message);
    g_clear_error(&error);
    scratch_put(&scratch, "s", "", 0);
    cr_expect_null(identity_snapshot_open(path, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT), "%s", error->message);
}

/* scopes 5, rate 50, burst 7, quota 1000, expires -1, "ab": by hand from formats/README.md. */
static const guint8 record[] = {5,    0,    0,    0,    50,   0,    0,    0,    7,   0,
                                0,    0,    0xe8, 3,    0,    0,    0,    0,    0,   0,
                                0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'a', 'b'};

Test(identity_snapshot, a_record_is_as_the_specification_says)
{
    IdentityKey key = {0};

    cr_assert(identity_record_parse(record, sizeof record, &key));
    cr_expect_eq(key.scopes, SCOPE_RESIZE | SCOPE_USAGE);
    cr_expect_eq(key.rate_per_s, 50);
    cr_expect_eq(key.burst, 7);
    cr_expect_eq(key.daily_quota, 1000);
    cr_expect_eq(key.expires_us, -1);
    cr_expect_str_eq(key.customer, "ab");
}

Test(identity_snapshot, a_record_that_is_none_is_no_key)
{
    guint8 bytes[28 + 256];
    IdentityKey key;

    for (gsize size_bytes = 0; size_bytes <= 28; size_bytes++)
        cr_expect_not(identity_record_parse(record, size_bytes, &key));
    memset(bytes, 'x', sizeof bytes);
    memcpy(bytes, record, 28);
    cr_expect(identity_record_parse(bytes, 28 + 255, &key));
    cr_expect_not(identity_record_parse(bytes, 28 + 256, &key));
    bytes[30] = '\0';
    cr_expect_not(identity_record_parse(bytes, 40, &key), "a NUL within the customer");
    bytes[30] = 'x';
    bytes[0] = 0x0d;
    cr_expect_not(identity_record_parse(bytes, 40, &key), "a scope that is not known");
    bytes[0] = 5;
    bytes[8] = 0;
    cr_expect_not(identity_record_parse(bytes, 40, &key), "a rate without a burst");
}
