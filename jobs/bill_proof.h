/* bill_proof.h - proof.json: every invariant of a run with both its sides, what it was made from,
 * and the digests of what it gave. Members: formats/README.md, "Bill run v1, proof.json".
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_BILL_PROOF_H
#define MILLRACE_JOBS_BILL_PROOF_H

#include <glib.h>

#include "formats/sha256.h"
#include "jobs/bill_harvest.h"
#include "jobs/bill_inputs.h"
#include "jobs/bill_meter.h"
#include "jobs/bill_rate.h"
#include "jobs/bill_scan.h"

typedef struct {
    const char *name;
    char digest[SHA256_CHARS + 1];
    guint64 size_bytes;
} BillFileDigest;

/* All that the ranks have counted, summed over them. */
typedef struct {
    const BillInputs *inputs;
    const BillHarvest *harvest;
    ScanCounts scan;
    guint64 concerning_count; /* of scan's conflicts, those in conflicts.ndjson */
    MeterCounts meter;
    __int128 metered[PRICEBOOK_SKUS_MAX]; /* by events */
    BillTotals totals;
    guint64 metered_hash; /* meter_hash() */
    const BillFileDigest *files;
    guint file_count;
} BillProof;

/* Appends proof.json. *broken: the name of the first invariant that does not hold, to be freed, or
 * NULL. */
void bill_proof_print(const BillProof *proof, GString *out, char **broken);

/* Appends a sum of any size as decimal digits. */
void bill_print_int128(GString *out, __int128 value);
/* Appends nano as an amount of the book's currency, without the currency. */
void bill_print_amount(GString *out, __int128 nano, guint minor_digits);

#endif
