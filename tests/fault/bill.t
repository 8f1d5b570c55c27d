#!/usr/bin/env bash
# bill.t - bill run and close are killed with -9 at any moment, and the disk is full: BILLS has a
# whole run or none, a month is closed or open, and the same command again ends as if nothing had
# been.
# MILLRACE_KILLS: how many are killed (20). MILLRACE_SEED: which moments.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/bill.sh
. "$(dirname "$0")/../tap/bill.sh"
cd "$scratch" || exit 1
: "${MILLRACE_KILLS:=${MILLRACE_TORTURE:+300}}"
events=8000
if [ -n "${SAN:-}" ]; then
    : "${MILLRACE_KILLS:=4}"
    events=1500
fi
: "${MILLRACE_KILLS:=20}" "${MILLRACE_SEED:=1}"
RANDOM=$MILLRACE_SEED
echo "# MILLRACE_KILLS=$MILLRACE_KILLS MILLRACE_SEED=$MILLRACE_SEED"
issue_prices >prices.json
many w "$events" 2026-11 | perl -pe 's/"customer-\K\d(.*sequence":"0*(\d+))/$2$1/' | fill store
seal store 2026-11

begin_ms=$(date +%s%3N)
rate store 2026-11
whole_ms=$(($(date +%s%3N) - begin_ms))
is "$code $(proof .counts.statements)" "0 $((events + 1))" 'a run that nobody disturbs'
undisturbed=$(basename "$run")
mv bills good

# killed DELAY_MS COMMAND...: begins the command and kills it then. Sets $code.
killed()
{
    local delay_ms=$1 victim
    shift
    "$@" >killed.log 2>&1 &
    victim=$!
    sleep "$((delay_ms / 1000)).$(printf %03d $((delay_ms % 1000)))"
    kill -KILL "$victim" 2>/dev/null
    wait "$victim" 2>/dev/null
    code=$?
}

# whole NAME: what has the name of a run is the run
whole()
{
    local wrong=0
    [ ! -e "bills/$undisturbed" ] || diff -r "good/$undisturbed" "bills/$undisturbed" || wrong=1
    [ -z "$(find bills -mindepth 1 -maxdepth 1 ! -name '.*.tmp' ! -name closed \
        ! -name "$undisturbed" 2>/dev/null)" ] || wrong=1
    ok $wrong "$1"
}

common=(--store store --prices prices.json --period 2026-11 -o bills)
made=0 left=0
for ((i = 0; i < MILLRACE_KILLS; i++)); do
    killed $((whole_ms * (RANDOM % 130) / 100)) "$bill" run "${common[@]}"
    whole "a run that is killed ($i) leaves a whole one or none"
    if [ -e "bills/$undisturbed" ]; then
        made=$((made + 1))
        rm -rf "bills/$undisturbed"
    fi
done
left=$(find bills -maxdepth 1 -name '.*.tmp' 2>/dev/null | wc -l)
echo "# $made of $MILLRACE_KILLS were done before they were killed; $left left a temporary folder"
ok "$([ "$left" -gt 0 ]; echo $?)" 'some were killed while they wrote'
exits 0 'the same run again ends, beside what they left' "$bill" run "${common[@]}"
whole 'with the same bytes'
exits 0 'which are verified' "$bill" verify "bills/$undisturbed"

# close

begin_ms=$(date +%s%3N)
cp -r good trial && "$bill" close "trial/$undisturbed" 2>/dev/null
whole_ms=$(($(date +%s%3N) - begin_ms))
closed=0
for ((i = 0; i < MILLRACE_KILLS; i++)); do
    rm -rf bills/closed
    killed $((whole_ms * (RANDOM % 130) / 100)) "$bill" close "bills/$undisturbed"
    wrong=0
    if [ -e bills/closed/2026-11.json ]; then
        closed=$((closed + 1))
        cmp trial/closed/2026-11.json bills/closed/2026-11.json || wrong=1
    fi
    [ -z "$(find bills/closed -type f ! -name '.*.tmp' ! -name 2026-11.json 2>/dev/null)" ] ||
        wrong=1
    ok $wrong "a close that is killed ($i) has closed the month or not"
done
echo "# $closed of $MILLRACE_KILLS closed it before they were killed"
exits 0 'closing it again works' "$bill" close "bills/$undisturbed"
cmp trial/closed/2026-11.json bills/closed/2026-11.json
ok $? 'with the same word'
exits 0 'a run of the next month is not disturbed by what is left' "$bill" run --store store \
    --prices prices.json --period 2026-12 -o bills

# Two at once, of the same month

# all_end_well: do the processes of ${pids[@]}?
all_end_well()
{
    local wrong=0 pid
    for pid in "${pids[@]}"; do wait "$pid" || wrong=1; done
    return $wrong
}

rm -rf bills
pids=()
for i in 1 2 3; do
    "$bill" run "${common[@]}" >"together.$i" 2>&1 &
    pids+=($!)
done
killed $((whole_ms / 2)) "$bill" run "${common[@]}"
all_end_well
ok $? 'several at once, one of them killed, all end well'
whole 'with one run'
pids=()
for i in 1 2 3; do
    "$bill" close "bills/$undisturbed" >"together.$i" 2>&1 &
    pids+=($!)
done
all_end_well
ok $? 'and are closed by several at once'
cmp trial/closed/2026-11.json bills/closed/2026-11.json
ok $? 'with one word'

# Stopped by a signal

rm -rf bills
# catches PID: does it catch SIGTERM by now, or is it gone?
catches()
{
    perl -ne 'exit !(hex($1) & 1 << 14) if /^SigCgt:\s*(\S+)/' "/proc/$1/status" 2>/dev/null
}
"$bill" run "${common[@]}" --threads 1 >stdout 2>stderr &
victim=$!
until catches $victim || ! kill -0 $victim 2>/dev/null; do :; done
kill -TERM $victim
wait $victim
code=$?
ok "$([ $code -eq 75 ] || [ $code -eq 0 ]; echo $?)" 'SIGTERM ends a run with 75, if it is not done'
whole 'which leaves a whole run or none'
is "$(find bills -maxdepth 1 -name '.*.tmp' 2>/dev/null)" '' 'and nothing temporary'

# A full disk

mkdir disk
if mount -t tmpfs -o size=300k millrace-test disk 2>/dev/null; then
    trap 'umount "$scratch/disk"; rm -rf "$scratch"' EXIT
    exits 74 'a full disk ends a run' "$bill" run "${common[@]}" -o disk/bills
    like "$(cat stderr)" 'No space left on device' 'which is said'
    is "$(find disk/bills -mindepth 1 2>/dev/null)" '' 'and leaves nothing'
    for part in 50 70 90 110 130; do
        size=$((part * $(du -sk "good/$undisturbed" | cut -f1) / 100))k
        mount -o remount,size=$size "$scratch/disk"
        "$bill" run "${common[@]}" -o disk/bills >stdout 2>stderr
        code=$?
        if [ $code -eq 0 ]; then
            diff -r "good/$undisturbed" "disk/bills/$undisturbed"
        else
            [ "$code $(find disk/bills -mindepth 1)" = '74 ' ]
        fi
        ok $? "$size: exit $code, and a whole run or nothing"
        rm -rf disk/bills
    done
    mount -o remount,size=64m "$scratch/disk"
    exits 0 'with room it ends' "$bill" run "${common[@]}" -o disk/bills
    diff -r "good/$undisturbed" "disk/bills/$undisturbed"
    ok $? 'with the same bytes'
    mkdir disk/bills/closed
    head -c 100m /dev/zero >disk/filler 2>/dev/null
    exits 74 'a full disk ends a close' "$bill" close "disk/bills/$undisturbed"
    is "$(find disk/bills/closed -type f)" '' 'the month is not closed'
    rm disk/filler
    exits 0 'with room it is' "$bill" close "disk/bills/$undisturbed"
    head -c 100m /dev/zero >disk/filler 2>/dev/null
    ranks 2 "$bill" run --store store --prices prices.json --period 2026-11 -o other --memory 32Mi \
        --scratch disk >stdout 2>stderr </dev/null
    code=$?
    ok "$([ $code -eq 74 ] || [ $code -eq 0 ]; echo $?)" "a scratch that is full: exit $code"
    rm disk/filler
else
    echo '# a small disk cannot be mounted: not tried'
fi

done_testing
