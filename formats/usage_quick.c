/* usage_quick.c - reads what of a line stands as usage_event_print() writes it. Nearly every line
 * does, to its end; where one does not, usage_parse.c goes on. So here is no error, and nothing
 * but the one spelling: no white space, no escapes, nothing beyond ASCII, our order.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/digits.h"
#include "formats/json_scan.h"
#include "formats/usage.h"
#include "formats/usage_internal.h"

#define COUNT_DIGITS_MAX 18 /* fewer than 2^63 - 1 has: no overflow */
#define SEQUENCE_DIGITS  20
#define SEQUENCE_ZEROS   4 /* at least: what is left are two times DIGITS_AT_ONCE */

typedef struct {
    char *at; /* behind the last member that was read */
    const char *end;
} Quick;

/* The place behind literal where it stands next and size_bytes are left behind it, or NULL. Inline,
 * as what takes a member is, so that the literal is compared as words. */
static G_ALWAYS_INLINE inline char *
behind(const Quick *quick, const char *literal, gsize literal_size, gsize size_bytes)
{
    if ((gsize)(quick->end - quick->at) < literal_size + size_bytes ||
        memcmp(quick->at, literal, literal_size) != 0)
        return NULL;
    return quick->at + literal_size;
}

/* How many bytes a text has that stands for itself, in ASCII; or G_MAXSIZE. */
static gsize
text_size(const char *begin, const char *end)
{
    guint64 high = 0;
    gsize size_bytes = (gsize)(json_plain_end(begin, end, &high) - begin);

    return high == 0 && begin[size_bytes] == '"' ? size_bytes : G_MAXSIZE;
}

/* Whether it is guess_bytes, as far as that can be told at once. Most texts are as long as in the
 * line before; a processor that foretells so goes on behind the text before it has looked at it. */
static G_ALWAYS_INLINE inline gboolean
has_size(const char *begin, const char *end, guint32 guess_bytes)
{
    /* Behind what is looked at, another one. */
    guint64 others = G_GUINT64_CONSTANT(1) << JSON_BLOCK_BYTES;

    if (guess_bytes > 2 * JSON_BLOCK_BYTES || end - begin <= 2 * JSON_BLOCK_BYTES)
        return FALSE;
    if (guess_bytes > JSON_BLOCK_BYTES)
        others = (others | json_block_others(begin + JSON_BLOCK_BYTES)) << JSON_BLOCK_BYTES;
    others |= json_block_others(begin);
    return (others & -others) == G_GUINT64_CONSTANT(1) << guess_bytes && begin[guess_bytes] == '"';
}

/* *size_bytes: a guess, at first. */
static G_ALWAYS_INLINE inline guint32
take_text(Quick *quick, const char *literal, gsize literal_size, gboolean required, guint index,
          const char **text, guint32 *size_bytes)
{
    char *begin = behind(quick, literal, literal_size, 1);
    gsize size = *size_bytes;

    if (!begin)
        return 0;
    if (!has_size(begin, quick->end, *size_bytes))
        size = text_size(begin, quick->end);
    if (size == G_MAXSIZE || (required && size == 0))
        return 0;
    begin[size] = '\0';
    *text = begin;
    *size_bytes = (guint32)size;
    quick->at = begin + size + 1;
    return 1u << index;
}

/* Reads on behind digits that were at begin, to at most COUNT_DIGITS_MAX and one more. */
static const char *
read_more(const char *begin, const char *at, guint64 *value)
{
    for (; (guchar)(*at - '0') <= 9 && at <= begin + COUNT_DIGITS_MAX; at++)
        *value = *value * 10 + (guint64)(*at - '0');
    return at;
}

/* Where the line is the last and its end is too near, the count is left to usage_parse.c. */
static G_ALWAYS_INLINE inline guint32
take_count(Quick *quick, const char *literal, gsize literal_size, guint index, guint64 *count)
{
    const char *begin = behind(quick, literal, literal_size, DIGITS_AT_ONCE);

    if (!begin)
        return 0;
    guint64 word = digits_load(begin);
    guint digits = digits_count(word);
    if (digits == 0)
        return 0;
    guint64 value = digits_value(word << (8 * (DIGITS_AT_ONCE - digits)));
    const char *at = begin + digits;
    if (digits == DIGITS_AT_ONCE)
        at = read_more(begin, at, &value);
    if (at > begin + COUNT_DIGITS_MAX || (*begin == '0' && digits > 1) ||
        (*at != ',' && *at != '}'))
        return 0;
    *count = value;
    quick->at += at - quick->at;
    return 1u << index;
}

static inline guint32
take_time(Quick *quick, gint64 *time_us)
{
    static const char literal[] = ",\"time\":\"";
    char *at = behind(quick, literal, sizeof literal - 1, USAGE_TIME_CHARS + 1);

    if (!at || at[USAGE_TIME_CHARS] != '"' || !usage_parse_printed_time(at, time_us))
        return 0;
    quick->at = at + USAGE_TIME_CHARS + 1;
    return 1u << MEMBER_TIME;
}

static inline guint32
take_sequence(Quick *quick, guint64 *sequence)
{
    static const char literal[] = ",\"sequence\":\"";
    char *at = behind(quick, literal, sizeof literal - 1, SEQUENCE_DIGITS + 1);

    if (!at || memcmp(at, "0000", SEQUENCE_ZEROS) != 0 || at[SEQUENCE_DIGITS] != '"')
        return 0;
    guint64 high = digits_load(at + SEQUENCE_ZEROS);
    guint64 low = digits_load(at + SEQUENCE_ZEROS + DIGITS_AT_ONCE);
    if (digits_count(high) < DIGITS_AT_ONCE || digits_count(low) < DIGITS_AT_ONCE)
        return 0;
    *sequence = digits_value(high) * 100000000 + digits_value(low);
    quick->at = at + SEQUENCE_DIGITS + 1;
    return 1u << MEMBER_SEQUENCE;
}

#define TEXT(KEY, REQUIRED, NAME, FIELD)                                                           \
    take_text(quick, ",\"" KEY "\":\"", sizeof(KEY) + 4, REQUIRED, MEMBER_##NAME, &event->FIELD,   \
              &event->sizes.FIELD)
#define COUNT(KEY, NAME, FIELD)                                                                    \
    take_count(quick, ",\"" KEY "\":", sizeof(KEY) + 3, MEMBER_##NAME, &event->FIELD)

static guint32
take_top(Quick *quick, UsageEvent *event)
{
    guint32 seen = TEXT("id", TRUE, ID, id);

    seen |= TEXT("source", TRUE, SOURCE, source);
    seen |= TEXT("type", TRUE, TYPE, type);
    seen |= TEXT("subject", FALSE, SUBJECT, subject);
    seen |= take_time(quick, &event->time_us);
    seen |= TEXT("writer", FALSE, WRITER, writer);
    seen |= take_sequence(quick, &event->sequence);
    return seen;
}

static guint32
take_data(Quick *quick, UsageEvent *event)
{
    guint32 seen = TEXT("request", FALSE, REQUEST, request);

    seen |= TEXT("op", FALSE, OP, op);
    seen |= TEXT("format", FALSE, FORMAT, format);
    seen |= TEXT("status", FALSE, STATUS, status);
    seen |= COUNT("bytes_in", BYTES_IN, bytes_in);
    seen |= COUNT("bytes_out", BYTES_OUT, bytes_out);
    seen |= COUNT("pixels_in", PIXELS_IN, pixels_in);
    seen |= COUNT("pixels_out", PIXELS_OUT, pixels_out);
    seen |= COUNT("cpu_us", CPU_US, cpu_us);
    seen |= COUNT("wall_us", WALL_US, wall_us);
    seen |= TEXT("node", FALSE, NODE, node);
    return seen;
}

char *
usage_quick_read(char *text, gsize size_bytes, UsageEvent *event, guint32 *seen, char *place)
{
    static const char version[] = "{\"specversion\":\"1.0\"";
    static const char data[] = ",\"data\":{";
    Quick quick = {text, text + size_bytes};

    *seen = 0;
    *place = 't';
    char *at = behind(&quick, version, sizeof version - 1, 1);
    if (!at)
        return text;
    quick.at = at;
    *seen = 1u << MEMBER_SPECVERSION | take_top(&quick, event);
    at = behind(&quick, data, sizeof data - 1, 1);
    if (!at || *at != '"')
        return quick.at;
    /* A comma in place of the bracket, so that the first member is like the others. */
    quick.at = at - 1;
    *quick.at = ',';
    *seen |= 1u << MEMBER_DATA | take_data(&quick, event);
    if (*quick.at == '}')
        quick.at++;
    else
        *place = 'd';
    return quick.at;
}

void
usage_quick_fill(UsageEvent *event, guint32 seen)
{
#define FILL_TEXT(NAME, FIELD)                                                                     \
    if ((seen & 1u << MEMBER_##NAME) == 0) {                                                       \
        event->FIELD = "";                                                                         \
        event->sizes.FIELD = 0;                                                                    \
    }
#define FILL_COUNT(NAME, FIELD)                                                                    \
    if ((seen & 1u << MEMBER_##NAME) == 0)                                                         \
        event->FIELD = 0;
    FILL_TEXT(SUBJECT, subject)
    FILL_TEXT(WRITER, writer)
    FILL_COUNT(SEQUENCE, sequence)
    FILL_TEXT(REQUEST, request)
    FILL_TEXT(OP, op)
    FILL_TEXT(FORMAT, format)
    FILL_TEXT(STATUS, status)
    FILL_COUNT(BYTES_IN, bytes_in)
    FILL_COUNT(BYTES_OUT, bytes_out)
    FILL_COUNT(PIXELS_IN, pixels_in)
    FILL_COUNT(PIXELS_OUT, pixels_out)
    FILL_COUNT(CPU_US, cpu_us)
    FILL_COUNT(WALL_US, wall_us)
    FILL_TEXT(NODE, node)
#undef FILL_TEXT
#undef FILL_COUNT
}

void
usage_quick_undo(char *text, char *at)
{
    static const char data[] = "\"data\":,";
    gsize size_bytes = (gsize)(at - text);
    char *nul = text;

    /* What was read had no NUL of its own. */
    while ((nul = memchr(nul, '\0', size_bytes - (gsize)(nul - text))) != NULL)
        *nul++ = '"';
    /* Nor a quote within a text; so this is no part of one. */
    char *found = memmem(text, size_bytes + 1, data, sizeof data - 1);
    if (found)
        found[sizeof data - 2] = '{';
}
