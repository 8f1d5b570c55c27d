/* reduce_table.c - a hash table in one piece of memory whose size is fixed beforehand.
 * Records are appended from its beginning; the slots that find them lie at its end and grow toward
 * them. There are at least two slots of 8 bytes for each record, so that the entries of 16 bytes
 * that sorting needs fit into the place of the slots. Pages that were never used cost nothing.
 * As long as keys come in ascending order there are no slots: nothing needs to be found, or sorted.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/reduce_table.h"

#include <string.h>
#include <sys/mman.h>

#include "formats/fingerprint.h"
#include "mr/reduce_sort.h"

/* A slot: the high half of the key's hash, then where its record is; 0 is an empty one. */
enum { UNIT_BYTES = 8, SLOTS_FIRST = 1024, WAITING_MAX = 16, AHEAD = 8, HUGE_MIN_BYTES = 16 << 20 };
#define MEMORY_MAX_BYTES ((gsize)G_MAXUINT32 * UNIT_BYTES)

/* A record that lies behind the others and has not been looked up. */
typedef struct {
    guint64 hash;
    guint32 at;
    guint32 group_size_bytes;
} Waiting;

struct _ReduceTable {
    int rank;
    int size;
    guint sum_count;
    guint64 seed; /* drawn, so that nobody can make keys that collide */
    guint8 *memory;
    gsize memory_bytes;
    gsize used_bytes; /* by records; the first unit is left out, so that none is at 0 */
    guint64 *slots;
    gsize slot_count; /* a power of 2 */
    gsize count;
    gboolean ascending; /* the records are in their order, and there is room for slots, but none */
    guint32 last_at;    /* then, where the last record is */
    gboolean sorted;
    /* Looking up a record means to wait for memory, twice. So a few wait for it together. */
    Waiting waiting[WAITING_MAX];
    guint waiting_count;
    gsize waiting_bytes;
};

static gsize
round_up(gsize bytes)
{
    return (bytes + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES;
}

static gsize
record_size_bytes(const ReduceTable *table, gsize key_size_bytes)
{
    return round_up(sizeof(ReduceStored) + table->sum_count * sizeof(gint64) + key_size_bytes);
}

static guint8 *
key_of(const ReduceTable *table, const ReduceStored *record)
{
    return (guint8 *)(record->sums + table->sum_count);
}

static ReduceStored *
record_at(const ReduceTable *table, guint32 at)
{
    return (ReduceStored *)(void *)(table->memory + (gsize)at * UNIT_BYTES);
}

static guint64 *
slots_at_end(const ReduceTable *table, gsize slot_count)
{
    return (guint64 *)(void *)(table->memory + table->memory_bytes) - slot_count;
}

void
reduce_table_clear(ReduceTable *table)
{
    table->used_bytes = UNIT_BYTES;
    table->count = 0;
    table->waiting_count = 0;
    table->waiting_bytes = 0;
    table->sorted = FALSE;
    table->slot_count = SLOTS_FIRST;
    table->ascending = TRUE;
}

ReduceTable *
reduce_table_new(int rank, int size, guint sum_count, gsize memory_bytes)
{
    ReduceTable *table = g_new0(ReduceTable, 1);

    g_assert(memory_bytes >= REDUCE_TABLE_MIN_BYTES);
    table->rank = rank;
    table->size = size;
    table->sum_count = sum_count;
    table->seed = (guint64)g_random_int() << 32 | g_random_int();
    table->memory_bytes = MIN(memory_bytes, MEMORY_MAX_BYTES) / UNIT_BYTES * UNIT_BYTES;
    table->memory = mmap(NULL, table->memory_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (table->memory == MAP_FAILED)
        g_error("no room for %zu bytes", table->memory_bytes);
    reduce_table_clear(table);
    return table;
}

void
reduce_table_free(ReduceTable *table)
{
    munmap(table->memory, table->memory_bytes);
    g_free(table);
}

/* Returns: the slot of this key, or the empty one where it belongs. */
static guint64 *
find_slot(const ReduceTable *table, guint64 hash, const void *key, gsize key_size_bytes)
{
    gsize mask = table->slot_count - 1;

    for (gsize i = hash & mask;; i = (i + 1) & mask) {
        guint64 *slot = &table->slots[i];
        if (!*slot)
            return slot;
        if (*slot >> 32 != hash >> 32)
            continue;
        const ReduceStored *record = record_at(table, (guint32)*slot);
        if (record->key_size_bytes == key_size_bytes &&
            memcmp(key_of(table, record), key, key_size_bytes) == 0)
            return slot;
    }
}

static guint64
make_slot(guint64 hash, gsize at_bytes)
{
    return hash >> 32 << 32 | at_bytes / UNIT_BYTES;
}

/* Makes slots, by going through the records. */
static void
fill_slots(ReduceTable *table, gsize slot_count)
{
    gsize mask = slot_count - 1;

    table->slot_count = slot_count;
    table->slots = slots_at_end(table, table->slot_count);
    memset(table->slots, 0, table->slot_count * sizeof *table->slots);
    for (gsize at = UNIT_BYTES; at < table->used_bytes;) {
        const ReduceStored *record = record_at(table, (guint32)(at / UNIT_BYTES));
        guint64 hash =
            fingerprint_seeded(key_of(table, record), record->key_size_bytes, table->seed);
        gsize i = hash & mask;
        while (table->slots[i])
            i = (i + 1) & mask;
        table->slots[i] = make_slot(hash, at);
        at += record_size_bytes(table, record->key_size_bytes);
    }
}

/* How many slots so many records need. */
static gsize
slots_for(const ReduceTable *table, gsize count)
{
    return count * 2 > table->slot_count ? table->slot_count * 2 : table->slot_count;
}

static gboolean
has_room(const ReduceTable *table, gsize size_bytes)
{
    gsize slot_count = slots_for(table, table->count + table->waiting_count + 1);

    return table->used_bytes + table->waiting_bytes + size_bytes +
               slot_count * sizeof *table->slots <=
           table->memory_bytes;
}

/* Adds a record that waits to the one with its key, or moves it to the end of the others. */
static gboolean
settle(ReduceTable *table, const Waiting *waiting, GError **error)
{
    ReduceStored *record = record_at(table, waiting->at);
    gsize key_size = record->key_size_bytes;
    const guint8 *key = key_of(table, record);
    guint64 *slot = find_slot(table, waiting->hash, key, key_size);

    if (*slot)
        return reduce_record_add(record_at(table, (guint32)*slot)->sums, record->sums,
                                 table->sum_count, key, key_size, error);
    if (slots_for(table, table->count + 1) > table->slot_count) {
        fill_slots(table, table->slot_count * 2);
        slot = find_slot(table, waiting->hash, key, key_size);
    }
    record->turn = reduce_turn(key, waiting->group_size_bytes, table->rank, table->size);
    *slot = make_slot(waiting->hash, table->used_bytes);
    gsize size = record_size_bytes(table, key_size);
    memmove(table->memory + table->used_bytes, record, size);
    table->used_bytes += size;
    table->count++;
    return TRUE;
}

/* Looks up all that wait; when they were added, their slots were asked for. */
static gboolean
settle_all(ReduceTable *table, GError **error)
{
    guint count = table->waiting_count;
    gsize mask = table->slot_count - 1;

    for (guint i = 0; i < count; i++)
        __builtin_prefetch(record_at(table, (guint32)table->slots[table->waiting[i].hash & mask]));
    table->waiting_count = 0;
    table->waiting_bytes = 0;
    for (guint i = 0; i < count; i++)
        if (!settle(table, &table->waiting[i], error))
            return FALSE;
    return TRUE;
}

/* Is a record above the last one? */
static gboolean
is_above(const ReduceTable *table, guint turn, const void *key, gsize key_size_bytes)
{
    const ReduceStored *last = record_at(table, table->last_at);
    gsize common_bytes = MIN(last->key_size_bytes, key_size_bytes);

    if (turn != last->turn)
        return turn > last->turn;
    int order = common_bytes > 0 ? memcmp(key, key_of(table, last), common_bytes) : 0;
    return order != 0 ? order > 0 : key_size_bytes > last->key_size_bytes;
}

/* Puts down what a record is made of, but for its turn. */
static ReduceStored *
put_record(const ReduceTable *table, guint32 at, const void *key, gsize key_size_bytes,
           const gint64 *sums)
{
    ReduceStored *record = record_at(table, at);

    record->key_size_bytes = (guint32)key_size_bytes;
    memcpy(record->sums, sums, table->sum_count * sizeof *sums);
    if (key_size_bytes > 0)
        memcpy(key_of(table, record), key, key_size_bytes);
    return record;
}

/* Records are looked up at random, and most of that time goes into finding pages. As long as they
 * come in order, large ones would only be slower to get. */
static void
use_large_pages(const ReduceTable *table)
{
    if (table->memory_bytes >= HUGE_MIN_BYTES)
        madvise(table->memory, table->memory_bytes, MADV_HUGEPAGE);
}

/* Appends a record if it is above all that are there. Returns FALSE when it is not, and from then
 * on they come in any order. There is room for it. */
static gboolean
append_above(ReduceTable *table, const void *key, gsize key_size_bytes, gsize group_size_bytes,
             const gint64 *sums)
{
    guint turn = reduce_turn(key, group_size_bytes, table->rank, table->size);

    if (table->count > 0 && !is_above(table, turn, key, key_size_bytes)) {
        table->ascending = FALSE;
        use_large_pages(table);
        fill_slots(table, table->slot_count);
        return FALSE;
    }
    table->slot_count = slots_for(table, table->count + 1);
    table->last_at = (guint32)(table->used_bytes / UNIT_BYTES);
    put_record(table, table->last_at, key, key_size_bytes, sums)->turn = turn;
    table->used_bytes += record_size_bytes(table, key_size_bytes);
    table->count++;
    return TRUE;
}

ReduceTableResult
reduce_table_add(ReduceTable *table, const void *key, gsize key_size_bytes, gsize group_size_bytes,
                 const gint64 *sums, GError **error)
{
    gsize size = record_size_bytes(table, key_size_bytes);

    g_assert(!table->sorted);
    if ((table->waiting_count == WAITING_MAX || !has_room(table, size)) &&
        !settle_all(table, error))
        return REDUCE_TABLE_FAILED;
    if (!has_room(table, size))
        return REDUCE_TABLE_FULL;
    if (table->ascending && append_above(table, key, key_size_bytes, group_size_bytes, sums))
        return REDUCE_TABLE_ADDED;
    guint32 at = (guint32)((table->used_bytes + table->waiting_bytes) / UNIT_BYTES);
    const ReduceStored *record = put_record(table, at, key, key_size_bytes, sums);
    Waiting *waiting = &table->waiting[table->waiting_count++];
    *waiting =
        (Waiting){.hash = fingerprint_seeded(key_of(table, record), key_size_bytes, table->seed),
                  .at = at,
                  .group_size_bytes = (guint32)group_size_bytes};
    table->waiting_bytes += size;
    __builtin_prefetch(&table->slots[waiting->hash & (table->slot_count - 1)]);
    return REDUCE_TABLE_ADDED;
}

gsize
reduce_table_count(const ReduceTable *table)
{
    return table->count;
}

/* The entries lie where the slots were. */
static ReduceSortEntry *
entries_of(const ReduceTable *table)
{
    return (ReduceSortEntry *)(void *)table->slots;
}

gboolean
reduce_table_sort(ReduceTable *table, GError **error)
{
    ReduceSortEntry *entries = NULL;
    gsize count = 0;

    if (table->sorted)
        return TRUE;
    table->sorted = table->ascending;
    if (table->sorted)
        return TRUE;
    if (!settle_all(table, error))
        return FALSE;
    entries = entries_of(table);
    g_assert(table->count * sizeof *entries <= table->slot_count * sizeof *table->slots);
    for (gsize at = UNIT_BYTES; at < table->used_bytes; count++) {
        entries[count].at = (guint32)(at / UNIT_BYTES);
        at += record_size_bytes(table, record_at(table, entries[count].at)->key_size_bytes);
    }
    g_assert(count == table->count);
    reduce_sort(entries, count, table->memory, table->sum_count);
    table->sorted = TRUE;
    return TRUE;
}

typedef struct {
    ReduceSource base;
    const ReduceTable *table;
    gsize index;      /* of the next record */
    gsize next_bytes; /* where it is, when records lie in their order */
} TableSource;

static const ReduceStored *
next_record(TableSource *source)
{
    const ReduceTable *table = source->table;
    const ReduceSortEntry *entries = entries_of(table);

    if (table->ascending) {
        const ReduceStored *record = record_at(table, (guint32)(source->next_bytes / UNIT_BYTES));
        source->next_bytes += record_size_bytes(table, record->key_size_bytes);
        source->index++;
        return record;
    }
    if (source->index + AHEAD < table->count)
        __builtin_prefetch(record_at(table, entries[source->index + AHEAD].at));
    return record_at(table, entries[source->index++].at);
}

static int
table_source_next(ReduceSource *base, GError **error G_GNUC_UNUSED)
{
    TableSource *source = (TableSource *)base;

    const ReduceTable *table = source->table;
    if (source->index == table->count)
        return 0;
    const ReduceStored *record = next_record(source);
    base->turn = record->turn;
    base->key = key_of(table, record);
    base->key_size_bytes = record->key_size_bytes;
    base->sums = record->sums;
    return 1;
}

static void
table_source_free(ReduceSource *base)
{
    g_free(base);
}

ReduceSource *
reduce_table_source(ReduceTable *table)
{
    TableSource *source = g_new0(TableSource, 1);

    g_assert(table->sorted);
    source->base = (ReduceSource){.next = table_source_next, .free = table_source_free};
    source->table = table;
    source->next_bytes = UNIT_BYTES;
    return &source->base;
}
