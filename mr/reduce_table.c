/* reduce_table.c - a hash table in one piece of memory whose size is fixed beforehand.
 * Records are appended from its beginning; the slots that find them lie at its end and grow toward
 * them. There are at least two slots of 8 bytes for each record, so that the entries of 16 bytes
 * that sorting needs fit into the place of the slots. Pages that were never used cost nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mr/reduce_table.h"

#include <string.h>
#include <sys/mman.h>

#include "formats/fingerprint.h"
#include "mr/reduce_sort.h"

/* A slot: the high half of the key's hash, then where its record is; 0 is an empty one. */
enum { UNIT_BYTES = 8, SLOTS_FIRST = 1024 };
#define MEMORY_MAX_BYTES ((gsize)G_MAXUINT32 * UNIT_BYTES)

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
    gboolean sorted;
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
    table->sorted = FALSE;
    table->slot_count = SLOTS_FIRST;
    table->slots = slots_at_end(table, SLOTS_FIRST);
    memset(table->slots, 0, SLOTS_FIRST * sizeof *table->slots);
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

/* Twice the slots, filled by going through the records. */
static void
grow_slots(ReduceTable *table)
{
    gsize mask = table->slot_count * 2 - 1;

    table->slot_count *= 2;
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

/* Makes room for one more record. Returns FALSE when there is none. */
static gboolean
make_room(ReduceTable *table, gsize size_bytes, gboolean *grown)
{
    gsize slot_count =
        (table->count + 1) * 2 > table->slot_count ? table->slot_count * 2 : table->slot_count;

    if (table->used_bytes + size_bytes + slot_count * sizeof *table->slots > table->memory_bytes)
        return FALSE;
    *grown = slot_count > table->slot_count;
    if (*grown)
        grow_slots(table);
    return TRUE;
}

ReduceTableResult
reduce_table_add(ReduceTable *table, const void *key, gsize key_size_bytes, gsize group_size_bytes,
                 const gint64 *sums, GError **error)
{
    guint64 hash = fingerprint_seeded(key, key_size_bytes, table->seed);
    guint64 *slot = find_slot(table, hash, key, key_size_bytes);
    gsize size_bytes = record_size_bytes(table, key_size_bytes);
    gboolean grown = FALSE;

    g_assert(!table->sorted);
    if (*slot) {
        ReduceStored *record = record_at(table, (guint32)*slot);
        return reduce_record_add(record->sums, sums, table->sum_count, key, key_size_bytes, error)
                   ? REDUCE_TABLE_ADDED
                   : REDUCE_TABLE_FAILED;
    }
    if (!make_room(table, size_bytes, &grown))
        return REDUCE_TABLE_FULL;
    if (grown)
        slot = find_slot(table, hash, key, key_size_bytes);
    *slot = make_slot(hash, table->used_bytes);
    ReduceStored *record = record_at(table, (guint32)*slot);
    record->key_size_bytes = (guint32)key_size_bytes;
    record->turn = reduce_turn(key, group_size_bytes, table->rank, table->size);
    memcpy(record->sums, sums, table->sum_count * sizeof *sums);
    if (key_size_bytes > 0)
        memcpy(key_of(table, record), key, key_size_bytes);
    table->used_bytes += size_bytes;
    table->count++;
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

void
reduce_table_sort(ReduceTable *table)
{
    ReduceSortEntry *entries = entries_of(table);
    gsize count = 0;

    if (table->sorted)
        return;
    g_assert(table->count * sizeof *entries <= table->slot_count * sizeof *table->slots);
    for (gsize at = UNIT_BYTES; at < table->used_bytes; count++) {
        entries[count].at = (guint32)(at / UNIT_BYTES);
        at += record_size_bytes(table, record_at(table, entries[count].at)->key_size_bytes);
    }
    g_assert(count == table->count);
    reduce_sort(entries, count, table->memory, table->sum_count);
    table->sorted = TRUE;
}

typedef struct {
    ReduceSource base;
    const ReduceTable *table;
    gsize index; /* of the next record */
} TableSource;

static int
table_source_next(ReduceSource *base, GError **error G_GNUC_UNUSED)
{
    TableSource *source = (TableSource *)base;

    if (source->index == source->table->count)
        return 0;
    const ReduceStored *record =
        record_at(source->table, entries_of(source->table)[source->index++].at);
    base->turn = record->turn;
    base->key = key_of(source->table, record);
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
    return &source->base;
}
