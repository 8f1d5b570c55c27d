/* Tests of jobs/archive_plan.c and archive_frame.c. Sizes are reckoned by hand: a member takes a
 * header of 512 bytes and its data filled up to 512; a frame has 4194304 bytes at most.
 * SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <glib/gstdio.h>
#include <string.h>

#include "formats/sha256.h"
#include "jobs/archive_plan.h"

enum { MIB = 1 << 20 };

typedef struct {
    ArchiveInputs *inputs;
    ArchivePlan *plan;
} Planned;

/* Members named a, b, c, ... of these sizes; the last size is 0. */
static Planned
plan(const guint64 *sizes, guint count, guint64 volume_max_bytes)
{
    Planned planned = {.inputs = archive_inputs_new()};

    for (guint i = 0; i < count; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        ArchivePiece piece = {.path = "/nowhere", .size_bytes = sizes[i]};
        ArchiveMember member = {
            .name = name, .size_bytes = sizes[i], .pieces = &piece, .piece_count = 1};
        archive_inputs_add(planned.inputs, &member);
    }
    cr_assert(archive_inputs_sort(planned.inputs, NULL));
    planned.plan = archive_plan_new(planned.inputs, volume_max_bytes, NULL);
    cr_assert(planned.plan);
    return planned;
}

static void
planned_free(Planned *planned)
{
    archive_plan_free(planned->plan);
    archive_inputs_free(planned->inputs);
}

static void
expect_frame(const Planned *planned, guint index, guint member, guint64 offset, guint32 size_bytes)
{
    const ArchiveFrame *frame = &g_array_index(planned->plan->frames, ArchiveFrame, index);

    cr_expect_eq(frame->member, member, "frame %u begins with member %u", index, frame->member);
    cr_expect_eq(frame->member_offset, offset, "frame %u", index);
    cr_expect_eq(frame->size_bytes, size_bytes, "frame %u: %u", index, frame->size_bytes);
    cr_expect_eq(frame->ends, index + 1 == planned->plan->frames->len, "frame %u", index);
}

Test(archive_plan, small_members_share_a_frame_until_one_would_not_fit_whole)
{
    /* 512 + 2 MiB twice is over 4 MiB; the third fits beside the second. */
    static const guint64 sizes[] = {2 * MIB, 2 * MIB, 1, 0};
    Planned planned = plan(sizes, 4, G_MAXINT64);

    cr_assert_eq(planned.plan->frames->len, 2);
    expect_frame(&planned, 0, 0, 0, 512 + 2 * MIB);
    expect_frame(&planned, 1, 1, 0, 512 + 2 * MIB + 1024 + 512);
    cr_expect_eq(planned.plan->large->len, 0);
    planned_free(&planned);
}

Test(archive_plan, a_member_that_just_fits_is_not_cut)
{
    static const guint64 sizes[] = {4 * MIB - 512, 4 * MIB - 511};
    Planned planned = plan(sizes, 2, G_MAXINT64);

    cr_assert_eq(planned.plan->frames->len, 3);
    expect_frame(&planned, 0, 0, 0, 4 * MIB);
    expect_frame(&planned, 1, 1, 0, 4 * MIB);
    expect_frame(&planned, 2, 1, 4 * MIB, 512);
    planned_free(&planned);
}

Test(archive_plan, large_members_have_frames_of_their_own)
{
    static const guint64 sizes[] = {10, 9 * MIB, 10};
    Planned planned = plan(sizes, 3, G_MAXINT64);

    cr_assert_eq(planned.plan->frames->len, 5);
    expect_frame(&planned, 0, 0, 0, 1024);
    expect_frame(&planned, 1, 1, 0, 4 * MIB);
    expect_frame(&planned, 2, 1, 4 * MIB, 4 * MIB);
    expect_frame(&planned, 3, 1, 8 * MIB, MIB + 512);
    expect_frame(&planned, 4, 2, 0, 1024);
    cr_assert_eq(planned.plan->large->len, 1);
    cr_expect_eq(g_array_index(planned.plan->large, guint, 0), 1);
    planned_free(&planned);
}

Test(archive_plan, volumes_end_before_the_member_that_would_make_them_too_large)
{
    static const guint64 sizes[] = {1000, 1000, 5 * MIB, 1000};
    Planned planned = plan(sizes, 4, 4096);
    const ArchiveVolume *volumes = (const ArchiveVolume *)planned.plan->volumes->data;

    cr_assert_eq(planned.plan->volumes->len, 3);
    cr_expect(volumes[0].member_first == 0 && volumes[0].member_end == 2);
    cr_expect(volumes[0].frame_first == 0 && volumes[0].frame_end == 1);
    cr_expect(volumes[1].member_first == 2 && volumes[1].member_end == 3);
    cr_expect(volumes[1].frame_first == 1 && volumes[1].frame_end == 3);
    cr_expect(volumes[2].member_first == 3 && volumes[2].member_end == 4);
    for (guint i = 0; i < 4; i++)
        cr_expect_eq(g_array_index(planned.plan->frames, ArchiveFrame, i).ends, i != 1);
    planned_free(&planned);
}

Test(archive_plan, nothing_has_no_volumes)
{
    Planned planned = plan(NULL, 0, G_MAXINT64);

    cr_expect_eq(planned.plan->volumes->len, 0);
    cr_expect_eq(planned.plan->frames->len, 0);
    planned_free(&planned);
}

Test(archive_frame, pieces_of_files_make_a_member_and_its_digest)
{
    g_autofree char *folder = g_dir_make_tmp("millrace-frame-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "pieces", NULL);
    g_autoptr(GByteArray) tar = g_byte_array_new();
    g_autoptr(GArray) digests = g_array_new(FALSE, FALSE, sizeof(ArchiveDigest));
    char expected[SHA256_CHARS + 1];
    char large[SHA256_CHARS + 1];

    cr_assert(g_file_set_contents(path, "0123456789", 10, NULL));
    ArchivePiece pieces[] = {{path, 7, 3}, {path, 0, 2}, {path, 5, 0}, {path, 4, 1}};
    ArchiveMember member = {
        .name = "member", .size_bytes = 6, .pieces = pieces, .piece_count = 4, .mtime_s = 7};
    ArchiveInputs *inputs = archive_inputs_new();
    archive_inputs_add(inputs, &member);
    cr_assert(archive_inputs_sort(inputs, NULL));
    ArchivePlan *made = archive_plan_new(inputs, G_MAXINT64, NULL);
    cr_assert(archive_frame_make(made, 0, tar, digests, NULL));
    cr_expect_eq(tar->len, 1024 + 1024);
    cr_expect_eq(memcmp(tar->data, "member", 7), 0);
    cr_expect_eq(memcmp(tar->data + 512, "789014", 7), 0);
    /* printf 789014 | sha256sum */
    sha256_hex("789014", 6, expected);
    cr_assert_eq(digests->len, 1);
    cr_expect_str_eq(g_array_index(digests, ArchiveDigest, 0).sha256, expected);
    cr_assert(archive_member_digest(made, 0, large, NULL));
    cr_expect_str_eq(large, expected);
    archive_plan_free(made);
    archive_inputs_free(inputs);
    g_unlink(path);
    g_rmdir(folder);
}

Test(archive_frame, a_file_that_was_changed_is_an_error)
{
    g_autofree char *folder = g_dir_make_tmp("millrace-frame-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "file", NULL);
    g_autoptr(GByteArray) tar = g_byte_array_new();
    g_autoptr(GArray) digests = g_array_new(FALSE, FALSE, sizeof(ArchiveDigest));
    g_autoptr(GError) error = NULL;
    const char *operands[] = {path, NULL};
    ArchiveOperands given = {.operands = operands, .list_end = '\n'};

    cr_assert(g_file_set_contents(path, "before", 6, NULL));
    ArchiveInputs *inputs = archive_inputs_find(&given, NULL);
    ArchivePlan *made = archive_plan_new(inputs, G_MAXINT64, NULL);
    cr_assert(archive_frame_make(made, 0, tar, digests, NULL));
    g_usleep(20000);
    cr_assert(g_file_set_contents(path, "behind", 6, NULL));
    cr_expect_not(archive_frame_make(made, 0, tar, digests, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED));
    archive_plan_free(made);
    archive_inputs_free(inputs);
    g_unlink(path);
    g_rmdir(folder);
}
