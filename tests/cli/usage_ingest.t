#!/usr/bin/env bash
# usage_ingest.t - millrace usage ingest: what of a log comes into the store, and what does not.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016 # filters of jq
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/usage.sh
. "$(dirname "$0")/../tap/usage.sh"
cd "$scratch" || exit 1

make_log n07-0-1 1 3000 >a.ndjson
make_log n07-1-1 1 500 >b.ndjson
canonical a.ndjson b.ndjson >both.expected

# Logs that are good

exits 0 'logs are read into a store that is made' "$usage" ingest --store store a.ndjson b.ndjson
is "$(told '[.log, .lines, .events, .quarantined, .from_byte, .to_byte, .truncated]')" \
    "$(printf '["a.ndjson",3000,3000,0,0,%d,false]\n["b.ndjson",500,500,0,0,%d,false]' \
        "$(stat -c %s a.ndjson)" "$(stat -c %s b.ndjson)")" 'a line of JSON is said of each'
like "$(cat stderr)" '3500 events of 3500 lines in 2 new segments' 'and a sentence of both'
stored store | cmp - both.expected
ok $? 'the store has their events, member by member'
is "$(told '.segments[]' | sed 's,.*,segments/&.segment,' | LC_ALL=C sort)" \
    "$(files store segments)" 'the segments are those that were told of'
named_rightly store
ok $? 'every file is named by its SHA-256'

files store . >files.before
exits 0 'the same logs again are no error' "$usage" ingest --store store b.ndjson a.ndjson
is "$(told '[.lines, .segments, .from_byte] | tostring')" \
    "$(printf '[0,[],%d]\n' "$(stat -c %s b.ndjson)" "$(stat -c %s a.ndjson)")" \
    'nothing of them is read again'
files store . | cmp - files.before
ok $? 'and nothing is added'

cp a.ndjson 'renamed, and moved.log'
exits 0 'a log under another name is the same log' "$usage" ingest --store store \
    'renamed, and moved.log'
is "$(told .lines)" 0 'it is known by what is in it'

make_log n07-0-1 3001 3700 >>a.ndjson
exits 0 'a log that has grown' "$usage" ingest --store store a.ndjson
is "$(told '[.lines, .events]')" '[700,700]' 'is read on from where it ended'
canonical a.ndjson b.ndjson >both.expected
stored store | cmp - both.expected
ok $? 'each event is there once'
is "$(stat_of store '.writers | map([.writer, .ranges, .missing])')" \
    '[["n07-0-1",[{"first":1,"last":3700}],0],["n07-1-1",[{"first":1,"last":500}],0]]' \
    'no sequence is missing'

# A log whose begin was written anew: all of it is read; copies are for the bill to find.
make_log n07-2-1 1 200 >c.ndjson
"$usage" ingest --store rewritten c.ndjson >stdout 2>stderr
{
    head -n 1 c.ndjson
    make_log n07-2-1 101 300
} >c.new && mv c.new c.ndjson
exits 0 'a log that was rewritten behind its first line' "$usage" ingest --store rewritten c.ndjson
is "$(told '[.lines, .from_byte]')" '[201,0]' 'is read from its begin'
is "$("$usage" cat --store rewritten | jq -r .id | sort -u | wc -l)" 300 'so nothing is missed'

head -n 50 b.ndjson >shorter.ndjson
exits 0 'a log that became shorter' "$usage" ingest --store store shorter.ndjson
is "$(told .lines)" 50 'is read as what it is now'

# Ends and begins

{ cat b.ndjson && head -c 200 a.ndjson; } >growing.ndjson
exits 0 'a last line that is still being written' "$usage" ingest --store growing growing.ndjson
is "$(told '[.events, .quarantined, .to_byte]')" "[500,0,$(stat -c %s b.ndjson)]" 'is left alone'
{ cat b.ndjson && head -n 1 a.ndjson; } >growing.ndjson
exits 0 'when it is whole' "$usage" ingest --store growing growing.ndjson
is "$(told '[.lines, .events]')" '[1,1]' 'it is read'

: >empty.ndjson
exits 0 'an empty log is good' "$usage" ingest --store empty empty.ndjson
is "$(told '[.lines, .segments] | tostring')" '[0,[]]' 'and has no lines'
is "$(files empty .)" '' 'it leaves nothing behind'
printf '\n\n' >blank.ndjson
exits 0 'so is one of blank lines' "$usage" ingest --store empty blank.ndjson
is "$(told '[.lines, .events, .blank]') $(files empty segments)" '[2,0,2] ' 'that has no segment'

sed 's/$/\r/' b.ndjson >crlf.ndjson
printf '\r\n  \r\n' >>crlf.ndjson
exits 0 'lines may end with CR LF' "$usage" ingest --store crlf crlf.ndjson
stored crlf | cmp - <(canonical b.ndjson)
ok $? 'they are the same events'
{ printf '\xef\xbb\xbf' && cat b.ndjson; } >mark.ndjson
exits 0 'a byte order mark' "$usage" ingest --store mark mark.ndjson
stored mark | cmp - <(canonical b.ndjson)
ok $? 'is not part of the first line'

# Pipes

# shellcheck disable=SC2002,SC2317 # a pipe it must be; it is called by exits
from_pipe()
{
    cat "$2" | "$usage" ingest --store "$1" -
}
exits 0 'standard input is read' from_pipe piped b.ndjson
is "$(told '[.log, .events] | tostring')" '["-",500]' 'it is called -'
is "$(files piped segments)" "$("$usage" ingest --store copy b.ndjson >stdout 2>stderr &&
    files copy segments)" 'to the segments of a file'
exits 0 'the same again' from_pipe piped b.ndjson
is "$(told .lines)" 0 'is known'
exits 0 'and grown' from_pipe piped growing.ndjson
is "$(told .lines)" 1 'its new lines are read'
head -c -1 b.ndjson >unended.ndjson
exits 0 'a pipe that ends without LF' from_pipe unended unended.ndjson
is "$(told .events)" 500 'ends with a line all the same'
exits 0 'which, read again,' from_pipe unended unended.ndjson
stored unended | cmp - <(canonical b.ndjson)
ok $? 'is there once'

# Compressed

if command -v zstd >/dev/null; then
    zstd -q b.ndjson -o b.ndjson.zst
    exits 0 'a log may be compressed' "$usage" ingest --store zst b.ndjson.zst
    is "$(files zst segments)" "$(files copy segments)" 'to the same segments'
    exits 0 'a log that was compressed after it was read' "$usage" ingest --store copy b.ndjson.zst
    is "$(told .lines)" 0 'is known'
    make_log n07-1-1 501 900 | zstd -q >>b.ndjson.zst
    exits 0 'a frame that was appended' "$usage" ingest --store zst b.ndjson.zst
    is "$(told '[.lines, .from_byte]')" "[400,$(stat -c %s b.ndjson)]" 'is read on'
    exits 0 'a pipe may be compressed' from_pipe piped.zst b.ndjson.zst
    is "$(told .events)" 900 'all of it is read'

    # Random ids do not compress, so a cut falls within lines.
    zstd -q a.ndjson -o whole.zst
    head -c $(($(stat -c %s whole.zst) / 2)) whole.zst >cut.zst
    zstd -qdc cut.zst >cut.ndjson 2>zstd.stderr
    lines=$(wc -l <cut.ndjson)
    exits 0 'a compressed log that is still being written' "$usage" ingest --store cut cut.zst
    is "$(told '[.events, .truncated]')" "[$lines,true]" 'is read to its last whole line'
    like "$(cat stderr)" 'cut.zst: ends in the middle of a zstd frame' 'which is said'
    exits 0 'when it is whole' "$usage" ingest --store cut whole.zst
    is "$(told '[.lines, .truncated]')" "[$((3700 - lines)),false]" 'the rest is read'
    stored cut | cmp - <(canonical a.ndjson)
    ok $? 'each line once'

    # Damage that zstd finds by the checksum at a frame's end, when it has given out all of it.
    perl -pe 'BEGIN { $/ = undef } substr($_, -1) ^= "\x01"' whole.zst >broken.zst
    exits 65 'a compressed log that is damaged is bad input' "$usage" ingest --store broken \
        broken.zst b.ndjson
    like "$(cat stderr)" 'broken.zst' 'it is named'
    stored broken | cmp - <(canonical b.ndjson)
    ok $? 'nothing of it is stored; the other log is'
else
    echo '# zstd is not installed: compressed logs are not tried'
fi

# Logs that are not there

exits 66 'a log that is not there' "$usage" ingest --store partly absent.ndjson b.ndjson
like "$(cat stderr)" 'absent.ndjson: No such file' 'is named'
is "$(told 'select(.log == "b.ndjson") | .events')" 500 'the others are read'
mkdir folder
exits 66 'nor can a folder be read' "$usage" ingest --store partly folder
like "$(cat stderr)" 'folder: Is a directory' 'which is said'

# Options

exits 64 'a store is needed' "$usage" ingest a.ndjson
exits 64 'and a log' "$usage" ingest --store store
exits 64 'a typo in an option is a usage error' "$usage" ingest --stroe store a.ndjson
like "$(cat stderr)" 'did you mean --store' 'that names the one meant'
exits 64 'threads are a number' "$usage" ingest --store store --threads many a.ndjson
: >file
exits 73 'a store that cannot be made' "$usage" ingest --store file/store a.ndjson
like "$(cat stderr)" 'file/store' 'is named'

# Segments follow from the log alone

make_log n09-0-1 1 12000 >large.ndjson
for threads in 1 2 7; do
    "$usage" ingest --store "threads-$threads" --threads "$threads" --region 1Mi large.ndjson \
        >stdout 2>stderr
    is "$? $(told '.segments | length')" '0 5' "$threads threads make five segments of five regions"
    is "$(files "threads-$threads" segments logs)" "$(files threads-1 segments logs)" 'the same'
done
# shellcheck disable=SC2002 # as above
cat large.ndjson | "$usage" ingest --store from-pipe --region 1Mi - >stdout 2>stderr
is "$(files from-pipe segments)" "$(files threads-1 segments)" 'a pipe gives the same segments, too'
stored threads-7 | cmp - <(canonical large.ndjson)
ok $? 'with every event'
rm "$(find threads-1/segments -name '*.segment' | head -n 1)"
exits 0 'when a segment has been removed, its part of the log' "$usage" ingest \
    --store threads-1 --region 1Mi large.ndjson
is "$(files threads-1 segments)" "$(files threads-2 segments)" 'is read again'

done_testing
