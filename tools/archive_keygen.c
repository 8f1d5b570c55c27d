/* archive_keygen.c - millrace archive keygen: a pair of keys, as the program minisign makes them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/minisign.h"
#include "tools/archive.h"
#include "tools/tool.h"

static gboolean
parse_options(char **out, int argc, char **argv, GError **error)
{
    static const Tool tool = {
        .verb = "archive keygen",
        .synopsis = "",
        .example = "  millrace archive keygen --out auditor",
        .summary =
            "Makes a pair of keys: NAME.key signs and has no password, so keep it where only "
            "the\narchivist reads; NAME.pub checks, and is for everybody. The program minisign "
            "reads both.\nPrints the key's number. Never replaces a file."};
    g_auto(GStrv) rest = NULL;
    const GOptionEntry entries[] = {
        {"out", 0, 0, G_OPTION_ARG_FILENAME, out, "Makes NAME.key and NAME.pub", "NAME"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &rest, NULL, NULL},
        G_OPTION_ENTRY_NULL};

    if (!tool_parse(&tool, entries, &argc, &argv, error))
        return FALSE;
    if (*out && **out && !g_str_has_suffix(*out, "/") && !rest)
        return TRUE;
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                        rest ? "expected options alone; see --help" : "expected --out NAME");
    return FALSE;
}

static gboolean
refuse(const char *name, GError **error)
{
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CANT_CREATE,
                "%s is there already, and a key is never replaced: give another name", name);
    return FALSE;
}

/* Writes text whole to temporary, then gives it its name. */
static gboolean
write_new(int folder_fd, const char *temporary, const char *name, mode_t mode, const char *text,
          GError **error)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    int fd = openat(folder_fd, temporary, flags, mode);

    if (fd < 0)
        return millrace_error_set_errno(error, durable_creation_error(errno), errno, "creating %s",
                                        temporary);
    gboolean written =
        durable_write_all(fd, name, text, strlen(text), error) && durable_sync(fd, name, error);
    if (close(fd) != 0 && written)
        written = millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "closing %s", name);
    PublishResult result = PUBLISH_FAILED;
    if (written)
        result = durable_publish(folder_fd, temporary, folder_fd, name, error);
    if (result == PUBLISH_DONE)
        return durable_sync(folder_fd, "the folder", error);
    unlinkat(folder_fd, temporary, 0);
    return result == PUBLISH_EXISTS ? refuse(name, error) : FALSE;
}

/* The secret half first: the public one can be made of it again (minisign -R). */
static gboolean
write_pair(int folder_fd, const char *base, const MinisignSecret *secret, GError **error)
{
    g_autofree char *key_name = g_strconcat(base, ".key", NULL);
    g_autofree char *public_name = g_strconcat(base, ".pub", NULL);
    g_autofree char *temporary = g_strdup_printf(".%s.%d.tmp", base, (int)getpid());
    g_autofree char *public_text = minisign_public_print(minisign_public(secret));
    struct stat status;

    if (fstatat(folder_fd, key_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        return refuse(key_name, error);
    if (fstatat(folder_fd, public_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        return refuse(public_name, error);
    char *secret_text = minisign_secret_print(secret);
    gboolean done = write_new(folder_fd, temporary, key_name, 0600, secret_text, error) &&
                    write_new(folder_fd, temporary, public_name, 0666, public_text, error);
    explicit_bzero(secret_text, strlen(secret_text));
    g_free(secret_text);
    return done;
}

static gboolean
generate(const char *out, char id[MINISIGN_ID_CHARS + 1], GError **error)
{
    g_autofree char *folder = g_path_get_dirname(out);
    g_autofree char *base = g_path_get_basename(out);
    g_autoptr(MinisignSecret) secret = minisign_generate(error);

    if (!secret)
        return FALSE;
    minisign_id(minisign_public(secret), id);
    int folder_fd = durable_folder_open(folder, TRUE, error);
    if (folder_fd < 0)
        return FALSE;
    gboolean done = write_pair(folder_fd, base, secret, error);
    close(folder_fd);
    return done;
}

int
archive_keygen_main(int argc, char **argv)
{
    g_autofree char *out = NULL;
    char id[MINISIGN_ID_CHARS + 1];
    g_autoptr(GError) error = NULL;

    if (!parse_options(&out, argc, argv, &error) || !generate(out, id, &error))
        return tool_fail(error);
    puts(id);
    tool_log("%s.key signs: keep it secret; %s.pub checks: give it to all who verify", out, out);
    return tool_finish(EXIT_ALL_DONE);
}
