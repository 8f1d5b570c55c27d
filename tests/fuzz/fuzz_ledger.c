/* fuzz_ledger.c - what decodes as a ledger's record is given back by encoding it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>

#include "formats/ledger.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    g_autoptr(GByteArray) again = g_byte_array_new();
    LedgerRecord record;

    if (!ledger_record_decode(data, size_bytes, &record))
        return 0;
    ledger_record_encode(again, &record);
    g_assert_cmpmem(again->data, again->len, data, size_bytes);
    return 0;
}
