/* replay.c - feeds every file of the folders named to a fuzz target, without libFuzzer, so that
 * each input that ever mattered is tried again by every `make test`, with any compiler.
 * SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

/* Returns how many inputs the folder held. The copy has its exact size, so that a sanitizer sees a
 * read of the byte behind it. */
static guint
replay_folder(const char *folder)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &error);
    if (dir == NULL)
        g_error("%s", error->message);

    guint count = 0;
    const char *name;
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autofree char *text = NULL;
        gsize size_bytes = 0;
        if (!g_file_get_contents(path, &text, &size_bytes, &error))
            g_error("%s", error->message);

        g_autofree guint8 *exact = size_bytes > 0 ? g_memdup2(text, size_bytes) : NULL;
        LLVMFuzzerTestOneInput(exact, size_bytes);
        count++;
    }
    return count;
}

int
main(int argc, char **argv)
{
    guint count = 0;
    for (int i = 1; i < argc; i++)
        count += replay_folder(argv[i]);

    g_autofree char *program = g_path_get_basename(argv[0]);
    printf("%s: %u inputs\n", program, count);
    /* A target without a corpus would pass for ever without having run. */
    return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
