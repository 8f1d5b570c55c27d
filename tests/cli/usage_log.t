#!/usr/bin/env bash
# usage_log.t - what is counted: results, usage events and the report, against each other and
# against the files.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016 # filters of jq
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
cd "$scratch" || exit 1

make_photos photos 5 2 300
head -c 4000 photos/4_1.jpg >photos/cut.jpg
{
    echo source,customer,request,to
    for x in {0..4}; do printf "photos/${x}_%d.jpg,,,\n" 0 1; done
    printf '%s\n' photos/cut.jpg,acme,R11, photos/absent.jpg,acme,, photos/0_0.jpg,,,5y5
} >manifest.csv
exits 1 'a job with failures' "$resize" --job counted --to 64x64 --to '32x32,format=png' -o out \
    manifest.csv
sound out 'its folder is in order'
cp out/.millrace/{results.ndjson,report.json} .
usage out >usage.ndjson

# holds NAME FILTER: a filter over everything that gives true and nothing else
holds()
{
    local name=$1 filter=$2
    is "$(jq -cs --slurpfile results results.ndjson --slurpfile report report.json "$filter" \
        usage.ndjson)" true "$name"
}

# Results

is "$(jq -c .row results.ndjson | tr '\n' ' ')" '1 2 3 4 5 6 7 8 9 10 11 12 13 ' \
    'results have a line a row, in their order'
is "$(jq -r 'select(.status == "ok") | .outputs[] | "\(.path) \(.bytes)"' results.ndjson |
    LC_ALL=C sort)" "$(cd out && find . -path ./.millrace -prune -o -type f -printf '%P %s\n' |
        LC_ALL=C sort)" 'sizes are those of the files'
is "$(jq -r 'select(.row == 1) | .outputs[] | "\(.digest)  out/\(.path)"' results.ndjson)" \
    "$(sha256sum out/{64x64,32x32*}/photos/0_0.*)" 'digests are those of sha256sum'
is "$(jq -r 'select(.row == 1) | .bytes_in, .pixels_in' results.ndjson | tr '\n' ' ')" \
    "$(stat -c %s photos/0_0.jpg) 90000 " 'bytes and pixels are those of the source'

# Events

holds 'an event an output, failures included' 'length == 10 * 2 + 2 + 2 + 1'
holds 'they are CloudEvents 1.0' 'all(.specversion == "1.0" and (.id | test("^[0-9a-f]{32}$"))
    and .type == "millrace.image.v1" and .source == "//millrace/job/counted"
    and (.time | test("^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-9:]{8}[.][0-9]{6}Z$"))
    and (.subject | type == "string" and length > 0)
    and (keys - ["specversion", "id", "source", "type", "subject", "time", "writer", "sequence",
        "data", "datacontenttype"] == []))'
holds 'names of attributes are lower-case letters and digits' \
    'all(keys | all(test("^[a-z0-9]{1,20}$")))'
holds 'ids are unique' 'map(.id) | length == (unique | length)'
holds 'sequences count from 1 without gaps' \
    'map(.sequence | tonumber) == [range(1; length + 1)]'
holds 'sequences sort as text does' 'map(.sequence) == (map(.sequence) | sort)'
holds 'quantities are whole numbers' 'all(.data | [.bytes_in, .bytes_out, .pixels_in, .pixels_out,
    .cpu_us, .wall_us] | all(type == "number" and . == floor and . >= 0))'
holds 'customers and requests are those of the rows' '(map([.subject, .data.request]) | unique) ==
    ($results | map([.customer, .request]) | unique)'
holds 'the CPU time of events is that of their rows' '(group_by(.data.request) |
    map({key: .[0].data.request, value: (map(.data.cpu_us) | add)}) | from_entries) ==
    ($results | map({key: .request, value: .cpu_us}) | from_entries)'
holds 'those of failures say so, with the class' '(map(select(.data.status != "ok") |
    [.data.request, .data.status]) | unique) ==
    ($results | map(select(.status == "failed") | [.request, .class]) | unique)'
holds 'a failure has an event for each output it was to have' \
    'map(select(.data.request == "R11")) | length == 2'
holds 'and none with bytes or pixels' \
    'all(.data.status == "ok" or (.data.bytes_out == 0 and .data.pixels_out == 0))'
holds 'bytes and pixels are those of the outputs' '(map(select(.data.status == "ok") |
    [.data.request, .data.format, .data.bytes_out, .data.pixels_out]) | sort) == ([$results[] |
    .request as $request | .outputs[] | [$request, .format, .bytes, .width * .height]] | sort)'

# The report

holds 'the report counts rows by class' '$report[0] | .rows == {manifest: 13, resized: 10,
    failed: 3, skipped: 0} and .failures == {"bad-row": 1, "not-found": 1, "truncated": 1}'
holds 'harvest is the share that was resized' '$report[0].harvest * 13 | . > 9.9999 and . < 10.0001'
holds 'totals are sums of the results' '$report[0] as $r |
    ($results | map(.cpu_us) | add) == $r.cpu_us
    and ($results | map(.wall_us) | add) == $r.wall_us
    and ($results | map(.bytes_in) | add) == $r.bytes_in
    and ([$results[].outputs[].bytes] | add) == $r.bytes_out
    and ([$results[].outputs[] | .width * .height] | add) == $r.pixels_out'
holds 'events are all there' '$report[0].events == length and $report[0].outputs == 20'
# The 7th of 13 is their median, the last their P99; histograms are right to one part in 32.
holds 'percentiles are those of the rows' '($results | map(.wall_us) | sort) as $wall |
    $report[0].row_wall_us | [[.p50, $wall[6]], [.p99, $wall[12]], [.p99_9, $wall[12]]] |
    all((.[0] - .[1] | fabs) <= .[1] / 32)'
holds 'the exit code is in the report' '$report[0] | .exit_code == 1 and .complete'
holds 'invariants have both sides' '$report[0].invariants | length >= 4 and all(.holds and
    .left == .right and (.left_name | length > 0) and (.right_name | length > 0))'

# What is wrong on disk is seen.
rm out/64x64/photos/0_0.jpg
sed -i '$d' out/.millrace/usage-*
rm out/.millrace/report.json
exits 76 'an output that is gone breaks an invariant' "$resize" --job counted --to 64x64 \
    --to '32x32,format=png' -o out manifest.csv
is "$(report out '.invariants | map(.holds)')" '[true,false,true,true]' 'which is named'
is "$(usage out | LC_ALL=C sort | sha256sum)" "$(LC_ALL=C sort usage.ndjson | sha256sum)" \
    'an event that is gone is written again, byte for byte'

done_testing
