/* parity_repair.c - a file is checked against its parity, and what is lost made again.
 * Both files may be anything: what a header or a hash says is believed only as far as hashes hold,
 * and work is bounded by the bytes that are there. Whatever is made again must have its hash before
 * it is written.
 * SPDX-License-Identifier: Apache-2.0 */
#include <isa-l/erasure_code.h>
#include <string.h>

#include "formats/parity.h"
#include "formats/parity_internal.h"

enum { SCAN_BYTES = 1 << 20 };

typedef struct {
    const ParityFiles *files;
    ParityLayout layout;
    ParityReport *report;
    guint8 *matrix;
    guint8 *tables;  /* that make parity */
    guint8 *blocks;  /* of a batch: k times run blocks */
    guint8 *units;   /* m times run units */
    guint8 *present; /* (k + m) times run: could it be read? */
    guint8 *again;   /* m blocks: those lost, made again */
    guint8 *parity;  /* m blocks: parity, made again */
} Check;

/* One stripe of the batch. Shards are blocks of the file and then parity. */
typedef struct {
    guint64 number;
    guint8 *shard[PARITY_SHARDS_MAX];
    gboolean present[PARITY_SHARDS_MAX];
    gboolean lost[PARITY_SHARDS_MAX];
    guint lost_count;
    guint8 *unit[PARITY_PARITY_MAX];
    gboolean damaged[PARITY_PARITY_MAX]; /* its shard is lost, or its head does not hold */
    guint damaged_count;
    const guint8 *hashes; /* of all shards; NULL: no head holds */
} Stripe;

/* Where a run of blocks or units lies. */
typedef struct {
    ParityRead read;
    guint64 end; /* of what is there now */
    guint64 offset;
    gsize each_bytes;
    gsize all_bytes; /* of the whole run, whose last block may be short */
} Run;

/* Reads things from first to before last of a run. Returns 1, 0 when they cannot be read, -1 and
 * error. */
static int
read_part(const Check *check, const Run *run, guint first, guint last, guint8 *out, GError **error)
{
    gsize from = first * run->each_bytes;
    gsize wanted = MIN(last * run->each_bytes, run->all_bytes) - from;
    g_autoptr(GError) failure = NULL;

    if (run->offset + from + wanted > run->end)
        return 0;
    gssize got = run->read(check->files->data, run->offset + from, out + from, wanted, &failure);
    if (got == (gssize)wanted)
        return 1;
    if (got >= 0 || g_error_matches(failure, MILLRACE_ERROR, MILLRACE_ERROR_IO))
        return 0;
    g_propagate_error(error, g_steal_pointer(&failure));
    return -1;
}

/* Reads a run as one, or thing by thing where that fails. */
static gboolean
read_run(const Check *check, const Run *run, guint8 *out, guint8 *present, GError **error)
{
    guint count = (guint)((run->all_bytes + run->each_bytes - 1) / run->each_bytes);
    int got = count > 0 ? read_part(check, run, 0, count, out, error) : 0;

    memset(present, got == 1, count);
    for (guint i = 0; got == 0 && i < count; i++) {
        int one = read_part(check, run, i, i + 1, out, error);
        if (one < 0)
            return FALSE;
        present[i] = one == 1;
    }
    return got >= 0;
}

static gboolean
read_batch(Check *check, guint64 stripe, guint count, GError **error)
{
    const ParityLayout *layout = &check->layout;
    gsize blocks_bytes = (gsize)layout->run * layout->block_bytes;

    for (guint i = 0; i < layout->shards; i++) {
        guint8 *present = check->present + (gsize)i * layout->run;
        guint unit = i - layout->data;
        guint8 *out = NULL;
        Run run;
        memset(present, FALSE, count);
        if (i < layout->data) {
            out = check->blocks + i * blocks_bytes;
            run = (Run){check->files->read_file, check->files->file_bytes,
                        parity_block_offset(layout, i, stripe), layout->block_bytes, 0};
            for (guint s = 0; s < count; s++)
                run.all_bytes += parity_block_stored(layout, i, stripe + s);
            memset(out + run.all_bytes, 0, count * run.each_bytes - run.all_bytes);
        } else {
            out = check->units + unit * layout->run * layout->unit_bytes;
            run = (Run){check->files->read_parity, check->files->parity_bytes,
                        parity_unit_offset(layout, unit, stripe), layout->unit_bytes,
                        count * layout->unit_bytes};
        }
        if (!read_run(check, &run, out, present, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
has_hash(const Check *check, const guint8 *shard, const guint8 *hashes, guint index)
{
    guint8 hash[PARITY_HASH_BYTES];

    parity_hash(shard, check->layout.block_bytes, hash);
    return memcmp(hash, hashes + (gsize)index * PARITY_HASH_BYTES, PARITY_HASH_BYTES) == 0;
}

/* Finds out which shards are lost and which units damaged. */
static void
examine(const Check *check, Stripe *stripe)
{
    const ParityLayout *layout = &check->layout;
    guint8 head[(PARITY_SHARDS_MAX + 2) * PARITY_HASH_BYTES];

    for (guint i = 0; i < layout->parity; i++) {
        stripe->damaged[i] = TRUE;
        if (!stripe->present[layout->data + i])
            continue;
        /* The first head that holds is believed; one that holds and tells otherwise is not. */
        parity_unit_head(layout, stripe->hashes ? stripe->hashes : stripe->unit[i], stripe->number,
                         i, head);
        stripe->damaged[i] = memcmp(head, stripe->unit[i], layout->head_bytes) != 0;
        if (stripe->hashes == NULL && !stripe->damaged[i])
            stripe->hashes = stripe->unit[i];
    }
    for (guint i = 0; i < layout->shards; i++) {
        gboolean stored = i >= layout->data || parity_block_stored(layout, i, stripe->number) > 0;
        if (stripe->hashes)
            stripe->lost[i] = stored && (!stripe->present[i] ||
                                         !has_hash(check, stripe->shard[i], stripe->hashes, i));
        else
            stripe->lost[i] = i >= layout->data || (stored && !stripe->present[i]);
        stripe->lost_count += stripe->lost[i];
        if (i < layout->data)
            check->report->data_damaged += stripe->lost[i];
        else if (stripe->lost[i])
            stripe->damaged[i - layout->data] = TRUE;
    }
    for (guint i = 0; i < layout->parity; i++)
        stripe->damaged_count += stripe->damaged[i];
    check->report->parity_damaged += stripe->damaged_count;
}

static void
encode(const Check *check, const Stripe *stripe)
{
    guint8 *data[PARITY_DATA_MAX];
    guint8 *parity[PARITY_PARITY_MAX];

    for (guint i = 0; i < check->layout.data; i++)
        data[i] = stripe->shard[i];
    for (guint i = 0; i < check->layout.parity; i++)
        parity[i] = check->parity + (gsize)i * check->layout.block_bytes;
    ec_encode_data((int)check->layout.block_bytes, (int)check->layout.data,
                   (int)check->layout.parity, check->tables, data, parity);
}

/* Makes the lost blocks of the file again from any k shards that are not, and puts them into the
 * stripe. FALSE when they have not their hashes. */
static gboolean
decode(const Check *check, Stripe *stripe)
{
    guint k = check->layout.data;
    gsize block_bytes = check->layout.block_bytes;
    g_autofree guint8 *rows = g_malloc((gsize)k * k);
    g_autofree guint8 *inverse = g_malloc((gsize)k * k);
    g_autofree guint8 *tables = g_malloc((gsize)32 * k * PARITY_PARITY_MAX);
    guint8 *good[PARITY_DATA_MAX];
    guint8 *again[PARITY_PARITY_MAX];
    guint good_count = 0;
    guint lost_count = 0;

    for (guint i = 0; i < check->layout.shards && good_count < k; i++) {
        if (stripe->lost[i])
            continue;
        memcpy(rows + (gsize)good_count * k, check->matrix + (gsize)i * k, k);
        good[good_count++] = stripe->shard[i];
    }
    /* Any k rows of a Cauchy matrix with the identity above are independent. */
    int singular = gf_invert_matrix(rows, inverse, (int)k);
    g_assert(good_count == k && singular == 0);
    for (guint i = 0; i < k; i++) {
        if (!stripe->lost[i])
            continue;
        memcpy(rows + (gsize)lost_count * k, inverse + (gsize)i * k, k);
        again[lost_count] = check->again + lost_count * block_bytes;
        lost_count++;
    }
    if (lost_count == 0)
        return TRUE;
    ec_init_tables((int)k, (int)lost_count, rows, tables);
    ec_encode_data((int)block_bytes, (int)k, (int)lost_count, tables, good, again);
    lost_count = 0;
    for (guint i = 0; i < k; i++) {
        if (!stripe->lost[i])
            continue;
        stripe->shard[i] = again[lost_count++];
        if (!has_hash(check, stripe->shard[i], stripe->hashes, i))
            return FALSE;
    }
    return TRUE;
}

/* Writes what was lost: the stripe's shards are whole now, and parity is made anew. */
static gboolean
write_stripe(const Check *check, const Stripe *stripe, GError **error)
{
    const ParityLayout *layout = &check->layout;
    const ParityFiles *files = check->files;
    guint8 head[(PARITY_SHARDS_MAX + 2) * PARITY_HASH_BYTES];

    for (guint i = 0; i < layout->data; i++)
        if (stripe->lost[i] &&
            !files->repair_file(files->data, parity_block_offset(layout, i, stripe->number),
                                stripe->shard[i], parity_block_stored(layout, i, stripe->number),
                                error))
            return FALSE;
    for (guint i = 0; files->repair_parity && i < layout->parity; i++) {
        guint64 offset = parity_unit_offset(layout, i, stripe->number);
        if (!stripe->damaged[i])
            continue;
        parity_unit_head(layout, stripe->hashes, stripe->number, i, head);
        if (!files->repair_parity(files->data, offset, head, layout->head_bytes, error) ||
            !files->repair_parity(files->data, offset + layout->head_bytes,
                                  check->parity + (gsize)i * layout->block_bytes,
                                  layout->block_bytes, error))
            return FALSE;
    }
    return TRUE;
}

/* No head of the stripe holds, so there are no hashes. Blocks that give a parity that is there
 * would be no proof: zeros give zeros. */
static void
count_blind(const Check *check, const Stripe *stripe)
{
    if (stripe->lost_count > check->layout.parity)
        check->report->stripes_beyond++;
    else
        check->report->stripes_unproven++;
}

static gboolean
check_stripe(const Check *check, Stripe *stripe, GError **error)
{
    const ParityLayout *layout = &check->layout;

    examine(check, stripe);
    if (stripe->hashes == NULL) {
        count_blind(check, stripe);
        return TRUE;
    }
    if (stripe->lost_count > layout->parity) {
        check->report->stripes_beyond++;
        return TRUE;
    }
    if (!check->files->repair_file || stripe->lost_count + stripe->damaged_count == 0)
        return TRUE;
    gboolean good = decode(check, stripe);
    if (good)
        encode(check, stripe);
    for (guint i = 0; good && i < layout->parity; i++)
        good = has_hash(check, check->parity + (gsize)i * layout->block_bytes, stripe->hashes,
                        layout->data + i);
    if (!good) {
        check->report->stripes_beyond++;
        return TRUE;
    }
    return write_stripe(check, stripe, error);
}

/* Of which stripes is anything there? From the one returned on, nothing is. */
static guint64
there_count(const Check *check)
{
    const ParityLayout *layout = &check->layout;
    guint64 blocks = MIN(check->files->file_bytes, layout->file_bytes);
    guint64 units = MAX(check->files->parity_bytes, PARITY_HEADER_BYTES) - PARITY_HEADER_BYTES;

    blocks = (blocks + layout->block_bytes - 1) / layout->block_bytes;
    units /= layout->unit_bytes;
    return MIN(layout->stripe_count, MAX(blocks, units));
}

/* Counts the stripes of which nothing is there without looking at each: a header may tell of more
 * than anyone could. */
static void
count_missing(const Check *check, guint64 first)
{
    const ParityLayout *layout = &check->layout;
    guint64 missing = layout->stripe_count - first;

    for (guint i = 0; missing > 0 && i < layout->data; i++) {
        guint64 begin = i * layout->stripe_count + first;
        guint64 end = MIN((i + 1) * layout->stripe_count, layout->block_count);
        check->report->data_damaged += end > begin ? end - begin : 0;
    }
    check->report->parity_damaged += missing * layout->parity;
    check->report->stripes_beyond += missing;
}

static gboolean
check_stripes(Check *check, GError **error)
{
    const ParityLayout *layout = &check->layout;
    gsize blocks_bytes = (gsize)layout->run * layout->block_bytes;
    gsize units_bytes = layout->run * layout->unit_bytes;
    guint64 there = there_count(check);

    for (guint64 first = 0; first < there; first += layout->run) {
        guint count = (guint)MIN(layout->run, there - first);
        if (!read_batch(check, first, count, error))
            return FALSE;
        for (guint s = 0; s < count; s++) {
            Stripe stripe = {.number = first + s};
            for (guint i = 0; i < layout->shards; i++)
                stripe.present[i] = check->present[(gsize)i * layout->run + s];
            for (guint i = 0; i < layout->data; i++)
                stripe.shard[i] = check->blocks + i * blocks_bytes + (gsize)s * layout->block_bytes;
            for (guint i = 0; i < layout->parity; i++) {
                stripe.unit[i] = check->units + i * units_bytes + s * layout->unit_bytes;
                stripe.shard[layout->data + i] = stripe.unit[i] + layout->head_bytes;
            }
            if (!check_stripe(check, &stripe, error))
                return FALSE;
        }
    }
    count_missing(check, there);
    return TRUE;
}

/* Reads bytes of the parity file. Returns how many there are, which may be too few; -1 and error
 * when it is not the bytes' fault. */
static gssize
read_parity(const ParityFiles *files, guint64 offset, guint8 *out, gsize size, GError **error)
{
    g_autoptr(GError) failure = NULL;

    if (offset >= files->parity_bytes)
        return 0;
    gssize got = files->read_parity(files->data, offset, out,
                                    MIN(size, files->parity_bytes - offset), &failure);
    if (got >= 0 || g_error_matches(failure, MILLRACE_ERROR, MILLRACE_ERROR_IO))
        return MAX(got, 0);
    g_propagate_error(error, g_steal_pointer(&failure));
    return -1;
}

/* Looks for a header from first to before last. Returns 1, 0, -1 and error. */
static int
scan_headers(const ParityFiles *files, guint64 first, guint64 last, ParityLayout *layout,
             GError **error)
{
    g_autofree guint8 *piece = g_malloc(SCAN_BYTES + PARITY_HEADER_BYTES);

    for (guint64 at = first; at < last; at += SCAN_BYTES) {
        gsize size = MIN(SCAN_BYTES, last - at) + PARITY_HEADER_BYTES - 1;
        gssize got = read_parity(files, at, piece, size, error);
        if (got < 0)
            return -1;
        for (gssize i = 0; i + PARITY_HEADER_BYTES <= got; i++)
            if (parity_header_parse(piece + i, layout))
                return 1;
    }
    return 0;
}

/* Headers are at the begin and at the end; or, when something was put behind, anywhere. */
static gboolean
find_header(const ParityFiles *files, ParityLayout *layout, GError **error)
{
    guint64 end = files->parity_bytes;
    int found = scan_headers(files, 0, MIN(end, 1), layout, error);

    if (found == 0 && end >= PARITY_HEADER_BYTES)
        found = scan_headers(files, end - PARITY_HEADER_BYTES, end - PARITY_HEADER_BYTES + 1,
                             layout, error);
    if (found == 0)
        found = scan_headers(files, 0, end, layout, error);
    if (found == 0)
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                            "parity: neither of its headers holds");
    return found > 0;
}

/* Counts the headers that do not hold, and repairs them: of a file that is whole, lest a false one
 * asks for a place far away. */
static gboolean
check_headers(const Check *check, GError **error)
{
    const ParityFiles *files = check->files;
    guint64 size = parity_layout_bytes(&check->layout);
    const guint64 places[] = {0, size - PARITY_HEADER_BYTES};
    guint8 right[PARITY_HEADER_BYTES];
    guint8 found[PARITY_HEADER_BYTES];

    parity_header_print(&check->layout, right);
    for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
        gssize got = read_parity(files, places[i], found, sizeof found, error);
        if (got < 0)
            return FALSE;
        if (got == sizeof found && memcmp(found, right, sizeof found) == 0)
            continue;
        check->report->parity_damaged++;
        if (files->repair_file && files->repair_parity && check->report->stripes_beyond == 0 &&
            !files->repair_parity(files->data, places[i], right, sizeof right, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
parity_check(const ParityFiles *files, ParityReport *report, GError **error)
{
    Check check = {.files = files, .report = report};
    ParityLayout *layout = &check.layout;

    if (!find_header(files, layout, error))
        return FALSE;
    *report = (ParityReport){.shape = {layout->data, layout->parity},
                             .file_bytes = layout->file_bytes,
                             .block_bytes = layout->block_bytes,
                             .stripe_count = layout->stripe_count,
                             .data_count = layout->block_count,
                             .parity_count = 2 + layout->stripe_count * layout->parity};
    gsize parity_bytes = (gsize)layout->parity * layout->block_bytes;
    check.matrix = parity_matrix(layout);
    check.tables = parity_encode_tables(layout, check.matrix);
    check.blocks = g_malloc((gsize)layout->run * layout->data * layout->block_bytes);
    check.units = g_malloc(layout->run * layout->parity * layout->unit_bytes);
    check.present = g_malloc0((gsize)layout->run * layout->shards);
    check.again = g_malloc(parity_bytes);
    check.parity = g_malloc(parity_bytes);
    gboolean good = check_stripes(&check, error) && check_headers(&check, error);
    g_free(check.matrix);
    g_free(check.tables);
    g_free(check.blocks);
    g_free(check.units);
    g_free(check.present);
    g_free(check.again);
    g_free(check.parity);
    return good;
}
