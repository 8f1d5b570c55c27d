/* page.c - GET /: a page for trying the door out and for watching it. It is one file, with nothing
 * from elsewhere, and the browser is told to run its script and style alone, by their digests.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/sha256.h"
#include "tools/door/door.h"
#include "tools/door/embed.h"

EMBED(door_page_html, "tools/door/page.html");

/* The digest of what stands between two tags, as a policy names it. The page is ours, and has both.
 * (transfer full) */
static char *
digest_between(const char *open, const char *close)
{
    const char *begin = strstr(door_page_html, open) + strlen(open);
    const char *end = strstr(begin, close);
    guint8 digest[SHA256_BYTES];

    sha256_bytes(begin, (gsize)(end - begin), digest);
    g_autofree char *base64 = g_base64_encode(digest, sizeof digest);
    return g_strconcat("'sha256-", base64, "'", NULL);
}

/* Pictures are blobs that the page has itself; it asks nobody but this door. */
static const char *
page_policy(void)
{
    static char *policy;

    if (g_once_init_enter(&policy)) {
        g_autofree char *script = digest_between("<script>", "</script>");
        g_autofree char *style = digest_between("<style>", "</style>");
        g_once_init_leave(
            &policy,
            g_strconcat("default-src 'none'; img-src blob: data:; connect-src 'self'; script-src ",
                        script, "; style-src ", style, "; base-uri 'none'; form-action 'none'",
                        NULL));
    }
    return policy;
}

void
door_page(DoorExchange *exchange)
{
    HttpAnswer answer = {.status = 200,
                         .content_type = "text/html; charset=utf-8",
                         .bytes = door_page_html,
                         .size_bytes = (gsize)(door_page_html_end - door_page_html),
                         .is_static = TRUE};

    http_answer_header(&answer, "Content-Security-Policy", "%s", page_policy());
    http_answer_header(&answer, "X-Content-Type-Options", "nosniff");
    http_answer_header(&answer, "X-Frame-Options", "DENY");
    http_answer_header(&answer, "Referrer-Policy", "no-referrer");
    http_answer_header(&answer, "Cache-Control", "no-cache");
    door_answer(exchange, OUTCOME_SERVED, &answer);
}
