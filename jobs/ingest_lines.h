/* ingest_lines.h - a piece of a usage log becomes events and quarantined lines.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_INGEST_LINES_H
#define MILLRACE_JOBS_INGEST_LINES_H

#include "formats/segment.h"

/* What is quoted of a bad line, and how much of a piece is quoted at all. */
#define INGEST_QUOTED_LINE_BYTES  1024
#define INGEST_QUOTED_PIECE_BYTES (2 << 20)

/* A piece to read. Strings: borrowed. */
typedef struct {
    const char *log; /* as it is called in quarantined records */
    char *text;      /* whole lines; the last one's LF may be missing. Changed, and
                      * so is the byte behind them. */
    gsize size_bytes;
    guint64 line;         /* the number of the first line, from 1 */
    guint64 offset_bytes; /* where it begins in the log */
    /* Of a line that is too long to be held, text is the begin only; this is its length, else 0. */
    guint64 long_line_bytes;
} IngestPiece;

/* What it holds. */
typedef struct {
    SegmentBuilder *builder; /* owns */
    guint64 event_count;
    guint64 blank_count;
    guint64 bad_count;
    GString *bad; /* owns; a record a line, each with its LF */
} IngestLines;

void ingest_lines_read(const IngestPiece *piece, IngestLines *lines);
void ingest_lines_clear(IngestLines *lines);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(IngestLines, ingest_lines_clear)

#endif
