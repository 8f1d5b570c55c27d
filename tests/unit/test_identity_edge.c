/* test_identity_edge.c - the highest validly signed epoch wins, what is refused changes nothing,
 * and no lookup is missed while snapshots change under its reader.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/identity_edge.h"

#include <stdatomic.h>

#include "tests/unit/identity_fixture.h"
#include "tests/unit/scripted_server.h"

/* An edge that follows a folder, and its publisher. */
typedef struct {
    Scratch scratch;
    Publisher publisher;
    char *source;
    char *cache;
} Fixture;

static Fixture
fixture_new(void)
{
    Fixture fixture = {.scratch = scratch_new()};

    fixture.source = g_build_filename(fixture.scratch.path, "a source", NULL);
    fixture.cache = g_build_filename(fixture.scratch.path, "cache", NULL);
    fixture.publisher = publisher_new(fixture.source);
    return fixture;
}

static void
fixture_clear(Fixture *fixture)
{
    publisher_clear(&fixture->publisher);
    g_free(fixture->source);
    g_free(fixture->cache);
    scratch_release(&fixture->scratch);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_clear)

static IdentityEdge *
open_edge(const Fixture *fixture, const char *source, GError **error)
{
    const char *const sources[] = {source, NULL};

    return identity_edge_open(fixture->cache, sources, minisign_public(fixture->publisher.secret),
                              1, error);
}

static IdentityEdge *
must_open(const Fixture *fixture, const char *source)
{
    g_autoptr(GError) error = NULL;
    IdentityEdge *edge = open_edge(fixture, source, &error);

    cr_assert_not_null(edge, "%s", error ? error->message : "");
    return edge;
}

static gboolean
knows(IdentityEdge *edge, guint n)
{
    IdentityKey key;
    char text[API_KEY_CHARS + 1];

    publisher_key(n, text);
    return identity_edge_find(edge, text, API_KEY_CHARS, &key);
}

static IdentityEdgeState
state_of(IdentityEdge *edge)
{
    IdentityEdgeState state;

    identity_edge_state(edge, &state);
    return state;
}

static void
expect_refused(IdentityEdge *edge, MillraceErrorKind kind, const char *reason)
{
    g_autoptr(GError) error = NULL;
    guint64 before = state_of(edge).refused_count;
    guint64 epoch = state_of(edge).head.epoch;

    cr_assert_not(identity_edge_refresh(edge, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, (int)kind), "%s", error->message);
    cr_expect_not_null(strstr(error->message, reason), "%s", error->message);
    cr_expect_eq(state_of(edge).refused_count, before + 1);
    cr_expect_eq(state_of(edge).head.epoch, epoch);
    cr_expect(knows(edge, 0), "the present one serves on");
}

Test(identity_edge, a_key_is_known_with_all_that_was_published_of_it)
{
    g_auto(Fixture) fixture = fixture_new();
    IdentityKey key;
    char text[API_KEY_CHARS + 1];

    publisher_publish(&fixture.publisher, 1, 0, 3);
    g_autoptr(IdentityEdge) edge = must_open(&fixture, fixture.source);
    publisher_key(2, text);
    cr_assert(identity_edge_find(edge, text, API_KEY_CHARS, &key));
    cr_expect_str_eq(key.customer, "customer 2");
    cr_expect_eq(key.scopes, SCOPE_RESIZE | SCOPE_USAGE);
    cr_expect_eq(key.rate_per_s, 50);
    cr_expect_eq(key.burst, 7);
    cr_expect_eq(key.daily_quota, 1000000);
    cr_expect_eq(key.expires_us, G_MAXINT64);
    cr_expect_not(knows(edge, 3));
    cr_expect_not(identity_edge_find(edge, text, API_KEY_CHARS - 1, &key));
    cr_expect_not(identity_edge_find(edge, "", 0, &key));
    g_autofree char *head = identity_edge_head_text(edge);
    gsize size_bytes = 0;
    g_autofree char *published = scratch_get(&fixture.scratch, "a source/head", &size_bytes);
    cr_expect_str_eq(head, published);
    g_autofree char *path = identity_edge_snapshot_path(edge);
    cr_expect(g_str_has_prefix(path, fixture.cache), "%s", path);
}

Test(identity_edge, a_newer_epoch_takes_over)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(GError) error = NULL;

    publisher_publish(&fixture.publisher, 1, 0, 2);
    g_autoptr(IdentityEdge) edge = must_open(&fixture, fixture.source);
    cr_assert(knows(edge, 0));
    publisher_publish(&fixture.publisher, 2, 1, 2);
    cr_assert(identity_edge_refresh(edge, &error));
    cr_expect_not(knows(edge, 0), "it was revoked");
    cr_expect(knows(edge, 1));
    cr_expect(knows(edge, 2), "it was added");
    cr_expect_eq(state_of(edge).head.epoch, 2);
    cr_expect_eq(state_of(edge).swap_count, 2);
    cr_expect_eq(state_of(edge).refused_count, 0);
}

Test(identity_edge, the_same_snapshot_under_a_newer_head_is_a_sign_of_life)
{
    g_auto(Fixture) fixture = fixture_new();

    publisher_publish(&fixture.publisher, 1, 0, 2);
    g_autoptr(IdentityEdge) edge = must_open(&fixture, fixture.source);
    publisher_publish(&fixture.publisher, 2, 0, 2);
    cr_assert(identity_edge_refresh(edge, NULL));
    cr_expect_eq(state_of(edge).head.epoch, 2);
    cr_expect(knows(edge, 1));
}

Test(identity_edge, an_older_head_is_refused)
{
    g_auto(Fixture) fixture = fixture_new();

    publisher_publish(&fixture.publisher, 7, 0, 2);
    {
        g_autoptr(IdentityEdge) edge = must_open(&fixture, fixture.source);
        publisher_publish(&fixture.publisher, 6, 0, 3);
        expect_refused(edge, MILLRACE_ERROR_INVARIANT, "epoch 6 is older than 7");
    }
    /* And after a restart, too. */
    g_autoptr(IdentityEdge) again = must_open(&fixture, fixture.source);
    expect_refused(again, MILLRACE_ERROR_INVARIANT, "epoch 6 is older than 7");
}

Test(identity_edge, another_snapshot_under_the_same_epoch_is_refused)
{
    g_auto(Fixture) fixture = fixture_new();

    publisher_publish(&fixture.publisher, 7, 0, 2);
    g_autoptr(IdentityEdge) edge = must_open(&fixture, fixture.source);
    publisher_publish(&fixture.publisher, 7, 0, 3);
    expect_refused(edge, MILLRACE_ERROR_INVARIANT, "two heads of epoch 7");
}

Test(identity_edge, a_forged_head_is_refused)
{
    g_auto(Fixture) fixture = fixture_new();
    gsize size_bytes = 0;

    publisher_publish(&fixture.publisher, 1, 0, 2);
    g_autoptr(IdentityEdge) edge = must_open(&fixture, fixture.source);
    g_autofree char *head = scratch_get(&fixture.scratch, "a source/head", &size_bytes);
    strstr(head, "epoch 1")[6] = '9';
    scratch_put(&fixture.scratch, "a source/head", head, size_bytes);
    expect_refused(edge, MILLRACE_ERROR_CORRUPT, "does not hold");
    /* Signed, but by somebody else. */
    g_autoptr(MinisignSecret) ours = fixture.publisher.secret;
    fixture.publisher.secret = minisign_generate(NULL);
    publisher_publish(&fixture.publisher, 9, 0, 1);
    expect_refused(edge, MILLRACE_ERROR_CORRUPT, "none of:");
    scratch_put(&fixture.scratch, "a source/head", "", 0);
    expect_refused(edge, MILLRACE_ERROR_CORRUPT, "a source/head: expected");
    g_autofree char *large = g_strnfill(100000, 'x');
    scratch_put(&fixture.scratch, "a source/head", large, 100000);
    expect_refused(edge, MILLRACE_ERROR_CORRUPT, "at most 16384 bytes");
}

Test(identity_edge, a_damaged_snapshot_is_refused_and_never_mapped)
{
    g_auto(Fixture) fixture = fixture_new();
    gsize size_bytes = 0;

    publisher_publish(&fixture.publisher, 1, 0, 2);
    g_autoptr(IdentityEdge) edge = must_open(&fixture, fixture.source);
    publisher_publish(&fixture.publisher, 2, 0, 3);
    g_autofree char *relative = g_build_filename("a source", fixture.publisher.name, NULL);
    g_autofree char *bytes = scratch_get(&fixture.scratch, relative, &size_bytes);
    bytes[size_bytes / 2] ^= 1;
    scratch_put(&fixture.scratch, relative, bytes, size_bytes);
    expect_refused(edge, MILLRACE_ERROR_CORRUPT, "the snapshot is damaged");
    scratch_put(&fixture.scratch, relative, bytes, size_bytes / 2);
    expect_refused(edge, MILLRACE_ERROR_CORRUPT, "the snapshot is damaged");
    bytes[size_bytes / 2] ^= 1;
    scratch_put(&fixture.scratch, relative, bytes, size_bytes);
    cr_assert(identity_edge_refresh(edge, NULL), "once it is whole it is taken");
    cr_expect_eq(state_of(edge).head.epoch, 2);
}

Test(identity_edge, what_cannot_be_reached_is_no_refusal)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(GError) error = NULL;

    publisher_publish(&fixture.publisher, 1, 0, 2);
    g_autoptr(IdentityEdge) edge = must_open(&fixture, fixture.source);
    g_autofree char *aside = g_strconcat(fixture.source, ".aside", NULL);
    cr_assert_eq(rename(fixture.source, aside), 0);
    cr_expect_not(identity_edge_refresh(edge, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT));
    cr_expect_eq(state_of(edge).refused_count, 0);
    cr_expect(knows(edge, 1));
}

Test(identity_edge, without_its_source_it_starts_from_the_cache_and_says_how_old_it_is)
{
    g_auto(Fixture) fixture = fixture_new();
    struct timespec times[2];

    publisher_publish(&fixture.publisher, 3, 0, 2);
    identity_edge_free(must_open(&fixture, fixture.source));
    g_autofree char *head = g_build_filename(fixture.cache, "head", NULL);
    struct stat status;
    cr_assert_eq(stat(head, &status), 0);
    times[0] = times[1] = (struct timespec){.tv_sec = status.st_mtim.tv_sec - 100};
    cr_assert_eq(utimensat(AT_FDCWD, head, times, 0), 0);
    /* The publisher says that it signed long ago; so the time of the file counts. */
    g_autoptr(IdentityEdge) edge = must_open(&fixture, "/nowhere/at/all");
    cr_expect(knows(edge, 1));
    cr_expect_eq(state_of(edge).head.epoch, 3);
    cr_expect_geq(state_of(edge).age_us, 99 * G_USEC_PER_SEC);
    cr_expect_leq(state_of(edge).age_us, 160 * G_USEC_PER_SEC);
}

Test(identity_edge, a_damaged_cache_is_fetched_anew)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(GError) error = NULL;

    publisher_publish(&fixture.publisher, 3, 0, 2);
    identity_edge_free(must_open(&fixture, fixture.source));
    g_autofree char *relative = g_build_filename("cache", fixture.publisher.name, NULL);
    scratch_put(&fixture.scratch, relative, "damaged", 7);
    cr_expect_null(open_edge(&fixture, "/nowhere/at/all", &error));
    cr_expect_not_null(strstr(error->message, "no keys to serve by"), "%s", error->message);
    g_autoptr(IdentityEdge) edge = must_open(&fixture, fixture.source);
    cr_expect(knows(edge, 1));
}

Test(identity_edge, the_highest_epoch_of_several_sources_wins)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *mirror = g_strconcat(fixture.source, ".mirror", NULL);

    publisher_publish(&fixture.publisher, 2, 0, 2);
    cr_assert_eq(rename(fixture.source, mirror), 0);
    publisher_publish(&fixture.publisher, 1, 0, 1);
    const char *const sources[] = {"/nowhere", fixture.source, mirror, NULL};
    g_autoptr(IdentityEdge) edge = identity_edge_open(
        fixture.cache, sources, minisign_public(fixture.publisher.secret), 1, &error);
    cr_assert_not_null(edge, "%s", error ? error->message : "");
    cr_expect_eq(state_of(edge).head.epoch, 2);
    cr_expect(knows(edge, 1));
}

Test(identity_edge, old_copies_are_removed)
{
    g_auto(Fixture) fixture = fixture_new();

    publisher_publish(&fixture.publisher, 1, 0, 1);
    g_autoptr(IdentityEdge) edge = must_open(&fixture, fixture.source);
    for (guint epoch = 2; epoch < 10; epoch++) {
        publisher_publish(&fixture.publisher, epoch, 0, epoch);
        cr_assert(identity_edge_refresh(edge, NULL));
    }
    const Scratch cache = {.path = fixture.cache};
    g_autofree char *names = scratch_list(&cache);
    g_auto(GStrv) each = g_strsplit(names, " ", -1);
    cr_expect_eq(g_strv_length(each), 3, "%s", names); /* the head, the current, the one before */
}

static void
expect_url_refused(const Fixture *fixture, const char *const *answers, int kind, const char *reason)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScriptedServer) server = scripted_start(answers);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/identity", server->port);

    cr_assert_null(open_edge(fixture, url, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, kind), "%s", error->message);
    cr_expect_not_null(strstr(error->message, reason), "%s", error->message);
    cr_expect(g_str_has_prefix(server->asked->pdata[0], "GET /identity/head HTTP/1.1\r\n"));
}

Test(identity_edge, a_url_is_bounded_and_not_followed_elsewhere)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autofree char *large = g_strnfill(20000, 'x');
    g_autofree char *endless = g_strconcat("HTTP/1.1 200 OK\r\n\r\n", large, NULL);
    const char *const too_large[] = {endless, NULL};
    const char *const moved[] = {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/head\r\n"
                                 "Content-Length: 0\r\n\r\n",
                                 NULL};
    const char *const missing[] = {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", NULL};
    const char *const silent[] = {"", NULL};

    expect_url_refused(&fixture, too_large, MILLRACE_ERROR_CORRUPT, "16384 bytes");
    expect_url_refused(&fixture, moved, MILLRACE_ERROR_UNAVAILABLE, "302");
    expect_url_refused(&fixture, missing, MILLRACE_ERROR_UNAVAILABLE, "404");
    expect_url_refused(&fixture, silent, MILLRACE_ERROR_UNAVAILABLE, "http://127.0.0.1");
}

Test(identity_edge, a_source_that_says_nothing_holds_up_no_other)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(GError) error = NULL;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size_bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    /* The kernel accepts for it, and nobody ever reads. */
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fd, 16), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size_bytes), 0);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u", ntohs(address.sin_port));
    const char *const sources[] = {url, fixture.source, NULL};
    publisher_publish(&fixture.publisher, 1, 0, 2);
    gint64 begin_us = g_get_monotonic_time();
    g_autoptr(IdentityEdge) edge = identity_edge_open(
        fixture.cache, sources, minisign_public(fixture.publisher.secret), 1, &error);
    cr_assert_not_null(edge, "%s", error ? error->message : "");
    cr_expect(knows(edge, 1));
    cr_expect_leq(g_get_monotonic_time() - begin_us, 10 * G_USEC_PER_SEC);
    close(fd);
}

Test(identity_edge, a_peer_hands_its_age_on)
{
    g_auto(Fixture) fixture = fixture_new();
    gsize size_bytes = 0;

    publisher_publish(&fixture.publisher, 3, 0, 2);
    identity_edge_free(must_open(&fixture, fixture.source)); /* fills the cache */
    g_autofree char *head = scratch_get(&fixture.scratch, "cache/head", &size_bytes);
    g_autofree char *path = g_build_filename(fixture.cache, "head", NULL);
    const struct timespec old[2] = {{0}, {0}};
    cr_assert_eq(utimensat(AT_FDCWD, path, old, 0), 0);
    g_autofree char *answer = g_strdup_printf(
        "HTTP/1.1 200 OK\r\nx-identity-age: 42\r\nContent-Length: %zu\r\n\r\n%s", size_bytes, head);
    const char *const answers[] = {answer, NULL};
    g_autoptr(ScriptedServer) server = scripted_start(answers);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u", server->port);
    g_autoptr(IdentityEdge) edge = must_open(&fixture, url);
    cr_expect_geq(state_of(edge).age_us, 42 * G_USEC_PER_SEC);
    cr_expect_leq(state_of(edge).age_us, 60 * G_USEC_PER_SEC);
}

/* Readers who look for keys that are in every snapshot. */
typedef struct {
    IdentityEdge *edge;
    atomic_bool stop;
    atomic_uint missed;
    atomic_uint found;
} Readers;

static gpointer
look_up(gpointer data)
{
    Readers *readers = data;

    for (guint n = 0; !atomic_load(&readers->stop); n = (n + 1) % 5) {
        if (knows(readers->edge, n))
            atomic_fetch_add(&readers->found, 1);
        else
            atomic_fetch_add(&readers->missed, 1);
        IdentityEdgeState state;
        identity_edge_state(readers->edge, &state);
        g_autofree char *text = identity_edge_head_text(readers->edge);
        if (!text || state.head.epoch == 0)
            atomic_fetch_add(&readers->missed, 1);
    }
    return NULL;
}

Test(identity_edge, no_lookup_is_missed_while_snapshots_change)
{
    enum { SWAPS = 60, THREADS = 4 };
    g_auto(Fixture) fixture = fixture_new();
    GThread *threads[THREADS];

    publisher_publish(&fixture.publisher, 1, 0, 5);
    g_autoptr(IdentityEdge) edge = must_open(&fixture, fixture.source);
    Readers readers = {.edge = edge};
    for (guint i = 0; i < THREADS; i++)
        threads[i] = g_thread_new("reader", look_up, &readers);
    for (guint epoch = 2; epoch <= SWAPS; epoch++) {
        publisher_publish(&fixture.publisher, epoch, 0, 5 + epoch);
        cr_assert(identity_edge_refresh(edge, NULL));
    }
    atomic_store(&readers.stop, true);
    for (guint i = 0; i < THREADS; i++)
        g_thread_join(threads[i]);
    cr_expect_eq(state_of(edge).swap_count, SWAPS);
    cr_expect_eq(atomic_load(&readers.missed), 0);
    cr_expect_gt(atomic_load(&readers.found), SWAPS);
}

static void
count_refusal(const GError *error, gpointer data)
{
    cr_assert_not_null(strstr(error->message, "none of:"), "%s", error->message);
    atomic_fetch_add((atomic_uint *)data, 1);
}

static gboolean
wait_for_epoch(IdentityEdge *edge, guint64 epoch)
{
    for (guint i = 0; i < 400 && state_of(edge).head.epoch != epoch; i++)
        g_usleep(5000);
    return state_of(edge).head.epoch == epoch;
}

Test(identity_edge, who_watches_follows_by_itself_and_tells_a_refusal_once)
{
    g_auto(Fixture) fixture = fixture_new();
    atomic_uint told = 0;

    publisher_publish(&fixture.publisher, 1, 0, 2);
    g_autoptr(IdentityEdge) edge = must_open(&fixture, fixture.source);
    identity_edge_watch(edge, 20000, count_refusal, &told);
    publisher_publish(&fixture.publisher, 2, 1, 2);
    cr_expect(wait_for_epoch(edge, 2));
    cr_expect_not(knows(edge, 0));
    g_autoptr(MinisignSecret) ours = fixture.publisher.secret;
    fixture.publisher.secret = minisign_generate(NULL);
    publisher_publish(&fixture.publisher, 3, 0, 2);
    for (guint i = 0; i < 400 && state_of(edge).refused_count < 3; i++)
        g_usleep(5000);
    cr_expect_geq(state_of(edge).refused_count, 3);
    cr_expect_eq(atomic_load(&told), 1);
    cr_expect_eq(state_of(edge).head.epoch, 2);
}
