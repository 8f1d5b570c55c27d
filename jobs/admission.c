/* admission.c - who may have a worker next. Each customer has a queue of his own. The next request
 * is of the customer who has been served least: his queue's head starts at the virtual time at
 * which he has had his share, and the lowest start is served (start-time fair queueing, Goyal
 * 1996). One who comes back from idling starts at the present virtual time: rest is not saved up.
 *
 * What an image will cost is predicted by a line, base + cost per pixel, per format: least squares
 * over what was seen, older images weighing less, on top of a guess that holds it in place while
 * little was seen.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/admission.h"

#include <math.h>

/* A line of each format, and one of progressive JPEG. */
enum { LINE_PROGRESSIVE = IMAGE_FORMAT_COUNT, LINE_COUNT };

/* What an older image weighs against the next, and how far from the guess a slope can be taught:
 * one customer's odd images shall not make all others' cost nothing. */
#define KEPT_WEIGHT        0.98
#define TAUGHT_MAX         16.0
#define PACE_KEPT          0.95
#define PACE_GUESS_US      1e5
#define PACE_MAX           16.0
#define GUESS_WEIGHT       0.25
#define BASE_US            1500.0 /* the guess of an image without pixels */
#define PX_PER_BYTE        4.0    /* of an image whose header does not say */
#define RETRY_MAX_S        60
#define BEYOND             2    /* times the limits: whoever's it is */
#define KEPT_CUSTOMERS_MAX 1024 /* who do not wait, but have had more than the others */

/* Sums of a weighted least squares line through (pixels, cost). */
typedef struct {
    double weight;
    double x, y, xx, xy;
} Line;

typedef struct {
    char *name; /* owns */
    GQueue queue;
    guint64 waiting_us;
    guint64 start;  /* of the head, in virtual microseconds */
    guint64 finish; /* of the last that was served */
} Customer;

typedef struct {
    Customer *customer;
    gpointer item;
    guint64 cost_us;
    guint64 number; /* in order of arrival */
    GList link;
} Waiting;

struct _Admission {
    AdmissionLimits limits;
    gint64 deadline_us;
    Line lines[LINE_COUNT];
    double busy_wall_us;   /* of workers, older ones weighing less */
    double busy_cost_us;   /* what was predicted for it */
    GHashTable *customers; /* name -> Customer: who waits, or is in advance of the others */
    GHashTable *items;     /* item -> Waiting */
    guint active_count;    /* customers who wait */
    guint64 number;        /* of the last that came */
    guint64 now;           /* virtual */
    guint64 waiting_us;
    guint64 running_us;
};

/* The guess: microseconds a megapixel. */
static double
guessed_slope(guint line)
{
    static const double us_per_mpx[LINE_COUNT] = {
        [IMAGE_FORMAT_INPUT] = 1000, [IMAGE_FORMAT_JPEG] = 4000,  [IMAGE_FORMAT_PNG] = 15000,
        [IMAGE_FORMAT_WEBP] = 15000, [IMAGE_FORMAT_GIF] = 10000,  [IMAGE_FORMAT_TIFF] = 8000,
        [IMAGE_FORMAT_AVIF] = 30000, [IMAGE_FORMAT_HEIF] = 30000, [LINE_PROGRESSIVE] = 15000,
    };

    return us_per_mpx[line] / 1e6;
}

static void
line_add(Line *line, double x, double y, double weight)
{
    line->weight += weight;
    line->x += weight * x;
    line->y += weight * y;
    line->xx += weight * x * x;
    line->xy += weight * x * y;
}

/* The line's cost at x pixels. */
static double
line_at(const Line *seen, guint number, double x)
{
    double guess = guessed_slope(number);
    Line line = *seen;

    for (guint mpx = 0; mpx <= 4; mpx += 4)
        line_add(&line, mpx * 1e6, BASE_US + guess * mpx * 1e6, GUESS_WEIGHT);
    double spread = line.weight * line.xx - line.x * line.x;
    double slope = (line.weight * line.xy - line.x * line.y) / spread;
    slope = CLAMP(slope, guess / TAUGHT_MAX, guess * TAUGHT_MAX);
    double base = MAX((line.y - slope * line.x) / line.weight, 0);
    return base + slope * x;
}

static guint
line_of(const ImageHeader *header)
{
    return header->progressive ? LINE_PROGRESSIVE : header->format;
}

static double
pixels_of(const ImageHeader *header, guint64 size_bytes)
{
    if (header->width_px == 0)
        return (double)size_bytes * PX_PER_BYTE;
    return (double)header->width_px * header->height_px;
}

/* An output more costs a base more, not the pixels: so it is reckoned by the output. */
guint64
admission_predict(const Admission *admission, const ImageHeader *header, guint64 size_bytes,
                  guint output_count)
{
    guint line = line_of(header);
    double outputs = MAX(output_count, 1);
    double x = pixels_of(header, size_bytes) / outputs;

    return (guint64)CLAMP(outputs * line_at(&admission->lines[line], line, x), 1, 1e15);
}

void
admission_learn(Admission *admission, const ImageHeader *header, guint64 size_bytes,
                guint output_count, guint64 cpu_us)
{
    Line *line = &admission->lines[line_of(header)];
    double outputs = MAX(output_count, 1);

    line->weight *= KEPT_WEIGHT;
    line->x *= KEPT_WEIGHT;
    line->y *= KEPT_WEIGHT;
    line->xx *= KEPT_WEIGHT;
    line->xy *= KEPT_WEIGHT;
    line_add(line, pixels_of(header, size_bytes) / outputs, (double)cpu_us / outputs, 1);
}

static void
customer_free(gpointer data)
{
    Customer *customer = data;

    g_free(customer->name);
    g_free(customer);
}

Admission *
admission_new(const AdmissionLimits *limits, gint64 deadline_us)
{
    Admission *admission = g_new0(Admission, 1);

    admission->busy_wall_us = admission->busy_cost_us = PACE_GUESS_US;
    admission->customers = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, customer_free);
    admission->items = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    admission_set_limits(admission, limits);
    admission_set_deadline(admission, deadline_us);
    return admission;
}

void
admission_free(Admission *admission)
{
    if (!admission)
        return;
    g_hash_table_unref(admission->items);
    g_hash_table_unref(admission->customers);
    g_free(admission);
}

void
admission_set_limits(Admission *admission, const AdmissionLimits *limits)
{
    g_assert(limits->workers > 0);
    admission->limits = *limits;
}

void
admission_set_deadline(Admission *admission, gint64 deadline_us)
{
    g_assert(deadline_us > 0);
    admission->deadline_us = deadline_us;
}

void
admission_pace(Admission *admission, guint64 cost_us, guint64 wall_us)
{
    admission->busy_wall_us = admission->busy_wall_us * PACE_KEPT + (double)wall_us;
    admission->busy_cost_us = admission->busy_cost_us * PACE_KEPT + (double)cost_us;
}

/* How long work of this cost keeps the workers busy. */
static double
work_us(const Admission *admission, double cost_us)
{
    double pace = admission->busy_wall_us / admission->busy_cost_us;

    return cost_us * CLAMP(pace, 1 / PACE_MAX, PACE_MAX) / admission->limits.workers;
}

/* What of what waits goes before a customer's next request: own is his share of it. */
static double
before(double all, double own, guint active_count)
{
    return MIN(all, own * active_count);
}

AdmissionVerdict
admission_ask(const Admission *admission, const char *name, guint64 cost_us, guint *retry_after_s)
{
    const AdmissionLimits *limits = &admission->limits;
    const Customer *customer = g_hash_table_lookup(admission->customers, name);
    double own_us = customer ? (double)customer->waiting_us : 0;
    guint own_count = customer ? customer->queue.length : 0;
    guint active_count = admission->active_count + (own_count == 0);
    double all_us = (double)admission->waiting_us;
    double running_us = (double)admission->running_us;
    guint all_count = admission_waiting(admission);
    double wait_us = work_us(admission, running_us + before(all_us, own_us, active_count));
    double max_us = (double)limits->wait_max_us;
    double over_us = wait_us - max_us;

    if (cost_us > (guint64)admission->deadline_us) {
        *retry_after_s = RETRY_MAX_S;
        return ADMISSION_TOO_COSTLY;
    }
    *retry_after_s = (guint)CLAMP(ceil(MAX(over_us, wait_us / 2) / 1e6), 1, RETRY_MAX_S);
    if (active_count > 1 && limits->customer_share < 100 &&
        work_us(admission, own_us) > max_us * limits->customer_share / 100)
        return ADMISSION_CUSTOMER_FULL;
    if (over_us <= 0 && before(all_count, own_count, active_count) < limits->waiting_max &&
        work_us(admission, running_us + all_us) <= max_us * BEYOND &&
        all_count < (guint64)limits->waiting_max * BEYOND)
        return ADMISSION_TAKEN;
    /* Would it be taken of somebody who has nothing waiting? Then it is his own that is too much.
     */
    if (active_count > 1 && own_count > 0 && own_us * active_count > all_us)
        return ADMISSION_CUSTOMER_FULL;
    return ADMISSION_OVERLOADED;
}

static Customer *
customer_get(Admission *admission, const char *name)
{
    Customer *customer = g_hash_table_lookup(admission->customers, name);

    if (customer)
        return customer;
    customer = g_new0(Customer, 1);
    customer->name = g_strdup(name);
    g_queue_init(&customer->queue);
    g_hash_table_insert(admission->customers, customer->name, customer);
    return customer;
}

AdmissionVerdict
admission_push(Admission *admission, const char *name, guint64 cost_us, gpointer item,
               guint *retry_after_s)
{
    AdmissionVerdict verdict = admission_ask(admission, name, cost_us, retry_after_s);

    if (verdict != ADMISSION_TAKEN)
        return verdict;
    g_assert(!g_hash_table_contains(admission->items, item));
    Customer *customer = customer_get(admission, name);
    if (customer->queue.length == 0) {
        customer->start = MAX(admission->now, customer->finish);
        admission->active_count++;
    }
    Waiting *waiting = g_new(Waiting, 1);
    *waiting = (Waiting){customer, item, cost_us, ++admission->number, {waiting, NULL, NULL}};
    g_queue_push_tail_link(&customer->queue, &waiting->link);
    g_hash_table_insert(admission->items, item, waiting);
    customer->waiting_us += cost_us;
    admission->waiting_us += cost_us;
    return ADMISSION_TAKEN;
}

/* Takes one out of its queue, and forgets it. */
static void
leave(Admission *admission, Waiting *waiting)
{
    Customer *customer = waiting->customer;

    g_queue_unlink(&customer->queue, &waiting->link);
    customer->waiting_us -= waiting->cost_us;
    admission->waiting_us -= waiting->cost_us;
    admission->active_count -= customer->queue.length == 0;
    g_hash_table_remove(admission->items, waiting->item);
    /* Nobody waits: nobody is in advance of anybody. */
    if (admission->active_count == 0) {
        g_hash_table_remove_all(admission->customers);
        admission->now = 0;
    }
}

static Waiting *
head_of(const Customer *customer)
{
    return customer->queue.head->data;
}

/* The customer whose turn it is. Those that neither wait nor are in advance are forgotten. */
static Customer *
next_customer(Admission *admission)
{
    guint kept_max = admission->active_count + KEPT_CUSTOMERS_MAX;
    Customer *next = NULL;
    GHashTableIter iter;
    gpointer value = NULL;

    g_hash_table_iter_init(&iter, admission->customers);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Customer *customer = value;
        if (customer->queue.length == 0) {
            if (customer->finish <= admission->now ||
                g_hash_table_size(admission->customers) > kept_max)
                g_hash_table_iter_remove(&iter);
        } else if (!next || customer->start < next->start ||
                   (customer->start == next->start &&
                    head_of(customer)->number < head_of(next)->number)) {
            next = customer;
        }
    }
    return next;
}

gpointer
admission_pop(Admission *admission, guint64 *cost_us)
{
    Customer *customer = next_customer(admission);

    if (!customer)
        return NULL;
    Waiting *waiting = head_of(customer);
    gpointer item = waiting->item;
    *cost_us = waiting->cost_us;
    admission->now = customer->start;
    customer->finish = customer->start + waiting->cost_us;
    customer->start = customer->finish;
    admission->running_us += waiting->cost_us;
    leave(admission, waiting);
    return item;
}

void
admission_done(Admission *admission, guint64 cost_us)
{
    g_assert(cost_us <= admission->running_us);
    admission->running_us -= cost_us;
}

gboolean
admission_remove(Admission *admission, gpointer item)
{
    Waiting *waiting = g_hash_table_lookup(admission->items, item);

    if (!waiting)
        return FALSE;
    leave(admission, waiting);
    return TRUE;
}

guint
admission_waiting(const Admission *admission)
{
    return g_hash_table_size(admission->items);
}

guint64
admission_backlog_us(const Admission *admission)
{
    return admission->waiting_us + admission->running_us;
}
