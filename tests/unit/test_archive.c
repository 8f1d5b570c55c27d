/* test_archive.c - an archive is opened, changed, and checked with the right keys and with others.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive.h"

#include "formats/usage.h"
#include "tests/unit/scratch.h"

#define DIGEST "0000000000000000000000000000000000000000000000000000000000000001"
#define VOLUME "0123456789abcdef0123456789abcdef"

#define NOW_US    (G_GINT64_CONSTANT(1795500000) * G_USEC_PER_SEC)
#define RETAIN_US (G_GINT64_CONSTANT(1900000000) * G_USEC_PER_SEC)

/* What every test begins with: a place for an archive, and two keys. */
typedef struct {
    Scratch scratch;
    char *where;
    MinisignSecret *secret;
    MinisignSecret *other;
    char *trust[2];       /* the path of secret's public half */
    char *trust_other[2]; /* of the other's */
} Fixture;

static char *
put_public(const Scratch *scratch, const char *name, const MinisignSecret *secret)
{
    g_autofree char *text = minisign_public_print(minisign_public(secret));

    scratch_put(scratch, name, text, strlen(text));
    return g_build_filename(scratch->path, name, NULL);
}

static Fixture
fixture_new(void)
{
    Fixture fixture = {.scratch = scratch_new(),
                       .secret = minisign_generate(NULL),
                       .other = minisign_generate(NULL)};

    fixture.where = g_build_filename(fixture.scratch.path, "cold", NULL);
    fixture.trust[0] = put_public(&fixture.scratch, "auditor.pub", fixture.secret);
    fixture.trust_other[0] = put_public(&fixture.scratch, "other.pub", fixture.other);
    return fixture;
}

static void
fixture_clear(Fixture *fixture)
{
    scratch_release(&fixture->scratch);
    minisign_secret_free(fixture->secret);
    minisign_secret_free(fixture->other);
    g_free(fixture->where);
    g_free(fixture->trust[0]);
    g_free(fixture->trust_other[0]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_clear)

static Archive *
open_archive(const Fixture *fixture, gboolean write, char *const *trust, GError **error)
{
    ArchiveOpen how = {.where = fixture->where,
                       .actor = "tester@here",
                       .trust = (const char *const *)trust,
                       .now_us = NOW_US,
                       .create = write,
                       .write = write};

    return archive_open(&how, error);
}

static Archive *
must_open(const Fixture *fixture, gboolean write, char *const *trust)
{
    g_autoptr(GError) error = NULL;
    Archive *archive = open_archive(fixture, write, trust, &error);

    cr_assert_not_null(archive, "%s", error ? error->message : "");
    return archive;
}

static void
must_commit(Archive *archive, const MinisignSecret *secret)
{
    g_autoptr(GError) error = NULL;

    cr_assert(archive_commit(archive, secret, &error), "%s", error ? error->message : "");
}

static VolumeManifest
example_manifest(void)
{
    VolumeManifest manifest = {.volume = VOLUME,
                               .class = g_strdup("bills"),
                               .packed_us = NOW_US,
                               .retain_until_us = RETAIN_US,
                               .record_count = 3,
                               .record_bytes = 900,
                               .frame_count = 1,
                               .level = 3,
                               .previous = "none",
                               .made_by = g_strdup("a test"),
                               .size_bytes = {1000, 300},
                               .sha256 = {VOLUME VOLUME, DIGEST}};

    return manifest;
}

static CatalogueEntry
pack_entry(const char *manifest_sha256, const char *minisig_sha256)
{
    return (CatalogueEntry){.kind = CATALOGUE_PACK,
                            .volume = VOLUME,
                            .class = "bills",
                            .manifest = manifest_sha256,
                            .minisig = minisig_sha256,
                            .retain_until_us = RETAIN_US,
                            .record_count = 3,
                            .bytes = 1000};
}

/* Writes a volume's manifest and signature and commits it; the signature may be another's. */
static void
pack(const Fixture *fixture, const VolumeManifest *manifest, const char *comment,
     const MinisignSecret *signer)
{
    g_autoptr(Archive) archive = must_open(fixture, TRUE, NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    char hex[2][SHA256_CHARS + 1];
    g_autofree char *manifest_path = volume_path(VOLUME, VOLUME_MANIFEST);
    g_autofree char *minisig_path = volume_path(VOLUME, VOLUME_MINISIG);

    volume_manifest_print(manifest, text);
    g_autofree char *minisig = minisign_sign(signer, text->str, text->len, comment);
    cr_assert(tier_write_all(archive->tier, manifest_path, text->str, text->len, NULL));
    cr_assert(tier_write_all(archive->tier, minisig_path, minisig, strlen(minisig), NULL));
    sha256_hex(text->str, text->len, hex[0]);
    sha256_hex(minisig, strlen(minisig), hex[1]);
    CatalogueEntry entry = pack_entry(hex[0], hex[1]);
    archive_note(archive, &entry);
    must_commit(archive, fixture->secret);
}

static char *
example_comment(const VolumeManifest *manifest)
{
    GString *comment = g_string_new("millrace volume " VOLUME " packed ");

    usage_print_time(comment, manifest->packed_us);
    return g_string_free(comment, FALSE);
}

/* Reads the manifest of VOLUME. Returns: NULL when it is good, else the message. */
static char *
manifest_error(const Fixture *fixture, char *const *trust)
{
    g_autoptr(Archive) archive = must_open(fixture, FALSE, trust);
    g_auto(VolumeManifest) manifest = {0};
    g_autoptr(GError) error = NULL;

    const CatalogueVolume *volume = catalogue_volume(archive->catalogue, VOLUME);
    cr_assert_not_null(volume);
    if (archive_manifest(archive, volume, &manifest, &error)) {
        cr_expect_str_eq(manifest.class, "bills");
        cr_expect_eq(manifest.record_count, 3);
        return NULL;
    }
    cr_expect(error->code == MILLRACE_ERROR_CORRUPT || error->code == MILLRACE_ERROR_NO_INPUT);
    return g_strdup(error->message);
}

Test(archive, what_is_no_archive_is_not_opened)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) empty = NULL;

    cr_assert_null(open_archive(&fixture, FALSE, NULL, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT));
    cr_assert_eq(mkdir(fixture.where, 0777), 0);
    cr_assert_null(open_archive(&fixture, FALSE, NULL, &empty));
    cr_expect(g_error_matches(empty, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT));
    cr_expect_not_null(strstr(empty->message, "no archive: it has no catalogue.log"));
}

Test(archive, what_is_committed_is_there_with_its_key)
{
    g_auto(Fixture) fixture = fixture_new();
    Archive *archive = must_open(&fixture, TRUE, NULL);
    CatalogueEntry entry = pack_entry(DIGEST, DIGEST);
    char id[MINISIGN_ID_CHARS + 1];

    cr_expect(archive->unseen_catalogue);
    archive_note(archive, &entry);
    must_commit(archive, fixture.secret);
    archive_close(archive);

    minisign_id(minisign_public(fixture.secret), id);
    g_autofree char *key_name = g_strdup_printf("cold/keys/%s.pub", id);
    g_autofree char *key_text = scratch_get(&fixture.scratch, key_name, NULL);
    g_autofree char *expected = scratch_get(&fixture.scratch, "auditor.pub", NULL);
    cr_expect_str_eq(key_text, expected);

    g_autoptr(Archive) again = must_open(&fixture, FALSE, NULL);
    cr_expect_not(again->unseen_catalogue);
    cr_expect_eq(again->trusted->len, 0);
    cr_expect_eq(again->keys->len, 1);
    cr_assert_eq(catalogue_count(again->catalogue), 1);
    cr_expect_str_eq(catalogue_entry(again->catalogue, 0)->actor, "tester@here");
    cr_expect_eq(catalogue_entry(again->catalogue, 0)->time_us, NOW_US);
    cr_expect_eq(catalogue_signed_count(again->catalogue), 1);
}

Test(archive, a_check_needs_no_key_and_is_signed_by_the_next_pack)
{
    g_auto(Fixture) fixture = fixture_new();
    CatalogueEntry packed = pack_entry(DIGEST, DIGEST);
    CatalogueEntry check = {
        .kind = CATALOGUE_CHECK, .volume = VOLUME, .result = "intact", .scope = "whole"};

    for (guint i = 0; i < 3; i++) {
        g_autoptr(Archive) archive = must_open(&fixture, TRUE, NULL);
        archive_note(archive, i == 1 ? &check : &packed);
        must_commit(archive, i == 1 ? NULL : fixture.secret);
        g_autoptr(Archive) again = must_open(&fixture, FALSE, NULL);
        cr_expect_eq(catalogue_count(again->catalogue), i + 1);
        cr_expect_eq(catalogue_signed_count(again->catalogue), i == 1 ? 1 : i + 1);
    }
}

Test(archive, several_commits_of_one_opening_follow_each_other)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(Archive) archive = must_open(&fixture, TRUE, NULL);

    for (guint i = 0; i < 3; i++) {
        CatalogueEntry entry = {.kind = CATALOGUE_RESTORE, .note = "drill"};
        archive_note(archive, &entry);
        must_commit(archive, i == 1 ? fixture.secret : NULL);
        must_commit(archive, NULL); /* nothing is to be written */
    }
    g_autoptr(Archive) again = must_open(&fixture, FALSE, NULL);
    cr_expect_eq(catalogue_count(again->catalogue), 3);
    cr_expect_eq(catalogue_signed_count(again->catalogue), 2);
}

Test(archive, a_torn_end_is_cut_off_by_the_next_writer)
{
    g_auto(Fixture) fixture = fixture_new();
    CatalogueEntry entry = pack_entry(DIGEST, DIGEST);
    gsize size_bytes = 0;

    for (guint i = 0; i < 2; i++) {
        g_autoptr(Archive) archive = must_open(&fixture, TRUE, NULL);
        archive_note(archive, &entry);
        must_commit(archive, fixture.secret);
    }
    g_autofree char *log = scratch_get(&fixture.scratch, "cold/catalogue.log", &size_bytes);
    scratch_put(&fixture.scratch, "cold/catalogue.log", log, size_bytes - 20);
    g_autoptr(Archive) archive = must_open(&fixture, TRUE, NULL);
    cr_expect_eq(catalogue_count(archive->catalogue), 1, "the second pack has no checkpoint");
    cr_expect_gt(catalogue_torn_bytes(archive->catalogue), 20);
    archive_note(archive, &entry);
    must_commit(archive, fixture.secret);
    g_autofree char *again = scratch_get(&fixture.scratch, "cold/catalogue.log", NULL);
    cr_expect_str_eq(again, log, "it is as if nothing had been torn");
}

Test(archive, trust_in_the_key_opens_and_in_another_does_not)
{
    g_auto(Fixture) fixture = fixture_new();
    CatalogueEntry entry = pack_entry(DIGEST, DIGEST);
    char ids[2][MINISIGN_ID_CHARS + 1];
    g_autoptr(GError) error = NULL;

    Archive *archive = must_open(&fixture, TRUE, NULL);
    archive_note(archive, &entry);
    must_commit(archive, fixture.secret);
    archive_close(archive);
    archive = must_open(&fixture, FALSE, fixture.trust);
    cr_expect_eq(archive->trusted->len, 1);
    archive_close(archive);

    cr_assert_null(open_archive(&fixture, FALSE, fixture.trust_other, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    minisign_id(minisign_public(fixture.secret), ids[0]);
    minisign_id(minisign_public(fixture.other), ids[1]);
    cr_expect_not_null(strstr(error->message, ids[0]), "%s", error->message);
    cr_expect_not_null(strstr(error->message, ids[1]), "%s", error->message);
}

Test(archive, a_key_that_is_not_trusted_signs_nothing)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autoptr(Archive) archive = must_open(&fixture, TRUE, fixture.trust_other);
    CatalogueEntry entry = pack_entry(DIGEST, DIGEST);
    g_autoptr(GError) error = NULL;

    archive_note(archive, &entry);
    cr_assert_not(archive_commit(archive, fixture.secret, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE));
    g_autofree char *log = scratch_get(&fixture.scratch, "cold/catalogue.log", NULL);
    cr_expect_null(log);
}

Test(archive, other_files_among_the_keys_mean_nothing)
{
    g_auto(Fixture) fixture = fixture_new();
    CatalogueEntry entry = pack_entry(DIGEST, DIGEST);
    g_autofree char *other = scratch_get(&fixture.scratch, "other.pub", NULL);

    Archive *archive = must_open(&fixture, TRUE, NULL);
    archive_note(archive, &entry);
    must_commit(archive, fixture.secret);
    archive_close(archive);
    scratch_put(&fixture.scratch, "cold/keys/junk.pub", "junk", 4);
    scratch_put(&fixture.scratch, "cold/keys/0123456789ABCDEF.pub", other, strlen(other));
    scratch_put(&fixture.scratch, "cold/keys/README", "hello", 5);
    archive = must_open(&fixture, FALSE, NULL);
    cr_expect_eq(archive->keys->len, 1);
    archive_close(archive);
}

Test(archive, a_key_of_a_number_that_is_taken_is_refused)
{
    g_auto(Fixture) fixture = fixture_new();
    MinisignPublic twin = *minisign_public(fixture.other);
    char id[MINISIGN_ID_CHARS + 1];
    g_autoptr(GError) error = NULL;
    CatalogueEntry entry = pack_entry(DIGEST, DIGEST);
    g_autoptr(Archive) archive = must_open(&fixture, TRUE, NULL);

    memcpy(twin.number, minisign_public(fixture.secret)->number, sizeof twin.number);
    minisign_id(&twin, id);
    g_autofree char *text = minisign_public_print(&twin);
    g_autofree char *name = g_strdup_printf("cold/keys/%s.pub", id);
    scratch_put(&fixture.scratch, name, text, strlen(text));
    archive_note(archive, &entry);
    cr_assert_not(archive_commit(archive, fixture.secret, &error));
    cr_expect_not_null(strstr(error->message, "another key of the same number"));
}

Test(archive, a_manifest_that_is_as_it_was_signed_is_read)
{
    g_auto(Fixture) fixture = fixture_new();
    g_auto(VolumeManifest) manifest = example_manifest();
    g_autofree char *comment = example_comment(&manifest);

    pack(&fixture, &manifest, comment, fixture.secret);
    g_autofree char *error = manifest_error(&fixture, NULL);
    cr_expect_null(error, "%s", error);
    g_autofree char *trusting = manifest_error(&fixture, fixture.trust);
    cr_expect_null(trusting, "%s", trusting);
}

Test(archive, a_manifest_that_another_key_signed_is_refused)
{
    g_auto(Fixture) fixture = fixture_new();
    g_auto(VolumeManifest) manifest = example_manifest();
    g_autofree char *comment = example_comment(&manifest);
    char id[MINISIGN_ID_CHARS + 1];

    pack(&fixture, &manifest, comment, fixture.other);
    minisign_id(minisign_public(fixture.other), id);
    g_autofree char *error = manifest_error(&fixture, fixture.trust);
    cr_assert_not_null(error);
    cr_expect_not_null(strstr(error, id), "%s", error);
}

Test(archive, a_manifest_that_says_something_else_than_the_catalogue_is_refused)
{
    for (guint i = 0; i < 5; i++) {
        g_auto(Fixture) fixture = fixture_new();
        g_auto(VolumeManifest) manifest = example_manifest();
        g_autofree char *good = example_comment(&manifest);
        if (i == 0)
            manifest.record_count++;
        if (i == 1)
            manifest.size_bytes[VOLUME_TAR]++;
        if (i == 2)
            manifest.retain_until_us += G_USEC_PER_SEC;
        if (i == 3)
            manifest.packed_us += G_USEC_PER_SEC;
        pack(&fixture, &manifest, i == 4 ? "some comment" : good, fixture.secret);
        g_autofree char *error = manifest_error(&fixture, NULL);
        cr_assert_not_null(error, "%u", i);
        cr_expect_not_null(strstr(error, "disagree"), "%s", error);
    }
}

Test(archive, any_altered_byte_of_manifest_and_signature_is_noticed)
{
    static const char *const names[] = {"cold/volumes/" VOLUME ".manifest",
                                        "cold/volumes/" VOLUME ".manifest.minisig"};
    g_auto(Fixture) fixture = fixture_new();
    g_auto(VolumeManifest) manifest = example_manifest();
    g_autofree char *comment = example_comment(&manifest);

    pack(&fixture, &manifest, comment, fixture.secret);
    for (guint file = 0; file < G_N_ELEMENTS(names); file++) {
        gsize size_bytes = 0;
        g_autofree char *bytes = scratch_get(&fixture.scratch, names[file], &size_bytes);
        cr_assert_not_null(bytes);
        for (gsize i = 0; i < size_bytes; i += 7) {
            bytes[i] ^= 1;
            scratch_put(&fixture.scratch, names[file], bytes, size_bytes);
            g_autofree char *error = manifest_error(&fixture, NULL);
            cr_expect_not_null(error, "%s, byte %zu", names[file], i);
            bytes[i] ^= 1;
        }
        scratch_put(&fixture.scratch, names[file], bytes, size_bytes);
    }
    cr_assert_eq(unlinkat(fixture.scratch.fd, names[1], 0), 0);
    g_autofree char *error = manifest_error(&fixture, NULL);
    cr_expect_not_null(error);
}

Test(archive, a_secret_key_is_read_or_its_file_named)
{
    g_auto(Fixture) fixture = fixture_new();
    g_autofree char *text = minisign_secret_print(fixture.secret);
    g_autofree char *path = g_build_filename(fixture.scratch.path, "a.key", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) wrong = NULL;

    cr_assert_null(archive_read_secret(path, &error));
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT));
    scratch_put(&fixture.scratch, "a.key", text, strlen(text));
    g_autoptr(MinisignSecret) secret = archive_read_secret(path, NULL);
    cr_assert_not_null(secret);
    cr_expect_arr_eq(minisign_public(secret), minisign_public(fixture.secret),
                     sizeof(MinisignPublic));
    cr_assert_null(archive_read_secret(fixture.trust[0], &wrong));
    cr_expect(g_str_has_prefix(wrong->message, fixture.trust[0]), "%s", wrong->message);
}

Test(archive, who_acts_is_told_by_the_environment_or_the_system)
{
    g_auto(Fixture) fixture = fixture_new();
    ArchiveOpen how = {.where = fixture.where, .create = TRUE};
    g_autofree char *expected = g_strdup_printf("%s@%s", g_get_user_name(), g_get_host_name());

    g_unsetenv("MILLRACE_ACTOR");
    g_autoptr(Archive) by_system = archive_open(&how, NULL);
    cr_expect_str_eq(by_system->actor, expected);
    cr_expect_lt(ABS(by_system->now_us - g_get_real_time()), 60 * G_USEC_PER_SEC);
    g_setenv("MILLRACE_ACTOR", "cron@n07", TRUE);
    g_autoptr(Archive) by_name = archive_open(&how, NULL);
    cr_expect_str_eq(by_name->actor, "cron@n07");
}
