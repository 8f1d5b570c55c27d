/* fuzz_image_header.c - a header is read within its bytes, and what follows them changes nothing
 * that was found.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <glib.h>

#include "formats/image_header.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    ImageHeader header;
    ImageHeader again;

    image_header_read(data, size_bytes, &header);
    g_assert_cmpuint(header.width_px == 0, ==, header.height_px == 0);
    g_assert_cmpuint(header.format, ==, image_sniff(data, size_bytes));
    g_assert_true(header.format != IMAGE_FORMAT_INPUT || header.width_px == 0);
    g_assert_true(header.format == IMAGE_FORMAT_JPEG || !header.progressive);
    image_header_read(data, size_bytes, &again);
    g_assert_cmpmem(&header, sizeof header, &again, sizeof again);
    return 0;
}
