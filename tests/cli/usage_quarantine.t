#!/usr/bin/env bash
# usage_quarantine.t - lines that are no events: what they cost, and what is kept of them. And lines
# of other programs that are.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016 # filters of jq
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/usage.sh
. "$(dirname "$0")/../tap/usage.sh"
cd "$scratch" || exit 1

# quarantined STORE FILTER: its records, through jq
quarantined()
{
    cat "$1"/quarantine/*.ndjson | jq -cr "$2"
}

make_log n07-0-1 1 20 >good.ndjson
{
    head -n 3 good.ndjson
    echo 'no JSON at all'
    sed -n 4p good.ndjson | sed 's/"bytes_in":[0-9]*/"bytes_in":1.5/'
    sed -n 5p good.ndjson | sed 's/"id":"[0-9a-f]*",//'
    printf '{"id":"\xff\xfe"}\n'
    printf 'a\0b%%\n'
    echo
    sed -n '6,20p' good.ndjson
} >mixed.ndjson
exits 1 'bad lines are an exit code of their own' "$usage" ingest --store store mixed.ndjson
is "$(told '[.lines, .events, .quarantined, .blank]')" '[24,18,5,1]' \
    'every line is an event, quarantined or blank'
like "$(cat stderr)" '; 5 lines quarantined' 'how many is said'
stored store | cmp - <({ head -n 3 && sed -n '3,$p'; } <good.ndjson | jq -cS . | LC_ALL=C sort)
ok $? 'the good ones are stored'
is "$(quarantined store '"\(.log) \(.line) \(.offset)"')" "$(perl -ne 'print "$ARGV $. $offset\n"
    if $. >= 4 && $. <= 8; BEGIN { $offset = 0 } $offset += length' mixed.ndjson)" \
    'the bad ones are kept, with their lines and offsets'
is "$(quarantined store .reason | sed -n 1p)" 'not JSON: expected an object at byte 1' \
    'with the reason'
like "$(quarantined store .reason | sed -n 2p)" '"bytes_in".*whole number' 'that names the member'
like "$(quarantined store .reason | sed -n 3p)" '"id"' 'or the one that is missing'
is "$(quarantined store .text | sed -n 1p)" 'no JSON at all' 'with the text'
is "$(quarantined store .text | sed -n '4,5p')" $'{"id":"%FF%FE"}\na%00b%25' \
    'percent-encoded where it is not UTF-8 or has a NUL'
named_rightly store
ok $? 'the records are named by their SHA-256'
is "$(stat_of store .quarantined)" 5 'stat counts them'
exits 0 'the same log again has no new bad lines' "$usage" ingest --store store mixed.ndjson
is "$(find store/quarantine -type f | wc -l)" 1 'and they are kept once'

# --quarantine

echo 'what was there' >bad.log
exits 1 'bad lines are appended to a file as well' "$usage" ingest --store other \
    --quarantine bad.log mixed.ndjson
is "$(head -n 1 bad.log)" 'what was there' 'behind what was there'
tail -n +2 bad.log | cmp - other/quarantine/*.ndjson
ok $? 'record by record'
exits 0 'the same again' "$usage" ingest --store other --quarantine bad.log mixed.ndjson
is "$(wc -l <bad.log)" 6 'appends nothing'
files other . >files.before
exits 73 'a file that cannot be made' "$usage" ingest --store other --quarantine no/such/file \
    good.ndjson
like "$(cat stderr)" '--quarantine no/such/file: No such file' 'is named'
files other . | cmp - files.before
ok $? 'before anything is read'

# A log of nothing but bad lines

printf '%s\n' one two three >text.log
exits 1 'a log that is none' "$usage" ingest --store text text.log
is "$(told '[.events, .quarantined]')" '[0,3]' 'is quarantined whole'
is "$(stat_of text '[.events, .quarantined, .segments]')" '[0,3,1]' 'and accounted for'
exits 0 'printing such a store' "$usage" cat --store text
is "$(cat stdout)" '' 'prints nothing'
exits 0 'is no error, nor is it read twice' "$usage" ingest --store text text.log

yes x | head -n 200000 >many.log
exits 1 'two hundred thousand bad lines' "$usage" ingest --store many many.log
is "$(told .quarantined)" 200000 'are all counted'
is "$(quarantined many '.lines // 1' | awk '{ sum += $1 } END { print sum }')" 200000 \
    'and accounted for in the records'
ok "$([ "$(cat many/quarantine/* | wc -c)" -lt 3000000 ]; echo $?)" \
    'which are not many times longer than the log'
like "$(quarantined many .reason | tail -n 1)" 'too many bad lines' 'for they stop quoting'

# Long lines

long=$(printf '%070000d' 1)
{ head -n 1 good.ndjson && echo "$long" && tail -n 1 good.ndjson; } >long.ndjson
exits 1 'a line of 70,000 bytes' "$usage" ingest --store long long.ndjson
is "$(quarantined long '[.line, .bytes, (.text | length)]')" '[2,70000,1024]' \
    'is quarantined; its begin is quoted'
like "$(quarantined long .reason)" '65536 bytes' 'with the limit'
is "$(told .events)" 2 'the lines around it are good'
{ printf '%01022d' 0 && printf 'é%070000d\n' 0; } >edge.ndjson
"$usage" ingest --store edge edge.ndjson >stdout 2>stderr
is "$(quarantined edge '.text | length')" 1023 'a character that lies on the cut is whole'
{ printf '%01023d' 0 && printf 'é%070000d\n' 0; } >edge.ndjson
"$usage" ingest --store edge2 edge.ndjson >stdout 2>stderr
is "$(quarantined edge2 '.text | length')" 1023 'or left out'

# Under a limit of memory that a sanitizer would break by itself.
code=0
(
    [ -n "${SAN:-}" ] || ulimit -v 600000
    { head -n 1 good.ndjson && head -c 2000000000 /dev/zero | tr '\0' x && echo &&
        tail -n 1 good.ndjson; } |
        "$usage" ingest --store huge --threads 1 --region 16Mi - >stdout 2>stderr
    exit "${PIPESTATUS[1]}"
) || code=$?
is "$code $(told '[.events, .quarantined] | tostring')" '1 [2,1]' \
    'a line of 2 GB is not held in memory'
is "$(quarantined huge '[.line, .bytes, (.text | length)]')" '[2,2000000000,1024]' \
    'its length is told'

# Lines that other programs wrote

# A backslash at the end of a line joins it with the next.
sed -e ':a' -e '/\\$/N' -e 's/\\\n//' -e 'ta' >foreign.ndjson <<'END'
{ "specversion" : "1.0", "type": "com.example.thing", "source": "/elsewhere", "id": "1", \
"time": "2026-11-22T11:00:00+01:00" }
{"specversion":"1.0","id":"2","source":"/elsewhere","type":"t","time":"2026-11-22T10:00:00Z",\
"subject":"\u00e9t\u00e9","dataschema":null,\
"data":{"bytes_in":7,"of_ours":[1,{"no":"member"}],"z":1e400}}
{"time":"2026-11-22T10:00:00.5Z","id":"3","type":"t","source":"/elsewhere",\
"specversion":"1.0","sequence":"17","data":{}}
END
is "$(wc -l <foreign.ndjson)" 3 'three lines of other programs'
exits 0 'lines that only lack our extensions are good' "$usage" ingest --store foreign \
    foreign.ndjson
"$usage" cat --store foreign | sed 's/1e400/0/' | jq -cS . | LC_ALL=C sort |
    cmp - <(sed 's/1e400/0/' foreign.ndjson | jq -cS . | LC_ALL=C sort)
ok $? 'and come back member by member, spelled as they were'
is "$("$usage" cat --store foreign | grep -c 1e400)" 1 'numbers that nobody can hold, too'
is "$(stat_of foreign '.writers[] | [.writer, .unnumbered, .ranges] | tostring')" \
    '["/elsewhere",true,[{"first":17,"last":17}]]' 'their writer is the source'

if command -v python3 >/dev/null; then
    sed -n '/^```python$/,/^```$/p' "$tap_here/formats/README.md" | grep -v '^```' >event.py
    python3 event.py >python.ndjson
    is "$?" 0 'the Python of formats/README.md runs'
    exits 0 'its event is taken' "$usage" ingest --store python python.ndjson
    stored python | cmp - <(canonical python.ndjson)
    ok $? 'as it is'
else
    echo '# python3 is not installed: its log is not tried'
fi

done_testing
