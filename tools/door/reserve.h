/* reserve.h - room for bodies that are in hand: bounded together, and for each customer, so that
 * one who announces much and sends it slowly does not keep the others out. Any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_DOOR_RESERVE_H
#define MILLRACE_TOOLS_DOOR_RESERVE_H

#include <glib.h>

typedef struct _Reserve Reserve;

/* One customer may have half of max_bytes. */
Reserve *reserve_new(guint64 max_bytes);
/* All must have been given back. */
void reserve_free(Reserve *reserve);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Reserve, reserve_free)

/* FALSE when there is no room; nothing is taken then. A customer who has none may have any size
 * that fits beside what the others have. */
gboolean reserve_take(Reserve *reserve, const char *customer, guint64 size_bytes);
void reserve_give(Reserve *reserve, const char *customer, guint64 size_bytes);

#endif
