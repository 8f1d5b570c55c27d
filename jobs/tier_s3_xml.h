/* tier_s3_xml.h - what an S3 server answers in XML. Nobody vouches for its bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_TIER_S3_XML_H
#define MILLRACE_JOBS_TIER_S3_XML_H

#include <glib.h>

#include "formats/error.h"

/* The text of the first element of this name. (transfer full), or NULL when there is none, or no
 * XML. */
char *s3_xml_value(const char *text, gsize size_bytes, const char *element);

/* A page of ListObjectsV2. Adds its keys (owned by the array). token: (out) (transfer full) of the
 * next page, NULL at the last. FALSE and MILLRACE_ERROR_CORRUPT. */
gboolean s3_xml_list(const char *text, gsize size_bytes, GPtrArray *keys, char **token,
                     GError **error);

#endif
