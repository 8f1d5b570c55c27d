/* resize_recover.c - what earlier tries have left.
 * A usage log follows from its ledger, line by line. One whose writer died in between is written
 * anew; the others are known by their last line, whose sequence is the ledger's count of outputs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/resize_recover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/error.h"
#include "formats/usage.h"

/* No log has so many lines: what a missing or torn one counts as, even beside an empty ledger. */
#define SEQUENCE_UNKNOWN G_MAXUINT64

/* The sequence of the last line of a log, 0 when it is empty, or SEQUENCE_UNKNOWN. */
static guint64
last_sequence(int dir_fd, const char *name)
{
    g_autofree char *tail = g_malloc0(USAGE_LINE_MAX_BYTES + 1);
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat status;

    if (fd < 0)
        return SEQUENCE_UNKNOWN;
    gboolean known = fstat(fd, &status) == 0;
    off_t begin = known ? MAX(0, status.st_size - USAGE_LINE_MAX_BYTES) : 0;
    ssize_t got = known ? pread(fd, tail, USAGE_LINE_MAX_BYTES, begin) : -1;
    close(fd);
    if (got == 0)
        return 0;
    if (got < 0 || tail[got - 1] != '\n')
        return SEQUENCE_UNKNOWN;
    tail[got - 1] = '\0';
    char *newline = strrchr(tail, '\n');
    char *line = newline ? newline + 1 : tail;
    g_autoptr(GString) scratch = g_string_new(NULL);
    const char *reason = NULL;
    UsageEvent event;
    return usage_line_parse(line, strlen(line), scratch, &event, &reason) ? event.sequence
                                                                          : SEQUENCE_UNKNOWN;
}

/* Writes a usage log anew from its ledger. */
static gboolean
rewrite_usage(const ResizeFolder *folder, const char *ledger, const char *usage, GError **error)
{
    g_autoptr(LedgerReader) reader = ledger_reader_open(folder->state_fd, ledger, error);
    g_autoptr(DurableStream) stream =
        reader ? durable_stream_open(folder->state_fd, usage, error) : NULL;
    g_autoptr(GString) lines = g_string_new(NULL);
    LedgerRecord record;
    guint64 sequence = 0;
    int more = 0;

    if (!stream)
        return FALSE;
    while ((more = ledger_reader_next(reader, &record, NULL, error)) > 0) {
        g_string_truncate(lines, 0);
        usage_print_record(ledger_reader_header(reader), &record, sequence + 1, lines);
        sequence += record.output_count;
        if (!durable_stream_write(stream, lines->str, lines->len, error))
            return FALSE;
    }
    return more == 0 && durable_stream_close(g_steal_pointer(&stream), error);
}

gboolean
resize_recover(const ResizeFolder *folder, const GPtrArray *ledgers, RowStates *states,
               gboolean complete_usage, guint *repaired_count, GError **error)
{
    for (guint i = 0; i < ledgers->len; i++) {
        const char *ledger = ledgers->pdata[i];
        g_autoptr(LedgerReader) reader = ledger_reader_open(folder->state_fd, ledger, error);
        LedgerRecord record;
        guint64 output_count = 0;
        int more = reader ? 1 : -1;

        while (more > 0 && (more = ledger_reader_next(reader, &record, NULL, error)) > 0) {
            row_states_note(states, record.row, record.class);
            output_count += record.output_count;
        }
        if (more < 0)
            return FALSE;
        g_autofree char *usage =
            g_strconcat("usage-", resize_folder_ledger_writer(ledger), ".ndjson", NULL);
        if (!complete_usage || last_sequence(folder->state_fd, usage) == output_count)
            continue;
        if (!rewrite_usage(folder, ledger, usage, error))
            return FALSE;
        if (repaired_count)
            (*repaired_count)++;
    }
    return TRUE;
}
