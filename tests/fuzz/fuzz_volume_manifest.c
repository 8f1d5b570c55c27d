/* fuzz_volume_manifest.c - a manifest that is read is printed, but for lines that are not known;
 * and that is read and printed the same.
 * SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>

#include "formats/volume.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    g_auto(VolumeManifest) manifest = {0};
    g_auto(VolumeManifest) again = {0};
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) first = g_string_new(NULL);
    g_autoptr(GString) second = g_string_new(NULL);

    if (!volume_manifest_parse("m", (const char *)data, size_bytes, &manifest, NULL))
        return 0;
    volume_manifest_print(&manifest, first);
    g_assert_cmpuint(first->len, <=, size_bytes);
    volume_manifest_parse("m", first->str, first->len, &again, &error);
    g_assert_no_error(error);
    volume_manifest_print(&again, second);
    g_assert_cmpstr(first->str, ==, second->str);
    return 0;
}
