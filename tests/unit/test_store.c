/* test_store.c - files under the names of their digests, whatever was there before.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/store.h"

#include "tests/unit/scratch.h"

/* SHA-256 of "abc", as FIPS 180-2 has it. */
static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static Store *
open_store(const Scratch *scratch)
{
    g_autoptr(GError) error = NULL;
    Store *store = store_open(scratch->path, TRUE, &error);

    cr_assert_not_null(store, "%s", error ? error->message : "");
    return store;
}

static void
expect_kind(const GError *error, MillraceErrorKind kind, const char *part)
{
    cr_assert(g_error_matches(error, MILLRACE_ERROR, (gint)kind), "%s",
              error ? error->message : "no error");
    cr_expect_not_null(strstr(error->message, part), "%s", error->message);
}

Test(store, what_is_put_has_its_digest_for_a_name)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Store) store = open_store(&scratch);
    gboolean added = FALSE;
    gsize size_bytes = 0;

    cr_assert(store_put(store, STORE_SEGMENTS, NULL, "abc", 3, &added, NULL));
    cr_expect(added);
    g_autofree char *path = store_file_path(store, STORE_SEGMENTS, abc);
    g_autofree char *expected = g_strdup_printf("%s/segments/%s.segment", scratch.path, abc);
    cr_expect_str_eq(path, expected);
    g_autofree char *bytes = store_read(store, STORE_SEGMENTS, abc, &size_bytes, NULL);
    cr_expect_str_eq(bytes, "abc");
    cr_expect_eq(size_bytes, 3);
    cr_expect(store_has(store, STORE_SEGMENTS, abc));
    cr_expect_not(store_has(store, STORE_LOGS, abc));
    g_autofree char *listing = scratch_list(&scratch);
    cr_expect_str_eq(listing, "logs quarantine seals segments");
}

Test(store, what_is_there_is_not_added_again)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Store) store = open_store(&scratch);
    gboolean added = TRUE;

    cr_assert(store_put(store, STORE_SEALS, abc, "abc", 3, NULL, NULL));
    cr_assert(store_put(store, STORE_SEALS, NULL, "abc", 3, &added, NULL));
    cr_expect_not(added);
    g_autoptr(GPtrArray) names = store_list(store, STORE_SEALS, NULL);
    cr_expect_eq(names->len, 1);
}

Test(store, a_damaged_file_is_replaced)
{
    static const char *const damages[] = {"", "ab", "abd", "abcd"};
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Store) store = open_store(&scratch);
    g_autofree char *name = g_strdup_printf("segments/%s.segment", abc);

    for (guint i = 0; i < G_N_ELEMENTS(damages); i++) {
        gboolean added = FALSE;
        scratch_put(&scratch, name, damages[i], strlen(damages[i]));
        cr_assert(store_put(store, STORE_SEGMENTS, abc, "abc", 3, &added, NULL));
        cr_expect(added, "\"%s\"", damages[i]);
        g_autofree char *bytes = scratch_get(&scratch, name, NULL);
        cr_expect_str_eq(bytes, "abc");
    }
}

Test(store, a_file_that_does_not_hold_is_not_read)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Store) store = open_store(&scratch);
    g_autofree char *name = g_strdup_printf("logs/%s.json", abc);
    g_autoptr(GError) damaged = NULL;
    g_autoptr(GError) absent = NULL;

    scratch_put(&scratch, name, "abd", 3);
    cr_expect_null(store_read(store, STORE_LOGS, abc, NULL, &damaged));
    expect_kind(damaged, MILLRACE_ERROR_CORRUPT, name);
    cr_expect_null(store_read(store, STORE_SEALS, abc, NULL, &absent));
    expect_kind(absent, MILLRACE_ERROR_NO_INPUT, abc);
}

Test(store, only_names_that_can_be_ours_are_listed)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Store) store = open_store(&scratch);
    static const char *const others[] = {"segments/README", "segments/.0123456789abcdef.tmp",
                                         "segments/ba7816bf.segment",
                                         "segments/"
                                         "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F"
                                         "20015AD.segment",
                                         "segments/"
                                         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f"
                                         "20015ad.json"};

    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        scratch_put(&scratch, others[i], "abc", 3);
    cr_assert(store_put(store, STORE_SEGMENTS, NULL, "b", 1, NULL, NULL));
    cr_assert(store_put(store, STORE_SEGMENTS, NULL, "abc", 3, NULL, NULL));
    g_autoptr(GPtrArray) names = store_list(store, STORE_SEGMENTS, NULL);
    cr_assert_eq(names->len, 2);
    /* printf b | sha256sum */
    cr_expect_str_eq(names->pdata[0],
                     "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d");
    cr_expect_str_eq(names->pdata[1], abc);
}

Test(store, a_folder_that_is_no_store_is_refused)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *absent = g_build_filename(scratch.path, "absent", NULL);
    g_autoptr(GError) none = NULL;
    g_autoptr(GError) error = NULL;

    cr_expect_null(store_open(scratch.path, FALSE, &none));
    expect_kind(none, MILLRACE_ERROR_NO_INPUT, "no batch store");
    cr_expect_null(store_open(absent, FALSE, &error));
    expect_kind(error, MILLRACE_ERROR_NO_INPUT, absent);
    g_autofree char *listing = scratch_list(&scratch);
    cr_expect_str_eq(listing, "");
}

Test(store, a_part_of_a_store_is_one)
{
    g_auto(Scratch) scratch = scratch_new();

    cr_assert_eq(mkdirat(scratch.fd, "segments", 0777), 0);
    g_autoptr(Store) store = store_open(scratch.path, FALSE, NULL);
    cr_assert_not_null(store);
    g_autoptr(GPtrArray) seals = store_list(store, STORE_SEALS, NULL);
    cr_expect_eq(seals->len, 0);
    g_autofree char *before = scratch_list(&scratch);
    cr_expect_str_eq(before, "segments");
    cr_expect(store_put(store, STORE_SEALS, NULL, "abc", 3, NULL, NULL));
    g_autofree char *behind = scratch_list(&scratch);
    cr_expect_str_eq(behind, "seals segments");
}

Test(store, a_folder_that_cannot_be_listed_is_not_empty)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(GError) error = NULL;

    cr_assert_eq(mkdirat(scratch.fd, "segments", 0777), 0);
    scratch_put(&scratch, "seals", "", 0);
    cr_expect_null(store_open(scratch.path, FALSE, &error));
    expect_kind(error, MILLRACE_ERROR_IO, "seals");
}

static gpointer
put_many(gpointer data)
{
    for (guint i = 0; i < 200; i++) {
        g_autofree char *text = g_strdup_printf("text %u", i % 50);
        cr_assert(store_put(data, STORE_SEGMENTS, NULL, text, strlen(text), NULL, NULL));
    }
    return NULL;
}

Test(store, threads_that_put_the_same_disturb_nobody)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Store) store = open_store(&scratch);
    GThread *threads[4];

    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new(NULL, put_many, store);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    g_autoptr(GPtrArray) names = store_list(store, STORE_SEGMENTS, NULL);
    cr_expect_eq(names->len, 50);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *text = store_read(store, STORE_SEGMENTS, names->pdata[i], NULL, NULL);
        cr_expect_not_null(text);
    }
}

Test(store, a_store_may_be_spread_by_links)
{
    g_auto(Scratch) scratch = scratch_new();
    g_auto(Scratch) elsewhere = scratch_new();

    cr_assert_eq(symlinkat(elsewhere.path, scratch.fd, "segments"), 0);
    g_autoptr(Store) store = open_store(&scratch);
    cr_assert(store_put(store, STORE_SEGMENTS, NULL, "abc", 3, NULL, NULL));
    g_autofree char *listing = scratch_list(&elsewhere);
    cr_expect(g_str_has_prefix(listing, abc));
}
