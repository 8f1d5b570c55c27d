/* sqlite.c - SQLite as we use it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000, PAUSE_MS = 10 };

/* What an error of SQLite is to us, and what to do. */
typedef struct {
    int code;
    MillraceErrorKind kind;
    const char *remedy;
} Meaning;

static const Meaning *
meaning_of(int code)
{
    static const Meaning meanings[] = {
        {SQLITE_BUSY, MILLRACE_ERROR_UNAVAILABLE, "another process is at it: try again"},
        {SQLITE_LOCKED, MILLRACE_ERROR_UNAVAILABLE, "another process is at it: try again"},
        {SQLITE_FULL, MILLRACE_ERROR_IO, "make room on the disk, then run it again"},
        {SQLITE_IOERR, MILLRACE_ERROR_IO, "look after the disk, then run it again"},
        {SQLITE_NOMEM, MILLRACE_ERROR_IO, "there is no memory left"},
        {SQLITE_CORRUPT, MILLRACE_ERROR_CORRUPT, "it is damaged: restore it from a copy"},
        {SQLITE_NOTADB, MILLRACE_ERROR_CORRUPT, "it is damaged: restore it from a copy"},
        {SQLITE_CANTOPEN, MILLRACE_ERROR_CANT_CREATE, "look after its folder and who may write"},
        {SQLITE_READONLY, MILLRACE_ERROR_CANT_CREATE, "look after who may write it"},
        {SQLITE_PERM, MILLRACE_ERROR_CANT_CREATE, "look after who may write it"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(meanings); i++)
        if (meanings[i].code == (code & 0xff))
            return &meanings[i];
    return NULL;
}

gboolean
sqlite_fail(sqlite3 *db, GError **error)
{
    int code = sqlite3_extended_errcode(db);
    int errnum = sqlite3_system_errno(db);
    const char *path = sqlite3_db_filename(db, "main");
    const Meaning *meaning = meaning_of(code);
    gboolean disk = meaning && meaning->kind == MILLRACE_ERROR_IO && errnum != 0;

    g_set_error(error, MILLRACE_ERROR, meaning ? meaning->kind : MILLRACE_ERROR_BUG,
                "%s: %s%s%s%s%s", path && *path ? path : "SQLite", sqlite3_errmsg(db),
                disk ? ": " : "", disk ? g_strerror(errnum) : "", meaning ? ": " : "",
                meaning ? meaning->remedy : "");
    return FALSE;
}

gboolean
sqlite_run(sqlite3 *db, const char *statements, GError **error)
{
    return sqlite3_exec(db, statements, NULL, NULL, NULL) == SQLITE_OK || sqlite_fail(db, error);
}

gboolean
sqlite_begin(sqlite3 *db, GError **error)
{
    return sqlite_run(db, "BEGIN IMMEDIATE", error);
}

void
sqlite_rollback(sqlite3 *db)
{
    if (!sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
}

gboolean
sqlite_commit(sqlite3 *db, GError **error)
{
    if (sqlite_run(db, "COMMIT", error))
        return TRUE;
    sqlite_rollback(db);
    return FALSE;
}

sqlite3_stmt *
sqlite_prepare(sqlite3 *db, const char *text, GError **error)
{
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(db, text, -1, &statement, NULL) != SQLITE_OK)
        sqlite_fail(db, error);
    return statement;
}

/* Values only fail to be set where the program is wrong, or no memory is left. */
void
sqlite_bind_int(sqlite3_stmt *statement, int index, gint64 value)
{
    int set = sqlite3_bind_int64(statement, index, value);

    g_assert(set == SQLITE_OK);
}

void
sqlite_bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    int set = sqlite3_bind_text(statement, index, text, -1, SQLITE_TRANSIENT);

    g_assert(set == SQLITE_OK);
}

void
sqlite_bind_bytes(sqlite3_stmt *statement, int index, const void *bytes, gsize size_bytes)
{
    int set = sqlite3_bind_blob64(statement, index, bytes, size_bytes, SQLITE_TRANSIENT);

    g_assert(set == SQLITE_OK);
}

int
sqlite_step(sqlite3_stmt *statement, GError **error)
{
    int code = sqlite3_step(statement);

    if (code == SQLITE_ROW)
        return 1;
    if (code != SQLITE_DONE)
        sqlite_fail(sqlite3_db_handle(statement), error);
    sqlite3_reset(statement);
    return code == SQLITE_DONE ? 0 : -1;
}

gboolean
sqlite_finish(sqlite3_stmt *statement, GError **error)
{
    int more = 0;

    while ((more = sqlite_step(statement, error)) > 0)
        ;
    return more == 0;
}

const char *
sqlite_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);

    return text ? (const char *)text : "";
}

static int
get_int(sqlite3 *db, const char *query, gint64 *value, GError **error)
{
    g_autoptr(sqlite3_stmt) statement = sqlite_prepare(db, query, error);
    int got = statement ? sqlite_step(statement, error) : -1;

    if (got == 1)
        *value = sqlite3_column_int64(statement, 0);
    return got;
}

static gboolean
is_busy(sqlite3 *db)
{
    int code = sqlite3_errcode(db);

    return code == SQLITE_BUSY || code == SQLITE_LOCKED;
}

/* A change of the journal's mode does not wait by itself when another process makes it, too. */
static gboolean
set_modes(sqlite3 *db, GError **error)
{
    gint64 until_us = g_get_monotonic_time() + PATIENCE_MS * 1000L;
    const char *modes = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                        "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;";

    while (sqlite3_exec(db, modes, NULL, NULL, NULL) != SQLITE_OK) {
        if (!is_busy(db) || g_get_monotonic_time() > until_us)
            return sqlite_fail(db, error);
        g_usleep(PAUSE_MS * 1000L);
    }
    return TRUE;
}

static gboolean
foreign(sqlite3 *db, const SqliteSchema *schema, gint64 application, gint64 version, GError **error)
{
    const char *path = sqlite3_db_filename(db, "main");

    if (application != (gint64)schema->application)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "%s: a database, but not %s of Millrace: give another path", path,
                    schema->what);
    else
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "%s: %s of version %" G_GINT64_FORMAT
                    ", and this program knows version %u: use the program that made it",
                    path, schema->what, version, schema->version);
    return FALSE;
}

/* Is it made? 1; 0 when nothing is in it; -1 and error when it is another's. */
static int
look(sqlite3 *db, const SqliteSchema *schema, GError **error)
{
    gint64 objects = 0;
    gint64 application = 0;
    gint64 version = 0;

    /* In this order: another process may make it between two questions. */
    if (get_int(db, "SELECT count(*) FROM sqlite_schema", &objects, error) < 0 ||
        get_int(db, "PRAGMA application_id", &application, error) < 0 ||
        get_int(db, "PRAGMA user_version", &version, error) < 0)
        return -1;
    if (application == (gint64)schema->application && version == (gint64)schema->version)
        return 1;
    if (application == 0 && version == 0 && objects == 0)
        return 0;
    foreign(db, schema, application, version, error);
    return -1;
}

/* Under the write lock: makes the tables, unless another process just did. */
static gboolean
make_tables(sqlite3 *db, const SqliteSchema *schema, GError **error)
{
    int made = look(db, schema, error);

    if (made != 0)
        return made > 0;
    g_autofree char *stamps =
        g_strdup_printf("PRAGMA application_id = %u; PRAGMA user_version = %u;",
                        schema->application, schema->version);
    return sqlite_run(db, schema->statement, error) && sqlite_run(db, stamps, error);
}

/* Changes nothing in what is not ours. */
static gboolean
prepare_file(sqlite3 *db, const SqliteSchema *schema, GError **error)
{
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, PATIENCE_MS);
    int made = look(db, schema, error);
    if (made < 0 || !set_modes(db, error))
        return FALSE;
    if (made > 0)
        return TRUE;
    if (!sqlite_begin(db, error))
        return FALSE;
    if (make_tables(db, schema, error))
        return sqlite_commit(db, error);
    sqlite_rollback(db);
    return FALSE;
}

/* SQLite would make the file with the modes of the umask; its journals take the file's. */
static gboolean
make_private(const char *path, GError **error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return millrace_error_set_errno(error, MILLRACE_ERROR_CANT_CREATE, errno, "creating %s",
                                        path);
    close(fd);
    return TRUE;
}

sqlite3 *
sqlite_open(const char *path, const SqliteSchema *schema, gboolean create, GError **error)
{
    sqlite3 *db = NULL;

    if (create && !make_private(path, error))
        return NULL;
    if (!create && access(path, F_OK) != 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_NO_INPUT, errno, "opening %s", path);
        return NULL;
    }
    int opened = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    g_assert(db != NULL);
    gboolean ready = opened == SQLITE_OK ? prepare_file(db, schema, error) : sqlite_fail(db, error);
    if (ready)
        return db;
    sqlite_close(db);
    return NULL;
}

void
sqlite_close(sqlite3 *db)
{
    if (db)
        sqlite3_close_v2(db);
}
