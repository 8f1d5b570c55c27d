/* archive_retain.c - holds, longer retention, expiry.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/archive_retain.h"

#include <string.h>

#include "formats/period.h"

static void
line_free(gpointer data)
{
    RetainLine *line = data;

    g_free(line->volume);
    g_free(line->text);
    g_free(line);
}

GPtrArray *
retain_lines_new(void)
{
    return g_ptr_array_new_with_free_func(line_free);
}

static void G_GNUC_PRINTF(3, 4) tell(GPtrArray *lines, const char *volume, const char *format, ...)
{
    RetainLine *line = g_new0(RetainLine, 1);
    va_list arguments;

    va_start(arguments, format);
    line->volume = g_strdup(volume);
    line->text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_ptr_array_add(lines, line);
}

/* (transfer full) */
static char *
time_text(gint64 time_us)
{
    GString *text = g_string_new(NULL);

    period_print_time(text, time_us);
    return g_string_free(text, FALSE);
}

/* A key that never signed here is a wrong one, not a new one: new ones come in by a pack. */
static gboolean
check_key(const Archive *archive, const MinisignSecret *secret, GError **error)
{
    const MinisignPublic *key = minisign_public(secret);
    char id[MINISIGN_ID_CHARS + 1];

    for (guint i = 0; i < archive->keys->len; i++)
        if (memcmp(&g_array_index(archive->keys, MinisignPublic, i), key, sizeof *key) == 0)
            return TRUE;
    minisign_id(key, id);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                "the key %s has signed nothing in %s: give the one that packed", id,
                tier_name(archive->tier));
    return FALSE;
}

static gboolean
check_text(const char *option, const char *text, gsize max_bytes, GError **error)
{
    gboolean good = g_utf8_validate(text, -1, NULL) && strlen(text) <= max_bytes;

    for (const char *at = text; good && *at != '\0'; at++)
        good = (guchar)*at >= 0x20 && *at != 0x7f;
    if (!good)
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                    "%s: expected at most %u bytes of UTF-8 in one line", option, (guint)max_bytes);
    return good;
}

static gboolean
check_hold(const Archive *archive, const char *name, const char *note, const MinisignSecret *secret,
           GError **error)
{
    if (*name == '\0') {
        g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                            "--name: expected the name of the hold, as in CASE-17");
        return FALSE;
    }
    return check_text("--name", name, ARCHIVE_HOLD_NAME_MAX, error) &&
           (!note || check_text("--note", note, ARCHIVE_HOLD_NOTE_MAX, error)) &&
           check_key(archive, secret, error);
}

static gboolean
has_hold(const CatalogueVolume *volume, const char *name)
{
    for (guint i = 0; i < volume->holds->len; i++)
        if (strcmp(volume->holds->pdata[i], name) == 0)
            return TRUE;
    return FALSE;
}

/* Names outlive the catalogue's volumes, which every entry makes anew. (transfer full) */
static GPtrArray *
names_of(const GPtrArray *volumes, const char *hold, gboolean held)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < volumes->len; i++) {
        const CatalogueVolume *volume = volumes->pdata[i];
        if (!hold || has_hold(volume, hold) == held)
            g_ptr_array_add(names, g_strdup(volume->name));
    }
    return names;
}

static void
note_all(Archive *archive, const GPtrArray *names, const CatalogueEntry *like)
{
    for (guint i = 0; i < names->len; i++) {
        CatalogueEntry entry = *like;
        entry.volume = names->pdata[i];
        archive_note(archive, &entry);
    }
}

gboolean
archive_hold(Archive *archive, const ArchiveChoice *choice, const char *name, const char *note,
             const MinisignSecret *secret, GPtrArray *lines, GError **error)
{
    if (!check_hold(archive, name, note, secret, error))
        return FALSE;
    g_autoptr(GPtrArray) volumes = archive_choose(archive, choice, error);
    if (!volumes)
        return FALSE;
    g_autoptr(GPtrArray) held = names_of(volumes, name, TRUE);
    g_autoptr(GPtrArray) names = names_of(volumes, name, FALSE);
    const CatalogueEntry like = {.kind = CATALOGUE_HOLD, .name = name, .note = note};
    note_all(archive, names, &like);
    if (names->len > 0 && !archive_commit(archive, secret, error))
        return FALSE;
    for (guint i = 0; i < held->len; i++)
        tell(lines, held->pdata[i], "held by %s already", name);
    for (guint i = 0; i < names->len; i++)
        tell(lines, names->pdata[i], "held by %s", name);
    return TRUE;
}

gboolean
archive_release(Archive *archive, const ArchiveChoice *choice, const char *name, const char *note,
                const MinisignSecret *secret, GPtrArray *lines, GError **error)
{
    if (!check_hold(archive, name, note, secret, error))
        return FALSE;
    g_autoptr(GPtrArray) volumes = archive_choose(archive, choice, error);
    if (!volumes)
        return FALSE;
    g_autoptr(GPtrArray) names = names_of(volumes, name, TRUE);
    g_autoptr(GPtrArray) free = names_of(volumes, name, FALSE);
    const CatalogueEntry like = {.kind = CATALOGUE_RELEASE, .name = name, .note = note};
    if (names->len == 0) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                    "none of these volumes is held by %s: millrace archive list --volumes tells "
                    "the holds",
                    name);
        return FALSE;
    }
    note_all(archive, names, &like);
    if (!archive_commit(archive, secret, error))
        return FALSE;
    for (guint i = 0; i < free->len; i++)
        tell(lines, free->pdata[i], "not held by %s", name);
    for (guint i = 0; i < names->len; i++) {
        const CatalogueVolume *volume = catalogue_volume(archive->catalogue, names->pdata[i]);
        tell(lines, volume->name, "released by %s%s", name,
             volume->holds->len > 0 ? ", and held by others" : "");
    }
    return TRUE;
}

gboolean
archive_extend(Archive *archive, const ArchiveChoice *choice, gint64 until_us,
               const MinisignSecret *secret, GPtrArray *lines, GError **error)
{
    g_autoptr(GPtrArray) volumes = NULL;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *until = time_text(until_us);
    const CatalogueEntry like = {.kind = CATALOGUE_EXTEND, .retain_until_us = until_us};

    if (!check_key(archive, secret, error) || !(volumes = archive_choose(archive, choice, error)))
        return FALSE;
    for (guint i = 0; i < volumes->len; i++) {
        const CatalogueVolume *volume = volumes->pdata[i];
        g_autofree char *now = time_text(volume->retain_until_us);
        if (volume->retain_until_us > until_us) {
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_BAD_INPUT,
                        "%s is kept until %s, which is later than %s: retention only gets longer",
                        volume->name, now, until);
            return FALSE;
        }
        if (volume->retain_until_us == until_us)
            tell(lines, volume->name, "kept until %s already", now);
        else
            g_ptr_array_add(names, g_strdup(volume->name));
    }
    note_all(archive, names, &like);
    if (names->len > 0 && !archive_commit(archive, secret, error))
        return FALSE;
    for (guint i = 0; i < names->len; i++)
        tell(lines, names->pdata[i], "kept until %s", until);
    return TRUE;
}

/* Why the volume does not expire now; NULL when it does. (transfer full) */
static char *
why_kept(const CatalogueVolume *volume, gint64 now_us, gint64 vouched_us)
{
    g_autofree char *until = time_text(volume->retain_until_us);

    if (volume->holds->len > 0) {
        GString *text = g_string_new("held by");
        for (guint i = 0; i < volume->holds->len; i++)
            g_string_append_printf(text, "%s %s", i > 0 ? "," : "",
                                   (const char *)volume->holds->pdata[i]);
        return g_string_free(text, FALSE);
    }
    if (now_us < volume->retain_until_us)
        return g_strdup_printf("not before %s", until);
    if (vouched_us >= volume->retain_until_us)
        return NULL;
    g_autofree char *now = time_text(now_us);
    g_autofree char *vouched = time_text(vouched_us);
    return g_strdup_printf("not before %s: the clock says %s, but the log can vouch only for time "
                           "until %s (scrub at least every 35 days, and it will)",
                           until, now, vouched);
}

static gboolean
remove_files(Archive *archive, const char *volume, GError **error)
{
    for (guint file = 0; file < VOLUME_FILES; file++) {
        g_autofree char *path = volume_path(volume, (VolumeFile)file);
        if (!tier_remove(archive->tier, path, error))
            return FALSE;
    }
    return TRUE;
}

/* Which expired volumes have files still. (transfer full) of names, or NULL and error. */
static GPtrArray *
find_remains(Archive *archive, GError **error)
{
    g_autoptr(GPtrArray) files = tier_list(archive->tier, ARCHIVE_VOLUMES, error);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    if (!files)
        return NULL;
    for (guint i = 0; i < files->len; i++) {
        const char *file = files->pdata[i];
        g_autofree char *name = g_strndup(file, strcspn(file, "."));
        const CatalogueVolume *volume =
            volume_is_name(name) ? catalogue_volume(archive->catalogue, name) : NULL;
        gboolean known = names->len > 0 && strcmp(names->pdata[names->len - 1], name) == 0;
        if (volume && volume->expired && !known)
            g_ptr_array_add(names, g_steal_pointer(&name));
    }
    return g_steal_pointer(&names);
}

gboolean
archive_remove_expired(Archive *archive, guint64 *volume_count, GError **error)
{
    g_autoptr(GPtrArray) remains = find_remains(archive, error);

    if (!remains)
        return FALSE;
    for (guint i = 0; i < remains->len; i++) {
        if (!remove_files(archive, remains->pdata[i], error))
            return FALSE;
        (*volume_count)++;
    }
    return TRUE;
}

static gboolean
tell_remains(Archive *archive, GPtrArray *lines, ExpireReport *report, gboolean dry, GError **error)
{
    g_autoptr(GPtrArray) remains = find_remains(archive, error);

    for (guint i = 0; remains && i < remains->len; i++)
        tell(lines, remains->pdata[i],
             dry ? "has expired: files that are left would be removed"
                 : "has expired: files that were left are removed");
    if (remains)
        report->removed_count = remains->len;
    return remains != NULL;
}

gboolean
archive_expire(Archive *archive, const MinisignSecret *secret, GPtrArray *lines,
               ExpireReport *report, GError **error)
{
    g_autoptr(GPtrArray) due = g_ptr_array_new_with_free_func(g_free);
    const GPtrArray *volumes = catalogue_volumes(archive->catalogue);
    gint64 vouched_us = catalogue_vouched_us(archive->catalogue, archive->now_us);
    const CatalogueEntry like = {.kind = CATALOGUE_EXPIRE};
    guint64 removed_count = 0;

    *report = (ExpireReport){0};
    if ((secret && !check_key(archive, secret, error)) ||
        !tell_remains(archive, lines, report, !secret, error))
        return FALSE;
    for (guint i = 0; i < volumes->len; i++) {
        const CatalogueVolume *volume = volumes->pdata[i];
        if (volume->expired)
            continue;
        g_autofree char *kept = why_kept(volume, archive->now_us, vouched_us);
        if (kept)
            tell(lines, volume->name, "kept: %s", kept);
        else
            g_ptr_array_add(due, g_strdup(volume->name));
        report->kept_count += kept != NULL;
    }
    report->expired_count = due->len;
    if (secret) {
        note_all(archive, due, &like);
        if ((due->len > 0 && !archive_commit(archive, secret, error)) ||
            !archive_remove_expired(archive, &removed_count, error))
            return FALSE;
    }
    for (guint i = 0; i < due->len; i++)
        tell(lines, due->pdata[i], secret ? "expired" : "would expire");
    return TRUE;
}
