/* store_internal.h - what the files of the batch store share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_STORE_INTERNAL_H
#define MILLRACE_FORMATS_STORE_INTERNAL_H

#include "formats/store.h"

struct _Store {
    char *path;
    int root_fd;
    int fds[STORE_KINDS]; /* -1 = the folder is not there */
    GMutex lock;          /* guards what is below, and folders being made */
    GHashTable *logs;     /* first line -> GArray of StoreLog; NULL until it is asked for */
};

/* The folder of a kind, made when create. Returns: a descriptor, borrowed; -1 and no error when it
 * is not there and not to be made; below 0 and error when it cannot be opened or made. */
int store_folder_fd(Store *store, StoreKind kind, gboolean create, GError **error);

/* A file that has no name yet, in the folder of its kind. */
typedef struct {
    int folder_fd; /* borrowed */
    int fd;
    char temporary[32];
    char *path; /* the one it is to have, for messages */
} StoreTemporary;

gboolean store_temporary_open(StoreTemporary *temporary, Store *store, StoreKind kind,
                              const char *name, GError **error);
/* Syncs it and gives it its name, durably. damaged: what has the name now may be replaced. *added:
 * FALSE when somebody else was quicker. The temporary is gone, whatever is returned. */
gboolean store_temporary_publish(StoreTemporary *temporary, gboolean damaged, gboolean *added,
                                 GError **error);
void store_temporary_abandon(StoreTemporary *temporary);

#endif
