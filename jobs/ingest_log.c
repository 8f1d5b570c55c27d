/* ingest_log.c - reads a usage log from where the store has it to its end.
 *
 *     skim (what the store has) → region ← piece, piece, … → skim → region …
 *
 * A region is skipped when the store has a note of it: that is seen by the digest of the log up to
 * its end, for which the bytes have to be read, but not parsed. A pipe cannot be read again when
 * the digest is another, so its regions are parsed, then dropped when they turn out to be known.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/ingest_log.h"

#include <string.h>

#include "formats/fingerprint.h"
#include "formats/usage.h"
#include "jobs/ingest_source.h"

enum { STEP_BYTES = 128 << 10 };

typedef struct {
    IngestPool *pool;
    Store *store;
    const IngestSizes *sizes;
    IngestedLog *log;
    IngestSource *source;
    char first_line[FINGERPRINT_CHARS + 1];
    GArray *notes; /* of StoreLog: what the store has of it */
    /* Where we are: behind a line. */
    guint64 at_bytes;
    guint64 at_line; /* lines before */
    Fingerprint *prefix;
    /* What was read of the log from there on. */
    char *buffer;
    gsize filled;
    gsize seen;         /* how much of it is in the prefix already */
    guint64 seen_lines; /* that end therein */
    gboolean at_end;    /* and nothing is behind it */
    gboolean found;     /* something that the store does not have */
    gboolean checked;   /* that a compressed log is whole */
} LogReader;

/* Reads on until the buffer has size_bytes, or the log ends. */
static gboolean
fill_to(LogReader *reader, gsize size_bytes, GError **error)
{
    gsize room = size_bytes - reader->filled;

    if (reader->at_end || room == 0)
        return TRUE;
    gssize got = ingest_source_read(reader->source, reader->buffer + reader->filled, room, error);
    if (got < 0)
        return FALSE;
    reader->filled += (gsize)got;
    reader->at_end = (gsize)got < room;
    return TRUE;
}

/* Reads until the buffer is full or the log ends. */
static gboolean
fill(LogReader *reader, GError **error)
{
    return fill_to(reader, reader->sizes->piece_bytes, error);
}

/* Columns of a block are counted side by side, in vectors when the compiler sees them; a column's
 * count fits into a byte. */
enum { COUNT_COLUMNS = 32, COUNT_ROWS = 255 };

static guint64
count_lines(const char *text, gsize size_bytes)
{
    const char *end = text + size_bytes;
    guint64 count = 0;

    while (end - text >= COUNT_COLUMNS) {
        gsize rows = MIN(COUNT_ROWS, (gsize)(end - text) / COUNT_COLUMNS);
        guint8 counts[COUNT_COLUMNS] = {0};
        for (gsize row = 0; row < rows; row++, text += COUNT_COLUMNS)
            for (guint k = 0; k < COUNT_COLUMNS; k++)
                counts[k] += text[k] == '\n';
        for (guint k = 0; k < COUNT_COLUMNS; k++)
            count += counts[k];
    }
    for (; text < end; text++)
        count += *text == '\n';
    return count;
}

/* Takes the first size_bytes of the buffer into the prefix, and counts their lines. */
static void
see(LogReader *reader, gsize size_bytes)
{
    const char *from = reader->buffer + reader->seen;

    g_assert(size_bytes >= reader->seen);
    fingerprint_add(reader->prefix, from, size_bytes - reader->seen);
    reader->seen_lines += count_lines(from, size_bytes - reader->seen);
    reader->seen = size_bytes;
}

/* Goes on behind the first size_bytes of the buffer, which are whole lines. Returns: how many. */
static guint64
advance(LogReader *reader, gsize size_bytes)
{
    see(reader, size_bytes);
    guint64 line_count = reader->seen_lines;
    reader->at_bytes += size_bytes;
    reader->filled -= size_bytes;
    reader->seen = 0;
    reader->seen_lines = 0;
    return line_count;
}

/* Reads on to position_bytes without looking at lines. Returns: 1; 0 when the log ends before; -1
 * and error. */
static int
skim_to(LogReader *reader, guint64 position_bytes, GError **error)
{
    while (reader->at_bytes < position_bytes) {
        if (!fill(reader, error))
            return -1;
        gsize size_bytes = MIN(reader->filled, position_bytes - reader->at_bytes);
        if (size_bytes == 0)
            return 0;
        advance(reader, size_bytes);
        memmove(reader->buffer, reader->buffer + size_bytes, reader->filled);
    }
    return 1;
}

/* The notes of regions that begin here. (transfer full) */
static GArray *
known_from_here(const LogReader *reader)
{
    char prefix[FINGERPRINT_CHARS + 1];
    GArray *notes = g_array_new(FALSE, FALSE, sizeof(StoreLog));

    fingerprint_print(reader->prefix, prefix);
    for (guint i = 0; i < reader->notes->len; i++) {
        const StoreLog *note = &g_array_index(reader->notes, StoreLog, i);
        if (note->from_bytes == reader->at_bytes && strcmp(note->from_prefix, prefix) == 0)
            g_array_append_val(notes, *note);
    }
    return notes;
}

static gboolean
is_here(const LogReader *reader, const StoreLog *note)
{
    char prefix[FINGERPRINT_CHARS + 1];

    if (note->size_bytes != reader->at_bytes)
        return FALSE;
    fingerprint_print(reader->prefix, prefix);
    return strcmp(note->prefix, prefix) == 0;
}

/* Where to go back to. */
typedef struct {
    guint64 at_bytes;
    guint64 at_line;
    Fingerprint *prefix;
} Place;

static void
place_set(Place *place, const LogReader *reader, guint64 at_line)
{
    g_clear_pointer(&place->prefix, fingerprint_free);
    *place = (Place){reader->at_bytes, at_line, fingerprint_copy(reader->prefix)};
}

static gboolean
go_back(LogReader *reader, Place *place, GError **error)
{
    gboolean there = reader->at_bytes == place->at_bytes;

    fingerprint_free(reader->prefix);
    reader->prefix = g_steal_pointer(&place->prefix);
    reader->at_bytes = place->at_bytes;
    reader->at_line = place->at_line;
    if (there)
        return TRUE;
    reader->filled = 0;
    reader->at_end = FALSE;
    return ingest_source_seek(reader->source, place->at_bytes, error);
}

/* Goes behind the longest region that the store has from here. Returns: 1, 0 when there is none, -1
 * and error. */
static int
skim_region(LogReader *reader, const GArray *notes, GError **error)
{
    guint64 from_bytes = reader->at_bytes;
    Place place = {0};
    int reached = 1;

    place_set(&place, reader, reader->at_line);
    for (guint i = 0; i < notes->len && reached > 0; i++) {
        const StoreLog *note = &g_array_index(notes, StoreLog, i);
        reached = skim_to(reader, note->size_bytes, error);
        if (reached > 0 && is_here(reader, note))
            place_set(&place, reader, note->line_count);
    }
    if (reached < 0 || !go_back(reader, &place, error)) {
        g_clear_pointer(&place.prefix, fingerprint_free);
        return -1;
    }
    return reader->at_bytes > from_bytes;
}

/* A region of the log that is being read. */
typedef struct {
    IngestRegion *region;
    const GArray *notes; /* of the regions that begin where it does */
    StoreLog note;
    guint64 end_bytes; /* lines that begin from here on are not its own */
    guint piece_count;
    gboolean known; /* it turned out to be one of these */
} RegionReader;

/* Hands the first size_bytes of the buffer to the pool; what is behind goes into another. */
static void
hand_over(LogReader *reader, RegionReader *region, gsize size_bytes)
{
    char *buffer = reader->buffer;
    gboolean torn = buffer[size_bytes - 1] != '\n';
    IngestPiece piece = {.log = reader->log->log,
                         .text = buffer,
                         .size_bytes = size_bytes,
                         .line = reader->at_line + 1,
                         .offset_bytes = reader->at_bytes};

    guint64 line_count = advance(reader, size_bytes) + torn;
    reader->at_line += line_count;
    reader->buffer = ingest_pool_buffer(reader->pool);
    memcpy(reader->buffer, buffer + size_bytes, reader->filled);
    region->piece_count++;
    ingest_region_add(region->region, buffer, &piece, line_count);
}

/* A line that does not fit into a buffer: only its begin is kept, and its length. One that somebody
 * may still be writing is as if it were not there. Returns FALSE and error. */
static gboolean
take_long_line(LogReader *reader, RegionReader *region, GError **error)
{
    g_autoptr(Fingerprint) before = fingerprint_copy(reader->prefix);
    char *begin = reader->buffer;
    const char *line_end = NULL;
    gboolean good = TRUE;
    IngestPiece piece = {.log = reader->log->log,
                         .text = begin,
                         .size_bytes = INGEST_QUOTED_LINE_BYTES,
                         .line = reader->at_line + 1,
                         .offset_bytes = reader->at_bytes,
                         .long_line_bytes = reader->filled};

    advance(reader, reader->filled);
    reader->buffer = ingest_pool_buffer(reader->pool);
    while (!line_end && (good = fill(reader, error)) && reader->filled > 0) {
        line_end = memchr(reader->buffer, '\n', reader->filled);
        gsize size_bytes = line_end ? (gsize)(line_end + 1 - reader->buffer) : reader->filled;
        piece.long_line_bytes += size_bytes - (line_end != NULL);
        advance(reader, size_bytes);
        memmove(reader->buffer, reader->buffer + size_bytes, reader->filled);
    }
    if (good && (line_end || ingest_source_ends(reader->source))) {
        reader->at_line++;
        region->piece_count++;
        ingest_region_add(region->region, begin, &piece, 1);
        return TRUE;
    }
    fingerprint_free(reader->prefix);
    reader->prefix = g_steal_pointer(&before);
    reader->at_bytes = piece.offset_bytes;
    ingest_pool_release(reader->pool, begin);
    return good;
}

/* How much of the buffer, which has last_bytes of whole lines, belongs to the region's next piece:
 * not what begins behind the region, nor what is behind the end of a region that may be this one.
 */
static gsize
piece_size(const LogReader *reader, const RegionReader *region, gsize last_bytes)
{
    const char *buffer = reader->buffer;
    guint64 room = region->end_bytes - reader->at_bytes;
    gsize size_bytes = last_bytes;

    if (size_bytes > room) {
        const char *line_end = memchr(buffer + room - 1, '\n', last_bytes - (gsize)room + 1);
        size_bytes = (gsize)(line_end + 1 - buffer);
    }
    for (guint i = 0; i < region->notes->len; i++) {
        const StoreLog *note = &g_array_index(region->notes, StoreLog, i);
        guint64 cut = note->size_bytes - reader->at_bytes;
        if (note->size_bytes > reader->at_bytes && cut < size_bytes && buffer[cut - 1] == '\n')
            size_bytes = (gsize)cut;
    }
    return size_bytes;
}

/* How much of the buffer belongs to the region for sure, when its whole lines end at last_bytes. */
static gsize
sure_size(const LogReader *reader, const RegionReader *region, gsize last_bytes)
{
    gsize size_bytes = MIN(last_bytes, region->end_bytes - reader->at_bytes);

    for (guint i = 0; i < region->notes->len; i++) {
        const StoreLog *note = &g_array_index(region->notes, StoreLog, i);
        if (note->size_bytes > reader->at_bytes)
            size_bytes = MIN(size_bytes, note->size_bytes - reader->at_bytes);
    }
    return size_bytes;
}

/* Reads until the buffer is full or the log ends, and looks at what has come while it is in the
 * processor's cache. */
static gboolean
fill_piece(LogReader *reader, const RegionReader *region, GError **error)
{
    gsize piece_bytes = reader->sizes->piece_bytes;

    while (!reader->at_end && reader->filled < piece_bytes) {
        gsize before = reader->filled;
        if (!fill_to(reader, MIN(before + STEP_BYTES, piece_bytes), error))
            return FALSE;
        const char *last = memrchr(reader->buffer + before, '\n', reader->filled - before);
        gsize last_bytes = last ? (gsize)(last + 1 - reader->buffer) : 0;
        gsize size_bytes = sure_size(reader, region, last_bytes);
        if (size_bytes > reader->seen)
            see(reader, size_bytes);
    }
    return TRUE;
}

/* Returns: 1; 0 when the log has no whole line any more; -1 and error. */
static int
take_piece(LogReader *reader, RegionReader *region, GError **error)
{
    if (!fill_piece(reader, region, error))
        return -1;
    const char *last = memrchr(reader->buffer, '\n', reader->filled);
    if (last) {
        gsize last_bytes = (gsize)(last + 1 - reader->buffer);
        hand_over(reader, region, piece_size(reader, region, last_bytes));
        return 1;
    }
    if (reader->at_end)
        return 0;
    return take_long_line(reader, region, error) ? 1 : -1;
}

/* Takes pieces to the region's end. Returns FALSE and error when it cannot be read whole. */
static gboolean
take_pieces(LogReader *reader, RegionReader *region, GError **error)
{
    int taken = 1;

    while (taken > 0 && !region->known && reader->at_bytes < region->end_bytes) {
        taken = take_piece(reader, region, error);
        for (guint i = 0; taken > 0 && i < region->notes->len; i++)
            if (is_here(reader, &g_array_index(region->notes, StoreLog, i)))
                region->known = TRUE;
    }
    if (taken <= 0)
        return taken == 0;
    /* There is more; so what was read of a compressed log was not checked to the end of a frame. */
    reader->checked = reader->checked || ingest_source_check(reader->source, error);
    return reader->checked;
}

static void
end_region(LogReader *reader, RegionReader *region)
{
    if (region->known || region->piece_count == 0) {
        ingest_region_drop(region->region);
        return;
    }
    if (!reader->found)
        reader->log->from_bytes = region->note.from_bytes;
    reader->found = TRUE;
    reader->log->to_bytes = reader->at_bytes;
    region->note.size_bytes = reader->at_bytes;
    region->note.line_count = reader->at_line;
    fingerprint_print(reader->prefix, region->note.prefix);
    ingest_region_end(region->region, &region->note);
}

/* Reads a region that is not known; or, of a pipe, not known to be known. */
static gboolean
read_region(LogReader *reader, const GArray *notes, GError **error)
{
    RegionReader region = {.notes = notes,
                           .note.from_bytes = reader->at_bytes,
                           .end_bytes = reader->at_bytes + reader->sizes->region_bytes};

    memcpy(region.note.first_line, reader->first_line, sizeof region.note.first_line);
    fingerprint_print(reader->prefix, region.note.from_prefix);
    region.region = ingest_region_begin(reader->pool, reader->log, reader->at_bytes);
    if (take_pieces(reader, &region, error)) {
        end_region(reader, &region);
        return TRUE;
    }
    ingest_region_drop(region.region);
    return FALSE;
}

/* Goes on by a region, known or not. Returns: 1; 0 when there is no whole line any more; -1 and
 * error. */
static int
next_region(LogReader *reader, GError **error)
{
    guint64 from_bytes = reader->at_bytes;

    if (!fill(reader, error))
        return -1;
    if (reader->at_end && !memchr(reader->buffer, '\n', reader->filled))
        return 0;
    g_autoptr(GArray) notes = known_from_here(reader);
    if (notes->len > 0 && ingest_source_can_seek(reader->source)) {
        int skimmed = skim_region(reader, notes, error);
        if (skimmed != 0)
            return skimmed;
        g_array_set_size(notes, 0);
    }
    if (!read_region(reader, notes, error))
        return -1;
    return reader->at_bytes > from_bytes;
}

/* A last line without its LF is one when nothing can come behind it. No note is made of it, since
 * there is no line to go on behind. */
static void
read_last_line(LogReader *reader)
{
    RegionReader region = {0};

    if (reader->filled == 0 || !ingest_source_ends(reader->source) || reader->log->truncated)
        return;
    if (!reader->found)
        reader->log->from_bytes = reader->at_bytes;
    reader->found = TRUE;
    region.region = ingest_region_begin(reader->pool, reader->log, reader->at_bytes);
    hand_over(reader, &region, reader->filled);
    ingest_region_end(region.region, NULL);
    reader->log->to_bytes = reader->at_bytes;
}

/* What the log is known by. */
static gboolean
read_first_line(LogReader *reader, GError **error)
{
    g_autoptr(Fingerprint) fingerprint = fingerprint_new();

    if (!fill(reader, error))
        return FALSE;
    gsize size_bytes = MIN(reader->filled, USAGE_LINE_MAX_BYTES);
    const char *line_end = memchr(reader->buffer, '\n', size_bytes);
    if (line_end)
        size_bytes = (gsize)(line_end + 1 - reader->buffer);
    fingerprint_add(fingerprint, reader->buffer, size_bytes);
    fingerprint_print(fingerprint, reader->first_line);
    reader->notes = store_logs(reader->store, reader->first_line, error);
    return reader->notes != NULL;
}

void
ingest_log_read(IngestPool *pool, Store *store, const IngestSizes *sizes, IngestedLog *log)
{
    g_autoptr(IngestSource) source = ingest_source_open(log->log, &log->error);
    LogReader reader = {.pool = pool, .store = store, .sizes = sizes, .log = log, .source = source};

    if (!source)
        return;
    reader.prefix = fingerprint_new();
    reader.buffer = ingest_pool_buffer(pool);
    int more = read_first_line(&reader, &log->error) ? 1 : -1;
    while (more > 0 && !ingest_pool_failed(pool))
        more = next_region(&reader, &log->error);
    log->truncated = ingest_source_truncated(source);
    if (more == 0)
        read_last_line(&reader);
    if (!reader.found)
        log->from_bytes = log->to_bytes = reader.at_bytes;
    ingest_pool_release(pool, reader.buffer);
    fingerprint_free(reader.prefix);
    g_clear_pointer(&reader.notes, g_array_unref);
}
