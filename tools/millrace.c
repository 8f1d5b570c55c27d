/* millrace.c - millrace VERB runs millrace-VERB, from beside this program or from PATH, as git
 * does.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/tool.h"

static const struct {
    const char *verb;
    const char *does;
} verbs[] = {
    {"manifest", "build and check the list of images that a run is given"},
    {"resize", "resize every image of a manifest, on one host or many, and account for every row"},
    {"run", "run a verb under mpirun, supervised and resumed, with a true exit code"},
    {"usage", "usage logs into the batch store; print, account for, seal and sync stores"},
    {"bill", "usage into statements that prove themselves; close, explain, verify, show them"},
    {"archive", "records into cold storage that plain tools open; verify, repair, restore them"},
    {"keys", "customers' API keys: make, revoke and publish them"},
    {"door", "serve resizing over HTTP to those who have a key, and take bulk jobs"},
    {"queue", "bulk jobs: submit, list, cancel and do them"},
};

static void
print_help(FILE *out)
{
    fputs("Example:\n"
          "  millrace manifest build photos > manifest.csv\n"
          "  millrace resize --to 320x320 -o thumbs manifest.csv\n"
          "\nUsage: millrace VERB ...\n\nVerbs:\n",
          out);
    for (guint i = 0; i < G_N_ELEMENTS(verbs); i++)
        fprintf(out, "  %-10s %s\n", verbs[i].verb, verbs[i].does);
    fputs("\nOptions:\n"
          "  -h, --help   Print this\n"
          "  --version    Print the version\n"
          "\nmillrace VERB --help tells more, and so does man millrace-VERB.\n",
          out);
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
    if (*verb == '\0' || *verb == '-' || strchr(verb, '/')) {
        print_help(stderr);
        return EXIT_BAD_USAGE;
    }
    g_autofree char *name = g_strconcat("millrace-", verb, NULL);
    g_autofree char *beside = tool_find_program(name);
    argv[1] = name;
    execv(beside, argv + 1);
    if (errno == ENOENT)
        execvp(name, argv + 1);
    if (errno == ENOENT)
        tool_log("there is no verb \"%s\"; millrace --help lists those there are", verb);
    else
        tool_log("%s: %s", beside, g_strerror(errno));
    return errno == ENOENT ? EXIT_BAD_USAGE : EXIT_UNAVAILABLE;
}
