/* keys_list.c - millrace keys list: who has which keys.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "formats/json.h"
#include "formats/usage.h"
#include "jobs/keys_store.h"
#include "tools/keys.h"
#include "tools/tool.h"

typedef struct {
    char *customer;
    char *format;
    char **rest;
    gboolean json;
} ListOptions;

static void
list_options_clear(ListOptions *options)
{
    g_free(options->customer);
    g_free(options->format);
    g_strfreev(options->rest);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ListOptions, list_options_clear)

static gboolean
parse_options(ListOptions *options, int argc, char **argv, GError **error)
{
    static const Tool tool = {
        .verb = "keys list",
        .synopsis = "STATE",
        .example = "  millrace keys list STATE --customer acme",
        .summary = "Prints all keys, those that were revoked and have expired, too: a line each, "
                   "in the order of customers\nand of making, with tabs between columns. Keys "
                   "themselves are not known to anybody but their owners."};
    const GOptionEntry entries[] = {
        {"customer", 0, 0, G_OPTION_ARG_FILENAME, &options->customer, "Keys of this customer alone",
         "NAME"},
        {"format", 0, 0, G_OPTION_ARG_FILENAME, &options->format,
         "text (the default), or json: an object a line", "text|json"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->rest, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, error))
        return FALSE;
    options->json = g_strcmp0(options->format, "json") == 0;
    if (options->format && !options->json && strcmp(options->format, "text") != 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "--format=%s: expected text or json", options->format);
        return FALSE;
    }
    if (options->rest && g_strv_length(options->rest) == 1)
        return TRUE;
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                        "expected one folder, STATE; see --help");
    return FALSE;
}

static const char *
status_of(const KeysRow *row)
{
    if (row->revoked_us != 0)
        return "revoked";
    return row->key->expires_us <= g_get_real_time() ? "expired" : "valid";
}

static void
print_json(const KeysRow *row, const char *scopes, const char *created, const char *expires,
           GString *out)
{
    json_open(out, NULL, '{');
    json_put_string(out, "id", row->key->id);
    json_put_string(out, "status", status_of(row));
    json_put_string(out, "customer", row->key->customer);
    json_put_string(out, "scopes", scopes);
    json_put_uint(out, "rate", row->key->rate_per_s);
    json_put_uint(out, "burst", row->key->burst);
    json_put_uint(out, "quota", row->key->daily_quota);
    json_put_string(out, "created", created);
    if (row->key->expires_us != G_MAXINT64)
        json_put_string(out, "expires", expires);
    if (row->revoked_us != 0) {
        g_autoptr(GString) revoked = g_string_new(NULL);
        usage_print_time(revoked, row->revoked_us);
        json_put_string(out, "revoked", revoked->str);
    }
    json_put_string(out, "note", row->note);
    g_string_append(out, "}\n");
}

/* 0 is no limit. */
static void
put_limit(GString *out, guint64 limit)
{
    if (limit > 0)
        g_string_append_printf(out, "%" G_GUINT64_FORMAT "\t", limit);
    else
        g_string_append(out, "-\t");
}

static void
print_text(const KeysRow *row, const char *scopes, const char *created, const char *expires,
           GString *out)
{
    g_string_append_printf(out, "%s\t%s\t%s\t", row->key->id, status_of(row), scopes);
    put_limit(out, row->key->rate_per_s);
    put_limit(out, row->key->burst);
    put_limit(out, row->key->daily_quota);
    g_string_append_printf(out, "%s\t%s\t%s\t%s\n", created, expires, row->key->customer,
                           row->note);
}

static gboolean
print_row(const KeysRow *row, gpointer data)
{
    const ListOptions *options = data;
    g_autofree char *scopes = scopes_print(row->key->scopes);
    g_autoptr(GString) created = g_string_new(NULL);
    g_autoptr(GString) expires = g_string_new(NULL);
    g_autoptr(GString) out = g_string_new(NULL);

    usage_print_time(created, row->created_us);
    if (row->key->expires_us == G_MAXINT64)
        g_string_append(expires, "never");
    else
        usage_print_time(expires, row->key->expires_us);
    (options->json ? print_json : print_text)(row, scopes, created->str, expires->str, out);
    /* Nobody reads any more, or the disk is full: tool_finish() says so. */
    return fputs(out->str, stdout) != EOF;
}

int
keys_list_main(int argc, char **argv)
{
    g_auto(ListOptions) options = {0};
    g_autoptr(GError) error = NULL;

    if (!parse_options(&options, argc, argv, &error))
        return tool_fail(error);
    g_autoptr(KeysStore) store = keys_store_open(options.rest[0], &error);
    if (!store)
        return tool_fail(error);
    if (!options.json)
        puts("id\tstatus\tscopes\trate\tburst\tquota\tcreated\texpires\tcustomer\tnote");
    if (!keys_store_list(store, options.customer, print_row, &options, &error))
        return tool_fail(error);
    return tool_finish(EXIT_ALL_DONE);
}
