/* test_resize_recover.c - what a crash at any point leaves of a ledger and its usage log, and what
 * becomes of it. SPDX-License-Identifier: Apache-2.0 */
#include "jobs/resize_recover.h"

#include "formats/usage.h"
#include "tests/unit/scratch.h"

static const char ledger_name[] = "ledger-n1-0-1";
static const char usage_name[] = "usage-n1-0-1.ndjson";

/* A ledger of rows 1 to count, each with two outputs. Returns: (transfer full) the log that belongs
 * to it. */
static char *
put_ledger(const Scratch *scratch, guint count)
{
    LedgerHeader header = {.job = "job-1", .writer = "n1-0-1", .node = "n1"};
    g_autoptr(LedgerWriter) writer = ledger_writer_create(scratch->fd, ledger_name, &header, NULL);
    GString *lines = g_string_new(NULL);

    for (guint i = 1; i <= count; i++) {
        LedgerRecord record = {.row = i,
                               .class = i % 2 == 0 ? ROW_TIMEOUT : ROW_OK,
                               .customer = "acme",
                               .request = "r",
                               .output_count = 2};
        ledger_writer_append(writer, &record);
        usage_print_record(&header, &record, 2 * i - 1, lines);
    }
    cr_assert(ledger_writer_sync(writer, NULL));
    return g_string_free(lines, FALSE);
}

/* Recovers, and expects the log to be as given. Returns how many logs were repaired. */
static guint
recover(const Scratch *scratch, const char *expected_log)
{
    ResizeFolder folder = {.output_fd = -1, .state_fd = scratch->fd, .tmp_fd = -1, .lock_fd = -1};
    g_autoptr(RowStates) states = row_states_new();
    g_autoptr(GPtrArray) ledgers = resize_folder_ledgers(&folder, NULL);
    guint repaired_count = 0;

    cr_assert(resize_recover(&folder, ledgers, states, TRUE, &repaired_count, NULL));
    g_autofree char *log = scratch_get(scratch, usage_name, NULL);
    cr_assert_not_null(log, "there is no usage log");
    cr_expect_str_eq(log, expected_log);
    return repaired_count;
}

Test(resize_recover, a_whole_log_is_left_alone)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *log = put_ledger(&scratch, 3);

    scratch_put(&scratch, usage_name, log, strlen(log));
    cr_expect_eq(recover(&scratch, log), 0);
}

Test(resize_recover, a_log_cut_anywhere_is_completed)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *log = put_ledger(&scratch, 3);

    for (gsize size = 0; size < strlen(log); size += 7) {
        scratch_put(&scratch, usage_name, log, size);
        cr_expect_eq(recover(&scratch, log), 1, "cut at %zu", size);
    }
}

Test(resize_recover, a_log_that_says_more_than_its_ledger_is_cut)
{
    g_auto(Scratch) scratch = scratch_new();
    g_auto(Scratch) longer = scratch_new();
    g_autofree char *log = put_ledger(&scratch, 3);
    g_autofree char *more = put_ledger(&longer, 4);

    scratch_put(&scratch, usage_name, more, strlen(more));
    cr_expect_eq(recover(&scratch, log), 1);
}

Test(resize_recover, a_ledger_without_records_has_an_empty_log)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *log = put_ledger(&scratch, 0);

    /* A crash between the two files' creation. */
    cr_expect_eq(recover(&scratch, log), 1);
    cr_expect_eq(recover(&scratch, log), 0, "now it is there");
    scratch_put(&scratch, usage_name, "{\"spec", 6);
    cr_expect_eq(recover(&scratch, log), 1);
}

Test(resize_recover, a_ledger_cut_in_its_header_has_an_empty_log)
{
    g_auto(Scratch) scratch = scratch_new();

    scratch_put(&scratch, ledger_name, "MRLEDGR1\x1c\0\0", 11);
    cr_expect_eq(recover(&scratch, ""), 1);
}

Test(resize_recover, rows_have_their_states_from_all_ledgers)
{
    g_auto(Scratch) scratch = scratch_new();
    ResizeFolder folder = {.output_fd = -1, .state_fd = scratch.fd, .tmp_fd = -1, .lock_fd = -1};
    LedgerHeader header = {.job = "job-1", .writer = "n1-0-2", .node = "n1"};
    LedgerRecord record = {.row = 2, .class = ROW_OK, .output_count = 1};
    g_autoptr(RowStates) states = row_states_new();
    g_autofree char *log = put_ledger(&scratch, 4);
    g_autoptr(LedgerWriter) later =
        ledger_writer_create(scratch.fd, "ledger-n1-0-2", &header, NULL);

    ledger_writer_append(later, &record);
    cr_assert(ledger_writer_sync(later, NULL));
    g_autoptr(GPtrArray) ledgers = resize_folder_ledgers(&folder, NULL);
    cr_assert(resize_recover(&folder, ledgers, states, FALSE, NULL, NULL));
    cr_expect_eq(row_states_count(states, ROW_OK), 3);
    cr_expect_eq(row_states_class(states, 2), ROW_OK, "the second try did it");
    cr_expect_eq(row_states_class(states, 4), ROW_TIMEOUT);
    cr_expect_null(scratch_get(&scratch, usage_name, NULL), "logs were not asked for");
}
