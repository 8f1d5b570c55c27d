/* config.h - what a door is told: by options, and by a JSON file that SIGHUP reads again. A member
 * of the file is an option's name; an option wins over the file.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_DOOR_CONFIG_H
#define MILLRACE_TOOLS_DOOR_CONFIG_H

#include <glib.h>

#include "formats/error.h"

/* Strings: owned. */
typedef struct {
    char *file; /* --config */
    gboolean check;
    char *state;
    char *listen;
    char *admin;      /* /metrics, and identity for peers; NULL: not served */
    char *jobs;       /* STATE/jobs */
    char *queue;      /* sqlite:STATE/queue.sqlite */
    char **identity;  /* STATE/identity/published */
    char **trust;     /* files of publishers' keys; STATE/identity/publisher.pub */
    char *sources;    /* NULL: manifests reach nothing but their own tar */
    char *cluster;    /* the logical origin of usage events */
    char *access_log; /* "-": stderr; a path; "none" */
    char *user;       /* to become when started as root; NULL: who we are */
    guint workers;
    guint threads; /* of I/O */
    guint connections_max;
    guint descriptors_max;
    gint64 drain_wait_us; /* from not ready to closing */
    /* What SIGHUP may change: */
    gint64 deadline_us; /* of one image */
    guint64 pixels_max;
    guint64 bytes_max;     /* of a body of /v1/resize */
    guint64 job_bytes_max; /* of a body of /v1/jobs */
    guint64 job_rows_max;
    gint64 wait_max_us; /* how long an admitted request may be predicted to wait */
    guint waiting_max;
    guint customer_share; /* percent */
    gint64 stale_us;      /* identity older than this: privileged scopes fail closed */
    guint queue_length_max;
} DoorConfig;

/* Options, then the file. FALSE and MILLRACE_ERROR_USAGE / _BAD_INPUT with file, member, cause and
 * remedy. */
gboolean door_config_parse(DoorConfig *config, int *argc, char ***argv, GError **error);
/* Reads the file again, as it would be at a start. FALSE and what is wrong, or what would need a
 * restart. */
gboolean door_config_reload(const DoorConfig *now, DoorConfig *next, GError **error);
/* What can only be seen by looking: folders, keys, snapshot, the worker, addresses. Changes
 * nothing. */
gboolean door_config_check(const DoorConfig *config, GError **error);
/* What SIGHUP may change is taken over from next. */
void door_config_take_limits(DoorConfig *config, const DoorConfig *next);
/* All but the texts. */
void door_config_copy_numbers(const DoorConfig *from, DoorConfig *to);
void door_config_clear(DoorConfig *config);

#endif
