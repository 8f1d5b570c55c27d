/* archive_pack.c - the stages of a pack. Between stages the ranks agree whether all of them go on.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "formats/bytes.h"
#include "formats/compress.h"
#include "formats/durable.h"
#include "formats/sha256.h"
#include "jobs/archive_finish.h"
#include "jobs/archive_usage.h"
#include "jobs/archive_work.h"
#include "mr/gather.h"

typedef struct {
    Comm *comm;
    const ArchivePackConfig *config;
    ArchivePackReport *report;
    guint threads; /* of this rank */
    ArchiveInputs *inputs;
    ArchivePlan *plan;
    char *work; /* the work folder's path, the same on every rank */
    /* Rank 0. */
    Archive *archive;
    MinisignSecret *secret;
    Tier *work_tier;
    char (*digests)[SHA256_CHARS + 1]; /* of every member, as it was read */
    guint64 done_bytes;
} Pack;

void
archive_pack_report_clear(ArchivePackReport *report)
{
    for (guint i = 0; report->volumes && i < report->volumes->len; i++)
        archive_done_clear(&g_array_index(report->volumes, ArchiveDone, i));
    g_clear_pointer(&report->volumes, g_array_unref);
}

static gboolean
is_rank_0(const Pack *pack)
{
    return comm_rank(pack->comm) == 0;
}

/* *Collective.* Does every rank go on? */
static gboolean
agree(const Pack *pack, gboolean good, GError **error)
{
    if (comm_max(pack->comm, !good) == 0)
        return TRUE;
    if (good)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INTERRUPTED, "another rank has failed");
    return FALSE;
}

/* The work folder's path, by what is packed and how. (transfer full), or NULL and error. */
static char *
name_work(const Pack *pack, GError **error)
{
    const ArchivePackConfig *config = pack->config;
    g_autoptr(GByteArray) input = g_byte_array_new();
    g_autofree char *terms = g_strdup_printf("%s %d %" G_GUINT64_FORMAT, zstd_version(),
                                             config->level, config->volume_max_bytes);

    if (!archive_inputs_print(pack->inputs, input, error))
        return NULL;
    bytes_put_string(input, terms);
    return archive_work_path(pack->archive->tier, config->scratch, input->data, input->len);
}

/* Rank 0: opens everything, and finds what is to be packed. */
static gboolean
open_all(Pack *pack, GError **error)
{
    const ArchivePackConfig *config = pack->config;
    ArchiveOpen how = {.where = config->to,
                       .actor = config->actor,
                       .now_us = config->now_us,
                       .create = TRUE,
                       .write = TRUE};

    const char *const never[] = {config->key, config->to, NULL};
    ArchiveOperands operands = config->operands;

    operands.never = never;
    pack->secret = archive_read_secret(config->key, error);
    pack->inputs = pack->secret ? archive_inputs_find(&operands, error) : NULL;
    pack->archive = pack->inputs ? archive_open(&how, error) : NULL;
    pack->work = pack->archive ? name_work(pack, error) : NULL;
    /* Nobody else packs into this archive now, so other tries' folders in it are nobody's. */
    if (pack->work && !config->scratch && tier_dir_fd(pack->archive->tier) >= 0)
        archive_work_sweep(pack->work, 0);
    pack->work_tier = pack->work ? archive_work_open(pack->work, error) : NULL;
    return pack->work_tier != NULL;
}

/* *Collective.* Segments are printed as NDJSON to the work folder, which all ranks see. */
static gboolean
print_usage(Pack *pack, GError **error)
{
    g_autoptr(GByteArray) path = g_byte_array_new();

    if (is_rank_0(pack))
        bytes_put_string(path, pack->work);
    comm_broadcast(pack->comm, path);
    if (!is_rank_0(pack)) {
        ByteReader reader = byte_reader(path->data, path->len);
        pack->work = g_strdup(bytes_get_string(&reader));
    }
    g_autofree char *folder = g_build_filename(pack->work, ARCHIVE_WORK_USAGE, NULL);
    ArchiveUsageConfig config = {
        .folder = folder, .thread_count = pack->threads, .batch_bytes = ARCHIVE_USAGE_BATCH_BYTES};
    ArchiveUsageReport report;
    return archive_usage(pack->comm, pack->inputs, &config, &report, error);
}

/* *Collective.* Every rank has the same inputs, and so the same plan. */
static gboolean
plan(Pack *pack, GError **error)
{
    g_autoptr(GByteArray) shared = g_byte_array_new();
    gboolean good = !is_rank_0(pack) || archive_inputs_print(pack->inputs, shared, error);

    if (!agree(pack, good, error))
        return FALSE;
    comm_broadcast(pack->comm, shared);
    if (!is_rank_0(pack))
        pack->inputs = archive_inputs_parse(shared->data, shared->len, error);
    if (pack->inputs)
        pack->plan = archive_plan_new(pack->inputs, pack->config->volume_max_bytes, error);
    if (pack->plan && is_rank_0(pack))
        pack->digests = g_malloc0_n(pack->inputs->members->len + 1, sizeof *pack->digests);
    return agree(pack, pack->plan != NULL, error);
}

static gboolean
begin(Pack *pack, GError **error)
{
    gboolean good = !is_rank_0(pack) || open_all(pack, error);

    return agree(pack, good, error) && print_usage(pack, error) && plan(pack, error);
}

/* The digests of a volume's large members, which no frame has whole: each rank reads some of them
 * through in a thread of its own, while the others compress. */
typedef struct {
    Pack *pack;
    GArray *members; /* of guint: this rank's */
    GArray *digests; /* of ArchiveDigest, in the same order */
    guint next;      /* to give */
    GError *error;
    GThread *thread;
    guint8 key[8];
} LargeDigests;

static gpointer
read_large(gpointer data)
{
    LargeDigests *large = data;

    for (guint i = 0; i < large->members->len && !large->error; i++) {
        ArchiveDigest digest = {.member = g_array_index(large->members, guint, i)};
        if (archive_member_digest(large->pack->plan, digest.member, digest.sha256, &large->error))
            g_array_append_val(large->digests, digest);
    }
    return NULL;
}

static void
large_begin(LargeDigests *large, Pack *pack, const ArchiveVolume *volume)
{
    guint ranks = (guint)comm_size(pack->comm);
    guint rank = (guint)comm_rank(pack->comm);

    *large = (LargeDigests){.pack = pack};
    large->members = g_array_new(FALSE, FALSE, sizeof(guint));
    large->digests = g_array_new(FALSE, FALSE, sizeof(ArchiveDigest));
    for (guint i = 0; i < pack->plan->large->len; i++) {
        guint member = g_array_index(pack->plan->large, guint, i);
        if (member >= volume->member_first && member < volume->member_end && i % ranks == rank)
            g_array_append_val(large->members, member);
    }
    if (large->members->len > 0)
        large->thread = g_thread_new("digests", read_large, large);
}

static int
give_digest(gpointer data, GatherItem *item, GError **error)
{
    LargeDigests *large = data;

    if (large->next == large->digests->len) {
        if (!large->error)
            return 0;
        g_propagate_error(error, g_steal_pointer(&large->error));
        return -1;
    }
    const ArchiveDigest *digest = &g_array_index(large->digests, ArchiveDigest, large->next++);
    guint64 key = GUINT64_TO_BE((guint64)digest->member);
    memcpy(large->key, &key, sizeof key);
    *item = (GatherItem){.key = large->key,
                         .key_size_bytes = sizeof large->key,
                         .parts = {(const char *)digest},
                         .part_size_bytes = {sizeof *digest}};
    return 1;
}

static void
keep_digest(Pack *pack, const ArchiveDigest *digest)
{
    memcpy(pack->digests[digest->member], digest->sha256, sizeof digest->sha256);
}

static gboolean
take_digest(gpointer data, const GatherItem *item, GError **error G_GNUC_UNUSED)
{
    LargeDigests *large = data;
    ArchiveDigest digest;

    memcpy(&digest, item->parts[0], sizeof digest);
    keep_digest(large->pack, &digest);
    return TRUE;
}

/* *Collective.* Waits for them, and brings them to rank 0 when wanted. */
static gboolean
large_end(LargeDigests *large, gboolean wanted, GError **error)
{
    if (large->thread)
        g_thread_join(large->thread);
    gboolean good = !wanted || gather(large->pack->comm, give_digest, take_digest, large, error);
    g_array_unref(large->members);
    g_array_unref(large->digests);
    g_clear_error(&large->error);
    return good;
}

/* Rank 0: reads the volume back and makes what lies beside it. */
static gboolean
finish_volume(Pack *pack, const char *stem, guint volume, GError **error)
{
    const ArchiveVolume *planned = &g_array_index(pack->plan->volumes, ArchiveVolume, volume);
    g_autofree char *tar_name = volume_path(stem, VOLUME_TAR);
    g_autofree char *index_name = volume_path(stem, VOLUME_INDEX);
    g_autofree char *parity_name = volume_path(stem, VOLUME_PARITY);
    guint threads = pack->config->node_threads;
    VolumeIndexing indexing = {.tier = pack->work_tier,
                               .tar_name = tar_name,
                               .index_name = index_name,
                               .threads = threads,
                               .digests = (const char(*)[SHA256_CHARS + 1]) pack->digests +
                                          planned->member_first,
                               .digest_count = planned->member_end - planned->member_first};
    ArchiveDone done = {.manifest = {.parity = pack->config->parity}};

    g_strlcpy(done.stem, stem, sizeof done.stem);
    if (!archive_make_index(&indexing, &done.manifest, &done.newest_us, error) ||
        (done.manifest.parity.parity > 0 &&
         !archive_make_parity(pack->work_tier, tar_name, parity_name, threads, &done.manifest,
                              error))) {
        archive_done_clear(&done);
        return FALSE;
    }
    pack->report->record_count += done.manifest.record_count;
    pack->report->record_bytes += done.manifest.record_bytes;
    g_array_append_val(pack->report->volumes, done);
    return TRUE;
}

static void
on_progress(guint64 done_bytes, guint64 total_bytes G_GNUC_UNUSED, gpointer data)
{
    const Pack *pack = data;
    guint64 total = pack->inputs->size_bytes;

    if (pack->config->progress)
        pack->config->progress(MIN(pack->done_bytes + done_bytes, total), total,
                               pack->config->progress_data);
}

static int
open_volume(const Pack *pack, const char *stem, GError **error)
{
    g_autofree char *name = volume_path(stem, VOLUME_TAR);
    int fd =
        openat(tier_dir_fd(pack->work_tier), name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

    if (fd < 0)
        millrace_error_set_errno(error, durable_creation_error(errno), errno, "%s/%s", pack->work,
                                 name);
    return fd;
}

/* *Collective.* One volume, from the files to what is ready for its final name. */
static gboolean
make_volume(Pack *pack, guint volume, GError **error)
{
    const ArchiveVolume *planned = &g_array_index(pack->plan->volumes, ArchiveVolume, volume);
    g_autofree char *stem = g_strdup_printf("%06u", volume + 1);
    ArchiveWrite write = {.comm = pack->comm,
                          .plan = pack->plan,
                          .volume = volume,
                          .level = pack->config->level,
                          .threads = pack->threads,
                          .stop = pack->config->stop,
                          .progress = on_progress,
                          .progress_data = pack,
                          .kept_count = &pack->report->kept_count,
                          .fd = -1};
    gboolean good = !is_rank_0(pack) || (write.fd = open_volume(pack, stem, error)) >= 0;

    g_autofree char *name = g_strdup_printf("%s (in %s)", "a volume", pack->work);
    write.name = name;
    if (!agree(pack, good, error))
        return FALSE;
    write.digests = g_array_new(FALSE, FALSE, sizeof(ArchiveDigest));
    LargeDigests large;
    large_begin(&large, pack, planned);
    good = archive_write_volume(&write, error);
    good = large_end(&large, good, good ? error : NULL) && good;
    for (guint i = 0; good && i < write.digests->len; i++)
        keep_digest(pack, &g_array_index(write.digests, ArchiveDigest, i));
    g_array_unref(write.digests);
    if (write.fd >= 0)
        close(write.fd);
    if (good && is_rank_0(pack)) {
        for (guint i = planned->member_first; i < planned->member_end; i++)
            pack->done_bytes += g_array_index(pack->inputs->members, ArchiveMember, i).size_bytes;
        good = finish_volume(pack, stem, volume, error);
    }
    return agree(pack, good, error);
}

static gboolean
make_volumes(Pack *pack, GError **error)
{
    for (guint i = 0; i < pack->plan->volumes->len; i++)
        if (!make_volume(pack, i, error))
            return FALSE;
    return TRUE;
}

/* *Collective.* The invariant, then the commit. */
static gboolean
commit(Pack *pack, GError **error)
{
    ArchiveTerms terms = {.class = pack->config->class,
                          .retain = pack->config->retain,
                          .level = pack->config->level,
                          .secret = pack->secret,
                          .new_key = pack->config->new_key};
    gboolean good = TRUE;

    if (is_rank_0(pack) && (pack->report->record_count != pack->inputs->members->len ||
                            pack->report->record_bytes != pack->inputs->size_bytes)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INVARIANT,
                    "what would be archived is not what was given; nothing was committed");
        good = FALSE;
    }
    if (good && is_rank_0(pack))
        good =
            archive_publish(pack->archive, pack->work_tier, &terms, pack->report->volumes, error);
    if (good && is_rank_0(pack))
        archive_work_remove(pack->work);
    return agree(pack, good, error);
}

gboolean
archive_pack(Comm *comm, const ArchivePackConfig *config, ArchivePackReport *report, GError **error)
{
    Pack pack = {.comm = comm, .config = config, .report = report};

    pack.threads = MAX(config->node_threads / (guint)comm_node_size(comm), 1);
    *report = (ArchivePackReport){0};
    report->volumes = g_array_new(FALSE, FALSE, sizeof(ArchiveDone));
    gboolean good = begin(&pack, error);
    g_assert(!good || (pack.inputs && pack.plan));
    good = good && make_volumes(&pack, error) && commit(&pack, error);
    g_clear_pointer(&pack.plan, archive_plan_free);
    g_clear_pointer(&pack.inputs, archive_inputs_free);
    g_clear_pointer(&pack.work_tier, tier_free);
    g_clear_pointer(&pack.archive, archive_close);
    g_clear_pointer(&pack.secret, minisign_secret_free);
    g_free(pack.digests);
    g_free(pack.work);
    return good;
}
