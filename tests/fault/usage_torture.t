#!/usr/bin/env bash
# usage_torture.t - each write, fsync, rename, close and the like of an ingest or a sync fails in
# turn, or is its last. Nothing half-written has a name, the exit code says what to do, and the same
# command again ends with the store of a run that nobody disturbed.
# MILLRACE_FAULTS: how many of them, or all; MILLRACE_SEED: which.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/usage.sh
. "$(dirname "$0")/../tap/usage.sh"
cd "$scratch" || exit 1

: "${MILLRACE_FAULTS:=${MILLRACE_TORTURE:+all}}"
[ -z "${SAN:-}" ] || : "${MILLRACE_FAULTS:=10}"
: "${MILLRACE_FAULTS:=40}" "${MILLRACE_SEED:=1}"
echo "# MILLRACE_FAULTS=$MILLRACE_FAULTS MILLRACE_SEED=$MILLRACE_SEED"

# Three regions, the last of which has a bad line.
make_log n07-0-1 1 6000 >log.ndjson
echo 'a bad line' >>log.ndjson

# run PROGRAM WHAT STORE: an ingest of the log, or a sync of the undisturbed store
run()
{
    case $2 in
    ingest)
        "$1" ingest --store "$3" --region 1Mi --threads 1 --quarantine "$3.bad" log.ndjson
        ;;
    sync) "$1" sync undisturbed "$3" ;;
    esac >stdout 2>stderr
}

# tortured FAULT WHAT STORE: with one fault, or none; the calls go to the file "calls".
tortured()
{
    rm -f calls
    {
        MILLRACE_TORTURE_AT=$1 MILLRACE_TORTURE_LOG=calls run "$BUILD/torture-usage" "$2" "$3"
    } 2>/dev/null # where the shell says what was killed
}

run "$usage" ingest undisturbed
is $? 1 'a run that nobody disturbs has its bad line'
files undisturbed . >expected
is "$(wc -l <expected)" 7 'and seven files'
tortured '' ingest probe
is "$? $(files probe .)" "1 $(cat expected)" 'without a fault, the tortured program does the same'

# A line for each fault that there is: of what, the call's number, the mode, the call.
faults()
{
    local what
    for what in ingest sync; do
        rm -rf probe probe.bad
        tortured '' "$what" probe
        awk -v what="$what" '
            {
                count = split("eio enospc kill broken full" ($3 == "write" ? " short" : ""), modes)
                for (i = 1; i <= count; i++)
                    print what, $1, modes[i], $3, $4, $5
            }' calls
    done
}

sample()
{
    if [ "$MILLRACE_FAULTS" = all ]; then
        cat "$1"
    else
        awk -v seed="$MILLRACE_SEED" 'BEGIN { srand(seed) } { print rand() "\t" $0 }' "$1" |
            sort -g | cut -f 2 | head -n "$MILLRACE_FAULTS"
    fi
}

# What a run need not mind: writes that it goes on with; the end of a descriptor that was only read
# by, or whose file was synced before; a temporary file that stays.
harmless=' short write | close r | close w .*\.bad$| unlinkat .*\.tmp$'

# after_fault CODE UNDISTURBED: is it what the calls that failed should lead to?
after_fault()
{
    case $(awk '$2 != "-" { print $2; exit }' calls) in
    '') unmet=$((unmet + 1)) && [ "$1" -eq "$2" ] && return ;;
    kill) [ "$1" -eq 137 ] && return ;;
    *)
        if awk '$2 != "-"' calls | grep -Evq "$harmless"; then
            [ "$1" -eq 74 ] && grep -Eq 'Input/output error|No space left' stderr && return
        else
            [ "$1" -eq "$2" ] && return
        fi
        ;;
    esac
    wrong+=" exit-$1"
}

# torture WHAT N MODE: one fault, then a run without one
torture()
{
    local wrong='' call code=0
    rm -rf out out.bad
    tortured "$2:$3" "$1" out
    after_fault $? "$([ "$1" = ingest ]; echo $((1 - $?)))"
    call=$(awk '$2 != "-" { $1 = $2 = ""; print; exit }' calls)
    mkdir -p out
    rm -f out/*/.*.tmp
    [ -z "$(files out . | comm -13 expected -)" ] || wrong+=' other-files'
    named_rightly out || wrong+=' half-written'
    mv stderr fault.stderr
    run "$usage" "$1" out || code=$?
    [ "$code" -le 1 ] || wrong+=" again-$code"
    [ "$(files out .)" = "$(cat expected)" ] || wrong+=' missing-files'
    named_rightly out || wrong+=' still-half-written'
    [ "$1" = sync ] || grep -q 'a bad line' out.bad || wrong+=' bad-line'
    ok "$([ -z "$wrong" ]; echo $?)" "$1 $2 $3:${call/"$scratch/"}${wrong:+ (wrong:$wrong)}" ||
        cat fault.stderr stderr | head -n 20 | sed 's/^/#   /' >&2
}

faults >all
echo "# $(wc -l <all) faults"
sample all >chosen
unmet=0
while read -r what number mode _; do
    torture "$what" "$number" "$mode"
done <chosen
ok "$((10 * unmet > $(wc -l <chosen)))" 'the faults were met'

done_testing
