/* fuzz_identity_snapshot.c - a record of a snapshot is a key within its bounds, or none.
 * (The file around it is LMDB's, and is only opened once its digest was signed for.)
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/identity_internal.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    IdentityKey key = {0};
    /* Of its own size, so that a byte read beyond it is seen. */
    g_autofree guint8 *record = g_memdup2(data, size_bytes);

    if (!identity_record_parse(record, size_bytes, &key))
        return 0;
    gsize customer_bytes = strlen(key.customer);
    g_assert_cmpuint(customer_bytes, >=, 1);
    g_assert_cmpuint(customer_bytes, <=, IDENTITY_CUSTOMER_MAX);
    g_assert_cmpmem(key.customer, customer_bytes, record + size_bytes - customer_bytes,
                    customer_bytes);
    g_assert_true((key.scopes & ~(guint32)SCOPE_ALL) == 0);
    g_assert_true(key.rate_per_s == 0 || key.burst > 0);
    return 0;
}
