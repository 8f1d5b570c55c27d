#!/usr/bin/env bash
# page.sh DIR: a page of what a resize run has made in DIR, from its results: pictures, bytes and
# CPU time before and after.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

state=$1/.millrace
cat <<'HTML'
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Millrace: what was resized</title>
<style>
  body {
    font: 16px/1.5 system-ui, sans-serif; color: #222;
    margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
  }
  ul {
    display: grid; grid-template-columns: repeat(auto-fill, minmax(21rem, 1fr)); gap: 1.5rem;
    list-style: none; padding: 0;
  }
  li { border: 1px solid #ddd; border-radius: .5rem; overflow: hidden }
  img { display: block; width: 100%; height: 14rem; object-fit: contain; background: #f4f4f4 }
  table { border-collapse: collapse; width: 100%; font-size: .85rem; margin-bottom: .5rem }
  th, td { padding: .15rem .75rem; text-align: right; font-variant-numeric: tabular-nums }
  th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere }
  td:nth-child(n + 2) { white-space: nowrap }
  h2 { font-size: 1rem; margin: .5rem .75rem; overflow-wrap: anywhere }
  .failed { color: #a00 }
</style>
<h1>What was resized</h1>
HTML

jq -r '
  def mb: . / 1e6 * 100 | round / 100 | "\(.) MB";
  def ms: . / 1000 | round | "\(.) ms";
  "<p>\(.rows.resized) of \(.rows.manifest) images, harvest \(.harvest * 100)&nbsp;%: " +
  "\(.bytes_in | mb) in, \(.bytes_out | mb) out, \(.cpu_us / 1e4 | round / 100) s of CPU time. " +
  "A row took \(.row_wall_us.p50 | ms) at the median, " +
  "\(.row_wall_us.p99 | ms) at the 99th percentile.</p>"
' "$state/report.json"

echo "<ul>"
jq -r '
  def url: split("/") | map(@uri) | join("/");
  def kb: . / 1000 | round | "\(.) kB";
  def name: split("/") | last | @html;
  def picture:
    "<a href=\"\(.outputs[-1].path | url)\">" +
    "<img loading=\"lazy\" src=\"\(.outputs[0].path | url)\" alt=\"\(.source | name)\"></a>";
  def before: "<tr><td>before<td>\(.pixels_in / 1e5 | round / 10) MP<td>\(.bytes_in | kb)";
  def after: "<tr><td>\(.spec | @html)<td>\(.width) × \(.height)<td>\(.bytes | kb)";
  def cpu: "<tr><td>CPU time<td><td>\(.cpu_us / 1000 | round) ms";
  if .status == "ok" then
    "<li>" + picture + "<h2>\(.source | name)</h2>" +
    "<table><tr><th>image<th>pixels<th>bytes" + before + (.outputs | map(after) | join("")) + cpu +
    "</table></li>"
  else
    "<li class=\"failed\"><h2>\(.source | name)</h2><p>\(.class): \(.message | @html)</p></li>"
  end
' "$state/results.ndjson"
echo "</ul></html>"
