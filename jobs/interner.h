/* interner.h - gives equal texts one small number, counted from 0 in the order of first use.
 * Ours and not GLib's hash table because it is asked for every distinct text of every block.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_INTERNER_H
#define MILLRACE_JOBS_INTERNER_H

#include <glib.h>

typedef struct _Interner Interner;

Interner *interner_new(void);
void interner_free(Interner *interner);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Interner, interner_free)

/* Returns: the text's number. text is copied when it is new; at most 2^31 texts. */
guint32 interner_add(Interner *interner, const char *text, gsize size_bytes);
/* The same for many texts at once, which is several times as fast where there are many numbers:
 * what one lookup waits for is fetched while others are at work. numbers: filled. */
void interner_add_all(Interner *interner, const char *const *texts, const guint32 *size_bytes,
                      guint32 count, guint32 *numbers);
/* The text with a NUL behind it; borrowed until interner_clear() or interner_free(). */
const char *interner_text(const Interner *interner, guint32 number);
gsize interner_text_size(const Interner *interner, guint32 number);
/* A hash of the text, the same in every interner of the process. */
guint32 interner_hash(const Interner *interner, guint32 number);

guint32 interner_count(const Interner *interner);
/* Bytes that it holds, for budgets. */
gsize interner_size(const Interner *interner);
/* Forgets all texts, and gives most of the memory back. */
void interner_clear(Interner *interner);

#endif
