/* reduce.c - the way of a record: into the table of its thread; out of it, sorted, into scratch
 * when it is full; from there, merged, to the rank that owns it; merged there with all that came.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/reduce.h"

#include "mr/reduce_merge.h"
#include "mr/reduce_spill.h"
#include "mr/reduce_table.h"
#include "mr/shuffle.h"

/* How the budget is divided, in parts of it. Alone there is nothing to send or to keep. */
enum {
    PARTS = 8,
    TABLES_PARTS = 4,
    TABLES_PARTS_ALONE = 6,
    MERGE_PARTS = 1, /* blocks of runs being merged */
    MERGE_PARTS_ALONE = 2,
    FLIGHT_PARTS = 1,
    KEPT_PARTS = 1,
    OPENED_PARTS = 1 /* a block of each other rank, unpacked */
};
enum {
    MEMORY_MIN_BYTES = 1 << 20,
    BLOCK_MIN_BYTES = 8 << 10,
    RUN_BLOCK_MAX_BYTES = 256 << 10,
    RUN_BLOCK_FRACTION = 128 /* of the budget, so that many runs can be merged at once */
};

/* What one thread adds to. */
typedef struct {
    ReduceTable *table;
    ReduceBlockWriter *writer;
    ReduceSpill *spill;
    GPtrArray *runs; /* of ReduceRun */
    guint64 added_count;
    guint64 spilled_bytes;
    GError *error; /* of sorting */
} Input;

struct _Reduce {
    Comm *comm;
    ReduceConfig config;
    char *scratch;
    GPtrArray *inputs; /* of Input */
    Decompressor *decompressor;
    /* From reduce_shuffle() on. */
    GPtrArray *runs;       /* of ReduceRun, those of the inputs or what was made of them */
    guint64 merged_bytes;  /* spilled again to merge runs */
    ReduceSource *local;   /* this rank's records, on their way */
    gboolean local_opened; /* local is at a record that nobody has taken yet */
    ShuffleTally own;      /* of them, those that stayed here */
    Shuffle *shuffle;
    ReduceSource *result;
};

static Input *
input_new(const Reduce *reduce, gsize memory_bytes)
{
    Input *input = g_new0(Input, 1);

    input->table = reduce_table_new(comm_rank(reduce->comm), comm_size(reduce->comm),
                                    reduce->config.sum_count, memory_bytes);
    input->writer = reduce_block_writer_new(reduce->config.sum_count);
    input->runs = g_ptr_array_new_with_free_func((GDestroyNotify)reduce_run_free);
    return input;
}

static void
input_free(gpointer data)
{
    Input *input = data;

    reduce_table_free(input->table);
    reduce_block_writer_free(input->writer);
    g_clear_pointer(&input->spill, reduce_spill_unref);
    g_ptr_array_unref(input->runs);
    g_clear_error(&input->error);
    g_free(input);
}

static gboolean
is_alone(const Reduce *reduce)
{
    return comm_size(reduce->comm) == 1;
}

/* Some parts of the budget. */
static gsize
share_bytes(const Reduce *reduce, gsize parts)
{
    return reduce->config.memory_bytes / PARTS * parts;
}

Reduce *
reduce_new(Comm *comm, const ReduceConfig *config)
{
    Reduce *reduce = g_new0(Reduce, 1);

    g_assert(config->sum_count >= 1 && config->sum_count <= REDUCE_SUMS_MAX);
    g_assert(config->input_count >= 1 && comm_size(comm) <= REDUCE_TURNS_MAX);
    reduce->comm = comm;
    reduce->config = *config;
    reduce->config.memory_bytes = MAX(config->memory_bytes, MEMORY_MIN_BYTES);
    reduce->config.scratch = reduce->scratch = g_strdup(config->scratch);
    reduce->decompressor = decompressor_new();
    reduce->runs = g_ptr_array_new_with_free_func((GDestroyNotify)reduce_run_free);
    reduce->inputs = g_ptr_array_new_with_free_func(input_free);
    gsize tables = share_bytes(reduce, is_alone(reduce) ? TABLES_PARTS_ALONE : TABLES_PARTS);
    gsize each = MAX(tables / config->input_count, REDUCE_TABLE_MIN_BYTES);
    for (guint i = 0; i < config->input_count; i++)
        g_ptr_array_add(reduce->inputs, input_new(reduce, each));
    return reduce;
}

void
reduce_free(Reduce *reduce)
{
    g_clear_pointer(&reduce->result, reduce_source_free);
    g_clear_pointer(&reduce->local, reduce_source_free);
    g_clear_pointer(&reduce->shuffle, shuffle_free);
    g_ptr_array_unref(reduce->runs);
    g_ptr_array_unref(reduce->inputs);
    decompressor_free(reduce->decompressor);
    g_free(reduce->scratch);
    g_free(reduce);
}

static gsize
run_block_bytes(const Reduce *reduce)
{
    return CLAMP(reduce->config.memory_bytes / RUN_BLOCK_FRACTION, BLOCK_MIN_BYTES,
                 RUN_BLOCK_MAX_BYTES);
}

/* Writes an input's table into scratch, as one sorted run. */
static gboolean
spill_table(const Reduce *reduce, Input *input, GError **error)
{
    if (!input->spill && !(input->spill = reduce_spill_new(reduce->scratch, error)))
        return FALSE;
    if (!reduce_table_sort(input->table, error))
        return FALSE;
    g_autoptr(ReduceSource) source = reduce_table_source(input->table);
    ReduceRun *run =
        reduce_run_write(input->spill, source, input->writer, run_block_bytes(reduce), error);
    if (!run)
        return FALSE;
    input->spilled_bytes += run->end - run->offset;
    g_ptr_array_add(input->runs, run);
    reduce_table_clear(input->table);
    return TRUE;
}

gboolean
reduce_add(Reduce *reduce, guint input_index, const void *key, gsize key_size_bytes,
           gsize group_size_bytes, const gint64 *sums, GError **error)
{
    Input *input = g_ptr_array_index(reduce->inputs, input_index);
    ReduceTableResult result = REDUCE_TABLE_FULL;

    g_assert(key_size_bytes <= REDUCE_KEY_MAX_BYTES && group_size_bytes <= key_size_bytes);
    result = reduce_table_add(input->table, key, key_size_bytes, group_size_bytes, sums, error);
    if (result == REDUCE_TABLE_FULL) {
        if (!spill_table(reduce, input, error))
            return FALSE;
        result = reduce_table_add(input->table, key, key_size_bytes, group_size_bytes, sums, error);
        g_assert(result == REDUCE_TABLE_ADDED);
    }
    input->added_count++;
    return result == REDUCE_TABLE_ADDED;
}

static gpointer
sort_input(gpointer data)
{
    Input *input = data;

    reduce_table_sort(input->table, &input->error);
    return NULL;
}

/* The threads that have added are idle now, so there is a core for each. */
static gboolean
sort_inputs(const Reduce *reduce, GError **error)
{
    g_autofree GThread **threads = g_new0(GThread *, reduce->inputs->len);

    for (guint i = 1; i < reduce->inputs->len; i++)
        threads[i] = g_thread_new("sort", sort_input, g_ptr_array_index(reduce->inputs, i));
    sort_input(g_ptr_array_index(reduce->inputs, 0));
    for (guint i = 1; i < reduce->inputs->len; i++)
        g_thread_join(threads[i]);
    for (guint i = 0; i < reduce->inputs->len; i++) {
        Input *input = g_ptr_array_index(reduce->inputs, i);
        if (input->error) {
            g_propagate_error(error, g_steal_pointer(&input->error));
            return FALSE;
        }
    }
    return TRUE;
}

static GPtrArray *
sources_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)reduce_source_free);
}

static void
add_run_source(const Reduce *reduce, GPtrArray *sources, const ReduceRun *run)
{
    g_ptr_array_add(sources,
                    reduce_run_source(run, reduce->config.sum_count, reduce->decompressor));
}

/* How many of the first runs can be merged within so much memory; one is always there, if any. */
static guint
count_mergeable(const Reduce *reduce, gsize memory_bytes)
{
    guint count = 0;

    while (count < reduce->runs->len) {
        const ReduceRun *run = g_ptr_array_index(reduce->runs, count);
        if (run->block_max_bytes > memory_bytes)
            break;
        memory_bytes -= run->block_max_bytes;
        count++;
    }
    return count;
}

/* Makes one run of the first ones, as the last of all. */
static gboolean
merge_runs(Reduce *reduce, guint count, GError **error)
{
    const Input *input = g_ptr_array_index(reduce->inputs, 0);
    g_autoptr(ReduceSpill) spill = reduce_spill_new(reduce->scratch, error);
    GPtrArray *sources = sources_new();

    for (guint i = 0; i < count; i++)
        add_run_source(reduce, sources, g_ptr_array_index(reduce->runs, i));
    g_autoptr(ReduceSource) merged = reduce_merge_new(sources, reduce->config.sum_count);
    ReduceRun *run =
        spill ? reduce_run_write(spill, merged, input->writer, run_block_bytes(reduce), error)
              : NULL;
    if (!run)
        return FALSE;
    reduce->merged_bytes += run->end - run->offset;
    g_ptr_array_remove_range(reduce->runs, 0, count);
    g_ptr_array_add(reduce->runs, run);
    return TRUE;
}

/* Makes the runs so few that they can be merged at once. */
static gboolean
make_runs_few(Reduce *reduce, GError **error)
{
    gsize share = share_bytes(reduce, is_alone(reduce) ? MERGE_PARTS_ALONE : MERGE_PARTS);
    guint count = 0;

    while ((count = count_mergeable(reduce, share)) < reduce->runs->len)
        if (!merge_runs(reduce, MAX(count, 2), error))
            return FALSE;
    return TRUE;
}

/* Makes a source of all that was added here. */
static gboolean
finish_inputs(Reduce *reduce, GError **error)
{
    if (!sort_inputs(reduce, error))
        return FALSE;
    for (guint i = 0; i < reduce->inputs->len; i++) {
        Input *input = g_ptr_array_index(reduce->inputs, i);
        g_ptr_array_extend_and_steal(reduce->runs, input->runs);
        input->runs = g_ptr_array_new();
        g_clear_pointer(&input->spill, reduce_spill_unref);
    }
    if (!make_runs_few(reduce, error))
        return FALSE;
    GPtrArray *sources = sources_new();
    for (guint i = 0; i < reduce->inputs->len; i++) {
        const Input *input = g_ptr_array_index(reduce->inputs, i);
        if (reduce_table_count(input->table) > 0)
            g_ptr_array_add(sources, reduce_table_source(input->table));
    }
    for (guint i = 0; i < reduce->runs->len; i++)
        add_run_source(reduce, sources, g_ptr_array_index(reduce->runs, i));
    reduce->local = reduce_merge_new(sources, reduce->config.sum_count);
    return TRUE;
}

/* The records of the local source that stay here. */
typedef struct {
    ReduceSource base;
    Reduce *reduce;
} OwnSource;

static int
own_source_next(ReduceSource *base, GError **error)
{
    Reduce *reduce = ((OwnSource *)base)->reduce;
    const ReduceSource *local = reduce->local;
    int there = reduce->local_opened ? 1 : reduce->local->next(reduce->local, error);

    reduce->local_opened = FALSE;
    if (there <= 0)
        return there;
    base->turn = local->turn;
    base->key = local->key;
    base->key_size_bytes = local->key_size_bytes;
    base->sums = local->sums;
    shuffle_tally_add(&reduce->own, local, reduce->config.sum_count);
    return 1;
}

static void
own_source_free(ReduceSource *base)
{
    g_free(base);
}

static ReduceSource *
own_source_new(Reduce *reduce)
{
    OwnSource *source = g_new0(OwnSource, 1);

    source->base = (ReduceSource){.next = own_source_next, .free = own_source_free};
    source->reduce = reduce;
    return &source->base;
}

/* Blocks of all other ranks lie open at once when they are merged, so the smallest budget of all
 * tells how large they are. */
static gboolean
exchange(Reduce *reduce, gboolean failed, GError **error)
{
    gsize memory_least = (gsize)-comm_max(reduce->comm, -(gint64)reduce->config.memory_bytes);
    gsize block_bytes = memory_least / PARTS * OPENED_PARTS / (gsize)comm_size(reduce->comm);
    ShuffleConfig config = {.sum_count = reduce->config.sum_count,
                            .block_bytes =
                                CLAMP(block_bytes, BLOCK_MIN_BYTES, REDUCE_BLOCK_MAX_BYTES),
                            .flight_bytes = share_bytes(reduce, FLIGHT_PARTS),
                            .kept_bytes = share_bytes(reduce, KEPT_PARTS),
                            .scratch = reduce->scratch};
    GError *failure = NULL;

    reduce->shuffle = shuffle_new(reduce->comm, &config, reduce->decompressor);
    if (shuffle_run(reduce->shuffle, reduce->local, failed, &reduce->local_opened, &failure))
        return TRUE;
    if (failure)
        g_propagate_error(error, failure);
    else if (!failed)
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED,
                            "another rank has failed");
    return FALSE;
}

guint
reduce_turn_of(const Reduce *reduce, const void *key, gsize group_size_bytes)
{
    return reduce_turn(key, group_size_bytes, comm_rank(reduce->comm), comm_size(reduce->comm));
}

gboolean
reduce_shuffle(Reduce *reduce, gboolean failed, GError **error)
{
    GError *failure = NULL;

    g_assert(!reduce->shuffle && !reduce->result);
    if (!failed && !finish_inputs(reduce, &failure))
        failed = TRUE;
    gboolean good = exchange(reduce, failed, failure ? NULL : error);
    if (failure)
        g_propagate_error(error, failure);
    if (!good)
        return FALSE;
    GPtrArray *sources = sources_new();
    g_ptr_array_add(sources, own_source_new(reduce));
    shuffle_add_sources(reduce->shuffle, sources);
    reduce->result = reduce_merge_new(sources, reduce->config.sum_count);
    return TRUE;
}

int
reduce_next(Reduce *reduce, ReduceRecord *record, GError **error)
{
    ReduceSource *result = reduce->result;

    g_assert(result);
    int there = result->next(result, error);
    if (there <= 0)
        return there;
    record->key = result->key;
    record->key_size_bytes = result->key_size_bytes;
    for (guint i = 0; i < reduce->config.sum_count; i++)
        record->sums[i] = result->sums[i];
    return 1;
}

static guint64
sum_over_ranks(const Reduce *reduce, guint64 value)
{
    return (guint64)comm_sum(reduce->comm, (gint64)value);
}

ReduceCounts
reduce_counts(Reduce *reduce)
{
    ShuffleTally sent = shuffle_sent(reduce->shuffle);
    ShuffleTally received = shuffle_received(reduce->shuffle);
    guint64 spilled_bytes = reduce->merged_bytes + shuffle_spilled_bytes(reduce->shuffle);
    guint64 added_count = 0;

    for (guint i = 0; i < reduce->inputs->len; i++) {
        const Input *input = g_ptr_array_index(reduce->inputs, i);
        added_count += input->added_count;
        spilled_bytes += input->spilled_bytes;
    }
    return (ReduceCounts){.added_count = sum_over_ranks(reduce, added_count),
                          .sent_count = sum_over_ranks(reduce, sent.count + reduce->own.count),
                          .sent_hash = sum_over_ranks(reduce, sent.hash + reduce->own.hash),
                          .received_count =
                              sum_over_ranks(reduce, received.count + reduce->own.count),
                          .received_hash = sum_over_ranks(reduce, received.hash + reduce->own.hash),
                          .spilled_bytes = sum_over_ranks(reduce, spilled_bytes)};
}
