/* usage_parse.c - one line of a usage log, read strictly and in place.
 * What stands as usage_event_print() writes it, usage_quick.c has read; here is the rest: any other
 * order, white space or spelling, members that are not ours, and what is wrong.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <xxhash.h>

#include "formats/json_scan.h"
#include "formats/usage.h"
#include "formats/usage_internal.h"

#define UNKNOWN_MAX 256 /* members of a line that are not ours */
/* Those without which there is no event. */
#define REQUIRED                                                                                   \
    (1u << MEMBER_SPECVERSION | 1u << MEMBER_ID | 1u << MEMBER_SOURCE | 1u << MEMBER_TYPE |        \
     1u << MEMBER_TIME)
#define SEQUENCE_CHARS    20
#define COUNT_DIGITS_MAX  19 /* of 2^63 - 1; that many nines fit into 64 bits, unsigned */
#define COUNT_EXPECTED    "a whole number from 0 to 9223372036854775807"
#define SEQUENCE_EXPECTED "decimal digits in a string, from 0 to 18446744073709551615"
#define TIME_EXPECTED     "RFC 3339 with a zone, as in 2026-11-22T10:00:00.123456Z"

/* A key as it stands in the line, with its quotes, and what it says. */
typedef struct {
    const char *raw;
    gsize raw_size_bytes;
    char *text;
    gsize size_bytes;
    gboolean kept; /* raw is in scratch already, as text was changed; its value must follow */
} Key;

typedef struct {
    char place;
    guint32 hash;
    const char *text;
    gsize size_bytes;
} UnknownKey;

typedef struct {
    JsonScan scan;
    const char *begin;
    GString *scratch; /* what becomes extra, or the reason */
    UsageEvent *event;
    gboolean refused; /* the reason is in scratch */
    guint32 seen;     /* bit n: usage_members[n] */
    guint unknown_count;
    UnknownKey unknown[UNKNOWN_MAX]; /* the first unknown_count are set */
} Parse;

/* Refuses what a member of ours says. Returns FALSE. */
static gboolean
refuse(Parse *parse, const UsageMember *member, const char *expected)
{
    g_string_printf(parse->scratch, "%.*s expected %s", (int)member->literal_size, member->literal,
                    expected);
    parse->refused = TRUE;
    return FALSE;
}

static gboolean
refuse_line(Parse *parse, const char *why)
{
    g_string_assign(parse->scratch, why);
    parse->refused = TRUE;
    return FALSE;
}

/* Says what the scan stumbled at, unless there is a reason already. */
static void
refuse_text(Parse *parse)
{
    const JsonScan *scan = &parse->scan;

    if (parse->refused)
        return;
    g_string_printf(parse->scratch, "not JSON: expected %s at ", scan->expected);
    if (scan->at < scan->end)
        g_string_append_printf(parse->scratch, "byte %td", scan->at - parse->begin + 1);
    else
        g_string_append(parse->scratch, "the end of the line");
    parse->refused = TRUE;
}

/* Keeps a member, up to where reading is, verbatim. */
static void
keep(Parse *parse, char place, const Key *key, const char *value)
{
    GString *scratch = parse->scratch;

    if (!key->kept) {
        g_string_append_c(scratch, place);
        g_string_append_len(scratch, key->raw, (gssize)key->raw_size_bytes);
        g_string_append_c(scratch, ':');
    }
    g_string_append_len(scratch, value, parse->scan.at - value);
    g_string_append_c(scratch, '\n');
}

/* Notes a key that is not ours. Returns FALSE for one that was there before, or one too many. */
static gboolean
note_unknown(Parse *parse, char place, const Key *key)
{
    guint32 hash = (guint32)XXH3_64bits(key->text, key->size_bytes);

    for (guint i = 0; i < parse->unknown_count; i++) {
        const UnknownKey *other = &parse->unknown[i];
        if (other->hash == hash && other->place == place && other->size_bytes == key->size_bytes &&
            memcmp(other->text, key->text, key->size_bytes) == 0)
            return refuse_line(parse, "a member comes twice");
    }
    if (parse->unknown_count == UNKNOWN_MAX)
        return refuse_line(parse, "more than 256 members that are not known");
    parse->unknown[parse->unknown_count++] = (UnknownKey){place, hash, key->text, key->size_bytes};
    return TRUE;
}

/* Where our member's value goes. */
static gpointer
field(const Parse *parse, const UsageMember *member)
{
    return (char *)parse->event + member->offset;
}

/* More than 9 for what is no digit. */
static inline guint
digit_of(char c)
{
    return (guint)(guchar)c - '0';
}

static gboolean
decode_sequence(const char *text, gsize size_bytes, guint64 *sequence)
{
    guint64 value = 0;

    for (gsize i = 0; i < size_bytes; i++) {
        guint digit = digit_of(text[i]);
        if (digit > 9 || (i >= SEQUENCE_CHARS - 1 && value > (G_MAXUINT64 - digit) / 10))
            return FALSE;
        value = value * 10 + digit;
    }
    *sequence = value;
    return size_bytes > 0;
}

/* Takes what a string says. *canonical: whether we would say it in these characters.
 * Returns FALSE when it is refused. */
static gboolean
decode_string(Parse *parse, const UsageMember *member, char *text, gsize size_bytes,
              gboolean *canonical)
{
    *canonical = TRUE;
    switch (member->kind) {
    case KIND_TIME:
        *canonical = size_bytes == USAGE_TIME_CHARS && usage_is_printed_time(text);
        return usage_parse_time(text, size_bytes, field(parse, member)) ||
               refuse(parse, member, TIME_EXPECTED);
    case KIND_SEQUENCE:
        *canonical = size_bytes == SEQUENCE_CHARS;
        return decode_sequence(text, size_bytes, field(parse, member)) ||
               refuse(parse, member, SEQUENCE_EXPECTED);
    case KIND_VERSION:
        return (size_bytes == 3 && memcmp(text, "1.0", 3) == 0) || refuse(parse, member, "\"1.0\"");
    default:
        if (member->bit == 0 && size_bytes == 0)
            return refuse(parse, member, "a string that is not empty");
        *(const char **)field(parse, member) = text;
        return TRUE;
    }
}

/* Reads a member of ours that is a string. */
static gboolean
take_string(Parse *parse, char place, const UsageMember *member, const Key *key)
{
    char *value = parse->scan.at;
    guint flags = 0;
    gboolean canonical = FALSE;

    if (*value != '"')
        return refuse(parse, member, "a string");
    if (!json_scan_string(&parse->scan, &flags))
        return FALSE;
    if ((flags & JSON_STRING_NUL) != 0)
        return refuse(parse, member, "a string without NUL");
    /* Before it is changed; a time or a sequence needs no escapes at all. */
    gboolean kept = key->kept || (flags & JSON_STRING_FOREIGN) != 0 ||
                    (flags != 0 && member->kind != KIND_TEXT);
    if (kept)
        keep(parse, place, key, value);
    gsize size_bytes = (gsize)(parse->scan.at - value) - 2;
    if (flags != 0)
        size_bytes = json_unescape(value + 1, size_bytes);
    if (!decode_string(parse, member, value + 1, size_bytes, &canonical))
        return FALSE;
    if (!kept && !canonical)
        keep(parse, place, key, value);
    value[1 + size_bytes] = '\0';
    return TRUE;
}

/* Reads a member of ours that is a number. */
static gboolean
take_count(Parse *parse, char place, const UsageMember *member, const Key *key)
{
    const char *value = parse->scan.at;
    const char *at = value;
    guint64 count = 0;

    for (; digit_of(*at) <= 9 && at - value < COUNT_DIGITS_MAX; at++)
        count = count * 10 + digit_of(*at);
    gboolean whole = at > value && (*value != '0' || at == value + 1) && digit_of(*at) > 9 &&
                     *at != '.' && *at != 'e' && *at != 'E';
    if (!whole || count > G_MAXINT64)
        return refuse(parse, member, COUNT_EXPECTED);
    *(guint64 *)field(parse, member) = count;
    parse->scan.at += at - value;
    if (key->kept)
        keep(parse, place, key, value);
    return TRUE;
}

static gboolean take_members(Parse *parse, char place);

/* Reads "data". When its key is spelled otherwise, extra has the key alone. */
static gboolean
take_data(Parse *parse, const UsageMember *member, const Key *key)
{
    if (*parse->scan.at != '{')
        return refuse(parse, member, "an object");
    if (key->kept)
        g_string_append_c(parse->scratch, '\n');
    parse->scan.at++;
    return take_members(parse, 'd');
}

/* Reads the value of a member of ours. */
static gboolean
take_known(Parse *parse, char place, guint index, const Key *key)
{
    const UsageMember *member = &usage_members[index];
    const char *value = parse->scan.at;

    if ((parse->seen & 1u << index) != 0) {
        g_string_printf(parse->scratch, "%.*s comes twice", (int)member->literal_size - 1,
                        member->literal);
        parse->refused = TRUE;
        return FALSE;
    }
    parse->seen |= 1u << index;
    parse->event->present |= member->bit;
    if (member->kind == KIND_DATA)
        return take_data(parse, member, key);
    if (member->kind == KIND_COUNT)
        return take_count(parse, place, member, key);
    /* CloudEvents: an attribute that is null is one that is not there. */
    if (*value != 'n' || place != 't' || member->bit == 0)
        return take_string(parse, place, member, key);
    if (!json_scan_value(&parse->scan, 0))
        return FALSE;
    parse->event->present &= ~member->bit;
    keep(parse, place, key, value);
    return TRUE;
}

/* Reads a key and its colon, whatever they look like. */
static gboolean
take_key(Parse *parse, char place, Key *key)
{
    JsonScan *scan = &parse->scan;
    char *begin = scan->at;
    guint flags = 0;

    if (*begin != '"')
        return json_scan_fail(scan, "a key");
    if (!json_scan_string(scan, &flags))
        return FALSE;
    if ((flags & JSON_STRING_NUL) != 0)
        return json_scan_fail(scan, "a key without NUL");
    gsize raw_size_bytes = (gsize)(scan->at - begin);
    *key = (Key){begin, raw_size_bytes, begin + 1, raw_size_bytes - 2, flags != 0};
    if (key->kept) {
        g_string_append_c(parse->scratch, place);
        g_string_append_len(parse->scratch, begin, (gssize)raw_size_bytes);
        g_string_append_c(parse->scratch, ':');
        key->size_bytes = json_unescape(key->text, key->size_bytes);
    }
    json_scan_space(scan);
    if (*scan->at != ':')
        return json_scan_fail(scan, "\":\"");
    scan->at++;
    json_scan_space(scan);
    return TRUE;
}

/* Reads a member. */
static gboolean
take_member(Parse *parse, char place)
{
    Key key = {0};

    json_scan_space(&parse->scan);
    if (!take_key(parse, place, &key))
        return FALSE;
    guint index = usage_member_find(place, key.text, key.size_bytes);
    if (index != MEMBERS)
        return take_known(parse, place, index, &key);
    const char *value = parse->scan.at;
    if (!note_unknown(parse, place, &key) ||
        !json_scan_value(&parse->scan, JSON_SCAN_DEPTH_MAX - (place == 't' ? 1 : 2)))
        return FALSE;
    keep(parse, place, &key, value);
    return TRUE;
}

/* Reads on behind a member, to behind the object's closing bracket. */
static gboolean
take_rest(Parse *parse, char place)
{
    JsonScan *scan = &parse->scan;

    for (;;) {
        json_scan_space(scan);
        if (*scan->at != ',' && *scan->at != '}')
            return json_scan_fail(scan, "\",\" or \"}\"");
        if (*scan->at++ == '}')
            return TRUE;
        if (!take_member(parse, place))
            return FALSE;
    }
}

/* Reads the members of an object from behind its opening bracket to behind its closing one. */
static gboolean
take_members(Parse *parse, char place)
{
    JsonScan *scan = &parse->scan;

    json_scan_space(scan);
    if (*scan->at != '}')
        return take_member(parse, place) && take_rest(parse, place);
    scan->at++;
    return TRUE;
}

/* What event->present is when the members of seen are there. Both have one order, but "time", which
 * has no bit of its own, stands behind "subject". */
static guint32
present_of(guint32 seen)
{
    G_STATIC_ASSERT(USAGE_HAS_SUBJECT == 1 && MEMBER_TIME == MEMBER_SUBJECT + 1);
    G_STATIC_ASSERT(USAGE_HAS_WRITER << (MEMBERS - 1 - MEMBER_WRITER) == USAGE_HAS_NODE);
    guint32 subject = seen >> MEMBER_SUBJECT & USAGE_HAS_SUBJECT;

    return subject | (seen >> MEMBER_TIME & ~(guint32)USAGE_HAS_SUBJECT);
}

static gboolean
take_object(Parse *parse)
{
    JsonScan *scan = &parse->scan;

    json_scan_space(scan);
    if (*scan->at != '{')
        return json_scan_fail(scan, "an object");
    scan->at++;
    return take_members(parse, 't');
}

static gboolean
take_line(Parse *parse, gsize size_bytes)
{
    JsonScan *scan = &parse->scan;
    char place = 't';

    if (size_bytes > USAGE_LINE_MAX_BYTES)
        return refuse_line(parse, "a line of more than 65536 bytes");
    scan->at = usage_quick_read(scan->at, size_bytes, parse->event, &parse->seen, &place);
    parse->event->present = present_of(parse->seen);
    parse->event->measured = scan->at + 1 == scan->end && place == 't' && *scan->at == '}';
    if (!(parse->seen == 0 ? take_object(parse)
                           : (place == 't' || take_rest(parse, place)) && take_rest(parse, 't')))
        return FALSE;
    json_scan_space(scan);
    if (scan->at != scan->end)
        return json_scan_fail(scan, "nothing more");
    guint32 missing = REQUIRED & ~parse->seen;
    if (missing == 0)
        return TRUE;
    const UsageMember *member = &usage_members[__builtin_ctz(missing)];
    return refuse(parse, member,
                  member->kind == KIND_TIME      ? TIME_EXPECTED
                  : member->kind == KIND_VERSION ? "\"1.0\""
                                                 : "a string that is not empty");
}

gboolean
usage_line_parse(char *text, gsize size_bytes, GString *scratch, UsageEvent *event,
                 const char **reason)
{
    Parse parse;

    parse.scan = (JsonScan){.at = text, .end = text + size_bytes};
    parse.begin = text;
    parse.scratch = scratch;
    parse.event = event;
    parse.refused = FALSE;
    parse.seen = 0;
    parse.unknown_count = 0;
    text[size_bytes] = '\0';
    g_string_truncate(scratch, 0);
    *event = (UsageEvent){.id = "",
                          .source = "",
                          .type = "",
                          .subject = "",
                          .writer = "",
                          .request = "",
                          .op = "",
                          .format = "",
                          .status = "",
                          .node = ""};
    gboolean good = take_line(&parse, size_bytes);
    if (!good)
        refuse_text(&parse);
    event->extra = scratch->str;
    if (!good)
        *reason = scratch->str;
    else if (!event->measured)
        usage_event_measure(event);
    return good;
}

char *
usage_line_quick(char *text, const char *end, UsageEvent *event)
{
    const guint32 all = (1u << MEMBERS) - 1;
    guint32 seen = 0;
    char place = 't';
    char *at = usage_quick_read(text, (gsize)(end - text), event, &seen, &place);

    if (end - at < 2 || at[0] != '}' || at[1] != '\n' || place != 't' ||
        (seen & REQUIRED) != REQUIRED || at + 1 - text > USAGE_LINE_MAX_BYTES) {
        usage_quick_undo(text, at);
        return NULL;
    }
    if (seen != all)
        usage_quick_fill(event, seen);
    event->present = present_of(seen);
    event->extra = "";
    event->sizes.extra = 0;
    event->measured = TRUE;
    return at + 2;
}
