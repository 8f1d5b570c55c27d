/* archive.c - millrace archive: cold volumes that plain tools open and that prove themselves.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/archive.h"

#include "tools/verbs.h"

static const Verb verbs[] = {
    {"keygen", archive_keygen_main, "make a pair of keys, as minisign's"},
    {"pack", archive_pack_main, "put files and usage into volumes, and commit them"},
    {"list", archive_list_main, "what there is: records, volumes, the trail of one record"},
    {"cat", archive_cat_main, "print records"},
    {"restore", archive_restore_main, "records into a folder, whole and checked"},
    {"verify", archive_verify_main, "check volumes to the last byte, or a sample of them"},
    {"scrub", archive_scrub_main, "verify and repair what was not checked for longest"},
    {"repair", archive_repair_main, "make damaged files again: from parity, or a copy"},
    {"prove", archive_prove_main, "the proof of a record, for who has the public key alone"},
    {"hold", archive_hold_main, "keep volumes whatever their retention"},
    {"release", archive_release_main, "take a hold from volumes"},
    {"extend", archive_extend_main, "keep volumes longer"},
    {"expire", archive_expire_main, "end volumes that are due and not held"},
    {"push", archive_push_main, "copy an archive to another place"},
    {"pull", archive_pull_main, "the same, seen from the other side"},
};

int
main(int argc, char **argv)
{
    static const Verbs all = {
        .program = "archive",
        .example =
            "  millrace archive keygen --out auditor\n"
            "  millrace archive pack --to cold --key auditor.key --retain 7y bills/2026-11-*\n"
            "  millrace archive verify --from cold --trust auditor.pub",
        .verbs = verbs,
        .count = G_N_ELEMENTS(verbs)};

    return verbs_main(&all, argc, argv);
}
