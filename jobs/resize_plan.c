/* resize_plan.c - what a run would do, without doing it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/stat.h>

#include "formats/error.h"
#include "jobs/resize_folder.h"
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
look_at(const ResizeConfig *config, const LeaseItem *item, ResizePlan *plan)
{
    OutputSpec specs[OUTPUTS_PER_ROW_MAX];
    ManifestRow row;
    struct stat status;

    guint deaths = 0;
    gboolean whole = resize_item_decode(item, &row, &deaths);
    g_assert(whole);
    const char *to = *row.to ? row.to : config->to;
    int count =
        to && !row.problem ? output_spec_parse_list(to, specs, OUTPUTS_PER_ROW_MAX, NULL) : 0;
    if (count <= 0) {
        plan->bad_row_count++;
    } else if (stat(row.source, &status) != 0 || !S_ISREG(status.st_mode)) {
        plan->missing_count++;
    } else {
        plan->output_count += (guint64)count;
        plan->bytes_in += (guint64)status.st_size;
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
    resize_source_look(source, states);
    while ((next = resize_source_next(source, &item, error)) == FOREACH_ITEM)
        look_at(config, &item, plan);
    plan->row_count = resize_source_rows_seen(source);
    for (guint i = 0; i < ROW_CLASS_COUNT; i++)
        plan->done_count += row_states_count(states, (RowClass)i);
    return next == FOREACH_END;
}
