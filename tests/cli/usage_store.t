#!/usr/bin/env bash
# usage_store.t - millrace usage cat, stat, seal and sync: what is asked of a store, and damage.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016 # filters of jq
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/usage.sh
. "$(dirname "$0")/../tap/usage.sh"
cd "$scratch" || exit 1

# Four segments of one log, and one of another whose events are of other days.
make_log n07-0-1 1 8000 >a.ndjson
make_log n07-1-1 200001 200300 >b.ndjson
store='my store'
"$usage" ingest --store "$store" --region 1Mi a.ndjson b.ndjson >stdout 2>stderr || exit 1
mapfile -t segments < <(find "$store/segments" -type f | LC_ALL=C sort)
is "${#segments[@]}" 5 'a store of five segments'
of_b=$(told 'select(.log == "b.ndjson") | .segments[0]')

# cat

"$usage" cat --store "$store" | jq -c . | LC_ALL=C sort |
    cmp - <(cat a.ndjson b.ndjson | LC_ALL=C sort)
ok $? 'cat prints every event to the byte where it was written as we write it'
exits 0 'some segments' "$usage" cat --store "$store" "$of_b" "${segments[0]}"
is "$(wc -l <stdout)" "$(cat <("$usage" cat "${segments[0]}") b.ndjson | wc -l)" \
    'are named by digest or path'
exits 0 'a begin of a name will do' "$usage" cat --store "$store" "${of_b:0:12}"
canonical stdout | cmp - <(canonical b.ndjson)
ok $? 'where no other has it'
exits 66 'a segment that is not there' "$usage" cat --store "$store" 000000000000
like "$(cat stderr)" '000000000000' 'is named'
exits 64 'a begin that all have' "$usage" cat --store "$store" ''
exits 66 'a name without its store' "$usage" cat "$of_b"
like "$(cat stderr)" 'give --store' 'asks for it'

canonical a.ndjson b.ndjson >all
exits 0 'events of a customer' "$usage" cat --store "$store" --customer customer-3
canonical stdout | cmp - <(jq -cS 'select(.subject == "customer-3")' all)
ok $? 'are those that jq selects'
exits 0 'of a customer that nobody is' "$usage" cat --store "$store" --customer 'customer-'
is "$(cat stdout)" '' 'there are none'
from=2026-11-01T01:00:30.031Z to=2026-11-01T03:59:58Z
exits 0 'events of a time' "$usage" cat --store "$store" --from "$from" --to "$to"
canonical stdout | cmp - <(jq -cS --arg from "$from" --arg to "$to" \
    'select(.time >= $from[:-1] and .time < $to[:-1])' all)
ok $? 'are those that jq selects'
time=$(jq -r .time b.ndjson | LC_ALL=C sort | sed -n 100p)
is "$("$usage" cat --store "$store" --from "$time" | wc -l) $("$usage" cat --store "$store" \
    --to "$time" | wc -l)" '201 8099' '--from is inclusive, --to is not'
is "$("$usage" cat --store "$store" --from 2026-11-06 | wc -l)" 300 'a day is its first moment'
is "$("$usage" cat --store "$store" --from 2026-11-01T05:00:00+02:00 \
    --to 2026-11-01T04:00:00+01:00 | wc -l)" 0 'zones are heeded'
exits 64 'a time that is none' "$usage" cat --store "$store" --from yesterday
like "$(cat stderr)" '--from=yesterday: expected a day or a time with its zone' 'is told apart'
exits 64 'a store is needed' "$usage" cat
exits 66 'a store that is not there' "$usage" cat --store nowhere
exits 66 'or a folder that is none' "$usage" cat --store /
like "$(cat stderr)" 'no batch store' 'is no input'
# shellcheck disable=SC2317 # it is called by exits
cat_onto_full_disk()
{
    "$usage" cat --store "$store" >/dev/full
}
exits 74 'a full disk is an error' cat_onto_full_disk

# stat

exits 0 'stat' "$usage" stat --store "$store"
like "$(cat stdout)" 'segments    5, ' 'counts segments'
like "$(cat stdout)" 'events      8300, ' 'and events'
like "$(cat stdout)" $'  n07-0-1: 1 to 8000\n  n07-1-1: 200001 to 200300\n' 'and tells of writers'
is "$(stat_of "$store" '[.segments, .events, .bytes, .quarantined, .time_min, .time_max]')" \
    "$(jq -cs '[5, length, '"$(cat "${segments[@]}" | wc -c)"', 0, (map(.time) | min, max)]' all)" \
    'as JSON, too'
grep -v '"sequence":"0*\(7\|8\|9\|100\|1000\)"' a.ndjson >gaps.ndjson
"$usage" ingest --store gaps gaps.ndjson >stdout 2>stderr
is "$(stat_of gaps '.writers[] | [.sequences, .missing, .gaps]')" \
    '[7995,5,[{"first":7,"last":9},{"first":100,"last":100},{"first":1000,"last":1000}]]' \
    'gaps in the sequences are found'
exits 0 'and no error' "$usage" stat --store gaps
like "$(cat stdout)" 'n07-0-1: 1 to 8000; 5 missing: 7-9, 100, 1000' 'text names them'
exits 64 'stat needs a store' "$usage" stat

# seal

seal=("$usage" seal --store gaps --writer n07-0-1)
exits 0 'a seal' "${seal[@]}" --period 2026-11 --through 8003 --lost 100 --lost 7-8 --lost 9
like "$(cat stderr)" 'n07-0-1 has sealed 2026-11 through 8003' 'is said'
is "$(jq -c '[.version, .writer, .period, .through, (.lost | map([.first, .last]))]' \
    gaps/seals/*.json)" '[1,"n07-0-1","2026-11",8003,[[7,9],[100,100]]]' 'and written'
named_rightly gaps
ok $? 'under its SHA-256'
is "$(stat_of gaps '.writers[] | [.lost, .missing, .gaps]')" \
    '[4,4,[{"first":1000,"last":1000},{"first":8001,"last":8003}]]' \
    'what is lost is not missing; what is sealed and not there is'
exits 0 'the same seal again, in another order,' "${seal[@]}" --period 2026-11 --through 8003 \
    --lost 9-9 --lost 7-8 --lost 100
is "$(find gaps/seals -type f | wc -l)" 1 'is the same'
exits 65 'another end is refused' "${seal[@]}" --period 2026-11 --through 8004 --lost 7-9 --lost 100
like "$(cat stderr)" 'n07-0-1 has sealed 2026-11 already, through 8003' 'with the one there is'
exits 65 'so are other losses' "${seal[@]}" --period 2026-11 --through 8003
exits 0 'another month is another seal' "${seal[@]}" --period 2026-12 --through 9000
exits 0 'a writer without sequences seals through 0' "$usage" seal --store gaps \
    --writer /elsewhere --period 2026-11 --through 0
is "$(stat_of gaps '.seals | map([.writer, .period, .through])')" \
    '[["/elsewhere","2026-11",0],["n07-0-1","2026-11",8003],["n07-0-1","2026-12",9000]]' \
    'stat lists seals'
is "$(find gaps/seals -type f | wc -l)" 3 'and those are all'
for wrong in '--period 2026-13 --through 1' '--period 2026-11' '--through 1' \
    '--period 2026-11 --through -1' '--period 2026-11 --through x' \
    '--period 2026-11 --through 5 --lost 4-6' '--period 2026-11 --through 5 --lost 3-2' \
    '--period 2026-11 --through 5 --lost 0-1' '--period 2026-11 --through 5 --lost 1-2-3' \
    '--period 2026-11 --through 5 --lots 1'; do
    read -ra words <<<"$wrong"
    exits 64 "seal $wrong is a usage error" "$usage" seal --store gaps --writer other "${words[@]}"
done
is "$(find gaps/seals -type f | wc -l)" 3 'and seals nothing'
exits 66 'a store is not made by a seal' "$usage" seal --store nowhere --writer w --period 2026-11 \
    --through 1
ok "$([ ! -e nowhere ]; echo $?)" 'so a typo in its name is seen'

# Damage

cp -r "$store" damaged
victim=damaged/segments/${segments[2]##*/}
for place in 3 0.5 -3; do
    cp "${segments[2]}" "$victim"
    perl -e 'open my $f, "+<", $ARGV[0] or die; my $size = -s $f; my $at = $ARGV[1];
        $at = int($at < 0 ? $size + $at : $at < 1 ? $size * $at : $at);
        seek $f, $at, 0; read $f, my $byte, 1; seek $f, $at, 0; print $f $byte ^ "\x10"' \
        "$victim" "$place"
    exits 65 "a flipped bit (at $place) is found by cat" "$usage" cat --store damaged
    like "$(cat stderr)" "${segments[2]##*/}" 'which names the segment'
    canonical stdout | cmp - <(canonical <(for segment in "${segments[@]}"; do
        [ "$segment" = "${segments[2]}" ] || "$usage" cat "$segment"
    done))
    ok $? 'and prints the others'
done
exits 65 'and by stat, where it reads' "$usage" stat --store damaged --json
is "$(jq -c '[.segments, (.corrupt | length)]' stdout)" '[4,1]' 'which counts the others'
head -c 1000 "${segments[2]}" >"$victim"
exits 65 'so is a torn file' "$usage" cat --store damaged

# sync

exits 0 'sync' "$usage" sync "$store" copy/of/it
is "$(cat stdout)" "segments 5 $(cat "${segments[@]}" | wc -c)
quarantine 0 0
seals 0 0
logs 5 $(cat "$store"/logs/* | wc -c)" 'tells what it copied'
(cd "$store" && find . -type f -exec sha256sum {} +) >sums
(cd copy/of/it && sha256sum -c --quiet "$scratch/sums")
ok $? 'the copy holds what the store holds'
exits 0 'again' "$usage" sync "$store" copy/of/it
is "$(cut -d' ' -f2 stdout | tr '\n' ' ')" '0 0 0 0 ' 'there is nothing to do'
exits 0 'a log that the copied store has read' "$usage" ingest --store copy/of/it a.ndjson
is "$(told .lines)" 0 'is known there, too'

"$usage" sync gaps copy/of/it >stdout 2>stderr
is "$? $(cut -d' ' -f1,2 stdout | paste -sd,)" '0 segments 1,quarantine 0,seals 3,logs 1' \
    'a second store is merged in'
"$usage" sync copy/of/it gaps >stdout 2>stderr
is "$(files gaps .)" "$(files copy/of/it .)" 'and back: both hold the same'

exits 65 'a damaged file' "$usage" sync damaged healthy
like "$(cat stderr)" "damaged/segments/${segments[2]##*/}: its bytes are not" 'is named'
is "$(files healthy segments | wc -l)" 4 'and not copied; the others are'
exits 0 'a sound copy' "$usage" sync "$store" healthy
is "$(head -n 1 stdout | cut -d' ' -f1,2)" 'segments 1' 'brings what is missing'
head -c 100 "${segments[0]}" >"healthy/segments/${segments[0]##*/}"
exits 0 'and what was cut short' "$usage" sync "$store" healthy
cmp "${segments[0]}" "healthy/segments/${segments[0]##*/}"
ok $? 'is made whole'

exits 64 'sync takes two stores' "$usage" sync "$store"
exits 64 'that are not the same' "$usage" sync "$store" "$store/"
exits 66 'the first of which is there' "$usage" sync nowhere copy
ok "$([ ! -e nowhere ]; echo $?)" 'and is not made'

mkdir -p old/segments && touch old/segments/.0123456789abcdef.tmp old/segments/.new.tmp
touch -d '2 hours ago' old/segments/.0123456789abcdef.tmp
"$usage" sync gaps old >stdout 2>stderr
is "$(find old -name '.*.tmp')" old/segments/.new.tmp \
    'what a process left that died more than an hour ago is swept'

# Verbs

exits 64 'a verb is needed' "$usage"
exits 64 'a verb with a typo' "$usage" injest
like "$(cat stderr)" 'injest: expected ingest, cat, stat, seal or sync' 'is refused'

done_testing
