/* verbs.c - a program of several verbs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/verbs.h"

#include <stdio.h>
#include <string.h>

#include "tools/tool.h"

static void
print_help(const Verbs *verbs, FILE *out)
{
    int width = 0;

    for (guint i = 0; i < verbs->count; i++)
        width = MAX(width, (int)strlen(verbs->verbs[i].verb));
    fprintf(out, "Example:\n%s\n\nUsage: millrace %s VERB ...\n\nVerbs:\n", verbs->example,
            verbs->program);
    for (guint i = 0; i < verbs->count; i++)
        fprintf(out, "  %-*s  %s\n", width, verbs->verbs[i].verb, verbs->verbs[i].does);
    fprintf(out, "\nmillrace %s VERB --help tells more, and so does man millrace-%s.\n",
            verbs->program, verbs->program);
}

int
verbs_main(const Verbs *verbs, int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";

    if (strcmp(verb, "--version") == 0) {
        printf("millrace %s\n", MILLRACE_VERSION);
        return tool_finish(EXIT_ALL_DONE);
    }
    if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0 || strcmp(verb, "help") == 0) {
        print_help(verbs, stdout);
        return tool_finish(EXIT_ALL_DONE);
    }
    for (guint i = 0; i < verbs->count; i++)
        if (strcmp(verb, verbs->verbs[i].verb) == 0)
            return verbs->verbs[i].run(argc - 1, argv + 1);
    print_help(verbs, stderr);
    if (*verb)
        tool_log("%s: there is no verb \"%s\"", verbs->program, verb);
    return EXIT_BAD_USAGE;
}
