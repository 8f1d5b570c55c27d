/* test_archive_clash.c - which keys have other bytes in another volume.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_restore_internal.h"

#include <criterion/criterion.h>
#include <string.h>

/* A key's letter, or none, and the digit that its digest is made of. */
static VolumeRecord
record_of(const char *text)
{
    static char key[2];
    VolumeRecord record = {.key = key};

    key[0] = text[1] ? text[0] : '\0';
    memset(record.sha256, text[strlen(text) - 1], SHA256_CHARS);
    return record;
}

Test(archive_clash, keys_clash_when_their_bytes_differ)
{
    g_autoptr(Clashes) clashes = clashes_new();
    static const char *const packed[] = {"a0", "b0", "c1", "a0", "b1", "b0", "0", "d1"};

    cr_expect_eq(clashes_count(clashes), 0);
    for (guint i = 0; i < G_N_ELEMENTS(packed); i++) {
        VolumeRecord record = record_of(packed[i]);
        clashes_add(clashes, &record);
    }
    cr_expect_eq(clashes_count(clashes), 1);
    for (guint i = 0; i < G_N_ELEMENTS(packed); i++) {
        VolumeRecord record = record_of(packed[i]);
        cr_expect_eq(clashes_has(clashes, &record), *packed[i] == 'b');
    }
}
