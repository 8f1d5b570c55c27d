/* bill_groups.c - sorting by counting.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_groups.h"

#include <string.h>

void
bill_groups_release(BillGroups *groups)
{
    g_free(groups->rows);
    g_free(groups->ends);
    *groups = (BillGroups){0};
}

static void
make_room(guint32 **items, gsize *room, gsize count)
{
    if (count <= *room)
        return;
    *room = count + count / 4;
    *items = g_renew(guint32, *items, *room);
}

void
bill_groups_sort(BillGroups *groups, const guint32 *rows, guint32 count, const guint32 *classes,
                 guint32 class_count)
{
    guint32 begin = 0;

    make_room(&groups->rows, &groups->row_room, count);
    make_room(&groups->ends, &groups->class_room, class_count);
    memset(groups->ends, 0, class_count * sizeof *groups->ends);
    for (guint32 i = 0; i < count; i++)
        groups->ends[classes[rows[i]]]++;
    for (guint32 class = 0; class < class_count; class ++) {
        guint32 class_rows = groups->ends[class];
        groups->ends[class] = begin;
        begin += class_rows;
    }
    for (guint32 i = 0; i < count; i++)
        groups->rows[groups->ends[classes[rows[i]]]++] = rows[i];
}

const guint32 *
bill_groups_get(const BillGroups *groups, guint32 class, guint32 *count)
{
    guint32 begin = class > 0 ? groups->ends[class - 1] : 0;

    *count = groups->ends[class] - begin;
    return groups->rows + begin;
}
