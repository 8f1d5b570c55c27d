/* statement_html.c - a statement as one page: no script, nothing loaded, fit to be printed.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "formats/statement_view.h"

static const char page_head[] =
    "<!doctype html>\n"
    "<html lang=\"en\">\n"
    "<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
    "'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n";

static const char page_style[] =
    "<style>\n"
    ":root{--ink:#1c2430;--soft:#5b6675;--line:#d9dee5;--paper:#fff;--ground:#f2f4f7;"
    "--accent:#0b5cad;--warn:#8a4b00;--warn-ground:#fff3dc}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.45 system-ui,"
    "\"Segoe UI\",Roboto,\"Liberation Sans\",sans-serif}\n"
    "main{max-width:60rem;margin:2rem auto;padding:2.5rem 3rem;background:var(--paper);"
    "border:1px solid var(--line);border-radius:8px}\n"
    "header{display:flex;flex-wrap:wrap;justify-content:space-between;gap:1rem 3rem}\n"
    "h1{margin:0;font-size:1.5rem}\n"
    "h2{margin:2rem 0 .5rem;font-size:1.05rem}\n"
    ".issuer{margin:0 0 .25rem;color:var(--soft)}\n"
    "dl{display:grid;grid-template-columns:auto auto;gap:.15rem 1rem;margin:0}\n"
    "dt{color:var(--soft)}\n"
    "dd{margin:0;overflow-wrap:anywhere}\n"
    ".banner{margin:1.5rem 0 0;padding:.8rem 1rem;background:var(--warn-ground);"
    "color:var(--warn);border:1px solid currentColor;border-radius:6px}\n"
    ".payable{margin:1.75rem 0 0;font-size:1.1rem}\n"
    ".payable strong{font-size:2rem;color:var(--accent);font-variant-numeric:tabular-nums}\n"
    ".wide{overflow-x:auto}\n"
    "table{width:100%;border-collapse:collapse;margin-top:1rem}\n"
    "th,td{padding:.4rem .6rem;text-align:left;border-bottom:1px solid var(--line)}\n"
    "th{font-weight:600;color:var(--soft);white-space:nowrap}\n"
    "tbody th{padding-top:1rem;color:var(--ink)}\n"
    "td:first-child{overflow-wrap:anywhere}\n"
    ".correction td:first-child{padding-left:1.8rem}\n"
    ".number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}\n"
    ".sum td{font-weight:600;border-top:2px solid var(--line)}\n"
    "footer{margin-top:2rem;color:var(--soft);font-size:.85rem;overflow-wrap:anywhere}\n"
    "@media(max-width:40rem){main{margin:0;padding:1.25rem;border:0;border-radius:0}}\n"
    "@media print{body{background:none;font-size:10pt}main{margin:0;padding:0;border:0;"
    "max-width:none}tr{break-inside:avoid}thead{display:table-header-group}}\n"
    "</style>\n";

/* Appends text with what HTML would read as markup escaped. */
static void
append_text(GString *out, const char *text)
{
    g_autofree char *escaped = g_markup_escape_text(text, -1);
    g_string_append(out, escaped);
}

static void
append_element(GString *out, const char *open, const char *text, const char *close)
{
    g_string_append(out, open);
    append_text(out, text);
    g_string_append(out, close);
}

static void
append_term(GString *out, const char *term, const char *text)
{
    append_element(out, "<dt>", term, "</dt>");
    append_element(out, "<dd>", text, "</dd>\n");
}

static void
append_head(const StatementView *view, GString *out)
{
    g_string_append(out, page_head);
    g_string_append(out, "<title>");
    append_text(out, view->invoice);
    append_element(out, " – ", view->customer, "</title>\n");
    g_string_append(out, page_style);
    g_string_append(out, "<main>\n<header>\n<div>");
    append_element(out, "<p class=\"issuer\">", view->issuer, "</p>");
    g_string_append(out, "<h1>Statement</h1></div>\n<dl>\n");
    append_term(out, "Customer", view->customer);
    append_term(out, "Period", view->period.name);
    append_term(out, "Number", view->invoice);
    g_string_append(out, "</dl>\n</header>\n");
    if (view->preliminary) {
        append_element(out, "<p class=\"banner\"><strong>PRELIMINARY.</strong> ",
                       view->harvest_percent,
                       " % of what was expected is in here. This is no bill yet.</p>\n");
    }
    append_element(out, "<p class=\"payable\">Payable: <strong>", view->payable, "</strong> ");
    append_element(out, "", view->currency, "</p>\n");
}

static void
append_line(const ViewLine *line, GString *out)
{
    append_element(out, "<tr id=\"line-", line->id, "\" class=\"");
    append_element(out, "", line_class_name(line->class), "\">");
    append_element(out, "<td>", line->label, "</td>");
    append_element(out, "<td class=\"number\">", line->quantity, "</td>");
    append_element(out, "<td>", line->unit, "</td>");
    append_element(out, "<td class=\"number\">", line->unit_price, "</td>");
    append_element(out, "<td class=\"number\">", line->amount, "</td></tr>\n");
}

static void
append_sum(GString *out, const char *label, const char *amount)
{
    append_element(out, "<tr class=\"sum\"><td colspan=\"4\">", label, "</td>");
    append_element(out, "<td class=\"number\">", amount, "</td></tr>\n");
}

/* Lines of usage have their sum behind them, corrections a heading for each period. */
static void
append_lines(const StatementView *view, GString *out)
{
    const char *correcting = "";
    gboolean summed = FALSE;
    g_string_append(out, "<div class=\"wide\"><table>\n<thead><tr><th>Item</th>"
                         "<th class=\"number\">Quantity</th><th>Unit</th>"
                         "<th class=\"number\">Unit price</th>");
    append_element(out, "<th class=\"number\">", view->currency, "</th></tr></thead>\n<tbody>\n");
    for (guint i = 0; i < view->lines->len; i++) {
        const ViewLine *line = &g_array_index(view->lines, ViewLine, i);
        if (line->class != LINE_USAGE && !summed) {
            if (i > 0)
                append_sum(out, "Usage", view->usage);
            summed = TRUE;
        }
        if (line->class == LINE_CORRECTION && strcmp(correcting, line->period) != 0)
            append_element(out, "<tr><th colspan=\"5\">Correction of ", line->period,
                           "</th></tr>\n");
        correcting = line->class == LINE_CORRECTION ? line->period : "";
        append_line(line, out);
    }
    append_sum(out, "Payable", view->payable);
    g_string_append(out, "</tbody>\n</table></div>\n");
}

static void
append_credits(const StatementView *view, GString *out)
{
    if (view->credits->len == 0)
        return;
    g_string_append(out, "<h2>Credits</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>Credit</th>"
                         "<th class=\"number\">Opening</th><th class=\"number\">Granted</th>"
                         "<th class=\"number\">Used</th><th class=\"number\">Expired</th>"
                         "<th class=\"number\">Left</th></tr></thead>\n<tbody>\n");
    for (guint i = 0; i < view->credits->len; i++) {
        const ViewCredit *credit = &g_array_index(view->credits, ViewCredit, i);
        append_element(out, "<tr><td>", credit->id, "</td>");
        for (guint j = 0; j < VIEW_CREDIT_FIELDS; j++)
            append_element(out, "<td class=\"number\">", credit->fields[j], "</td>");
        g_string_append(out, "</tr>\n");
    }
    g_string_append(out, "</tbody>\n</table></div>\n");
}

void
statement_show_html(const StatementView *view, GString *out)
{
    append_head(view, out);
    append_lines(view, out);
    append_credits(view, out);
    append_element(out, "<footer>Times are UTC. Harvest ", view->harvest_percent, " %. ");
    append_element(out, "Run ", view->run, "</footer>\n</main>\n</html>\n");
}
