/* test_sqlite.c - what is committed is there, and what is not ours is refused with a reason.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/sqlite.h"

#include "tests/unit/scratch.h"

static const SqliteSchema schema = {.what = "a test",
                                    .application = 0x4d525431,
                                    .version = 1,
                                    .statement = "CREATE TABLE fact(n INTEGER PRIMARY KEY, t TEXT,"
                                                 " b BLOB) STRICT;"};

static sqlite3 *
open_new(const char *path)
{
    g_autoptr(GError) error = NULL;
    sqlite3 *db = sqlite_open(path, &schema, TRUE, &error);

    cr_assert_not_null(db, "%s", error ? error->message : "");
    return db;
}

static void
expect_refused(const char *path, const SqliteSchema *wanted, gboolean create,
               MillraceErrorKind kind, const char *reason)
{
    g_autoptr(GError) error = NULL;

    cr_assert_null(sqlite_open(path, wanted, create, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, (int)kind), "%s", error->message);
    cr_expect_not_null(strstr(error->message, reason), "%s", error->message);
}

static gint64
count_rows(sqlite3 *db)
{
    g_autoptr(sqlite3_stmt) statement = sqlite_prepare(db, "SELECT count(*) FROM fact", NULL);

    cr_assert_eq(sqlite_step(statement, NULL), 1);
    return sqlite3_column_int64(statement, 0);
}

Test(sqlite, values_come_back_from_a_file_that_its_owner_alone_reads)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "a name.db", NULL);
    struct stat status;

    {
        g_autoptr(sqlite3) db = open_new(path);
        g_autoptr(sqlite3_stmt) insert =
            sqlite_prepare(db, "INSERT INTO fact VALUES(?, ?, ?)", NULL);
        sqlite_bind_int(insert, 1, G_MAXINT64);
        sqlite_bind_text(insert, 2, "it's");
        sqlite_bind_bytes(insert, 3, "\0\1", 2);
        cr_assert(sqlite_finish(insert, NULL));
        sqlite_bind_int(insert, 1, G_MININT64);
        sqlite_bind_text(insert, 2, NULL);
        cr_assert(sqlite_finish(insert, NULL));
    }
    cr_assert_eq(stat(path, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0600);
    g_autoptr(sqlite3) db = sqlite_open(path, &schema, FALSE, NULL);
    g_autoptr(sqlite3_stmt) query = sqlite_prepare(db, "SELECT * FROM fact ORDER BY n", NULL);
    cr_assert_eq(sqlite_step(query, NULL), 1);
    cr_expect_eq(sqlite3_column_int64(query, 0), G_MININT64);
    cr_expect_str_eq(sqlite_text(query, 1), "");
    cr_assert_eq(sqlite_step(query, NULL), 1);
    cr_expect_str_eq(sqlite_text(query, 1), "it's");
    cr_expect_eq(sqlite3_column_bytes(query, 2), 2);
    cr_expect_eq(sqlite_step(query, NULL), 0);
}

Test(sqlite, every_commit_is_synced)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "db", NULL);
    g_autoptr(sqlite3) db = open_new(path);
    g_autoptr(sqlite3_stmt) mode = sqlite_prepare(db, "PRAGMA journal_mode", NULL);
    g_autoptr(sqlite3_stmt) level = sqlite_prepare(db, "PRAGMA synchronous", NULL);

    cr_assert_eq(sqlite_step(mode, NULL), 1);
    cr_expect_str_eq(sqlite_text(mode, 0), "wal");
    cr_assert_eq(sqlite_step(level, NULL), 1);
    cr_expect_eq(sqlite3_column_int(level, 0), 2); /* FULL, says SQLite's documentation */
}

Test(sqlite, what_is_rolled_back_is_gone)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "db", NULL);
    g_autoptr(sqlite3) db = open_new(path);

    cr_assert(sqlite_begin(db, NULL));
    cr_assert(sqlite_run(db, "INSERT INTO fact(n) VALUES(1)", NULL));
    sqlite_rollback(db);
    sqlite_rollback(db); /* there is none to forget */
    cr_expect_eq(count_rows(db), 0);
    cr_assert(sqlite_begin(db, NULL));
    cr_assert(sqlite_run(db, "INSERT INTO fact(n) VALUES(1)", NULL));
    cr_assert(sqlite_commit(db, NULL));
    cr_expect_eq(count_rows(db), 1);
}

Test(sqlite, what_is_not_ours_is_refused_with_a_reason)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "db", NULL);
    SqliteSchema other = schema;
    SqliteSchema later = schema;

    expect_refused(path, &schema, FALSE, MILLRACE_ERROR_NO_INPUT, "No such file");
    sqlite_close(open_new(path));
    other.application++;
    expect_refused(path, &other, TRUE, MILLRACE_ERROR_CORRUPT, "not a test of Millrace");
    later.version = 2;
    expect_refused(path, &later, TRUE, MILLRACE_ERROR_CORRUPT, "of version 1");
    scratch_put(&scratch, "text", "this is a text and no database, of some length", 46);
    g_autofree char *text = g_build_filename(scratch.path, "text", NULL);
    expect_refused(text, &schema, TRUE, MILLRACE_ERROR_CORRUPT, "restore it from a copy");
    g_autofree char *deep = g_build_filename(scratch.path, "no", "such", "db", NULL);
    expect_refused(deep, &schema, TRUE, MILLRACE_ERROR_CANT_CREATE, "No such file");
}

Test(sqlite, a_database_of_another_program_is_left_alone)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "db", NULL);
    sqlite3 *theirs = NULL;
    gsize size_bytes = 0;

    cr_assert_eq(sqlite3_open(path, &theirs), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(theirs, "CREATE TABLE theirs(x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(theirs);
    g_autofree char *before = scratch_get(&scratch, "db", &size_bytes);
    expect_refused(path, &schema, TRUE, MILLRACE_ERROR_CORRUPT, "not a test of Millrace");
    g_autofree char *after = scratch_get(&scratch, "db", &size_bytes);
    cr_expect_eq(memcmp(before, after, size_bytes), 0);
}

static gpointer
open_at_once(gpointer path)
{
    for (guint i = 0; i < 8; i++) {
        g_autoptr(sqlite3) db = open_new(path);
        cr_assert(sqlite_begin(db, NULL));
        cr_assert(sqlite_run(db, "INSERT INTO fact(t) VALUES('x')", NULL));
        cr_assert(sqlite_commit(db, NULL));
    }
    return NULL;
}

Test(sqlite, many_may_make_it_at_once)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "db", NULL);
    GThread *threads[4];

    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("open", open_at_once, path);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    g_autoptr(sqlite3) db = open_new(path);
    cr_expect_eq(count_rows(db), 32);
}

Test(sqlite, a_full_disk_is_told_from_a_damaged_file)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "db", NULL);
    g_autoptr(sqlite3) db = open_new(path);
    g_autoptr(GError) error = NULL;

    cr_assert(sqlite_run(db, "PRAGMA max_page_count = 4", NULL));
    cr_assert_not(sqlite_run(db, "INSERT INTO fact(b) VALUES(zeroblob(1000000))", &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_IO), "%s", error->message);
    cr_expect_not_null(strstr(error->message, "make room"), "%s", error->message);
}
