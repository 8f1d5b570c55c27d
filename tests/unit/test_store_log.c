/* test_store_log.c - what a store knows of logs, and when it does not rely on it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/store.h"

#include "tests/unit/scratch.h"

/* SHA-256 of "abc". */
static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char one[] = "11111111111111111111111111111111";
static const char two[] = "22222222222222222222222222222222";

static void
put(Store *store, const char *first_line, guint64 from_bytes, guint64 size_bytes,
    const char *segment)
{
    StoreLog log = {.from_bytes = from_bytes, .size_bytes = size_bytes, .line_count = size_bytes};

    g_strlcpy(log.first_line, first_line, sizeof log.first_line);
    g_strlcpy(log.from_prefix, one, sizeof log.from_prefix);
    g_strlcpy(log.prefix, two, sizeof log.prefix);
    g_strlcpy(log.segment, segment, sizeof log.segment);
    cr_assert(store_log_put(store, &log, NULL));
}

/* What a store that is opened anew knows, as "FROM-SIZE ...". (transfer full) */
static char *
known(const Scratch *scratch, const char *first_line)
{
    g_autoptr(Store) store = store_open(scratch->path, FALSE, NULL);
    g_autoptr(GArray) logs = store_logs(store, first_line, NULL);
    GString *text = g_string_new(NULL);

    cr_assert_not_null(logs);
    for (guint i = 0; i < logs->len; i++) {
        StoreLog log = g_array_index(logs, StoreLog, i);
        cr_expect_str_eq(log.first_line, first_line);
        cr_expect_str_eq(log.from_prefix, one);
        cr_expect_str_eq(log.prefix, two);
        cr_expect_eq(log.line_count, log.size_bytes);
        g_string_append_printf(text, "%s%d-%d", i ? " " : "", (int)log.from_bytes,
                               (int)log.size_bytes);
    }
    return g_string_free(text, FALSE);
}

Test(store_log, notes_come_back_by_first_line_in_order)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Store) store = store_open(scratch.path, TRUE, NULL);

    put(store, one, 10, 30, "");
    put(store, one, 0, 20, "");
    put(store, one, 0, 10, "");
    put(store, two, 0, 5, "");
    g_autofree char *of_one = known(&scratch, one);
    cr_expect_str_eq(of_one, "0-10 0-20 10-30");
    g_autofree char *of_two = known(&scratch, two);
    cr_expect_str_eq(of_two, "0-5");
    g_autoptr(GArray) none = store_logs(store, "33333333333333333333333333333333", NULL);
    cr_expect_eq(none->len, 0);
}

Test(store_log, a_part_whose_segment_is_not_there_is_not_known)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Store) store = store_open(scratch.path, TRUE, NULL);

    put(store, one, 0, 10, abc);
    put(store, one, 10, 20, "");
    g_autofree char *before = known(&scratch, one);
    cr_expect_str_eq(before, "10-20");
    cr_assert(store_put(store, STORE_SEGMENTS, abc, "abc", 3, NULL, NULL));
    g_autofree char *behind = known(&scratch, one);
    cr_expect_str_eq(behind, "0-10 10-20");
}

Test(store_log, notes_that_do_not_hold_are_not_relied_on)
{
    static const char *const texts[] = {
        "",
        "{}",
        "{\"version\":2,\"first_line\":\"11111111111111111111111111111111\",\"from_bytes\":0,"
        "\"from_prefix\":\"11111111111111111111111111111111\",\"bytes\":5,"
        "\"prefix\":\"22222222222222222222222222222222\",\"lines\":5}",
        "{\"version\":1,\"first_line\":\"11111111111111111111111111111111\",\"from_bytes\":5,"
        "\"from_prefix\":\"11111111111111111111111111111111\",\"bytes\":5,"
        "\"prefix\":\"22222222222222222222222222222222\",\"lines\":5}",
        "{\"version\":1,\"first_line\":\"11111111111111111111111111111111\",\"from_bytes\":0,"
        "\"from_prefix\":\"1\",\"bytes\":5,"
        "\"prefix\":\"22222222222222222222222222222222\",\"lines\":5}",
        "{\"version\":1,\"first_line\":\"11111111111111111111111111111111\",\"from_bytes\":0,"
        "\"from_prefix\":\"11111111111111111111111111111111\",\"bytes\":5,"
        "\"prefix\":\"22222222222222222222222222222222\",\"lines\":5,\"segment\":\"../x\"}",
    };
    static const char good[] =
        "{\"version\":1,\"first_line\":\"11111111111111111111111111111111\",\"from_bytes\":0,"
        "\"from_prefix\":\"11111111111111111111111111111111\",\"bytes\":5,"
        "\"prefix\":\"22222222222222222222222222222222\",\"lines\":5,\"of_later\":true}";
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(Store) store = store_open(scratch.path, TRUE, NULL);
    g_autofree char *damaged = g_strdup_printf("logs/%s.json", abc);

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        cr_assert(store_put(store, STORE_LOGS, NULL, texts[i], strlen(texts[i]), NULL, NULL));
    scratch_put(&scratch, damaged, good, strlen(good));
    g_autofree char *none = known(&scratch, one);
    cr_expect_str_eq(none, "");
    cr_assert(store_put(store, STORE_LOGS, NULL, good, strlen(good), NULL, NULL));
    g_autofree char *one_of_them = known(&scratch, one);
    cr_expect_str_eq(one_of_them, "0-5");
}
