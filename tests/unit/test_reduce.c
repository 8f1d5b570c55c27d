/* test_reduce.c - adding up by key on one rank alone, against GLib's own tree. Several ranks are
 * for tests/mpi. SPDX-License-Identifier: Apache-2.0 */
#include "mr/reduce.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "formats/error.h"
#include "tests/unit/scratch.h"

enum { MIB = 1 << 20 };

typedef struct {
    Scratch scratch;
    Comm *comm;
    Reduce *reduce;
    guint sum_count;
} Fixture;

static Fixture
fixture_new(guint sum_count, guint input_count, gsize memory_bytes)
{
    Fixture fixture = {.scratch = scratch_new(), .comm = comm_open(NULL), .sum_count = sum_count};
    ReduceConfig config = {.sum_count = sum_count,
                           .input_count = input_count,
                           .memory_bytes = memory_bytes,
                           .scratch = fixture.scratch.path};

    fixture.reduce = reduce_new(fixture.comm, &config);
    return fixture;
}

static void
fixture_release(Fixture *fixture)
{
    g_autofree char *left = scratch_list(&fixture->scratch);

    cr_expect_str_eq(left, "", "scratch has files with names: %s", left);
    reduce_free(fixture->reduce);
    comm_close(fixture->comm);
    scratch_release(&fixture->scratch);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_release)

/* What should come out: a tree of GBytes to sums. */
static gint
compare_bytes(gconstpointer a, gconstpointer b, gpointer data G_GNUC_UNUSED)
{
    return g_bytes_compare(a, b);
}

static GTree *
tree_new(void)
{
    return g_tree_new_full(compare_bytes, NULL, (GDestroyNotify)g_bytes_unref, g_free);
}

static void
tree_add(GTree *tree, const void *key, gsize key_size, const gint64 *sums, guint sum_count)
{
    GBytes *bytes = g_bytes_new(key, key_size);
    gint64 *there = g_tree_lookup(tree, bytes);

    for (guint i = 0; there && i < sum_count; i++)
        there[i] += sums[i];
    if (there)
        g_bytes_unref(bytes);
    else
        g_tree_insert(tree, bytes, g_memdup2(sums, sum_count * sizeof *sums));
}

/* Adds to both. */
static void
add(Fixture *fixture, GTree *tree, guint input, const void *key, gsize key_size, gsize group_size,
    const gint64 *sums)
{
    g_autoptr(GError) error = NULL;

    cr_assert(reduce_add(fixture->reduce, input, key, key_size, group_size, sums, &error), "%s",
              error ? error->message : "");
    tree_add(tree, key, key_size, sums, fixture->sum_count);
}

static void
expect_record(const ReduceRecord *record, GBytes *key, const gint64 *sums, guint sum_count)
{
    gsize size = 0;
    const guint8 *data = g_bytes_get_data(key, &size);

    cr_assert_eq(record->key_size_bytes, size);
    cr_assert(size == 0 || memcmp(record->key, data, size) == 0, "%.*s instead of %.*s", (int)size,
              record->key, (int)size, data);
    for (guint i = 0; i < sum_count; i++)
        cr_assert_eq(record->sums[i], sums[i], "sum %u of %.*s", i, (int)size, data);
}

/* Shuffles and compares all that comes out. */
static void
expect_tree(Fixture *fixture, GTree *tree)
{
    g_autoptr(GError) error = NULL;
    ReduceRecord record;

    cr_assert(reduce_shuffle(fixture->reduce, FALSE, &error), "%s", error ? error->message : "");
    for (GTreeNode *node = g_tree_node_first(tree); node; node = g_tree_node_next(node)) {
        int there = reduce_next(fixture->reduce, &record, &error);
        cr_assert_eq(there, 1, "%s", error ? error->message : "too few");
        expect_record(&record, g_tree_node_key(node), g_tree_node_value(node), fixture->sum_count);
    }
    cr_expect_eq(reduce_next(fixture->reduce, &record, &error), 0);
    cr_expect_null(error);
    cr_expect_eq(reduce_next(fixture->reduce, &record, &error), 0, "the end stays the end");
}

Test(reduce, sums_of_equal_keys_are_added_up_and_keys_come_out_in_order)
{
    g_auto(Fixture) fixture = fixture_new(2, 1, MIB);
    static const struct {
        const char *key;
        gint64 sums[2];
    } in[] = {{"b", {1, 10}}, {"a", {2, -5}}, {"b", {3, 0}}, {"ab", {7, 7}}, {"a", {-2, 5}}},
      out[] = {{"a", {0, 0}}, {"ab", {7, 7}}, {"b", {4, 10}}};
    ReduceRecord record;

    for (guint i = 0; i < G_N_ELEMENTS(in); i++)
        cr_assert(reduce_add(fixture.reduce, 0, in[i].key, strlen(in[i].key), 1, in[i].sums, NULL));
    cr_assert(reduce_shuffle(fixture.reduce, FALSE, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(out); i++) {
        cr_assert_eq(reduce_next(fixture.reduce, &record, NULL), 1);
        cr_expect_eq(record.key_size_bytes, strlen(out[i].key));
        cr_expect(memcmp(record.key, out[i].key, record.key_size_bytes) == 0);
        cr_expect_eq(record.sums[0], out[i].sums[0]);
        cr_expect_eq(record.sums[1], out[i].sums[1]);
    }
    cr_expect_eq(reduce_next(fixture.reduce, &record, NULL), 0);
    ReduceCounts counts = reduce_counts(fixture.reduce);
    cr_expect_eq(counts.added_count, 5);
    cr_expect_eq(counts.sent_count, 3);
    cr_expect_eq(counts.received_count, 3);
    cr_expect_eq(counts.sent_hash, counts.received_hash);
    cr_expect_eq(counts.spilled_bytes, 0);
}

Test(reduce, nothing_in_is_nothing_out)
{
    g_auto(Fixture) fixture = fixture_new(1, 3, MIB);
    g_autoptr(GTree) tree = tree_new();

    expect_tree(&fixture, tree);
    cr_expect_eq(reduce_counts(fixture.reduce).sent_hash, 0);
}

Test(reduce, keys_are_bytes_of_any_kind_and_none_is_a_key_too)
{
    g_auto(Fixture) fixture = fixture_new(1, 2, MIB);
    g_autoptr(GTree) tree = tree_new();
    static const gint64 one = 1;
    guint8 zeros[300] = {0};
    guint8 ones[300];

    memset(ones, 0xff, sizeof ones);
    for (guint round = 0; round < 3; round++) {
        for (gsize size = 0; size <= sizeof zeros; size++) {
            add(&fixture, tree, round % 2, zeros, size, 0, &one);
            add(&fixture, tree, round % 2, ones, size, size / 2, &one);
        }
    }
    cr_assert_eq(g_tree_nnodes(tree), 601);
    expect_tree(&fixture, tree);
}

Test(reduce, groups_of_one_byte_keep_the_order_of_keys)
{
    g_auto(Fixture) fixture = fixture_new(1, 1, MIB);
    g_autoptr(GTree) tree = tree_new();
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);

    for (guint i = 0; i < 20000; i++) {
        guint32 key = g_rand_int(rand);
        gint64 sum = g_rand_int_range(rand, -1000, 1000);
        add(&fixture, tree, 0, &key, sizeof key, 1, &sum);
    }
    expect_tree(&fixture, tree);
}

/* Keys with long beginnings in common and of all lengths, some of them drawn often. */
static gsize
draw_key(GRand *rand, guint8 *key)
{
    guint number = (guint)g_rand_int_range(rand, 0, g_rand_boolean(rand) ? 50 : 60000);
    gsize size = (gsize)g_snprintf((char *)key, 200, "customers-of-one-kind/%u", number);

    key[size] = 0;
    for (guint i = 0; i < number % 120; i++)
        key[size + 1 + i] = (guint8)(number >> i % 8);
    return size + 1 + number % 120;
}

static void
add_drawn(Fixture *fixture, GTree *tree, guint count, guint input_count)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    guint8 key[400];

    for (guint i = 0; i < count; i++) {
        gsize size = draw_key(rand, key);
        gint64 sums[3] = {1, g_rand_int(rand), -(gint64)g_rand_int(rand) * MIB};
        add(fixture, tree, i % input_count, key, size, MIN(size, 24), sums);
    }
}

Test(reduce, what_does_not_fit_into_memory_is_spilled_and_comes_out_the_same)
{
    static const gsize budgets[] = {MIB, 4 * MIB, 256 * MIB};
    guint64 hash = 0;

    for (guint i = 0; i < G_N_ELEMENTS(budgets); i++) {
        g_auto(Fixture) fixture = fixture_new(3, 2, budgets[i]);
        g_autoptr(GTree) tree = tree_new();
        add_drawn(&fixture, tree, 200000, 2);
        expect_tree(&fixture, tree);
        ReduceCounts counts = reduce_counts(fixture.reduce);
        cr_expect_eq(counts.added_count, 200000);
        cr_expect_eq(counts.sent_count, (guint64)g_tree_nnodes(tree));
        cr_expect_eq(counts.received_count, counts.sent_count);
        cr_expect_eq(counts.received_hash, counts.sent_hash);
        cr_expect_eq(counts.spilled_bytes > 0, budgets[i] < 256 * MIB);
        cr_expect(i == 0 || counts.sent_hash == hash, "the hash is that of what comes out");
        hash = counts.sent_hash;
    }
}

/* Keys in order need no table to be found in, until one comes that is not. */
Test(reduce, keys_that_come_in_order_and_then_do_not_come_out_the_same)
{
    enum { KEYS = 100000 };
    static const guint odd_from[] = {0, 1, 700, 5000, KEYS};

    for (guint i = 0; i < G_N_ELEMENTS(odd_from); i++) {
        g_auto(Fixture) fixture = fixture_new(1, 1, i % 2 ? MIB : 64 * MIB);
        g_autoptr(GTree) tree = tree_new();
        for (guint k = 0; k < KEYS; k++) {
            /* Ends of keys differ in size, so that one is the beginning of another. */
            gboolean odd = k >= odd_from[i] && k % 3 == 0;
            g_autofree char *key =
                g_strdup_printf("key %06u%s", odd ? k * 7 % KEYS : k / 2 * 2, k % 2 ? "x" : "");
            const gint64 sums[] = {k + 1};
            add(&fixture, tree, 0, key, strlen(key), 1, sums);
        }
        expect_tree(&fixture, tree);
    }
}

Test(reduce, more_runs_than_can_be_merged_at_once_are_merged_by_and_by)
{
    g_auto(Fixture) fixture = fixture_new(1, 1, MIB);
    g_autoptr(GTree) tree = tree_new();
    guint8 key[600] = {0};
    static const gint64 one = 1;

    /* 40 MB of keys, of which each run holds less than one. */
    for (guint32 i = 0; i < 70000; i++) {
        guint32 number = GUINT32_TO_BE(i * 2654435761U);
        memcpy(key, &number, sizeof number);
        add(&fixture, tree, 0, key, sizeof key, sizeof key, &one);
    }
    expect_tree(&fixture, tree);
}

Test(reduce, the_largest_keys_fit_into_the_least_memory)
{
    g_auto(Fixture) fixture = fixture_new(REDUCE_SUMS_MAX, 4, MIB);
    g_autoptr(GTree) tree = tree_new();
    g_autofree guint8 *key = g_malloc(REDUCE_KEY_MAX_BYTES);
    gint64 sums[REDUCE_SUMS_MAX] = {G_MININT64 / 8, G_MAXINT64 / 8, 1, -1};

    for (guint i = 0; i < 200; i++) {
        gsize size = i % 3 == 0 ? REDUCE_KEY_MAX_BYTES : 70 << 10;
        memset(key, (int)(i % 20), REDUCE_KEY_MAX_BYTES);
        key[size - 1] = (guint8)(i % 7);
        add(&fixture, tree, i % 4, key, size, 5, sums);
        sums[0] = 0;
        sums[1] = 0;
        add(&fixture, tree, i % 4, &i, sizeof i, 1, sums);
    }
    expect_tree(&fixture, tree);
    cr_expect_gt(reduce_counts(fixture.reduce).spilled_bytes, 0);
}

typedef struct {
    Reduce *reduce;
    guint input;
} Adder;

static gpointer
add_in_thread(gpointer data)
{
    const Adder *adder = data;

    for (guint i = 0; i < 100000; i++) {
        guint32 key = GUINT32_TO_BE(i * 7919 % 30000);
        gint64 sums[2] = {1, i};
        g_assert(reduce_add(adder->reduce, adder->input, &key, sizeof key, 4, sums, NULL));
    }
    return NULL;
}

Test(reduce, many_threads_add_side_by_side)
{
    enum { THREADS = 6 };
    g_auto(Fixture) fixture = fixture_new(2, THREADS, 2 * MIB);
    g_autoptr(GTree) tree = tree_new();
    GThread *threads[THREADS];
    Adder adders[THREADS];

    for (guint i = 0; i < THREADS; i++) {
        adders[i] = (Adder){fixture.reduce, i};
        threads[i] = g_thread_new("adder", add_in_thread, &adders[i]);
    }
    for (guint i = 0; i < 100000; i++) {
        guint32 key = GUINT32_TO_BE(i * 7919 % 30000);
        gint64 sums[2] = {THREADS, (gint64)i * THREADS};
        tree_add(tree, &key, sizeof key, sums, 2);
    }
    for (guint i = 0; i < THREADS; i++)
        g_thread_join(threads[i]);
    expect_tree(&fixture, tree);
    cr_expect_gt(reduce_counts(fixture.reduce).spilled_bytes, 0);
}

Test(reduce, sums_at_the_limits_of_64_bits_are_exact)
{
    g_auto(Fixture) fixture = fixture_new(2, 1, MIB);
    g_autoptr(GTree) tree = tree_new();
    static const gint64 parts[][2] = {
        {G_MAXINT64 - 1, G_MININT64 + 1}, {1, -1}, {-5, G_MAXINT64}, {5, 0}};

    for (guint i = 0; i < G_N_ELEMENTS(parts); i++)
        add(&fixture, tree, 0, "key", 3, 3, parts[i]);
    expect_tree(&fixture, tree);
}

static void
expect_overflow(const GError *error, const char *shown_key)
{
    cr_assert(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT));
    cr_expect(g_str_has_prefix(error->message, shown_key), "%s", error->message);
}

Test(reduce, a_sum_that_leaves_64_bits_is_an_error_that_names_the_key)
{
    g_auto(Fixture) fixture = fixture_new(2, 1, MIB);
    g_autoptr(GError) error = NULL;
    static const gint64 high[2] = {0, G_MAXINT64};
    static const gint64 one[2] = {0, 1};
    gboolean good = TRUE;

    cr_assert(reduce_add(fixture.reduce, 0, "ac\"me\0cpu", 9, 5, high, NULL));
    for (guint i = 0; i < 100 && good; i++)
        good = reduce_add(fixture.reduce, 0, "ac\"me\0cpu", 9, 5, one, &error);
    cr_expect_not(good);
    expect_overflow(error, "\"ac\\x22me\\x00cpu\": ");
    cr_expect_not(reduce_shuffle(fixture.reduce, TRUE, NULL), "one that has failed stays so");
}

Test(reduce, one_that_shows_only_at_the_end_is_one_too)
{
    g_auto(Fixture) one = fixture_new(1, 1, MIB);
    g_auto(Fixture) two = fixture_new(1, 2, MIB);
    g_autoptr(GError) first = NULL;
    g_autoptr(GError) second = NULL;
    ReduceRecord record;
    static const gint64 low = G_MININT64;

    for (guint i = 0; i < 2; i++) {
        cr_assert(reduce_add(one.reduce, 0, "a", 1, 1, &low, NULL));
        cr_assert(reduce_add(two.reduce, i, "a", 1, 1, &low, NULL));
    }
    cr_expect_not(reduce_shuffle(one.reduce, FALSE, &first));
    expect_overflow(first, "\"a\": ");
    gboolean good = reduce_shuffle(two.reduce, FALSE, &second) &&
                    reduce_next(two.reduce, &record, &second) >= 0;
    cr_expect_not(good);
    expect_overflow(second, "\"a\": ");
}

Test(reduce, a_rank_that_has_failed_before_says_so_without_an_error_of_its_own)
{
    g_auto(Fixture) fixture = fixture_new(1, 1, MIB);
    g_autoptr(GError) error = NULL;
    static const gint64 one = 1;

    cr_assert(reduce_add(fixture.reduce, 0, "a", 1, 1, &one, NULL));
    cr_expect_not(reduce_shuffle(fixture.reduce, TRUE, &error));
    cr_expect_null(error);
}

/* Adds different keys until it fails. */
static gboolean
fill(Fixture *fixture, GError **error)
{
    for (guint64 i = 0; i < 1000000; i++) {
        guint64 key = i * 0x9e3779b97f4a7c15U;
        gint64 sum = (gint64)key;
        if (!reduce_add(fixture->reduce, 0, &key, sizeof key, 8, &sum, error))
            return FALSE;
    }
    return TRUE;
}

Test(reduce, a_folder_for_scratch_that_is_gone_is_named)
{
    g_auto(Fixture) fixture = fixture_new(1, 1, MIB);
    g_autoptr(GError) error = NULL;

    rmdir(fixture.scratch.path);
    cr_expect_not(fill(&fixture, &error));
    cr_assert(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_IO));
    cr_expect_not_null(strstr(error->message, fixture.scratch.path), "%s", error->message);
    cr_assert_eq(mkdir(fixture.scratch.path, 0700), 0);
}

Test(reduce, a_full_disk_is_an_error_of_io)
{
    g_auto(Fixture) fixture = fixture_new(1, 1, MIB);
    g_autoptr(GError) error = NULL;
    struct rlimit limit = {100000, 100000};

    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_expect_not(fill(&fixture, &error));
    cr_assert(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_IO));
}
