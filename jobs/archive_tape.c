/* archive_tape.c - an archive comes in as a stream.
 *
 *     fd → tar → names and sizes that are ours → a folder with one volume at a time
 *
 * Nobody vouches for the bytes. Names lead nowhere but into the folder, and of a volume that the
 * signed catalogue does not know, or beyond the size that the signed manifest tells, nothing is
 * kept.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_tape.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/tar.h"

#define FOLDER_PREFIX "tape-"

enum { READ_BYTES = 1 << 20 }; /* a tape's block has to fit */

struct _ArchiveTape {
    int fd;
    char *folder;
    Archive *archive; /* in the folder; NULL while catalogue and keys are read */
    Tier *tier;       /* until then */
    TarReader *tar;
    char *buffer;
    TarMember member; /* at hand when has_member: read, but not taken */
    gboolean has_member;
    gboolean ended;
    gboolean keep;                      /* archive_tape_rest() */
    GHashTable *seen;                   /* names of volumes */
    char volume[VOLUME_NAME_CHARS + 1]; /* that lies in the folder; "" for none */
    VolumeManifest manifest;            /* of it, when has_manifest */
    gboolean has_manifest;
};

static gssize
read_stream(gpointer data, const void **bytes, GError **error)
{
    ArchiveTape *tape = data;
    ssize_t got = 0;

    do
        got = read(tape->fd, tape->buffer, READ_BYTES);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "reading the stream");
    *bytes = tape->buffer;
    return got;
}

/* Has the next member at hand. Returns: 1, 0 at the end, -1 and error. */
static int
peek(ArchiveTape *tape, GError **error)
{
    if (tape->has_member)
        return 1;
    if (tape->ended)
        return 0;
    int got = 0;
    /* Another tar than ours puts folders in, which say nothing. */
    do
        got = tar_reader_next(tape->tar, &tape->member, error);
    while (got > 0 && !tape->member.is_file && strcmp(tape->member.what, "folder") == 0);
    if (got < 0)
        g_prefix_error(error, "the stream: ");
    tape->ended = got <= 0;
    if (got <= 0)
        return got;
    if (!tape->member.is_file) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "the stream has a %s in it, so it is not an archive", tape->member.what);
        return -1;
    }
    tape->has_member = TRUE;
    return 1;
}

/* Writes the member's data to fd. */
static gboolean
drain_member(ArchiveTape *tape, int fd, const char *path, GError **error)
{
    const void *bytes = NULL;
    gssize got = 0;

    while ((got = tar_reader_data(tape->tar, &bytes, error)) > 0)
        if (!durable_write_all(fd, path, bytes, (gsize)got, error))
            return FALSE;
    if (got < 0)
        g_prefix_error(error, "the stream: ");
    return got == 0;
}

/* Takes the member into the folder. What is there is replaced: a stream may repeat itself. */
static gboolean
spool(ArchiveTape *tape, const Tier *tier, const char *path, GError **error)
{
    int folder_fd = tier_dir_fd(tier);

    if (unlinkat(folder_fd, path, 0) != 0 && errno != ENOENT)
        return millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "%s/%s", tape->folder,
                                        path);
    int fd = openat(folder_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return millrace_error_set_errno(error, durable_creation_error(errno), errno, "%s/%s",
                                        tape->folder, path);
    gboolean good = drain_member(tape, fd, path, error);
    if (close(fd) != 0 && good)
        good = millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "closing %s/%s",
                                        tape->folder, path);
    return good;
}

static gboolean
is_key_name(const char *name)
{
    const char *id = name + strlen(ARCHIVE_KEYS "/");

    return g_str_has_prefix(name, ARCHIVE_KEYS "/") &&
           strspn(id, "0123456789ABCDEF") == MINISIGN_ID_CHARS &&
           strcmp(id + MINISIGN_ID_CHARS, ".pub") == 0;
}

/* Splits "volumes/V.SUFFIX". */
static gboolean
is_volume_name(const char *name, char volume[VOLUME_NAME_CHARS + 1], VolumeFile *file)
{
    if (!g_str_has_prefix(name, ARCHIVE_VOLUMES "/") ||
        strlen(name) < strlen(ARCHIVE_VOLUMES "/") + VOLUME_NAME_CHARS)
        return FALSE;
    memcpy(volume, name + strlen(ARCHIVE_VOLUMES "/"), VOLUME_NAME_CHARS);
    volume[VOLUME_NAME_CHARS] = '\0';
    const char *suffix = name + strlen(ARCHIVE_VOLUMES "/") + VOLUME_NAME_CHARS;
    for (*file = VOLUME_TAR; *file < VOLUME_FILES; (*file)++)
        if (strcmp(suffix, volume_suffix(*file)) == 0)
            return volume_is_name(volume);
    return FALSE;
}

static gboolean
take_catalogue(ArchiveTape *tape, GError **error)
{
    int got = peek(tape, error);

    if (got < 0)
        return FALSE;
    if (got == 0 || strcmp(tape->member.name, ARCHIVE_CATALOGUE) != 0 ||
        tape->member.size_bytes > CATALOGUE_MAX_BYTES) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "the stream is no archive: it does not begin with %s", ARCHIVE_CATALOGUE);
        return FALSE;
    }
    tape->has_member = FALSE;
    return spool(tape, tape->tier, ARCHIVE_CATALOGUE, error);
}

/* Takes what comes before the first volume. */
static gboolean
take_keys(ArchiveTape *tape, GError **error)
{
    char volume[VOLUME_NAME_CHARS + 1];
    VolumeFile file = VOLUME_FILES;
    guint count = 0;
    int got = 0;

    while ((got = peek(tape, error)) > 0 && !is_volume_name(tape->member.name, volume, &file)) {
        g_autofree char *name = g_strdup(tape->member.name);
        tape->has_member = FALSE;
        if (is_key_name(name) && tape->member.size_bytes <= MINISIGN_TEXT_MAX_BYTES &&
            count++ < ARCHIVE_KEYS_MAX && !spool(tape, tape->tier, name, error))
            return FALSE;
    }
    return got >= 0;
}

ArchiveTape *
archive_tape_open(int fd, const char *scratch, const char *const *trust, GError **error)
{
    g_autofree char *pattern = g_build_filename(scratch, FOLDER_PREFIX "XXXXXX", NULL);
    g_autoptr(ArchiveTape) tape = g_new0(ArchiveTape, 1);

    tape->fd = fd;
    tape->buffer = g_malloc(READ_BYTES);
    tape->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    tape->tar = tar_reader_new(read_stream, tape);
    if (!g_mkdtemp(pattern)) {
        millrace_error_set_errno(error, durable_creation_error(errno), errno,
                                 "making a folder in %s", scratch);
        return NULL;
    }
    tape->folder = g_steal_pointer(&pattern);
    tape->tier = tier_open(tape->folder, TRUE, error);
    if (!tape->tier || !take_catalogue(tape, error) || !take_keys(tape, error))
        return NULL;
    const ArchiveOpen how = {.where = tape->folder, .trust = trust};
    tape->archive = archive_open(&how, error);
    if (!tape->archive)
        return NULL;
    return g_steal_pointer(&tape);
}

/* Removes a folder of ours and what may be in it. */
static void
remove_folder(const char *folder)
{
    static const char *const folders[] = {ARCHIVE_VOLUMES, ARCHIVE_KEYS, ""};

    for (guint i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = g_build_filename(folder, folders[i], NULL);
        g_autoptr(GDir) listing = g_dir_open(path, 0, NULL);
        const char *name = NULL;
        while (listing && (name = g_dir_read_name(listing))) {
            g_autofree char *file = g_build_filename(path, name, NULL);
            unlink(file);
        }
        rmdir(path);
    }
}

void
archive_tape_sweep(const char *scratch)
{
    g_autoptr(GDir) listing = g_dir_open(scratch, 0, NULL);
    const char *name = NULL;

    while (listing && (name = g_dir_read_name(listing))) {
        g_autofree char *path = g_build_filename(scratch, name, NULL);
        if (g_str_has_prefix(name, FOLDER_PREFIX))
            remove_folder(path);
    }
}

void
archive_tape_close(ArchiveTape *tape)
{
    if (!tape)
        return;
    archive_close(tape->archive);
    tier_free(tape->tier);
    if (tape->folder)
        remove_folder(tape->folder);
    tar_reader_free(tape->tar);
    volume_manifest_clear(&tape->manifest);
    g_hash_table_unref(tape->seen);
    g_free(tape->folder);
    g_free(tape->buffer);
    g_free(tape);
}

Archive *
archive_tape_archive(ArchiveTape *tape)
{
    return tape->archive;
}

const char *
archive_tape_folder(const ArchiveTape *tape)
{
    return tape->folder;
}

gboolean
archive_tape_has_seen(const ArchiveTape *tape, const char *volume)
{
    return g_hash_table_contains(tape->seen, volume);
}

static gboolean
remove_volume(ArchiveTape *tape, GError **error)
{
    for (VolumeFile i = VOLUME_TAR; *tape->volume && !tape->keep && i < VOLUME_FILES; i++) {
        g_autofree char *path = volume_path(tape->volume, i);
        if (!tier_remove(tape->tier, path, error))
            return FALSE;
    }
    *tape->volume = '\0';
    tape->has_manifest = FALSE;
    volume_manifest_clear(&tape->manifest);
    tape->manifest = (VolumeManifest){0};
    return TRUE;
}

/* Is it wanted, of this size? The signed manifest tells once it is there; one that does not hold
 * leaves the rest out, and who looks for it will say so. */
static gboolean
is_wanted(ArchiveTape *tape, const CatalogueVolume *volume, VolumeFile file, guint64 size_bytes)
{
    if (file == VOLUME_MANIFEST || file == VOLUME_MINISIG)
        return size_bytes <= VOLUME_MANIFEST_MAX;
    if (!tape->has_manifest)
        tape->has_manifest = archive_manifest(tape->archive, volume, &tape->manifest, NULL);
    return tape->has_manifest && size_bytes == tape->manifest.size_bytes[file];
}

/* The volume that the member at hand is of, when the catalogue knows it and it has not expired. */
static const CatalogueVolume *
volume_at_hand(const ArchiveTape *tape, VolumeFile *file)
{
    char name[VOLUME_NAME_CHARS + 1];
    const CatalogueVolume *volume = is_volume_name(tape->member.name, name, file)
                                        ? catalogue_volume(tape->archive->catalogue, name)
                                        : NULL;

    return volume && !volume->expired ? volume : NULL;
}

/* Takes the members of one volume, of which the first is at hand. */
static gboolean
take_volume(ArchiveTape *tape, const CatalogueVolume *volume, GError **error)
{
    VolumeFile file = VOLUME_FILES;
    int got = 0;

    while ((got = peek(tape, error)) > 0) {
        const CatalogueVolume *other = volume_at_hand(tape, &file);
        if (other && other != volume)
            return TRUE;
        tape->has_member = FALSE;
        g_autofree char *path = other ? volume_path(volume->name, file) : NULL;
        if (other && is_wanted(tape, volume, file, tape->member.size_bytes) &&
            !spool(tape, tape->tier, path, error))
            return FALSE;
    }
    return got == 0;
}

/* Reads on to the end, so that who writes the stream can finish. */
static int
finish(ArchiveTape *tape, GError **error)
{
    const void *bytes = NULL;
    gssize got = 0;

    while ((got = read_stream(tape, &bytes, error)) > 0)
        continue;
    return got < 0 ? -1 : 0;
}

int
archive_tape_next(ArchiveTape *tape, const CatalogueVolume **volume, GError **error)
{
    VolumeFile file = VOLUME_FILES;
    int got = 0;

    if (!remove_volume(tape, error))
        return -1;
    while ((got = peek(tape, error)) > 0 && !(*volume = volume_at_hand(tape, &file)))
        tape->has_member = FALSE;
    if (got <= 0)
        return got < 0 ? -1 : finish(tape, error);
    g_strlcpy(tape->volume, (*volume)->name, sizeof tape->volume);
    g_hash_table_add(tape->seen, g_strdup(tape->volume));
    return take_volume(tape, *volume, error) ? 1 : -1;
}

gboolean
archive_tape_rest(ArchiveTape *tape, GError **error)
{
    const CatalogueVolume *volume = NULL;
    int got = 0;

    tape->keep = TRUE;
    do
        got = archive_tape_next(tape, &volume, error);
    while (got > 0);
    return got == 0;
}
