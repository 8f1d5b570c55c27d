/* tier_s3_request.h - requests to an S3 server: signed (AWS Signature Version 4, by libcurl),
 * repeated while the server is busy or away, and with an error that says what it said.
 * Any thread; each request has a connection of its own out of a pool.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_TIER_S3_REQUEST_H
#define MILLRACE_JOBS_TIER_S3_REQUEST_H

#include "jobs/tier_internal.h"

#define S3_TEXT_MAX_BYTES (16u << 20) /* of an answer that is text */

/* How long to wait for what. */
typedef struct {
    guint try_count;     /* of a request, the first one included */
    guint first_wait_ms; /* after the first try; doubled after each, up to ten seconds */
    guint connect_s;
    guint stall_s; /* without a byte */
} S3Patience;

typedef struct _S3 S3;
/* As s3_account_read(); asks nobody yet. (transfer full), or NULL and MILLRACE_ERROR_USAGE. */
S3 *s3_new(const char *where, GError **error);
void s3_free(S3 *s3);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(S3, s3_free)
S3Patience *s3_patience(S3 *s3);
/* "" or "PREFIX/"; borrowed. */
const char *s3_prefix(const S3 *s3);

typedef struct {
    const char *method;
    const char *name;  /* of the archive's file; NULL: the bucket */
    const char *query; /* encoded, sorted by name; NULL: none */
    /* What is sent: body_bytes of body from body_offset on; NULL: nothing. */
    const TierSource *body;
    guint64 body_offset;
    guint64 body_bytes;
    const char *condition; /* a header as "If-Match: ETAG", or NULL */
    /* Bytes of the object to be received into out; NULL: the answer is text. */
    void *out;
    guint64 range_offset;
    gsize range_bytes;
} S3Request;

typedef struct {
    long status; /* HTTP's; also of an answer that is an error */
    GString *text;
    gsize out_bytes;     /* how many there are in out */
    guint64 total_bytes; /* of the object, where a range of it was asked for */
    char *etag;
} S3Answer;
void s3_answer_clear(S3Answer *answer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(S3Answer, s3_answer_clear)

/* TRUE when the server did it (2xx). Else MILLRACE_ERROR_NO_INPUT (404), MILLRACE_ERROR_UNAVAILABLE
 * (refused, or away after all tries), MILLRACE_ERROR_IO (the body cannot be read; an answer that is
 * not what was asked for). answer: zeroed. */
gboolean s3_request(S3 *s3, const S3Request *request, S3Answer *answer, GError **error);

#endif
