/* bill_verify_proof.c - fills a BillProof from a folder and a proof, and prints it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_verify_proof.h"

#include <string.h>

#include "formats/json.h"

enum { CONTEXT_BYTES = 24 };

/* The invariants of hashes, which only the store could tell. */
#define READ_HASH    1
#define METERED_HASH 2

typedef struct {
    const BillFolder *folder;
    JsonObject *text; /* of the proof */
    BillInputs inputs;
    BillHarvest harvest;
    BillProof proof;
} Again;

static void
segment_free(gpointer data)
{
    g_free(((BillSegment *)data)->name);
    g_free(data);
}

static void
refused_free(gpointer data)
{
    g_free(((BillRefused *)data)->name);
    g_free(data);
}

static void
writer_free(gpointer data)
{
    g_free(((BillWriter *)data)->name);
    g_free(data);
}

/* A count that is not there, or below 0, is another one when it is printed. */
static guint64
count_of(const JsonObject *object, const char *key)
{
    gint64 value = 0;

    json_object_int(object, key, &value);
    return value < 0 ? 0 : (guint64)value;
}

static guint64
hash_of(const JsonObject *proof, gsize index)
{
    g_autoptr(JsonList) list = json_object_list(proof, "invariants");
    g_autoptr(JsonObject) invariant =
        list && index < json_list_length(list) ? json_list_object(list, index) : NULL;
    const char *left = invariant ? json_object_string(invariant, "left", NULL) : NULL;

    return left ? g_ascii_strtoull(left, NULL, 16) : 0;
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Are these the segments that the inputs list? Their order in the proof is another one. */
static gboolean
are_the_inputs(const BillInputs *inputs)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (guint i = 0; i < inputs->segments->len; i++)
        g_ptr_array_add(names, ((BillSegment *)inputs->segments->pdata[i])->name);
    g_ptr_array_sort(names, compare_names);
    if (names->len != inputs->frozen->segments->len)
        return FALSE;
    for (guint i = 0; i < names->len; i++)
        if (strcmp(names->pdata[i], inputs->frozen->segments->pdata[i]) != 0)
            return FALSE;
    return TRUE;
}

static gboolean
fill_inputs(Again *again)
{
    BillInputs *inputs = &again->inputs;
    const FrozenInputs *frozen = again->folder->inputs;
    g_autoptr(JsonList) list = json_object_list(again->text, "segments");

    inputs->frozen = again->folder->inputs;
    inputs->book = again->folder->book;
    g_strlcpy(inputs->run, again->folder->run, sizeof inputs->run);
    inputs->segments = g_ptr_array_new_with_free_func(segment_free);
    inputs->refused = g_ptr_array_new_with_free_func(refused_free);
    for (guint i = 0; i < frozen->refused->len; i++) {
        BillRefused *refused = g_new0(BillRefused, 1);
        refused->name = g_strdup(frozen->refused->pdata[i]);
        g_ptr_array_add(inputs->refused, refused);
    }
    for (gsize i = 0; list && i < json_list_length(list); i++) {
        g_autoptr(JsonObject) object = json_list_object(list, i);
        BillSegment *segment = g_new0(BillSegment, 1);
        segment->name = g_strdup(object ? json_object_string(object, "sha256", NULL) : NULL);
        g_ptr_array_add(inputs->segments, segment);
        if (!segment->name)
            return FALSE;
        segment->size_bytes = count_of(object, "bytes");
        segment->event_count = count_of(object, "events");
        segment->quarantined_count = count_of(object, "quarantined");
        if (i == 0) /* their sum is all that is told */
            segment->identity_sum = hash_of(again->text, READ_HASH);
    }
    return are_the_inputs(inputs);
}

static gboolean
fill_harvest(Again *again)
{
    g_autoptr(JsonList) list = json_object_list(again->text, "writers");
    BillHarvest *harvest = &again->harvest;

    harvest->writers = g_ptr_array_new_with_free_func(writer_free);
    for (gsize i = 0; list && i < json_list_length(list); i++) {
        g_autoptr(JsonObject) object = json_list_object(list, i);
        BillWriter *writer = g_new0(BillWriter, 1);
        writer->name = g_strdup(object ? json_object_string(object, "writer", NULL) : NULL);
        g_ptr_array_add(harvest->writers, writer);
        if (!writer->name || !json_object_bool(object, "sealed", &writer->sealed))
            return FALSE;
        writer->first = count_of(object, "first");
        writer->through = count_of(object, "through");
        writer->present_count = count_of(object, "present");
        writer->lost_count = count_of(object, "lost");
        writer->missing_count = count_of(object, "missing");
        if (writer->sealed && writer->through >= writer->first &&
            writer->present_count + writer->lost_count + writer->missing_count !=
                writer->through - writer->first + 1)
            return FALSE;
    }
    bill_harvest_sum(harvest, again->inputs.refused->len);
    return bill_harvest_agrees(harvest, again->folder->inputs);
}

static gboolean
fill_counts(Again *again, const BillTotals *totals, guint64 conflict_count)
{
    g_autoptr(JsonObject) counts = json_object_object(again->text, "counts");
    BillProof *proof = &again->proof;

    if (!counts)
        return FALSE;
    proof->scan.duplicate_count = count_of(counts, "duplicate");
    proof->concerning_count = conflict_count;
    proof->scan.conflict_count = conflict_count + count_of(counts, "conflict_elsewhere");
    proof->scan.identity_sum =
        again->inputs.segments->len > 0 ? hash_of(again->text, READ_HASH) : 0;
    proof->meter.billable_count = count_of(counts, "billable");
    proof->meter.non_billable_count = count_of(counts, "non_billable");
    proof->meter.late_count = count_of(counts, "late");
    proof->meter.closed_count = count_of(counts, "closed");
    proof->meter.other_count = count_of(counts, "other_period");
    proof->totals = *totals;
    proof->metered_hash = proof->totals.hash = hash_of(again->text, METERED_HASH);
    for (guint i = 0; i < PRICEBOOK_SKUS_MAX; i++)
        proof->metered[i] = totals->sums[i];
    return TRUE;
}

static char *
first_difference(const GString *expected, GMappedFile *file)
{
    const char *found = g_mapped_file_get_contents(file);
    gsize found_bytes = g_mapped_file_get_length(file);
    gsize at = 0;

    while (at < expected->len && at < found_bytes && expected->str[at] == found[at])
        at++;
    if (at == expected->len && at == found_bytes)
        return NULL;
    gsize from = at > CONTEXT_BYTES ? at - CONTEXT_BYTES : 0;
    g_autofree char *is = g_strndup(found + from, MIN(2 * CONTEXT_BYTES, found_bytes - from));
    g_autofree char *should = g_strndup(expected->str + from, 2 * CONTEXT_BYTES);
    g_autofree char *is_valid = g_utf8_make_valid(is, -1);
    g_autofree char *should_valid = g_utf8_make_valid(should, -1);
    return g_strdup_printf(BILL_PROOF ": has \"%s\", where all else gives \"%s\"", is_valid,
                           should_valid);
}

static char *
print_again(Again *again, GMappedFile *file, const BillTotals *totals, guint64 conflict_count)
{
    g_autofree char *broken = NULL;
    g_autoptr(GString) text = g_string_new(NULL);

    if (!fill_inputs(again))
        return g_strdup(BILL_PROOF ": its segments are not those of " BILL_INPUTS);
    if (!fill_harvest(again))
        return g_strdup(BILL_PROOF ": its writers are not those of the seals in " BILL_INPUTS);
    if (!fill_counts(again, totals, conflict_count))
        return g_strdup(BILL_PROOF ": has no counts");
    again->proof.inputs = &again->inputs;
    again->proof.harvest = &again->harvest;
    bill_proof_print(&again->proof, text, &broken);
    return first_difference(text, file);
}

char *
bill_verify_proof(const BillFolder *folder, GMappedFile *proof, const BillFileDigest *files,
                  guint file_count, const BillTotals *totals, guint64 conflict_count)
{
    g_autoptr(JsonObject) text =
        json_object_parse(g_mapped_file_get_contents(proof), g_mapped_file_get_length(proof), NULL);
    Again again = {
        .folder = folder, .text = text, .proof = {.files = files, .file_count = file_count}};
    char *finding = text ? print_again(&again, proof, totals, conflict_count)
                         : g_strdup(BILL_PROOF ": is no JSON object");

    g_clear_pointer(&again.inputs.segments, g_ptr_array_unref);
    g_clear_pointer(&again.inputs.refused, g_ptr_array_unref);
    g_clear_pointer(&again.harvest.writers, g_ptr_array_unref);
    return finding;
}
