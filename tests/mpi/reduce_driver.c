/* reduce_driver.c - adds seeded records up by key on all ranks and prints what comes out.
 * Record I is the same for any number of ranks: rank R adds those with I mod ranks = R. --dump
 * prints the records instead, so that another program can add them up.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <glib.h>

#include "formats/error.h"
#include "mr/gather.h"
#include "mr/reduce.h"

enum { SUMS = 4, TEXT_MAX = 64, DIGITS = 7 };

static gint64 record_count = 100000;
static gint64 key_count = 10000;
static gint64 memory_bytes = 64 << 20;
static gint64 seed = 1;
static int input_count = 1;
static int value_bytes; /* of a second part of what is gathered */
static char *scratch = "/tmp";
static gboolean dump;
static gboolean quiet;
static int fail_adding = -1;  /* this rank has an error of its own before the shuffle */
static int fail_reading = -1; /* and this one between shuffle and gather */

typedef struct {
    char key[TEXT_MAX];
    gsize group_size_bytes;
    gint64 sums[SUMS];
} Record;

/* splitmix64 */
static guint64
mix(guint64 value)
{
    value += 0x9e3779b97f4a7c15U;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9U;
    value = (value ^ value >> 27) * 0x94d049bb133111ebU;
    return value ^ value >> 31;
}

/* By hand: printf would take longer than what is measured here. */
static void
make_record(guint64 index, Record *record)
{
    static const char stem[] = "customer-";
    guint64 drawn = mix(mix((guint64)seed) + index);
    guint64 key = drawn % (guint64)key_count;
    guint64 customer = key / 4;
    char *at = record->key + strlen(stem);

    memcpy(record->key, stem, strlen(stem));
    for (guint i = 0; i < DIGITS; i++, customer /= 10)
        at[DIGITS - 1 - i] = (char)('0' + customer % 10);
    record->group_size_bytes = strlen(stem) + DIGITS;
    at += DIGITS;
    *at++ = '/';
    *at++ = (char)('0' + key % 4);
    g_strlcpy(at, key % 7 == 0 ? "/a-longer-one" : "", TEXT_MAX / 2);
    record->sums[0] = 1;
    record->sums[1] = (gint64)(drawn >> 44);
    record->sums[2] = (gint64)(drawn >> 54) - 512;
    record->sums[3] = 0;
}

static void
print_record(const char *key, gsize key_size_bytes, const gint64 *sums)
{
    printf("%.*s", (int)key_size_bytes, key);
    for (guint i = 0; i < SUMS; i++)
        printf("\t%" G_GINT64_FORMAT, sums[i]);
    printf("\n");
}

typedef struct {
    Comm *comm;
    Reduce *reduce;
    guint input;
    GError *error;
    ReduceRecord record;
    GString *text;
    GString *value;
    guint64 key_count;
} Work;

/* What one thread of a rank does. */
static gpointer
add_records(gpointer data)
{
    Work *work = data;
    guint64 step = (guint64)comm_size(work->comm) * (guint)input_count;
    guint64 index = (guint64)comm_rank(work->comm) * (guint)input_count + work->input;

    for (; index < (guint64)record_count && !work->error; index += step) {
        Record record;
        make_record(index, &record);
        reduce_add(work->reduce, work->input, record.key, strlen(record.key),
                   record.group_size_bytes, record.sums, &work->error);
    }
    return NULL;
}

static gboolean
add_all(Comm *comm, Reduce *reduce, GError **error)
{
    g_autofree Work *works = g_new0(Work, input_count);
    g_autofree GThread **threads = g_new0(GThread *, input_count);
    gboolean good = TRUE;

    for (int i = 0; i < input_count; i++) {
        works[i] = (Work){.comm = comm, .reduce = reduce, .input = (guint)i};
        threads[i] = g_thread_new("adder", add_records, &works[i]);
    }
    for (int i = 0; i < input_count; i++) {
        g_thread_join(threads[i]);
        if (works[i].error && good)
            g_propagate_error(error, works[i].error);
        good = good && !works[i].error;
    }
    return good;
}

static int
next_item(gpointer data, GatherItem *item, GError **error)
{
    Work *work = data;
    int there = reduce_next(work->reduce, &work->record, error);

    if (comm_rank(work->comm) == fail_reading) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO, "told to fail");
        return -1;
    }
    if (there <= 0)
        return there;
    g_string_truncate(work->text, 0);
    for (guint i = 0; i < SUMS && !quiet; i++)
        g_string_append_printf(work->text, "\t%" G_GINT64_FORMAT, work->record.sums[i]);
    *item = (GatherItem){.key = work->record.key,
                         .key_size_bytes = work->record.key_size_bytes,
                         .parts = {work->text->str, work->value->str},
                         .part_size_bytes = {work->text->len, work->value->len}};
    return 1;
}

static gboolean
take_item(gpointer data, const GatherItem *item, GError **error)
{
    Work *work = data;

    work->key_count++;
    if (item->part_size_bytes[1] != work->value->len ||
        memcmp(item->parts[1], work->value->str, work->value->len) != 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT, "a part has changed");
        return FALSE;
    }
    if (!quiet)
        printf("%.*s%.*s\n", (int)item->key_size_bytes, item->key, (int)item->part_size_bytes[0],
               item->parts[0]);
    return TRUE;
}

static void
report(Work *work, const gint64 times_us[4])
{
    ReduceCounts counts = reduce_counts(work->reduce);
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    gint64 peak_kib = comm_max(work->comm, usage.ru_maxrss);
    if (comm_rank(work->comm) == 0)
        fprintf(stderr,
                "added %" G_GUINT64_FORMAT " sent %" G_GUINT64_FORMAT " received %" G_GUINT64_FORMAT
                " same %d spilled %" G_GUINT64_FORMAT " keys %" G_GUINT64_FORMAT
                " peak-kib %d ms: add %d shuffle %d gather %d\n",
                counts.added_count, counts.sent_count, counts.received_count,
                counts.sent_hash == counts.received_hash, counts.spilled_bytes, work->key_count,
                (int)peak_kib, (int)((times_us[1] - times_us[0]) / 1000),
                (int)((times_us[2] - times_us[1]) / 1000),
                (int)((times_us[3] - times_us[2]) / 1000));
}

static gboolean
run(Comm *comm, GError **error)
{
    ReduceConfig config = {.sum_count = SUMS,
                           .input_count = (guint)input_count,
                           .memory_bytes = (gsize)memory_bytes,
                           .scratch = scratch};
    g_autoptr(Reduce) reduce = reduce_new(comm, &config);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GString) value = g_string_new(NULL);
    Work work = {.comm = comm, .reduce = reduce, .text = text, .value = value};
    gint64 times_us[4] = {g_get_monotonic_time()};

    while (value->len < (gsize)value_bytes)
        g_string_append_c(value, (char)('a' + value->len % 23));
    gboolean good = add_all(comm, reduce, error) && comm_rank(comm) != fail_adding;
    times_us[1] = g_get_monotonic_time();
    if (!reduce_shuffle(reduce, !good, good ? error : NULL))
        return FALSE;
    times_us[2] = g_get_monotonic_time();
    if (!gather(comm, next_item, take_item, &work, error))
        return FALSE;
    times_us[3] = g_get_monotonic_time();
    report(&work, times_us);
    return TRUE;
}

static void
dump_records(void)
{
    for (guint64 index = 0; index < (guint64)record_count; index++) {
        Record record;
        make_record(index, &record);
        print_record(record.key, strlen(record.key), record.sums);
    }
}

int
main(int argc, char **argv)
{
    const GOptionEntry entries[] = {
        {"records", 0, 0, G_OPTION_ARG_INT64, &record_count, "How many records", "N"},
        {"keys", 0, 0, G_OPTION_ARG_INT64, &key_count, "How many keys", "N"},
        {"memory", 0, 0, G_OPTION_ARG_INT64, &memory_bytes, "Budget of a rank", "BYTES"},
        {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "Which records", "N"},
        {"inputs", 0, 0, G_OPTION_ARG_INT, &input_count, "Threads of a rank", "N"},
        {"scratch", 0, 0, G_OPTION_ARG_FILENAME, &scratch, "Where to spill", "DIR"},
        {"value", 0, 0, G_OPTION_ARG_INT, &value_bytes, "A part to gather beside", "BYTES"},
        {"dump", 0, 0, G_OPTION_ARG_NONE, &dump, "Print the records", NULL},
        {"quiet", 0, 0, G_OPTION_ARG_NONE, &quiet, "Print no sums", NULL},
        {"fail-adding", 0, 0, G_OPTION_ARG_INT, &fail_adding, "This rank fails", "RANK"},
        {"fail-reading", 0, 0, G_OPTION_ARG_INT, &fail_reading, "This rank fails later", "RANK"},
        G_OPTION_ENTRY_NULL};
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "%s\n", error->message);
        return EXIT_BAD_USAGE;
    }
    if (dump) {
        dump_records();
        return EXIT_ALL_DONE;
    }
    Comm *comm = comm_open(NULL);
    gboolean good = comm && run(comm, &error);
    if (!good)
        fprintf(stderr, "rank %d: %s\n", comm_rank(comm), error ? error->message : "failed");
    comm_close(comm);
    return good ? EXIT_ALL_DONE : error ? millrace_error_exit_code(error) : EXIT_IO;
}
