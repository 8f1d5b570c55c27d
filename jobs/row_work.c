/* row_work.c - one row on its way through a rank.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/row_work.h"

#include <stdarg.h>
#include <unistd.h>

enum { STRINGS_BYTES = 512 };

RowWork *
row_work_new(const ManifestRow *row, const char *default_customer)
{
    RowWork *work = g_new0(RowWork, 1);
    LedgerRecord *record = &work->record;
    char request[32];

    work->strings = g_string_chunk_new(STRINGS_BYTES);
    for (guint i = 0; i < G_N_ELEMENTS(work->fds); i++)
        work->fds[i] = -1;
    g_snprintf(request, sizeof request, "r-%" G_GUINT64_FORMAT, row->ordinal);
    record->row = row->ordinal;
    record->message = "";
    record->source = row_work_keep(work, row->source);
    record->customer = row_work_keep(work, *row->customer ? row->customer : default_customer);
    record->request = row_work_keep(work, *row->request ? row->request : request);
    record->output_count = 1;
    record->outputs[0].spec = "";
    record->outputs[0].path = "";
    return work;
}

void
row_work_free(RowWork *work)
{
    for (guint i = 0; i < G_N_ELEMENTS(work->fds); i++)
        if (work->fds[i] >= 0)
            close(work->fds[i]);
    g_string_chunk_free(work->strings);
    g_free(work);
}

const char *
row_work_keep(RowWork *work, const char *text)
{
    return g_string_chunk_insert(work->strings, text);
}

void
row_work_set_specs(RowWork *work, const OutputSpec *specs, guint count)
{
    work->request.spec_count = count;
    work->record.output_count = count;
    for (guint i = 0; i < count; i++) {
        g_autofree char *spec = output_spec_print(&specs[i]);
        work->request.specs[i] = specs[i];
        work->record.outputs[i] = (LedgerOutput){
            .spec = row_work_keep(work, spec), .path = "", .format = specs[i].format};
    }
}

void
row_work_fail(RowWork *work, RowClass class, const char *format, ...)
{
    LedgerRecord *record = &work->record;
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *valid = g_utf8_make_valid(message, -1);
    record->class = class;
    record->message = row_work_keep(work, valid);
    for (guint i = 0; i < record->output_count; i++) {
        LedgerOutput *output = &record->outputs[i];
        *output = (LedgerOutput){.spec = output->spec,
                                 .path = "",
                                 .format = work->request.specs[i].format,
                                 .cpu_us = output->cpu_us};
    }
}

void
row_work_share_cpu(RowWork *work)
{
    LedgerRecord *record = &work->record;
    guint64 known_us = 0;

    g_assert(record->output_count >= 1);
    for (guint i = 0; i < record->output_count; i++)
        known_us += record->outputs[i].cpu_us;
    guint64 rest_us = record->cpu_us > known_us ? record->cpu_us - known_us : 0;
    for (guint i = 0; i < record->output_count; i++)
        record->outputs[i].cpu_us += rest_us / record->output_count;
    record->outputs[0].cpu_us += rest_us % record->output_count;
    record->cpu_us = known_us + rest_us;
}

char *
row_work_temporary(const RowWork *work, const char *writer, guint output)
{
    return g_strdup_printf("%s-%" G_GUINT64_FORMAT ".tmp", writer, work->first_temporary + output);
}
