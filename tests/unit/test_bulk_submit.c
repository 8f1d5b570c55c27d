/* test_bulk_submit.c - what clients send becomes jobs, or is refused with its line or member.
 * Tars of all kinds, made by another program, are in tests/cli/queue_hostile.t.
 * SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "formats/tar.h"
#include "tests/unit/bulk_fixture.h"

static char *
manifest_of(BulkJobs *jobs, const char *id)
{
    g_autofree char *path = bulk_job_path(jobs, id, "manifest.csv");
    char *text = NULL;

    cr_assert(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

typedef struct {
    const char *sent;
    const char *written; /* or NULL, and */
    const char *refused;
} Case;

Test(bulk_submit, rows_are_written_anew_without_customers)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    static const Case cases[] = {
        {"a.jpg\nb c.jpg\n", "source,request,to\na.jpg,,\nb c.jpg,,\n", NULL},
        {"source,customer,request,to\na.jpg,other,r1,20x20\n",
         "source,request,to\na.jpg,r1,20x20\n", NULL},
        {"{\"source\":\"a,\\\"b.jpg\",\"customer\":\"other\"}\n",
         "source,request,to\n\"a,\"\"b.jpg\",,\n", NULL},
        {"source\tto\na.jpg\t10x10;20x20\n", "source,request,to\na.jpg,,10x10;20x20\n", NULL},
        /* Rows that resize will refuse stay what they are. */
        {"/etc/passwd\n../x.jpg\nhttp://host/a.jpg\n",
         "source,request,to\n/etc/passwd,,\n../x.jpg,,\nhttp://host/a.jpg,,\n", NULL},
        {"source,customer\na.jpg,\x01\n", "source,request,to\na.jpg,,\n", NULL},
        {"source,to\n,10x10\na.jpg,nonsense\n", "source,request,to\n,,10x10\na.jpg,,nonsense\n",
         NULL},
        {"\xff.jpg\n", "source,request,to\n\xff.jpg,,\n", NULL},
        /* What are no rows. */
        {"", NULL, "manifest: there are no rows in it"},
        {"source\n", NULL, "manifest: there are no rows in it"},
        {"source,to\na.jpg,10x10,x\n", NULL, "manifest:2: 3 fields, expected 2"},
        {"source,request\na.jpg,\x01\n", NULL, "manifest:2: request: "},
        {"{\"source\":\"a.jpg\"}\n{\"source\":7}\n", NULL, "manifest:2: \"source\" is not"},
        {"{\"source\":\"a.jpg\"}\nnonsense\n", NULL, "manifest:2: "},
        {"source,to\n\"a.jpg,10x10\n", NULL, "manifest:2: "},
        {"\xff\xfe"
         "a\0.\0",
         NULL, "manifest:1: "},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *key = g_strdup_printf("k%u", i);
        g_autoptr(GError) error = NULL;
        char id[JOB_ID_CHARS + 1];
        int came =
            fixture_submit(jobs, &scratch, key, cases[i].sent, strlen(cases[i].sent), id, &error);
        if (cases[i].written) {
            cr_assert_eq(came, BULK_NEW, "%u: %s", i, error ? error->message : "");
            g_autofree char *written = manifest_of(jobs, id);
            cr_expect_str_eq(written, cases[i].written);
        } else {
            cr_assert_eq(came, -1, "%u", i);
            cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT));
            cr_expect(g_str_has_prefix(error->message, cases[i].refused), "%u: %s", i,
                      error->message);
        }
    }
    g_autofree char *tmp = g_build_filename(scratch.path, "jobs", ".tmp", NULL);
    g_autoptr(GDir) left = g_dir_open(tmp, 0, NULL);
    for (const char *name = NULL; (name = g_dir_read_name(left));)
        cr_expect_str_eq(name, "clock", "%s is left over", name);
}

Test(bulk_submit, a_key_is_for_one_manifest)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    char id[JOB_ID_CHARS + 1];
    char again[JOB_ID_CHARS + 1];
    BulkJob job;

    cr_assert_eq(fixture_submit(jobs, &scratch, "k", "a.jpg\n", 6, id, NULL), BULK_NEW);
    cr_expect_eq(fixture_submit(jobs, &scratch, "k", "a.jpg\n", 6, again, NULL), BULK_AGAIN);
    cr_expect_str_eq(id, again);
    cr_expect_eq(fixture_submit(jobs, &scratch, "k", "b.jpg\n", 6, again, NULL), BULK_DIFFERS);
    cr_expect_eq(fixture_submit(jobs, &scratch, "l", "a.jpg\n", 6, again, NULL), BULK_NEW);
    cr_expect_str_neq(id, again);
    cr_assert(bulk_jobs_read(jobs, id, &job, NULL));
    cr_expect_eq(job.row_count, 1);
    cr_expect_str_eq(job.customer, "acme");
    cr_expect_str_eq(job.to, "10x10");
    cr_expect_not(job.has_inputs);
    /* printf 'a.jpg\n' | sha256sum */
    cr_expect_str_eq(job.manifest,
                     "6132092c204ed896a135df88122dc6857d7a3e6beaa3320cec0c411ebfbd1a61");
    bulk_job_clear(&job);
}

typedef struct {
    BulkJobs *jobs;
    const Scratch *scratch;
    gint *go;
} Sender;

static gpointer
send_one(gpointer data)
{
    Sender *sender = data;
    char id[JOB_ID_CHARS + 1];

    while (!g_atomic_int_get(sender->go))
        g_thread_yield();
    return GINT_TO_POINTER(
        fixture_submit(sender->jobs, sender->scratch, "k", "a.jpg\n", 6, id, NULL) + 1);
}

Test(bulk_submit, of_many_that_send_the_same_one_makes_the_job)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    enum { SENDERS = 8 };
    GThread *threads[SENDERS];
    gint go = 0;
    Sender sender = {.jobs = jobs, .scratch = &scratch, .go = &go};
    guint made = 0;
    guint again = 0;

    for (guint i = 0; i < SENDERS; i++)
        threads[i] = g_thread_new("sender", send_one, &sender);
    g_atomic_int_set(&go, 1);
    for (guint i = 0; i < SENDERS; i++) {
        int came = GPOINTER_TO_INT(g_thread_join(threads[i])) - 1;
        made += came == BULK_NEW;
        again += came == BULK_AGAIN;
    }
    cr_expect_eq(made, 1);
    cr_expect_eq(again, SENDERS - 1);
}

static void
put_member(GByteArray *tar, const char *name, const char *data)
{
    static const guint8 zeros[TAR_BLOCK_BYTES];

    cr_assert(tar_header(name, strlen(data), 0, tar, NULL));
    g_byte_array_append(tar, (const guint8 *)data, (guint)strlen(data));
    g_byte_array_append(tar, zeros, tar_padding(strlen(data)));
}

static int
submit_tar(BulkJobs *jobs, const Scratch *scratch, const BulkLimits *limits, const GByteArray *tar,
           char id[JOB_ID_CHARS + 1], GError **error)
{
    g_autofree char *receipt = NULL;
    BulkRequest request = {
        .customer = "acme", .key = "k", .to = "10x10", .cluster = "test", .limits = *limits};

    scratch_put(scratch, "sent.tar", tar->data, tar->len);
    int fd = openat(scratch->fd, "sent.tar", O_RDONLY | O_CLOEXEC);
    int came = bulk_submit(jobs, fd, tar->len, &request, id, &receipt, error);
    close(fd);
    return came;
}

Test(bulk_submit, a_tar_becomes_files_and_rows)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    g_autoptr(GByteArray) tar = g_byte_array_new();
    static const guint8 end[TAR_END_BYTES];
    g_autoptr(GError) error = NULL;
    char id[JOB_ID_CHARS + 1];

    put_member(tar, "./a.jpg", "A");
    put_member(tar, "deep//er/./b.jpg", "B");
    g_byte_array_append(tar, end, sizeof end);
    cr_assert_eq(submit_tar(jobs, &scratch, &(BulkLimits){0}, tar, id, &error), BULK_NEW, "%s",
                 error ? error->message : "");
    g_autofree char *written = manifest_of(jobs, id);
    cr_expect_str_eq(written, "source,request,to\na.jpg,,\ndeep/er/b.jpg,,\n");
    g_autofree char *name = g_strdup_printf("jobs/%s/inputs/deep/er/b.jpg", id);
    g_autofree char *bytes = scratch_get(&scratch, name, NULL);
    cr_expect_str_eq(bytes, "B");
}

Test(bulk_submit, limits_are_those_of_what_comes_out)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(BulkJobs) jobs = fixture_jobs(&scratch);
    g_autoptr(GByteArray) tar = g_byte_array_new();
    static const guint8 end[TAR_END_BYTES];
    static const struct {
        BulkLimits limits;
        const char *refused;
    } cases[] = {{{.rows_max = 1}, "the tar: more than 1 rows"},
                 {{.bytes_max = 7}, "member \"b.jpg\": with it there are more than 7 bytes"},
                 {{.member_bytes_max = 3}, "member \"a.jpg\": 4 bytes, more than 3"},
                 {{0}, NULL}};
    char id[JOB_ID_CHARS + 1];

    put_member(tar, "a.jpg", "AAAA");
    put_member(tar, "b.jpg", "BBBB");
    g_byte_array_append(tar, end, sizeof end);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        int came = submit_tar(jobs, &scratch, &cases[i].limits, tar, id, &error);
        if (!cases[i].refused) {
            cr_expect_eq(came, BULK_NEW);
            continue;
        }
        cr_assert_eq(came, -1);
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT));
        cr_expect(g_str_has_prefix(error->message, cases[i].refused), "%s", error->message);
    }
}

Test(bulk_submit, customers_without_a_folder_must_send_a_tar)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *acme = g_build_filename(scratch.path, "acme", NULL);
    g_autofree char *linked = g_build_filename(scratch.path, "linked", NULL);
    static const char *const bad[] = {"",  ".",      "..",      "a/b",   "../acme",
                                      "/", "nobody", ".hidden", "linked"};

    cr_assert_eq(g_mkdir_with_parents(acme, 0777), 0);
    cr_assert_eq(symlink("/etc", linked), 0);
    g_autofree char *folder = bulk_sources_folder(scratch.path, "acme", NULL);
    cr_expect_str_eq(folder, acme);
    cr_expect_null(bulk_sources_folder(NULL, "acme", NULL));
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        cr_expect_null(bulk_sources_folder(scratch.path, bad[i], &error), "%s", bad[i]);
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT));
    }
}
