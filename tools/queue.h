/* queue.h - the verbs of millrace queue; each takes the arguments behind its name. And what they
 * share: where jobs and their queue are.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_QUEUE_H
#define MILLRACE_TOOLS_QUEUE_H

#include "jobs/bulk_job.h"
#include "jobs/queue.h"

int queue_submit_main(int argc, char **argv);
int queue_list_main(int argc, char **argv);
int queue_show_main(int argc, char **argv);
int queue_cancel_main(int argc, char **argv);
int queue_drain_main(int argc, char **argv);
int queue_receipt_main(int argc, char **argv);

/* Strings: owned by the program. */
typedef struct {
    char *state;
    char *jobs;
    char *queue;
} QueuePlaces;

/* Two entries of an option table; QUEUE_ENTRY_QUEUE is for verbs that speak to the queue. */
#define QUEUE_ENTRIES(places)                                                                      \
    {"state",                                                                                      \
     0,                                                                                            \
     0,                                                                                            \
     G_OPTION_ARG_FILENAME,                                                                        \
     &(places)->state,                                                                             \
     "The state folder of a door, which tells where all is",                                       \
     "DIR"},                                                                                       \
    {                                                                                              \
        "jobs", 0, 0, G_OPTION_ARG_FILENAME, &(places)->jobs, "The jobs' folder", "DIR"            \
    }
#define QUEUE_ENTRY_QUEUE(places)                                                                  \
    {                                                                                              \
        "queue", 0, 0, G_OPTION_ARG_FILENAME, &(places)->queue,                                    \
            "The queue: sqlite:PATH, or amqp://USER:PASSWORD@HOST,HOST/VHOST", "WHERE"             \
    }

/* Fills in what the state folder tells, and opens. Either may be NULL. FALSE and
 * MILLRACE_ERROR_USAGE, or what opening fails with. */
gboolean queue_places_open(QueuePlaces *places, BulkJobs **jobs, Queue **queue, GError **error);
/* (transfer full) a path in the state folder; NULL when none was given. */
char *queue_state_path(const QueuePlaces *places, const char *name);

/* --format=text|json: is it json? */
gboolean queue_parse_format(const char *format, gboolean *json, GError **error);
/* One job as a line of JSON. */
void queue_print_json(const BulkJob *job, GString *out);
/* Sets error and returns FALSE. */
gboolean queue_usage(GError **error, const char *message);
/* The one operand, or NULL and error. what: "a job's id". */
const char *queue_operand(char **operands, const char *what, GError **error);

#endif
