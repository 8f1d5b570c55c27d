/* auth_bench.c - authentications a second: hash a key, look it up among a million. Alone on a core,
 * then by several threads while snapshots are swapped under them; what is missed is an error.
 *
 *     auth_bench [KEYS [SECONDS [THREADS]]]
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "formats/sha256.h"
#include "jobs/identity_edge.h"

enum { GOAL_PER_S = 200000, SAMPLE = 1 << 16, SWAP_PAUSE_US = 20000 };

typedef struct {
    guint8 hash[API_KEY_HASH_BYTES];
} Hash;

typedef struct {
    guint key_count;
    double seconds;
    char *folder; /* of all that is made */
    char *source;
    MinisignSecret *secret;
    GArray *hashes; /* sorted */
    char (*sample)[API_KEY_CHARS + 1];
    char digests[2][IDENTITY_DIGEST_CHARS + 1]; /* of two snapshots with all keys */
    IdentityEdge *edge;
} Bench;

typedef struct {
    Bench *bench;
    const atomic_bool *stop;
    guint64 done;
    guint64 missed;
    double cpu_s;
} Reader;

static void
must(gboolean done, GError *error)
{
    if (done)
        return;
    fprintf(stderr, "auth_bench: %s\n", error ? error->message : "failed");
    exit(1);
}

static gint
compare_hashes(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, API_KEY_HASH_BYTES);
}

static const guint8 *
pepper(void)
{
    static guint8 bytes[API_KEY_PEPPER_BYTES] = "the same for all of the benches";

    return bytes;
}

static void
draw_keys(Bench *bench)
{
    g_autoptr(ApiKeyHasher) hasher = api_key_hasher_new(pepper());

    bench->hashes = g_array_sized_new(FALSE, FALSE, sizeof(Hash), bench->key_count);
    bench->sample = g_malloc_n(SAMPLE, sizeof *bench->sample);
    for (guint i = 0; i < bench->key_count; i++) {
        char key[API_KEY_CHARS + 1];
        Hash hash;
        api_key_draw(key);
        must(api_key_hash(hasher, key, API_KEY_CHARS, hash.hash), NULL);
        g_array_append_val(bench->hashes, hash);
        /* The last ones come first where there are fewer keys than samples. */
        for (guint j = i % SAMPLE; i < SAMPLE && j < SAMPLE; j += bench->key_count)
            memcpy(bench->sample[j], key, sizeof key);
    }
    g_array_sort(bench->hashes, compare_hashes);
}

/* Builds a snapshot of all keys; rate makes one differ from the next. */
static void
build(Bench *bench, guint32 rate, char digest[IDENTITY_DIGEST_CHARS + 1])
{
    g_autofree char *path = g_build_filename(bench->source, "new", NULL);
    IdentityKey key = {.customer = "customer",
                       .scopes = SCOPE_ALL,
                       .rate_per_s = rate,
                       .burst = 1,
                       .expires_us = G_MAXINT64};
    GError *error = NULL;

    IdentityBuilder *builder = identity_builder_new(path, pepper(), bench->key_count, &error);
    must(builder != NULL, error);
    for (guint i = 0; i < bench->hashes->len; i++)
        must(
            identity_builder_add(builder, g_array_index(bench->hashes, Hash, i).hash, &key, &error),
            error);
    must(identity_builder_close(builder, digest, &error), error);
    g_autofree char *name = identity_snapshot_name(digest);
    g_autofree char *final = g_build_filename(bench->source, name, NULL);
    must(rename(path, final) == 0, NULL);
}

/* Makes a snapshot the one of an epoch. */
static void
announce(Bench *bench, guint64 epoch, const char *digest)
{
    IdentityHead head = {.epoch = epoch, .parent = "none", .count = bench->key_count};
    g_autofree char *path = g_build_filename(bench->source, IDENTITY_HEAD_FILE, NULL);
    GError *error = NULL;

    memcpy(head.digest, digest, sizeof head.digest);
    g_autofree char *text = identity_head_sign(&head, bench->secret);
    must(g_file_set_contents(path, text, -1, &error), error);
}

static double
cpu_seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static gpointer
read_keys(gpointer data)
{
    Reader *reader = data;
    Bench *bench = reader->bench;
    IdentityKey key;

    for (guint i = 0; !atomic_load_explicit(reader->stop, memory_order_relaxed);
         i = (i + 1) % SAMPLE) {
        if (!identity_edge_find(bench->edge, bench->sample[i], API_KEY_CHARS, &key))
            reader->missed++;
        reader->done++;
    }
    reader->cpu_s = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    return NULL;
}

/* Lets threads look up for a while, and swaps snapshots meanwhile when it shall. Returns: the
 * authentications of a second of one core. */
static double
run(Bench *bench, guint thread_count, guint64 *epoch, const char *name)
{
    g_autofree GThread **threads = g_new0(GThread *, thread_count);
    g_autofree Reader *readers = g_new0(Reader, thread_count);
    atomic_bool stop = false;
    gint64 until_us = g_get_monotonic_time() + (gint64)(bench->seconds * G_USEC_PER_SEC);
    guint64 done = 0;
    guint64 missed = 0;
    double cpu_s = 0;
    guint swaps = 0;

    for (guint i = 0; i < thread_count; i++) {
        readers[i] = (Reader){.bench = bench, .stop = &stop};
        threads[i] = g_thread_new("reader", read_keys, &readers[i]);
    }
    while (g_get_monotonic_time() < until_us) {
        GError *error = NULL;
        g_usleep(SWAP_PAUSE_US);
        if (!epoch)
            continue;
        announce(bench, ++*epoch, bench->digests[++swaps % 2]);
        must(identity_edge_refresh(bench->edge, &error), error);
    }
    atomic_store(&stop, true);
    for (guint i = 0; i < thread_count; i++) {
        g_thread_join(threads[i]);
        done += readers[i].done;
        missed += readers[i].missed;
        cpu_s += readers[i].cpu_s;
    }
    double rate = (double)done / cpu_s;
    printf("%-28s %10.0f /s of a core  %6.2f of %d  missed %" G_GUINT64_FORMAT "  swaps %u\n", name,
           rate, rate / GOAL_PER_S, GOAL_PER_S, missed, swaps);
    must(missed == 0, NULL);
    return rate;
}

static double
argument(int argc, char **argv, int index, double otherwise)
{
    return argc > index ? g_ascii_strtod(argv[index], NULL) : otherwise;
}

int
main(int argc, char **argv)
{
    Bench bench = {.key_count = (guint)argument(argc, argv, 1, 1e6),
                   .seconds = argument(argc, argv, 2, 2)};
    guint thread_count = (guint)argument(argc, argv, 3, 4);
    guint64 epoch = 1;
    GError *error = NULL;

    bench.folder = g_dir_make_tmp("millrace-auth-XXXXXX", &error);
    must(bench.folder != NULL && bench.key_count > 0 && thread_count > 0, error);
    bench.source = g_build_filename(bench.folder, "source", NULL);
    g_autofree char *cache = g_build_filename(bench.folder, "cache", NULL);
    const char *const sources[] = {bench.source, NULL};
    must(g_mkdir_with_parents(bench.source, 0700) == 0, NULL);
    bench.secret = minisign_generate(&error);
    must(bench.secret != NULL, error);
    draw_keys(&bench);
    gint64 begin_us = g_get_monotonic_time();
    build(&bench, 1, bench.digests[0]);
    announce(&bench, epoch, bench.digests[0]);
    gint64 published_us = g_get_monotonic_time();
    bench.edge = identity_edge_open(cache, sources, minisign_public(bench.secret), 1, &error);
    must(bench.edge != NULL, error);
    printf("%u keys: published in %.2f s, taken over in %.2f s\n", bench.key_count,
           (double)(published_us - begin_us) / 1e6,
           (double)(g_get_monotonic_time() - published_us) / 1e6);
    double rate = run(&bench, 1, NULL, "one thread");
    build(&bench, 2, bench.digests[1]);
    g_autofree char *name = g_strdup_printf("%u threads, with swaps", thread_count);
    run(&bench, thread_count, &epoch, name);
    identity_edge_free(bench.edge);
    const char *const clean[] = {"rm", "-rf", bench.folder, NULL};
    g_spawn_sync(NULL, (char **)clean, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                 NULL);
    return rate >= GOAL_PER_S ? 0 : 1;
}
