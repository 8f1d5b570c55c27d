/* image_modules.c - loads the one module of libvips that we use. vips_init() loads all that it
 * finds: ImageMagick, Poppler, OpenSlide and JPEG XL with everything behind them, which are blocked
 * anyway and cost 18 MB and 50 ms in every worker. Where the modules are is told by VIPSHOME: so it
 * names an empty place while libvips starts, and the module for HEIF and AVIF is loaded from beside
 * the library.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>

#include "jobs/image_internal.h"

#define NO_SUCH_PLACE "/nonexistent"

typedef const char *(*ModuleInit)(void *module);

void
image_modules_hide(void)
{
    g_setenv("VIPSHOME", NO_SUCH_PLACE, FALSE); /* an operator's own setting wins */
}

void
image_modules_load(void)
{
    Dl_info library;

    if (g_strcmp0(g_getenv("VIPSHOME"), NO_SUCH_PLACE) != 0 ||
        dladdr((void *)vips_init, &library) == 0)
        return;
    g_autofree char *folder = g_path_get_dirname(library.dli_fname);
    g_autofree char *path = g_strdup_printf("%s/vips-modules-%d.%d/vips-heif.so", folder,
                                            VIPS_MAJOR_VERSION, VIPS_MINOR_VERSION);
    void *module = dlopen(path, RTLD_LAZY | RTLD_NODELETE);
    if (!module) /* this libvips has HEIF inside, or not at all: image_can_save() will tell */
        return;
    ModuleInit init = (ModuleInit)dlsym(module, "g_module_check_init");
    if (init)
        init(NULL);
}
