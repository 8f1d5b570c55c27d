/* usage_internal.h - the members of a usage event, as its printer and its parser share them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_USAGE_INTERNAL_H
#define MILLRACE_FORMATS_USAGE_INTERNAL_H

#include <glib.h>

#include "formats/usage.h"

/* Our members, in the order in which they are printed. */
typedef enum {
    MEMBER_SPECVERSION,
    MEMBER_ID,
    MEMBER_SOURCE,
    MEMBER_TYPE,
    MEMBER_SUBJECT,
    MEMBER_TIME,
    MEMBER_WRITER,
    MEMBER_SEQUENCE,
    MEMBER_DATA,
    MEMBER_REQUEST,
    MEMBER_OP,
    MEMBER_FORMAT,
    MEMBER_STATUS,
    MEMBER_BYTES_IN,
    MEMBER_BYTES_OUT,
    MEMBER_PIXELS_IN,
    MEMBER_PIXELS_OUT,
    MEMBER_CPU_US,
    MEMBER_WALL_US,
    MEMBER_NODE,
    MEMBERS
} UsageMemberIndex;
#define MEMBER_DATA_FIRST MEMBER_REQUEST /* from here on they are those of "data" */

/* Kinds of values. */
typedef enum { KIND_VERSION, KIND_TEXT, KIND_TIME, KIND_SEQUENCE, KIND_COUNT, KIND_DATA } UsageKind;

#define USAGE_LITERAL_SIZE 16
typedef struct {
    char literal[USAGE_LITERAL_SIZE]; /* "KEY": with its quotes and colon, then NUL */
    guint literal_size;
    UsageKind kind;
    guint32 bit;  /* USAGE_HAS_...; 0 when an event always has it */
    gsize offset; /* in UsageEvent */
} UsageMember;
extern const UsageMember usage_members[MEMBERS];

/* Where a member stands, as extra says it: 't' of the object, 'd' of "data".
 * Returns: the index of our member of that name, or MEMBERS. */
guint usage_member_find(char place, const char *key, gsize size_bytes);
/* The members of a place are first to end - 1. */
guint usage_member_first(char place);
guint usage_member_end(char place);

#define USAGE_TIME_CHARS 27
/* Writes what usage_print_time() appends. Returns: behind it. */
char *usage_put_time(char *at, gint64 time_us);

/* Whether a time of USAGE_TIME_CHARS, if it is one, stands as it is printed. */
static inline gboolean
usage_is_printed_time(const char *text)
{
    return text[10] == 'T' && text[17] != '6' && text[19] == '.' && text[26] == 'Z';
}
/* Reads a time of USAGE_TIME_CHARS that stands as it is printed, and no other. */
gboolean usage_parse_printed_time(const char *text, gint64 *time_us);

/* Reads as many members from the beginning of a line as stand as they are printed, into event,
 * whose sizes are a guess before. *seen: bit n is set for usage_members[n]. *place: in which object
 * reading ended, behind a member. Returns: where; text when nothing could be read. */
char *usage_quick_read(char *text, gsize size_bytes, UsageEvent *event, guint32 *seen, char *place);
/* Sets the members that are not seen, of those that need not be there. */
void usage_quick_fill(UsageEvent *event, guint32 seen);
/* Makes text again what it was before it was read up to at. */
void usage_quick_undo(char *text, char *at);

#endif
