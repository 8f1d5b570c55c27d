/* answers.h - idempotency: what was answered to a customer's keyed request, kept a day, so that a
 * retry at any door that shares the folder gets the same answer. Losing one costs work, never
 * money: the usage event's id follows from the key.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_ANSWERS_H
#define MILLRACE_JOBS_ANSWERS_H

#include <glib.h>

#include "formats/error.h"
#include "formats/sha256.h"

#define ANSWER_KEY_MAX 255

typedef struct _Answers Answers;

/* dir: made when missing. bytes_max: of all stored answers together, each in whole blocks of 4 KiB;
 * when answers are swept, the oldest go first, and when there is no room until then, an answer is
 * not stored. For any thread. */
Answers *answers_open(const char *dir, gint64 keep_us, guint64 bytes_max, GError **error);
void answers_free(Answers *answers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Answers, answers_free)

typedef enum {
    ANSWER_BEGIN,     /* nobody has; the caller goes on and calls answers_end() */
    ANSWER_IN_FLIGHT, /* the same is being worked on in this process */
    ANSWER_DIFFERS,   /* the key was used with another request */
    ANSWER_REPLAY     /* here it is */
} AnswerVerdict;

/* A stored answer. */
typedef struct {
    guint status;
    char *content_type; /* owned */
    char *note;         /* a line of the caller's own, or NULL; owned */
    int fd;             /* of a file; owned */
    guint64 offset;     /* where the body begins in it */
    guint64 size_bytes; /* of the body */
} Answer;
void answer_clear(Answer *answer);

/* A valid key: 1 to ANSWER_KEY_MAX printable ASCII characters. */
gboolean answers_key_is_valid(const char *key);
/* request: the SHA-256 of method, path, query and body. */
AnswerVerdict answers_begin(Answers *answers, const char *customer, const char *key,
                            const guint8 request[SHA256_BYTES], Answer *answer);
/* Ends what begin began. answer: what is to be kept, its fd is borrowed, read from offset; NULL
 * when nothing is (a failure that a retry may mend). */
void answers_end(Answers *answers, const char *customer, const char *key,
                 const guint8 request[SHA256_BYTES], const Answer *answer);
/* Removes what is too old or too much. Blocks. */
void answers_sweep(Answers *answers);

#endif
