/* tar_input.h - bytes for libarchive from a source of ours, whose errors come through as they are.
 * For formats/tar*.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_TAR_INPUT_H
#define MILLRACE_FORMATS_TAR_INPUT_H

#include "formats/tar.h"

struct archive; /* libarchive's */

typedef struct {
    struct archive *archive; /* the caller says what it may read, before it is opened */
    TarRead read;
    gpointer data;
    gboolean opened;
    GError *failure; /* read's own, on its way through libarchive */
} TarInput;

/* read, data: of the source, borrowed. */
void tar_input_init(TarInput *input, TarRead read, gpointer data);
void tar_input_release(TarInput *input);
/* Opens it the first time, which reads already. Returns: libarchive's result. */
int tar_input_open(TarInput *input);
/* Says what read, or else libarchive, had to say: "this is no WHAT: ...". Returns -1. */
int tar_input_fail(const TarInput *input, const char *what, GError **error);

#endif
