/* parity.c - Reed-Solomon blocks beside a file: where they lie, and how they are made.
 * The k blocks of a stripe lie far apart, so a stripe alone would be k small reads; a batch of
 * neighbouring stripes is k long ones. Threads take batch after batch.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/parity.h"

#include <isa-l.h>
#include <string.h>
#include <xxhash.h>

#include "formats/bytes.h"
#include "formats/parity_internal.h"

static const char magic[8] = "MRPARIT1";
enum { HEADER_HASHED_BYTES = PARITY_HEADER_BYTES - PARITY_HASH_BYTES };

/* What the threads share. */
typedef struct {
    const ParityLayout *layout;
    guint8 *tables;
    ParityRead read;
    gpointer read_data;
    ParityWrite write;
    gpointer write_data;
    GMutex lock;         /* of what follows, and of writing */
    guint64 next_stripe; /* that nobody has taken */
    GError *error;       /* the first */
} Making;

/* Reads digits without leading zeros, from 1 to max. */
static gboolean
parse_count(const char *text, gsize size, guint max, guint *count)
{
    if (size < 1 || size > 3 || text[0] == '0')
        return FALSE;
    *count = 0;
    for (gsize i = 0; i < size; i++) {
        if (!g_ascii_isdigit(text[i]))
            return FALSE;
        *count = *count * 10 + (guint)(text[i] - '0');
    }
    return *count <= max;
}

const char *
parity_version(void)
{
    return G_STRINGIFY(ISAL_MAJOR_VERSION) "." G_STRINGIFY(ISAL_MINOR_VERSION) "." G_STRINGIFY(
        ISAL_PATCH_VERSION);
}

gboolean
parity_shape_parse(const char *text, ParityShape *shape, GError **error)
{
    const char *plus = strchr(text, '+');

    *shape = (ParityShape){0, 0};
    if (strcmp(text, "none") == 0)
        return TRUE;
    if (plus && parse_count(text, (gsize)(plus - text), PARITY_DATA_MAX, &shape->data) &&
        parse_count(plus + 1, strlen(plus + 1), PARITY_PARITY_MAX, &shape->parity))
        return TRUE;
    *shape = (ParityShape){0, 0};
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "parity \"%s\": expected DATA+PARITY, as in 10+2 (at most %d+%d), or none", text,
                PARITY_DATA_MAX, PARITY_PARITY_MAX);
    return FALSE;
}

ParityLayout
parity_layout(const ParityShape *shape, guint64 file_bytes)
{
    ParityLayout layout = {.data = shape->data,
                           .parity = shape->parity,
                           .shards = shape->data + shape->parity,
                           .block_bytes = PARITY_BLOCK_MIN_BYTES,
                           .file_bytes = file_bytes};

    g_assert(shape->data >= 1 && shape->data <= PARITY_DATA_MAX);
    g_assert(shape->parity >= 1 && shape->parity <= PARITY_PARITY_MAX);
    g_assert(file_bytes <= PARITY_FILE_MAX_BYTES);
    while (layout.block_bytes < PARITY_BLOCK_MAX_BYTES &&
           file_bytes > (guint64)64 * layout.data * layout.block_bytes)
        layout.block_bytes *= 2;
    layout.block_count = (file_bytes + layout.block_bytes - 1) / layout.block_bytes;
    layout.stripe_count = (layout.block_count + layout.data - 1) / layout.data;
    layout.head_bytes = (gsize)layout.shards * PARITY_HASH_BYTES + 16 + PARITY_HASH_BYTES;
    layout.unit_bytes = layout.head_bytes + layout.block_bytes;
    guint64 stripe_bytes =
        (guint64)layout.data * layout.block_bytes + layout.parity * layout.unit_bytes;
    layout.run = (guint)CLAMP(PARITY_BATCH_BYTES / stripe_bytes, 1, MAX(layout.stripe_count, 1));
    return layout;
}

guint64
parity_layout_bytes(const ParityLayout *layout)
{
    return 2 * PARITY_HEADER_BYTES + layout->stripe_count * layout->parity * layout->unit_bytes;
}

guint64
parity_file_bytes(const ParityShape *shape, guint64 size_bytes)
{
    ParityLayout layout = parity_layout(shape, size_bytes);

    return parity_layout_bytes(&layout);
}

void
parity_hash(const void *bytes, gsize size_bytes, guint8 hash[PARITY_HASH_BYTES])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, size_bytes));
    memcpy(hash, canonical.digest, PARITY_HASH_BYTES);
}

void
parity_header_print(const ParityLayout *layout, guint8 header[PARITY_HEADER_BYTES])
{
    g_autoptr(GByteArray) fields = g_byte_array_new();

    bytes_put_blob(fields, magic, sizeof magic);
    bytes_put_u32(fields, layout->data);
    bytes_put_u32(fields, layout->parity);
    bytes_put_u32(fields, layout->block_bytes);
    bytes_put_u32(fields, 0);
    bytes_put_u64(fields, layout->file_bytes);
    bytes_put_u64(fields, layout->stripe_count);
    memset(header, 0, PARITY_HEADER_BYTES);
    memcpy(header, fields->data, fields->len);
    parity_hash(header, HEADER_HASHED_BYTES, header + HEADER_HASHED_BYTES);
}

gboolean
parity_header_parse(const guint8 header[PARITY_HEADER_BYTES], ParityLayout *layout)
{
    ByteReader reader = byte_reader(header + sizeof magic, HEADER_HASHED_BYTES - sizeof magic);
    guint8 again[PARITY_HEADER_BYTES];

    if (memcmp(header, magic, sizeof magic) != 0)
        return FALSE;
    ParityShape shape = {.data = bytes_get_u32(&reader)};
    shape.parity = bytes_get_u32(&reader);
    bytes_get_u64(&reader);
    guint64 file_bytes = bytes_get_u64(&reader);
    if (shape.data < 1 || shape.data > PARITY_DATA_MAX || shape.parity < 1 ||
        shape.parity > PARITY_PARITY_MAX || file_bytes > PARITY_FILE_MAX_BYTES)
        return FALSE;
    *layout = parity_layout(&shape, file_bytes);
    /* All else follows from these. */
    parity_header_print(layout, again);
    return memcmp(again, header, PARITY_HEADER_BYTES) == 0;
}

guint64
parity_block_offset(const ParityLayout *layout, guint shard, guint64 stripe)
{
    return (shard * layout->stripe_count + stripe) * layout->block_bytes;
}

guint
parity_block_stored(const ParityLayout *layout, guint shard, guint64 stripe)
{
    guint64 offset = parity_block_offset(layout, shard, stripe);

    if (offset >= layout->file_bytes)
        return 0;
    return (guint)MIN(layout->file_bytes - offset, layout->block_bytes);
}

guint64
parity_unit_offset(const ParityLayout *layout, guint unit, guint64 stripe)
{
    return PARITY_HEADER_BYTES + (unit * layout->stripe_count + stripe) * layout->unit_bytes;
}

void
parity_unit_head(const ParityLayout *layout, const guint8 *hashes, guint64 stripe, guint unit,
                 guint8 *head)
{
    guint64 stripe_le = GUINT64_TO_LE(stripe);
    guint32 unit_le = GUINT32_TO_LE(unit);
    gsize size = (gsize)layout->shards * PARITY_HASH_BYTES;

    memmove(head, hashes, size);
    memcpy(head + size, &stripe_le, sizeof stripe_le);
    memcpy(head + size + 8, &unit_le, sizeof unit_le);
    memset(head + size + 12, 0, 4);
    parity_hash(head, size + 16, head + size + 16);
}

guint8 *
parity_matrix(const ParityLayout *layout)
{
    guint8 *matrix = g_malloc((gsize)layout->shards * layout->data);

    gf_gen_cauchy1_matrix(matrix, (int)layout->shards, (int)layout->data);
    return matrix;
}

guint8 *
parity_encode_tables(const ParityLayout *layout, guint8 *matrix)
{
    guint8 *tables = g_malloc((gsize)32 * layout->data * layout->parity);

    ec_init_tables((int)layout->data, (int)layout->parity,
                   matrix + (gsize)layout->data * layout->data, tables);
    return tables;
}

/* Reads one shard of count neighbouring stripes: neighbours in the file too. */
static gboolean
read_blocks(const Making *making, guint shard, guint64 stripe, guint count, guint8 *out,
            GError **error)
{
    const ParityLayout *layout = making->layout;
    gsize wanted = 0;
    gsize size = (gsize)count * layout->block_bytes;

    for (guint i = 0; i < count; i++)
        wanted += parity_block_stored(layout, shard, stripe + i);
    guint64 offset = parity_block_offset(layout, shard, stripe);
    gssize got = wanted > 0 ? making->read(making->read_data, offset, out, wanted, error) : 0;
    if (got < 0)
        return FALSE;
    if ((gsize)got != wanted) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO,
                    "making parity: the file ends at byte %" G_GUINT64_FORMAT
                    ", expected %" G_GUINT64_FORMAT,
                    offset + (guint64)got, layout->file_bytes);
        return FALSE;
    }
    memset(out + wanted, 0, size - wanted);
    return TRUE;
}

/* Makes the units of one stripe, whose blocks are data[0 .. k). */
static void
encode_stripe(const Making *making, guint64 stripe, guint8 **data, guint8 **units)
{
    const ParityLayout *layout = making->layout;
    guint8 *parity[PARITY_PARITY_MAX];
    guint8 hashes[PARITY_SHARDS_MAX * PARITY_HASH_BYTES];

    for (guint i = 0; i < layout->parity; i++)
        parity[i] = units[i] + layout->head_bytes;
    ec_encode_data((int)layout->block_bytes, (int)layout->data, (int)layout->parity, making->tables,
                   data, parity);
    for (guint i = 0; i < layout->shards; i++)
        parity_hash(i < layout->data ? data[i] : parity[i - layout->data], layout->block_bytes,
                    hashes + (gsize)i * PARITY_HASH_BYTES);
    for (guint i = 0; i < layout->parity; i++)
        parity_unit_head(layout, hashes, stripe, i, units[i]);
}

/* blocks: k times run blocks; units: m times run units. */
static gboolean
make_batch(Making *making, guint64 stripe, guint count, guint8 *blocks, guint8 *units,
           GError **error)
{
    const ParityLayout *layout = making->layout;
    gsize blocks_bytes = (gsize)layout->run * layout->block_bytes;
    gsize units_bytes = layout->run * layout->unit_bytes;
    guint8 *data[PARITY_DATA_MAX];
    guint8 *unit[PARITY_PARITY_MAX];

    for (guint i = 0; i < layout->data; i++)
        if (!read_blocks(making, i, stripe, count, blocks + i * blocks_bytes, error))
            return FALSE;
    for (guint s = 0; s < count; s++) {
        for (guint i = 0; i < layout->data; i++)
            data[i] = blocks + i * blocks_bytes + (gsize)s * layout->block_bytes;
        for (guint i = 0; i < layout->parity; i++)
            unit[i] = units + i * units_bytes + s * layout->unit_bytes;
        encode_stripe(making, stripe + s, data, unit);
    }
    gboolean good = TRUE;
    g_mutex_lock(&making->lock);
    for (guint i = 0; good && i < layout->parity; i++)
        good = making->write(making->write_data, parity_unit_offset(layout, i, stripe),
                             units + i * units_bytes, count * layout->unit_bytes, error);
    g_mutex_unlock(&making->lock);
    return good;
}

/* Takes the next batch: how many stripes, 0 when there are none or something failed. */
static guint
take_batch(Making *making, guint64 *stripe)
{
    const ParityLayout *layout = making->layout;
    guint count = 0;

    g_mutex_lock(&making->lock);
    *stripe = making->next_stripe;
    if (making->error == NULL)
        count = (guint)MIN(layout->run, layout->stripe_count - *stripe);
    making->next_stripe += count;
    g_mutex_unlock(&making->lock);
    return count;
}

static gpointer
make_thread(gpointer data)
{
    Making *making = data;
    const ParityLayout *layout = making->layout;
    g_autofree guint8 *blocks = g_malloc((gsize)layout->run * layout->data * layout->block_bytes);
    g_autofree guint8 *units = g_malloc(layout->run * layout->parity * layout->unit_bytes);
    guint64 stripe = 0;
    guint count = 0;

    while ((count = take_batch(making, &stripe)) > 0) {
        g_autoptr(GError) error = NULL;
        if (make_batch(making, stripe, count, blocks, units, &error))
            continue;
        g_mutex_lock(&making->lock);
        if (making->error == NULL)
            making->error = g_steal_pointer(&error);
        g_mutex_unlock(&making->lock);
    }
    return NULL;
}

static void
make_units(Making *making, guint threads)
{
    const ParityLayout *layout = making->layout;
    guint64 batches = (layout->stripe_count + layout->run - 1) / layout->run;
    guint others = (guint)CLAMP(threads, 1, MAX(batches, 1)) - 1;
    g_autofree GThread **handles = g_new0(GThread *, others + 1);

    for (guint i = 0; i < others; i++)
        handles[i] = g_thread_new("parity", make_thread, making);
    make_thread(making);
    for (guint i = 0; i < others; i++)
        g_thread_join(handles[i]);
}

gboolean
parity_make(const ParityShape *shape, guint64 size_bytes, ParityRead read, gpointer read_data,
            ParityWrite write, gpointer write_data, guint threads, GError **error)
{
    ParityLayout layout = parity_layout(shape, size_bytes);
    g_autofree guint8 *matrix = parity_matrix(&layout);
    g_autofree guint8 *tables = parity_encode_tables(&layout, matrix);
    Making making = {.layout = &layout,
                     .tables = tables,
                     .read = read,
                     .read_data = read_data,
                     .write = write,
                     .write_data = write_data};
    guint8 header[PARITY_HEADER_BYTES];

    g_mutex_init(&making.lock);
    make_units(&making, threads);
    g_mutex_clear(&making.lock);
    if (making.error) {
        g_propagate_error(error, making.error);
        return FALSE;
    }
    parity_header_print(&layout, header);
    return write(write_data, 0, header, sizeof header, error) &&
           write(write_data, parity_layout_bytes(&layout) - sizeof header, header, sizeof header,
                 error);
}
