/* usage_time.c - times of usage events. Every line has one, so days are counted by arithmetic.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/digits.h"
#include "formats/usage.h"
#include "formats/usage_internal.h"

/* The years 1 to 9999, which are those that RFC 3339 can write. */
#define TIME_MIN_US G_GINT64_CONSTANT(-62135596800000000)
#define TIME_MAX_US G_GINT64_CONSTANT(253402300799999999)

/* Days from 0000-03-01, from where leap days are the last of their years, to 1970-01-01. */
#define EPOCH_DAYS   719468
#define ERA_DAYS     146097 /* 400 years of the Gregorian calendar */
#define DAY_SECONDS  86400
#define HOUR_SECONDS 3600
#define DATE_CHARS   19 /* up to the second */
#define DAY_CHARS    11 /* up to the "T" */

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar, year >= 0. */
static inline gint64
days_of(guint year, guint month, guint day)
{
    guint from_march = month > 2 ? month - 3 : month + 9;
    guint years = year + 400 - (month <= 2); /* an era later, as January of 0 is of the year -1 */
    gint64 days = years * 365 + years / 4 - years / 100 + years / 400;

    return days + (153 * from_march + 2) / 5 + day - 1 - ERA_DAYS - EPOCH_DAYS;
}

/* Writes two digits. */
static char *
put_pair(char *at, guint value)
{
    at[0] = (char)('0' + value / 10);
    at[1] = (char)('0' + value % 10);
    return at + 2;
}

static char *
put_char(char *at, char c)
{
    *at = c;
    return at + 1;
}

char *
usage_put_time(char *at, gint64 time_us)
{
    g_assert(time_us >= TIME_MIN_US && time_us <= TIME_MAX_US);
    guint64 from_zero_us = (guint64)(time_us + (gint64)EPOCH_DAYS * DAY_SECONDS * G_USEC_PER_SEC);
    guint32 fraction_us = (guint32)(from_zero_us % G_USEC_PER_SEC);
    guint64 seconds = from_zero_us / G_USEC_PER_SEC;
    guint32 of_day = (guint32)(seconds % DAY_SECONDS);
    guint32 days = (guint32)(seconds / DAY_SECONDS);
    guint32 of_era = days % ERA_DAYS;
    guint32 year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / (ERA_DAYS - 1)) / 365;
    guint32 of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    guint32 from_march = (5 * of_year + 2) / 153;
    guint32 month = from_march < 10 ? from_march + 3 : from_march - 9;
    guint32 year = days / ERA_DAYS * 400 + year_of_era + (month <= 2);

    at = put_pair(put_pair(at, year / 100), year % 100);
    at = put_pair(put_char(at, '-'), month);
    at = put_pair(put_char(at, '-'), of_year - (153 * from_march + 2) / 5 + 1);
    at = put_pair(put_char(at, 'T'), of_day / HOUR_SECONDS);
    at = put_pair(put_char(at, ':'), of_day / 60 % 60);
    at = put_pair(put_char(at, ':'), of_day % 60);
    at = put_pair(put_char(at, '.'), fraction_us / 10000);
    at = put_pair(put_pair(at, fraction_us / 100 % 100), fraction_us % 100);
    return put_char(at, 'Z');
}

void
usage_print_time(GString *out, gint64 time_us)
{
    char text[USAGE_TIME_CHARS];

    usage_put_time(text, time_us);
    g_string_append_len(out, text, sizeof text);
}

/* Two digits at a fixed place. *bad: bits are set when they are none. */
static guint
two_digits(const char *at, guint *bad)
{
    guint tens = (guint)(guchar)at[0] - '0';
    guint ones = (guint)(guchar)at[1] - '0';

    *bad |= (guint)(tens > 9) | (guint)(ones > 9);
    return tens * 10 + ones;
}

static guint
days_in_month(guint year, guint month)
{
    static const guint8 days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    gboolean leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (month == 2 && leap);
}

/* Reads YYYY-MM-DDTHH:MM:SS as if it were UTC. */
static gboolean
parse_seconds(const char *text, gint64 *seconds)
{
    guint bad = 0;
    guint year = two_digits(text, &bad) * 100 + two_digits(text + 2, &bad);
    guint month = two_digits(text + 5, &bad);
    guint day = two_digits(text + 8, &bad);
    guint hour = two_digits(text + 11, &bad);
    guint minute = two_digits(text + 14, &bad);
    guint second = two_digits(text + 17, &bad);

    if (bad || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') ||
        text[13] != ':' || text[16] != ':')
        return FALSE;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
        minute > 59 || second > 60)
        return FALSE;
    *seconds = days_of(year, month, day) * DAY_SECONDS + hour * HOUR_SECONDS + minute * 60 + second;
    return TRUE;
}

/* The values of eight characters' digits, as pattern has them: digits where it has '0', elsewhere
 * the same. *bad: bits are set where it is otherwise. */
static inline guint64
load_as(const char *text, const char pattern[DIGITS_AT_ONCE + 1], guint64 *bad)
{
    guint64 others = digits_load(pattern); /* zero where there is a digit, below 0x80 */
    guint64 values = digits_load(text) ^ others;
    guint64 nonzero = (others + DIGITS_EACH(0x7f)) >> 7 & DIGITS_EACH(1);

    *bad |= (values & nonzero * 0xff) | (digits_count(values) < DIGITS_AT_ONCE);
    return values;
}

/* The number that two digits are, the first in byte k. */
static inline guint
pair_at(guint64 digits, guint k)
{
    return digits_pairs(digits) >> (8 * k) & 0xff;
}

/* A day, up to the "T". */
typedef struct {
    char text[DAY_CHARS + 1];
    gint64 seconds;
} Day;

static gboolean
parse_day(const char *text, Day *parsed)
{
    guint64 bad = 0;
    guint64 date = load_as(text, "0000-00-", &bad);
    guint64 rest = load_as(text + 3, "0-00-00T", &bad);
    guint year = pair_at(date, 0) * 100 + pair_at(date, 2);
    guint month = pair_at(date, 5);
    guint day = pair_at(rest, 5);

    if (bad || year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return FALSE;
    memcpy(parsed->text, text, DAY_CHARS);
    parsed->seconds = days_of(year, month, day) * DAY_SECONDS;
    return TRUE;
}

gboolean
usage_parse_printed_time(const char *text, gint64 *time_us)
{
    /* The day of the line before is mostly that of this one. */
    static _Thread_local Day day = {.text = "1970-01-01T", .seconds = 0};
    guint64 bad = 0;
    guint64 clock = load_as(text + DAY_CHARS, "00:00:00", &bad);
    guint64 fraction = load_as(text + DAY_CHARS + DIGITS_AT_ONCE, ".000000Z", &bad);
    guint hour = pair_at(clock, 0);
    guint minute = pair_at(clock, 3);
    guint second = pair_at(clock, 6);

    if (bad || hour > 23 || minute > 59 || second > 59 ||
        (memcmp(text, day.text, DAY_CHARS) != 0 && !parse_day(text, &day)))
        return FALSE;
    gint64 seconds = day.seconds + hour * HOUR_SECONDS + minute * 60 + second;
    *time_us = seconds * G_USEC_PER_SEC + (gint64)digits_value(fraction << 8);
    return TRUE;
}

/* Reads ".", then digits. Returns: how many characters, 0 when no digit is there. */
static gsize
parse_fraction(const char *text, gsize size_bytes, gint64 *fraction_us)
{
    gint64 unit_us = G_USEC_PER_SEC / 10;
    gsize at = 1;

    for (; at < size_bytes && g_ascii_isdigit(text[at]); at++, unit_us /= 10)
        *fraction_us += (text[at] - '0') * unit_us;
    return at > 1 ? at : 0;
}

/* Reads "Z" or an offset, which must be all there is. */
static gboolean
parse_zone(const char *text, gsize size_bytes, gint64 *offset_seconds)
{
    guint bad = 0;

    *offset_seconds = 0;
    if (size_bytes == 1)
        return *text == 'Z' || *text == 'z';
    if (size_bytes != 6 || (*text != '+' && *text != '-') || text[3] != ':')
        return FALSE;
    guint hours = two_digits(text + 1, &bad);
    guint minutes = two_digits(text + 4, &bad);
    if (bad || hours > 23 || minutes > 59)
        return FALSE;
    *offset_seconds = (gint64)(hours * HOUR_SECONDS + minutes * 60) * (*text == '-' ? -1 : 1);
    return TRUE;
}

gboolean
usage_parse_time(const char *text, gsize size_bytes, gint64 *time_us)
{
    gint64 seconds = 0;
    gint64 offset_seconds = 0;
    gint64 fraction_us = 0;
    gsize at = DATE_CHARS;

    if (size_bytes <= DATE_CHARS || !parse_seconds(text, &seconds))
        return FALSE;
    if (text[at] == '.') {
        gsize size = parse_fraction(text + at, size_bytes - at, &fraction_us);
        if (size == 0)
            return FALSE;
        at += size;
    }
    if (!parse_zone(text + at, size_bytes - at, &offset_seconds))
        return FALSE;
    *time_us = (seconds - offset_seconds) * G_USEC_PER_SEC + fraction_us;
    return *time_us >= TIME_MIN_US && *time_us <= TIME_MAX_US;
}
