#!/usr/bin/env bash
# torture.t - each write, fsync, rename, close and the like of a run fails in turn, or is its last.
# Nothing half-written is left under a final name, the exit code says what to do, and the same
# command again ends with the files, results and events of a run that nobody disturbed.
# MILLRACE_FAULTS: how many of them, or all; MILLRACE_SEED: which.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
cd "$scratch" || exit 1

: "${MILLRACE_FAULTS:=${MILLRACE_TORTURE:+all}}"
[ -z "${SAN:-}" ] || : "${MILLRACE_FAULTS:=10}"
: "${MILLRACE_FAULTS:=40}" "${MILLRACE_SEED:=1}"
echo "# MILLRACE_FAULTS=$MILLRACE_FAULTS MILLRACE_SEED=$MILLRACE_SEED"

# The list comes by a pipe, so that its spool is tortured too.
make_photos photos 3 1 48
printf '%s\n' photos/{0,1}_0.jpg photos/absent.jpg photos/2_0.jpg >list
options=(--job torture --workers 1 --to 32x32 --to '16x16,format=png')

# state FOLDER: what must be the same, whatever has happened
state()
{
    outputs "$1"
    jq -cS 'del(.cpu_us, .wall_us, .node)' "$1/.millrace/results.ndjson"
    event_ids "$1"
    report "$1" '[.complete, .exit_code, .rows, (.invariants | length, all(.holds))]'
    find "$1/.millrace/tmp" -type f
}

# tortured FAULT FOLDER [ROWS]: a run into FOLDER with one fault (or none), of all rows or the first
# ones; its calls go to the file "calls". Returns its exit code.
tortured()
{
    rm -f calls
    {
        MILLRACE_TORTURE_AT=$1 MILLRACE_TORTURE_LOG=calls "$BUILD/torture-resize" -o "$2" \
            "${options[@]}" - < <(head -n "${3:-99}" list) >stdout 2>stderr
    } 2>/dev/null # where the shell says what was killed
}

# nth CALL-REGEX N: the number of its N-th call
nth()
{
    grep -E "$1" calls | sed -n "$2{s/ .*//p}"
}

"$resize" -o undisturbed "${options[@]}" - <list >stdout 2>stderr
is $? 1 'a run that nobody disturbs does what it can'
sound undisturbed 'and leaves its folder in order'
outputs undisturbed | sort >expected.files
state undisturbed >expected

# Where the faults are put: into a run of an empty folder; into one that finds some outputs under
# their names and some not, of a run that died before it could record them; and into one that finds
# records whose usage was not written.
mkdir fresh
tortured '' probe
is $? 1 'without a fault, the tortured program does what the other does'
cmp -s expected <(state probe)
ok $? 'and makes the same'
tortured "$(nth ' renameat2 ' 4):kill" unrecorded
rm -rf probe
tortured '' probe 2
tortured "$(nth ' write .*/usage-' 1):kill" unmetered 2
is "$(outputs unrecorded | wc -l) $(outputs unmetered | wc -l) $(usage unmetered)" '3 4 ' \
    'two runs are killed half way'

# A line for each fault that there is: where it is put, the call's number, the mode, the call.
faults()
{
    local base
    for base in fresh unrecorded unmetered; do
        rm -rf probe
        cp -a "$base" probe
        tortured '' probe
        awk -v base="$base" '
            {
                count = split("eio enospc kill broken full" ($3 == "write" ? " short" : ""), modes)
                for (i = 1; i <= count; i++)
                    print base, $1, modes[i], $3, $4, $5
            }' calls
    done
}

# Faults that have done harm once: a disk that did not let a file be created was taken for a name
# that cannot be; one that did not let an output be synced that was there, for another output; a
# list of an earlier run was left; and temporary files of one were met when it was too late.
known='^fresh .* (full openat .*/(lock|ledger-|\.report)|eio unlinkat .*/quarantine.ndjson)'
known+='|^unrecorded .* eio (fsync r .*/0_0.jpg$|unlinkat .*/tmp/.*-3.tmp)'

# sample FILE: all of its lines, or some in any order, those above among them
sample()
{
    if [ "$MILLRACE_FAULTS" = all ]; then
        cat "$1"
    else
        awk -v seed="$MILLRACE_SEED" 'BEGIN { srand(seed) } { print rand() "\t" $0 }' "$1" |
            sort -g | cut -f 2 | head -n "$MILLRACE_FAULTS"
        grep -E "$known" "$1"
    fi
}

# What a run need not mind: writes that it goes on with; the end of a descriptor that was only read
# by; or whose file was synced before (outputs, the ledger, the spool), or will be read by nobody
# (the lock, the index of rows); left-overs in tmp/, when the next run is to sweep them.
harmless=' short write | close r | close w .*/(16x16|32x32|\.millrace/(ledger-|manifest$|lock$))'
harmless+='| close w .* \(deleted\)$| unlinkat after .*/\.millrace/tmp/'

# struck: the calls that failed, of those in the file "calls"
struck()
{
    awk '/ openat .*\/.millrace\/tmp\// { swept = 1 }
        swept { sub(/ unlinkat /, " unlinkat after ") }
        $2 != "-"' calls
}

# after_fault CODE: is it what the calls that failed, in the file "calls", should lead to?
after_fault()
{
    case $(struck | awk '{ print $2; exit }') in
    '') unmet=$((unmet + 1)) && [ "$1" -eq 1 ] && return ;; # a batch less than in the probe
    kill) [ "$1" -eq 137 ] && return ;;
    *)
        if struck | grep -Evq "$harmless"; then
            [[ $1 = 7[45] ]] && grep -Eq 'Input/output error|No space left' stderr && return
        else
            [ "$1" -eq 1 ] && return
        fi
        ;;
    esac
    wrong+=" exit-$1"
}

# torture BASE N MODE: one fault, then runs without one
torture()
{
    local wrong='' call
    rm -rf out
    cp -a "$1" out
    tortured "$2:$3" out
    after_fault $?
    call=$(awk '$2 != "-" { $1 = $2 = ""; print; exit }' calls)
    [ -z "$(outputs out | sort | comm -13 expected.files -)" ] || wrong+=' half-written'
    mv stderr fault.stderr
    "$resize" -o out "${options[@]}" - <list >stdout 2>stderr
    [ $? -eq 1 ] || wrong+=' resume'
    state out >got
    cmp -s expected got || wrong+=' other-state'
    ok "$([ -z "$wrong" ]; echo $?)" "$1 $2 $3:${call/"$scratch/"}${wrong:+ (wrong:$wrong)}" ||
        { cat fault.stderr stderr && diff expected got; } | head -n 20 | sed 's/^/#   /' >&2
}

faults >all
sample all >chosen
unmet=0
while read -r base number mode _; do
    torture "$base" "$number" "$mode"
done <chosen
ok "$((10 * unmet > $(wc -l <chosen)))" 'the faults were met'

done_testing
