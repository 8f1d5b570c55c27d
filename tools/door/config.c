/* config.c - from the command line and the file to what a door is told.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/door/config.h"

#include <fcntl.h>
#include <string.h>

#include "formats/durable.h"
#include "formats/json.h"
#include "jobs/identity_source.h"
#include "tools/door/config_internal.h"
#include "tools/tool.h"

#define OPTIONS_MAX    40
#define FILE_MAX_BYTES (1 << 20)
#define THREADS_MAX    4

static const Tool tool = {
    .verb = "door",
    .synopsis = "",
    .example = "  millrace keys init STATE && KEY=$(millrace keys add STATE --customer acme)\n"
               "  millrace door --state STATE --listen 127.0.0.1:8080 &\n"
               "  curl -H \"Authorization: Bearer $KEY\" --data-binary @photo.jpg \\\n"
               "      'localhost:8080/v1/resize?to=320x320,format=webp' -o thumb.webp",
    .summary = "Serves resizing over HTTP to those who have a key, meters it, and takes bulk jobs "
               "for the queue.\nSIGHUP reads --config again; SIGTERM ends it when all that it has "
               "in hand is answered."};

/* The options as they are typed. They live as long as the program, and a reload sees them again. */
static struct {
    char *texts[OPTIONS_MAX];
    char **lists[OPTIONS_MAX];
    char *file;
    gboolean check;
    char **rest;
} typed;

static gboolean
parse_options(int *argc, char ***argv, GError **error)
{
    GOptionEntry entries[OPTIONS_MAX + 4] = {0};
    guint count = 0;

    g_assert(config_option_count <= OPTIONS_MAX);
    for (; count < config_option_count; count++) {
        const ConfigOption *option = &config_options[count];
        gboolean is_list = option->kind == CONFIG_LIST;
        entries[count] =
            (GOptionEntry){option->name,
                           0,
                           0,
                           is_list ? G_OPTION_ARG_FILENAME_ARRAY : G_OPTION_ARG_FILENAME,
                           is_list ? (gpointer)&typed.lists[count] : (gpointer)&typed.texts[count],
                           option->help,
                           option->argument};
    }
    entries[count++] =
        (GOptionEntry){"config",    0,
                       0,           G_OPTION_ARG_FILENAME,
                       &typed.file, "JSON: options by their names; one that is typed wins",
                       "FILE"};
    entries[count++] = (GOptionEntry){"check",
                                      0,
                                      0,
                                      G_OPTION_ARG_NONE,
                                      &typed.check,
                                      "Say what is wrong with all that, and start nothing",
                                      NULL};
    entries[count] = (GOptionEntry){G_OPTION_REMAINING, 0,    0,   G_OPTION_ARG_FILENAME_ARRAY,
                                    &typed.rest,        NULL, NULL};
    if (!tool_parse(&tool, entries, argc, argv, error))
        return FALSE;
    if (!typed.rest)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "%s: expected options alone; see --help", typed.rest[0]);
    return FALSE;
}

/* --- The file --- */

static gboolean
member_is_wrong(const char *name, const ConfigOption *option, GError **error)
{
    g_set_error(
        error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT, "%s: %s: expected %s", typed.file, name,
        option->kind == CONFIG_LIST   ? "a list of texts, as in [\"a\",\"b\"]"
        : option->kind == CONFIG_TEXT ? "a text"
                                      : "a number, or a text as it would be typed, as in \"64Mi\"");
    return FALSE;
}

static gboolean
read_list(DoorConfig *config, const ConfigOption *option, const JsonObject *object, GError **error)
{
    g_autoptr(JsonList) list = json_object_list(object, option->name);

    if (!list || json_list_length(list) == 0)
        return member_is_wrong(option->name, option, error);
    for (gsize i = 0; i < json_list_length(list); i++) {
        const char *text = json_list_string(list, i);
        if (!text || !*text)
            return member_is_wrong(option->name, option, error);
        config_add(config, option, text);
    }
    return TRUE;
}

static gboolean
read_member(DoorConfig *config, const ConfigOption *option, const JsonObject *object,
            GError **error)
{
    const char *text = json_object_string(object, option->name, NULL);
    g_autofree char *where = g_strdup_printf("%s: %s", typed.file, option->name);
    g_autofree char *number = json_object_number(object, option->name);

    if (option->kind == CONFIG_LIST)
        return read_list(config, option, object, error);
    if (!text && option->kind != CONFIG_TEXT)
        text = number;
    if (!text)
        return member_is_wrong(option->name, option, error);
    if (config_set(config, option, where, text, error))
        return TRUE;
    (*error)->code = MILLRACE_ERROR_BAD_INPUT; /* not an option's fault */
    return FALSE;
}

static const ConfigOption *
find_option(const char *name)
{
    for (guint i = 0; i < config_option_count; i++)
        if (strcmp(config_options[i].name, name) == 0)
            return &config_options[i];
    return NULL;
}

static gboolean
read_file(DoorConfig *config, GError **error)
{
    gsize size_bytes = 0;
    g_autofree char *text =
        durable_read_file(AT_FDCWD, typed.file, FILE_MAX_BYTES, &size_bytes, error);
    g_autoptr(JsonObject) object = text ? json_object_parse(text, size_bytes, error) : NULL;

    if (!object) {
        if (text)
            g_prefix_error(error, "%s: ", typed.file);
        return FALSE;
    }
    g_autofree const char **names = json_object_keys(object);
    for (guint i = 0; names[i]; i++) {
        const ConfigOption *option = find_option(names[i]);
        if (!option) {
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                        "%s: %s: there is no such member; they are called as the options in "
                        "millrace door --help, without the dashes",
                        typed.file, names[i]);
            return FALSE;
        }
        if (!read_member(config, option, object, error))
            return FALSE;
    }
    return TRUE;
}

/* --- What was not said --- */

static void
fill_text(char **text, const char *state, const char *prefix, const char *name)
{
    if (!*text)
        *text = g_strdup_printf("%s%s/%s", prefix, state, name);
}

static void
fill_in(DoorConfig *config)
{
    guint cores = g_get_num_processors();
    const char *state = config->state;

    fill_text(&config->jobs, state, "", "jobs");
    fill_text(&config->queue, state, "sqlite:", "queue.sqlite");
    if (!config->identity) {
        config->identity = g_new0(char *, 2);
        fill_text(&config->identity[0], state, "", "identity/published");
    }
    if (!config->trust) {
        config->trust = g_new0(char *, 2);
        fill_text(&config->trust[0], state, "", "identity/publisher.pub");
    }
    if (config->workers == 0)
        config->workers = cores;
    if (config->threads == 0)
        config->threads = MIN(cores, THREADS_MAX);
}

static gboolean
check_identity(const DoorConfig *config, GError **error)
{
    for (guint i = 0; config->identity[i]; i++)
        if (!identity_source_check(config->identity[i], error)) {
            g_prefix_error(error, "--identity=");
            return FALSE;
        }
    return TRUE;
}

static gboolean
agrees_with_itself(const DoorConfig *config, GError **error)
{
    const char *name = config->cluster;

    if (strspn(name, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "._-") != strlen(name) ||
        strlen(name) > 64)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "--cluster=%s: expected 1 to 64 letters, digits, '.', '_' or '-'", name);
    else if (config->admin && strcmp(config->admin, config->listen) == 0 &&
             !g_str_has_suffix(config->admin, ":0"))
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "--admin=%s: it is where clients come; give it another port", config->admin);
    else if (config->bytes_max > config->job_bytes_max)
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                            "--max-bytes is more than --max-job-bytes: an image that is taken "
                            "alone must be taken in a job too");
    else if (config->threads > config->connections_max)
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                            "--threads is more than --connections: a thread without a connection "
                            "does nothing");
    else
        return check_identity(config, error);
    return FALSE;
}

/* All of it, from what was typed and what the file says now. */
static gboolean
configure(DoorConfig *config, GError **error)
{
    *config = (DoorConfig){.file = g_strdup(typed.file), .check = typed.check};
    for (guint i = 0; i < config_option_count; i++)
        if (config_options[i].fallback &&
            !config_set(config, &config_options[i], config_options[i].name,
                        config_options[i].fallback, error))
            return FALSE;
    if (typed.file && !read_file(config, error))
        return FALSE;
    for (guint i = 0; i < config_option_count; i++) {
        const ConfigOption *option = &config_options[i];
        g_autofree char *where = g_strconcat("--", option->name, NULL);
        if (typed.texts[i] && !config_set(config, option, where, typed.texts[i], error))
            return FALSE;
        if (typed.lists[i]) {
            char ***at = &G_STRUCT_MEMBER(char **, config, option->offset);
            g_strfreev(*at);
            *at = g_strdupv(typed.lists[i]);
        }
    }
    if (!config->state) {
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                            "expected --state DIR; millrace keys init DIR makes one");
        return FALSE;
    }
    fill_in(config);
    return agrees_with_itself(config, error);
}

gboolean
door_config_parse(DoorConfig *config, int *argc, char ***argv, GError **error)
{
    *config = (DoorConfig){0};
    return parse_options(argc, argv, error) && configure(config, error);
}

gboolean
door_config_reload(const DoorConfig *now, DoorConfig *next, GError **error)
{
    if (!configure(next, error))
        return FALSE;
    for (guint i = 0; i < config_option_count; i++) {
        const ConfigOption *option = &config_options[i];
        if (option->reloads || config_is_same(now, next, option))
            continue;
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "%s: %s has changed, which needs a restart; all stays as it was", typed.file,
                    option->name);
        return FALSE;
    }
    return TRUE;
}

void
door_config_take_limits(DoorConfig *config, const DoorConfig *next)
{
    for (guint i = 0; i < config_option_count; i++)
        if (config_options[i].reloads)
            config_copy_number(next, config, &config_options[i]);
}

void
door_config_copy_numbers(const DoorConfig *from, DoorConfig *to)
{
    *to = (DoorConfig){0};
    for (guint i = 0; i < config_option_count; i++)
        if (config_options[i].kind != CONFIG_TEXT && config_options[i].kind != CONFIG_LIST)
            config_copy_number(from, to, &config_options[i]);
}

void
door_config_clear(DoorConfig *config)
{
    for (guint i = 0; i < config_option_count; i++) {
        gsize offset = config_options[i].offset;
        if (config_options[i].kind == CONFIG_TEXT)
            g_free(G_STRUCT_MEMBER(char *, config, offset));
        else if (config_options[i].kind == CONFIG_LIST)
            g_strfreev(G_STRUCT_MEMBER(char **, config, offset));
    }
    g_free(config->file);
    *config = (DoorConfig){0};
}
