/* archive_select.c - options of the verbs that read an archive.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tools/archive_select.h"

#include <string.h>
#include <unistd.h>

#include "formats/duration.h"
#include "tools/tool.h"

void
archive_select_options_clear(ArchiveSelectOptions *options)
{
    g_free(options->from);
    g_strfreev(options->trust);
    g_free(options->record);
    g_free(options->volume);
    g_free(options->path);
    g_free(options->customer);
    g_free(options->from_time);
    g_free(options->to_time);
    g_free(options->scratch);
    *options = (ArchiveSelectOptions){0};
}

static gboolean
check_record(const ArchiveSelectOptions *options, GError **error)
{
    if (!options->record || (*options->record && !options->path && !options->customer &&
                             !options->from_time && !options->to_time))
        return TRUE;
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                        "--record KEY names one record: neither --path, --customer nor times go "
                        "with it");
    return FALSE;
}

gboolean
archive_select_options_check(const ArchiveSelectOptions *options, ArchiveSelection *selection,
                             ArchiveOpen *open, GError **error)
{
    *selection = (ArchiveSelection){.record = options->record,
                                    .volume = options->volume,
                                    .glob = options->path,
                                    .customer = options->customer,
                                    .from_us = G_MININT64,
                                    .to_us = G_MAXINT64};
    *open = (ArchiveOpen){.where = options->from, .trust = (const char *const *)options->trust};
    if (!options->from) {
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                            "expected --from WHERE, the archive");
        return FALSE;
    }
    if (options->volume && !volume_is_name(options->volume)) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "--volume=%s: expected 32 hexadecimal digits", options->volume);
        return FALSE;
    }
    if (!check_record(options, error) ||
        (options->from_time &&
         !time_parse("--from-time", options->from_time, &selection->from_us, error)) ||
        (options->to_time && !time_parse("--to-time", options->to_time, &selection->to_us, error)))
        return FALSE;
    if (options->to_time)
        selection->to_us--;
    return TRUE;
}

void
archive_source_clear(ArchiveSource *source)
{
    g_clear_pointer(&source->tape, archive_tape_close);
    g_clear_pointer(&source->opened, archive_close);
    source->archive = NULL;
}

gboolean
archive_source_open(const ArchiveSelectOptions *options, const ArchiveOpen *open,
                    ArchiveSource *source, GError **error)
{
    const char *scratch = options->scratch ? options->scratch : g_get_tmp_dir();

    if (strcmp(options->from, "-") == 0)
        source->tape = archive_tape_open(STDIN_FILENO, scratch, open->trust, error);
    else
        source->opened = archive_open(open, error);
    source->archive = source->tape ? archive_tape_archive(source->tape) : source->opened;
    if (!source->archive)
        return FALSE;
    if (source->archive->trusted->len == 0)
        tool_log("UNTRUSTED: signatures were checked with keys that lie in the archive itself; "
                 "--trust NAME.pub tells whose they must be");
    return TRUE;
}

void
archive_log_bad(const char *text, gpointer data G_GNUC_UNUSED)
{
    tool_log("%s", text);
}
