/* bill_cells.c - an array that grows by doubling, aligned to lines of the cache, and in large pages
 * once it is larger than some of them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_cells.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LINE_BYTES = 64, HUGE_BYTES = 2 << 20, ROOM_MIN = 256 };
#define LINE_CELLS (LINE_BYTES / sizeof(BillCell))

static void
grow(BillCells *cells, gsize count)
{
    gsize room = MAX(count, MAX(ROOM_MIN, cells->room * 2));
    gsize size = (room * sizeof(BillCell) + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
    gboolean huge = size >= 2 * (gsize)HUGE_BYTES;
    void *memory = NULL;

    if (posix_memalign(&memory, huge ? HUGE_BYTES : LINE_BYTES, size) != 0)
        g_error("no room for %zu bytes", size);
    if (huge)
        madvise(memory, size, MADV_HUGEPAGE);
    if (cells->cells)
        memcpy(memory, cells->cells, cells->count * sizeof(BillCell));
    free(cells->cells);
    cells->cells = memory;
    cells->room = room;
}

gsize
bill_cells_add(BillCells *cells, guint count)
{
    gsize first = cells->count;

    if (count <= LINE_CELLS && first % LINE_CELLS + count > LINE_CELLS)
        first += LINE_CELLS - first % LINE_CELLS;
    if (first + count > cells->room || !cells->cells)
        grow(cells, first + count);
    memset(cells->cells + cells->count, 0, (first + count - cells->count) * sizeof(BillCell));
    cells->count = first + count;
    return first;
}

void
bill_cells_clear(BillCells *cells)
{
    free(cells->cells);
    *cells = (BillCells){0};
}
