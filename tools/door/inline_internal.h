/* inline_internal.h - what the halves of inline resizing share: inline.c takes requests in, in the
 * I/O threads; inline_work.c gives them to the workers, in the main loop's; inline_answer.c answers
 * them, in the usage log's thread or where they fail.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_DOOR_INLINE_INTERNAL_H
#define MILLRACE_TOOLS_DOOR_INLINE_INTERNAL_H

#include "tools/door/door.h"
#include "tools/door/keyed.h"
#include "tools/door/reserve.h"

struct _DoorInline {
    Door *door;
    DoorConfig limits;    /* the main thread's copy */
    GThreadPool *closers; /* for what blocks before an answer: stored answers, poison */
    gint pending;         /* atomic: admitted, and not yet answered */
    /* What bodies in hand have announced: they lie in memory, or in files that are in its cache. */
    Reserve *bodies;

    GMutex mutex; /* guards the next three */
    Admission *admission;
    gboolean starving; /* workers are free and nothing waits: the next one in must wake us */
    DoorInlineState state;

    /* The main thread's: */
    Pool *pool;
    int wake_fd;
    guint wake_source;
};

/* One request on its way; freed with its exchange. */
typedef struct {
    DoorInline *inline_;
    DoorExchange *exchange;
    OutputSpec spec;
    char *to;                            /* owned; canonical */
    const char *key;                     /* the client's, or NULL */
    gboolean key_begun;                  /* answers_end() is owed */
    guint8 request_digest[SHA256_BYTES]; /* of method, path, query and body */
    guint8 body_digest[SHA256_BYTES];
    ImageHeader header;
    guint64 size_bytes;
    guint64 reserved_bytes; /* of bodies */
    gboolean reserved;
    guint64 cost_us; /* predicted */
    gint64 admitted_us;
    gboolean admitted; /* counted as pending */
    /* Limits by which a worker was given it; SIGHUP may have set others since. */
    guint64 pixels_max;
    gint64 deadline_us;
    int output_fd; /* owned; -1: none */
    WorkerOutput output;
    UsageEvent event;
    char event_id[USAGE_ID_CHARS + 1];
    char *poison; /* owned: why it is poison; NULL: it is not */
} InlineWork;

/* The exchange's handler_free. */
void inline_work_free(gpointer data);

/* Wakes the main thread, whose workers have nothing to do. */
void inline_wake(DoorInline *inline_);

/* Ends a request without an output. */
void inline_refuse(InlineWork *work, DoorOutcome outcome, guint status, const char *code,
                   guint retry_after_s, const char *format, ...) G_GNUC_PRINTF(6, 7);
/* Answers by a stored answer. */
void inline_replay(InlineWork *work, Answer *stored);
/* The output is there: logs its event, and answers when that is durable. */
void inline_serve(InlineWork *work);
/* The body has killed workers: remembered, then refused. */
void inline_poison(InlineWork *work);
/* A GFunc for the closers. */
void inline_close(gpointer data, gpointer inline_);

#endif
