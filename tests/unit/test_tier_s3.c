/* test_tier_s3.c - an S3 server that fails, lies, is busy or goes away in the middle. That a real
 * one takes our signatures is tried by tests/cli/archive_s3.t.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/tier.h"
#include "jobs/tier_s3_xml.h"

#include "tests/unit/scripted_server.h"

/* Each answer ends its connection, so that requests and connections count the same. */
#define ANSWER(STATUS, HEADERS, BODY)                                                              \
    "HTTP/1.1 " STATUS "\r\nConnection: close\r\n" HEADERS "\r\n" BODY
#define EMPTY_LIST                                                                                 \
    ANSWER("200 OK", "", "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
#define DONE ANSWER("200 OK", "Content-Length: 0\r\nETag: \"new\"\r\n", "")
#define BUSY ANSWER("503 Slow Down", "", "<Error><Code>SlowDown</Code></Error>")
#define ALL_OF(R, B)                                                                               \
    ANSWER("206 Partial Content", "Content-Range: bytes " R "\r\nETag: \"v1\"\r\n", B)
#define NOTHING_THERE ANSWER("404 Not Found", "", "<Error><Code>NoSuchKey</Code></Error>")

static void
set_environment(guint port)
{
    g_autofree char *endpoint = g_strdup_printf("http://127.0.0.1:%u/", port);

    g_setenv("AWS_ACCESS_KEY_ID", "AKID", TRUE);
    g_setenv("AWS_SECRET_ACCESS_KEY", "secret", TRUE);
    g_setenv("AWS_ENDPOINT_URL", endpoint, TRUE);
    g_setenv("AWS_REGION", "eu-north-1", TRUE);
    g_unsetenv("AWS_SESSION_TOKEN");
    g_setenv("no_proxy", "*", TRUE);
}

/* The first answer is of opening. */
static Tier *
open_tier(const ScriptedServer *server)
{
    g_autoptr(GError) error = NULL;

    set_environment(server->port);
    Tier *tier = tier_open("s3://bucket/a/b", FALSE, &error);
    cr_assert_not_null(tier, "%s", error ? error->message : "");
    return tier;
}

static void
expect_error(const GError *error, MillraceErrorKind kind, const char *part)
{
    cr_assert(g_error_matches(error, MILLRACE_ERROR, (gint)kind), "%s",
              error ? error->message : "no error");
    cr_expect_not_null(strstr(error->message, part), "%s", error->message);
}

static void
expect_asked(const ScriptedServer *server, guint index, const char *part)
{
    cr_assert_lt(index, server->asked->len);
    cr_expect_not_null(strstr(server->asked->pdata[index], part), "%s is not in: %s", part,
                       (char *)server->asked->pdata[index]);
}

Test(tier_s3, places_and_keys_are_checked_before_anyone_is_asked)
{
    static const char *const places[] = {
        "s3://",        "s3://ab",         "s3:///x",       "s3://bucket//x",  "s3://bucket/a/../b",
        "s3://buc ket", "s3://bucket/a b", "s3://bucket/.", "s3://user@bucket"};

    set_environment(1);
    for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autoptr(GError) error = NULL;
        cr_expect_null(tier_open(places[i], FALSE, &error), "%s", places[i]);
        expect_error(error, MILLRACE_ERROR_USAGE, "expected s3://BUCKET");
    }
    g_autoptr(GError) error = NULL;
    g_unsetenv("AWS_SECRET_ACCESS_KEY");
    cr_expect_null(tier_open("s3://bucket", FALSE, &error));
    expect_error(error, MILLRACE_ERROR_USAGE, "AWS_SECRET_ACCESS_KEY");
}

Test(tier_s3, a_request_is_signed_with_everything_that_counts)
{
    static const char *const answers[] = {EMPTY_LIST, DONE, ALL_OF("0-4/5", "hello"), NULL};
    g_autoptr(ScriptedServer) server = scripted_start(answers);

    set_environment(server->port);
    g_setenv("AWS_SESSION_TOKEN", "token/+=", TRUE);
    g_autoptr(Tier) tier = tier_open("s3://bucket/a/b/", FALSE, NULL);
    cr_assert_not_null(tier);
    cr_expect_eq(tier_dir_fd(tier), -1);
    cr_expect(tier_write_all(tier, "keys/k.pub", "hello", 5, NULL));
    scripted_wait(server);
    expect_asked(server, 0, "GET /bucket?list-type=2&max-keys=1 HTTP/1.1\r\n");
    expect_asked(server, 1, "PUT /bucket/a/b/keys/k.pub HTTP/1.1\r\n");
    expect_asked(server, 1, "x-amz-security-token: token/+=\r\n");
    /* printf hello | sha256sum */
    expect_asked(server, 1,
                 "x-amz-content-sha256: "
                 "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\r\n");
    expect_asked(server, 1, "/eu-north-1/s3/aws4_request");
    expect_asked(server, 1,
                 "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token");
    cr_expect_str_eq(((GString *)server->bodies->pdata[1])->str, "hello");
    expect_asked(server, 2, "GET /bucket/a/b/keys/k.pub HTTP/1.1\r\n");
    expect_asked(server, 2, "Range: bytes=0-");
}

Test(tier_s3, a_busy_server_is_asked_again)
{
    static const char *const answers[] = {
        EMPTY_LIST,
        BUSY,
        ANSWER("429 Too Many Requests", "", ""),
        "",
        ANSWER("206 Partial Content", "Content-Length: 5\r\nContent-Range: bytes 0-4/5\r\n", "hel"),
        ALL_OF("0-4/5", "hello"),
        NULL};
    g_autoptr(ScriptedServer) server = scripted_start(answers);
    g_autoptr(Tier) tier = open_tier(server);
    g_autoptr(GError) error = NULL;
    g_autofree char *got = tier_read_all(tier, "catalogue.log", 10, NULL, &error);

    cr_expect_str_eq(got, "hello", "%s", error ? error->message : "");
    scripted_wait(server);
    cr_expect_eq(server->asked->len, 6);
}

Test(tier_s3, patience_ends)
{
    static const char *const answers[] = {EMPTY_LIST, BUSY, BUSY, BUSY, BUSY, BUSY, BUSY, NULL};
    g_autoptr(ScriptedServer) server = scripted_start(answers);
    g_autoptr(Tier) tier = open_tier(server);
    g_autoptr(GError) error = NULL;

    cr_expect_null(tier_file_open(tier, "catalogue.log", &error));
    expect_error(error, MILLRACE_ERROR_UNAVAILABLE, "503 SlowDown");
    expect_error(error, MILLRACE_ERROR_UNAVAILABLE, "tried 6 times");
    scripted_wait(server);
    g_autoptr(GError) gone = NULL;
    cr_expect_not(tier_write_all(tier, "keys/k.pub", "x", 1, &gone));
    expect_error(gone, MILLRACE_ERROR_UNAVAILABLE, "tried 6 times");
}

Test(tier_s3, a_refusal_is_final_and_tells_the_reason)
{
    static const char *const answers[] = {
        ANSWER("403 Forbidden", "",
               "<?xml version=\"1.0\"?><Error><Code>InvalidAccessKeyId</Code>"
               "<Message>No such key &lt;AKID&gt;\x1b[2J</Message></Error>"),
        NULL};
    g_autoptr(ScriptedServer) server = scripted_start(answers);
    g_autoptr(GError) error = NULL;

    set_environment(server->port);
    cr_expect_null(tier_open("s3://bucket/a", FALSE, &error));
    expect_error(error, MILLRACE_ERROR_UNAVAILABLE, "403");
    cr_expect_null(strchr(error->message, '\x1b'), "control characters go nowhere");
    scripted_wait(server);
    cr_expect_eq(server->asked->len, 1);
}

Test(tier_s3, what_is_not_there_is_not_there)
{
    static const char *const answers[] = {EMPTY_LIST, NOTHING_THERE, NOTHING_THERE, NULL};
    g_autoptr(ScriptedServer) server = scripted_start(answers);
    g_autoptr(Tier) tier = open_tier(server);
    g_autoptr(GError) error = NULL;

    cr_expect_null(tier_file_open(tier, "catalogue.log", &error));
    expect_error(error, MILLRACE_ERROR_NO_INPUT, "NoSuchKey");
    cr_expect(tier_remove(tier, "volumes/v.index", NULL));
}

Test(tier_s3, an_empty_file_has_no_range)
{
    static const char *const answers[] = {
        EMPTY_LIST,
        ANSWER("416 Range Not Satisfiable", "", "<Error><Code>InvalidRange</Code></Error>"), NULL};
    g_autoptr(ScriptedServer) server = scripted_start(answers);
    g_autoptr(Tier) tier = open_tier(server);
    gsize size_bytes = 1;
    g_autofree char *got = tier_read_all(tier, "catalogue.log", 10, &size_bytes, NULL);

    cr_expect_str_eq(got, "");
    cr_expect_eq(size_bytes, 0);
}

Test(tier_s3, other_bytes_than_asked_for_are_not_taken)
{
    static const char *const answers[] = {EMPTY_LIST,
                                          ALL_OF("1-5/6", "ello!"), /* not from the begin */
                                          ALL_OF("0-4/9", "hello"), /* short */
                                          ANSWER("200 OK", "", "hello"),
                                          ALL_OF("nonsense", "hello"),
                                          ALL_OF("0-4/5x", "hello"),
                                          NULL};
    g_autoptr(ScriptedServer) server = scripted_start(answers);
    g_autoptr(Tier) tier = open_tier(server);

    for (guint i = 1; i < G_N_ELEMENTS(answers) - 1; i++) {
        g_autoptr(GError) error = NULL;
        cr_expect_null(tier_file_open(tier, "catalogue.log", &error), "%s", answers[i]);
        expect_error(error, MILLRACE_ERROR_IO, "other bytes");
    }
}

Test(tier_s3, who_reads_on_gets_more_at_once)
{
    enum { SIZE = 200000, HEAD = 65536, STEP = 10000 };
    char *bytes = g_strnfill(SIZE, 'x');
    for (guint i = 0; i < SIZE; i++)
        bytes[i] = (char)('a' + i / 997 % 26);
    g_autofree char *head = g_strdup_printf(ALL_OF("0-65535/200000", "%.*s"), HEAD, bytes);
    g_autofree char *rest = g_strdup_printf(ALL_OF("70000-199999/200000", "%s"), bytes + 7 * STEP);
    g_autofree char *edge =
        g_strdup_printf(ALL_OF("65536-69999/200000", "%.*s"), 7 * STEP - HEAD, bytes + HEAD);
    const char *const answers[] = {EMPTY_LIST, head, edge, rest, NULL};
    g_autoptr(ScriptedServer) server = scripted_start(answers);
    g_autoptr(Tier) tier = open_tier(server);
    g_autoptr(TierFile) file = tier_file_open(tier, "volumes/v.index", NULL);
    g_autoptr(GError) error = NULL;
    char piece[STEP];

    cr_assert_not_null(file);
    /* Not where anything ended: exactly what is asked for. */
    cr_expect_eq(tier_file_read(file, 6 * STEP, piece, STEP, &error), STEP);
    cr_expect_eq(memcmp(piece, bytes + 6 * STEP, STEP), 0);
    for (guint at = 7 * STEP; at < SIZE; at += STEP) {
        cr_assert_eq(tier_file_read(file, at, piece, STEP, &error), STEP, "%u: %s", at,
                     error ? error->message : "");
        cr_expect_eq(memcmp(piece, bytes + at, STEP), 0);
    }
    scripted_wait(server);
    expect_asked(server, 2, "Range: bytes=65536-69999\r\n");
    expect_asked(server, 3, "Range: bytes=70000-199999\r\n");
    g_free(bytes);
}

Test(tier_s3, what_was_written_wrong_is_noticed)
{
    static const char *const answers[] = {EMPTY_LIST, DONE, ALL_OF("0-4/5", "hellO"), NULL};
    g_autoptr(ScriptedServer) server = scripted_start(answers);
    g_autoptr(Tier) tier = open_tier(server);
    g_autoptr(GError) error = NULL;

    cr_expect_not(tier_write_all(tier, "keys/k.pub", "hello", 5, &error));
    expect_error(error, MILLRACE_ERROR_IO, "does not read back");
}

Test(tier_s3, a_list_comes_page_by_page)
{
    static const char *const answers[] = {
        EMPTY_LIST,
        ANSWER("200 OK", "",
               "<ListBucketResult><IsTruncated>true</IsTruncated>"
               "<Contents><Key>a/b/volumes/b</Key></Contents>"
               "<Contents><Key>a/b/volumes/x/deeper</Key></Contents>"
               "<Contents><Key>elsewhere/c</Key></Contents>"
               "<NextContinuationToken>1/+=</NextContinuationToken></ListBucketResult>"),
        ANSWER("200 OK", "",
               "<ListBucketResult><Contents><Key>a/b/volumes/a</Key></Contents>"
               "<IsTruncated>false</IsTruncated></ListBucketResult>"),
        NULL};
    g_autoptr(ScriptedServer) server = scripted_start(answers);
    g_autoptr(Tier) tier = open_tier(server);
    g_autoptr(GPtrArray) names = tier_list(tier, "volumes", NULL);

    cr_assert_not_null(names);
    cr_assert_eq(names->len, 2);
    cr_expect_str_eq(names->pdata[0], "a");
    cr_expect_str_eq(names->pdata[1], "b");
    scripted_wait(server);
    expect_asked(server, 1, "GET /bucket?list-type=2&prefix=a%2Fb%2Fvolumes%2F HTTP");
    expect_asked(server, 2,
                 "?continuation-token=1%2F%2B%3D&list-type=2&prefix=a%2Fb%2Fvolumes%2F HTTP");
}

Test(tier_s3, a_list_that_cannot_be_read_is_no_list)
{
    static const char *const lists[] = {"",
                                        "<a>",
                                        "\xff",
                                        "<IsTruncated>true</IsTruncated>",
                                        "<a><IsTruncated>true</IsTruncated></a>",
                                        "<NextContinuationToken>x</NextContinuationToken>"};

    for (guint i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);
        g_autoptr(GError) error = NULL;
        char *token = NULL;
        cr_expect_not(s3_xml_list(lists[i], strlen(lists[i]), keys, &token, &error), "%s",
                      lists[i]);
        expect_error(error, MILLRACE_ERROR_CORRUPT, "list");
    }
}

Test(tier_s3, the_log_is_written_on_condition_that_it_is_the_one_read)
{
    static const char *const answers[] = {EMPTY_LIST,
                                          ALL_OF("0-6/7", "one\ntor"), /* read */
                                          ALL_OF("0-6/7", "one\ntor"), /* read again, to be kept */
                                          DONE,                        /* written */
                                          ALL_OF("0-7/8", "one\ntwo\n"),
                                          NULL};
    g_autoptr(ScriptedServer) server = scripted_start(answers);
    g_autoptr(Tier) tier = open_tier(server);
    g_autofree char *got = tier_read_all(tier, "catalogue.log", 10, NULL, NULL);
    g_autoptr(GError) error = NULL;

    cr_expect_str_eq(got, "one\ntor");
    cr_expect(tier_append(tier, "catalogue.log", 4, "two\n", 4, &error), "%s",
              error ? error->message : "");
    scripted_wait(server);
    expect_asked(server, 3, "If-Match: \"v1\"\r\n");
    cr_expect_str_eq(((GString *)server->bodies->pdata[3])->str, "one\ntwo\n");
}

Test(tier_s3, another_writer_of_the_log_is_not_overwritten)
{
    static const char *const answers[] = {
        EMPTY_LIST, NOTHING_THERE, ANSWER("412 Precondition Failed", "", ""),
        ALL_OF("0-4/5", "other"),
        /* and once more, where the answer of the first try was lost */
        ANSWER("412 Precondition Failed", "", ""), ALL_OF("0-3/4", "mine"), NULL};
    g_autoptr(ScriptedServer) server = scripted_start(answers);
    g_autoptr(Tier) tier = open_tier(server);
    g_autoptr(GError) error = NULL;

    cr_expect_null(tier_file_open(tier, "catalogue.log", NULL));
    cr_expect_not(tier_append(tier, "catalogue.log", 0, "mine", 4, &error));
    expect_error(error, MILLRACE_ERROR_INTERRUPTED, "another process");
    cr_expect(tier_append(tier, "catalogue.log", 0, "mine", 4, NULL), "it reads back as ours");
    scripted_wait(server);
    expect_asked(server, 2, "If-None-Match: *\r\n");
}

Test(tier_s3, an_upload_in_parts_that_fails_is_thrown_away)
{
    static const char *const answers[] = {
        EMPTY_LIST,
        ANSWER("200 OK", "", "<R><UploadId>u/1</UploadId></R>"),
        ANSWER("200 OK", "Content-Length: 0\r\nETag: \"p1\"\r\n", ""),
        ANSWER("400 Bad Request", "", "<Error><Code>EntityTooSmall</Code></Error>"),
        ANSWER("204 No Content", "", ""),
        NULL};
    g_autoptr(ScriptedServer) server = scripted_start(answers);
    g_autoptr(Tier) tier = open_tier(server);
    g_autofree char *bytes = g_malloc0((64 << 20) + 1);
    g_autoptr(GError) error = NULL;

    cr_expect_not(tier_write_all(tier, "volumes/v.tar.zst", bytes, (64 << 20) + 1, &error));
    expect_error(error, MILLRACE_ERROR_UNAVAILABLE, "EntityTooSmall");
    scripted_wait(server);
    expect_asked(server, 1, "POST /bucket/a/b/volumes/v.tar.zst?uploads= HTTP");
    expect_asked(server, 2, "PUT /bucket/a/b/volumes/v.tar.zst?partNumber=1&uploadId=u%2F1 HTTP");
    cr_expect_eq(((GString *)server->bodies->pdata[2])->len, 16 << 20);
    expect_asked(server, 4, "DELETE /bucket/a/b/volumes/v.tar.zst?uploadId=u%2F1 HTTP");
}

Test(tier_s3, parts_that_cannot_be_put_together_are_a_failure)
{
    static const char part[] = ANSWER("200 OK", "Content-Length: 0\r\nETag: \"p&1\"\r\n", "");
    static const char *const answers[] = {
        EMPTY_LIST,
        ANSWER("200 OK", "", "<R><UploadId>u</UploadId></R>"),
        part,
        part,
        part,
        part,
        part,
        ANSWER("200 OK", "", "<?xml version=\"1.0\"?>  <Error><Code>InternalError</Code></Error>"),
        ANSWER("204 No Content", "", ""),
        NULL};
    g_autoptr(ScriptedServer) server = scripted_start(answers);
    g_autoptr(Tier) tier = open_tier(server);
    g_autofree char *bytes = g_malloc0((64 << 20) + 1);
    g_autoptr(GError) error = NULL;

    cr_expect_not(tier_write_all(tier, "volumes/v.tar.zst", bytes, (64 << 20) + 1, &error));
    expect_error(error, MILLRACE_ERROR_UNAVAILABLE, "InternalError");
    scripted_wait(server);
    cr_expect_eq(((GString *)server->bodies->pdata[6])->len, 1, "the last part is what is left");
    const GString *ended = server->bodies->pdata[7];
    cr_expect_not_null(strstr(ended->str, "<Part><PartNumber>5</PartNumber>"
                                          "<ETag>&quot;p&amp;1&quot;</ETag></Part>"
                                          "</CompleteMultipartUpload>"),
                       "%s", ended->str);
}
