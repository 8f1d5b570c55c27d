/* resize_plan.c - what a run would do, without doing it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "formats/error.h"
#include "jobs/resize_folder.h"
#include "jobs/resize_open.h"
#include "jobs/resize_recover.h"
#include "jobs/resize_source.h"

/* What earlier tries have done, if the folder is there at all. */
static gboolean
read_states(const ResizeConfig *config, RowStates *states, GError **error)
{
    ResizeFolder folder;

    if (!resize_folder_open(&folder, config->output, FALSE, NULL))
        return TRUE;
    g_autoptr(GPtrArray) ledgers = resize_folder_ledgers(&folder, error);
    gboolean good = ledgers && resize_recover(&folder, ledgers, states, FALSE, NULL, error);
    row_states_forget_failed(states, config->retry_mask);
    resize_folder_close(&folder);
    return good;
}

static void
look_at(const ResizeConfig *config, int beneath_fd, const LeaseItem *item, ResizePlan *plan)
{
    OutputSpec specs[OUTPUTS_PER_ROW_MAX];
    ManifestRow row;
    ResizeOpenFailure failure;
    guint64 size_bytes = 0;
    int fd = -1;

    guint deaths = 0;
    gboolean whole = resize_item_decode(item, &row, &deaths);
    g_assert(whole);
    const char *to = *row.to ? row.to : config->to;
    int count =
        to && !row.problem ? output_spec_parse_list(to, specs, OUTPUTS_PER_ROW_MAX, NULL) : 0;
    if (count <= 0) {
        plan->bad_row_count++;
    } else if ((fd = resize_open(beneath_fd, row.source, &size_bytes, &failure)) < 0) {
        plan->missing_count++;
    } else {
        plan->output_count += (guint64)count;
        plan->bytes_in += size_bytes;
        close(fd);
    }
}

gboolean
resize_plan(const ResizeConfig *config, ResizePlan *plan, GError **error)
{
    g_autoptr(RowStates) states = row_states_new();
    g_autoptr(ResizeSource) source = resize_source_open(config, error);
    LeaseItem item;
    ForeachNext next = FOREACH_ITEM;

    memset(plan, 0, sizeof *plan);
    if (!source || !read_states(config, states, error))
        return FALSE;
    int beneath_fd = config->beneath ? resize_beneath_open(config->beneath, error) : -1;
    if (config->beneath && beneath_fd < 0)
        return FALSE;
    resize_source_look(source, states);
    while ((next = resize_source_next(source, &item, error)) == FOREACH_ITEM)
        look_at(config, beneath_fd, &item, plan);
    if (beneath_fd >= 0)
        close(beneath_fd);
    plan->row_count = resize_source_rows_seen(source);
    for (guint i = 0; i < ROW_CLASS_COUNT; i++)
        plan->done_count += row_states_count(states, (RowClass)i);
    return next == FOREACH_END;
}
