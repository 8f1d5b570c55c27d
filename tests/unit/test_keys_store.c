/* test_keys_store.c - every change is committed and published, and what a killed process left is
 * made good by the next.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/keys_store.h"

#include "jobs/identity_edge.h"
#include "jobs/sqlite.h"
#include "tests/unit/scratch.h"

typedef struct {
    Scratch scratch;
    char *state;
    KeysStore *store;
} Fixture;

static Fixture
fixture_new(void)
{
    Fixture fixture = {.scratch = scratch_new()};
    g_autoptr(GError) error = NULL;

    fixture.state = g_build_filename(fixture.scratch.path, "the state", NULL);
    cr_assert(keys_state_init(fixture.state, &error), "%s", error ? error->message : "");
    fixture.store = keys_store_open(fixture.state, &error);
    cr_assert_not_null(fixture.store, "%s", error ? error->message : "");
    return fixture;
}

static void
fixture_clear(Fixture *fixture)
{
    keys_store_free(fixture->store);
    g_free(fixture->state);
    scratch_release(&fixture->scratch);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_clear)

static MinisignPublic
read_publisher(const Fixture *fixture)
{
    gsize size_bytes = 0;
    MinisignPublic key;
    g_autofree char *text =
        scratch_get(&fixture->scratch, "the state/identity/publisher.pub", &size_bytes);

    cr_assert_not_null(text);
    cr_assert(minisign_public_parse("publisher.pub", text, &key, NULL));
    return key;
}

/* What a door sees that starts now. */
static IdentityEdge *
open_edge(const Fixture *fixture)
{
    MinisignPublic key = read_publisher(fixture);
    g_autofree char *source = g_build_filename(fixture->state, STATE_PUBLISHED, NULL);
    g_autofree char *cache = g_build_filename(fixture->scratch.path, "cache", NULL);
    const char *const sources[] = {source, NULL};
    g_autoptr(GError) error = NULL;
    IdentityEdge *edge = identity_edge_open(cache, sources, &key, 1, &error);

    cr_assert_not_null(edge, "%s", error ? error->message : "");
    return edge;
}

static gboolean
door_finds(const Fixture *fixture, const char *text, IdentityKey *key)
{
    g_autoptr(IdentityEdge) edge = open_edge(fixture);

    return identity_edge_find(edge, text, strlen(text), key);
}

static IdentityHead
published_head(const Fixture *fixture)
{
    IdentityEdgeState state;
    g_autoptr(IdentityEdge) edge = open_edge(fixture);

    identity_edge_state(edge, &state);
    return state.head;
}

static const KeysWish plain = {.customer = "acme",
                               .scopes = SCOPE_RESIZE,
                               .rate_per_s = 50,
                               .burst = 100,
                               .daily_quota = 12345678901,
                               .expires_us = G_MAXINT64};

static void
add(Fixture *fixture, const KeysWish *wish, char key[API_KEY_CHARS + 1])
{
    g_autoptr(GError) error = NULL;

    cr_assert(keys_store_add(fixture->store, wish, key, &error), "%s", error ? error->message : "");
    cr_assert_eq(strlen(key), API_KEY_CHARS);
}

static guint
mode_of(const Fixture *fixture, const char *name)
{
    g_autofree char *path = g_build_filename(fixture->scratch.path, name, NULL);
    struct stat status;

    cr_assert_eq(lstat(path, &status), 0, "%s", name);
    return status.st_mode & 0777;
}

Test(keys_store, a_state_is_its_owners_alone_and_publishes_no_keys_at_first)
{
    umask(022);
    g_auto(Fixture) fixture = fixture_new();

    cr_expect_eq(mode_of(&fixture, "the state"), 0700);
    cr_expect_eq(mode_of(&fixture, "the state/identity"), 0700);
    cr_expect_eq(mode_of(&fixture, "the state/identity/keys.sqlite"), 0600);
    cr_expect_eq(mode_of(&fixture, "the state/identity/keys.sqlite-wal"), 0600);
    cr_expect_eq(mode_of(&fixture, "the state/identity/publisher.key"), 0600);
    cr_expect_eq(mode_of(&fixture, "the state/identity/publisher.pub"), 0644);
    cr_expect_eq(mode_of(&fixture, "the state/door.key"), 0600);
    cr_expect_eq(mode_of(&fixture, "the state/door.pub"), 0644);
    IdentityHead head = published_head(&fixture);
    cr_expect_eq(head.epoch, 1);
    cr_expect_eq(head.count, 0);
    cr_expect_str_eq(head.parent, "none");
}

Test(keys_store, a_complete_state_is_never_made_again)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(GError) error = NULL;
    gsize size_bytes = 0;
    g_autofree char *before =
        scratch_get(&fixture.scratch, "the state/identity/publisher.key", &size_bytes);

    cr_assert_not(keys_state_init(fixture.state, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE));
    g_autofree char *after =
        scratch_get(&fixture.scratch, "the state/identity/publisher.key", &size_bytes);
    cr_expect_str_eq(before, after);
    cr_expect_eq(published_head(&fixture).epoch, 1);
}

static void
remove_in(const Fixture *fixture, const char *name)
{
    g_autofree char *path = g_build_filename(fixture->state, name, NULL);

    cr_assert_eq(remove(path), 0, "%s", name);
}

Test(keys_store, what_a_killed_init_left_is_completed)
{
    static const char *const lost[] = {"door.pub", "identity/publisher.pub",
                                       "identity/published/head"};
    char key[API_KEY_CHARS + 1];
    IdentityKey found;

    for (guint i = 0; i < G_N_ELEMENTS(lost); i++) {
        g_auto(Fixture) fixture = fixture_new();
        g_autoptr(GError) error = NULL;
        remove_in(&fixture, lost[i]);
        cr_assert(keys_state_init(fixture.state, &error), "%s", error ? error->message : "");
        add(&fixture, &plain, key);
        cr_expect(door_finds(&fixture, key, &found), "without %s", lost[i]);
    }
}

Test(keys_store, a_key_is_published_before_it_is_told)
{
    g_auto(Fixture) fixture = fixture_new();
    char key[API_KEY_CHARS + 1];
    IdentityKey found;

    add(&fixture, &plain, key);
    cr_assert(door_finds(&fixture, key, &found));
    cr_expect_str_eq(found.customer, "acme");
    cr_expect_eq(found.scopes, SCOPE_RESIZE);
    cr_expect_eq(found.rate_per_s, 50);
    cr_expect_eq(found.burst, 100);
    cr_expect_eq(found.daily_quota, 12345678901);
    cr_expect_eq(found.expires_us, G_MAXINT64);
    cr_expect_eq(published_head(&fixture).epoch, 2);
    cr_expect_eq(published_head(&fixture).count, 1);
}

/* Looks for text in all files below a folder. */
static gboolean
tree_has(const char *folder, const char *text)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name = NULL;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autofree char *bytes = NULL;
        gsize size_bytes = 0;
        if (g_file_test(path, G_FILE_TEST_IS_DIR)
                ? tree_has(path, text)
                : g_file_get_contents(path, &bytes, &size_bytes, NULL) &&
                      memmem(bytes, size_bytes, text, strlen(text)))
            return TRUE;
    }
    return FALSE;
}

Test(keys_store, no_key_is_on_the_disk_in_clear)
{
    g_auto(Fixture) fixture = fixture_new();
    char key[API_KEY_CHARS + 1];

    add(&fixture, &plain, key);
    cr_expect(tree_has(fixture.state, "acme"), "the search finds what is there");
    cr_expect_not(tree_has(fixture.state, key));
    cr_expect_not(tree_has(fixture.state, key + strlen(API_KEY_PREFIX)));
}

Test(keys_store, a_revoked_key_is_unknown_and_stays_so)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(GError) error = NULL;
    char keys[2][API_KEY_CHARS + 1];
    IdentityKey found;

    add(&fixture, &plain, keys[0]);
    add(&fixture, &plain, keys[1]);
    cr_assert(door_finds(&fixture, keys[0], &found));
    cr_assert(keys_store_revoke(fixture.store, found.id, &error));
    cr_expect_not(door_finds(&fixture, keys[0], &found));
    cr_expect(door_finds(&fixture, keys[1], &found));
    IdentityHead head = published_head(&fixture);
    cr_expect_eq(head.epoch, 4);
    cr_expect_eq(head.count, 1);
}

static gboolean
remember_row(const KeysRow *row, gpointer data)
{
    g_ptr_array_add(data, g_strdup_printf("%s %s %s %d", row->key->customer, row->key->id,
                                          row->note, row->revoked_us != 0));
    return TRUE;
}

/* (transfer full) */
static GPtrArray *
list(Fixture *fixture, const char *customer)
{
    GPtrArray *rows = g_ptr_array_new_with_free_func(g_free);

    cr_assert(keys_store_list(fixture->store, customer, remember_row, rows, NULL));
    return rows;
}

Test(keys_store, the_list_is_by_customer_and_then_in_the_order_of_making)
{
    g_auto(Fixture) fixture = fixture_new();
    const KeysWish last = {
        .customer = "zoo", .scopes = SCOPE_ALL, .expires_us = 1, .note = "first made"};
    char key[API_KEY_CHARS + 1];
    guint count = 0;

    add(&fixture, &last, key);
    KeysWish wish = plain;
    wish.note = "one";
    add(&fixture, &wish, key);
    wish.note = "two";
    add(&fixture, &wish, key);
    cr_assert(keys_store_revoke_customer(fixture.store, "zoo", &count, NULL));
    cr_expect_eq(count, 1);
    g_autoptr(GPtrArray) rows = list(&fixture, NULL);
    cr_assert_eq(rows->len, 3);
    cr_expect(g_str_has_prefix(rows->pdata[0], "acme ") &&
              g_str_has_suffix(rows->pdata[0], " one 0"));
    cr_expect(g_str_has_suffix(rows->pdata[1], " two 0"));
    cr_expect(g_str_has_prefix(rows->pdata[2], "zoo ") &&
              g_str_has_suffix(rows->pdata[2], " first made 1"));
    g_autoptr(GPtrArray) own = list(&fixture, "zoo");
    cr_expect_eq(own->len, 1);
}

Test(keys_store, a_rotated_key_has_its_predecessors_rights_and_lifetime)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(GError) error = NULL;
    const gint64 day_us = G_TIME_SPAN_DAY;
    const gint64 grace_us = G_TIME_SPAN_HOUR;
    char keys[2][API_KEY_CHARS + 1];
    IdentityKey old;
    IdentityKey new;
    KeysWish wish = plain;

    wish.expires_us = g_get_real_time() + 90 * day_us;
    add(&fixture, &wish, keys[0]);
    cr_assert(door_finds(&fixture, keys[0], &old));
    cr_assert(keys_store_rotate(fixture.store, old.id, grace_us, keys[1], &error), "%s",
              error ? error->message : "");
    gint64 now_us = g_get_real_time();
    cr_assert(door_finds(&fixture, keys[0], &old));
    cr_assert(door_finds(&fixture, keys[1], &new));
    cr_expect_leq(ABS(old.expires_us - now_us - grace_us), 60 * G_USEC_PER_SEC);
    cr_expect_leq(ABS(new.expires_us - now_us - 90 * day_us), 60 * G_USEC_PER_SEC);
    cr_expect_str_eq(new.customer, "acme");
    cr_expect_eq(new.scopes, plain.scopes);
    cr_expect_eq(new.burst, plain.burst);
    cr_expect_neq(strcmp(new.id, old.id), 0);
    cr_assert(keys_store_revoke(fixture.store, old.id, NULL));
    cr_expect_not(keys_store_rotate(fixture.store, old.id, 0, keys[1], &error));
    cr_expect_not_null(strstr(error->message, "is revoked"), "%s", error->message);
}

static void
expect_no_revoke(Fixture *fixture, const char *id, int kind, const char *reason)
{
    g_autoptr(GError) error = NULL;

    cr_assert_not(keys_store_revoke(fixture->store, id, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, kind), "%s", error->message);
    cr_expect_not_null(strstr(error->message, reason), "%s", error->message);
}

Test(keys_store, an_id_that_is_none_is_refused_and_a_key_is_not_repeated)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(GError) error = NULL;
    char key[API_KEY_CHARS + 1];
    guint count = 0;

    add(&fixture, &plain, key);
    expect_no_revoke(&fixture, "0123456789ab", MILLRACE_ERROR_NO_INPUT, "no key has the id");
    expect_no_revoke(&fixture, "012", MILLRACE_ERROR_USAGE, "4 to 12 digits");
    expect_no_revoke(&fixture, "ABCDEF", MILLRACE_ERROR_USAGE, "4 to 12 digits");
    expect_no_revoke(&fixture, "a%b_", MILLRACE_ERROR_USAGE, "4 to 12 digits");
    expect_no_revoke(&fixture, key, MILLRACE_ERROR_USAGE, "not the key itself");
    keys_store_revoke(fixture.store, key, &error);
    cr_expect_null(strstr(error->message, key));
    g_clear_error(&error);
    cr_expect_not(keys_store_revoke_customer(fixture.store, "nobody", &count, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT));
    cr_expect_eq(published_head(&fixture).epoch, 2, "nothing of this was published");
}

Test(keys_store, customers_that_could_be_no_folder_are_refused)
{
    static const char *const bad[] = {"", ".", "..", ".hidden", "a/b", "a\nb", "\xff", "a\x7f"};
    g_auto(Fixture) fixture = fixture_new();
    char key[API_KEY_CHARS + 1];

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        KeysWish wish = plain;
        g_autoptr(GError) error = NULL;
        wish.customer = bad[i];
        cr_expect_not(keys_store_add(fixture.store, &wish, key, &error));
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE));
    }
    KeysWish wish = plain;
    g_autofree char *longest = g_strnfill(255, 'x');
    wish.customer = longest;
    add(&fixture, &wish, key);
    wish.customer = "Müller & Söhne, O'Brien; DROP TABLE key";
    add(&fixture, &wish, key);
    IdentityKey found;
    cr_assert(door_finds(&fixture, key, &found));
    cr_expect_str_eq(found.customer, "Müller & Söhne, O'Brien; DROP TABLE key");
}

Test(keys_store, what_was_committed_but_not_published_comes_with_the_next_publish)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *in_the_way =
        g_build_filename(fixture.state, STATE_PUBLISHED, ".snapshot.tmp", NULL);
    char keys[2][API_KEY_CHARS + 1];
    IdentityKey found;
    IdentityHead head;

    add(&fixture, &plain, keys[0]);
    cr_assert(door_finds(&fixture, keys[0], &found));
    cr_assert_eq(mkdir(in_the_way, 0700), 0); /* where the snapshot is to be built */
    cr_expect_not(keys_store_revoke(fixture.store, found.id, &error));
    cr_expect(g_str_has_prefix(error->message, "revoked, but not published: run millrace keys "
                                               "publish: "),
              "%s", error->message);
    g_clear_error(&error);
    cr_expect_not(keys_store_add(fixture.store, &plain, keys[1], &error));
    cr_expect(door_finds(&fixture, keys[0], &found), "doors serve on by what they have");
    g_autoptr(GPtrArray) rows = list(&fixture, NULL);
    cr_expect_eq(rows->len, 1, "a key that nobody was told is forgotten");
    cr_assert_eq(rmdir(in_the_way), 0);
    cr_assert(keys_store_publish(fixture.store, &head, NULL));
    cr_expect_not(door_finds(&fixture, keys[0], &found));
}

Test(keys_store, a_store_that_was_restored_publishes_beyond_what_was_seen)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autofree char *path = g_build_filename(fixture.state, "identity", "keys.sqlite", NULL);
    IdentityHead head;

    for (guint i = 0; i < 4; i++)
        cr_assert(keys_store_publish(fixture.store, &head, NULL));
    cr_expect_eq(head.epoch, 5);
    {
        sqlite3 *db = NULL;
        cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
        cr_assert_eq(sqlite3_exec(db, "UPDATE meta SET epoch = 2", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
    }
    cr_assert(keys_store_publish(fixture.store, &head, NULL));
    cr_expect_eq(head.epoch, 6);
}

Test(keys_store, each_head_names_the_one_before_and_the_last_three_snapshots_are_kept)
{
    g_auto(Fixture) fixture = fixture_new();
    char key[API_KEY_CHARS + 1];
    IdentityHead before = published_head(&fixture);

    for (guint i = 0; i < 5; i++) {
        add(&fixture, &plain, key);
        IdentityHead head = published_head(&fixture);
        cr_expect_str_eq(head.parent, before.digest);
        before = head;
    }
    const Scratch published = {.path = g_build_filename(fixture.state, STATE_PUBLISHED, NULL)};
    g_autofree char *names = scratch_list(&published);
    g_auto(GStrv) each = g_strsplit(names, " ", -1);
    cr_expect_eq(g_strv_length(each), 4, "%s", names);
    cr_expect_not_null(strstr(names, before.digest));
    g_free(published.path);
}

static gpointer
add_many(gpointer state)
{
    g_autoptr(KeysStore) store = keys_store_open(state, NULL);
    char key[API_KEY_CHARS + 1];

    for (guint i = 0; i < 5; i++)
        cr_assert(keys_store_add(store, &plain, key, NULL));
    return NULL;
}

Test(keys_store, several_may_add_at_once)
{
    g_auto(Fixture) fixture = fixture_new();
    GThread *threads[4];

    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("add", add_many, fixture.state);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    IdentityHead head = published_head(&fixture);
    cr_expect_eq(head.epoch, 21);
    cr_expect_eq(head.count, 20);
}

Test(keys_store, where_there_is_no_state_it_says_how_to_make_one)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GError) error = NULL;

    cr_expect_null(keys_store_open(scratch.path, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT));
    cr_expect_not_null(strstr(error->message, "millrace keys init"), "%s", error->message);
}
