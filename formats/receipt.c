/* receipt.c - signed receipts of accepted jobs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/receipt.h"

#include <string.h>

#include "formats/error.h"
#include "formats/note.h"
#include "formats/usage.h"

#define KIND "millrace.receipt/v1"

enum { JOB_DIGITS = 32 };
G_STATIC_ASSERT(JOB_ID_CHARS == 1 + JOB_DIGITS);

void
receipt_clear(Receipt *receipt)
{
    g_free(receipt->customer);
    g_free(receipt->cluster);
    *receipt = (Receipt){0};
}

static gboolean
is_hex(const char *text, gsize chars)
{
    return strspn(text, "0123456789abcdef") == chars && text[chars] == '\0';
}

/* (transfer full) */
static char *
print_body(const Receipt *receipt)
{
    g_autoptr(GString) out = g_string_new(KIND "\n");

    g_string_append_printf(
        out, "job %s\ncustomer %s\nmanifest %s\nrows %" G_GUINT64_FORMAT "\naccepted ",
        receipt->job, receipt->customer, receipt->manifest, receipt->row_count);
    usage_print_time(out, receipt->accepted_us);
    g_string_append_printf(out, "\ncluster %s\n", receipt->cluster);
    return g_string_free(g_steal_pointer(&out), FALSE);
}

char *
receipt_sign(const Receipt *receipt, const MinisignSecret *secret)
{
    g_assert(receipt->job[0] == 'j' && is_hex(receipt->job + 1, JOB_DIGITS));
    g_assert(is_hex(receipt->manifest, sizeof receipt->manifest - 1));
    g_autofree char *body = print_body(receipt);
    return note_sign(secret, body);
}

static gboolean
read_body(const char *body, Receipt *receipt)
{
    g_autofree char *job = note_value(body, "job");
    g_autofree char *manifest = note_value(body, "manifest");
    g_autofree char *rows = note_value(body, "rows");
    g_autofree char *accepted = note_value(body, "accepted");

    receipt->customer = note_value(body, "customer");
    receipt->cluster = note_value(body, "cluster");
    if (!job || job[0] != 'j' || !is_hex(job + 1, JOB_DIGITS) || !manifest ||
        !is_hex(manifest, sizeof receipt->manifest - 1) || !rows || !accepted ||
        !receipt->customer || !receipt->cluster ||
        !g_ascii_string_to_unsigned(rows, 10, 0, G_MAXINT64, &receipt->row_count, NULL) ||
        !usage_parse_time(accepted, strlen(accepted), &receipt->accepted_us))
        return FALSE;
    g_strlcpy(receipt->job, job, sizeof receipt->job);
    g_strlcpy(receipt->manifest, manifest, sizeof receipt->manifest);
    /* One spelling only. */
    g_autofree char *again = print_body(receipt);
    return strcmp(again, body) == 0;
}

gboolean
receipt_open(const char *name, const char *text, gsize size_bytes, const MinisignPublic *keys,
             guint key_count, Receipt *receipt, GError **error)
{
    g_autofree char *body = note_open(name, text, size_bytes, keys, key_count, NULL, error);

    *receipt = (Receipt){0};
    if (!body)
        return FALSE;
    if (read_body(body, receipt))
        return TRUE;
    receipt_clear(receipt);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s: signed, but no receipt of version 1", name);
    return FALSE;
}
