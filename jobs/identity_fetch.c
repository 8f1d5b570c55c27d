/* identity_fetch.c - GET by libcurl.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/identity_fetch.h"

#include <curl/curl.h>
#include <string.h>

#include "formats/durable.h"

enum { CONNECT_MS = 1000, AGE_MAX_S = 1 << 30 };

typedef struct {
    const char *url;
    int fd;
    guint64 max_bytes;
    guint64 done_bytes;
    guint timeout_s;
    gint64 age_s;
    gboolean too_long;
    GError *error; /* of writing */
} Transfer;

static gpointer
initialize_curl(gpointer data G_GNUC_UNUSED)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return NULL;
}

static size_t
on_header(char *line, size_t one G_GNUC_UNUSED, size_t size_bytes, void *data)
{
    static const char name[] = "X-Identity-Age:";
    Transfer *transfer = data;

    if (size_bytes >= sizeof name && g_ascii_strncasecmp(line, name, sizeof name - 1) == 0) {
        g_autofree char *value =
            g_strstrip(g_strndup(line + sizeof name - 1, size_bytes - sizeof name + 1));
        /* Who says something else has no age that can be relied on. */
        if (!g_ascii_string_to_signed(value, 10, 0, AGE_MAX_S, &transfer->age_s, NULL))
            transfer->age_s = AGE_MAX_S;
    }
    return size_bytes;
}

static size_t
on_bytes(char *bytes, size_t one G_GNUC_UNUSED, size_t size_bytes, void *data)
{
    Transfer *transfer = data;

    if (size_bytes > transfer->max_bytes - transfer->done_bytes) {
        transfer->too_long = TRUE;
        return 0;
    }
    if (!durable_write_all(transfer->fd, transfer->url, bytes, size_bytes, &transfer->error))
        return 0;
    transfer->done_bytes += size_bytes;
    return size_bytes;
}

static void
set_options(CURL *handle, Transfer *transfer, char *details)
{
    curl_easy_setopt(handle, CURLOPT_URL, transfer->url);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(handle, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, "millrace/" MILLRACE_VERSION);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT, (long)transfer->timeout_s);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, details);
}

static gboolean
conclude(Transfer *transfer, CURLcode code, long status, const char *details, GError **error)
{
    if (transfer->error) {
        g_propagate_error(error, g_steal_pointer(&transfer->error));
    } else if (transfer->too_long) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "%s: more than the %" G_GUINT64_FORMAT " bytes that it can have", transfer->url,
                    transfer->max_bytes);
    } else if (code != CURLE_OK) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE, "%s: %s", transfer->url,
                    *details ? details : curl_easy_strerror(code));
    } else if (status != 200) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE,
                    "%s: expected HTTP status 200, got %ld", transfer->url, status);
    } else {
        return TRUE;
    }
    return FALSE;
}

gboolean
identity_fetch(const char *url, guint64 max_bytes, guint timeout_s, int fd, gint64 *age_s,
               GError **error)
{
    static GOnce once = G_ONCE_INIT;
    Transfer transfer = {
        .url = url, .fd = fd, .max_bytes = max_bytes, .timeout_s = timeout_s, .age_s = -1};
    char details[CURL_ERROR_SIZE] = "";
    long status = 0;

    g_once(&once, initialize_curl, NULL);
    CURL *handle = curl_easy_init();
    g_assert(handle != NULL);
    set_options(handle, &transfer, details);
    CURLcode code = curl_easy_perform(handle);
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(handle);
    *age_s = transfer.age_s;
    return conclude(&transfer, code, status, details, error);
}
