/* keys_read.c - reads a door's key files.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/door/keys_read.h"

#include <fcntl.h>
#include <string.h>

#include "formats/durable.h"

MinisignSecret *
keys_read_secret(const DoorConfig *config, GError **error)
{
    g_autofree char *path = g_build_filename(config->state, "door.key", NULL);
    gsize size_bytes = 0;
    char *text = durable_read_file(AT_FDCWD, path, MINISIGN_TEXT_MAX_BYTES, &size_bytes, error);

    if (!text) {
        g_prefix_error(error, "the key that signs receipts: ");
        return NULL;
    }
    MinisignSecret *secret = minisign_secret_parse(path, text, error);
    explicit_bzero(text, size_bytes);
    g_free(text);
    return secret;
}

MinisignPublic *
keys_read_trusted(const DoorConfig *config, guint *count, GError **error)
{
    *count = g_strv_length(config->trust);
    g_autofree MinisignPublic *keys = g_new0(MinisignPublic, *count);

    for (guint i = 0; i < *count; i++) {
        const char *path = config->trust[i];
        gsize size_bytes = 0;
        g_autofree char *text =
            durable_read_file(AT_FDCWD, path, MINISIGN_TEXT_MAX_BYTES, &size_bytes, error);
        if (!text || !minisign_public_parse(path, text, &keys[i], error)) {
            g_prefix_error(error, "--trust: ");
            return NULL;
        }
    }
    return g_steal_pointer(&keys);
}
