/* customer_usage.c - sums by customer and day. Logs that were last written before the first day of
 * interest are not opened, so a start takes as long as a month's events do.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/customer_usage.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/error.h"

#define DAY_US      (86400 * (gint64)G_USEC_PER_SEC)
#define DAY_CHARS   10 /* 2026-11-23 */
#define BUFFER_SIZE ((gsize)4 * USAGE_LINE_MAX_BYTES)

typedef struct {
    gint64 day; /* since the epoch */
    CustomerSums sums;
} Day;

struct _CustomerUsage {
    GMutex mutex;
    GHashTable *customers; /* name -> GArray of Day, ascending */
    gint64 today;          /* the latest that is known */
    guint64 bad_lines;
};

static gint64
day_of(gint64 time_us)
{
    return time_us >= 0 ? time_us / DAY_US : -1;
}

/* The sums of a day, made when missing; what is too old goes. Locked. */
static CustomerSums *
sums_of(CustomerUsage *usage, const char *customer, gint64 day)
{
    GArray *days = g_hash_table_lookup(usage->customers, customer);
    guint at = 0;

    if (!days) {
        days = g_array_new(FALSE, TRUE, sizeof(Day));
        g_hash_table_insert(usage->customers, g_strdup(customer), days);
    }
    while (days->len > 0 && g_array_index(days, Day, 0).day <= usage->today - CUSTOMER_USAGE_DAYS)
        g_array_remove_index(days, 0);
    for (at = days->len; at > 0 && g_array_index(days, Day, at - 1).day >= day; at--)
        continue;
    if (at == days->len || g_array_index(days, Day, at).day != day) {
        Day new_day = {.day = day};
        g_array_insert_val(days, at, new_day);
    }
    return &g_array_index(days, Day, at).sums;
}

static void
add_at(CustomerUsage *usage, const UsageEvent *event, gint64 time_us)
{
    gint64 day = day_of(time_us);

    if (strcmp(event->status, USAGE_STATUS_OK) != 0 || day <= usage->today - CUSTOMER_USAGE_DAYS)
        return;
    CustomerSums *sums = sums_of(usage, event->subject, day);
    sums->requests++;
    sums->bytes_in += event->bytes_in;
    sums->bytes_out += event->bytes_out;
    sums->pixels_in += event->pixels_in;
    sums->pixels_out += event->pixels_out;
    sums->cpu_us += event->cpu_us;
}

void
customer_usage_add(CustomerUsage *usage, const UsageEvent *event)
{
    gint64 time_us = event->time_us != 0 ? event->time_us : g_get_real_time();

    g_mutex_lock(&usage->mutex);
    usage->today = MAX(usage->today, day_of(time_us));
    add_at(usage, event, time_us);
    g_mutex_unlock(&usage->mutex);
}

static void
add_line(CustomerUsage *usage, char *line, gsize size_bytes, GString *scratch)
{
    UsageEvent event;
    const char *reason = NULL;

    if (!usage_line_parse(line, size_bytes, scratch, &event, &reason)) {
        usage->bad_lines += size_bytes > 0;
        return;
    }
    /* What a wrong clock put into the future would push out the days that were. */
    if (day_of(event.time_us) <= usage->today + 1)
        add_at(usage, &event, event.time_us);
}

/* The whole lines of the buffer. Returns: how many bytes they have. */
static gsize
add_lines(CustomerUsage *usage, char *buffer, gsize filled, GString *scratch)
{
    char *line = buffer;
    char *end = NULL;

    while ((end = memchr(line, '\n', (gsize)(buffer + filled - line)))) {
        add_line(usage, line, (gsize)(end - line), scratch);
        line = end + 1;
    }
    return (gsize)(line - buffer);
}

static gboolean
add_file(CustomerUsage *usage, int fd, const char *name, GError **error)
{
    g_autofree char *buffer = g_malloc(BUFFER_SIZE);
    g_autoptr(GString) scratch = g_string_new(NULL);
    guint64 offset = 0;
    gsize filled = 0;
    gssize got = 0;

    for (;;) {
        got = durable_read_at(fd, name, offset, buffer + filled, BUFFER_SIZE - filled, error);
        if (got <= 0)
            return got == 0; /* a last line without its end is still being written, or torn */
        offset += (guint64)got;
        filled += (gsize)got;
        gsize taken = add_lines(usage, buffer, filled, scratch);
        if (taken == 0 && filled == BUFFER_SIZE) {
            /* More than a line can be: its beginning goes, its end will not parse. */
            taken = filled;
        }
        filled -= taken;
        memmove(buffer, buffer + taken, filled);
    }
}

/* One that is renamed or taken away meanwhile is left out, as its events are when they are of
 * before. */
static gboolean
add_log(CustomerUsage *usage, int dir_fd, const char *name, GError **error)
{
    struct stat status;
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return TRUE;
    gboolean good = TRUE;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_mtim.tv_sec / 86400 > usage->today - CUSTOMER_USAGE_DAYS)
        good = add_file(usage, fd, name, error);
    close(fd);
    return good;
}

CustomerUsage *
customer_usage_open(const char *dir, gint64 now_us, GError **error)
{
    g_autoptr(CustomerUsage) usage = g_new0(CustomerUsage, 1);
    int dir_fd = durable_folder_open(dir, TRUE, error);

    g_mutex_init(&usage->mutex);
    usage->customers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                             (GDestroyNotify)(void (*)(void))g_array_unref);
    usage->today = day_of(now_us);
    if (dir_fd < 0)
        return NULL;
    g_autoptr(GPtrArray) names = durable_folder_list(dir_fd, "usage-", error);
    gboolean good = names != NULL;
    for (guint i = 0; good && i < names->len; i++)
        if (g_str_has_suffix(names->pdata[i], ".ndjson"))
            good = add_log(usage, dir_fd, names->pdata[i], error);
    close(dir_fd);
    return good ? g_steal_pointer(&usage) : NULL;
}

void
customer_usage_free(CustomerUsage *usage)
{
    if (!usage)
        return;
    g_hash_table_unref(usage->customers);
    g_mutex_clear(&usage->mutex);
    g_free(usage);
}

guint64
customer_usage_bad_lines(const CustomerUsage *usage)
{
    return usage->bad_lines;
}

void
customer_usage_visit(CustomerUsage *usage, const char *customer,
                     void (*visit)(const char *day, const CustomerSums *sums, gpointer data),
                     gpointer data)
{
    g_mutex_lock(&usage->mutex);
    usage->today = MAX(usage->today, day_of(g_get_real_time()));
    const GArray *days = g_hash_table_lookup(usage->customers, customer);
    /* A copy, so that nobody waits for who visits. */
    g_autoptr(GArray) copy = g_array_new(FALSE, FALSE, sizeof(Day));
    for (guint i = 0; days && i < days->len; i++)
        if (g_array_index(days, Day, i).day > usage->today - CUSTOMER_USAGE_DAYS)
            g_array_append_val(copy, g_array_index(days, Day, i));
    g_mutex_unlock(&usage->mutex);
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < copy->len; i++) {
        const Day *day = &g_array_index(copy, Day, i);
        g_string_truncate(text, 0);
        usage_print_time(text, day->day * DAY_US);
        g_string_truncate(text, DAY_CHARS);
        visit(text->str, &day->sums, data);
    }
}
