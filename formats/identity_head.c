/* identity_head.c - the signed head of identity: which snapshot is current.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/identity.h"

#include <string.h>

#include "formats/note.h"
#include "formats/usage.h"

#define KIND "millrace.identity/v1"
#define NONE "none"

static const struct {
    guint32 scope;
    const char *name;
} scope_names[] = {{SCOPE_RESIZE, "resize"}, {SCOPE_JOBS, "jobs"}, {SCOPE_USAGE, "usage"}};

gboolean
scopes_parse(const char *text, guint32 *scopes, GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);

    *scopes = 0;
    for (char **word = words; *word; word++) {
        guint32 found = 0;
        for (guint i = 0; i < G_N_ELEMENTS(scope_names); i++)
            if (strcmp(*word, scope_names[i].name) == 0)
                found = scope_names[i].scope;
        if (!found) {
            g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                        "scope \"%s\": expected resize, jobs or usage, with commas between", *word);
            return FALSE;
        }
        *scopes |= found;
    }
    if (*scopes)
        return TRUE;
    g_set_error_literal(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                        "a key without scopes opens nothing: expected resize, jobs or usage, with "
                        "commas between");
    return FALSE;
}

char *
scopes_print(guint32 scopes)
{
    g_autoptr(GString) out = g_string_new(NULL);

    for (guint i = 0; i < G_N_ELEMENTS(scope_names); i++)
        if (scopes & scope_names[i].scope)
            g_string_append_printf(out, "%s%s", out->len > 0 ? "," : "", scope_names[i].name);
    return g_string_free(g_steal_pointer(&out), FALSE);
}

/* Returns NULL, or what is wrong with it. */
static const char *
wrong_customer(const char *customer)
{
    gsize size_bytes = strlen(customer);

    if (size_bytes == 0)
        return "it is empty";
    if (size_bytes > IDENTITY_CUSTOMER_MAX)
        return "it is longer than 255 bytes";
    if (!g_utf8_validate(customer, (gssize)size_bytes, NULL))
        return "it is not UTF-8";
    for (const char *at = customer; *at; at = g_utf8_next_char(at))
        if (g_unichar_iscntrl(g_utf8_get_char(at)))
            return "it has control characters";
    if (*customer == '.' || strchr(customer, '/'))
        return "it begins with '.' or has a '/', and is to name a folder, too";
    return NULL;
}

gboolean
identity_customer_check(const char *customer, GError **error)
{
    const char *wrong = wrong_customer(customer);

    if (!wrong)
        return TRUE;
    g_autofree char *shown = g_strescape(customer, NULL);
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE,
                "customer \"%.300s\": %s: expected a name as in acme", shown, wrong);
    return FALSE;
}

char *
identity_snapshot_name(const char *digest)
{
    return g_strconcat(IDENTITY_NAME_PREFIX, digest, IDENTITY_NAME_SUFFIX, NULL);
}

/* (transfer full) */
static char *
print_body(const IdentityHead *head)
{
    g_autoptr(GString) out = g_string_new(KIND "\n");

    g_string_append_printf(out,
                           "epoch %" G_GUINT64_FORMAT "\nparent %s\ndigest %s\n"
                           "count %" G_GUINT64_FORMAT "\ncreated ",
                           head->epoch, head->parent, head->digest, head->count);
    usage_print_time(out, head->created_us);
    g_string_append_c(out, '\n');
    return g_string_free(g_steal_pointer(&out), FALSE);
}

char *
identity_head_sign(const IdentityHead *head, const MinisignSecret *secret)
{
    g_autofree char *body = print_body(head);

    return note_sign(secret, body);
}

static gboolean
read_digest(const char *body, const char *key, gboolean may_be_none,
            char digest[IDENTITY_DIGEST_CHARS + 1])
{
    g_autofree char *value = note_value(body, key);

    if (!value || !((strlen(value) == IDENTITY_DIGEST_CHARS &&
                     strspn(value, "0123456789abcdef") == IDENTITY_DIGEST_CHARS) ||
                    (may_be_none && strcmp(value, NONE) == 0)))
        return FALSE;
    g_strlcpy(digest, value, IDENTITY_DIGEST_CHARS + 1);
    return TRUE;
}

static gboolean
read_count(const char *body, const char *key, guint64 min, guint64 max, guint64 *count)
{
    g_autofree char *value = note_value(body, key);

    return value && g_ascii_string_to_unsigned(value, 10, min, max, count, NULL);
}

static gboolean
read_body(const char *body, IdentityHead *head)
{
    g_autofree char *created = note_value(body, "created");

    *head = (IdentityHead){0};
    if (!read_count(body, "epoch", 1, G_MAXINT64, &head->epoch) ||
        !read_digest(body, "parent", TRUE, head->parent) ||
        !read_digest(body, "digest", FALSE, head->digest) ||
        !read_count(body, "count", 0, IDENTITY_COUNT_MAX, &head->count) || !created ||
        !usage_parse_time(created, strlen(created), &head->created_us))
        return FALSE;
    /* One spelling only. */
    g_autofree char *again = print_body(head);
    return strcmp(again, body) == 0;
}

gboolean
identity_head_open(const char *name, const char *text, gsize size_bytes, const MinisignPublic *keys,
                   guint key_count, IdentityHead *head, GError **error)
{
    g_autofree char *body = note_open(name, text, size_bytes, keys, key_count, NULL, error);

    if (!body)
        return FALSE;
    if (read_body(body, head))
        return TRUE;
    g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT,
                "%s: signed, but no head of identity of version 1", name);
    return FALSE;
}
