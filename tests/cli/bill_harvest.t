#!/usr/bin/env bash
# bill_harvest.t - what is missing is said: writers that have not sealed, sequences that are not
# there, segments that do not hold.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/bill.sh
. "$(dirname "$0")/../tap/bill.sh"
cd "$scratch" || exit 1
count_prices 1 >prices.json

# writers FILTER: of what the proof says of each
writers()
{
    proof ".writers[] | [.writer, .sealed, .first, .through, .present, .lost, .missing]"
}

# sequences WRITER FIRST LAST MONTH: an event each
sequences()
{
    local line='{"specversion":"1.0","id":"WRITER &","source":"s","type":"t","subject":"acme",'
    line+='"time":"MONTH-07T00:00:00Z","writer":"WRITER","sequence":"&"}'
    seq "$2" "$3" | sed "s/.*/$line/; s/WRITER/$1/g; s/MONTH/$4/"
}

# sealed WRITER MONTH THROUGH [OPTIONS]...
sealed()
{
    "$usage" seal --store store --writer "$1" --period "$2" --through "$3" "${@:4}" >/dev/null \
        2>"$scratch/stderr" || cat "$scratch/stderr" >&2
}

# not_closed NAME: it cannot be
not_closed()
{
    exits 76 "$1" "$bill" close --accept-conflicts "$run"
    like "$(cat stderr)" 'harvest is below 1' 'because of what is missing'
}

# Seals

sequences a 1 40 2026-11 | fill store
sequences b 1 10 2026-11 | fill store
rate store 2026-11
is "$code $(proof '[.preliminary, .events_reflected, .events_expected, .harvest]')" \
    '0 [true,50,52,0.961538]' 'two writers without a seal: each may have one more'
is "$(writers)" '["a",false,1,0,40,0,0]
["b",false,1,0,10,0,0]' 'what is there is told'
not_closed 'it is not closed'
sealed a 2026-11 40
rate store 2026-11
is "$(proof '[.preliminary, .events_reflected, .events_expected]')" '[true,50,51]' \
    'one seal is not all'
sealed b 2026-11 12
rate store 2026-11
is "$(proof '[.preliminary, .events_reflected, .events_expected]')" '[true,50,52]' \
    'a seal on more than there is'
is "$(writers | tail -n 1)" '["b",true,1,12,10,0,2]' 'tells what is missing'
like "$(cat stderr)" '1 writers have sealed more than the stores hold' 'which is said'
is "$(jq -c '[.preliminary, .harvest]' "$run/statements.ndjson")" '[true,"0.961538"]' \
    'on the statement, too'
not_closed 'it is not closed either'
sequences b 11 11 2026-11 | fill store
rate store 2026-11
is "$(writers | tail -n 1)" '["b",true,1,12,11,0,1]' 'one came later'
sequences b 12 13 2026-11 | fill store
rate store 2026-11
is "$(writers | tail -n 1) $(proof '[.preliminary, .events_reflected, .harvest]')" \
    '["b",true,1,12,12,0,0] [false,52,1]' 'the last one makes it whole'
exits 0 'so it is closed' "$bill" close "$run"

# The month after: sequences go on from the seal before

sequences a 41 45 2026-12 | fill store
sequences b 14 20 2026-12 | fill store
sealed a 2026-12 45
sealed b 2026-12 21 --lost 21-21
rate store 2026-12
is "$(writers)" '["a",true,41,45,5,0,0]
["b",true,13,21,8,1,0]' 'a sequence declared lost is accounted for'
is "$(proof '[.preliminary, .harvest]')" '[false,1]' 'and nothing is missing'

# Lost, again and again; and there after all

rm -rf store bills
sequences a 1 9 2026-11 | fill store
sealed a 2026-11 20 --lost 15-20 --lost 10-12 --lost 5-5
rate store 2026-11
is "$(writers)" '["a",true,1,20,9,9,2]' 'one that was declared lost and is there is there'

# Whoever is expected

rm -rf store bills
sequences a 1 5 2026-11 | fill store
sequences 'b c' 1 5 2026-11 | fill store
sealed a 2026-11 5
rate store 2026-11 --expect a
is "$(proof .preliminary) $(writers)" 'false ["a",true,1,5,5,0,0]' \
    'who is not expected is billed, not waited for'
is "$(proof .counts.billable)" 10 'all of it'
rate store 2026-11 --expect a,never
is "$(proof .preliminary) $(writers | tail -n 1)" 'true ["never",false,1,0,0,0,0]' \
    'an expected writer who was never seen makes it PRELIMINARY'
not_closed 'which is not closed'
before=$run
rate store 2026-11 --expect never --expect a
is "$run" "$before" 'names may come in any order'
rate store 2026-11 --expect 'b c'
is "$(proof .preliminary) $(writers)" 'true ["b c",false,1,0,5,0,0]' 'names may have spaces'
sealed 'b c' 2026-11 5
sealed never 2026-11 0
rate store 2026-11 --expect a,never,'b c'
is "$(proof .preliminary) $(writers | sed -n 3p)" 'false ["never",true,1,0,0,0,0]' \
    'who seals nothing has nothing'
is "$(proof '.writers | length')" 3 'writers are as many as are expected'

# Writers without sequences, events without writers

rm -rf store bills
event 1 acme 2026-11-01T00:00:00Z source=//door | fill store
event 2 acme 2026-11-01T00:00:00Z writer=plain | fill store
rate store 2026-11
is "$(writers)" '["//door",false,1,0,0,0,0]
["plain",false,1,0,0,0,0]' 'an event without a writer is of its source'
is "$(proof '[.preliminary, .harvest]')" '[true,0]' 'which has not sealed'
sealed //door 2026-11 0
sealed plain 2026-11 0
rate store 2026-11
is "$(proof '[.preliminary, .harvest]')" '[false,1]' 'its word is that there is no more'
exits 0 'so it is closed' "$bill" close "$run"

# Two words of one writer, from two stores

rm -rf store bills
sequences a 1 9 2026-11 | fill store
cp -r store other
sealed a 2026-11 9
"$usage" seal --store other --writer a --period 2026-11 --through 5 >/dev/null 2>&1
rate store 2026-11 --store other
is "$code $(proof .preliminary)" '0 true' 'two words that contradict each other are none'

# Segments that are missing or do not hold

rm -rf store other bills
for i in 0 1 2 3; do sequences a $((i * 50 + 1)) $((i * 50 + 50)) 2026-11 | fill store; done
seal store 2026-11
rate store 2026-11
is "$(proof '[.harvest, .counts.read]')" '[1,200]' 'four segments'
whole=$run
cp -r store good
segment=$(find store -name '*.segment' | head -n 1)
rm "$segment"
rate store 2026-11
is "$code $(proof '[.preliminary, .harvest, .counts.read]') $(writers)" \
    '0 [true,0.75,150] ["a",true,1,200,150,0,50]' 'a segment that is gone is seen'
not_closed 'a bill without it is not closed'
line=$(line_id "$whole" acme)
exits 66 'explain wants what the run was made from' "$bill" explain "$whole" "$line"
like "$(cat stderr)" "$(basename "$segment" .segment)" 'and names it'
rate store 2026-11 --store good
is "$run" "$whole" 'it may lie in another store'
exits 0 'explain finds it there, too' "$bill" explain --store good "$whole" "$line"

# flipped FILE BIT: one bit is another
flipped()
{
    perl -e 'open my $f, "+<", $ARGV[0]; seek $f, $ARGV[1] >> 3, 0; read $f, my $c, 1;
        seek $f, $ARGV[1] >> 3, 0; print $f chr(ord($c) ^ 1 << ($ARGV[1] & 7))' "$1" "$2"
}

wrong=0 tried=0
name=$(basename "$segment" .segment)
RANDOM=7
bits=$(($(stat -c %s "good/segments/$name.segment") * 8))
for i in {1..60}; do
    bit=$(((RANDOM * 32768 + RANDOM) % bits))
    cp "good/segments/$name.segment" store/segments
    flipped "store/segments/$name.segment" "$bit"
    rm -rf bills
    rate store 2026-11
    tried=$((tried + 1))
    told="$code $(proof '[.preliminary, .harvest < 1, .refused, .counts.read]')"
    if [ "$told" != "0 [true,true,[\"$name\"],150]" ] || ! grep -q "refused: .*$name" stderr; then
        wrong=1
        echo "#   bit $bit: $told" >&2
    fi
done
ok $wrong "any bit that is another one ($tried of them) is refused, named, and lowers harvest"
exits 76 'what is made without it is not closed' "$bill" close "$run"
like "$(cat stderr)" "1 segments did not hold.*$name" 'which is said'
for size in 0 1 8 100 -1; do
    cp "good/segments/$name.segment" store/segments
    truncate -s "$([ "$size" != -1 ] || echo -)${size#-}" "store/segments/$name.segment"
    rm -rf bills
    rate store 2026-11
    is "$code $(proof '[.preliminary, (.refused | length)]')" '0 [true,1]' "cut to $size bytes"
done
for stores in 'store good' 'good store'; do
    rm -rf bills
    rate "${stores% *}" 2026-11 --store "${stores#* }"
    is "$code $run $(proof '[.harvest, .refused]')" "0 $whole [1,[]]" \
        "$stores: a copy that holds heals it"
    exits 0 'for explain, too' "$bill" explain "$run" "$line"
    is "$(wc -l <stdout)" 200 'which has all events'
    exits 0 'and for stat' "$bill" stat --by writer "$run"
    is "$(cut -d, -f1,2 stdout | tail -n 1)" a,200 'likewise'
done
cp good/segments/*.segment store/segments
# Under the name of another: all that it lacks is missing.
other=$(find good -name '*.segment' | sort | tail -n 1)
cp "$other" "store/segments/$name.segment"
rm -rf bills
rate store 2026-11
is "$code $(proof '[.preliminary, .harvest < 1]')" '0 [true,true]' \
    'a segment under the name of another is no substitute'

done_testing
