/* test_image_exhausted.c - what becomes of an image in a worker that has its limits: 100 megapixels
 * fit, and what takes more memory than was foreseen ends as just that. Each test locks a child of
 * its own up; libvips starts in there, since its threads do not survive a fork.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobs/image_exhausted.h"
#include "jobs/image_sandbox.h"
#include "jobs/worker_wire.h"
#include "tests/unit/image_fixture.h"

/* A child that hangs is a failure, too. */
enum { CHILD_MAX_S = 60 };

static int
resize_here(GBytes *input, const char *specs_text, guint64 estimate_max_bytes)
{
    OutputSpec specs[OUTPUTS_PER_ROW_MAX];
    gsize size_bytes;
    const guint8 *bytes = g_bytes_get_data(input, &size_bytes);
    int count = output_spec_parse_list(specs_text, specs, OUTPUTS_PER_ROW_MAX, NULL);
    ImageLimits limits = {.pixels_max = PIXELS_MAX, .memory_max_bytes = estimate_max_bytes};
    ImageResult result;

    image_resize(bytes, size_bytes, specs, (guint)count, &limits, &result);
    return (int)result.class;
}

/* The class of a plain image of side_px, resized with so much memory; a crash of the child is one,
 * too. In a sanitized build there is no limit, and the image is ok. */
static RowClass
class_inside(int side_px, const char *suffix, guint64 memory_bytes, guint64 estimate_max_bytes)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        gboolean relaxed = FALSE;
        alarm(CHILD_MAX_S);
        start();
        GBytes *input = encoded(plain_new(side_px, side_px, 200, 100, 50), suffix);
        image_exhausted_watch();
        if (!image_sandbox_enter(memory_bytes, &relaxed, NULL))
            _exit(ROW_CLASS_COUNT);
        _exit(resize_here(input, "400x400;100x100,fit=cover,format=webp", estimate_max_bytes));
    }
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        return ROW_WORKER_CRASH;
    return WEXITSTATUS(status) == WORKER_EXIT_NO_MEMORY ? ROW_OUT_OF_MEMORY
                                                        : (RowClass)WEXITSTATUS(status);
}

Test(image_exhausted, a_hundred_megapixels_fit)
{
    static const char *const suffixes[] = {".jpg[interlace]", ".png[compression=1]"};
    guint64 estimate_max_bytes = IMAGE_SANDBOX_MEMORY_DEFAULT_BYTES - IMAGE_SANDBOX_RESERVE_BYTES;

#ifdef MILLRACE_SANITIZED
    cr_skip_test("a sanitized worker has no limit of memory");
#endif
    for (guint i = 0; i < G_N_ELEMENTS(suffixes); i++)
        cr_expect_eq(class_inside(10000, suffixes[i], IMAGE_SANDBOX_MEMORY_DEFAULT_BYTES,
                                  estimate_max_bytes),
                     ROW_OK, "%s", suffixes[i]);
}

Test(image_exhausted, one_that_takes_more_than_foreseen_is_out_of_memory)
{
    static const char *const suffixes[] = {".jpg[interlace,subsample_mode=off]",
                                           ".png[compression=1,interlace]",
                                           ".webp[lossless,effort=0]", ".avif[effort=0]"};

#ifdef MILLRACE_SANITIZED
    cr_skip_test("a sanitized worker has no limit of memory");
#endif
    for (guint i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        for (guint64 megabytes = 32; megabytes <= 96; megabytes += 32) {
            RowClass class = class_inside(5000, suffixes[i], megabytes << 20, 0);

            /* libheif does not tell that its decoder had no memory: such an AVIF seems damaged. */
            if (g_str_has_prefix(suffixes[i], ".avif"))
                cr_expect(class != ROW_OK && class != ROW_WORKER_CRASH, "%s",
                          row_class_name(class));
            else
                cr_expect_eq(class, ROW_OUT_OF_MEMORY, "%s in %d MB: %s", suffixes[i],
                             (int)megabytes, row_class_name(class));
        }
    }
}
