/* identity_edge.c - the snapshot that this process serves by, and how it follows its sources.
 * There are two slots. Who looks up counts himself into the current one and then asks whether it
 * still is; a refresh fills the other, makes it current, and empties the old one once nobody is
 * counted into it. So a lookup never waits, and a refresh waits for microseconds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/identity_edge.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/note.h"
#include "jobs/identity_source.h"

enum {
    DRAIN_PAUSE_US = 50,
    CACHE_KEPT = 2,
    TOUCH_INTERVAL_S = 10, /* how often the cache's head is marked as confirmed */
    WAIT_MAX_S = 5         /* for a source that cannot be reached, at most */
};

typedef struct {
    atomic_uint readers;
    IdentitySnapshot *snapshot; /* NULL: the slot is empty */
    IdentityHead head;
    char *text; /* of the head */
    char *path;
} Slot;

typedef struct {
    char *where;
    guint failures; /* in a row */
    gint64 next_us; /* not asked before, by the thread that watches */
} Source;

struct _IdentityEdge {
    Slot slots[2];
    atomic_uint current;
    _Atomic gint64 confirmed_us; /* monotonic */
    _Atomic guint64 refused_count;
    _Atomic guint64 swap_count;
    /* Of who refreshes. */
    IdentityHead seen; /* the highest that ever held here, epoch 0: none */
    GArray *sources;
    MinisignPublic *keys;
    guint key_count;
    char *cache;
    int cache_fd;
    gint64 touched_us;
    /* Of the thread that watches. */
    GThread *thread;
    GMutex lock;
    GCond wake;
    gboolean stopping; /* under lock */
    gint64 interval_us;
    void (*refused)(const GError *error, gpointer data);
    gpointer data;
    char *told; /* what was last refused */
};

/* Every thread hashes for itself; keyed anew when a snapshot has another pepper. */
typedef struct {
    guint8 pepper[API_KEY_PEPPER_BYTES];
    ApiKeyHasher *hasher;
} ThreadHasher;

static void
thread_hasher_free(gpointer data)
{
    ThreadHasher *own = data;

    api_key_hasher_free(own->hasher);
    g_free(own);
}

static GPrivate thread_hasher = G_PRIVATE_INIT(thread_hasher_free);

static ApiKeyHasher *
get_hasher(const guint8 pepper[API_KEY_PEPPER_BYTES])
{
    ThreadHasher *own = g_private_get(&thread_hasher);

    if (!own) {
        own = g_new0(ThreadHasher, 1);
        g_private_set(&thread_hasher, own);
    }
    if (!own->hasher || memcmp(own->pepper, pepper, API_KEY_PEPPER_BYTES) != 0) {
        api_key_hasher_free(own->hasher);
        own->hasher = api_key_hasher_new(pepper);
        memcpy(own->pepper, pepper, API_KEY_PEPPER_BYTES);
    }
    return own->hasher;
}

/* The current slot, which stays as it is until it is let go. */
static Slot *
hold(IdentityEdge *edge)
{
    for (;;) {
        guint current = atomic_load(&edge->current);
        Slot *slot = &edge->slots[current];
        atomic_fetch_add(&slot->readers, 1);
        /* Counted in before this question: who empties slots changes current before he counts. */
        if (atomic_load(&edge->current) == current)
            return slot;
        atomic_fetch_sub(&slot->readers, 1);
    }
}

static void
let_go(Slot *slot)
{
    atomic_fetch_sub(&slot->readers, 1);
}

/* Waits until nobody looks up in it. */
static void
empty_slot(Slot *slot)
{
    while (atomic_load(&slot->readers) > 0)
        g_usleep(DRAIN_PAUSE_US);
    g_clear_pointer(&slot->snapshot, identity_snapshot_free);
    g_clear_pointer(&slot->text, g_free);
    g_clear_pointer(&slot->path, g_free);
}

static void
confirm(IdentityEdge *edge, gint64 age_us)
{
    gint64 at_us = g_get_monotonic_time() - age_us;

    if (at_us > atomic_load(&edge->confirmed_us))
        atomic_store(&edge->confirmed_us, at_us);
}

/* Makes the copy in the cache the current snapshot. */
static gboolean
swap(IdentityEdge *edge, const IdentityHead *head, const char *text, GError **error)
{
    g_autofree char *name = identity_snapshot_name(head->digest);
    g_autofree char *path = g_build_filename(edge->cache, name, NULL);
    guint current = atomic_load(&edge->current);
    Slot *next = &edge->slots[!current];

    g_autoptr(IdentitySnapshot) snapshot = identity_snapshot_open(path, error);
    if (!snapshot)
        return FALSE;
    g_assert(!next->snapshot);
    next->snapshot = g_steal_pointer(&snapshot);
    next->head = *head;
    next->text = g_strdup(text);
    next->path = g_steal_pointer(&path);
    atomic_store(&edge->current, !current);
    atomic_fetch_add(&edge->swap_count, 1);
    empty_slot(&edge->slots[current]);
    return TRUE;
}

/* The current slot, without counting: only who refreshes empties it. */
static const Slot *
present(IdentityEdge *edge)
{
    return &edge->slots[atomic_load(&edge->current)];
}

/* Reads the head that lies in the cache. (transfer full) its text, or NULL when there is none that
 * holds. */
static char *
read_cached(IdentityEdge *edge, IdentityHead *head)
{
    gsize size_bytes = 0;
    g_autofree char *text =
        durable_read_file(edge->cache_fd, IDENTITY_HEAD_FILE, NOTE_MAX_BYTES, &size_bytes, NULL);

    if (!text || !identity_head_open(IDENTITY_HEAD_FILE, text, size_bytes, edge->keys,
                                     edge->key_count, head, NULL))
        return NULL;
    return g_steal_pointer(&text);
}

/* Writes the head to the cache, unless another process that shares it is further already. What
 * cannot be written is only missed by an edge that starts without its sources. */
static void
write_cached(IdentityEdge *edge, const IdentityHead *head, const char *text)
{
    IdentityHead cached;
    g_autofree char *before = read_cached(edge, &cached);
    g_autofree char *name = identity_snapshot_name(head->digest);

    if (!before || cached.epoch < head->epoch)
        durable_write_file(edge->cache_fd, IDENTITY_HEAD_FILE, text, strlen(text), NULL);
    edge->touched_us = g_get_monotonic_time();
    identity_prune(edge->cache, edge->cache_fd, name, CACHE_KEPT, FALSE);
}

/* Notes in the cache when the head was confirmed, so that an edge that starts without its sources
 * knows how old it is. */
static void
touch_cached(IdentityEdge *edge, gint64 age_us)
{
    gint64 now_us = g_get_monotonic_time();
    gint64 at_us = g_get_real_time() - age_us;
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                      {at_us / G_USEC_PER_SEC, at_us % G_USEC_PER_SEC * 1000}};
    IdentityHead cached;

    if (now_us - edge->touched_us < (gint64)TOUCH_INTERVAL_S * G_USEC_PER_SEC)
        return;
    edge->touched_us = now_us;
    g_autofree char *text = read_cached(edge, &cached);
    if (text && cached.epoch == edge->seen.epoch)
        utimensat(edge->cache_fd, IDENTITY_HEAD_FILE, times, 0);
}

/* Serves by what the cache has, where it holds. */
static void
start_from_cache(IdentityEdge *edge)
{
    struct stat status;
    IdentityHead head;
    g_autofree char *text = read_cached(edge, &head);

    if (!text)
        return;
    edge->seen = head;
    if (!identity_copy_holds(edge->cache_fd, &head) || !swap(edge, &head, text, NULL))
        return;
    gint64 age_us = g_get_real_time() - head.created_us;
    if (fstatat(edge->cache_fd, IDENTITY_HEAD_FILE, &status, 0) == 0)
        age_us = MIN(age_us, g_get_real_time() - status.st_mtim.tv_sec * G_USEC_PER_SEC);
    atomic_store(&edge->confirmed_us, g_get_monotonic_time() - MAX(age_us, 0));
}

/* Asks one source, and swaps when it is ahead. */
static gboolean
ask(IdentityEdge *edge, const char *where, GError **error)
{
    g_autofree char *text = NULL;
    IdentityHead head;
    gint64 age_us = 0;

    if (!identity_source_head(where, edge->keys, edge->key_count, &head, &text, &age_us, error))
        return FALSE;
    int order = identity_head_compare(where, &head, &edge->seen, error);
    if (order < 0)
        return FALSE;
    /* A head that is known, but without its snapshot, is one to be fetched. */
    if (order == 0 && present(edge)->snapshot && present(edge)->head.epoch == head.epoch) {
        confirm(edge, age_us);
        touch_cached(edge, age_us);
        return TRUE;
    }
    if (!identity_source_copy(where, &head, edge->cache_fd, edge->cache, FALSE, error) ||
        !swap(edge, &head, text, error))
        return FALSE;
    edge->seen = head;
    confirm(edge, age_us);
    write_cached(edge, &head, text);
    return TRUE;
}

static gboolean
is_refusal(const GError *error)
{
    return g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT) ||
           g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_INVARIANT);
}

/* One that cannot be reached is asked ever more rarely, and not by all doors at once. */
static void
set_back(const IdentityEdge *edge, Source *source)
{
    gint64 wait_us = MAX(edge->interval_us, 1000) << MIN(source->failures, 10);

    source->failures++;
    wait_us = MIN(wait_us, (gint64)WAIT_MAX_S * G_USEC_PER_SEC);
    source->next_us =
        g_get_monotonic_time() + (gint64)((double)wait_us * g_random_double_range(0.5, 1.0));
}

/* now_us: who is not due then is passed over. Of several errors the first refusal is told, else the
 * last. */
static gboolean
ask_all(IdentityEdge *edge, gint64 now_us, GError **error)
{
    g_autoptr(GError) told = NULL;
    guint good_count = 0;
    guint asked_count = 0;

    for (guint i = 0; i < edge->sources->len; i++) {
        Source *source = &g_array_index(edge->sources, Source, i);
        g_autoptr(GError) reason = NULL;
        if (source->next_us > now_us)
            continue;
        asked_count++;
        if (ask(edge, source->where, &reason)) {
            good_count++;
            source->failures = 0;
            continue;
        }
        if (is_refusal(reason))
            atomic_fetch_add(&edge->refused_count, 1);
        else
            set_back(edge, source);
        if (!told || !is_refusal(told)) {
            g_clear_error(&told);
            told = g_steal_pointer(&reason);
        }
    }
    if (!told || (good_count > 0 && !is_refusal(told)))
        return asked_count > 0;
    g_propagate_error(error, g_steal_pointer(&told));
    return FALSE;
}

gboolean
identity_edge_refresh(IdentityEdge *edge, GError **error)
{
    if (edge->sources->len > 0)
        return ask_all(edge, G_MAXINT64, error);
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                        "no source of identity is given");
    return FALSE;
}

static void
clear_source(gpointer source)
{
    g_free(((Source *)source)->where);
}

static IdentityEdge *
edge_new(const char *cache, const char *const *sources, const MinisignPublic *keys, guint key_count)
{
    IdentityEdge *edge = g_new0(IdentityEdge, 1);

    edge->sources = g_array_new(FALSE, TRUE, sizeof(Source));
    g_array_set_clear_func(edge->sources, clear_source);
    for (; *sources; sources++) {
        const Source source = {.where = g_strdup(*sources)};
        g_array_append_val(edge->sources, source);
    }
    edge->cache = g_strdup(cache);
    edge->cache_fd = -1;
    edge->keys = g_memdup2(keys, key_count * sizeof *keys);
    edge->key_count = key_count;
    atomic_store(&edge->confirmed_us, G_MININT64);
    g_mutex_init(&edge->lock);
    g_cond_init(&edge->wake);
    return edge;
}

IdentityEdge *
identity_edge_open(const char *cache, const char *const *sources, const MinisignPublic *keys,
                   guint key_count, GError **error)
{
    g_autoptr(IdentityEdge) edge = edge_new(cache, sources, keys, key_count);
    g_autoptr(GError) reason = NULL;

    edge->cache_fd = durable_folder_open(cache, TRUE, error);
    if (edge->cache_fd < 0)
        return NULL;
    start_from_cache(edge);
    identity_edge_refresh(edge, &reason);
    if (present(edge)->snapshot)
        return g_steal_pointer(&edge);
    g_propagate_prefixed_error(error, g_steal_pointer(&reason), "no keys to serve by: ");
    return NULL;
}

void
identity_edge_free(IdentityEdge *edge)
{
    if (!edge)
        return;
    if (edge->thread) {
        g_mutex_lock(&edge->lock);
        edge->stopping = TRUE;
        g_cond_signal(&edge->wake);
        g_mutex_unlock(&edge->lock);
        g_thread_join(edge->thread);
    }
    for (guint i = 0; i < G_N_ELEMENTS(edge->slots); i++)
        empty_slot(&edge->slots[i]);
    if (edge->cache_fd >= 0)
        close(edge->cache_fd);
    g_array_unref(edge->sources);
    g_mutex_clear(&edge->lock);
    g_cond_clear(&edge->wake);
    g_free(edge->keys);
    g_free(edge->cache);
    g_free(edge->told);
    g_free(edge);
}

/* The same is told once, not twice a second. */
static void
tell(IdentityEdge *edge, const GError *error)
{
    if (!edge->refused || !is_refusal(error) || g_strcmp0(edge->told, error->message) == 0)
        return;
    g_free(edge->told);
    edge->told = g_strdup(error->message);
    edge->refused(error, edge->data);
}

static gpointer
watch(gpointer data)
{
    IdentityEdge *edge = data;

    g_mutex_lock(&edge->lock);
    while (!edge->stopping) {
        gint64 until_us = g_get_monotonic_time() + edge->interval_us;
        if (g_cond_wait_until(&edge->wake, &edge->lock, until_us))
            continue;
        g_mutex_unlock(&edge->lock);
        g_autoptr(GError) error = NULL;
        if (ask_all(edge, g_get_monotonic_time(), &error))
            g_clear_pointer(&edge->told, g_free);
        else if (error)
            tell(edge, error);
        g_mutex_lock(&edge->lock);
    }
    g_mutex_unlock(&edge->lock);
    return NULL;
}

void
identity_edge_watch(IdentityEdge *edge, gint64 interval_us,
                    void (*refused)(const GError *error, gpointer data), gpointer data)
{
    g_assert(!edge->thread && interval_us > 0);
    edge->interval_us = interval_us;
    edge->refused = refused;
    edge->data = data;
    edge->thread = g_thread_new("identity", watch, edge);
}

gboolean
identity_edge_find(IdentityEdge *edge, const char *text, gsize size_bytes, IdentityKey *key)
{
    guint8 hash[API_KEY_HASH_BYTES];
    Slot *slot = hold(edge);

    gboolean found = api_key_hash(get_hasher(identity_snapshot_pepper(slot->snapshot)), text,
                                  size_bytes, hash) &&
                     identity_snapshot_find(slot->snapshot, hash, key);
    let_go(slot);
    return found;
}

void
identity_edge_state(IdentityEdge *edge, IdentityEdgeState *state)
{
    Slot *slot = hold(edge);

    state->head = slot->head;
    let_go(slot);
    state->age_us = MAX(g_get_monotonic_time() - atomic_load(&edge->confirmed_us), 0);
    state->refused_count = atomic_load(&edge->refused_count);
    state->swap_count = atomic_load(&edge->swap_count);
}

char *
identity_edge_head_text(IdentityEdge *edge)
{
    Slot *slot = hold(edge);
    char *text = g_strdup(slot->text);

    let_go(slot);
    return text;
}

char *
identity_edge_snapshot_path(IdentityEdge *edge)
{
    Slot *slot = hold(edge);
    char *path = g_strdup(slot->path);

    let_go(slot);
    return path;
}
