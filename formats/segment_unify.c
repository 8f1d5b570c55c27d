/* segment_unify.c - before a builder's events are gathered: texts that repeat, and kinds of events,
 * get one code for all chunks. Codes follow the order of events, however chunks were cut.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/segment_gather.h"

enum {
    BUCKET_EVENTS_MIN = 2048, /* fewer compress badly */
    COPIES_BLOCK_BYTES = 4 << 10
};

/* Gives the texts of a column one code for the whole segment. Returns: for each chunk, its codes as
 * these; (transfer full) */
static guint32 **
unify_texts(SegmentGather *gather, SegmentInterned place)
{
    guint32 **maps = g_new(guint32 *, MAX(1, segment_gather_chunk_count(gather)));

    for (guint i = 0; i < segment_gather_chunk_count(gather); i++) {
        const SegmentIntern *intern = &segment_gather_chunk(gather, i)->interned[place];
        maps[i] = g_new(guint32, MAX(1, intern->count));
        segment_intern_unite(&gather->interned[place], intern, maps[i]);
    }
    return maps;
}

static void
free_maps(const SegmentGather *gather, guint32 **maps)
{
    for (guint i = 0; i < segment_gather_chunk_count(gather); i++)
        g_free(maps[i]);
    g_free(maps);
}

/* Gives a kind of a chunk its number in the whole segment. */
static guint32
unify_kind(SegmentGather *gather, guint chunk, const char *bytes,
           guint32 **const maps[SEGMENT_KIND_TEXTS])
{
    SegmentKind kind;
    SegmentGatherKind unified = {0};

    memcpy(&kind, bytes, sizeof kind);
    for (guint place = 0; place < SEGMENT_KIND_TEXTS; place++)
        unified.codes[place] = maps[place][chunk][kind.codes[place]];
    unified.present = kind.present;
    guint32 code = segment_intern_add(&gather->kinds_found, (const char *)&unified, sizeof unified,
                                      gather->copies);
    if (code == gather->kinds->len)
        g_array_append_val(gather->kinds, unified);
    return code;
}

static void
unify_kinds(SegmentGather *gather)
{
    guint32 **maps[SEGMENT_KIND_TEXTS];

    for (guint place = 0; place < SEGMENT_KIND_TEXTS; place++)
        maps[place] = unify_texts(gather, place);
    gather->kinds = g_array_new(FALSE, FALSE, sizeof(SegmentGatherKind));
    gather->copies = g_string_chunk_new(COPIES_BLOCK_BYTES);
    gather->kind_maps = g_new(guint32 *, MAX(1, segment_gather_chunk_count(gather)));
    for (guint i = 0; i < segment_gather_chunk_count(gather); i++) {
        const SegmentIntern *kinds = &segment_gather_chunk(gather, i)->kinds;
        gather->kind_maps[i] = g_new(guint32, MAX(1, kinds->count));
        for (guint32 kind = 0; kind < kinds->count; kind++)
            gather->kind_maps[i][kind] = unify_kind(gather, i, kinds->entries[kind].text, maps);
    }
    for (guint place = 0; place < SEGMENT_KIND_TEXTS; place++)
        free_maps(gather, maps[place]);
}

/* Returns: the prefix that all requests have, or NULL when they are not all numbered. */
static const char *
common_prefix(const SegmentGather *gather)
{
    const char *prefix =
        segment_gather_chunk_count(gather) > 0 ? segment_gather_chunk(gather, 0)->prefix : NULL;

    for (guint i = 0; i < segment_gather_chunk_count(gather); i++)
        if (!segment_gather_chunk(gather, i)->numbered ||
            strcmp(segment_gather_chunk(gather, i)->prefix, prefix) != 0)
            return NULL;
    return prefix;
}

static guint32
bucket_events(const SegmentGather *gather, guint bucket)
{
    guint first = 0;
    guint part_count = segment_gather_parts(gather, bucket, &first);
    guint32 count = 0;

    for (guint i = 0; i < segment_gather_chunk_count(gather); i++)
        for (guint part = first; part < first + part_count; part++)
            count += segment_gather_chunk(gather, i)->parts[part].count;
    return count;
}

void
segment_gather_init(SegmentGather *gather, SegmentBuilder *builder)
{
    *gather = (SegmentGather){.builder = builder};
    g_assert(builder->event_count <= SEGMENT_EVENTS_MAX);
    while (gather->bucket_bits < SEGMENT_PART_BITS &&
           builder->event_count >> (gather->bucket_bits + 1) >= BUCKET_EVENTS_MIN)
        gather->bucket_bits++;
    unify_kinds(gather);
    gather->subject_maps = unify_texts(gather, SEGMENT_AT_SUBJECT);
    gather->prefix = common_prefix(gather);
    gather->largest = 1;
    for (guint bucket = 0; bucket < 1u << gather->bucket_bits; bucket++)
        gather->largest = MAX(gather->largest, bucket_events(gather, bucket));
}

void
segment_gather_release(SegmentGather *gather)
{
    free_maps(gather, gather->subject_maps);
    free_maps(gather, gather->kind_maps);
    for (guint i = 0; i < SEGMENT_INTERNED; i++)
        segment_intern_release(&gather->interned[i]);
    segment_intern_release(&gather->kinds_found);
    g_array_unref(gather->kinds);
    g_string_chunk_free(gather->copies);
}
