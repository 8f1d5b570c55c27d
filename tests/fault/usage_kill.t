#!/usr/bin/env bash
# usage_kill.t - ingest and sync are killed with -9 at any moment. The same command again ends with
# the store of a run that nobody disturbed.
# MILLRACE_KILLS: how many are killed (12). MILLRACE_SEED: which moments.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/usage.sh
. "$(dirname "$0")/../tap/usage.sh"
cd "$scratch" || exit 1

: "${MILLRACE_KILLS:=${MILLRACE_TORTURE:+200}}"
: "${MILLRACE_KILLS:=12}" "${MILLRACE_SEED:=1}"
RANDOM=$MILLRACE_SEED
echo "# MILLRACE_KILLS=$MILLRACE_KILLS MILLRACE_SEED=$MILLRACE_SEED"

# What an event is, sorted.
identities()
{
    jq -r '[.source, .id, .writer, .sequence] | join(" ")' | LC_ALL=C sort
}

make_log n07-0-1 1 40000 >large.ndjson
make_log n07-1-1 1 3000 >small.ndjson
echo 'a bad line' >>small.ndjson
options=(--region 1Mi large.ndjson small.ndjson)
begin_ms=$(date +%s%3N)
exits 1 'a run that nobody disturbs' "$usage" ingest --store undisturbed "${options[@]}"
whole_ms=$(($(date +%s%3N) - begin_ms))
cat large.ndjson small.ndjson | grep '^{' | identities >expected.identities
"$usage" cat --store undisturbed | identities | cmp - expected.identities
ok $? 'has every event'
files undisturbed segments quarantine logs >expected.files

# killed DELAY_MS COMMAND...: begins the command and kills it then. Sets $code.
killed()
{
    local delay_ms=$1 victim
    shift
    "$@" >run.log 2>&1 &
    victim=$!
    sleep "$((delay_ms / 1000)).$(printf %03d $((delay_ms % 1000)))"
    kill -KILL "$victim" 2>/dev/null
    wait "$victim" 2>/dev/null
    code=$?
}

# same NAME STORE: it holds what the undisturbed one holds, and nothing under a name but that
same()
{
    is "$(files "$2" segments quarantine logs)" "$(cat expected.files)" "$1: the same files"
    rm -f "$2"/*/.*.tmp
    named_rightly "$2"
    ok $? "$1: none of them torn"
}

kills=0
round=0
while [ "$kills" -lt "$MILLRACE_KILLS" ]; do
    rm -rf store
    for i in 1 2 3; do
        delay_ms=$((whole_ms * (RANDOM % 60) / 100))
        killed "$delay_ms" "$usage" ingest --store store --threads $((RANDOM % 3 + 1)) \
            "${options[@]}"
        kills=$((kills + 1))
        echo "# killed an ingest after $delay_ms ms: exit $code"
    done
    "$usage" ingest --store store "${options[@]}" >stdout 2>stderr
    ok "$([ $? -le 1 ]; echo $?)" "round $round: the same command again ends"
    same "round $round" store
    exits 0 "round $round: and once more" "$usage" ingest --store store "${options[@]}"
    is "$(told .lines | sort -u)" 0 "round $round: there is nothing to do"
    round=$((round + 1))
done
"$usage" cat --store store | identities | cmp - expected.identities
ok $? 'after kills no event is lost, and none is there twice'

# A log that grows while ingests of it die: a line may come twice, for the bill to find, never not.
rm -rf store
for lines in 9000 17000 23000 31000 40000; do
    head -n "$lines" large.ndjson >grown.part && mv grown.part grown.ndjson
    killed $((whole_ms * (RANDOM % 50) / 100)) "$usage" ingest --store store --region 1Mi \
        grown.ndjson
done
exits 0 'a log that grew while ingests of it died' "$usage" ingest --store store --region 1Mi \
    grown.ndjson
"$usage" cat --store store | identities | uniq | cmp - <(identities <large.ndjson)
ok $? 'is there whole'

# Two at once, of the same logs and of others.
rm -rf store
pids=()
for i in 1 2; do
    "$usage" ingest --store store "${options[@]}" >"run.$i" 2>&1 &
    pids+=($!)
    "$usage" ingest --store store --region 1Mi small.ndjson >"run.$i.small" 2>&1 &
    pids+=($!)
done
killed $((whole_ms / 2)) "$usage" ingest --store store "${options[@]}"
wait "${pids[@]}"
same 'five at once into one store, one of them killed' store

# sync

rm -rf copy
for i in 1 2 3; do
    killed $((RANDOM % (whole_ms / 4 + 1))) "$usage" sync undisturbed copy
done
exits 0 'a sync that was killed is gone on with' "$usage" sync undisturbed copy
same 'sync' copy

done_testing
