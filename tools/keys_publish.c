/* keys_publish.c - millrace keys init, publish, fetch: states, and what doors read of them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "jobs/identity_source.h"
#include "jobs/key_pair.h"
#include "jobs/keys_store.h"
#include "tools/keys.h"
#include "tools/tool.h"

static gboolean
usage(GError **error, const char *text)
{
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, text);
    return FALSE;
}

/* Takes one operand and no options. */
static gboolean
parse_state(const Tool *tool, char **state, int argc, char **argv, GError **error)
{
    g_auto(GStrv) rest = NULL;
    const GOptionEntry entries[] = {
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &rest, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(tool, entries, &argc, &argv, error))
        return FALSE;
    if (!rest || g_strv_length(rest) != 1 || **rest == '\0')
        return usage(error, "expected one folder, STATE; see --help");
    *state = g_strdup(rest[0]);
    return TRUE;
}

int
keys_init_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "keys init",
        .synopsis = "STATE",
        .example = "  millrace keys init STATE",
        .summary = "Makes the folder STATE: a store without keys, the publisher's pair of keys, "
                   "which signs what is\npublished, and the door's pair, which signs receipts. "
                   "Never replaces anything."};
    g_autofree char *state = NULL;
    g_autoptr(GError) error = NULL;

    if (!parse_state(&tool, &state, argc, argv, &error) || !keys_state_init(state, &error))
        return tool_fail(error);
    tool_log("%s is ready: millrace keys add %s --customer NAME makes a key", state, state);
    return tool_finish(EXIT_ALL_DONE);
}

static int
print_head(const IdentityHead *head, const char *what)
{
    printf("%" G_GUINT64_FORMAT "\n", head->epoch);
    tool_log("%s epoch %" G_GUINT64_FORMAT " with %" G_GUINT64_FORMAT " keys", what, head->epoch,
             head->count);
    return tool_finish(EXIT_ALL_DONE);
}

int
keys_publish_main(int argc, char **argv)
{
    static const Tool tool = {
        .verb = "keys publish",
        .synopsis = "STATE",
        .example = "  millrace keys publish STATE",
        .summary = "Publishes what is in the store under the next epoch, and prints that. Every "
                   "change publishes by\nitself: this is for when that failed, and as a sign of "
                   "life for doors that heed the age."};
    g_autofree char *state = NULL;
    IdentityHead head;
    g_autoptr(GError) error = NULL;

    if (!parse_state(&tool, &state, argc, argv, &error))
        return tool_fail(error);
    g_autoptr(KeysStore) store = keys_store_open(state, &error);
    if (!store || !keys_store_publish(store, &head, &error))
        return tool_fail(error);
    return print_head(&head, "published");
}

typedef struct {
    char *from;
    char **trust;
    char **rest;
} FetchOptions;

static void
fetch_options_clear(FetchOptions *options)
{
    g_free(options->from);
    g_strfreev(options->trust);
    g_strfreev(options->rest);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FetchOptions, fetch_options_clear)

static gboolean
parse_fetch(FetchOptions *options, int argc, char **argv, GError **error)
{
    static const Tool tool = {
        .verb = "keys fetch",
        .synopsis = "DEST",
        .example = "  millrace keys fetch --from http://10.0.0.7:9090/identity "
                   "--trust publisher.pub identity",
        .summary = "Brings the current snapshot to the folder DEST, checked: what is forged, "
                   "damaged or older than\nwhat DEST has is refused, and DEST stays as it is. "
                   "Prints the epoch. Doors take DEST for --identity."};
    const GOptionEntry entries[] = {
        {"from", 0, 0, G_OPTION_ARG_FILENAME, &options->from,
         "STATE/identity/published, a copy of it, or its http(s) URL", "DIR|URL"},
        {"trust", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->trust,
         "The publisher's public key (may be repeated)", "NAME.pub"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->rest, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, error))
        return FALSE;
    if (!options->from || *options->from == '\0')
        return usage(error, "--from is missing, as in --from STATE/identity/published");
    if (!identity_source_check(options->from, error)) {
        g_prefix_error(error, "--from=");
        return FALSE;
    }
    if (!options->trust)
        return usage(error, "--trust is missing, as in --trust publisher.pub");
    if (!options->rest || g_strv_length(options->rest) != 1 || **options->rest == '\0')
        return usage(error, "expected one folder, DEST; see --help");
    return TRUE;
}

int
keys_fetch_main(int argc, char **argv)
{
    g_auto(FetchOptions) options = {0};
    IdentityHead head;
    g_autoptr(GError) error = NULL;

    if (!parse_fetch(&options, argc, argv, &error))
        return tool_fail(error);
    g_autoptr(GArray) keys = key_pair_read_trusted((const char *const *)options.trust, &error);
    if (!keys || !identity_mirror(options.from, options.rest[0],
                                  (const MinisignPublic *)(const void *)keys->data, keys->len,
                                  &head, &error))
        return tool_fail(error);
    return print_head(&head, "has");
}
