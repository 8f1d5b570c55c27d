/* mutate.c - mutate SEED COUNT FOLDER FILE...: writes COUNT damaged copies of the files into
 * FOLDER. Which file, and what happens to it, follows from SEED and the copy's number alone, and is
 * part of its name: 00017-lie-flip-2.jpg went through two of them, and its PNG checksums were left
 * wrong (an odd number of copies has them mended, so that the damage gets past them).
 * SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MAX_BYTES (8 << 20)
#define CHUNKS_MAX     256
#define RUN_MAX_BYTES  (64 << 10)
#define MAGIC_BYTES    12
#define HEADER_BYTES   512 /* where lengths are most of what there is */

typedef struct {
    char *extension;
    guint8 *bytes;
    gsize size_bytes;
} Seed;

/* The copy in hand, and what it may draw from. */
typedef struct {
    guint64 state;
    const Seed *seeds;
    guint seed_count;
    GByteArray *body;
} Mutant;

typedef struct {
    gsize at;
    gsize size_bytes;
} Chunk;

static guint64
draw(Mutant *mutant)
{
    guint64 z = mutant->state += 0x9e3779b97f4a7c15; /* splitmix64 */

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static gsize
draw_below(Mutant *mutant, gsize end)
{
    return end > 0 ? (gsize)(draw(mutant) % end) : 0;
}

/* A place in the body: two times of three near its beginning, but seldom in the magic number: a
 * copy that is no image any more meets no decoder. */
static gsize
draw_place(Mutant *mutant, gsize room)
{
    gsize end = mutant->body->len > room ? mutant->body->len - room : 0;
    gsize begin = draw_below(mutant, 16) > 0 ? MIN(MAGIC_BYTES, end) : 0;

    if (draw_below(mutant, 3) > 0)
        end = MIN(end, HEADER_BYTES);
    return begin < end ? begin + draw_below(mutant, end - begin) : begin;
}

static void
insert(GByteArray *body, gsize at, const guint8 *bytes, gsize size_bytes)
{
    gsize behind = body->len - at;

    if (body->len + size_bytes > SIZE_MAX_BYTES)
        return;
    g_byte_array_set_size(body, (guint)(body->len + size_bytes));
    memmove(body->data + at + size_bytes, body->data + at, behind);
    memcpy(body->data + at, bytes, size_bytes);
}

static void
flip(Mutant *mutant)
{
    for (gsize count = 1 + draw_below(mutant, 16); count > 0 && mutant->body->len > 0; count--)
        mutant->body->data[draw_place(mutant, 1)] ^= (guint8)(1 << draw_below(mutant, 8));
}

static void
set(Mutant *mutant)
{
    static const guint8 values[] = {0, 1, 0x7f, 0x80, 0xd8, 0xd9, 0xda, 0xc2, 0xfe, 0xff};

    for (gsize count = 1 + draw_below(mutant, 8); count > 0 && mutant->body->len > 0; count--)
        mutant->body->data[draw_place(mutant, 1)] =
            values[draw_below(mutant, G_N_ELEMENTS(values))];
}

static void
cut(Mutant *mutant)
{
    g_byte_array_set_size(mutant->body, (guint)draw_below(mutant, mutant->body->len));
}

/* The head of this file on the body of another one. */
static void
splice(Mutant *mutant)
{
    const Seed *other = &mutant->seeds[draw_below(mutant, mutant->seed_count)];
    gsize head = draw_place(mutant, 0);
    gsize from = draw_below(mutant, 2) ? head : draw_below(mutant, other->size_bytes);

    g_byte_array_set_size(mutant->body, (guint)head);
    if (from < other->size_bytes)
        g_byte_array_append(mutant->body, other->bytes + from, (guint)(other->size_bytes - from));
}

/* Overwrites what may be a length with one that is not true. */
static void
lie(Mutant *mutant)
{
    guint width = draw_below(mutant, 2) ? 4 : 2;
    gboolean is_big = draw_below(mutant, 2) > 0;
    gsize at = draw_place(mutant, width);
    guint32 value = 0;

    if (mutant->body->len < width)
        return;
    guint8 *field = mutant->body->data + at;
    for (guint i = 0; i < width; i++)
        value = value << 8 | field[is_big ? i : width - 1 - i];
    const guint32 values[] = {0,          1,      value + 1, value - 1,  value * 2, 0xffffffff,
                              0x7fffffff, 0xffff, 0x8000,    0x00ffffff, 50000,     10000};
    value = values[draw_below(mutant, G_N_ELEMENTS(values))];
    for (guint i = 0; i < width; i++, value >>= 8)
        field[is_big ? width - 1 - i : i] = (guint8)value;
}

static guint32
read_u32(const guint8 *bytes, gboolean is_big)
{
    guint32 value;

    memcpy(&value, bytes, 4);
    return is_big ? GUINT32_FROM_BE(value) : GUINT32_FROM_LE(value);
}

/* Where the chunk at at ends, by the rules of the format that the body begins like; 0: none. */
static gsize
chunk_end(const GByteArray *body, gsize at)
{
    const guint8 *bytes = body->data;

    if (at + 8 > body->len)
        return 0;
    if (bytes[0] == 0x89)
        return at + 12 + read_u32(bytes + at, TRUE);
    if (bytes[0] == 'R')
        return at + 8 + read_u32(bytes + at + 4, FALSE);
    if (bytes[0] == 0xff)
        return at + 2 + ((gsize)bytes[at + 2] << 8 | bytes[at + 3]);
    return MAX(8, (gsize)read_u32(bytes + at, TRUE)) + at; /* boxes, as in AVIF */
}

/* The chunks of PNG, RIFF and AVIF, or the segments of JPEG; of others, some piece. */
static guint
find_chunks(Mutant *mutant, Chunk *chunks)
{
    const GByteArray *body = mutant->body;
    gsize at = 0;
    guint count = 0;

    if (body->len >= 12)
        at = body->data[0] == 0x89 ? 8 : body->data[0] == 'R' ? 12 : body->data[0] == 0xff ? 2 : 0;
    for (gsize end; count < CHUNKS_MAX && (end = chunk_end(body, at)) > at && end <= body->len;
         at = end)
        chunks[count++] = (Chunk){at, end - at};
    if (count == 0 && body->len > 0) {
        at = draw_place(mutant, 1);
        chunks[count++] = (Chunk){at, 1 + draw_below(mutant, MIN(body->len - at, HEADER_BYTES))};
    }
    return count;
}

static void
duplicate(Mutant *mutant)
{
    Chunk chunks[CHUNKS_MAX];
    guint count = find_chunks(mutant, chunks);

    if (count == 0)
        return;
    const Chunk *chunk = &chunks[draw_below(mutant, count)];
    g_autofree guint8 *copy = g_memdup2(mutant->body->data + chunk->at, chunk->size_bytes);
    gsize to = chunks[draw_below(mutant, count)].at;
    for (gsize times = 1 + draw_below(mutant, draw_below(mutant, 4) ? 2 : 200); times > 0; times--)
        insert(mutant->body, to, copy, chunk->size_bytes);
}

static void
leave_out(Mutant *mutant)
{
    Chunk chunks[CHUNKS_MAX];
    guint count = find_chunks(mutant, chunks);

    if (count == 0)
        return;
    const Chunk *chunk = &chunks[draw_below(mutant, count)];
    g_byte_array_remove_range(mutant->body, (guint)chunk->at, (guint)chunk->size_bytes);
}

static void
insert_run(Mutant *mutant)
{
    static guint8 run[RUN_MAX_BYTES];
    gsize size_bytes = 1 + draw_below(mutant, draw_below(mutant, 2) ? 64 : RUN_MAX_BYTES);

    memset(run, (int)draw_below(mutant, 256), size_bytes);
    insert(mutant->body, draw_place(mutant, 0), run, size_bytes);
}

static const struct {
    const char *name;
    void (*apply)(Mutant *mutant);
} kinds[] = {
    {"flip", flip},         {"set", set},        {"cut", cut},
    {"splice", splice},     {"lie", lie},        {"double", duplicate},
    {"without", leave_out}, {"run", insert_run}, {"lie", lie},
};

static guint32
crc32_of(const guint8 *bytes, gsize size_bytes)
{
    guint32 crc = 0xffffffff;

    for (gsize i = 0; i < size_bytes; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* Gives the chunks of a PNG the checksums that they should have. */
static void
mend_checksums(GByteArray *body)
{
    if (body->len < 8 || body->data[0] != 0x89)
        return;
    for (gsize at = 8, end; (end = chunk_end(body, at)) > at && end <= body->len; at = end) {
        guint32 crc = GUINT32_TO_BE(crc32_of(body->data + at + 4, end - at - 8));
        memcpy(body->data + end - 4, &crc, 4);
    }
}

/* Makes and writes one copy. */
static gboolean
write_mutant(const char *folder, Mutant *mutant, guint number, GError **error)
{
    const Seed *seed = &mutant->seeds[draw_below(mutant, mutant->seed_count)];
    g_autoptr(GString) name = g_string_new(NULL);

    g_byte_array_set_size(mutant->body, 0);
    g_byte_array_append(mutant->body, seed->bytes, (guint)seed->size_bytes);
    g_string_printf(name, "%05u", number);
    for (gsize count = 1 + draw_below(mutant, 2); count > 0; count--) {
        gsize kind = draw_below(mutant, G_N_ELEMENTS(kinds));
        g_string_append_printf(name, "-%s", kinds[kind].name);
        kinds[kind].apply(mutant);
    }
    if (number % 2 == 1)
        mend_checksums(mutant->body);
    g_autofree char *path = g_strdup_printf("%s/%s.%s", folder, name->str, seed->extension);
    return g_file_set_contents_full(path, (const char *)mutant->body->data, mutant->body->len,
                                    G_FILE_SET_CONTENTS_NONE, 0644, error);
}

static gboolean
read_seed(const char *path, Seed *seed, GError **error)
{
    const char *dot = strrchr(path, '.');
    char *bytes;

    if (!g_file_get_contents(path, &bytes, &seed->size_bytes, error))
        return FALSE;
    seed->bytes = (guint8 *)bytes;
    seed->extension = g_strdup(dot && !strchr(dot, '/') ? dot + 1 : "bin");
    return TRUE;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (argc < 5) {
        fputs("usage: mutate SEED COUNT FOLDER FILE...\n", stderr);
        return EXIT_FAILURE;
    }
    guint64 seed_number = g_ascii_strtoull(argv[1], NULL, 10);
    guint count = (guint)g_ascii_strtoull(argv[2], NULL, 10);
    guint seed_count = (guint)argc - 4;
    g_autofree Seed *seeds = g_new0(Seed, seed_count);
    Mutant mutant = {.seeds = seeds, .seed_count = seed_count, .body = g_byte_array_new()};
    gboolean good = TRUE;

    for (guint i = 0; i < seed_count && good; i++)
        good = read_seed(argv[4 + i], &seeds[i], &error);
    for (guint i = 0; i < count && good; i++) {
        mutant.state = seed_number << 32 | i;
        good = write_mutant(argv[3], &mutant, i, &error);
    }
    if (!good)
        fprintf(stderr, "mutate: %s\n", error->message);
    for (guint i = 0; i < seed_count; i++) {
        g_free(seeds[i].extension);
        g_free(seeds[i].bytes);
    }
    g_byte_array_unref(mutant.body);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
