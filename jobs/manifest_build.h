/* manifest_build.h - writes a manifest of the images beneath folders: `millrace manifest build`.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_JOBS_MANIFEST_BUILD_H
#define MILLRACE_JOBS_MANIFEST_BUILD_H

#include <glib.h>
#include <stdio.h>

typedef struct {
    const char *const *operands; /* NULL-terminated files and folders; borrowed, as all here */
    const char *customer;        /* NULL: no such column */
    const char *to;              /* output specs, ';' between; NULL: no such column */
} ManifestBuildConfig;

/* Writes a CSV manifest to out: the operands in their order; a folder's images sorted by their
 * bytes, as `LC_ALL=C sort` would. Files named are always taken; in folders those whose extension
 * is of an image that we read. Symbolic links to folders are not followed, save where they are
 * operands. Names of one folder, and of those above it, are held at a time. *row_count: the rows
 * that were written. Returns FALSE and MILLRACE_ERROR_NO_INPUT (an operand is not there, which is
 * seen before anything is written, or a folder cannot be read), MILLRACE_ERROR_IO. */
gboolean manifest_build(const ManifestBuildConfig *config, FILE *out, guint64 *row_count,
                        GError **error);

#endif
