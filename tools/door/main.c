/* main.c - millrace door: the HTTP front door.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/door/lifecycle.h"
#include "tools/tool.h"

static int
check(const DoorConfig *config)
{
    g_autoptr(GError) error = NULL;

    if (!door_config_check(config, &error))
        return tool_fail(error);
    tool_log("all is there");
    return tool_finish(EXIT_ALL_DONE);
}

static int
serve(DoorConfig *config)
{
    Door door;
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) closing_error = NULL;
    gboolean opened = door_open(&door, config, &error);

    if (opened)
        door_run(&door);
    gboolean written = door_close(&door, &closing_error);
    if (!opened)
        return tool_fail(error);
    if (!written)
        return tool_fail(closing_error);
    tool_log("all is answered and on disk");
    return tool_finish(EXIT_ALL_DONE);
}

int
main(int argc, char **argv)
{
    DoorConfig config;
    g_autoptr(GError) error = NULL;
    gboolean parsed = door_config_parse(&config, &argc, &argv, &error);
    int code = !parsed ? tool_fail(error) : config.check ? check(&config) : serve(&config);

    door_config_clear(&config);
    return code;
}
