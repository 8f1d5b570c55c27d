/* bench_thumbnail_loop.c - the peer that the image lane is measured against: the shortest C program
 * that does the same work, a loop over vips_thumbnail_buffer() and vips_jpegsave_buffer().
 *
 *     bench_thumbnail_loop [-p PROFILE] [-r ROUNDS] [-s SIDE] [-q QUALITY] FILE...
 *
 * Prints: images, wall seconds, images/s, CPU seconds, images per CPU second.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <time.h>

#include <vips/vips.h>

typedef struct {
    char *profile; /* export profile, as in vipsthumbnail --export-profile; NULL for none */
    int rounds;
    int side_px;
    int quality;
} LoopOptions;

static double
seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Returns the bytes of the thumbnail, or 0. */
static gsize
thumbnail(const LoopOptions *options, void *bytes, gsize size_bytes)
{
    VipsImage *image = NULL;
    void *out = NULL;
    gsize out_bytes = 0;
    int status;

    if (options->profile)
        status = vips_thumbnail_buffer(bytes, size_bytes, &image, options->side_px, "size",
                                       VIPS_SIZE_DOWN, "export_profile", options->profile, NULL);
    else
        status = vips_thumbnail_buffer(bytes, size_bytes, &image, options->side_px, "size",
                                       VIPS_SIZE_DOWN, NULL);
    if (status == 0)
        status = vips_jpegsave_buffer(image, &out, &out_bytes, "Q", options->quality, "strip", TRUE,
                                      NULL);
    g_clear_object(&image);
    g_free(out);
    vips_error_clear();
    return status == 0 ? out_bytes : 0;
}

static guint
run(const LoopOptions *options, char **files)
{
    guint done = 0;

    for (int round = 0; round < options->rounds; round++) {
        for (char **file = files; *file; file++) {
            g_autofree char *bytes = NULL;
            gsize size_bytes;

            if (!g_file_get_contents(*file, &bytes, &size_bytes, NULL))
                g_error("cannot read %s", *file);
            done += thumbnail(options, bytes, size_bytes) > 0;
        }
    }
    return done;
}

int
main(int argc, char **argv)
{
    LoopOptions options = {.rounds = 1, .side_px = 320, .quality = 75};
    const GOptionEntry entries[] = {
        {"profile", 'p', 0, G_OPTION_ARG_STRING, &options.profile, "export profile", "NAME"},
        {"rounds", 'r', 0, G_OPTION_ARG_INT, &options.rounds, "how often", "N"},
        {"side", 's', 0, G_OPTION_ARG_INT, &options.side_px, "box to fit into", "PIXELS"},
        {"quality", 'q', 0, G_OPTION_ARG_INT, &options.quality, "JPEG quality", "Q"},
        {NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new("FILE...");
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc < 2 ||
        VIPS_INIT("bench_thumbnail_loop")) {
        fprintf(stderr, "bench_thumbnail_loop: %s\n", error ? error->message : "no files");
        return 64;
    }
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    double wall_s = seconds(CLOCK_MONOTONIC), cpu_s = seconds(CLOCK_PROCESS_CPUTIME_ID);
    guint done = run(&options, argv + 1);
    wall_s = seconds(CLOCK_MONOTONIC) - wall_s;
    cpu_s = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_s;
    printf("%u images, %.3f s, %.1f images/s, %.3f CPU s, %.1f images/CPU s\n", done, wall_s,
           done / wall_s, cpu_s, done / cpu_s);
    return done == (guint)options.rounds * (guint)(argc - 1) ? 0 : 1;
}
