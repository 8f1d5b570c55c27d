/* keys_read.c - reads a door's key files.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/door/keys_read.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "jobs/key_pair.h"

MinisignSecret *
keys_read_secret(const DoorConfig *config, GError **error)
{
    int state_fd = open(config->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (state_fd < 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_NO_INPUT, errno, "--state=%s",
                                 config->state);
        return NULL;
    }
    MinisignSecret *secret = key_pair_read(state_fd, "door", error);
    close(state_fd);
    if (!secret)
        g_prefix_error(error, "the key that signs receipts: %s/", config->state);
    return secret;
}

GArray *
keys_read_trusted(const DoorConfig *config, GError **error)
{
    GArray *keys = key_pair_read_trusted((const char *const *)config->trust, error);

    if (!keys)
        g_prefix_error(error, "--trust: ");
    return keys;
}
