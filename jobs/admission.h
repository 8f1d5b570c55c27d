/* admission.h - who may have a worker next: bounded queues, fair between customers by predicted
 * cost (start-time fair queueing), and a refusal at once when what waits would take too long.
 *
 * How long a request will wait is asked for its customer: what waits of his own, times the
 * customers that wait, or all that waits if that is less. So one who floods fills his own share of
 * the time, and a request of another is taken, and served in its turn, though the flood fills all
 * of it. All that waits is at most twice what the limits say. Not locked: for one thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ADMISSION_H
#define MILLRACE_JOBS_ADMISSION_H

#include <glib.h>

#include "formats/image_header.h"

typedef struct _Admission Admission;

typedef struct {
    guint workers;
    gint64 wait_max_us;   /* what is admitted is predicted to begin within this */
    guint waiting_max;    /* requests */
    guint customer_share; /* percent of wait_max_us that one customer's requests may fill while
                             others wait; 100: no limit */
} AdmissionLimits;

typedef enum {
    ADMISSION_TAKEN,
    ADMISSION_OVERLOADED,    /* too much waits */
    ADMISSION_CUSTOMER_FULL, /* too much of this customer's waits */
    ADMISSION_TOO_COSTLY     /* predicted to take longer than any request may: a bulk job's work */
} AdmissionVerdict;

/* deadline_us: of one image. */
Admission *admission_new(const AdmissionLimits *limits, gint64 deadline_us);
void admission_free(Admission *admission);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Admission, admission_free)
void admission_set_limits(Admission *admission, const AdmissionLimits *limits);
void admission_set_deadline(Admission *admission, gint64 deadline_us);

/* Predicted CPU microseconds of an image: learnt per format from what such images cost (a moving
 * average of cost per pixel and per image), never 0. header may be unknown: then by size. */
guint64 admission_predict(const Admission *admission, const ImageHeader *header, guint64 size_bytes,
                          guint output_count);
/* What it cost, for the next prediction. */
void admission_learn(Admission *admission, const ImageHeader *header, guint64 size_bytes,
                     guint output_count, guint64 cpu_us);

/* Lets item of the customer of that name wait its turn. retry_after_s: (out) when refused, at
 * least 1. */
AdmissionVerdict admission_push(Admission *admission, const char *name, guint64 cost_us,
                                gpointer item, guint *retry_after_s);
/* Would a request of this cost be refused now? For refusing before a body is read. */
AdmissionVerdict admission_ask(const Admission *admission, const char *name, guint64 cost_us,
                               guint *retry_after_s);
/* The next whose turn it is, or NULL. cost_us: its predicted cost; it counts as running until
 * admission_done(). */
gpointer admission_pop(Admission *admission, guint64 *cost_us);
void admission_done(Admission *admission, guint64 cost_us);
/* That a worker was busy for wall_us with what was predicted to cost cost_us: how much longer work
 * takes here than its CPU time is reckoned in when waits are predicted. */
void admission_pace(Admission *admission, guint64 cost_us, guint64 wall_us);
/* Takes a waiting item out. Returns FALSE when it does not wait. */
gboolean admission_remove(Admission *admission, gpointer item);

guint admission_waiting(const Admission *admission);
guint64 admission_backlog_us(const Admission *admission); /* waiting and running */

#endif
