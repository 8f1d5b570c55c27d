/* bill_proof.c - prints and judges the invariants. Every one is computed on two ways that meet only
 * here.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_proof.h"

#include <string.h>

#include "formats/json.h"

void
bill_print_int128(GString *out, __int128 value)
{
    char digits[48];
    guint at = sizeof digits;
    unsigned __int128 left = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;

    do {
        digits[--at] = (char)('0' + (int)(left % 10));
        left /= 10;
    } while (left > 0);
    if (value < 0)
        digits[--at] = '-';
    g_string_append_len(out, digits + at, (gssize)(sizeof digits - at));
}

void
bill_print_amount(GString *out, __int128 nano, guint minor_digits)
{
    unsigned __int128 left = nano < 0 ? -(unsigned __int128)nano : (unsigned __int128)nano;
    guint64 fraction = (guint64)(left % 1000000000);
    char digits[MONEY_NANO_DIGITS + 1];
    guint shown = MONEY_NANO_DIGITS;

    if (nano < 0)
        g_string_append_c(out, '-');
    bill_print_int128(out, (__int128)(left / 1000000000));
    g_snprintf(digits, sizeof digits, "%09" G_GUINT64_FORMAT, fraction);
    while (shown > minor_digits && digits[shown - 1] == '0')
        shown--;
    if (shown > 0)
        g_string_append_printf(out, ".%.*s", (int)shown, digits);
}

/* The invariants being printed. */
typedef struct {
    GString *out;
    char **broken;
} Printer;

static void
put_invariant(const Printer *printer, const char *name, const char *left_name, const char *left,
              const char *right_name, const char *right)
{
    gboolean holds = strcmp(left, right) == 0;

    json_open(printer->out, NULL, '{');
    json_put_string(printer->out, "name", name);
    json_put_string(printer->out, "left_name", left_name);
    json_put_string(printer->out, "left", left);
    json_put_string(printer->out, "right_name", right_name);
    json_put_string(printer->out, "right", right);
    json_put_bool(printer->out, "holds", holds);
    g_string_append_c(printer->out, '}');
    if (!holds && !*printer->broken)
        *printer->broken = g_strdup(name);
}

static void
put_sums(const Printer *printer, const char *name, const char *left_name, __int128 left,
         const char *right_name, __int128 right)
{
    g_autoptr(GString) left_text = g_string_new(NULL);
    g_autoptr(GString) right_text = g_string_new(NULL);

    bill_print_int128(left_text, left);
    bill_print_int128(right_text, right);
    put_invariant(printer, name, left_name, left_text->str, right_name, right_text->str);
}

static void
put_amounts(const Printer *printer, guint minor_digits, const char *name, const char *left_name,
            __int128 left, const char *right_name, __int128 right)
{
    g_autoptr(GString) left_text = g_string_new(NULL);
    g_autoptr(GString) right_text = g_string_new(NULL);

    bill_print_amount(left_text, left, minor_digits);
    bill_print_amount(right_text, right, minor_digits);
    put_invariant(printer, name, left_name, left_text->str, right_name, right_text->str);
}

static void
put_hashes(const Printer *printer, const char *name, const char *left_name, guint64 left,
           const char *right_name, guint64 right)
{
    char left_text[24];
    char right_text[24];

    g_snprintf(left_text, sizeof left_text, "%016" G_GINT64_MODIFIER "x", left);
    g_snprintf(right_text, sizeof right_text, "%016" G_GINT64_MODIFIER "x", right);
    put_invariant(printer, name, left_name, left_text, right_name, right_text);
}

/* What the footers say there is. */
static void
sum_footers(const BillInputs *inputs, guint64 *event_count, guint64 *quarantined_count,
            guint64 *identity_sum)
{
    *event_count = *quarantined_count = *identity_sum = 0;
    for (guint i = 0; i < inputs->segments->len; i++) {
        const BillSegment *segment = inputs->segments->pdata[i];
        *event_count += segment->event_count;
        *quarantined_count += segment->quarantined_count;
        *identity_sum += segment->identity_sum;
    }
}

static void
put_event_invariants(const BillProof *proof, const Printer *printer)
{
    const ScanCounts *scan = &proof->scan;
    const MeterCounts *meter = &proof->meter;
    guint64 events = 0;
    guint64 quarantined = 0;
    guint64 identity_sum = 0;

    sum_footers(proof->inputs, &events, &quarantined, &identity_sum);
    put_sums(printer, "every line read went somewhere", "events and bad lines of the segments",
             (__int128)events + quarantined,
             "billable + non-billable + duplicate + conflict + conflict elsewhere + late + closed "
             "+ other period + "
             "quarantined",
             (__int128)meter->billable_count + meter->non_billable_count + scan->duplicate_count +
                 scan->conflict_count + meter->late_count + meter->closed_count +
                 meter->other_count + quarantined);
    put_hashes(printer, "the events read are those of the segments",
               "hash of (source, id) by the footers", identity_sum,
               "hash of (source, id) of what was read", scan->identity_sum);
    put_hashes(printer, "combining, shuffle and merge lost nothing",
               "hash of the sums by customer, SKU and price, as metered", proof->metered_hash,
               "as rated", proof->totals.hash);
}

static void
put_sku_invariants(const BillProof *proof, const Printer *printer)
{
    const PriceBook *book = proof->inputs->book;

    for (guint i = 0; i < pricebook_sku_count(book); i++) {
        const PriceSku *sku = pricebook_sku(book, i);
        g_autofree char *name = g_strdup_printf("all of %s is on statements", sku->name);
        g_autofree char *tiers = g_strdup_printf("the tiers of %s add up", sku->name);
        put_sums(printer, name, "metered by events", proof->metered[i], "metered by customers",
                 proof->totals.sums[i]);
        if (sku->version_count == 0)
            continue;
        put_sums(printer, tiers, "metered by customers", proof->totals.sums[i], "metered by lines",
                 proof->totals.tiers[i]);
    }
}

static void
put_money_invariants(const BillProof *proof, const Printer *printer)
{
    guint digits = pricebook_minor_digits(proof->inputs->book);
    const BillTotals *totals = &proof->totals;
    __int128 classes = 0;

    for (guint i = 0; i < G_N_ELEMENTS(totals->class_nano); i++)
        classes += totals->class_nano[i];
    put_amounts(printer, digits, "lines add up to statements", "all lines", totals->lines_nano,
                "all statements", totals->payable_nano);
    put_amounts(printer, digits, "classes of lines add up to the control total",
                "usage + discount + true-up + correction + credit + rounding", classes,
                "control total", totals->payable_nano);
}

static void
put_inputs(const BillProof *proof, GString *out)
{
    const BillInputs *inputs = proof->inputs;

    json_put_string(out, "prices", inputs->frozen->prices);
    json_open(out, "segments", '[');
    for (guint i = 0; i < inputs->segments->len; i++) {
        const BillSegment *segment = inputs->segments->pdata[i];
        json_open(out, NULL, '{');
        json_put_string(out, "sha256", segment->name);
        json_put_uint(out, "bytes", segment->size_bytes);
        json_put_uint(out, "events", segment->event_count);
        json_put_uint(out, "quarantined", segment->quarantined_count);
        g_string_append_c(out, '}');
    }
    g_string_append_c(out, ']');
    json_open(out, "refused", '[');
    for (guint i = 0; i < inputs->refused->len; i++)
        json_put_string(out, NULL, ((const BillRefused *)inputs->refused->pdata[i])->name);
    g_string_append_c(out, ']');
}

static void
put_harvest(const BillProof *proof, GString *out)
{
    const BillHarvest *harvest = proof->harvest;

    json_put_double(out, "harvest", (double)harvest->harvest / HARVEST_WHOLE, 6);
    json_put_bool(out, "preliminary", harvest->preliminary);
    json_put_uint(out, "events_reflected", harvest->reflected);
    json_put_uint(out, "events_expected", harvest->expected);
    json_open(out, "writers", '[');
    for (guint i = 0; i < harvest->writers->len; i++) {
        const BillWriter *writer = harvest->writers->pdata[i];
        json_open(out, NULL, '{');
        json_put_string(out, "writer", writer->name);
        json_put_bool(out, "sealed", writer->sealed);
        json_put_uint(out, "first", writer->first);
        json_put_uint(out, "through", writer->through);
        json_put_uint(out, "present", writer->present_count);
        json_put_uint(out, "lost", writer->lost_count);
        json_put_uint(out, "missing", writer->missing_count);
        g_string_append_c(out, '}');
    }
    g_string_append_c(out, ']');
}

static void
put_counts(const BillProof *proof, GString *out)
{
    guint64 events = 0;
    guint64 quarantined = 0;
    guint64 identity_sum = 0;

    sum_footers(proof->inputs, &events, &quarantined, &identity_sum);
    json_open(out, "counts", '{');
    json_put_uint(out, "read", events + quarantined);
    json_put_uint(out, "billable", proof->meter.billable_count);
    json_put_uint(out, "non_billable", proof->meter.non_billable_count);
    json_put_uint(out, "duplicate", proof->scan.duplicate_count);
    json_put_uint(out, "conflict", proof->concerning_count);
    json_put_uint(out, "conflict_elsewhere", proof->scan.conflict_count - proof->concerning_count);
    json_put_uint(out, "late", proof->meter.late_count);
    json_put_uint(out, "closed", proof->meter.closed_count);
    json_put_uint(out, "other_period", proof->meter.other_count);
    json_put_uint(out, "quarantined", quarantined);
    json_put_uint(out, "statements", proof->totals.statement_count);
    json_put_uint(out, "lines", proof->totals.line_count);
    g_string_append_c(out, '}');
}

static void
put_amount(GString *out, const char *key, __int128 nano, guint minor_digits)
{
    g_autoptr(GString) text = g_string_new(NULL);

    bill_print_amount(text, nano, minor_digits);
    json_put_string(out, key, text->str);
}

static void
put_totals(const BillProof *proof, GString *out)
{
    static const char *const keys[] = {"usage",      "discount", "true_up",
                                       "correction", "credit",   "rounding"};
    guint digits = pricebook_minor_digits(proof->inputs->book);

    G_STATIC_ASSERT(G_N_ELEMENTS(keys) == LINE_ROUNDING + 1);
    json_put_string(out, "currency", pricebook_currency(proof->inputs->book));
    json_open(out, "totals", '{');
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
        put_amount(out, keys[i], proof->totals.class_nano[i], digits);
    put_amount(out, "payable", proof->totals.payable_nano, digits);
    g_string_append_c(out, '}');
}

void
bill_proof_print(const BillProof *proof, GString *out, char **broken)
{
    const BillInputs *inputs = proof->inputs;
    Printer printer = {out, broken};

    *broken = NULL;
    json_open(out, NULL, '{');
    json_put_int(out, "version", 1);
    json_put_string(out, "run", inputs->run);
    json_put_string(out, "period", inputs->frozen->period.name);
    json_put_string(out, "made_by", inputs->frozen->made_by);
    put_harvest(proof, out);
    put_counts(proof, out);
    put_totals(proof, out);
    json_open(out, "invariants", '[');
    put_event_invariants(proof, &printer);
    put_sku_invariants(proof, &printer);
    put_money_invariants(proof, &printer);
    g_string_append_c(out, ']');
    json_open(out, "files", '{');
    for (guint i = 0; i < proof->file_count; i++) {
        json_open(out, proof->files[i].name, '{');
        json_put_string(out, "sha256", proof->files[i].digest);
        json_put_uint(out, "bytes", proof->files[i].size_bytes);
        g_string_append_c(out, '}');
    }
    g_string_append_c(out, '}');
    put_inputs(proof, out);
    g_string_append(out, "}\n");
}
