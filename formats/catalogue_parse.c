/* catalogue_parse.c - reads the log of an archive, which may be anybody's.
 * Each line stands for itself and for all before it: entries by their chain, checkpoints by the
 * root. So what is behind the first fault is worth nothing, and the end alone may be torn.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/catalogue_internal.h"
#include "formats/json.h"
#include "formats/json_scan.h"
#include "formats/usage.h"

/* How an entry's line ends: ,"chain":"0123…"} */
#define CHAIN_KEY ",\"chain\":\""
#define CHAIN_END "\"}"

typedef struct {
    Catalogue *catalogue;
    const char *text; /* all of it */
    gsize size_bytes;
    gsize at;     /* where the next line begins */
    guint64 line; /* the one being read, from 1 */
    GString *again;
    /* Before the first entry behind the last checkpoint that needs one. */
    gboolean open;
    gsize open_at;
    CatalogueState open_state;
} Reader;

G_GNUC_PRINTF(3, 4)
static gboolean
fail(const Reader *reader, GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT, "%s:%" G_GUINT64_FORMAT ": %s",
                reader->catalogue->name, reader->line, message);
    return FALSE;
}

/* Reads a member that is a string, a time, or a number. */
static gboolean
read_member(Reader *reader, const JsonObject *object, const CatalogueMember *member,
            CatalogueEntry *entry, GError **error)
{
    gboolean wrong = FALSE;
    const char *text = json_object_string(object, member->key, &wrong);
    gint64 number = 0;

    if (member->type == MEMBER_COUNT) {
        if (!json_object_int(object, member->key, &number) || number < 0)
            return fail(reader, error, "\"%s\": expected a whole number", member->key);
        CATALOGUE_FIELD(entry, member, guint64) = (guint64)number;
        return TRUE;
    }
    if (!text && !wrong && (member->optional >> entry->kind & 1) != 0)
        return TRUE;
    if (!text)
        return fail(reader, error, "\"%s\": expected a string", member->key);
    if (member->type == MEMBER_TIME) {
        if (!usage_parse_time(text, strlen(text), &CATALOGUE_FIELD(entry, member, gint64)))
            return fail(reader, error, "\"%s\": expected a time", member->key);
        return TRUE;
    }
    if (!catalogue_text_is(member->type, text))
        return fail(reader, error, "\"%s\": expected %s", member->key,
                    member->type == MEMBER_TEXT ? "text without control characters"
                                                : "hexadecimal digits");
    CATALOGUE_FIELD(entry, member, const char *) =
        g_string_chunk_insert_const(reader->catalogue->strings, text);
    return TRUE;
}

static CatalogueKind
find_kind(const char *name)
{
    guint kind = 0;

    while (kind < CATALOGUE_OTHER && strcmp(catalogue_kind_name(kind), name) != 0)
        kind++;
    return kind;
}

static gboolean
read_members(Reader *reader, const JsonObject *object, CatalogueEntry *entry, GError **error)
{
    static const CatalogueMember time = {"time", offsetof(CatalogueEntry, time_us), MEMBER_TIME, 0,
                                         0};
    static const CatalogueMember actor = {"actor", offsetof(CatalogueEntry, actor), MEMBER_TEXT, 0,
                                          0};
    gint64 number = 0;
    const char *kind = json_object_string(object, "kind", NULL);

    *entry = (CatalogueEntry){.number = reader->catalogue->state.count};
    if (!json_object_int(object, "n", &number) || (guint64)number != entry->number)
        return fail(reader, error, "\"n\": expected %" G_GUINT64_FORMAT, entry->number);
    if (!kind)
        return fail(reader, error, "\"kind\": expected a string");
    entry->kind = find_kind(kind);
    if (!read_member(reader, object, &time, entry, error) ||
        !read_member(reader, object, &actor, entry, error))
        return FALSE;
    for (guint i = 0; i < catalogue_member_count; i++)
        if ((catalogue_members[i].kinds >> entry->kind & 1) != 0 &&
            !read_member(reader, object, &catalogue_members[i], entry, error))
            return FALSE;
    return TRUE;
}

/* Does the line end with its chain? *chain: set to what it should be. */
static gboolean
chain_holds(const Reader *reader, const char *line, gsize size_bytes,
            char chain[CATALOGUE_CHAIN_CHARS + 1])
{
    const gsize key_bytes = strlen(CHAIN_KEY);
    const gsize end_bytes = key_bytes + CATALOGUE_CHAIN_CHARS + strlen(CHAIN_END);

    if (size_bytes < end_bytes)
        return FALSE;
    const char *end = line + size_bytes - end_bytes;
    catalogue_chain(reader->catalogue->state.chain, line, size_bytes - end_bytes, chain);
    return memcmp(end, CHAIN_KEY, key_bytes) == 0 &&
           memcmp(end + key_bytes, chain, CATALOGUE_CHAIN_CHARS) == 0 &&
           memcmp(end + key_bytes + CATALOGUE_CHAIN_CHARS, CHAIN_END, strlen(CHAIN_END)) == 0;
}

static gboolean
read_entry(Reader *reader, const char *line, gsize size_bytes, GError **error)
{
    Catalogue *catalogue = reader->catalogue;
    CatalogueEntry entry;
    char chain[CATALOGUE_CHAIN_CHARS + 1];

    if (!chain_holds(reader, line, size_bytes, chain))
        return fail(reader, error,
                    "the chain does not hold: this line, or one before it, is not "
                    "what was written");
    g_autoptr(JsonObject) object = json_object_parse(line, size_bytes, error);
    if (!object) {
        g_clear_error(error);
        return fail(reader, error, "not a JSON object");
    }
    if (!read_members(reader, object, &entry, error))
        return FALSE;
    if (!reader->open && catalogue_kind_needs_key(entry.kind)) {
        reader->open = TRUE;
        reader->open_at = reader->at;
        reader->open_state = catalogue->state;
    }
    catalogue_advance(catalogue, chain, line, size_bytes);
    g_array_append_val(catalogue->entries, entry);
    return TRUE;
}

static gboolean
read_checkpoint(Reader *reader, const char *line, gsize size_bytes, GError **error)
{
    Catalogue *catalogue = reader->catalogue;
    CatalogueCheckpoint checkpoint;
    g_autoptr(JsonObject) object = json_object_parse(line, size_bytes, NULL);
    const char *text = object ? json_object_string(object, "checkpoint", NULL) : NULL;

    if (!text)
        return fail(reader, error, "expected a checkpoint");
    g_string_truncate(reader->again, 0);
    catalogue_print_checkpoint(text, reader->again);
    if (reader->again->len != size_bytes || memcmp(reader->again->str, line, size_bytes) != 0)
        return fail(reader, error, "a checkpoint that is spelled otherwise than we do");
    const char *wrong = catalogue_checkpoint_read(catalogue, text, &checkpoint);
    if (wrong)
        return fail(reader, error, "%s", wrong);
    checkpoint.line = reader->line;
    g_array_append_val(catalogue->checkpoints, checkpoint);
    catalogue->signed_count = catalogue->state.count;
    reader->open = FALSE;
    return TRUE;
}

/* Reads all lines that end. */
static gboolean
read_lines(Reader *reader, GError **error)
{
    const char *end = NULL;

    while ((end = memchr(reader->text + reader->at, '\n', reader->size_bytes - reader->at))) {
        const char *line = reader->text + reader->at;
        gsize size_bytes = (gsize)(end - line);
        gboolean checkpoint = size_bytes >= strlen(CATALOGUE_CHECKPOINT) &&
                              memcmp(line, CATALOGUE_CHECKPOINT, strlen(CATALOGUE_CHECKPOINT)) == 0;
        reader->line++;
        if (size_bytes > CATALOGUE_LINE_MAX)
            return fail(reader, error, "a line of more than %u bytes", CATALOGUE_LINE_MAX);
        if (checkpoint ? !read_checkpoint(reader, line, size_bytes, error)
                       : !read_entry(reader, line, size_bytes, error))
            return FALSE;
        reader->at += size_bytes + 1;
    }
    return TRUE;
}

/* What is behind the last LF was torn, unless a line is whole and something else than LF is behind
 * it: no writer leaves that. */
static gboolean
check_tail(Reader *reader, GError **error)
{
    gsize size_bytes = MIN(reader->size_bytes - reader->at, CATALOGUE_LINE_MAX + 1);
    g_autofree char *tail = g_strndup(reader->text + reader->at, size_bytes);
    JsonScan scan = {.at = tail, .end = tail + strlen(tail)};

    reader->line++;
    if (*tail != '{' || !json_scan_value(&scan, JSON_SCAN_DEPTH_MAX) ||
        scan.at == tail + size_bytes)
        return TRUE;
    return fail(reader, error, "expected the line's end");
}

/* Forgets entries that need a checkpoint and have none. */
static void
cut_open(Reader *reader)
{
    Catalogue *catalogue = reader->catalogue;

    catalogue->keep_bytes = reader->open ? reader->open_at : reader->at;
    catalogue->torn_bytes = reader->size_bytes - catalogue->keep_bytes;
    if (!reader->open)
        return;
    catalogue->state = reader->open_state;
    g_array_set_size(catalogue->entries, (guint)catalogue->state.count);
    g_byte_array_set_size(catalogue->leaves, (guint)(catalogue->state.count * MERKLE_BYTES));
}

Catalogue *
catalogue_parse(const char *name, const char *text, gsize size_bytes, GError **error)
{
    g_autoptr(Catalogue) catalogue = catalogue_new();
    g_autoptr(GString) again = g_string_new(NULL);
    Reader reader = {
        .catalogue = catalogue, .text = text, .size_bytes = size_bytes, .again = again};

    g_free(catalogue->name);
    catalogue->name = g_strdup(name);
    if (size_bytes > CATALOGUE_MAX_BYTES) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "%s: more than %u bytes, which no catalogue has", name, CATALOGUE_MAX_BYTES);
        return NULL;
    }
    if (size_bytes == 0)
        return g_steal_pointer(&catalogue);
    if (!read_lines(&reader, error) || !check_tail(&reader, error))
        return NULL;
    cut_open(&reader);
    for (guint i = 0; i < catalogue->entries->len; i++)
        catalogue_fold(catalogue, &g_array_index(catalogue->entries, CatalogueEntry, i));
    return g_steal_pointer(&catalogue);
}
