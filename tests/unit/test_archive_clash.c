/* test_archive_clash.c - which keys have other bytes in another volume.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_restore_internal.h"

#include <criterion/criterion.h>
#include <string.h>

static VolumeRecord
record_of(const char *key, char digit)
{
    VolumeRecord record = {.key = key};

    memset(record.sha256, digit, SHA256_CHARS);
    return record;
}

Test(archive_clash, keys_clash_when_their_bytes_differ)
{
    g_autoptr(Clashes) clashes = clashes_new();
    const VolumeRecord records[] = {record_of("a", '0'), record_of("b", '0'), record_of("c", '1'),
                                    record_of("a", '0'), record_of("b", '1'), record_of("b", '0'),
                                    record_of("", '0'),  record_of("d", '1')};

    cr_expect_eq(clashes_count(clashes), 0);
    for (guint i = 0; i < G_N_ELEMENTS(records); i++)
        clashes_add(clashes, &records[i]);
    cr_expect_eq(clashes_count(clashes), 1);
    for (guint i = 0; i < G_N_ELEMENTS(records); i++)
        cr_expect_eq(clashes_has(clashes, &records[i]), strcmp(records[i].key, "b") == 0);
}
