/* tar_input.c - libarchive's callback around a source.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/tar_input.h"

#include <archive.h>
#include <errno.h>

void
tar_input_init(TarInput *input, TarRead read, gpointer data)
{
    *input = (TarInput){.archive = archive_read_new(), .read = read, .data = data};
    g_assert(input->archive);
}

void
tar_input_release(TarInput *input)
{
    archive_read_free(input->archive);
    g_clear_error(&input->failure);
}

static la_ssize_t
fetch(struct archive *archive, void *data, const void **bytes)
{
    TarInput *input = data;

    if (input->failure)
        return -1;
    gssize got = input->read(input->data, bytes, &input->failure);
    if (got < 0)
        archive_set_error(archive, EIO, "reading failed");
    return got;
}

int
tar_input_open(TarInput *input)
{
    if (input->opened)
        return ARCHIVE_OK;
    input->opened = TRUE;
    return archive_read_open(input->archive, input, NULL, fetch, NULL);
}

int
tar_input_fail(const TarInput *input, const char *what, GError **error)
{
    const char *reason = archive_error_string(input->archive);

    if (input->failure)
        g_propagate_error(error, g_error_copy(input->failure));
    else
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT, "this is no %s: %s", what,
                    reason ? reason : "it cannot be read");
    return -1;
}
