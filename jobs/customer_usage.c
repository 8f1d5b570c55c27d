/* customer_usage.c - sums by customer and day.
 *
 *     logs in the folder → each from where it was read to → whole lines → sums
 *
 * A log that is open grows, and is renamed once, when it is closed; one that is closed does not
 * change. Logs that were last written before the first day of interest are not read.
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
#define OPEN_SUFFIX ".open.ndjson"
#define LOG_SUFFIX  ".ndjson"
#define STEP_BYTES  (4 << 20) /* read at a time: what somebody who asks may wait for */
#define LOOK_US     G_USEC_PER_SEC

typedef struct {
    gint64 day; /* since the epoch */
    CustomerSums sums;
} Day;

/* A log, by its name without suffix. */
typedef struct {
    guint64 taken_bytes; /* whole lines, summed */
    guint64 seen_bytes;  /* and what there was of the line behind them */
    guint64 size_bytes;  /* as it was last */
    gboolean ended;      /* it is closed, and read */
    guint round;         /* in which it was there */
} Log;

struct _CustomerUsage {
    int dir_fd;
    GThread *thread;
    GMutex reading; /* guards the next, before mutex */
    GHashTable *logs;
    guint round;
    char *buffer;
    GString *scratch;
    GMutex mutex;          /* guards the next */
    GHashTable *customers; /* name -> GArray of Day, ascending */
    gint64 today;          /* set under both mutexes */
    guint64 bad_lines;
    gdouble harvest;
    gboolean stopping;
    GCond changed; /* stopping */
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

/* Locked. What a wrong clock put into the future would push out the days that were. */
static void
add_event(CustomerUsage *usage, const UsageEvent *event)
{
    gint64 day = day_of(event->time_us);

    if (strcmp(event->status, USAGE_STATUS_OK) != 0 || day <= usage->today - CUSTOMER_USAGE_DAYS ||
        day > usage->today + 1)
        return;
    CustomerSums *sums = sums_of(usage, event->subject, day);
    sums->requests++;
    sums->bytes_in += event->bytes_in;
    sums->bytes_out += event->bytes_out;
    sums->pixels_in += event->pixels_in;
    sums->pixels_out += event->pixels_out;
    sums->cpu_us += event->cpu_us;
}

/* Locked. */
static void
add_line(CustomerUsage *usage, char *line, gsize size_bytes)
{
    UsageEvent event;
    const char *reason = NULL;

    if (usage_line_parse(line, size_bytes, usage->scratch, &event, &reason))
        add_event(usage, &event);
    else
        usage->bad_lines += size_bytes > 0;
}

/* The whole lines of the buffer. Returns: how many bytes they have. */
static gsize
add_lines(CustomerUsage *usage, gsize filled)
{
    char *line = usage->buffer;
    char *end = NULL;

    g_mutex_lock(&usage->mutex);
    while ((end = memchr(line, '\n', (gsize)(usage->buffer + filled - line)))) {
        add_line(usage, line, (gsize)(end - line));
        line = end + 1;
    }
    g_mutex_unlock(&usage->mutex);
    return (gsize)(line - usage->buffer);
}

/* Reads on in a log, at most max_bytes. A last line without its end is still being written, or
 * torn: it is looked at again. Returns: how many bytes were read; what cannot be read waits. */
static guint64
read_on(CustomerUsage *usage, Log *log, int fd, const char *name, guint64 max_bytes)
{
    guint64 read_bytes = 0;
    gsize filled = 0;
    gssize got = 1;

    while (read_bytes < max_bytes && got > 0) {
        got = durable_read_at(fd, name, log->taken_bytes + filled, usage->buffer + filled,
                              BUFFER_SIZE - filled, NULL);
        if (got <= 0)
            break;
        read_bytes += (guint64)got;
        filled += (gsize)got;
        gsize taken = add_lines(usage, filled);
        if (taken == 0 && filled == BUFFER_SIZE)
            taken = filled; /* more than a line can be: it goes, and its end will not parse */
        filled -= taken;
        memmove(usage->buffer, usage->buffer + taken, filled);
        log->taken_bytes += taken;
    }
    log->seen_bytes = log->taken_bytes + filled;
    return read_bytes;
}

/* Looks at a log, and reads at most max_bytes; one that is renamed or taken away meanwhile is
 * found again, or gone. Returns: how many bytes were read. */
static guint64
look_at_log(CustomerUsage *usage, Log *log, const char *name, guint64 max_bytes)
{
    struct stat status;
    guint64 read_bytes = 0;
    int fd = openat(usage->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return 0;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        log->size_bytes = (guint64)status.st_size;
        /* A full disk may have cut off what was written last. */
        log->taken_bytes = MIN(log->taken_bytes, log->size_bytes);
        log->seen_bytes = MIN(log->seen_bytes, log->size_bytes);
        if (status.st_mtim.tv_sec / 86400 <= usage->today - CUSTOMER_USAGE_DAYS)
            log->taken_bytes = log->seen_bytes = log->size_bytes;
        if (log->seen_bytes < log->size_bytes && max_bytes > 0)
            read_bytes = read_on(usage, log, fd, name, max_bytes);
        log->ended = log->seen_bytes == log->size_bytes && !g_str_has_suffix(name, OPEN_SUFFIX);
    }
    close(fd);
    return read_bytes;
}

/* (transfer none) what is known of a log; NULL: the name is no log's. */
static Log *
find_log(CustomerUsage *usage, const char *name)
{
    const char *suffix = g_str_has_suffix(name, OPEN_SUFFIX) ? OPEN_SUFFIX : LOG_SUFFIX;

    if (!g_str_has_suffix(name, suffix))
        return NULL;
    g_autofree char *stem = g_strndup(name, strlen(name) - strlen(suffix));
    Log *log = g_hash_table_lookup(usage->logs, stem);
    if (!log) {
        log = g_new0(Log, 1);
        g_hash_table_insert(usage->logs, g_steal_pointer(&stem), log);
    }
    log->round = usage->round;
    return log;
}

/* Forgets logs that are not there any more: what they said stays. Returns: the harvest. */
static gdouble
weigh_logs(CustomerUsage *usage)
{
    GHashTableIter iter;
    gpointer value = NULL;
    gdouble seen = 0;
    gdouble all = 0;

    g_hash_table_iter_init(&iter, usage->logs);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Log *log = value;
        if (log->round != usage->round) {
            g_hash_table_iter_remove(&iter);
            continue;
        }
        seen += (gdouble)log->seen_bytes;
        all += (gdouble)log->size_bytes;
    }
    return all > 0 ? seen / all : 1;
}

/* Reads a step further. Returns FALSE when there is no more at present. */
static gboolean
step(CustomerUsage *usage)
{
    guint64 read_bytes = 0;

    g_mutex_lock(&usage->reading);
    g_autoptr(GPtrArray) names = durable_folder_list(usage->dir_fd, "usage-", NULL);
    usage->round++;
    g_mutex_lock(&usage->mutex);
    usage->today = MAX(usage->today, day_of(g_get_real_time()));
    g_mutex_unlock(&usage->mutex);
    for (guint i = 0; names && i < names->len; i++) {
        Log *log = find_log(usage, names->pdata[i]);
        if (log && !log->ended)
            read_bytes +=
                look_at_log(usage, log, names->pdata[i], STEP_BYTES - MIN(read_bytes, STEP_BYTES));
    }
    gdouble harvest = names ? weigh_logs(usage) : 0;
    g_mutex_lock(&usage->mutex);
    usage->harvest = harvest;
    g_mutex_unlock(&usage->mutex);
    g_mutex_unlock(&usage->reading);
    return read_bytes >= STEP_BYTES;
}

static gpointer
follow(gpointer data)
{
    CustomerUsage *usage = data;

    g_mutex_lock(&usage->mutex);
    while (!usage->stopping) {
        g_mutex_unlock(&usage->mutex);
        gboolean more = step(usage);
        g_mutex_lock(&usage->mutex);
        if (!more && !usage->stopping)
            g_cond_wait_until(&usage->changed, &usage->mutex, g_get_monotonic_time() + LOOK_US);
    }
    g_mutex_unlock(&usage->mutex);
    return NULL;
}

CustomerUsage *
customer_usage_open(const char *dir, GError **error)
{
    int dir_fd = durable_folder_open(dir, TRUE, error);

    if (dir_fd < 0)
        return NULL;
    CustomerUsage *usage = g_new0(CustomerUsage, 1);
    usage->dir_fd = dir_fd;
    usage->buffer = g_malloc(BUFFER_SIZE);
    usage->scratch = g_string_new(NULL);
    g_mutex_init(&usage->reading);
    g_mutex_init(&usage->mutex);
    g_cond_init(&usage->changed);
    usage->logs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    usage->customers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                             (GDestroyNotify)(void (*)(void))g_array_unref);
    usage->thread = g_thread_new("usage", follow, usage);
    return usage;
}

gdouble
customer_usage_refresh(CustomerUsage *usage)
{
    step(usage);
    g_mutex_lock(&usage->mutex);
    gdouble harvest = usage->harvest;
    g_mutex_unlock(&usage->mutex);
    return harvest;
}

void
customer_usage_free(CustomerUsage *usage)
{
    if (!usage)
        return;
    g_mutex_lock(&usage->mutex);
    usage->stopping = TRUE;
    g_cond_signal(&usage->changed);
    g_mutex_unlock(&usage->mutex);
    g_thread_join(usage->thread);
    g_hash_table_unref(usage->customers);
    g_hash_table_unref(usage->logs);
    g_string_free(usage->scratch, TRUE);
    g_free(usage->buffer);
    g_cond_clear(&usage->changed);
    g_mutex_clear(&usage->mutex);
    g_mutex_clear(&usage->reading);
    close(usage->dir_fd);
    g_free(usage);
}

guint64
customer_usage_bad_lines(CustomerUsage *usage)
{
    g_mutex_lock(&usage->mutex);
    guint64 bad_lines = usage->bad_lines;
    g_mutex_unlock(&usage->mutex);
    return bad_lines;
}

void
customer_usage_visit(CustomerUsage *usage, const char *customer,
                     void (*visit)(const char *day, const CustomerSums *sums, gpointer data),
                     gpointer data)
{
    g_mutex_lock(&usage->mutex);
    gint64 today = MAX(usage->today, day_of(g_get_real_time()));
    const GArray *days = g_hash_table_lookup(usage->customers, customer);
    /* A copy, so that nobody waits for who visits. */
    g_autoptr(GArray) copy = g_array_new(FALSE, FALSE, sizeof(Day));
    for (guint i = 0; days && i < days->len; i++)
        if (g_array_index(days, Day, i).day > today - CUSTOMER_USAGE_DAYS)
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
