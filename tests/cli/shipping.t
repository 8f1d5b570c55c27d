#!/usr/bin/env bash
# shipping.t - the scripts of examples/ that bring usage logs of many hosts into one store and bill
# a month from it: killed, run twice at once, and out of reach of each other.
# MILLRACE_KILLS: how many are killed (8). MILLRACE_SEED: which moments.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/usage.sh
. "$(dirname "$0")/../tap/usage.sh"
cd "$scratch" || exit 1

: "${MILLRACE_KILLS:=8}" "${MILLRACE_SEED:=1}"
RANDOM=$MILLRACE_SEED
echo "# MILLRACE_KILLS=$MILLRACE_KILLS MILLRACE_SEED=$MILLRACE_SEED"
examples=$tap_here/examples
ship=$examples/ship-usage.sh

# snapshot FOLDER: its files and when they were written
snapshot()
{
    (cd "$1" && find . -type f ! -name '.*' -printf '%p %T@ %s\n' | LC_ALL=C sort)
}

# holds STORE LOG...: does it hold the events of these logs, and no others?
holds()
{
    local store=$1
    shift
    stored "$store" | cmp - <(canonical "$@")
}

# killed COMMAND...: begins the command and, before it has ended by itself, kills it with all that
# it has begun; or, every other time, it alone.
killed()
{
    local delay_ms=$((whole_ms * (RANDOM % 80) / 100)) victim target
    setsid "$@" >run.log 2>&1 &
    victim=$!
    sleep "$((delay_ms / 1000)).$(printf %03d $((delay_ms % 1000)))"
    target=$victim
    [ $((RANDOM % 2)) -eq 0 ] || target=-$victim
    kill -KILL -- "$target" 2>/dev/null
    wait "$victim" 2>/dev/null
    echo "# killed $target after $delay_ms ms: exit $?"
}

# Two nights of two nodes

make_log n07-0-1 1 6000 >n07.all
make_log n08-0-1 1 4000 >n08.all
mkdir n07 n08
head -n 3500 n07.all >n07/usage-n07-0-1.ndjson
head -n 100 n08.all >n08/usage-n08-0-1.ndjson
begin_ms=$(date +%s%3N)
exits 0 'a node ships its log' "$ship" n07/spool central n07/usage-*.ndjson
whole_ms=$(($(date +%s%3N) - begin_ms))
is "$(cat stdout)" '' 'and prints nothing on stdout, so that cron is silent but for the summary'
exits 0 'another one too' "$ship" n08/spool central n08/usage-*.ndjson
holds central n07/usage-*.ndjson n08/usage-*.ndjson
ok $? 'the central store has the events of both'
snapshot central >before
exits 0 'the same again' "$ship" n07/spool/ central/ n07/usage-*.ndjson
snapshot central | cmp - before
ok $? 'changes nothing'

cp n07.all n07/usage-n07-0-1.ndjson
cp n08.all n08/usage-n08-0-1.ndjson
for ((i = 0; i < MILLRACE_KILLS; i++)); do
    node=n0$((7 + RANDOM % 2))
    killed "$ship" $node/spool central $node/usage-*.ndjson
    find central/segments ! -name '.*' -type f -exec sha256sum {} + |
        awk '$2 != "central/segments/" $1 ".segment" { exit 1 }'
    ok $? "kill $i: what has a name is whole"
    # Now and then it gets through; then it is begun anew, when the last process has ended.
    [ $((RANDOM % 3)) -ne 0 ] ||
        flock $node/spool.lock rm -rf $node/spool central/segments/*.segment central/logs/*
done
for node in n07 n08; do
    exits 0 "$node: after kills, the same again" "$ship" $node/spool central $node/usage-*.ndjson
done
# What grew while it was killed may be there twice, in part; bills count an event once.
stored central | uniq | cmp - <(canonical n07.all n08.all)
ok $? 'ends with every event of both'

# Two at once

for node in n07 n08; do
    "$ship" at-once both $node/usage-*.ndjson >/dev/null 2>$node.stderr &
done
wait -n && wait -n
ok $? 'two at once on one spool'
holds both n07.all n08.all
ok $? 'come one after the other'
(exec 9>>at-once.lock && flock 9 && exec sleep 60 >/dev/null) &
holder=$!
until ! flock --nonblock at-once.lock true; do sleep 0.01; done
exits 75 'one that has waited too long' env LOCK_WAIT_S=0 "$ship" at-once both n07/usage-*.ndjson
like "$(cat stderr)" 'another one is at work' 'says so'
kill "$holder"
wait "$holder" 2>/dev/null

# Failures

{ head -n 50 n07.all; echo 'no event'; } >bad.ndjson
exits 1 'bad lines' "$ship" bad-spool bad-central bad.ndjson
holds bad-central <(head -n 50 n07.all)
ok $? 'do not hold back the others'
is "$(jq -r .text bad-central/quarantine/*.ndjson)" 'no event' 'and are shipped for who looks'
exits 66 'a log that is not there' "$ship" bad-spool bad-central bad.ndjson none.ndjson n08.all
holds bad-central <(head -n 50 n07.all) n08.all
ok $? 'does not hold back the others either'
touch file
exits 73 'a store that cannot be made' "$ship" file/spool central bad.ndjson
exits 73 'nor that elsewhere' "$ship" fresh-spool file/central n08.all
exits 64 'a log is needed' "$ship" spool central

# To another host: the remote shell runs the command here.

if command -v rsync >/dev/null; then
    # shellcheck disable=SC2016 # it is a script
    printf '%s\n' '#!/bin/sh' '[ ! -e unreachable ] || exit 255' 'shift' 'exec sh -c "$*"' >shell
    chmod +x shell
    export RSYNC_RSH=$scratch/shell
    exits 0 'to another host' "$ship" n07/spool "archive:$scratch/remote" n07/usage-*.ndjson
    touch unreachable
    exits 69 'that is out of reach' "$ship" n08/spool "archive:$scratch/remote" n08/usage-*.ndjson
    rm unreachable
    exits 0 'and comes back' "$ship" n08/spool "archive:$scratch/remote" n08/usage-*.ndjson
    stored remote | uniq | cmp - <(canonical n07.all n08.all)
    ok $? 'every event gets there'
    is "$(files remote segments)" "$(files . n07/spool/segments n08/spool/segments |
        sed 's:n0./spool/::' | LC_ALL=C sort -u)" 'in the same segments'
    is "$(find remote/logs -type f 2>/dev/null)" '' 'but no notes of logs'
    snapshot remote >before
    exits 0 'the same again' "$ship" n08/spool "archive:$scratch/remote" n08/usage-*.ndjson
    snapshot remote | cmp - before
    ok $? 'changes nothing there'
else
    ok 0 'to another host # SKIP there is no rsync'
fi

# The month's bill

month=("$examples/bill-month.sh" central "$examples/prices.json" bills 2026-11)
exits 0 'a bill before anybody has sealed' "${month[@]}"
like "$(cat stderr)" 'PRELIMINARY' 'is preliminary'
exits 76 'and cannot be closed' millrace-bill close "$(cat stdout)"
for node in n07 n08; do
    exits 0 "$node seals its month" "$examples/seal-usage.sh" $node/spool 2026-11
    exits 0 'once' "$examples/seal-usage.sh" $node/spool 2026-11
    is "$(cat stderr)" '' 'and is silent then'
    exits 0 'and ships it' "$ship" $node/spool central $node/usage-*.ndjson
done
is "$(stat_of central '.seals | map([.writer, .period, .through])')" \
    '[["n07-0-1","2026-11",6000],["n08-0-1","2026-11",4000]]' 'the seals are those of the logs'
exits 0 'the bill' "${month[@]}" --expect n07-0-1,n08-0-1
run=$(cat stdout)
is "$(jq -c '[.preliminary, .harvest, .counts.billable]' "$run/proof.json")" '[false,1,10000]' \
    'counts every event once'
exits 0 'can be closed' millrace-bill close "$run"
exits 0 'the same bill again' "${month[@]}" --expect n07-0-1,n08-0-1
is "$(cat stdout)" "$run" 'is the same run'
jq '.skus[0].unit.divisor = 3600000' "$examples/prices.json" >pushed.json
exits 1 'a bad push of prices' "$examples/bill-month.sh" central pushed.json bills 2026-12
like "$(cat stdout)" 'cpu: the unit was' 'is stopped'
is "$(find bills -name '2026-12-*')" '' 'before anything is rated'
cp -r n07/spool damaged
truncate --size=-1 "$(find damaged/segments -name '*.segment' | head -n 1)"
exits 65 'a damaged spool' "$examples/seal-usage.sh" damaged 2026-12
is "$(stat_of damaged '.seals | map(.period) | unique' 2>/dev/null)" '["2026-11"]' 'seals nothing'

# What cron and systemd are told

commands=$(sed -nE 's/^([0-9*,]+ ){5}//p' "$examples/crontab")
is "$(grep -c . <<<"$commands")" 7 'the crontab has seven lines of five times and a command'
is "$(grep -oE '[a-z-]+\.sh' <<<"$commands" | sort -u | while read -r script; do
    [ -x "$examples/$script" ] || echo "$script"
done)" '' 'that run the scripts beside it'
ok "$(bash -n <<<"$commands"; echo $?)" 'and bash can read them'
is "$(grep -c % <<<"$commands")" 0 'without a %, which ends a command of cron'
mkdir cron
# Those of cold storage need a month that is closed: archive_examples.t; drains a door:
# door_usage.t.
while IFS= read -r command; do
    exits 0 "cron: ${command%% *}" env -i PATH="$examples:$PATH" SPOOL="$scratch/cron/spool" \
        CENTRAL="$scratch/cron/central" LOGS="$scratch/n0?/usage-*.ndjson" \
        STORE="$scratch/cron/central" PRICES="$examples/prices.json" BILLS="$scratch/cron/bills" \
        bash -c "$command"
done < <(grep -vE 'archive|drill|drain' <<<"$commands")
holds cron/central n07.all n08.all
ok $? 'they ship both logs'
is "$(stat_of cron/central '.seals | map(.writer)')" '["n07-0-1","n08-0-1"]' 'seal them'
is "$(find cron/bills -name 'statements.ndjson' | wc -l)" 1 "and bill last month"
if command -v systemd-analyze >/dev/null; then
    mkdir units
    for unit in "$examples"/systemd/*; do
        sed "s:/usr/local/bin/:$examples/:" "$unit" >"units/${unit##*/}"
    done
    systemd-analyze verify --man=no units/* >stdout 2>stderr
    is "$? $(cat stderr)" '0 ' 'systemd finds nothing wrong with the units'
else
    ok 0 'the units # SKIP there is no systemd-analyze'
fi

done_testing
