#!/usr/bin/env bash
# queue_faults.t - the queue of one host keeps what it has confirmed: processes are killed and
# frozen, the disk is full, another program holds the lock. MILLRACE_SEED: who is killed when.
# MILLRACE_TORTURE: many more times.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
cd "$scratch" || exit 1

: "${MILLRACE_SEED:=1}"
RANDOM=$MILLRACE_SEED
rounds=20
[ -z "${MILLRACE_TORTURE:-}" ] || rounds=500
echo "# MILLRACE_SEED=$MILLRACE_SEED rounds=$rounds"

driver=$BUILD/tests/fault/queue_driver
queue=sqlite:$scratch/queue.sqlite
export QUEUE_LEASE_MS=300

# numbers FILE...: the first of each line, each once; a line that was cut off by a kill is none
numbers()
{
    perl -ne 'print "$1\n" if /^(\d+).*\n/' "$@" | sort -u
}

# Two that put in, two that take out; one of them is killed, and another takes its place.
declare -A pids
spawn()
{
    local slot=$1 turn=$2
    case $slot in
    put*) "$driver" "$queue" put $((turn * 100000)) 50000 >"$slot.$turn.put" 2>/dev/null & ;;
    drain*) "$driver" "$queue" drain 1000000 >"$slot.$turn.drained" 2>/dev/null & ;;
    esac
    pids[$slot]=$!
}
slots=(put1 put2 drain1 drain2)
turn=0
for slot in "${slots[@]}"; do
    spawn "$slot" $((++turn))
done
for ((i = 0; i < rounds; i++)); do
    slot=${slots[RANDOM % 4]}
    sleep 0.$((RANDOM % 3))$((RANDOM % 10))
    kill -KILL "${pids[$slot]}"
    wait "${pids[$slot]}" 2>/dev/null
    spawn "$slot" $((++turn))
done
kill -KILL "${pids[@]}"
wait "${pids[@]}" 2>/dev/null
"$driver" "$queue" depth | sed 's/^/# ready, claimed, dead: /'
sleep 0.4
"$driver" "$queue" drain "$("$driver" "$queue" depth | cut -d' ' -f1)" >last.drained
ok $? 'what is left can be drained'
numbers ./*.put >confirmed
numbers ./*.drained >drained
echo "# confirmed: $(wc -l <confirmed)"
ok $(($(wc -l <confirmed) < 100)) 'jobs were put in meanwhile'
is "$(comm -23 confirmed drained | wc -l)" 0 "nothing is lost when $rounds are killed"
is "$("$driver" "$queue" depth)" '0 0 0' 'nothing is left'
twice=$(perl -ne 'print "$1\n" if /^(\d+)\n/' ./*.drained | sort | uniq -d | wc -l)
ok $((twice > rounds + 2)) "delivered twice: $twice, at most one for each that was killed"

# A drain that is frozen.
"$driver" "$queue" try 1 >/dev/null
: >held
"$driver" "$queue" hold 60 >held &
holder=$!
until [ -s held ]; do sleep 0.02; done
kill -STOP $holder
is "$("$driver" "$queue" drain 1)" 1 'a job returns though the drain that has it is frozen'
kill -KILL $holder
wait $holder 2>/dev/null

# The clock of the machine is put back: what was claimed in the future is not held until then.
library=$(find /usr/lib -name libfaketimeMT.so.1 2>/dev/null | head -n 1)
if [ -n "$library" ] && [ -z "${SAN:-}" ]; then
    : >held
    "$driver" "$queue" try 1 >/dev/null
    env "LD_PRELOAD=$library" FAKETIME=+1d FAKETIME_DONT_FAKE_MONOTONIC=1 \
        "$driver" "$queue" hold 60 >held &
    holder=$!
    until [ -s held ]; do sleep 0.02; done
    is "$("$driver" "$queue" drain 1)" 1 'a clock that is put back does not hold jobs'
    kill -KILL $holder
    wait $holder 2>/dev/null
else
    echo '# SKIP a clock that is put back: no libfaketime, or a sanitizer that has to come first'
fi

# Another program has the write lock.
coproc sqlite3 "$scratch/queue.sqlite"
locker=$COPROC_PID
echo "BEGIN IMMEDIATE; SELECT 'locked';" >&"${COPROC[1]}"
read -r got <&"${COPROC[0]}"
is "$got" locked 'another program has the lock'
code=0
seconds=$("$driver" "$queue" try 2 2>stderr) || code=$?
is "$code" 69 'an enqueue is refused'
ok $((${seconds%.*} > 6)) "within seconds ($seconds)"
like "$(cat stderr)" 'queue\.sqlite: .*locked' 'it says why'
"$driver" "$queue" put 3 1 >late.put 2>/dev/null &
late=$!
sleep 0.5
echo 'ROLLBACK;' >&"${COPROC[1]}"
wait $late
is "$? $("$driver" "$queue" drain 1)" '0 3' 'it goes on when the lock is free'
kill "$locker"
wait "$locker" 2>/dev/null

# A disk that is full; only root may mount a small one.
mkdir disk
if mount -t tmpfs -o size=600k millrace-test disk 2>/dev/null; then
    trap 'umount "$scratch/disk"; rm -rf "$scratch"' EXIT
    full=sqlite:$scratch/disk/queue.sqlite
    head -c 200k /dev/zero >disk/ballast
    "$driver" "$full" put 1 5000 >full.put 2>full.err &
    writer=$!
    until [ -s full.err ]; do sleep 0.05; done
    like "$(head -n 1 full.err)" 'full.*make room' 'a full disk refuses, and says what to do'
    rm disk/ballast
    sleep 0.5
    kill -KILL $writer
    wait $writer 2>/dev/null
    numbers full.put >confirmed
    rm -f disk/queue.sqlite-shm # a restart of the machine forgets it
    mount -o remount,size=8M disk
    "$driver" "$full" drain "$("$driver" "$full" depth | cut -d' ' -f1)" >full.drained
    ok $? 'with room again the queue can be drained'
    numbers full.drained >drained
    is "$(comm -23 confirmed drained | wc -l)" 0 "of $(wc -l <confirmed) none is lost"
else
    echo '# SKIP a full disk: mounting a small one is not allowed here'
fi

done_testing
