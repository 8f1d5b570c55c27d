/* key_pair.c - pairs of minisign keys in a folder.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/key_pair.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"

static gboolean
is_there(int folder_fd, const char *name)
{
    struct stat status;

    return fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
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

static gboolean
write_public(int folder_fd, const char *base, const MinisignSecret *secret, GError **error)
{
    g_autofree char *name = g_strconcat(base, ".pub", NULL);
    g_autofree char *temporary = g_strdup_printf(".%s.%d.tmp", name, (int)getpid());
    g_autofree char *text = minisign_public_print(minisign_public(secret));

    return write_new(folder_fd, temporary, name, 0666, text, error);
}

gboolean
key_pair_write(int folder_fd, const char *name, const MinisignSecret *secret, GError **error)
{
    g_autofree char *key_name = g_strconcat(name, ".key", NULL);
    g_autofree char *public_name = g_strconcat(name, ".pub", NULL);
    g_autofree char *temporary = g_strdup_printf(".%s.%d.tmp", key_name, (int)getpid());

    if (is_there(folder_fd, key_name))
        return refuse(key_name, error);
    if (is_there(folder_fd, public_name))
        return refuse(public_name, error);
    char *text = minisign_secret_print(secret);
    gboolean done = write_new(folder_fd, temporary, key_name, 0600, text, error) &&
                    write_public(folder_fd, name, secret, error);
    explicit_bzero(text, strlen(text));
    g_free(text);
    return done;
}

gboolean
key_pair_ensure(int folder_fd, const char *name, gboolean *made, GError **error)
{
    g_autofree char *key_name = g_strconcat(name, ".key", NULL);
    g_autofree char *public_name = g_strconcat(name, ".pub", NULL);
    gboolean has_secret = is_there(folder_fd, key_name);
    gboolean has_public = is_there(folder_fd, public_name);

    if (made)
        *made = !has_secret || !has_public;
    if (has_secret && has_public)
        return TRUE;
    g_autoptr(MinisignSecret) secret =
        has_secret ? key_pair_read(folder_fd, name, error) : minisign_generate(error);
    if (!secret)
        return FALSE;
    return has_secret ? write_public(folder_fd, name, secret, error)
                      : key_pair_write(folder_fd, name, secret, error);
}

MinisignSecret *
key_pair_read(int folder_fd, const char *name, GError **error)
{
    g_autofree char *key_name = g_strconcat(name, ".key", NULL);
    gsize size_bytes = 0;
    char *text =
        durable_read_file(folder_fd, key_name, MINISIGN_TEXT_MAX_BYTES, &size_bytes, error);

    if (!text)
        return NULL;
    MinisignSecret *secret = minisign_secret_parse(key_name, text, error);
    explicit_bzero(text, size_bytes);
    g_free(text);
    return secret;
}

GArray *
key_pair_read_trusted(const char *const *paths, GError **error)
{
    g_autoptr(GArray) keys = g_array_new(FALSE, FALSE, sizeof(MinisignPublic));

    for (; *paths; paths++) {
        MinisignPublic key;
        g_autofree char *text =
            durable_read_file(AT_FDCWD, *paths, MINISIGN_TEXT_MAX_BYTES, NULL, error);
        if (!text || !minisign_public_parse(*paths, text, &key, error))
            return NULL;
        g_array_append_val(keys, key);
    }
    g_assert(keys->len > 0);
    return g_steal_pointer(&keys);
}
