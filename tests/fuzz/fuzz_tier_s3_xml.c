/* fuzz_tier_s3_xml.c - whatever a server answers is a list, or none.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/tier_s3_xml.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    const char *text = (const char *)data;
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    g_autofree char *value = s3_xml_value(text, size_bytes, "UploadId");
    char *token = NULL;
    gboolean good = s3_xml_list(text, size_bytes, keys, &token, &error);

    /* Only a list can be gone on with, and only what cannot be read has an error. */
    g_assert(good ? error == NULL : error != NULL && token == NULL);
    g_free(token);
    return 0;
}
