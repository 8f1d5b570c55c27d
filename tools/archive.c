/* archive.c - millrace archive: cold volumes that plain tools open and that prove themselves.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/archive.h"

#include <stdio.h>
#include <string.h>

#include "tools/tool.h"

static const struct {
    const char *verb;
    int (*run)(int argc, char **argv);
    const char *does;
} verbs[] = {
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

static void
print_help(FILE *out)
{
    fputs("Example:\n"
          "  millrace archive keygen --out auditor\n"
          "  millrace archive pack --to cold --key auditor.key --retain 7y bills/2026-11-*\n"
          "  millrace archive verify --from cold --trust auditor.pub\n"
          "\nUsage: millrace archive VERB ...\n\nVerbs:\n",
          out);
    for (guint i = 0; i < G_N_ELEMENTS(verbs); i++)
        fprintf(out, "  %-8s %s\n", verbs[i].verb, verbs[i].does);
    fputs("\nmillrace archive VERB --help tells more, and so does man millrace-archive.\n", out);
}

int
main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";

    if (strcmp(verb, "--version") == 0) {
        printf("millrace %s\n", MILLRACE_VERSION);
        return tool_finish(EXIT_ALL_DONE);
    }
    if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0 || strcmp(verb, "help") == 0) {
        print_help(stdout);
        return tool_finish(EXIT_ALL_DONE);
    }
    for (guint i = 0; i < G_N_ELEMENTS(verbs); i++)
        if (strcmp(verb, verbs[i].verb) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    print_help(stderr);
    if (*verb)
        tool_log("archive: there is no verb \"%s\"", verb);
    return EXIT_BAD_USAGE;
}
