/* tier_s3_account.h - which bucket on which server, and who asks: an s3:// place and the
 * environment. SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_TIER_S3_ACCOUNT_H
#define MILLRACE_JOBS_TIER_S3_ACCOUNT_H

#include <glib.h>

#include "formats/error.h"

/* Strings: owned. */
typedef struct {
    char *where;  /* for messages: s3://BUCKET/PREFIX, without a '/' behind */
    char *base;   /* ENDPOINT/BUCKET */
    char *prefix; /* "" or "PREFIX/" */
    char *access_key;
    char *secret_key;
    char *session_token; /* NULL: none */
    char *signing;       /* of CURLOPT_AWS_SIGV4 */
} S3Account;

void s3_account_clear(S3Account *account);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(S3Account, s3_account_clear)

/* where: s3://BUCKET[/PREFIX]. From the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
 * AWS_SESSION_TOKEN, AWS_REGION (or AWS_DEFAULT_REGION, else us-east-1), AWS_ENDPOINT_URL (else
 * Amazon's of the region; buckets are named in the path). account: zeroed. FALSE and
 * MILLRACE_ERROR_USAGE. */
gboolean s3_account_read(const char *where, S3Account *account, GError **error);

#endif
