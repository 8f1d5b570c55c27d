/* test_poison.c - a body that killed a worker is known to all who share the folder.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/poison.h"

#include "tests/unit/scratch.h"

static Poison *
open_poison(const char *path)
{
    g_autoptr(GError) error = NULL;
    Poison *poison = poison_open(path, &error);

    cr_assert_not_null(poison, "%s", error ? error->message : "");
    return poison;
}

Test(poison, what_one_has_seen_all_know_at_once)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "poison", NULL);
    g_autoptr(Poison) one = open_poison(path);
    g_autoptr(Poison) other = open_poison(path);
    guint8 bad[SHA256_BYTES];
    guint8 good[SHA256_BYTES];

    sha256_bytes("bad", 3, bad);
    sha256_bytes("good", 4, good);
    cr_expect_not(poison_has(one, bad));
    cr_expect(poison_add(one, bad, "signal 11\nin libx", NULL));
    cr_expect(poison_add(one, bad, "again", NULL));
    cr_expect(poison_has(one, bad));
    cr_expect(poison_has(other, bad));
    cr_expect_not(poison_has(one, good));
    cr_expect_not(poison_has(other, good));
    g_autoptr(Poison) later = open_poison(path);
    cr_expect(poison_has(later, bad));
    /* printf bad | sha256sum */
    g_autofree char *why = scratch_get(
        &scratch, "poison/2f05d4b689d270cafb02285f35f44866f7dc8a2d368a3f9d1124373eeab31fb1", NULL);
    cr_expect_str_eq(why, "signal 11 in libx\n");
}

Test(poison, a_folder_that_cannot_be_written_to_makes_nobody_forget)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "poison", NULL);
    g_autoptr(Poison) poison = open_poison(path);
    g_autoptr(GError) error = NULL;
    guint8 bad[SHA256_BYTES];

    sha256_bytes("bad", 3, bad);
    cr_assert_eq(rmdir(path), 0, "a folder that is gone takes nothing, not even root's");
    cr_expect_not(poison_add(poison, bad, "signal 11", &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE) ||
                  g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_IO),
              "%s", error ? error->message : "no error");
    cr_expect(poison_has(poison, bad));
}

Test(poison, a_file_in_the_way_is_refused)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *path = g_build_filename(scratch.path, "file", NULL);
    g_autoptr(GError) error = NULL;

    scratch_put(&scratch, "file", "", 0);
    cr_expect_null(poison_open(path, &error));
    cr_expect_not_null(error);
}
