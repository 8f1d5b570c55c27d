/* archive_inputs.c - members of a pack: kept in little memory, since there may be millions, and
 * told to other ranks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_inputs.h"

#include <string.h>
#include <sys/stat.h>

#include "formats/bytes.h"
#include "formats/volume.h"

enum { BLOCK_PIECES = 1024, STRINGS_BYTES = 64 << 10 };
/* Where a name is no tail of its path. */
#define NO_TAIL G_MAXUINT32

ArchiveInputs *
archive_inputs_new(void)
{
    ArchiveInputs *inputs = g_new0(ArchiveInputs, 1);

    inputs->members = g_array_new(FALSE, FALSE, sizeof(ArchiveMember));
    inputs->segments = g_ptr_array_new();
    inputs->strings = g_string_chunk_new(STRINGS_BYTES);
    inputs->blocks = g_ptr_array_new_with_free_func(g_free);
    return inputs;
}

void
archive_inputs_free(ArchiveInputs *inputs)
{
    g_array_unref(inputs->members);
    g_ptr_array_unref(inputs->segments);
    g_string_chunk_free(inputs->strings);
    g_ptr_array_unref(inputs->blocks);
    g_free(inputs);
}

/* Room for pieces that stays where it is. */
static ArchivePiece *
new_pieces(ArchiveInputs *inputs, guint count)
{
    ArchivePiece *pieces = inputs->free_piece;

    if (count > inputs->free_count) {
        inputs->free_count = MAX(count, BLOCK_PIECES);
        pieces = g_new(ArchivePiece, inputs->free_count);
        g_ptr_array_add(inputs->blocks, pieces);
    }
    inputs->free_count -= count;
    inputs->free_piece = pieces + count;
    return pieces;
}

/* Where name begins in path, when path ends so; or NO_TAIL. */
static guint32
tail_of(const char *path, const char *name)
{
    gsize path_size = strlen(path);
    gsize name_size = strlen(name);

    if (name_size > path_size || strcmp(path + path_size - name_size, name) != 0)
        return NO_TAIL;
    return (guint32)(path_size - name_size);
}

/* A file's name is mostly a part of its path, and lies there. Scratch files of usage are shared by
 * many members, so their paths are kept once. */
void
archive_inputs_add(ArchiveInputs *inputs, const ArchiveMember *member)
{
    ArchiveMember added = *member;
    ArchivePiece *pieces = new_pieces(inputs, member->piece_count);
    guint32 tail =
        member->piece_count == 1 ? tail_of(member->pieces[0].path, member->name) : NO_TAIL;

    for (guint i = 0; i < member->piece_count; i++) {
        pieces[i] = member->pieces[i];
        pieces[i].path = tail == NO_TAIL
                             ? g_string_chunk_insert_const(inputs->strings, member->pieces[i].path)
                             : g_string_chunk_insert(inputs->strings, member->pieces[i].path);
    }
    added.name = tail == NO_TAIL ? g_string_chunk_insert(inputs->strings, member->name)
                                 : pieces->path + tail;
    added.pieces = pieces;
    inputs->size_bytes += member->size_bytes;
    g_array_append_val(inputs->members, added);
}

/* A member's key in the index: its name, or what becomes of it when that is not UTF-8. */
static const char *
member_key(const ArchiveMember *member, GString *keep)
{
    VolumeRecord record;

    if (g_utf8_validate(member->name, -1, NULL))
        return member->name;
    volume_record_describe(member->name, member->mtime_s, keep, &record);
    return record.key;
}

/* By keys, then by names. */
static int
compare_members(gconstpointer a, gconstpointer b)
{
    const ArchiveMember *left = a;
    const ArchiveMember *right = b;
    g_autoptr(GString) keep_left = g_string_new(NULL);
    g_autoptr(GString) keep_right = g_string_new(NULL);
    int order = strcmp(member_key(left, keep_left), member_key(right, keep_right));

    return order ? order : strcmp(left->name, right->name);
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(((const ArchiveMember *)a)->name, ((const ArchiveMember *)b)->name);
}

static const char *
member_path(const ArchiveMember *member)
{
    return member->piece_count > 0 ? member->pieces[0].path : "usage";
}

/* Is this one file, given twice? */
static gboolean
is_same_file(const ArchiveMember *a, const ArchiveMember *b)
{
    struct stat left;
    struct stat right;

    return a->piece_count == 1 && b->piece_count == 1 && stat(a->pieces[0].path, &left) == 0 &&
           stat(b->pieces[0].path, &right) == 0 && left.st_dev == right.st_dev &&
           left.st_ino == right.st_ino;
}

static gboolean
drop_doubles(ArchiveInputs *inputs, GError **error)
{
    ArchiveMember *members = (ArchiveMember *)(void *)inputs->members->data;
    guint kept = 0;

    for (guint i = 0; i < inputs->members->len; i++) {
        if (kept == 0 || strcmp(members[kept - 1].name, members[i].name) != 0) {
            members[kept++] = members[i];
            continue;
        }
        if (!is_same_file(&members[kept - 1], &members[i])) {
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                        "%s and %s would both be %s in the archive: pack them apart, or from "
                        "folders that tell them apart",
                        member_path(&members[kept - 1]), member_path(&members[i]), members[i].name);
            return FALSE;
        }
        inputs->size_bytes -= members[i].size_bytes;
    }
    g_array_set_size(inputs->members, kept);
    return TRUE;
}

/* What a name that is not UTF-8 becomes may be another file's name. */
static gboolean
check_keys(const ArchiveInputs *inputs, GError **error)
{
    g_autoptr(GString) keep_left = g_string_new(NULL);
    g_autoptr(GString) keep_right = g_string_new(NULL);

    for (guint i = 1; i < inputs->members->len; i++) {
        const ArchiveMember *left = &g_array_index(inputs->members, ArchiveMember, i - 1);
        const ArchiveMember *right = &g_array_index(inputs->members, ArchiveMember, i);
        const char *key = member_key(left, keep_left);
        if (strcmp(key, member_key(right, keep_right)) != 0)
            continue;
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                    "%s and %s would both have the key %s in the index: pack them apart",
                    member_path(left), member_path(right), key);
        return FALSE;
    }
    return TRUE;
}

gboolean
archive_inputs_sort(ArchiveInputs *inputs, GError **error)
{
    gboolean plain = TRUE;

    for (guint i = 0; plain && i < inputs->members->len; i++)
        plain = g_utf8_validate(g_array_index(inputs->members, ArchiveMember, i).name, -1, NULL);
    /* Where all names are UTF-8 they are the keys. */
    g_array_sort(inputs->members, plain ? compare_names : compare_members);
    return drop_doubles(inputs, error) && (plain || check_keys(inputs, error));
}

/* Paths that members share, by their number; filled as they are met. */
static guint32
shared_path(GHashTable *numbers, GByteArray *paths, const char *path)
{
    gpointer number = NULL;

    if (g_hash_table_lookup_extended(numbers, path, NULL, &number))
        return GPOINTER_TO_UINT(number);
    guint count = g_hash_table_size(numbers);
    g_hash_table_insert(numbers, (gpointer)path, GUINT_TO_POINTER(count));
    bytes_put_string(paths, path);
    return count;
}

/* tail: NO_TAIL, and the paths are numbers of shared ones; or the name is in the one path. */
static void
print_member(const ArchiveMember *member, GHashTable *numbers, GByteArray *paths, GByteArray *out)
{
    guint32 tail =
        member->piece_count == 1 ? tail_of(member->pieces[0].path, member->name) : NO_TAIL;

    bytes_put_u64(out, member->size_bytes);
    bytes_put_u64(out, (guint64)member->mtime_s);
    bytes_put_u64(out, (guint64)member->changed_ns);
    bytes_put_u32(out, tail);
    bytes_put_string(out, tail == NO_TAIL ? member->name : member->pieces[0].path);
    bytes_put_u32(out, member->piece_count);
    for (guint i = 0; i < member->piece_count; i++) {
        const ArchivePiece *piece = &member->pieces[i];
        if (tail == NO_TAIL)
            bytes_put_u32(out, shared_path(numbers, paths, piece->path));
        bytes_put_u64(out, piece->offset);
        bytes_put_u64(out, piece->size_bytes);
    }
}

gboolean
archive_inputs_print(const ArchiveInputs *inputs, GByteArray *out, GError **error)
{
    g_autoptr(GHashTable) numbers = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GByteArray) paths = g_byte_array_new();
    g_autoptr(GByteArray) members = g_byte_array_new();
    guint i = 0;

    for (; i < inputs->members->len && members->len + paths->len < ARCHIVE_INPUTS_MAX_BYTES; i++)
        print_member(&g_array_index(inputs->members, ArchiveMember, i), numbers, paths, members);
    if (i < inputs->members->len) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                    "%u files are too many for one pack: pack them in parts", inputs->members->len);
        return FALSE;
    }
    bytes_put_u32(out, inputs->segments->len);
    for (i = 0; i < inputs->segments->len; i++)
        bytes_put_string(out, inputs->segments->pdata[i]);
    bytes_put_u32(out, g_hash_table_size(numbers));
    bytes_put_blob(out, paths->data, paths->len);
    bytes_put_u32(out, inputs->members->len);
    bytes_put_blob(out, members->data, members->len);
    return TRUE;
}

static void
parse_member(ArchiveInputs *inputs, const GPtrArray *paths, GArray *pieces, ByteReader *reader)
{
    ArchiveMember member = {.size_bytes = bytes_get_u64(reader)};

    member.mtime_s = (gint64)bytes_get_u64(reader);
    member.changed_ns = (gint64)bytes_get_u64(reader);
    guint32 tail = bytes_get_u32(reader);
    const char *text = bytes_get_string(reader);
    guint32 count = bytes_get_u32(reader);
    if (tail != NO_TAIL && (count != 1 || tail > strlen(text)))
        reader->ok = FALSE;
    g_array_set_size(pieces, 0);
    for (guint32 i = 0; i < count && reader->ok; i++) {
        guint32 number = tail == NO_TAIL ? bytes_get_u32(reader) : 0;
        ArchivePiece piece = {.path = text, .offset = bytes_get_u64(reader)};
        piece.size_bytes = bytes_get_u64(reader);
        if (tail == NO_TAIL && number < paths->len)
            piece.path = paths->pdata[number];
        else if (tail == NO_TAIL)
            reader->ok = FALSE;
        g_array_append_val(pieces, piece);
    }
    member.name = tail == NO_TAIL || !reader->ok ? text : text + tail;
    member.pieces = (const ArchivePiece *)(const void *)pieces->data;
    member.piece_count = pieces->len;
    if (reader->ok)
        archive_inputs_add(inputs, &member);
}

ArchiveInputs *
archive_inputs_parse(const void *bytes, gsize size_bytes, GError **error)
{
    g_autoptr(ArchiveInputs) inputs = archive_inputs_new();
    g_autoptr(GPtrArray) paths = g_ptr_array_new();
    g_autoptr(GArray) pieces = g_array_new(FALSE, FALSE, sizeof(ArchivePiece));
    ByteReader reader = byte_reader(bytes, size_bytes);

    for (guint32 left = bytes_get_u32(&reader); left > 0 && reader.ok; left--)
        g_ptr_array_add(inputs->segments,
                        g_string_chunk_insert(inputs->strings, bytes_get_string(&reader)));
    for (guint32 left = bytes_get_u32(&reader); left > 0 && reader.ok; left--)
        g_ptr_array_add(paths, (gpointer)bytes_get_string(&reader));
    for (guint32 left = bytes_get_u32(&reader); left > 0 && reader.ok; left--)
        parse_member(inputs, paths, pieces, &reader);
    if (reader.ok && reader.at == reader.end)
        return g_steal_pointer(&inputs);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BUG, "rank 0's files cannot be read");
    return NULL;
}
