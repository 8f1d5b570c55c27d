/* bulk_progress.c - how far a job has come while it runs: its ledgers, read from where they were
 * read to before, since they may have millions of rows.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bulk_progress.h"

#include <unistd.h>

#include "formats/durable.h"
#include "formats/json.h"
#include "formats/ledger.h"
#include "jobs/bulk_internal.h"
#include "jobs/row_states.h"

struct _BulkProgress {
    BulkJobs *jobs;
    const char *id;
    RowStates *states;
    GHashTable *offsets; /* name of a ledger -> where its last record that was read begins */
};

BulkProgress *
bulk_progress_new(BulkJobs *jobs, const char *id)
{
    BulkProgress *progress = g_new0(BulkProgress, 1);

    progress->jobs = jobs;
    progress->id = id;
    progress->states = row_states_new();
    progress->offsets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return progress;
}

void
bulk_progress_free(BulkProgress *progress)
{
    g_hash_table_unref(progress->offsets);
    row_states_free(progress->states);
    g_free(progress);
}

static void
read_ledger(BulkProgress *progress, int state_fd, const char *name)
{
    g_autoptr(LedgerReader) reader = ledger_reader_open(state_fd, name, NULL);
    const guint64 *known = g_hash_table_lookup(progress->offsets, name);
    LedgerRecord record;
    guint64 offset_bytes = 0;
    gboolean any = FALSE;

    if (reader && known)
        ledger_reader_seek(reader, *known);
    while (reader && ledger_reader_next(reader, &record, &offset_bytes, NULL) > 0) {
        row_states_note(progress->states, record.row, record.class);
        any = TRUE;
    }
    if (any)
        g_hash_table_replace(progress->offsets, g_strdup(name),
                             g_memdup2(&offset_bytes, sizeof offset_bytes));
}

static void
leave(const BulkProgress *progress)
{
    guint64 resized = row_states_count(progress->states, ROW_OK);
    guint64 failed = 0;
    g_autoptr(GString) json = g_string_new(NULL);
    int fd = bulk_open_folder(progress->jobs, progress->id, ".", NULL);

    for (guint i = ROW_OK + 1; i < ROW_CLASS_COUNT; i++)
        failed += row_states_count(progress->states, (RowClass)i);
    json_open(json, NULL, '{');
    json_open(json, "rows", '{');
    json_put_uint(json, "resized", resized);
    json_put_uint(json, "failed", failed);
    g_string_append(json, "}}\n");
    if (fd < 0)
        return;
    durable_write_file(fd, "progress.json", json->str, json->len, NULL);
    close(fd);
}

void
bulk_progress_tell(BulkProgress *progress)
{
    int fd = bulk_open_folder(progress->jobs, progress->id, BULK_WORK "/.millrace", NULL);
    g_autoptr(GPtrArray) names = fd >= 0 ? durable_folder_list(fd, "ledger-", NULL) : NULL;

    for (guint i = 0; names && i < names->len; i++)
        read_ledger(progress, fd, names->pdata[i]);
    if (fd >= 0)
        close(fd);
    leave(progress);
}
