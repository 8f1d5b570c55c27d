/* key_pair.h - pairs of minisign keys in a folder: NAME.key signs and is its owner's alone,
 * NAME.pub checks and is for everybody. A key is never replaced.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_KEY_PAIR_H
#define MILLRACE_JOBS_KEY_PAIR_H

#include "formats/error.h"
#include "formats/minisign.h"

/* Writes NAME.key and NAME.pub durably, the secret half first: the public one can be made of it
 * again. FALSE and MILLRACE_ERROR_CANT_CREATE: one of them is there, or cannot be made. */
gboolean key_pair_write(int folder_fd, const char *name, const MinisignSecret *secret,
                        GError **error);

/* Makes what is missing of NAME.key and NAME.pub: both, or the public half of the secret one.
 * made: (out) (nullable) was anything missing? */
gboolean key_pair_ensure(int folder_fd, const char *name, gboolean *made, GError **error);

/* (transfer full) the secret half, or NULL and MILLRACE_ERROR_NO_INPUT, MILLRACE_ERROR_BAD_INPUT.
 */
MinisignSecret *key_pair_read(int folder_fd, const char *name, GError **error);

/* Reads public keys from files: (transfer full) an array of MinisignPublic, at least one; or NULL
 * and MILLRACE_ERROR_NO_INPUT, MILLRACE_ERROR_BAD_INPUT. paths: NULL-terminated. */
GArray *key_pair_read_trusted(const char *const *paths, GError **error);

#endif
