/* test_bill_dedupe.c - copies meet, and one of them counts, in whatever order they come.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_dedupe.h"

#include <string.h>

#include <criterion/criterion.h>

enum { NUMBERS = 2 };

/* What a copy is made of. */
typedef struct {
    guint64 identity;
    const char *id;
    guint64 contents;
    gint64 time_us;
    const char *writer;
    guint64 sequence;
    gint64 numbers[NUMBERS];
    guint32 source;
    guint32 segment;
    gboolean ok;
    gboolean known;
} Made;

typedef struct {
    Interner *writers;
    Dedupe *dedupe;
} Fixture;

static Fixture
fixture_new(void)
{
    Interner *writers = interner_new();

    return (Fixture){writers, dedupe_new(NUMBERS, writers)};
}

static void
fixture_release(Fixture *fixture)
{
    dedupe_free(fixture->dedupe);
    interner_free(fixture->writers);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_release)

static void
add(const Fixture *fixture, const Made *made)
{
    const char *writer = made->writer ? made->writer : "w";
    const char *id = made->id ? made->id : "id";
    guint32 number = interner_add(fixture->writers, writer, strlen(writer));
    Copy *copy = dedupe_slot(fixture->dedupe);

    copy->identity = made->identity;
    copy->contents = made->contents;
    copy->time_us = made->time_us;
    copy->sequence = made->sequence;
    if (!copy_set_hex_id(copy, id, strlen(id)))
        copy->id.text = id;
    copy->source = made->source;
    copy->writer = number;
    copy->customer = (guint32)made->contents;
    copy->class = made->ok;
    copy->ok = (guint8)made->ok;
    copy->segment = made->segment;
    memcpy(copy->numbers, made->numbers, sizeof made->numbers);
    dedupe_add(fixture->dedupe, made->known);
}

static gint
compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Everything kept, a line an identity, sorted: what counts, then how many copies of each contents.
 * (transfer full) */
static char *
kept(const Fixture *fixture)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    for (guint32 i = 0; i < dedupe_count(fixture->dedupe); i++) {
        const Copy *first = dedupe_copy(fixture->dedupe, i);
        g_autoptr(GPtrArray) groups = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GString) line = g_string_new(NULL);
        if (!first->is_first)
            continue;
        const Copy *winner = dedupe_winner(fixture->dedupe, first);
        g_string_append_printf(line, "%u ", first->source);
        copy_print_id(first, line);
        g_string_append_printf(
            line, ": %d at %d by %s %u [%d %d] segment %u known %d;", (int)winner->contents,
            (int)winner->time_us, interner_text(fixture->writers, winner->writer),
            (guint)winner->sequence, (int)winner->numbers[0], (int)winner->numbers[1],
            winner->segment, (int)MIN(dedupe_known_time(fixture->dedupe, first), 99999));
        for (const Copy *copy = first;; copy = dedupe_copy(fixture->dedupe, copy->next - 1)) {
            g_ptr_array_add(groups, g_strdup_printf(" %d%s x %u", (int)copy->contents,
                                                    copy->ok ? "" : " failed", copy->copy_count));
            if (!copy->next)
                break;
        }
        g_ptr_array_sort(groups, compare_texts);
        for (guint g = 0; g < groups->len; g++)
            g_string_append(line, groups->pdata[g]);
        g_ptr_array_add(lines, g_strdup(line->str));
    }
    g_ptr_array_sort(lines, compare_texts);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}

static void
expect_in_any_order(const Made *made, guint count, const char *expected)
{
    g_auto(Fixture) fixture = fixture_new();
    guint orders = 1;

    for (guint i = 2; i <= count; i++)
        orders *= i;
    for (guint order = 0; order < orders; order++) {
        guint places[8] = {0, 1, 2, 3, 4, 5, 6, 7};
        dedupe_clear(fixture.dedupe, 0);
        for (guint left = count, code = order; left > 0; left--) {
            guint at = code % left;
            code /= left;
            add(&fixture, &made[places[at]]);
            places[at] = places[left - 1];
        }
        g_autofree char *got = kept(&fixture);
        cr_assert_str_eq(got, expected, "order %u", order);
    }
}

Test(bill_dedupe, copies_of_equal_contents_become_one_with_the_fields_of_the_first)
{
    static const Made made[] = {
        {.contents = 1, .ok = TRUE, .time_us = 7, .numbers = {5, 5}, .segment = 3},
        {.contents = 1, .ok = TRUE, .time_us = 6, .writer = "b", .numbers = {1, 9}, .segment = 4},
        {.contents = 1, .ok = TRUE, .time_us = 6, .writer = "a", .sequence = 10, .numbers = {4, 4}},
        {.contents = 1,
         .ok = TRUE,
         .time_us = 6,
         .writer = "a",
         .sequence = 9,
         .numbers = {3, 8},
         .segment = 2},
    };

    expect_in_any_order(made, G_N_ELEMENTS(made),
                        "0 id: 1 at 6 by a 9 [3 8] segment 0 known 99999; 1 x 4");
}

Test(bill_dedupe, what_was_measured_decides_when_all_else_is_equal)
{
    static const Made made[] = {
        {.contents = 1, .ok = TRUE, .numbers = {5, 1}},
        {.contents = 1, .ok = TRUE, .numbers = {4, 9}},
        {.contents = 1, .ok = TRUE, .numbers = {4, 8}},
    };

    expect_in_any_order(made, G_N_ELEMENTS(made),
                        "0 id: 1 at 0 by w 0 [4 8] segment 0 known 99999; 1 x 3");
}

Test(bill_dedupe, an_ok_counts_before_any_failure)
{
    static const Made made[] = {
        {.contents = 1, .ok = FALSE, .time_us = 1},
        {.contents = 2, .ok = FALSE, .time_us = 2},
        {.contents = 3, .ok = TRUE, .time_us = 9},
        {.contents = 3, .ok = TRUE, .time_us = 8},
        {.contents = 4, .ok = TRUE, .time_us = 8, .writer = "x"},
    };

    expect_in_any_order(made, G_N_ELEMENTS(made),
                        "0 id: 3 at 8 by w 0 [0 0] segment 0 known 99999; "
                        "1 failed x 1 2 failed x 1 3 x 2 4 x 1");
}

Test(bill_dedupe, contradicting_copies_that_are_equal_in_order_have_one_order_nevertheless)
{
    static const Made made[] = {
        {.contents = 9, .ok = TRUE}, {.contents = 4, .ok = TRUE}, {.contents = 6, .ok = TRUE}};

    expect_in_any_order(made, G_N_ELEMENTS(made),
                        "0 id: 4 at 0 by w 0 [0 0] segment 0 known 99999; 4 x 1 6 x 1 9 x 1");
}

Test(bill_dedupe, what_counted_before_is_told_by_the_known_copies_alone)
{
    static const Made later_ok[] = {
        {.contents = 1, .ok = FALSE, .time_us = 5, .known = TRUE},
        {.contents = 1, .ok = FALSE, .time_us = 3},
        {.contents = 2, .ok = TRUE, .time_us = 7},
    };
    static const Made known_ok[] = {
        {.contents = 1, .ok = FALSE, .time_us = 1, .known = TRUE},
        {.contents = 2, .ok = TRUE, .time_us = 9, .known = TRUE},
        {.contents = 2, .ok = TRUE, .time_us = 4},
        {.contents = 3, .ok = TRUE, .time_us = 8, .known = TRUE},
    };

    expect_in_any_order(later_ok, G_N_ELEMENTS(later_ok),
                        "0 id: 2 at 7 by w 0 [0 0] segment 0 known 5; 1 failed x 2 2 x 1");
    expect_in_any_order(known_ok, G_N_ELEMENTS(known_ok),
                        "0 id: 2 at 4 by w 0 [0 0] segment 0 known 8; 1 failed x 1 2 x 2 3 x 1");
}

Test(bill_dedupe, equal_hashes_do_not_make_equal_events)
{
    static const Made made[] = {
        {.identity = 7, .id = "00000000000000000000000000000001", .ok = TRUE},
        {.identity = 7, .id = "00000000000000000000000000000002", .ok = TRUE},
        {.identity = 7, .id = "0000000000000000000000000000000A", .ok = TRUE},
        {.identity = 7, .id = "0000000000000000000000000000000a", .ok = TRUE},
        {.identity = 7, .id = "0000000000000000000000000000000a", .source = 1, .ok = TRUE},
        {.identity = 7, .id = "0", .ok = TRUE},
    };

    expect_in_any_order(made, G_N_ELEMENTS(made),
                        "0 0000000000000000000000000000000"
                        "1: 0 at 0 by w 0 [0 0] segment 0 known 99999; 0 x 1\n"
                        "0 0000000000000000000000000000000"
                        "2: 0 at 0 by w 0 [0 0] segment 0 known 99999; 0 x 1\n"
                        "0 0000000000000000000000000000000"
                        "A: 0 at 0 by w 0 [0 0] segment 0 known 99999; 0 x 1\n"
                        "0 0000000000000000000000000000000"
                        "a: 0 at 0 by w 0 [0 0] segment 0 known 99999; 0 x 1\n"
                        "0 0: 0 at 0 by w 0 [0 0] segment 0 known 99999; 0 x 1\n"
                        "1 0000000000000000000000000000000"
                        "a: 0 at 0 by w 0 [0 0] segment 0 known 99999; 0 x 1");
}

/* Beside GLib's tables: copies of events counted by identity and by contents. */
Test(bill_dedupe, two_hundred_thousand_copies_are_counted_as_glib_counts_them)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(GHashTable) identities = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) copies = g_hash_table_new(NULL, NULL);
    g_autoptr(GStringChunk) ids = g_string_chunk_new(4096);

    for (guint64 i = 0; i < 200000; i++) {
        guint event = (guint)(i * 7919 % 60013);
        guint contents = (guint)(i * 31 % 3);
        char id[16];
        g_snprintf(id, sizeof id, "%x", event);
        Made made = {.identity = (guint64)(event % 30000) * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15),
                     .id = g_string_chunk_insert_const(ids, id),
                     .contents = contents + 1,
                     .ok = contents > 0,
                     .time_us = (gint64)(200000 - i)};
        dedupe_prefetch(fixture.dedupe, made.identity);
        add(&fixture, &made);
        gpointer key = GUINT_TO_POINTER(event * 4 + contents + 1);
        g_hash_table_add(identities, GUINT_TO_POINTER(event + 1));
        g_hash_table_insert(
            copies, key, GUINT_TO_POINTER(GPOINTER_TO_UINT(g_hash_table_lookup(copies, key)) + 1));
    }
    guint firsts = 0;
    for (guint32 i = 0; i < dedupe_count(fixture.dedupe); i++) {
        const Copy *copy = dedupe_copy(fixture.dedupe, i);
        guint event = (guint)g_ascii_strtoull(copy->id.text, NULL, 16);
        gpointer key = GUINT_TO_POINTER(event * 4 + (guint)copy->contents);
        firsts += copy->is_first;
        cr_assert_eq(copy->copy_count, GPOINTER_TO_UINT(g_hash_table_lookup(copies, key)));
    }
    cr_expect_eq(dedupe_count(fixture.dedupe), g_hash_table_size(copies));
    cr_expect_eq(firsts, g_hash_table_size(identities));
}

Test(bill_dedupe, a_flood_of_contradictions_is_no_slower_than_anything_else, .timeout = 10)
{
    g_auto(Fixture) fixture = fixture_new();

    for (guint64 i = 0; i < 300000; i++) {
        Made made = {.contents = i * 0x10001, .ok = TRUE, .time_us = 300000 - (gint64)i};
        add(&fixture, &made);
    }
    cr_expect_eq(dedupe_count(fixture.dedupe), 300000);
    cr_expect_eq(dedupe_winner(fixture.dedupe, dedupe_copy(fixture.dedupe, 0))->time_us, 1);
}

Test(bill_dedupe, what_was_cleared_is_forgotten_for_any_number_that_is_expected)
{
    static const guint64 expected[] = {0, 1, 1000000, 3, 100};
    g_auto(Fixture) fixture = fixture_new();

    for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
        dedupe_clear(fixture.dedupe, expected[i]);
        cr_assert_eq(dedupe_count(fixture.dedupe), 0);
        for (guint64 k = 0; k < 5000; k++) {
            Made made = {.identity = k << 40 | k, .id = k % 2 ? "odd" : "even", .contents = i};
            add(&fixture, &made);
        }
        cr_expect_eq(dedupe_count(fixture.dedupe), 5000, "with %u expected", (guint)expected[i]);
    }
}

Test(bill_dedupe, ids_are_printed_as_they_were)
{
    static const char *const ids[] = {"0123456789abcdef0123456789abcdef",
                                      "ffffffffffffffffffffffffffffffff",
                                      "0123456789abcdef0123456789abcdeg",
                                      "0123456789ABCDEF0123456789ABCDEF",
                                      "0123456789abcdef0123456789abcde",
                                      "0123456789abcdef0123456789abcdef0",
                                      "0123456789abcdef/123456789abcdef",
                                      "0123456789abcdef:123456789abcdef",
                                      "0123456789abcdef`123456789abcdef",
                                      "\xc3\xbc",
                                      "x"};

    for (guint i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_autoptr(GString) text = g_string_new(NULL);
        Copy copy;
        gboolean is_hex = copy_set_hex_id(&copy, ids[i], strlen(ids[i]));
        cr_expect_eq(is_hex, i < 2, "%s", ids[i]);
        if (!is_hex)
            copy.id.text = ids[i];
        copy_print_id(&copy, text);
        cr_expect_str_eq(text->str, ids[i]);
    }
}
