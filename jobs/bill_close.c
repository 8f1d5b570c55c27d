/* bill_close.c - everything is checked, then one file appears.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/bill_close.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "formats/durable.h"
#include "formats/error.h"
#include "formats/json.h"
#include "formats/sha256.h"
#include "jobs/bill_folder.h"
#include "jobs/bill_verify.h"

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean
refuse(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);

    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_INVARIANT, "not closed: %s", message);
    return FALSE;
}

static gboolean
check_findings(const BillFolder *folder, GError **error)
{
    g_autoptr(GPtrArray) findings = g_ptr_array_new_with_free_func(g_free);

    if (!bill_verify(folder, findings, error))
        return FALSE;
    if (findings->len > 0)
        return refuse(error, "%s (%u findings; see millrace bill verify)",
                      (const char *)findings->pdata[0], findings->len);
    return TRUE;
}

static gboolean
check_proof(const BillFolder *folder, const JsonObject *proof, gboolean accept_conflicts,
            GError **error)
{
    g_autoptr(JsonObject) counts = json_object_object(proof, "counts");
    gint64 reflected = 0;
    gint64 expected = 0;
    gint64 conflicts = 0;

    if (!counts || !json_object_int(counts, "conflict", &conflicts) ||
        !json_object_int(proof, "events_reflected", &reflected) ||
        !json_object_int(proof, "events_expected", &expected))
        return refuse(error, "%s/" BILL_PROOF " lacks its counts", folder->path);
    if (folder->inputs->refused->len > 0)
        return refuse(error, "%u segments did not hold when it was made, the first is %s",
                      folder->inputs->refused->len, (char *)folder->inputs->refused->pdata[0]);
    if (reflected != expected)
        return refuse(error,
                      "harvest is below 1: %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT
                      " expected events are there; seal what is whole, ingest what is missing, "
                      "then run again",
                      reflected, expected);
    if (conflicts > 0 && !accept_conflicts)
        return refuse(error,
                      "%" G_GINT64_FORMAT
                      " conflicting copies were not billed: read " BILL_CONFLICTS
                      ", then say --accept-conflicts",
                      conflicts);
    return TRUE;
}

/* What was closed when the run was made must be what is closed now. */
static gboolean
check_closed(const BillFolder *folder, GError **error)
{
    const FrozenInputs *inputs = folder->inputs;
    g_autoptr(GPtrArray) closed = bill_closed_runs(folder->bills, error);
    guint before = 0;

    if (!closed)
        return FALSE;
    for (guint i = 0; i < closed->len; i++) {
        const BillFolder *other = closed->pdata[i];
        int order = strcmp(other->inputs->period.name, inputs->period.name);
        g_autofree char *word = g_strdup_printf("%s %s", other->inputs->period.name, other->run);
        if (order > 0)
            return refuse(error, "a later period is closed already: %s", word);
        if (order < 0 &&
            (before >= inputs->closed->len || strcmp(inputs->closed->pdata[before], word) != 0))
            return refuse(error, "it was made before %s was closed; run again", word);
        before += order < 0;
    }
    if (before < inputs->closed->len)
        return refuse(error, "it was made after %s, which is not closed here",
                      (const char *)inputs->closed->pdata[before]);
    return TRUE;
}

/* The one step that closes. */
static gboolean
issue(const BillFolder *folder, const GMappedFile *proof, gboolean *again, GError **error)
{
    g_autofree char *path = g_build_filename(folder->bills, BILL_CLOSED, NULL);
    g_autofree char *name = g_strconcat(folder->inputs->period.name, ".json", NULL);
    g_autofree char *temporary = g_strdup_printf(".%08x%08x.tmp", g_random_int(), g_random_int());
    g_autoptr(GString) text = g_string_new(NULL);
    GMappedFile *mapped = (GMappedFile *)proof;
    char digest[SHA256_CHARS + 1];

    sha256_hex(g_mapped_file_get_contents(mapped), g_mapped_file_get_length(mapped), digest);
    json_open(text, NULL, '{');
    json_put_int(text, "version", 1);
    json_put_string(text, "period", folder->inputs->period.name);
    json_put_string(text, "run", folder->run);
    json_put_string(text, "proof_sha256", digest);
    g_string_append(text, "}\n");
    int fd = durable_folder_open(path, TRUE, error);
    if (fd < 0)
        return FALSE;
    PublishResult result = PUBLISH_FAILED;
    if (durable_write_file(fd, temporary, text->str, text->len, error))
        result = durable_publish(fd, temporary, fd, name, error);
    if (result != PUBLISH_DONE)
        unlinkat(fd, temporary, 0);
    gboolean good =
        result == PUBLISH_EXISTS || (result == PUBLISH_DONE && durable_sync(fd, path, error));
    close(fd);
    if (result != PUBLISH_EXISTS)
        return good;
    g_autofree char *run = bill_closed_run(folder->bills, folder->inputs->period.name, error);
    *again = run && strcmp(run, folder->run) == 0;
    if (run && !*again)
        return refuse(error, "%s is closed by %s", folder->inputs->period.name, run);
    return *again;
}

gboolean
bill_close(const char *path, gboolean accept_conflicts, gboolean *again, GError **error)
{
    g_autofree char *closed_by = NULL;

    *again = FALSE;
    g_autoptr(BillFolder) folder = bill_folder_open(path, error);
    g_autoptr(GMappedFile) file = folder ? bill_folder_map(folder, BILL_PROOF, error) : NULL;
    g_autoptr(JsonObject) proof = file ? json_object_parse(g_mapped_file_get_contents(file),
                                                           g_mapped_file_get_length(file), error)
                                       : NULL;

    if (!proof || !check_findings(folder, error))
        return FALSE;
    /* What stood against it then was accepted, and what was closed since is no reason. */
    closed_by = bill_closed_run(folder->bills, folder->inputs->period.name, NULL);
    *again = closed_by && strcmp(closed_by, folder->run) == 0;
    return *again || (check_proof(folder, proof, accept_conflicts, error) &&
                      check_closed(folder, error) && issue(folder, file, again, error));
}
