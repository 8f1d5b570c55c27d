/* archive_copy_relate.c - what two catalogues have in common, and what the target's becomes.
 *
 *     the target has ...                           its catalogue ...
 *     nothing signed that the source has not       becomes the source's; what it has noted itself
 *                                                  comes behind
 *     all that is signed at the source, and more   stays
 *     otherwise                                    they have parted: nothing is done
 *
 * Signed are entries with a checkpoint behind them. What two machines have noted by themselves
 * (checks, repairs, restores) is no reason to part, and evidence that is not thrown away.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "jobs/archive_copy_internal.h"

void
archive_copy_clear(Copying *copying)
{
    catalogue_free(copying->final);
    tier_free(copying->to);
    if (copying->tape)
        archive_tape_close(copying->tape);
    else
        archive_close(copying->from);
    g_free(copying->from_text);
    g_free(copying->to_text);
}

/* The source's text is read anew: it has to be to the byte what its catalogue was read from, and
 * somebody may have appended meanwhile. */
static gboolean
read_source(Copying *copying, GError **error)
{
    Archive *from = copying->from;
    g_autofree char *name = g_strdup_printf("%s/%s", tier_name(from->tier), ARCHIVE_CATALOGUE);

    copying->from_text = tier_read_all(from->tier, ARCHIVE_CATALOGUE, CATALOGUE_MAX_BYTES,
                                       &copying->from_bytes, error);
    if (!copying->from_text)
        return FALSE;
    Catalogue *again = catalogue_parse(name, copying->from_text, copying->from_bytes, error);
    if (!again)
        return FALSE;
    catalogue_free(from->catalogue);
    from->catalogue = again;
    copying->from_bytes -= (gsize)catalogue_torn_bytes(again);
    return catalogue_check_signatures(again, (const MinisignPublic *)from->keys->data,
                                      from->keys->len, error);
}

/* Reads the target's catalogue. Its signatures are not checked: of its entries only those count
 * that the source's has too. Returns NULL and error, or an empty one when there is none. */
static Catalogue *
read_target(Copying *copying, GError **error)
{
    g_autofree char *name = g_strdup_printf("%s/%s", tier_name(copying->to), ARCHIVE_CATALOGUE);
    g_autoptr(GError) reason = NULL;

    copying->to_text = tier_read_all(copying->to, ARCHIVE_CATALOGUE, CATALOGUE_MAX_BYTES,
                                     &copying->to_bytes, &reason);
    if (!copying->to_text && g_error_matches(reason, MILLRACE_ERROR, MILLRACE_ERROR_NO_INPUT))
        return catalogue_new();
    if (!copying->to_text) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return NULL;
    }
    Catalogue *catalogue = catalogue_parse(name, copying->to_text, copying->to_bytes, &reason);
    if (catalogue)
        return catalogue;
    /* One that is longer may tell of more than the source knows. */
    copying->replaced = copying->config->verify && copying->to_bytes <= copying->from_bytes;
    if (copying->replaced)
        return catalogue_new();
    g_propagate_prefixed_error(
        error, g_steal_pointer(&reason), "the target's catalogue is damaged; %s: ",
        copying->config->verify ? "it is longer than the source's, so it is not replaced"
                                : "with --verify it is written anew");
    return NULL;
}

/* The source's catalogue, and the target's own entries behind it. */
static void
make_final(Copying *copying, const Catalogue *target, guint64 common, GError **error)
{
    copying->final =
        catalogue_parse(copying->config->from, copying->from_text, copying->from_bytes, error);
    if (!copying->final)
        return;
    for (guint64 i = common; i < catalogue_count(target); i++) {
        catalogue_append(copying->final, catalogue_entry(target, i));
        copying->kept_count++;
    }
}

gboolean
archive_copy_relate(Copying *copying, GError **error)
{
    g_autoptr(Catalogue) target = NULL;

    if (!read_source(copying, error) || !(target = read_target(copying, error)))
        return FALSE;
    const Catalogue *source = copying->from->catalogue;
    guint64 common = catalogue_common(source, target);
    guint64 source_signed = catalogue_signed_count(source);
    guint64 target_signed = catalogue_signed_count(target);

    gboolean same_signed = source_signed == target_signed;
    gboolean has_more = common < catalogue_count(source) || common == catalogue_count(target);
    if (common >= target_signed && (source_signed > target_signed || (same_signed && has_more))) {
        make_final(copying, target, common, error);
        return copying->final != NULL;
    }
    if (common >= source_signed) {
        copying->stays = TRUE;
        copying->ahead_count = catalogue_count(target) - common;
        copying->parted = common < catalogue_count(source);
        copying->final = g_steal_pointer(&target);
        return TRUE;
    }
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                "%s and %s have parted: entry %" G_GUINT64_FORMAT
                " is not the same, and both have signed others behind it; nothing was copied. %s",
                copying->config->from, tier_name(copying->to), common,
                common == 0 ? "They are different archives: give another place"
                            : "Restore from one what it alone has and pack that into the other, "
                              "then push to a new place");
    return FALSE;
}

/* A folder gets the whole file at once. A server has it on condition that nobody else has written
 * it since it was read. */
gboolean
archive_copy_commit(Copying *copying, GError **error)
{
    gsize own_bytes = 0;
    guint64 keep_bytes = 0;

    if (copying->stays)
        return TRUE;
    const char *own = catalogue_pending(copying->final, &keep_bytes, &own_bytes);
    g_assert(keep_bytes == copying->from_bytes);
    g_autoptr(GString) text = g_string_new_len(copying->from_text, (gssize)copying->from_bytes);
    g_string_append_len(text, own, (gssize)own_bytes);
    if (copying->to_text && copying->to_bytes == text->len &&
        memcmp(copying->to_text, text->str, text->len) == 0)
        return TRUE;
    if (tier_dir_fd(copying->to) >= 0)
        return tier_write_all(copying->to, ARCHIVE_CATALOGUE, text->str, text->len, error);
    return tier_append(copying->to, ARCHIVE_CATALOGUE, 0, text->str, text->len, error);
}
