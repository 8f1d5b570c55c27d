/* tier_s3_request.c - S3 over libcurl.
 * What libcurl's CURLOPT_AWS_SIGV4 of 2023 leaves to its caller is done here: the payload's hash
 * (it knows only of form fields), queries sorted and with "=" behind every name, and no header that
 * is empty, for it signs those and does not send them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/tier_s3_request.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "jobs/tier_s3_account.h"
#include "jobs/tier_s3_xml.h"

enum {
    WAIT_MAX_MS = 10000,
    SAID_MAX_CHARS = 300, /* of what a server says, in an error */
    POOL_MAX = 16
};

struct _S3 {
    S3Account account;
    S3Patience patience;
    GMutex lock;
    GPtrArray *pool; /* of CURL, idle; under lock */
};

/* One try of a request. */
typedef struct {
    const S3Request *request;
    S3Answer *answer;
    guint64 body_done;
    guint64 range_first;
    gboolean has_range;
    gboolean too_long;
    gboolean body_failed;
    GError *error; /* of reading the body */
} Transfer;

static gpointer
initialize_curl(gpointer data G_GNUC_UNUSED)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return NULL;
}

S3 *
s3_new(const char *where, GError **error)
{
    static GOnce once = G_ONCE_INIT;
    g_auto(S3Account) account = {0};

    if (!s3_account_read(where, &account, error))
        return NULL;
    g_once(&once, initialize_curl, NULL);
    S3 *s3 = g_new0(S3, 1);
    s3->account = account;
    account = (S3Account){0};
    s3->patience =
        (S3Patience){.try_count = 6, .first_wait_ms = 200, .connect_s = 10, .stall_s = 60};
    g_mutex_init(&s3->lock);
    s3->pool = g_ptr_array_new();
    return s3;
}

void
s3_free(S3 *s3)
{
    if (!s3)
        return;
    for (guint i = 0; i < s3->pool->len; i++)
        curl_easy_cleanup(s3->pool->pdata[i]);
    g_ptr_array_unref(s3->pool);
    g_mutex_clear(&s3->lock);
    s3_account_clear(&s3->account);
    g_free(s3);
}

S3Patience *
s3_patience(S3 *s3)
{
    return &s3->patience;
}

const char *
s3_prefix(const S3 *s3)
{
    return s3->account.prefix;
}

void
s3_answer_clear(S3Answer *answer)
{
    if (answer->text)
        g_string_free(answer->text, TRUE);
    g_free(answer->etag);
    *answer = (S3Answer){0};
}

static CURL *
take_handle(S3 *s3)
{
    CURL *handle = NULL;

    g_mutex_lock(&s3->lock);
    if (s3->pool->len > 0)
        handle = g_ptr_array_remove_index_fast(s3->pool, s3->pool->len - 1);
    g_mutex_unlock(&s3->lock);
    if (!handle)
        handle = curl_easy_init();
    g_assert(handle != NULL);
    return handle;
}

static void
give_back(S3 *s3, CURL *handle)
{
    curl_easy_reset(handle); /* the connection stays */
    g_mutex_lock(&s3->lock);
    if (s3->pool->len < POOL_MAX) {
        g_ptr_array_add(s3->pool, handle);
        handle = NULL;
    }
    g_mutex_unlock(&s3->lock);
    if (handle)
        curl_easy_cleanup(handle);
}

/* Is it "NAME: VALUE"? Then *value becomes it. */
static gboolean
is_header(const char *line, gsize size_bytes, const char *name, char **value)
{
    gsize length = strlen(name);

    if (size_bytes <= length || line[length] != ':' || g_ascii_strncasecmp(line, name, length) != 0)
        return FALSE;
    g_free(*value);
    *value = g_strstrip(g_strndup(line + length + 1, size_bytes - length - 1));
    return TRUE;
}

/* Content-Range: bytes FIRST-LAST/TOTAL */
static gboolean
parse_range(const char *text, guint64 *first, guint64 *total_bytes)
{
    char *end = NULL;

    if (!g_str_has_prefix(text, "bytes "))
        return FALSE;
    *first = g_ascii_strtoull(text + strlen("bytes "), &end, 10);
    const char *slash = *end == '-' ? strchr(end, '/') : NULL;
    if (!slash || !g_ascii_isdigit(slash[1]))
        return FALSE;
    *total_bytes = g_ascii_strtoull(slash + 1, &end, 10);
    return *end == '\0';
}

/* The status is wanted before the first byte of the body; libcurl tells it afterwards. */
static size_t
on_header(char *line, size_t one G_GNUC_UNUSED, size_t size_bytes, void *data)
{
    Transfer *transfer = data;
    S3Answer *answer = transfer->answer;
    g_autofree char *range = NULL;

    if (size_bytes > 5 && memcmp(line, "HTTP/", 5) == 0) {
        g_autofree char *text = g_strndup(line, size_bytes);
        const char *blank = strchr(text, ' ');
        answer->status = blank ? (long)g_ascii_strtoull(blank + 1, NULL, 10) : 0;
    } else if (is_header(line, size_bytes, "Content-Range", &range)) {
        transfer->has_range = parse_range(range, &transfer->range_first, &answer->total_bytes);
    } else {
        is_header(line, size_bytes, "ETag", &answer->etag);
    }
    return size_bytes;
}

/* The object's bytes go to out; what is said of an error, and every other text, to text. */
static size_t
on_bytes(char *bytes, size_t one G_GNUC_UNUSED, size_t size_bytes, void *data)
{
    Transfer *transfer = data;
    S3Answer *answer = transfer->answer;
    const S3Request *request = transfer->request;
    gboolean to_text = !request->out || answer->status / 100 != 2;

    if (to_text ? answer->text->len + size_bytes > S3_TEXT_MAX_BYTES
                : answer->out_bytes + size_bytes > request->range_bytes) {
        transfer->too_long = TRUE;
        return 0;
    }
    if (to_text) {
        g_string_append_len(answer->text, bytes, (gssize)size_bytes);
    } else {
        memcpy((char *)request->out + answer->out_bytes, bytes, size_bytes);
        answer->out_bytes += size_bytes;
    }
    return size_bytes;
}

static size_t
on_send(char *out, size_t one, size_t size_bytes, void *data)
{
    Transfer *transfer = data;
    const S3Request *request = transfer->request;
    gsize piece_bytes = (gsize)MIN(one * size_bytes, request->body_bytes - transfer->body_done);

    if (piece_bytes == 0)
        return 0;
    if (!tier_source_read(request->body, request->name, request->body_offset + transfer->body_done,
                          out, piece_bytes, &transfer->error))
        return CURL_READFUNC_ABORT;
    transfer->body_done += piece_bytes;
    return piece_bytes;
}

static int
on_seek(void *data, curl_off_t offset, int origin)
{
    Transfer *transfer = data;

    if (origin != SEEK_SET || offset < 0 || (guint64)offset > transfer->request->body_bytes)
        return CURL_SEEKFUNC_CANTSEEK;
    transfer->body_done = (guint64)offset;
    return CURL_SEEKFUNC_OK;
}

static struct curl_slist *
make_headers(const S3 *s3, const S3Request *request, const char *digest)
{
    g_autofree char *hash = g_strconcat("x-amz-content-sha256: ", digest, NULL);
    struct curl_slist *headers = curl_slist_append(NULL, hash);

    if (s3->account.session_token) {
        g_autofree char *token =
            g_strconcat("x-amz-security-token: ", s3->account.session_token, NULL);
        headers = curl_slist_append(headers, token);
    }
    if (request->condition)
        headers = curl_slist_append(headers, request->condition);
    return headers;
}

static char *
make_url(const S3 *s3, const S3Request *request)
{
    g_autofree char *key = g_strconcat("/", s3->account.prefix, request->name, NULL);
    g_autofree char *path = request->name ? g_uri_escape_string(key, "/", FALSE) : g_strdup("");

    return g_strconcat(s3->account.base, path, request->query ? "?" : "", request->query, NULL);
}

static void
set_options(const S3 *s3, CURL *handle, Transfer *transfer)
{
    const S3Request *request = transfer->request;
    g_autofree char *url = make_url(s3, request);

    curl_easy_setopt(handle, CURLOPT_URL, url);
    curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, "millrace/" MILLRACE_VERSION);
    curl_easy_setopt(handle, CURLOPT_USERNAME, s3->account.access_key);
    curl_easy_setopt(handle, CURLOPT_PASSWORD, s3->account.secret_key);
    curl_easy_setopt(handle, CURLOPT_AWS_SIGV4, s3->account.signing);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, (long)s3->patience.connect_s);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, (long)s3->patience.stall_s);
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, transfer);
    if (request->body) {
        curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body_bytes);
        curl_easy_setopt(handle, CURLOPT_READFUNCTION, on_send);
        curl_easy_setopt(handle, CURLOPT_READDATA, transfer);
        curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(handle, CURLOPT_SEEKDATA, transfer);
    }
    if (request->out) {
        g_autofree char *range =
            g_strdup_printf("%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT, request->range_offset,
                            request->range_offset + request->range_bytes - 1);
        curl_easy_setopt(handle, CURLOPT_RANGE, range);
    }
}

static gboolean
is_passing(CURLcode code, long status)
{
    static const CURLcode passing[] = {CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT,
                                       CURLE_OPERATION_TIMEDOUT,   CURLE_SSL_CONNECT_ERROR,
                                       CURLE_GOT_NOTHING,          CURLE_SEND_ERROR,
                                       CURLE_RECV_ERROR,           CURLE_PARTIAL_FILE,
                                       CURLE_SEND_FAIL_REWIND,     CURLE_HTTP2,
                                       CURLE_HTTP2_STREAM,         CURLE_WEIRD_SERVER_REPLY};

    for (guint i = 0; i < G_N_ELEMENTS(passing); i++)
        if (code == passing[i])
            return TRUE;
    return code == CURLE_OK && (status >= 500 || status == 429 || status == 408) && status != 501;
}

/* What a server said, fit for a message. */
static char *
what_it_said(const S3Answer *answer)
{
    g_autofree char *code = s3_xml_value(answer->text->str, answer->text->len, "Code");
    g_autofree char *message = s3_xml_value(answer->text->str, answer->text->len, "Message");
    g_autofree char *said =
        g_strdup_printf("HTTP %ld%s%s%s%s", answer->status, code ? " " : "", code ? code : "",
                        message ? ": " : "", message ? message : "");

    if (strlen(said) > SAID_MAX_CHARS)
        said[SAID_MAX_CHARS] = '\0';
    return g_strescape(said, "\"'");
}

static MillraceErrorKind
kind_of(long status)
{
    switch (status) {
    case 404:
        return MILLRACE_ERROR_NO_INPUT;
    case 412:
    case 416:
        return MILLRACE_ERROR_IO;
    default:
        return MILLRACE_ERROR_UNAVAILABLE;
    }
}

/* An answer that is no error has to be what was asked for. */
static gboolean
check_answer(const Transfer *transfer, GError **error)
{
    const S3Request *request = transfer->request;
    S3Answer *answer = transfer->answer;

    if (!request->out)
        return TRUE;
    if (answer->status == 206 && transfer->has_range &&
        transfer->range_first == request->range_offset &&
        answer->total_bytes >= request->range_offset &&
        answer->out_bytes == MIN(request->range_bytes, answer->total_bytes - request->range_offset))
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO,
                "HTTP %ld: the server sent other bytes than it was asked for", answer->status);
    return FALSE;
}

/* Makes an error of a try that failed. */
static void
set_error(const Transfer *transfer, CURLcode code, const char *details, GError **error)
{
    if (transfer->error) {
        g_propagate_error(error, g_error_copy(transfer->error));
    } else if (transfer->too_long) {
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_IO,
                            "the server sends more than it was asked for");
    } else if (code != CURLE_OK) {
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE,
                            *details ? details : curl_easy_strerror(code));
    } else {
        g_autofree char *said = what_it_said(transfer->answer);
        g_set_error_literal(error, MILLRACE_ERROR, (gint)kind_of(transfer->answer->status), said);
    }
}

/* Returns TRUE when it is done; else error, and whether another try makes sense. */
static gboolean
try_once(S3 *s3, const S3Request *request, const char *digest, S3Answer *answer, gboolean *passing,
         GError **error)
{
    Transfer transfer = {.request = request, .answer = answer};
    char details[CURL_ERROR_SIZE] = "";
    CURL *handle = take_handle(s3);
    struct curl_slist *headers = make_headers(s3, request, digest);

    s3_answer_clear(answer);
    answer->text = g_string_new(NULL);
    set_options(s3, handle, &transfer);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, details);
    CURLcode code = curl_easy_perform(handle);
    *passing = !transfer.error && !transfer.too_long && is_passing(code, answer->status);
    gboolean done = code == CURLE_OK && answer->status / 100 == 2;
    if (!done)
        set_error(&transfer, code, details, error);
    else
        done = check_answer(&transfer, error);
    give_back(s3, handle);
    curl_slist_free_all(headers);
    g_clear_error(&transfer.error);
    return done;
}

/* Doubles with every try; the random half keeps many clients from coming back at once. */
static void
wait_before(const S3Patience *patience, guint try_number)
{
    double wait_ms = patience->first_wait_ms;

    for (guint i = 1; i < try_number && wait_ms < WAIT_MAX_MS; i++)
        wait_ms *= 2;
    g_usleep((gulong)(MIN(wait_ms, WAIT_MAX_MS) * g_random_double_range(0.5, 1.0) * 1000));
}

gboolean
s3_request(S3 *s3, const S3Request *request, S3Answer *answer, GError **error)
{
    char digest[SHA256_CHARS + 1];
    guint tried = 0;
    gboolean passing = FALSE;

    g_assert(!request->out || request->range_bytes > 0);
    if (!request->body)
        sha256_hex(NULL, 0, digest);
    else if (!tier_source_sha256(request->body, request->name, request->body_offset,
                                 request->body_bytes, digest, error))
        return FALSE;
    g_autoptr(GError) reason = NULL;
    do {
        if (tried > 0)
            wait_before(&s3->patience, tried);
        g_clear_error(&reason);
        if (try_once(s3, request, digest, answer, &passing, &reason))
            return TRUE;
        tried++;
    } while (passing && tried < s3->patience.try_count);
    g_autofree char *tries = tried > 1 ? g_strdup_printf(" (tried %u times)", tried) : g_strdup("");
    g_set_error(error, MILLRACE_ERROR, reason ? reason->code : MILLRACE_ERROR_BUG,
                "%s%s%s: %s: %s%s", s3->account.where, request->name ? "/" : "",
                request->name ? request->name : "", request->method, reason ? reason->message : "",
                tries);
    return FALSE;
}
