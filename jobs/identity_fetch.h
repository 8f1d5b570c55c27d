/* identity_fetch.h - small and large files over HTTP, with bounds on their sizes and on time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_IDENTITY_FETCH_H
#define MILLRACE_JOBS_IDENTITY_FETCH_H

#include <glib.h>

#include "formats/error.h"

/* GETs url (http or https, no redirects): connected within 1 s, all of it within timeout_s. The
 * bytes are appended to fd. age_s: (out) what a header X-Identity-Age says, -1 without one. FALSE
 * and MILLRACE_ERROR_UNAVAILABLE (not reached, not there), MILLRACE_ERROR_CORRUPT (more than
 * max_bytes), MILLRACE_ERROR_IO (they cannot be written). */
gboolean identity_fetch(const char *url, guint64 max_bytes, guint timeout_s, int fd, gint64 *age_s,
                        GError **error);

#endif
