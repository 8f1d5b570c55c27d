/* identity_internal.h - what the writer and the reader of snapshots share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_IDENTITY_INTERNAL_H
#define MILLRACE_FORMATS_IDENTITY_INTERNAL_H

#include "formats/identity.h"

#define IDENTITY_VERSION        1
#define IDENTITY_META_KEY       "\0" /* before all hashes, since it is shorter */
#define IDENTITY_META_KEY_BYTES 1
#define IDENTITY_META_BYTES     (4 + API_KEY_PEPPER_BYTES)

/* Fills key, but for its id. FALSE when the record is none. */
gboolean identity_record_parse(const void *bytes, gsize size_bytes, IdentityKey *key);

#endif
