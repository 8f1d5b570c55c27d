/* test_store_seal.c - a word that is given once.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/store.h"

#include "tests/unit/scratch.h"

/* Ranges as text. (transfer full) */
static char *
lost_text(const StoreSeal *seal)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < seal->lost->len; i++) {
        const StoreLost *lost = &g_array_index(seal->lost, StoreLost, i);
        g_string_append_printf(text, "%s%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT, i ? " " : "",
                               lost->first, lost->last);
    }
    return g_string_free(text, FALSE);
}

Test(store_seal, losses_are_kept_apart_and_in_order)
{
    static const struct {
        guint64 first;
        guint64 last;
        const char *then;
    } steps[] = {
        {50, 59, "50-59"},
        {10, 10, "10-10 50-59"},
        {12, 13, "10-10 12-13 50-59"},
        {11, 11, "10-13 50-59"}, /* it joins its neighbours */
        {55, 65, "10-13 50-65"}, /* overlaps */
        {70, 80, "10-13 50-65 70-80"},
        {52, 53, "10-13 50-65 70-80"}, /* lies within */
        {66, 69, "10-13 50-80"},
        {1, 100, "1-100"},
    };
    g_autoptr(StoreSeal) seal = store_seal_new("w", "2026-11", 100);

    for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
        cr_expect(store_seal_lose(seal, steps[i].first, steps[i].last, NULL));
        g_autofree char *text = lost_text(seal);
        cr_expect_str_eq(text, steps[i].then);
    }
}

Test(store_seal, losses_outside_the_seal_are_refused)
{
    g_autoptr(StoreSeal) seal = store_seal_new("w", "2026-11", 100);

    cr_expect_not(store_seal_lose(seal, 0, 5, NULL));
    cr_expect_not(store_seal_lose(seal, 6, 5, NULL));
    cr_expect_not(store_seal_lose(seal, 100, 101, NULL));
    cr_expect_eq(seal->lost->len, 0);
    cr_expect(store_seal_lose(seal, 100, 100, NULL));
}

static gboolean
put(Store *store, const char *writer, const char *period, guint64 through, guint64 lost,
    gboolean *added, GError **error)
{
    g_autoptr(StoreSeal) seal = store_seal_new(writer, period, through);

    cr_assert(lost == 0 || store_seal_lose(seal, lost, lost, NULL));
    return store_seal_put(store, seal, added, error);
}

Test(store_seal, seals_come_back_by_writer_then_period)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Store) store = store_open(scratch.path, TRUE, NULL);
    gboolean added = FALSE;

    cr_assert(put(store, "b", "2026-11", G_MAXINT64, G_MAXINT64, &added, NULL));
    cr_expect(added);
    cr_assert(put(store, "a", "2026-12", 7, 0, &added, NULL));
    cr_assert(put(store, "a", "2026-11", 0, 0, &added, NULL));
    g_autoptr(GPtrArray) seals = store_seals(store, NULL);
    cr_assert_eq(seals->len, 3);
    const StoreSeal *const *seal = (const StoreSeal *const *)seals->pdata;
    cr_expect_str_eq(seal[0]->writer, "a");
    cr_expect_str_eq(seal[0]->period, "2026-11");
    cr_expect_eq(seal[0]->through, 0);
    cr_expect_str_eq(seal[1]->period, "2026-12");
    cr_expect_eq(seal[1]->through, 7);
    cr_expect_str_eq(seal[2]->writer, "b");
    cr_expect_eq(seal[2]->through, G_MAXINT64);
    g_autofree char *text = lost_text(seal[2]);
    cr_expect_str_eq(text, "9223372036854775807-9223372036854775807");
}

Test(store_seal, a_word_is_given_once)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Store) store = store_open(scratch.path, TRUE, NULL);
    g_autoptr(GError) other_end = NULL;
    g_autoptr(GError) other_losses = NULL;
    gboolean added = TRUE;

    cr_assert(put(store, "w", "2026-11", 9, 3, NULL, NULL));
    cr_assert(put(store, "w", "2026-11", 9, 3, &added, NULL));
    cr_expect_not(added);
    cr_expect_not(put(store, "w", "2026-11", 10, 3, NULL, &other_end));
    cr_expect(g_error_matches(other_end, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT));
    cr_expect_not(put(store, "w", "2026-11", 9, 0, NULL, &other_losses));
    cr_expect(g_error_matches(other_losses, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT));
}

Test(store_seal, what_is_no_seal_is_refused)
{
    static const char beyond[] = "{\"version\":1,\"writer\":\"w\",\"period\":\"2026-11\","
                                 "\"through\":1,\"lost\":[{\"first\":1,\"last\":2}]}";
    static const char *const texts[] = {
        "",
        "{}",
        "[]",
        "{\"version\":2,\"writer\":\"w\",\"period\":\"2026-11\",\"through\":1,\"lost\":[]}",
        "{\"version\":1,\"writer\":\"\",\"period\":\"2026-11\",\"through\":1,\"lost\":[]}",
        "{\"version\":1,\"writer\":\"w\",\"period\":\"2026-13\",\"through\":1,\"lost\":[]}",
        "{\"version\":1,\"writer\":\"w\",\"period\":\"2026-11\",\"through\":-1,\"lost\":[]}",
        "{\"version\":1,\"writer\":\"w\",\"period\":\"2026-11\",\"through\":1}",
        "{\"version\":1,\"writer\":\"w\",\"period\":\"2026-11\",\"through\":1,\"lost\":[1]}",
        "{\"version\":1,\"writer\":\"w\",\"period\":\"2026-11\",\"through\":0,\"lost\":[{}]}",
        beyond,
    };

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_auto(Scratch) scratch = scratch_new();
        g_autoptr(Store) store = store_open(scratch.path, TRUE, NULL);
        g_autoptr(GError) error = NULL;
        cr_assert(store_put(store, STORE_SEALS, NULL, texts[i], strlen(texts[i]), NULL, NULL));
        cr_expect_null(store_seals(store, &error), "%s", texts[i]);
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT), "%s", texts[i]);
    }
}

Test(store_seal, members_that_are_not_known_are_ignored)
{
    static const char text[] = "{\"version\":1,\"note\":{},\"lost\":[{\"first\":2,\"last\":3,"
                               "\"why\":\"a disk\"}],\"writer\":\"w\",\"period\":\"2026-11\","
                               "\"through\":5}";
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Store) store = store_open(scratch.path, TRUE, NULL);

    cr_assert(store_put(store, STORE_SEALS, NULL, text, strlen(text), NULL, NULL));
    g_autoptr(GPtrArray) seals = store_seals(store, NULL);
    cr_assert_not_null(seals);
    cr_assert_eq(seals->len, 1);
    g_autofree char *lost = lost_text(seals->pdata[0]);
    cr_expect_str_eq(lost, "2-3");
}
