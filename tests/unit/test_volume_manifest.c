/* test_volume_manifest.c - the manifest, word for word as the format has it, and damaged ones.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/error.h"
#include "formats/volume.h"

#include <sys/wait.h>

#include "tests/unit/scratch.h"

#define V "ba7816bf8f01cfea414140de5dae2223"
/* SHA-256 of "abc", "" and "a". */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define NIL "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define A   "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"

#define BEGIN                                                                                      \
    "# millrace volume 1\n"                                                                        \
    "# volume " V "\n"                                                                             \
    "# class default\n"                                                                            \
    "# packed 2026-12-01T02:00:00.000000Z\n"                                                       \
    "# retain-until 2033-12-01T02:00:00.000000Z\n"                                                 \
    "# records 31\n"                                                                               \
    "# record-bytes 1234567\n"                                                                     \
    "# frames 3\n"                                                                                 \
    "# level 3\n"
#define MIDDLE                                                                                     \
    "# merkle-root " NIL "\n"                                                                      \
    "# previous none\n"                                                                            \
    "# made-by millrace 0.1.0, zstd 1.5.4\n"                                                       \
    "# size 3 " V ".tar.zst\n"                                                                     \
    "# size 0 " V ".index\n"
static const char golden[] = BEGIN "# parity 10+2\n" MIDDLE "# size 1 " V ".parity\n" ABC "  " V
                                   ".tar.zst\n" NIL "  " V ".index\n" A "  " V ".parity\n";
static const char without_parity[] =
    BEGIN "# parity none\n" MIDDLE ABC "  " V ".tar.zst\n" NIL "  " V ".index\n";

static gboolean
reads(const char *text, gsize size_bytes)
{
    g_auto(VolumeManifest) manifest = {0};
    g_autoptr(GError) error = NULL;
    gboolean read = volume_manifest_parse("m", text, size_bytes, &manifest, &error);

    cr_expect_eq(read, error == NULL);
    if (error)
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    return read;
}

static gboolean
reads_with(const char *old, const char *new)
{
    g_auto(GStrv) pieces = g_strsplit(golden, old, 2);
    g_autofree char *text = g_strconcat(pieces[0], new, pieces[1], NULL);

    cr_assert_not_null(pieces[1], "%s", old);
    return reads(text, strlen(text));
}

Test(volume_manifest, is_read)
{
    g_auto(VolumeManifest) manifest = {0};
    g_autoptr(GError) error = NULL;

    cr_assert(volume_manifest_parse("m", golden, strlen(golden), &manifest, &error), "%s",
              error ? error->message : "");
    cr_expect_str_eq(manifest.volume, V);
    cr_expect_str_eq(manifest.class, "default");
    /* date -ud 2026-12-01T02:00:00Z +%s, and of 2033 */
    cr_expect_eq(manifest.packed_us, G_GINT64_CONSTANT(1796090400) * G_USEC_PER_SEC);
    cr_expect_eq(manifest.retain_until_us, G_GINT64_CONSTANT(2017015200) * G_USEC_PER_SEC);
    cr_expect_eq(manifest.record_count, 31);
    cr_expect_eq(manifest.record_bytes, 1234567);
    cr_expect_eq(manifest.frame_count, 3);
    cr_expect_eq(manifest.level, 3);
    cr_expect_eq(manifest.parity.data, 10);
    cr_expect_eq(manifest.parity.parity, 2);
    cr_expect_eq(manifest.root[0], 0xe3);
    cr_expect_eq(manifest.root[31], 0x55);
    cr_expect_str_eq(manifest.previous, "none");
    cr_expect_str_eq(manifest.made_by, "millrace 0.1.0, zstd 1.5.4");
    cr_expect_eq(manifest.size_bytes[VOLUME_TAR], 3);
    cr_expect_eq(manifest.size_bytes[VOLUME_PARITY], 1);
    cr_expect_str_eq(manifest.sha256[VOLUME_INDEX], NIL);
}

Test(volume_manifest, is_printed_as_it_was_read)
{
    static const char *const texts[] = {golden, without_parity};

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_auto(VolumeManifest) manifest = {0};
        g_autoptr(GString) out = g_string_new(NULL);
        cr_assert(volume_manifest_parse("m", texts[i], strlen(texts[i]), &manifest, NULL));
        volume_manifest_print(&manifest, out);
        cr_expect_str_eq(out->str, texts[i]);
    }
}

Test(volume_manifest, sha256sum_checks_the_files_by_it)
{
    g_auto(Scratch) scratch = scratch_new();
    g_autofree char *command =
        g_strdup_printf("cd %s && sha256sum --strict -c m 2>&1", scratch.path);
    g_autofree char *said = NULL;
    int status = -1;

    scratch_put(&scratch, V ".tar.zst", "abc", 3);
    scratch_put(&scratch, V ".index", "", 0);
    scratch_put(&scratch, V ".parity", "a", 1);
    scratch_put(&scratch, "m", golden, strlen(golden));
    cr_assert(g_spawn_sync(NULL, (char *[]){"sh", "-c", command, NULL}, NULL, G_SPAWN_SEARCH_PATH,
                           NULL, NULL, &said, NULL, &status, NULL));
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s", said);
    cr_expect_str_eq(said, V ".tar.zst: OK\n" V ".index: OK\n" V ".parity: OK\n");
}

Test(volume_manifest, a_line_to_come_is_passed_over)
{
    cr_expect(reads_with("# level 3\n", "# level 3\n# recipient age1xyz\n# \n"));
}

Test(volume_manifest, a_cut_is_noticed_wherever_it_is)
{
    for (gsize size = 0; size < strlen(golden); size++)
        cr_expect_not(reads(golden, size), "%zu", size);
}

Test(volume_manifest, what_does_not_fit_is_refused)
{
    static const char *const changes[][2] = {
        {"volume 1", "volume 2"},
        {"# volume " V, "# volume ../16bf8f01cfea414140de5dae2223"},
        {"# volume " V, "# volume ca978112ca1bbdcafac231b39a23dc4d"},
        {"# class default", "# class "},
        {"# class default", "# class a\x1b[2J"},
        {"# class default", "# class \xff"},
        {"02:00:00.000000Z", "02:00:00Z"},
        {"02:00:00.000000Z", "02:00:00.000000+00:00"},
        {"# records 31", "# records 031"},
        {"# records 31", "# records -31"},
        {"# records 31", "# records 31 "},
        {"# records 31", "# records 99999999999999999999"},
        {"# records 31", "# records 4611686018427387905"},
        {"# records 31", "# records 31\n# records 31"},
        {"# level 3", "# level 23"},
        {"# level 3", "# level -0"},
        {"# level 3", "# level +3"},
        {"10+2", "0+2"},
        {"10+2", "10+0"},
        {"10+2", "129+2"},
        {"10+2", "10+65"},
        {"10+2", "10-2"},
        {"10+2", "none"},
        {"previous none", "previous nothing"},
        {"previous none", "previous " NIL "0"},
        {"merkle-root e", "merkle-root E"},
        {"# size 3 " V ".tar.zst", "# size 3 " V ".tar"},
        {"# size 3 " V ".tar.zst", "# size 3 " V ".manifest"},
        {"# size 3 " V ".tar.zst", "# size 3 x.tar.zst"},
        {"# size 3 ", "# size 3  "},
        {ABC "  ", ABC " *"},
        {ABC "  ", NIL "  "},
        {NIL "  " V ".index\n", NIL "  /etc/passwd\n"},
        {NIL "  " V ".index\n", ""},
        {NIL "  " V ".index\n", "\n" NIL "  " V ".index\n"},
        {NIL "  " V ".index\n", NIL "  " V ".index\r\n"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(changes); i++)
        cr_expect_not(reads_with(changes[i][0], changes[i][1]), "%s -> %s", changes[i][0],
                      changes[i][1]);
    cr_expect(reads_with("# level 3", "# level -5"));
}

Test(volume_manifest, what_is_too_large_or_no_text_is_refused)
{
    g_autofree char *large = g_strnfill(VOLUME_MANIFEST_MAX + 1, '#');
    g_autofree char *with_nul = g_memdup2(golden, sizeof golden);

    with_nul[40] = '\0';
    cr_expect_not(reads(large, VOLUME_MANIFEST_MAX + 1));
    cr_expect_not(reads(with_nul, strlen(golden)));
}
