/* archive_plan.c - where every byte of the volumes will come from.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_plan.h"

#include "formats/tar.h"
#include "formats/volume.h"

/* What is being planned. */
typedef struct {
    ArchivePlan *plan;
    guint64 volume_max_bytes;
    ArchiveVolume volume;
    guint64 volume_bytes;
    ArchiveFrame frame; /* not yet in the plan; empty at the begin */
} Planner;

static void
end_frame(Planner *planner)
{
    if (planner->frame.size_bytes > 0)
        g_array_append_val(planner->plan->frames, planner->frame);
    planner->frame = (ArchiveFrame){0};
}

static void
end_volume(Planner *planner, guint member_end)
{
    GArray *frames = planner->plan->frames;

    end_frame(planner);
    if (frames->len > planner->volume.frame_first) {
        g_array_index(frames, ArchiveFrame, frames->len - 1).ends = TRUE;
        planner->volume.member_end = member_end;
        planner->volume.frame_end = frames->len;
        g_array_append_val(planner->plan->volumes, planner->volume);
    }
    planner->volume = (ArchiveVolume){.member_first = member_end, .frame_first = frames->len};
    planner->volume_bytes = 0;
}

static void
add_large(Planner *planner, guint member, guint64 tar_bytes)
{
    end_frame(planner);
    g_array_append_val(planner->plan->large, member);
    for (guint64 offset = 0; offset < tar_bytes; offset += VOLUME_FRAME_BYTES) {
        planner->frame = (ArchiveFrame){
            .member = member,
            .member_offset = offset,
            .size_bytes = (guint32)MIN((guint64)VOLUME_FRAME_BYTES, tar_bytes - offset)};
        end_frame(planner);
    }
}

static void
add_member(Planner *planner, guint member, guint64 tar_bytes)
{
    if (planner->volume_bytes > 0 && planner->volume_bytes + tar_bytes > planner->volume_max_bytes)
        end_volume(planner, member);
    planner->volume_bytes += tar_bytes;
    if (tar_bytes > VOLUME_FRAME_BYTES) {
        add_large(planner, member, tar_bytes);
        return;
    }
    if (planner->frame.size_bytes + tar_bytes > VOLUME_FRAME_BYTES)
        end_frame(planner);
    if (planner->frame.size_bytes == 0)
        planner->frame.member = member;
    planner->frame.size_bytes += (guint32)tar_bytes;
}

ArchivePlan *
archive_plan_new(const ArchiveInputs *inputs, guint64 volume_max_bytes, GError **error)
{
    g_autoptr(ArchivePlan) plan = g_new0(ArchivePlan, 1);
    g_autoptr(GByteArray) header = g_byte_array_new();
    Planner planner = {.plan = plan, .volume_max_bytes = volume_max_bytes};

    plan->inputs = inputs;
    plan->frames = g_array_new(FALSE, FALSE, sizeof(ArchiveFrame));
    plan->volumes = g_array_new(FALSE, FALSE, sizeof(ArchiveVolume));
    plan->large = g_array_new(FALSE, FALSE, sizeof(guint));
    for (guint i = 0; i < inputs->members->len; i++) {
        const ArchiveMember *member = &g_array_index(inputs->members, ArchiveMember, i);
        g_byte_array_set_size(header, 0);
        if (!tar_header(member->name, member->size_bytes, member->mtime_s, header, error))
            return NULL;
        add_member(&planner, i, header->len + member->size_bytes + tar_padding(member->size_bytes));
    }
    end_volume(&planner, inputs->members->len);
    return g_steal_pointer(&plan);
}

void
archive_plan_free(ArchivePlan *plan)
{
    g_clear_pointer(&plan->frames, g_array_unref);
    g_clear_pointer(&plan->volumes, g_array_unref);
    g_clear_pointer(&plan->large, g_array_unref);
    g_free(plan);
}
