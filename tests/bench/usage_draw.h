/* usage_draw.h - what usage_generate makes its events of: numbers drawn for a line, images as
 * fleets resize them, and text put behind text.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TESTS_BENCH_USAGE_DRAW_H
#define MILLRACE_TESTS_BENCH_USAGE_DRAW_H

#include <glib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wunused-function"

#define MILLION 1000000

/* What is drawn for a line, each apart from the others. */
enum {
    DRAW_KIND,
    DRAW_COPIED,
    DRAW_WRITER,
    DRAW_TIME,
    DRAW_SKEW,
    DRAW_LATE,
    DRAW_ID,
    DRAW_ID_2,
    DRAW_CUSTOMER,
    DRAW_IMAGE,
    DRAW_SIZES,
    DRAW_FAILURE,
    DRAW_UNKNOWN,
    DRAW_COST,
    DRAW_CHANGE,
    DRAWS
};

/* SplitMix64's finalizer, twice: 64 bits for each number and purpose. */
static guint64
mix(guint64 x)
{
    x = (x ^ (x >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static guint64
draw(guint64 seed, guint64 line, guint purpose)
{
    return mix(mix(seed + line * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15)) +
               purpose * G_GUINT64_CONSTANT(0xd1b54a32d192ed03));
}

/* A number below n, from the high bits of a drawn one. */
static guint64
below(guint64 drawn, guint64 n)
{
    return (guint64)(((unsigned __int128)drawn * n) >> 64);
}

/* A number with the median 2^(exponent_16 / 2^16), the doubling of which is as likely as the
 * halving: the sum of four even draws, taken as an exponent. Between powers of two it is straight.
 * spread_16: of the whole range. */
static guint64
lognormal(guint64 drawn, guint exponent_16, guint spread_16)
{
    guint64 sum =
        (drawn & 0xffff) + (drawn >> 16 & 0xffff) + (drawn >> 32 & 0xffff) + (drawn >> 48);
    guint64 exponent = exponent_16 + (sum * spread_16 >> 18) - spread_16 / 2;

    return ((G_GUINT64_CONSTANT(0x10000) + (exponent & 0xffff)) << (exponent >> 16)) >> 16;
}

/* What copies of an event have in common. */
typedef struct {
    guint64 line; /* where it was first */
    guint customer;
    const char *op, *format, *status;
    guint64 bytes_in, bytes_out, pixels_in, pixels_out;
    guint64 cpu_us; /* about */
    gboolean unknown;
} Event;

static void
make_image(Event *event, guint64 image, guint64 sizes)
{
    static const guint16 sides[][2] = {{640, 480},   {1024, 768},  {1280, 960},  {1600, 1200},
                                       {1920, 1080}, {2048, 1536}, {2592, 1944}, {3264, 2448},
                                       {4032, 3024}, {6000, 4000}};
    static const guint16 targets[] = {160, 320, 640, 800, 1280};
    static const struct {
        const char *format;
        guint exponent_16; /* of bytes a 1000 pixels */
        guint cost;        /* nanoseconds a pixel */
    } formats[] = {
        {"jpeg", 466944, 12}, {"webp", 421888, 45}, {"png", 690000, 30}, {"avif", 380928, 160}};
    static const guint8 format_of[20] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
                                         1, 1, 1, 1, 1, 1, 2, 2, 3, 3};
    static const char *const op_of[20] = {"thumbnail", "thumbnail", "thumbnail",
                                          "thumbnail", "thumbnail", "convert"};
    const guint16 *side = sides[image % G_N_ELEMENTS(sides)];
    guint format = format_of[image / 16 % G_N_ELEMENTS(format_of)];
    const char *op = op_of[image / 512 % G_N_ELEMENTS(op_of)];
    guint64 width = op && *op == 'c' ? side[0] : targets[image / 16384 % G_N_ELEMENTS(targets)];

    event->op = op ? op : "resize";
    event->format = formats[format].format;
    width = MIN(width, side[0]);
    event->pixels_in = (guint64)side[0] * side[1];
    event->pixels_out = width * (width * side[1] / side[0]);
    event->bytes_in = 200 + event->pixels_in * lognormal(sizes, 524288, 262144) / 1000;
    event->bytes_out =
        200 + event->pixels_out * lognormal(mix(sizes), formats[format].exponent_16, 196608) / 1000;
    event->cpu_us = 100 + (event->pixels_in * 6 + event->pixels_out * formats[format].cost) / 1000;
}

static char *
put(char *at, const char *text)
{
    gsize size_bytes = strlen(text);

    memcpy(at, text, size_bytes);
    return at + size_bytes;
}

/* Writes a number with at least so many digits. */
static char *
put_number(char *at, guint64 value, guint digits_min)
{
    char digits[20];
    guint first = sizeof digits;

    for (; value > 0; value /= 10)
        digits[--first] = (char)('0' + value % 10);
    while (sizeof digits - first < digits_min)
        digits[--first] = '0';
    memcpy(at, digits + first, sizeof digits - first);
    return at + sizeof digits - first;
}

static char *
put_hex(char *at, guint64 value)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[value >> shift & 15];
    return at;
}

/* The months that there can be are this one, the one before and, by a clock that is wrong, the one
 * after: days are counted from where the one before begins. */
static char *
put_time(char *at, gint64 time_us)
{
    static gint64 known_day = G_MININT64;
    static char date[16];
    gint64 day = time_us / G_TIME_SPAN_DAY;
    gint64 of_day_us = time_us % G_TIME_SPAN_DAY;

    if (day != known_day) {
        g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(day * 86400);
        g_snprintf(date, sizeof date, "%04d-%02d-%02dT", g_date_time_get_year(time),
                   g_date_time_get_month(time), g_date_time_get_day_of_month(time));
        known_day = day;
    }
    guint64 second = (guint64)(of_day_us / MILLION);
    at = put_number(put(at, date), second / 3600, 2);
    at = put_number(put(at, ":"), second / 60 % 60, 2);
    at = put_number(put(at, ":"), second % 60, 2);
    at = put_number(put(at, "."), (guint64)(of_day_us % MILLION), 6);
    return put(at, "Z");
}

#endif
