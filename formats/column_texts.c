/* column_texts.c - columns of texts. A dictionary where they repeat; else a list, and lists know
 * what identifiers are like: hexadecimal digits, or numbers behind a prefix, which are smaller and
 * read faster as numbers than compressed as text.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/column_internal.h"
#include "formats/column_numbered.h"
#include "formats/same_bytes.h"

/* The text of event i. */
static const char *
text_at(const SegmentTexts *texts, guint32 i, guint32 *size_bytes)
{
    guint32 code = texts->codes ? texts->codes[i] : i;

    *size_bytes = texts->size_bytes[code];
    return texts->values[code];
}

static gboolean
all_equal(const SegmentTexts *texts, guint32 count)
{
    guint32 first_size = 0;
    const char *first = text_at(texts, 0, &first_size);

    for (guint32 i = 1; i < count; i++) {
        guint32 size = 0;
        const char *text = text_at(texts, i, &size);
        if (size != first_size || !same_bytes(text, first, size))
            return FALSE;
    }
    return TRUE;
}

gboolean
column_repeats(const SegmentTexts *texts, guint32 count)
{
    guint64 spelt = count;

    if (!texts->codes)
        return FALSE;
    if (texts->value_count <= count / 2 || texts->value_count == 1)
        return TRUE;
    for (guint32 i = 0; i < count; i++)
        spelt += texts->size_bytes[texts->codes[i]];
    return spelt > COLUMN_SPELT_MAX_BYTES;
}

/* What the texts of a list have in common, when each is a prefix and a number. */
typedef struct {
    gsize prefix_size;
    guint width; /* digits of each, with leading zeros; 0 when none has a leading zero */
} Numbered;

/* Reads the numbers with what the first text suggests as prefix. */
static gboolean
read_numbered(const SegmentTexts *texts, guint32 count, Numbered *numbered, guint64 *numbers)
{
    guint32 first_size = 0;
    const char *first = text_at(texts, 0, &first_size);
    gsize prefix = column_numbered_prefix(first, first_size);

    if (prefix > COLUMN_PREFIX_MAX_BYTES)
        return FALSE;
    for (guint32 i = 0; i < count; i++) {
        guint32 size = 0;
        const char *text = text_at(texts, i, &size);
        if (size < prefix || !same_bytes(text, first, prefix) ||
            !column_numbered_read(text, size, prefix, numbered->width, &numbers[i]))
            return FALSE;
    }
    numbered->prefix_size = prefix;
    return TRUE;
}

static gboolean
find_numbered(const SegmentTexts *texts, guint32 count, Numbered *numbered, guint64 *numbers)
{
    guint32 size = 0;
    const char *first = text_at(texts, 0, &size);
    guint32 digits = 0;

    *numbered = (Numbered){0};
    if (read_numbered(texts, count, numbered, numbers))
        return TRUE;
    while (digits < MIN(size, COLUMN_DIGITS_MAX) && g_ascii_isdigit(first[size - 1 - digits]))
        digits++;
    numbered->width = digits;
    return digits > 1 && read_numbered(texts, count, numbered, numbers);
}

static void
put_numbered(ColumnEncoder *encoder, GByteArray *out, const char *prefix, const Numbered *numbered,
             const gint64 *numbers, guint32 count)
{
    bytes_put_u8(out, COLUMN_NUMBERED);
    bytes_put_u8(out, (guint8)numbered->prefix_size);
    bytes_put_blob(out, prefix, numbered->prefix_size);
    bytes_put_u8(out, (guint8)numbered->width);
    column_put_rising(encoder, out, numbers, count);
}

enum { NO_DIGIT = 16 };

static guint8
hex_value(char character)
{
    if (character >= '0' && character <= '9')
        return (guint8)(character - '0');
    return character >= 'a' && character <= 'f' ? (guint8)(character - 'a' + 10) : NO_DIGIT;
}

/* Finds what texts have in common that differ in hexadecimal digits only.
 * pattern: of size bytes; the characters that all have, NUL where they differ. */
static gboolean
find_pattern(const SegmentTexts *texts, guint32 count, char *pattern, guint32 *size)
{
    const char *first = text_at(texts, 0, size);

    if (*size == 0 || *size > COLUMN_HEX_MAX_BYTES)
        return FALSE;
    memcpy(pattern, first, *size);
    for (guint32 i = 1; i < count; i++) {
        guint32 other_size = 0;
        const char *text = text_at(texts, i, &other_size);
        if (other_size != *size)
            return FALSE;
        for (guint32 k = 0; k < *size; k++) {
            if (text[k] == pattern[k])
                continue;
            if (hex_value(text[k]) == NO_DIGIT || hex_value(first[k]) == NO_DIGIT)
                return FALSE;
            pattern[k] = '\0';
        }
    }
    return TRUE;
}

static void
put_hex(GByteArray *out, const SegmentTexts *texts, guint32 count, const char *pattern,
        guint32 size)
{
    bytes_put_u8(out, COLUMN_HEX);
    bytes_put_u8(out, (guint8)size);
    bytes_put_blob(out, pattern, size);
    for (guint32 i = 0; i < count; i++) {
        guint32 text_size = 0;
        const char *text = text_at(texts, i, &text_size);
        guint8 packed[COLUMN_HEX_MAX_BYTES / 2 + 1] = {0};
        guint digits = 0;
        for (guint32 k = 0; k < size; k++) {
            if (pattern[k] != '\0')
                continue;
            packed[digits / 2] |= (guint8)(hex_value(text[k]) << (digits % 2 == 0 ? 4 : 0));
            digits++;
        }
        bytes_put_blob(out, packed, (digits + 1) / 2);
    }
}

void
column_put_ids(GByteArray *out, const guint8 *bytes, guint32 count)
{
    static const guint8 pattern[USAGE_ID_CHARS] = {0};

    bytes_put_u8(out, COLUMN_HEX);
    bytes_put_u8(out, USAGE_ID_CHARS);
    bytes_put_blob(out, pattern, sizeof pattern);
    bytes_put_blob(out, bytes, (gsize)count * COLUMN_ID_BYTES);
}

static void
put_plain(ColumnEncoder *encoder, GByteArray *out, const SegmentTexts *texts, guint32 count)
{
    GByteArray *bytes = encoder->bytes;

    g_byte_array_set_size(bytes, 0);
    for (guint32 i = 0; i < count; i++) {
        guint32 size = 0;
        const char *text = text_at(texts, i, &size);
        g_assert((guint64)bytes->len + size < COLUMN_TEXT_MAX_BYTES);
        bytes_put_blob(bytes, text, size);
        bytes_put_u8(bytes, 0);
    }
    bytes_put_u8(out, COLUMN_PLAIN);
    bytes_put_u32(out, bytes->len);
    column_put_part(encoder->compressor, out, bytes->data, bytes->len);
}

static void
put_list(ColumnEncoder *encoder, GByteArray *out, const SegmentTexts *texts, guint32 count)
{
    g_autofree guint64 *numbers = g_new(guint64, count);
    char pattern[COLUMN_HEX_MAX_BYTES];
    Numbered numbered;
    guint32 size = 0;

    if (find_numbered(texts, count, &numbered, numbers))
        put_numbered(encoder, out, text_at(texts, 0, &size), &numbered, (const gint64 *)numbers,
                     count);
    else if (find_pattern(texts, count, pattern, &size))
        put_hex(out, texts, count, pattern, size);
    else
        put_plain(encoder, out, texts, count);
}

void
column_put_texts(ColumnEncoder *encoder, GByteArray *out, const SegmentTexts *texts, guint32 count)
{
    SegmentTexts values = *texts;

    column_encoder_reserve(encoder, count);
    values.codes = NULL;
    if (values.value_count > 1 && !texts->codes && all_equal(texts, count))
        values.value_count = 1;
    if (values.value_count > 1 && !column_repeats(texts, count)) {
        put_list(encoder, out, texts, count);
        return;
    }
    bytes_put_u8(out, COLUMN_DICTIONARY);
    bytes_put_u32(out, values.value_count);
    put_list(encoder, out, &values, values.value_count);
    if (!texts->codes || values.value_count == 1)
        return;
    for (guint32 i = 0; i < count; i++)
        encoder->numbers[i] = texts->codes[i];
    column_put_planes(encoder, out, encoder->numbers, count,
                      column_plane_count(values.value_count - 1));
}

void
column_put_numbered(ColumnEncoder *encoder, GByteArray *out, const char *prefix,
                    const gint64 *numbers, guint32 count)
{
    Numbered numbered = {.prefix_size = strlen(prefix)};
    guint32 i = 0;

    g_assert(numbered.prefix_size <= COLUMN_PREFIX_MAX_BYTES);
    while (i < count && numbers[i] == numbers[0])
        i++;
    if (i < count) {
        column_encoder_reserve(encoder, count);
        put_numbered(encoder, out, prefix, &numbered, numbers, count);
        return;
    }
    g_autofree char *text = g_strdup_printf("%s%" G_GINT64_FORMAT, prefix, numbers[0]);
    const char *const value = text;
    const guint32 size = (guint32)strlen(text);
    const SegmentTexts texts = {.value_count = 1, .values = &value, .size_bytes = &size};
    column_put_texts(encoder, out, &texts, count);
}
