/* identity_fixture.h - a publisher of identity that is told what to publish.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TESTS_IDENTITY_FIXTURE_H
#define MILLRACE_TESTS_IDENTITY_FIXTURE_H

#include "formats/identity.h"
#include "tests/unit/scratch.h"

#pragma GCC diagnostic ignored "-Wunused-function"

typedef struct {
    MinisignSecret *secret;
    char *folder;
    char *name; /* of the last snapshot */
    char parent[IDENTITY_DIGEST_CHARS + 1];
} Publisher;

static const guint8 publisher_pepper[API_KEY_PEPPER_BYTES] = "the pepper of all these fixtures";

static Publisher
publisher_new(const char *folder)
{
    Publisher publisher = {
        .secret = minisign_generate(NULL), .folder = g_strdup(folder), .parent = "none"};

    cr_assert_not_null(publisher.secret);
    return publisher;
}

static void
publisher_clear(Publisher *publisher)
{
    minisign_secret_free(publisher->secret);
    g_free(publisher->folder);
    g_free(publisher->name);
}

/* The key with a number: mr_AAA…00000nA, say. */
static void
publisher_key(guint n, char text[API_KEY_CHARS + 1])
{
    g_snprintf(text, API_KEY_CHARS + 1, "mr_%042uA", n);
}

typedef struct {
    guint8 hash[API_KEY_HASH_BYTES];
    IdentityKey key;
} PublishedKey;

static gint
publisher_compare(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, API_KEY_HASH_BYTES);
}

/* The keys from first on, sorted by hash. (transfer full) */
static GArray *
publisher_keys(guint first, guint count)
{
    GArray *keys = g_array_new(FALSE, TRUE, sizeof(PublishedKey));
    g_autoptr(ApiKeyHasher) hasher = api_key_hasher_new(publisher_pepper);

    for (guint n = first; n < first + count; n++) {
        PublishedKey key = {.key = {.scopes = SCOPE_RESIZE | SCOPE_USAGE,
                                    .rate_per_s = 50,
                                    .burst = 7,
                                    .daily_quota = 1000000,
                                    .expires_us = G_MAXINT64}};
        char text[API_KEY_CHARS + 1];
        publisher_key(n, text);
        g_snprintf(key.key.customer, sizeof key.key.customer, "customer %u", n);
        cr_assert(api_key_hash(hasher, text, API_KEY_CHARS, key.hash));
        g_array_append_val(keys, key);
    }
    g_array_sort(keys, publisher_compare);
    return keys;
}

static void
publisher_build(const char *path, guint first, guint count, char digest[IDENTITY_DIGEST_CHARS + 1])
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) keys = publisher_keys(first, count);
    g_autoptr(IdentityBuilder) builder =
        identity_builder_new(path, publisher_pepper, count, &error);

    cr_assert_not_null(builder, "%s", error ? error->message : "");
    for (guint i = 0; i < keys->len; i++) {
        const PublishedKey *key = &g_array_index(keys, PublishedKey, i);
        cr_assert(identity_builder_add(builder, key->hash, &key->key, &error));
    }
    cr_assert(identity_builder_close(g_steal_pointer(&builder), digest, &error));
}

/* Publishes the keys from first on. */
static void
publisher_publish(Publisher *publisher, guint64 epoch, guint first, guint count)
{
    IdentityHead head = {.epoch = epoch, .count = count, .created_us = 1700000000000000};
    g_autofree char *path = g_build_filename(publisher->folder, "new", NULL);
    g_autofree char *head_path = g_build_filename(publisher->folder, IDENTITY_HEAD_FILE, NULL);

    cr_assert_eq(g_mkdir_with_parents(publisher->folder, 0755), 0);
    publisher_build(path, first, count, head.digest);
    memcpy(head.parent, publisher->parent, sizeof head.parent);
    memcpy(publisher->parent, head.digest, sizeof head.digest);
    g_free(publisher->name);
    publisher->name = g_strconcat("snapshot-", head.digest, ".lmdb", NULL);
    g_autofree char *final = g_build_filename(publisher->folder, publisher->name, NULL);
    cr_assert_eq(rename(path, final), 0);
    g_autofree char *text = identity_head_sign(&head, publisher->secret);
    cr_assert(g_file_set_contents(head_path, text, -1, NULL));
}

#endif
