/* tar.c - libarchive behind one small interface; archive.h is included in formats/tar*.c only.
 * libarchive turns names into the locale's characters and back. Here names are bytes, whatever the
 * locale of the process is, so each call that sees a name runs under one that is chosen for it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <string.h>

#include "formats/tar_input.h"

#define SIZE_MAX_BYTES (G_GUINT64_CONSTANT(1) << 62)

struct _TarReader {
    TarInput input;
    guint64 size_bytes; /* of the member */
    guint64 position;   /* in its data */
};

/* Made once. Names beyond ASCII are written under UTF-8, where libarchive takes them as they are;
 * and are read under C, where it fails to turn them into ASCII and so leaves them as they are
 * (under UTF-8 it would compose characters). (locale_t)0 when the system has no such locale. */
static locale_t
locale_once(gsize *once, locale_t *kept, const char *name)
{
    if (g_once_init_enter(once)) {
        *kept = newlocale(LC_ALL_MASK, name, (locale_t)0);
        g_once_init_leave(once, 1);
    }
    return *kept;
}

static locale_t
locale_utf8(void)
{
    static gsize once;
    static locale_t kept;

    return locale_once(&once, &kept, "C.UTF-8");
}

static locale_t
locale_plain(void)
{
    static gsize once;
    static locale_t kept;

    return locale_once(&once, &kept, "C");
}

/* Where a header goes. */
typedef struct {
    GByteArray *out;
    gboolean closed;
} Collector;

static la_ssize_t
collect(struct archive *archive, void *data, const void *bytes, size_t size_bytes)
{
    Collector *collector = data;

    if (collector->closed) {
        archive_set_error(archive, EIO, "only the header is wanted");
        return -1;
    }
    g_byte_array_append(collector->out, bytes, (guint)size_bytes);
    return (la_ssize_t)size_bytes;
}

/* Writes a header by libarchive. binary: say that the name is no UTF-8. */
static gboolean
put_header(struct archive_entry *entry, gboolean binary, GByteArray *out, GError **error)
{
    struct archive *archive = archive_write_new();
    Collector collector = {.out = out};
    locale_t locale = binary ? (locale_t)0 : locale_utf8();
    locale_t before = uselocale(locale == (locale_t)0 ? locale_plain() : locale);

    int result = archive_write_set_format_pax_restricted(archive);
    if (result == ARCHIVE_OK && binary)
        result = archive_write_set_options(archive, "pax:hdrcharset=BINARY");
    if (result == ARCHIVE_OK)
        result = archive_write_set_bytes_per_block(archive, 0);
    if (result == ARCHIVE_OK)
        result = archive_write_open(archive, &collector, NULL, collect, NULL);
    if (result == ARCHIVE_OK)
        result = archive_write_header(archive, entry);
    if (result != ARCHIVE_OK)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT, "a tar cannot hold it: %s",
                    archive_error_string(archive));
    /* The end would write the data that the header promises; its first zeros fail. (With
     * archive_write_fail() libarchive leaks.) */
    collector.closed = TRUE;
    archive_write_free(archive);
    uselocale(before);
    return result == ARCHIVE_OK;
}

gboolean
tar_header(const char *name, guint64 size_bytes, gint64 mtime_s, GByteArray *out, GError **error)
{
    gsize name_bytes = strlen(name);

    /* A name that ends in '/' would come back as a folder. */
    if (name_bytes == 0 || name_bytes > TAR_NAME_MAX || name[name_bytes - 1] == '/' ||
        size_bytes > SIZE_MAX_BYTES) {
        g_set_error(
            error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
            "a member of a volume has a name of 1 to %d bytes that does not end in '/', and "
            "at most 2^62 bytes",
            TAR_NAME_MAX);
        return FALSE;
    }
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (la_int64_t)size_bytes);
    archive_entry_set_mtime(entry, mtime_s, 0);
    archive_entry_set_uid(entry, 0);
    archive_entry_set_gid(entry, 0);
    archive_entry_set_uname(entry, "root");
    archive_entry_set_gname(entry, "root");

    guint begin = out->len;
    gboolean written =
        put_header(entry, !g_utf8_validate(name, (gssize)name_bytes, NULL), out, error);
    archive_entry_free(entry);
    if (!written)
        g_byte_array_set_size(out, begin);
    return written;
}

const char *
tar_version(void)
{
    return archive_version_string() + strlen("libarchive ");
}

guint
tar_padding(guint64 size_bytes)
{
    return (guint)(-size_bytes % TAR_BLOCK_BYTES);
}

TarReader *
tar_reader_new(TarRead read, gpointer data)
{
    TarReader *reader = g_new0(TarReader, 1);

    tar_input_init(&reader->input, read, data);
    int result = archive_read_support_format_tar(reader->input.archive);
    g_assert(result == ARCHIVE_OK);
    return reader;
}

void
tar_reader_free(TarReader *reader)
{
    tar_input_release(&reader->input);
    g_free(reader);
}

/* The one warning that is none to us: that a name could not be turned into the locale's characters.
 * It was not asked to be. */
static gboolean
is_about_characters(struct archive *archive)
{
    const char *warning = archive_error_string(archive);

    return warning && strstr(warning, "can't be converted from");
}

static const char *
name_kind(struct archive_entry *entry)
{
    if (archive_entry_hardlink(entry))
        return "hard link";
    switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
        return archive_entry_sparse_count(entry) > 0 ? "sparse file" : "file";
    case AE_IFLNK:
        return "symlink";
    case AE_IFDIR:
        return "folder";
    case AE_IFCHR:
    case AE_IFBLK:
        return "device";
    case AE_IFIFO:
        return "pipe";
    case AE_IFSOCK:
        return "socket";
    default:
        return "member of an unknown kind";
    }
}

/* Takes over what libarchive says of the member, which may be anything. */
static gboolean
member_fill(TarReader *reader, struct archive_entry *entry, TarMember *member, GError **error)
{
    la_int64_t size_bytes = archive_entry_size(entry);

    member->name = archive_entry_pathname(entry);
    if (!member->name || *member->name == '\0' || strlen(member->name) > TAR_NAME_MAX) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "a member of the tar has a name that is not of 1 to %d bytes", TAR_NAME_MAX);
        return FALSE;
    }
    if (size_bytes < 0 || (guint64)size_bytes > SIZE_MAX_BYTES) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "a member of the tar has an absurd size");
        return FALSE;
    }
    member->size_bytes = (guint64)size_bytes;
    member->offset = (guint64)archive_read_header_position(reader->input.archive);
    member->mtime_s = archive_entry_mtime(entry);
    member->what = name_kind(entry);
    member->is_file = strcmp(member->what, "file") == 0;
    reader->size_bytes = member->size_bytes;
    reader->position = 0;
    return TRUE;
}

int
tar_reader_next(TarReader *reader, TarMember *member, GError **error)
{
    struct archive_entry *entry = NULL;
    locale_t before = uselocale(locale_plain());
    int result = tar_input_open(&reader->input);

    if (result == ARCHIVE_OK)
        result = archive_read_next_header(reader->input.archive, &entry);
    int told = result == ARCHIVE_EOF && !reader->input.failure ? 0 : -1;
    if (result == ARCHIVE_OK ||
        (result == ARCHIVE_WARN && is_about_characters(reader->input.archive)))
        told = member_fill(reader, entry, member, error) ? 1 : -1;
    else if (told < 0)
        tar_input_fail(&reader->input, "tar", error);
    uselocale(before);
    return told;
}

gssize
tar_reader_data(TarReader *reader, const void **bytes, GError **error)
{
    size_t size_bytes = 0;
    la_int64_t offset = 0;
    int result = ARCHIVE_OK;

    do
        result = archive_read_data_block(reader->input.archive, bytes, &size_bytes, &offset);
    while (result == ARCHIVE_OK && size_bytes == 0);
    if (result != ARCHIVE_OK && result != ARCHIVE_EOF)
        return tar_input_fail(&reader->input, "tar", error);
    guint64 rest = reader->size_bytes - reader->position;
    if (result == ARCHIVE_EOF ? rest != 0
                              : (guint64)offset != reader->position || size_bytes > rest) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                    "a member of the tar has not the bytes that its header promises");
        return -1;
    }
    if (result == ARCHIVE_EOF)
        return 0;
    reader->position += size_bytes;
    return (gssize)size_bytes;
}
