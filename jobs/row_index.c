/* row_index.c - where the record that counts for each row lies.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/row_index.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "formats/error.h"

enum { WINDOW_ROWS = 1 << 17, WINDOW_BYTES = WINDOW_ROWS * 8 };
enum { OFFSET_BITS = 40 }; /* a ledger of a terabyte, 16 million ledgers */

struct _RowIndex {
    int fd;
    guint64 window; /* number of the window that is mapped */
    guint64 *slots; /* NULL = none */
};

RowIndex *
row_index_new(int dir_fd, GError **error)
{
    static const char name[] = ".row-index.tmp";
    int fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);

    if (fd < 0 || unlinkat(dir_fd, name, 0) != 0) {
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "making an index of rows");
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    RowIndex *index = g_new0(RowIndex, 1);
    index->fd = fd;
    return index;
}

void
row_index_free(RowIndex *index)
{
    if (index->slots)
        munmap(index->slots, WINDOW_BYTES);
    close(index->fd);
    g_free(index);
}

/* Looks at another part of the file. Its blocks are reserved first, since a page of a mapped file
 * that finds the disk full is a SIGBUS. */
static gboolean
move_window(RowIndex *index, guint64 window, GError **error)
{
    off_t begin = (off_t)(window * WINDOW_BYTES);

    if (index->slots)
        munmap(index->slots, WINDOW_BYTES);
    index->slots = NULL;
    int failed = posix_fallocate(index->fd, begin, WINDOW_BYTES);
    if (failed)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, failed,
                                        "growing the index of rows");
    void *mapped = mmap(NULL, WINDOW_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, index->fd, begin);
    if (mapped == MAP_FAILED)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno,
                                        "mapping the index of rows");
    index->slots = mapped;
    index->window = window;
    return TRUE;
}

static guint64 *
slot(RowIndex *index, guint64 row, GError **error)
{
    guint64 window = row / WINDOW_ROWS;

    if ((!index->slots || window != index->window) && !move_window(index, window, error))
        return NULL;
    return &index->slots[row % WINDOW_ROWS];
}

gboolean
row_index_set(RowIndex *index, guint64 row, guint ledger, guint64 offset_bytes, GError **error)
{
    guint64 *at = slot(index, row, error);

    g_assert(offset_bytes < 1ULL << OFFSET_BITS);
    if (at)
        *at = ((guint64)ledger + 1) << OFFSET_BITS | offset_bytes;
    return at != NULL;
}

int
row_index_get(RowIndex *index, guint64 row, guint *ledger, guint64 *offset_bytes, GError **error)
{
    const guint64 *at = slot(index, row, error);

    if (!at)
        return -1;
    if (*at == 0)
        return 0;
    *ledger = (guint)(*at >> OFFSET_BITS) - 1;
    *offset_bytes = *at & ((1ULL << OFFSET_BITS) - 1);
    return 1;
}
