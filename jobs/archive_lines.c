/* archive_lines.c - prints a segment's events, batch by batch: lines are printed in the segment's
 * order, then written in the order of their groups (a customer's day). So memory is that of a
 * batch, whatever the segment's size, and nothing is decoded twice.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/segment.h"

enum { WRITE_BYTES = 1 << 20 };
#define DAY_US G_TIME_SPAN_DAY

/* A customer's day. */
typedef struct {
    guint32 customer; /* its number */
    gint64 day_us;
    guint32 batch_count; /* events of the batch */
    guint32 next;        /* where the next of them comes, when they are sorted */
} Group;

/* A printed event of the batch. */
typedef struct {
    guint32 group;
    guint32 offset; /* in the batch's text */
    guint32 size_bytes;
} Line;

/* What is known of a code of a bucket's customers, so that nearly all events need no table. */
typedef struct {
    guint32 customer;
    guint32 group; /* of its last event */
    gint64 day_us;
} Code;

struct _Lines {
    gsize batch_bytes;
    SegmentBlock *block;
    GString *text;       /* of the batch */
    GArray *lines;       /* of Line */
    GArray *order;       /* of guint32: lines, group by group */
    GString *out;        /* on its way to the file */
    GPtrArray *names;    /* of customers, by number */
    GHashTable *numbers; /* of customers, by name */
    GArray *groups;      /* of Group */
    GHashTable *by_day;  /* numbers of groups plus 1, by customer and day */
    GArray *touched;     /* of guint32: groups of the batch, as they came */
    GArray *codes;       /* of Code */
    GArray *extents;
    /* The scratch file: */
    int fd;
    const char *name;
    guint32 segment;
    guint64 written_bytes;
};

/* Keys are a customer's number and a day, in one word. */
static guint
hash_word(gconstpointer word)
{
    return (guint)((guint64)(gsize)word * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15) >> 32);
}

Lines *
lines_new(gsize batch_bytes)
{
    Lines *lines = g_new0(Lines, 1);

    g_assert(batch_bytes <= G_MAXINT32);
    lines->batch_bytes = batch_bytes;
    lines->block = segment_block_new();
    lines->text = g_string_new(NULL);
    lines->lines = g_array_new(FALSE, FALSE, sizeof(Line));
    lines->order = g_array_new(FALSE, FALSE, sizeof(guint32));
    lines->out = g_string_new(NULL);
    lines->names = g_ptr_array_new_with_free_func(g_free);
    lines->numbers = g_hash_table_new(g_str_hash, g_str_equal);
    lines->groups = g_array_new(FALSE, FALSE, sizeof(Group));
    lines->by_day = g_hash_table_new(hash_word, g_direct_equal);
    lines->touched = g_array_new(FALSE, FALSE, sizeof(guint32));
    lines->codes = g_array_new(FALSE, FALSE, sizeof(Code));
    lines->extents = g_array_new(FALSE, FALSE, sizeof(LinesExtent));
    return lines;
}

void
lines_free(Lines *lines)
{
    segment_block_free(lines->block);
    g_string_free(lines->text, TRUE);
    g_array_unref(lines->lines);
    g_array_unref(lines->order);
    g_string_free(lines->out, TRUE);
    g_hash_table_unref(lines->numbers);
    g_ptr_array_unref(lines->names);
    g_array_unref(lines->groups);
    g_hash_table_unref(lines->by_day);
    g_array_unref(lines->touched);
    g_array_unref(lines->codes);
    g_array_unref(lines->extents);
    g_free(lines);
}

static guint32
customer_number(Lines *lines, const char *name)
{
    gpointer number = NULL;

    if (!g_hash_table_lookup_extended(lines->numbers, name, NULL, &number)) {
        char *kept = g_strdup(name);
        number = GUINT_TO_POINTER(lines->names->len);
        g_ptr_array_add(lines->names, kept);
        g_hash_table_insert(lines->numbers, kept, number);
    }
    return GPOINTER_TO_UINT(number);
}

static guint32
group_number(Lines *lines, guint32 customer, gint64 day_us)
{
    gpointer word = (gpointer)((gsize)customer << 32 | (guint32)(gint32)(day_us / DAY_US));
    guint found = GPOINTER_TO_UINT(g_hash_table_lookup(lines->by_day, word));
    const Group group = {.customer = customer, .day_us = day_us};

    if (found > 0)
        return found - 1;
    g_array_append_val(lines->groups, group);
    g_hash_table_insert(lines->by_day, word, GUINT_TO_POINTER(lines->groups->len));
    return lines->groups->len - 1;
}

static gint64
day_of(gint64 time_us)
{
    gint64 within = time_us % DAY_US;

    return time_us - (within < 0 ? within + DAY_US : within);
}

static void
begin_bucket(Lines *lines, const SegmentTexts *subjects)
{
    g_array_set_size(lines->codes, subjects->value_count);
    for (guint32 i = 0; i < subjects->value_count; i++)
        g_array_index(lines->codes, Code, i) =
            (Code){.customer = customer_number(lines, subjects->values[i]), .day_us = G_MININT64};
}

static void
add_line(Lines *lines, const UsageEvent *event, guint32 code_number)
{
    Code *code = &g_array_index(lines->codes, Code, code_number);
    gint64 day_us = day_of(event->time_us);
    Line line = {.offset = (guint32)lines->text->len};

    if (day_us != code->day_us) {
        code->day_us = day_us;
        code->group = group_number(lines, code->customer, day_us);
    }
    usage_event_print(event, lines->text);
    line.group = code->group;
    line.size_bytes = (guint32)lines->text->len - line.offset;
    g_array_append_val(lines->lines, line);
    if (g_array_index(lines->groups, Group, line.group).batch_count++ == 0)
        g_array_append_val(lines->touched, line.group);
}

static void
sort_batch(Lines *lines)
{
    guint32 at = 0;

    g_array_set_size(lines->order, lines->lines->len);
    for (guint i = 0; i < lines->touched->len; i++) {
        Group *group =
            &g_array_index(lines->groups, Group, g_array_index(lines->touched, guint32, i));
        group->next = at;
        at += group->batch_count;
    }
    for (guint32 i = 0; i < lines->lines->len; i++) {
        guint32 number = g_array_index(lines->lines, Line, i).group;
        Group *group = &g_array_index(lines->groups, Group, number);
        g_array_index(lines->order, guint32, group->next++) = i;
    }
}

static gboolean
flush(Lines *lines, GError **error)
{
    gboolean good =
        durable_write_all(lines->fd, lines->name, lines->out->str, lines->out->len, error);

    g_string_truncate(lines->out, 0);
    return good;
}

/* Writes the events of one group, which begin at *at in the order. */
static gboolean
write_group(Lines *lines, Group *group, guint32 *at, GError **error)
{
    LinesExtent extent = {.customer = lines->names->pdata[group->customer],
                          .day_us = group->day_us,
                          .segment = lines->segment,
                          .offset = lines->written_bytes};

    for (; group->batch_count > 0; group->batch_count--) {
        const Line *line =
            &g_array_index(lines->lines, Line, g_array_index(lines->order, guint32, (*at)++));
        g_string_append_len(lines->out, lines->text->str + line->offset, line->size_bytes);
        extent.size_bytes += line->size_bytes;
        if (lines->out->len >= WRITE_BYTES && !flush(lines, error))
            return FALSE;
    }
    lines->written_bytes += extent.size_bytes;
    g_array_append_val(lines->extents, extent);
    return TRUE;
}

static gboolean
write_batch(Lines *lines, GError **error)
{
    guint32 at = 0;
    gboolean good = TRUE;

    sort_batch(lines);
    for (guint i = 0; good && i < lines->touched->len; i++)
        good = write_group(
            lines, &g_array_index(lines->groups, Group, g_array_index(lines->touched, guint32, i)),
            &at, error);
    g_assert(!good || at == lines->lines->len);
    g_string_truncate(lines->text, 0);
    g_array_set_size(lines->lines, 0);
    g_array_set_size(lines->touched, 0);
    return good && flush(lines, error);
}

/* identity_sum: added to, by the events as they are printed. */
static gboolean
print_bucket(Lines *lines, SegmentReader *reader, guint bucket, LinesTotal *total,
             guint64 *identity_sum, GError **error)
{
    if (!segment_block_read(lines->block, reader, bucket, SEGMENT_ALL_COLUMNS, error))
        return FALSE;
    const SegmentTexts *subjects = segment_block_texts(lines->block, SEGMENT_SUBJECT);
    const guint64 *identities = segment_block_identities(lines->block);
    begin_bucket(lines, subjects);
    for (guint32 row = 0; row < segment_block_count(lines->block); row++) {
        UsageEvent event;
        segment_block_event(lines->block, row, &event);
        add_line(lines, &event, subjects->codes[row]);
        total->event_count++;
        *identity_sum += identities[row];
        if (lines->text->len >= lines->batch_bytes && !write_batch(lines, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
print_buckets(Lines *lines, SegmentReader *reader, LinesTotal *total, GError **error)
{
    const SegmentFooter *footer = segment_reader_footer(reader);
    guint64 identity_sum = 0;

    for (guint bucket = 0; bucket >> footer->bucket_bits == 0; bucket++)
        if (segment_bucket_count(reader, bucket) > 0 &&
            !print_bucket(lines, reader, bucket, total, &identity_sum, error))
            return FALSE;
    if (!write_batch(lines, error))
        return FALSE;
    if (total->event_count == footer->event_count && identity_sum == footer->identity_sum)
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INVARIANT,
                "%s: %" G_GUINT64_FORMAT " events were printed, and it has %" G_GUINT64_FORMAT
                ", or they are others",
                segment_reader_path(reader), total->event_count, footer->event_count);
    return FALSE;
}

/* Forgets the segment before, whatever became of it. */
static void
begin_segment(Lines *lines, const char *name, guint32 segment)
{
    g_string_truncate(lines->text, 0);
    g_string_truncate(lines->out, 0);
    g_array_set_size(lines->lines, 0);
    g_array_set_size(lines->groups, 0);
    g_array_set_size(lines->touched, 0);
    g_array_set_size(lines->extents, 0);
    g_hash_table_remove_all(lines->by_day);
    g_hash_table_remove_all(lines->numbers);
    g_ptr_array_set_size(lines->names, 0);
    lines->name = name;
    lines->segment = segment;
    lines->written_bytes = 0;
}

const GArray *
lines_print(Lines *lines, const char *path, guint32 segment, int dir_fd, const char *name,
            LinesTotal *total, GError **error)
{
    g_autoptr(SegmentReader) reader = segment_reader_open(path, error);

    if (!reader || !segment_reader_verify(reader, error))
        return NULL;
    begin_segment(lines, name, segment);
    lines->fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (lines->fd < 0) {
        millrace_error_set_errno(error, durable_creation_error(errno), errno, "%s", name);
        return NULL;
    }
    gboolean good = print_buckets(lines, reader, total, error);
    if (close(lines->fd) != 0 && good)
        good = millrace_error_set_errno(error, MILLRACE_ERROR_IO, errno, "%s", name);
    total->size_bytes = lines->written_bytes;
    return good ? lines->extents : NULL;
}
