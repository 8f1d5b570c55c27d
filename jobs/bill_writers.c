/* bill_writers.c - names by an Interner, and a byte for each that was seen.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_writers.h"

#include <string.h>

enum { NAMES_MAX_BYTES = 1 << 20 /* kept from range to range */ };
#define NO_WRITER G_MAXUINT32

struct _BillWriters {
    Interner *names;
    guint8 *seen; /* by number */
    guint32 seen_count;
    guint32 *by_code; /* of the block at hand */
    guint32 code_room;
};

BillWriters *
bill_writers_new(void)
{
    BillWriters *writers = g_new0(BillWriters, 1);

    writers->names = interner_new();
    return writers;
}

void
bill_writers_free(BillWriters *writers)
{
    interner_free(writers->names);
    g_free(writers->seen);
    g_free(writers->by_code);
    g_free(writers);
}

const Interner *
bill_writers_names(const BillWriters *writers)
{
    return writers->names;
}

void
bill_writers_begin(BillWriters *writers)
{
    if (interner_size(writers->names) > NAMES_MAX_BYTES)
        interner_clear(writers->names);
    if (writers->seen_count > 0)
        memset(writers->seen, 0, writers->seen_count);
}

static void
number_values(BillWriters *writers, const SegmentTexts *texts)
{
    if (texts->value_count > writers->code_room) {
        writers->code_room = texts->value_count + texts->value_count / 4;
        writers->by_code = g_renew(guint32, writers->by_code, writers->code_room);
    }
    interner_add_all(writers->names, texts->values, texts->size_bytes, texts->value_count,
                     writers->by_code);
}

static void
make_room_for_seen(BillWriters *writers)
{
    guint32 count = interner_count(writers->names);

    if (count <= writers->seen_count)
        return;
    count += count / 4;
    writers->seen = g_renew(guint8, writers->seen, count);
    memset(writers->seen + writers->seen_count, 0, count - writers->seen_count);
    writers->seen_count = count;
}

void
bill_writers_number(BillWriters *writers, SegmentBlock *block, guint32 *numbers)
{
    const SegmentTexts *texts = segment_block_texts(block, SEGMENT_WRITER);
    guint32 count = segment_block_count(block);
    gboolean missing = FALSE;

    number_values(writers, texts);
    for (guint32 code = 0; code < texts->value_count; code++)
        if (texts->size_bytes[code] == 0) {
            writers->by_code[code] = NO_WRITER;
            missing = TRUE;
        }
    for (guint32 row = 0; row < count; row++)
        numbers[row] = writers->by_code[texts->codes[row]];
    if (missing) {
        texts = segment_block_texts(block, SEGMENT_SOURCE);
        number_values(writers, texts);
        for (guint32 row = 0; row < count; row++)
            if (numbers[row] == NO_WRITER)
                numbers[row] = writers->by_code[texts->codes[row]];
    }
    make_room_for_seen(writers);
}

void
bill_writers_see(BillWriters *writers, guint32 number)
{
    writers->seen[number] = 1;
}

void
bill_writers_seen(const BillWriters *writers, GHashTable *names)
{
    for (guint32 i = 0; i < writers->seen_count; i++) {
        if (!writers->seen[i])
            continue;
        const char *name = interner_text(writers->names, i);
        if (!g_hash_table_contains(names, name))
            g_hash_table_add(names, g_strdup(name));
    }
}
