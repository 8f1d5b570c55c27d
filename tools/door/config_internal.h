/* config_internal.h - the table of a door's options: what each is called, on the command line and
 * in the file alike, what it may be, and where it goes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_DOOR_CONFIG_INTERNAL_H
#define MILLRACE_TOOLS_DOOR_CONFIG_INTERNAL_H

#include "tools/door/config.h"

typedef enum {
    CONFIG_TEXT,
    CONFIG_LIST,
    CONFIG_COUNT,      /* guint */
    CONFIG_LONG_COUNT, /* guint64 */
    CONFIG_TIME        /* gint64, microseconds; seconds or as in 5m */
} ConfigKind;

typedef struct {
    const char *name;
    ConfigKind kind;
    gboolean reloads;     /* SIGHUP may change it */
    gsize offset;         /* in DoorConfig */
    const char *fallback; /* NULL: none, or one that depends on STATE */
    guint64 min, max;     /* of a count, or of seconds */
    const char *argument;
    const char *help;
} ConfigOption;

extern const ConfigOption config_options[];
extern const guint config_option_count;

/* Sets one. where: "--threads", or "FILE: threads", for the message. */
gboolean config_set(DoorConfig *config, const ConfigOption *option, const char *where,
                    const char *text, GError **error);
/* Adds to a list. */
void config_add(DoorConfig *config, const ConfigOption *option, const char *text);
/* Is it the same in both? */
gboolean config_is_same(const DoorConfig *a, const DoorConfig *b, const ConfigOption *option);
void config_copy_number(const DoorConfig *from, DoorConfig *to, const ConfigOption *option);

#endif
