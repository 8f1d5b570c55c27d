/* tool.c - what every program does alike: options, messages on stderr, exit codes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/json.h"

static const Tool *the_tool;
static gboolean log_json;
static gboolean version_wanted;
static gboolean help_wanted;

static gboolean
parse_log_format(const char *option G_GNUC_UNUSED, const char *value, gpointer data G_GNUC_UNUSED,
                 GError **error)
{
    log_json = strcmp(value, "json") == 0;
    if (log_json || strcmp(value, "text") == 0)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "--log-format=%s: expected text or json", value);
    return FALSE;
}

/* How many edits turn a into b, counted no further than words of 31 letters. */
static guint
edit_distance(const char *a, const char *b)
{
    guint row[32];
    gsize length = MIN(strlen(b), G_N_ELEMENTS(row) - 1);

    for (guint j = 0; j <= length; j++)
        row[j] = j;
    for (guint i = 1; a[i - 1]; i++) {
        guint diagonal = row[0];
        row[0] = i;
        for (guint j = 1; j <= length; j++) {
            guint substituted = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = MIN(substituted, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[length];
}

/* Adds "did you mean --X?" to GOption's "Unknown option --Y". */
static void
suggest_option(const GOptionEntry *entries, GError **error)
{
    const char *typed = strstr((*error)->message, "--");
    const char *nearest = NULL;
    guint nearest_distance = 4;

    if (!g_error_matches(*error, G_OPTION_ERROR, G_OPTION_ERROR_UNKNOWN_OPTION) || !typed)
        return;
    g_autofree char *name = g_strndup(typed + 2, strcspn(typed + 2, "="));
    for (const GOptionEntry *entry = entries; entry->long_name; entry++) {
        guint distance = edit_distance(name, entry->long_name);
        if (*entry->long_name && distance < nearest_distance) {
            nearest = entry->long_name;
            nearest_distance = distance;
        }
    }
    if (nearest)
        g_prefix_error(error, "did you mean --%s? ", nearest);
}

gboolean
tool_parse(const Tool *tool, const GOptionEntry *entries, int *argc, char ***argv, GError **error)
{
    static const GOptionEntry common[] = {
        {"help", 'h', 0, G_OPTION_ARG_NONE, &help_wanted, "Print this", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &version_wanted, "Print the version", NULL},
        {"log-format", 0, 0, G_OPTION_ARG_CALLBACK, (gpointer)parse_log_format,
         "Messages as text (default) or json", "text|json"},
        G_OPTION_ENTRY_NULL};
    g_autoptr(GOptionContext) context = g_option_context_new(tool->synopsis);

    the_tool = tool;
    g_autofree char *program = g_strconcat("millrace ", tool->verb, NULL);
    g_set_prgname(program);
    g_option_context_set_help_enabled(context,
                                      FALSE); /* its help would not begin with an example */
    g_option_context_set_summary(context, tool->summary);
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_add_main_entries(context, common, NULL);
    if (!g_option_context_parse(context, argc, argv, error)) {
        suggest_option(entries, error);
        return FALSE;
    }
    if (help_wanted) {
        char *help = g_option_context_get_help(context, TRUE, NULL);
        printf("Example:\n%s\n\n%s", tool->example, help);
        g_free(help); /* exit() does not leave this scope */
        exit(tool_finish(EXIT_ALL_DONE));
    }
    if (version_wanted) {
        printf("millrace %s\n", MILLRACE_VERSION);
        exit(tool_finish(EXIT_ALL_DONE));
    }
    return TRUE;
}

void
tool_log(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    const char *verb = the_tool ? the_tool->verb : "";

    if (!log_json) {
        g_autofree char *line =
            g_strdup_printf("millrace%s%s: %s\n", *verb ? " " : "", verb, message);
        fputs(line, stderr);
        return;
    }
    g_autoptr(GString) line = g_string_new(NULL);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *time = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S.%fZ");
    json_open(line, NULL, '{');
    json_put_string(line, "time", time);
    json_put_string(line, "verb", verb);
    json_put_string(line, "message", message);
    g_string_append(line, "}\n");
    fputs(line->str, stderr);
}

int
tool_fail(const GError *error)
{
    tool_log("%s", error->message);
    return millrace_error_exit_code(error);
}

int
tool_finish(int code)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    /* Of a write that failed before, only that it did is known. */
    tool_log("writing to standard output: %s",
             errno ? g_strerror(errno) : "not everything could be written");
    return EXIT_IO;
}

gboolean
tool_parse_count(const char *option, const char *text, guint64 min, guint64 max, guint64 *value,
                 GError **error)
{
    static const struct {
        const char *suffix;
        guint64 factor;
    } units[] = {{"", 1},           {"k", 1000},        {"M", 1000000},
                 {"G", 1000000000}, {"Ki", 1ULL << 10}, {"Mi", 1ULL << 20},
                 {"Gi", 1ULL << 30}};
    char *end = NULL;

    errno = 0;
    guint64 number = g_ascii_isdigit(*text) ? g_ascii_strtoull(text, &end, 10) : 0;
    for (guint i = 0; end && errno == 0 && i < G_N_ELEMENTS(units); i++) {
        if (strcmp(end, units[i].suffix) != 0)
            continue;
        if (number <= G_MAXUINT64 / units[i].factor) {
            *value = number * units[i].factor;
            if (*value >= min && *value <= max)
                return TRUE;
        }
    }
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "%s=%s: expected a whole number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
                ", with an optional k, M, G, Ki, Mi or Gi",
                option, text, min, max);
    return FALSE;
}

char *
tool_find_program(const char *name)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder = g_path_get_dirname(self ? self : "");
    char *beside = g_build_filename(folder, name, NULL);

    if (access(beside, X_OK) == 0)
        return beside;
    g_free(beside);
    return g_build_filename(MILLRACE_LIBEXECDIR, name, NULL);
}
