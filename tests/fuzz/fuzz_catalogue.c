/* fuzz_catalogue.c - whatever is read as a log is read the same when its entries are written anew,
 * and when it is cut where it says.
 * The chain and the roots keep chance from finding a log. So an input may also be lines without
 * chain, of which a log is made here: "C" becomes a checkpoint; the first byte '#' chooses this.
 * SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "formats/catalogue_internal.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes);

static const char secret_text[] =
    "untrusted comment: minisign encrypted secret key\n"
    "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAarbyjhZYwpNjFZP6t69E"
    "mGUmK63TvbNOL2hJLT7LQtG1MBg35yx5hiNq+kfaz6GtvTse/"
    "7kUbAbFkwrXb27TpT9FNNg2P+mtAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";

static MinisignSecret *
the_secret(void)
{
    static MinisignSecret *secret;

    if (!secret)
        secret = minisign_secret_parse("fuzz", secret_text, NULL);
    g_assert_nonnull(secret);
    return secret;
}

/* Makes a log of lines: chains them, and signs where it is asked for. (transfer full) */
static GString *
make_log(const char *text, gsize size_bytes)
{
    GString *log = g_string_new(NULL);
    g_autoptr(Catalogue) state = catalogue_new();
    const char *end = text + size_bytes;

    while (text < end) {
        const char *line_end = memchr(text, '\n', (gsize)(end - text));
        gsize line_bytes = (gsize)((line_end ? line_end : end) - text);
        gsize begin = log->len;
        if (line_bytes == 1 && *text == 'C' && state->state.count > 0) {
            CatalogueCheckpoint checkpoint = catalogue_checkpoint_sign(state, the_secret());
            catalogue_print_checkpoint(checkpoint.text, log);
            g_free(checkpoint.text);
        } else {
            char chain[CATALOGUE_CHAIN_CHARS + 1];
            g_string_append_len(log, text, (gssize)line_bytes);
            catalogue_chain(state->state.chain, text, line_bytes, chain);
            g_string_append_printf(log, ",\"chain\":\"%s\"}", chain);
            catalogue_advance(state, chain, log->str + begin, log->len - begin);
        }
        g_string_append_c(log, '\n');
        text += line_bytes + 1;
    }
    return log;
}

static void
check_same(const CatalogueEntry *a, const CatalogueEntry *b)
{
    g_assert_cmpint(a->kind, ==, b->kind);
    g_assert_cmpint(a->time_us, ==, b->time_us);
    g_assert_cmpint(a->retain_until_us, ==, b->retain_until_us);
    g_assert_cmpuint(a->record_count, ==, b->record_count);
    g_assert_cmpuint(a->bytes, ==, b->bytes);
    g_assert_cmpstr(a->actor, ==, b->actor);
    g_assert_cmpstr(a->volume, ==, b->volume);
    g_assert_cmpstr(a->class, ==, b->class);
    g_assert_cmpstr(a->manifest, ==, b->manifest);
    g_assert_cmpstr(a->minisig, ==, b->minisig);
    g_assert_cmpstr(a->name, ==, b->name);
    g_assert_cmpstr(a->result, ==, b->result);
    g_assert_cmpstr(a->scope, ==, b->scope);
    g_assert_cmpstr(a->note, ==, b->note);
}

/* Appends all entries to another log, signs it, reads it. Kinds of later versions are left out. */
static void
check_written_anew(const Catalogue *log)
{
    g_autoptr(Catalogue) writer = catalogue_new();
    guint64 keep_bytes = 0;
    gsize size_bytes = 0;

    for (guint64 i = 0; i < catalogue_count(log); i++)
        if (catalogue_entry(log, i)->kind != CATALOGUE_OTHER)
            catalogue_append(writer, catalogue_entry(log, i));
    if (catalogue_count(writer) == 0)
        return;
    catalogue_sign(writer, the_secret());
    const char *text = catalogue_pending(writer, &keep_bytes, &size_bytes);
    g_autoptr(Catalogue) again = catalogue_parse("again", text, size_bytes, NULL);
    g_assert_nonnull(again);
    g_assert_true(catalogue_check_signatures(again, minisign_public(the_secret()), 1, NULL));
    g_assert_cmpuint(catalogue_count(again), ==, catalogue_count(writer));
    g_assert_cmpuint(catalogue_torn_bytes(again), ==, 0);
    guint64 at = 0;
    for (guint64 i = 0; i < catalogue_count(log); i++)
        if (catalogue_entry(log, i)->kind != CATALOGUE_OTHER)
            check_same(catalogue_entry(log, i), catalogue_entry(again, at++));
}

static void
check_log(const char *text, gsize size_bytes)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Catalogue) log = catalogue_parse("fuzz", text, size_bytes, &error);
    guint64 keep_bytes = 0;
    gsize pending_bytes = 0;

    if (!log) {
        g_assert_true(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
        return;
    }
    catalogue_pending(log, &keep_bytes, &pending_bytes);
    g_assert_cmpuint(keep_bytes + catalogue_torn_bytes(log), ==, size_bytes);
    g_autoptr(Catalogue) cut = catalogue_parse("cut", text, keep_bytes, NULL);
    g_assert_nonnull(cut);
    g_assert_cmpuint(catalogue_torn_bytes(cut), ==, 0);
    g_assert_true(catalogue_continues(cut, log) && catalogue_continues(log, cut));
    g_assert_cmpint(catalogue_vouched_us(log, 0), ==, catalogue_vouched_us(cut, 0));
    g_assert_cmpuint(catalogue_volumes(log)->len, ==, catalogue_volumes(cut)->len);
    check_written_anew(log);
}

int
LLVMFuzzerTestOneInput(const guint8 *data, size_t size_bytes)
{
    const char *text = size_bytes > 0 ? (const char *)data : "";

    if (*text != '#') {
        check_log(text, size_bytes);
        return 0;
    }
    g_autoptr(GString) log = make_log(text + 1, size_bytes - 1);
    check_log(log->str, log->len);
    return 0;
}
