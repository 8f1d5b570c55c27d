/* sqlite.h - SQLite as we use it: WAL, every commit durable, ten seconds of patience, and errors of
 * our kinds that say what to do. A handle is for one thread at a time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_SQLITE_H
#define MILLRACE_JOBS_SQLITE_H

#include <glib.h>
#include <sqlite3.h>

#include "formats/error.h"

/* What a database is made of. */
typedef struct {
    const char *what;      /* "a queue": for messages */
    guint32 application;   /* PRAGMA application_id: tells ours from another program's */
    guint version;         /* PRAGMA user_version */
    const char *statement; /* makes all tables of that version */
} SqliteSchema;

/* Opens path, readable by its owner alone; it is made, with its tables, when it is not there and
 * create is set (two that make it at once get the same one). NULL and MILLRACE_ERROR_NO_INPUT (not
 * there), MILLRACE_ERROR_CORRUPT (damaged, or not of this schema), or as sqlite_fail(). */
sqlite3 *sqlite_open(const char *path, const SqliteSchema *schema, gboolean create, GError **error);
void sqlite_close(sqlite3 *db);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sqlite3, sqlite_close)

/* Sets error to what went wrong last: MILLRACE_ERROR_UNAVAILABLE (locked by another process for
 * longer than the patience), MILLRACE_ERROR_IO (a full or failing disk), MILLRACE_ERROR_CORRUPT
 * (damaged), MILLRACE_ERROR_CANT_CREATE (may not be written), MILLRACE_ERROR_BUG. Returns FALSE. */
gboolean sqlite_fail(sqlite3 *db, GError **error);

/* Runs statements that give no rows and take no values. */
gboolean sqlite_run(sqlite3 *db, const char *statements, GError **error);

/* Takes the write lock at once, so that what is read before the first write is not outdated. */
gboolean sqlite_begin(sqlite3 *db, GError **error);
/* Durable on TRUE; on FALSE nothing of it is there. */
gboolean sqlite_commit(sqlite3 *db, GError **error);
/* Forgets the transaction, if one is open. */
void sqlite_rollback(sqlite3 *db);

static inline void
sqlite_statement_free(sqlite3_stmt *statement)
{
    sqlite3_finalize(statement);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sqlite3_stmt, sqlite_statement_free)

/* (transfer full) one statement, or NULL and error. */
sqlite3_stmt *sqlite_prepare(sqlite3 *db, const char *text, GError **error);
/* Each sets a value, counted from 1. text, bytes: copied; NULL is NULL. */
void sqlite_bind_int(sqlite3_stmt *statement, int index, gint64 value);
void sqlite_bind_text(sqlite3_stmt *statement, int index, const char *text);
void sqlite_bind_bytes(sqlite3_stmt *statement, int index, const void *bytes, gsize size_bytes);
/* The next row: 1; 0 at the end, when the statement is ready to be run anew with the values it has;
 * -1 and error, as ready. */
int sqlite_step(sqlite3_stmt *statement, GError **error);
/* Runs a statement to its end. */
gboolean sqlite_finish(sqlite3_stmt *statement, GError **error);
/* A value of the row, counted from 0; borrowed until the next step. NULL reads as "". */
const char *sqlite_text(sqlite3_stmt *statement, int column);

#endif
