/* image_exhausted.c - tells a process that met its limit of memory from one that crashed: by its
 * exit code. libvips and most decoders report a lack of memory as an error. GLib and C++ end the
 * process instead, each in a way of its own, and some code just fails when little is left.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/image_exhausted.h"

#include <dlfcn.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "jobs/worker_wire.h"

/* Who dies with less than this left has died of it. */
#define LITTLE_BYTES (64 << 20)

typedef void (*NewHandler)(void);
typedef NewHandler (*SetNewHandler)(NewHandler handler);

static void
on_exhausted(void)
{
    _exit(WORKER_EXIT_NO_MEMORY);
}

/* GLib says so in the message that it dies with. */
static GLogWriterOutput
on_log(GLogLevelFlags level, const GLogField *fields, gsize field_count,
       gpointer data G_GNUC_UNUSED)
{
    for (gsize i = 0; i < field_count && level & G_LOG_LEVEL_ERROR; i++)
        if (strcmp(fields[i].key, "MESSAGE") == 0 && strstr(fields[i].value, "failed to allocate"))
            on_exhausted();
    return g_log_writer_default(level, fields, field_count, NULL);
}

#ifndef MILLRACE_SANITIZED
static void
on_crash(int signal)
{
    if (mmap(NULL, LITTLE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
        MAP_FAILED)
        on_exhausted();
    raise(signal); /* by its default now */
}

/* std::set_new_handler(), from a library that is there when a decoder in C++ is. */
static void
watch_new(void)
{
    void *library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD);
    SetNewHandler set_new_handler =
        library ? (SetNewHandler)dlsym(library, "_ZSt15set_new_handlerPFvvE") : NULL;

    if (set_new_handler)
        set_new_handler(on_exhausted);
}
#endif

void
image_exhausted_watch(void)
{
    g_log_set_writer_func(on_log, NULL, NULL);
#ifndef MILLRACE_SANITIZED
    const struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_RESETHAND | SA_NODEFER};

    sigaction(SIGABRT, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    watch_new();
#endif
}
