/* bill_cells.c - an array in one piece of memory whose size is fixed beforehand, in large pages
 * once it is larger than some of them. Pages that were never used cost nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_cells.h"

#include <string.h>
#include <sys/mman.h>

enum { LINE_BYTES = 64, HUGE_MIN_BYTES = 16 << 20, ROOM_MIN = 256 };
#define LINE_CELLS (LINE_BYTES / sizeof(BillCell))
#define ROOM_MAX   ((gsize)G_MAXUINT32 - 1) /* so that guint32 tells which */

static void
take_memory(BillCells *cells, gsize room)
{
    cells->room = CLAMP(room, ROOM_MIN, ROOM_MAX);
    gsize size = cells->room * sizeof(BillCell);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        g_error("no room for %zu bytes", size);
    /* Cells are visited at random, and most of that time goes into finding pages. */
    if (size >= HUGE_MIN_BYTES)
        madvise(memory, size, MADV_HUGEPAGE);
    cells->cells = memory;
}

void
bill_cells_init(BillCells *cells, gsize memory_bytes)
{
    *cells = (BillCells){0};
    take_memory(cells, memory_bytes / sizeof(BillCell));
}

void
bill_cells_release(BillCells *cells)
{
    if (cells->cells)
        munmap(cells->cells, cells->room * sizeof(BillCell));
    *cells = (BillCells){0};
}

/* Where so many would begin. */
static gsize
place_of(const BillCells *cells, guint count)
{
    gsize first = cells->count;

    if (count <= LINE_CELLS && first % LINE_CELLS + count > LINE_CELLS)
        first += LINE_CELLS - first % LINE_CELLS;
    return first;
}

gboolean
bill_cells_has_room(const BillCells *cells, guint count)
{
    return cells->count == 0 || place_of(cells, count) + count <= cells->room;
}

guint32
bill_cells_add(BillCells *cells, guint count)
{
    gsize first = place_of(cells, count);

    g_assert(bill_cells_has_room(cells, count));
    if (first + count > cells->room) {
        bill_cells_release(cells);
        take_memory(cells, count);
        g_assert(count <= cells->room);
    }
    memset(cells->cells + first, 0, count * sizeof(BillCell));
    cells->count = first + count;
    return (guint32)first;
}

void
bill_cells_clear(BillCells *cells)
{
    cells->count = 0;
}
