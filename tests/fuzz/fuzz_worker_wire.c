/* fuzz_worker_wire.c - requests and replies of arbitrary bytes: what decodes is given back by
 * encoding it. A request's specs may be spelled in more than one way, so theirs are compared once
 * canonical. SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "jobs/worker_wire.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

static void
check_request(const guint8 *data, gsize size_bytes)
{
    g_autoptr(GByteArray) canonical = g_byte_array_new();
    g_autoptr(GByteArray) again = g_byte_array_new();
    WorkerRequest request;

    if (!worker_request_decode(data, size_bytes, &request))
        return;
    worker_request_encode(canonical, &request);
    g_assert_true(worker_request_decode(canonical->data, canonical->len, &request));
    worker_request_encode(again, &request);
    g_assert_cmpmem(canonical->data, canonical->len, again->data, again->len);
}

static void
check_reply(const guint8 *data, gsize size_bytes)
{
    g_autoptr(GByteArray) again = g_byte_array_new();
    WorkerReply reply;

    if (!worker_reply_decode(data, size_bytes, &reply))
        return;
    g_assert_true(g_utf8_validate(reply.message, -1, NULL));
    g_assert_true((reply.class == ROW_OK) == (reply.output_count > 0));
    worker_reply_encode(again, &reply);
    /* A message that is too long is cut; nothing else may change. */
    if (strlen(reply.message) + 1 < sizeof reply.message)
        g_assert_cmpmem(again->data, again->len, data, size_bytes);
}

/* The first byte chooses. */
int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    if (size_bytes == 0)
        return 0;
    if (data[0] % 2 == 0)
        check_request(data + 1, size_bytes - 1);
    else
        check_reply(data + 1, size_bytes - 1);
    return 0;
}
