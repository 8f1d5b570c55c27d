/* test_attempts.c - deaths of workers, counted across runs.
 * SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "jobs/attempts.h"
#include "tests/unit/scratch.h"

Test(attempts, deaths_are_counted_over_all_writers)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(RowStates) states = row_states_new();

    cr_assert(attempts_note(scratch.fd, "n07-0-1", 5, NULL));
    cr_assert(attempts_note(scratch.fd, "n07-0-1", 9, NULL));
    cr_assert(attempts_note(scratch.fd, "n07-1-2", 5, NULL));
    g_autoptr(Attempts) attempts = attempts_read(scratch.fd, states, NULL);
    cr_expect_eq(attempts_of(attempts, 5), 2);
    cr_expect_eq(attempts_of(attempts, 9), 1);
    cr_expect_eq(attempts_of(attempts, 1), 0);
}

Test(attempts, a_row_that_has_ended_begins_anew)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(RowStates) states = row_states_new();

    cr_assert(attempts_note(scratch.fd, "n07-0-1", 5, NULL));
    row_states_note(states, 5, ROW_WORKER_CRASH);
    g_autoptr(Attempts) attempts = attempts_read(scratch.fd, states, NULL);
    cr_expect_eq(attempts_of(attempts, 5), 0);
}

Test(attempts, a_torn_line_and_nonsense_are_ignored)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autoptr(RowStates) states = row_states_new();

    static const char torn[] = "12\nnonsense\n0\n-3\n12\n1";
    scratch_put(&scratch, "attempts-n07-0-1", torn, sizeof torn - 1);
    scratch_put(&scratch, "other-n07-0-1", "12\n", 3);
    g_autoptr(Attempts) attempts = attempts_read(scratch.fd, states, NULL);
    cr_expect_eq(attempts_of(attempts, 12), 2);
    cr_expect_eq(attempts_of(attempts, 1), 0);
}
