/* keys_change.c - millrace keys add, revoke, rotate. A new key is printed once it is durable and
 * published, and is nowhere else.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "formats/duration.h"
#include "jobs/keys_store.h"
#include "tools/keys.h"
#include "tools/tool.h"

#define COUNT_MAX G_GUINT64_CONSTANT(1000000000)

typedef struct {
    char *customer;
    char *scopes;
    char *rate;
    char *burst;
    char *quota;
    char *expires;
    char *note;
    char *grace;
    char **rest;
} ChangeOptions;

static void
change_options_clear(ChangeOptions *options)
{
    g_free(options->customer);
    g_free(options->scopes);
    g_free(options->rate);
    g_free(options->burst);
    g_free(options->quota);
    g_free(options->expires);
    g_free(options->note);
    g_free(options->grace);
    g_strfreev(options->rest);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ChangeOptions, change_options_clear)

static gboolean
usage(GError **error, const char *text)
{
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE, text);
    return FALSE;
}

static guint
operand_count(const ChangeOptions *options)
{
    return options->rest ? g_strv_length(options->rest) : 0;
}

/* Prints a new key. When nobody can have read it, it had better be revoked. */
static int
print_key(KeysStore *store, const char *key, const char *what)
{
    char id[API_KEY_ID_CHARS + 1];
    g_autoptr(GError) error = NULL;

    if (!keys_store_id(store, key, id, &error))
        return tool_fail(error);
    puts(key);
    int code = tool_finish(EXIT_ALL_DONE);
    if (code == EXIT_ALL_DONE)
        tool_log("%s: its id is %s; the key itself is not shown again", what, id);
    else
        tool_log("the key %s could not be printed, and is shown to nobody again: revoke it", id);
    return code;
}

/* How long, or until when. */
static gboolean
parse_expiry(const char *text, gint64 *expires_us, GError **error)
{
    gint64 now_us = g_get_real_time();
    Duration duration;

    *expires_us = G_MAXINT64;
    if (!text)
        return TRUE;
    if (strchr(text, '-')) {
        if (!time_parse("--expires", text, expires_us, error))
            return FALSE;
    } else {
        if (!duration_parse("--expires", text, &duration, error))
            return FALSE;
        *expires_us = duration_after(&duration, now_us);
    }
    return *expires_us > now_us || usage(error, "--expires: that is over already");
}

/* 0 when the option is not given. */
static gboolean
parse_count(const char *option, const char *text, guint64 max, guint64 *count, GError **error)
{
    *count = 0;
    return !text || tool_parse_count(option, text, 1, max, count, error);
}

static gboolean
make_wish(const ChangeOptions *options, KeysWish *wish, GError **error)
{
    guint64 rate = 0;
    guint64 burst = 0;

    *wish = (KeysWish){.customer = options->customer, .note = options->note, .scopes = SCOPE_ALL};
    if (options->scopes && !scopes_parse(options->scopes, &wish->scopes, error))
        return FALSE;
    if (!parse_count("--rate", options->rate, COUNT_MAX, &rate, error) ||
        !parse_count("--burst", options->burst, COUNT_MAX, &burst, error) ||
        !parse_count("--quota", options->quota, COUNT_MAX * COUNT_MAX, &wish->daily_quota, error) ||
        !parse_expiry(options->expires, &wish->expires_us, error))
        return FALSE;
    if (burst > 0 && rate == 0)
        return usage(error, "--burst goes with --rate");
    wish->rate_per_s = (guint32)rate;
    wish->burst = (guint32)(burst > 0 ? burst : rate);
    return TRUE;
}

static gboolean
parse_add(ChangeOptions *options, KeysWish *wish, int argc, char **argv, GError **error)
{
    static const Tool tool = {
        .verb = "keys add",
        .synopsis = "STATE",
        .example = "  millrace keys add STATE --customer acme > acme.key\n"
                   "  millrace keys add STATE --customer acme --scopes resize --rate 50 "
                   "--expires 90d",
        .summary = "Makes a key, publishes it, and prints it: alone on a line, and once. What is "
                   "kept is a hash of it."};
    const GOptionEntry entries[] = {
        {"customer", 0, 0, G_OPTION_ARG_FILENAME, &options->customer,
         "Who pays for what is done with the key", "NAME"},
        {"scopes", 0, 0, G_OPTION_ARG_FILENAME, &options->scopes,
         "What it may do, of resize,jobs,usage (all)", "LIST"},
        {"rate", 0, 0, G_OPTION_ARG_FILENAME, &options->rate, "Requests a second (no limit)", "N"},
        {"burst", 0, 0, G_OPTION_ARG_FILENAME, &options->burst,
         "Requests at once (as many as a second)", "N"},
        {"quota", 0, 0, G_OPTION_ARG_FILENAME, &options->quota,
         "Requests a day, UTC, at each door (no limit)", "N"},
        {"expires", 0, 0, G_OPTION_ARG_FILENAME, &options->expires,
         "After how long, as 90d, or when, as 2033-12-01 (never)", "WHEN"},
        {"note", 0, 0, G_OPTION_ARG_FILENAME, &options->note, "Words for the list", "TEXT"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->rest, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, error))
        return FALSE;
    if (operand_count(options) != 1)
        return usage(error, "expected one folder, STATE; see --help");
    if (!options->customer)
        return usage(error, "--customer is missing, as in --customer acme");
    return make_wish(options, wish, error);
}

int
keys_add_main(int argc, char **argv)
{
    g_auto(ChangeOptions) options = {0};
    KeysWish wish;
    char key[API_KEY_CHARS + 1];
    g_autoptr(GError) error = NULL;

    if (!parse_add(&options, &wish, argc, argv, &error))
        return tool_fail(error);
    g_autoptr(KeysStore) store = keys_store_open(options.rest[0], &error);
    if (!store || !keys_store_add(store, &wish, key, &error))
        return tool_fail(error);
    g_autofree char *what = g_strdup_printf("a key of %s", wish.customer);
    int code = print_key(store, key, what);
    explicit_bzero(key, sizeof key);
    return code;
}

static gboolean
parse_revoke(ChangeOptions *options, int argc, char **argv, GError **error)
{
    static const Tool tool = {
        .verb = "keys revoke",
        .synopsis = "STATE [ID]",
        .example = "  millrace keys revoke STATE 3f9a02c1d47e\n"
                   "  millrace keys revoke STATE --customer acme",
        .summary = "Ends a key, or all keys of a customer, for good. Doors that poll know it "
                   "within two seconds."};
    const GOptionEntry entries[] = {
        {"customer", 0, 0, G_OPTION_ARG_FILENAME, &options->customer, "All keys of this customer",
         "NAME"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->rest, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, error))
        return FALSE;
    if (operand_count(options) == (options->customer ? 1u : 2u))
        return TRUE;
    return usage(error, "expected STATE and the ID of a key, or STATE --customer NAME; see --help");
}

int
keys_revoke_main(int argc, char **argv)
{
    g_auto(ChangeOptions) options = {0};
    guint count = 0;
    g_autoptr(GError) error = NULL;

    if (!parse_revoke(&options, argc, argv, &error))
        return tool_fail(error);
    g_autoptr(KeysStore) store = keys_store_open(options.rest[0], &error);
    if (!store)
        return tool_fail(error);
    gboolean done = options.customer
                        ? keys_store_revoke_customer(store, options.customer, &count, &error)
                        : keys_store_revoke(store, options.rest[1], &error);
    if (!done)
        return tool_fail(error);
    if (options.customer)
        tool_log("revoked %u keys of %s", count, options.customer);
    else
        tool_log("revoked %s", options.rest[1]);
    return tool_finish(EXIT_ALL_DONE);
}

static gboolean
parse_rotate(ChangeOptions *options, gint64 *grace_us, int argc, char **argv, GError **error)
{
    static const Tool tool = {
        .verb = "keys rotate",
        .synopsis = "STATE ID",
        .example = "  millrace keys rotate STATE 3f9a02c1d47e --grace 24h > acme.key",
        .summary = "Makes a key with the rights of another, for as long as that was made for, and "
                   "prints it, once.\nThe other one expires when the grace is over."};
    const GOptionEntry entries[] = {
        {"grace", 0, 0, G_OPTION_ARG_FILENAME, &options->grace,
         "How long the old key is good for (1h)", "TIME"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->rest, NULL, NULL},
        G_OPTION_ENTRY_NULL};
    gint64 now_us = g_get_real_time();
    Duration grace;

    if (!tool_parse(&tool, entries, &argc, &argv, error))
        return FALSE;
    if (operand_count(options) != 2)
        return usage(error, "expected STATE and the ID of a key; see --help");
    if (!duration_parse("--grace", options->grace ? options->grace : "1h", &grace, error))
        return FALSE;
    *grace_us = duration_after(&grace, now_us) - now_us;
    return TRUE;
}

int
keys_rotate_main(int argc, char **argv)
{
    g_auto(ChangeOptions) options = {0};
    gint64 grace_us = 0;
    char key[API_KEY_CHARS + 1];
    g_autoptr(GError) error = NULL;

    if (!parse_rotate(&options, &grace_us, argc, argv, &error))
        return tool_fail(error);
    g_autoptr(KeysStore) store = keys_store_open(options.rest[0], &error);
    if (!store || !keys_store_rotate(store, options.rest[1], grace_us, key, &error))
        return tool_fail(error);
    g_autofree char *what = g_strdup_printf("the successor of %s", options.rest[1]);
    int code = print_key(store, key, what);
    explicit_bzero(key, sizeof key);
    return code;
}
