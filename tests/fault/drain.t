#!/usr/bin/env bash
# drain.t - runs that are asked to end, that meet each other, and that are resumed with something
# else than they began with.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
cd "$scratch" || exit 1

make_photos photos 8 5 256
printf '%s\n' photos/*.jpg | LC_ALL=C sort >list
options=(--job drained --workers 1 --to 128x128 --to '64x64,format=png')
exits 0 'a run that nobody disturbs' "$resize" -o undisturbed "${options[@]}" list

# all FOLDER: what must be the same, shortened
all()
{
    { outputs "$1" && results "$1" && event_ids "$1"; } | sha256sum
}

# shellcheck disable=SC2317 # called by await
committed()
{
    [ -n "$(find "$1/.millrace" -name "ledger-*-$2" -size +1k)" ]
}

# slowly FOLDER COMMAND...: runs it in the background with a standard input that stays open behind
# the first 33 rows (whose 66 files are committed at once), until "exec 7>&-". Sets $run.
slowly()
{
    local folder=$1
    shift
    rm -f pipe
    mkfifo pipe
    "$@" <pipe >"$folder.log" 2>&1 &
    run=$!
    exec 7>pipe
    head -n 33 list >&7
}

for signal in TERM INT USR1; do
    slowly "$signal" "$resize" -o "$signal" "${options[@]}" -
    await committed "$signal" 1
    kill -s "$signal" "$run"
    wait "$run"
    is $? 75 "SIG$signal ends a run with 75"
    exec 7>&-
    like "$(cat "$signal.log")" 'run the same command again to resume' 'and it says so'
    is "$(report "$signal" '[.complete, .exit_code, .rows.resized > 0]')" '[false,75,true]' \
        'the report tells how far it came'
    "$resize" -o "$signal" "${options[@]}" - <list >stdout 2>stderr
    is $? 0 'the same command again ends it'
    sound "$signal" 'its folder is in order'
    is "$(all "$signal")" "$(all undisturbed)" 'with what an undisturbed run has'
done

# Rows that are open already but wait for a worker are not begun any more.
for ((copy = 1; copy <= 10; copy++)); do cat list; done >long
"$resize" -o busy "${options[@]}" --name '{row}.{spec}.{ext}' long >busy.log 2>&1 &
run=$!
await committed busy 1
kill -USR1 "$run"
wait "$run"
is $? 75 'a run that is drained in the middle ends with 75'
is "$(report busy '[.complete, .this_run.rows == .rows.resized, .rows.skipped > 0]')" \
    '[false,true,true]' 'what it did and what it left add up'
is "$(ls busy/.millrace/tmp)" '' 'nothing is left half made'
"$resize" -o busy "${options[@]}" --name '{row}.{spec}.{ext}' long >stdout 2>stderr
is $? 0 'the same command again ends it'
sound busy 'its folder is in order'

# A report is of everything in the ledgers, or it is not there.
slowly stale "$resize" -o stale "${options[@]}" -
await committed stale 1
kill -TERM "$run"
wait "$run"
exec 7>&-
slowly stale "$resize" -o stale "${options[@]}" -
tail -n 7 list >&7
await committed stale 2
{ kill -KILL "$run" && wait "$run"; } 2>/dev/null
exec 7>&-
is "$(ls stale/.millrace/report.json 2>/dev/null)" '' 'rows done since make a report stale'
"$resize" -o stale "${options[@]}" - <list >stdout 2>stderr
is "$? $(report stale '[.complete, .rows.resized]')" '0 [true,40]' 'the next run reports them'

# What a pipe brings must begin with what it brought before.
slowly other "$resize" -o other "${options[@]}" -
await committed other 1
kill -TERM "$run"
wait "$run"
exec 7>&-
outputs other >before
sort -r list | "$resize" -o other "${options[@]}" - >stdout 2>stderr
is $? 65 'another list in the pipe is bad input'
like "$(cat stderr)" 'does not begin with what this job read before' 'which is said'
is "$(outputs other)" "$(cat before)" 'and nothing was made of it'
"$resize" -o other "${options[@]}" - <list >stdout 2>stderr
is $? 0 'the right list goes on'
head -n 35 list | "$resize" -o other "${options[@]}" - >stdout 2>stderr
is $? 65 'a list cut short is bad input too'
"$resize" -o other "${options[@]}" - <list >stdout 2>stderr
is $? 0 'the right list finds nothing to do'
sound other 'and nothing is harmed'

# Two runs.
slowly first "$resize" -o first "${options[@]}" -
await committed first 1
begin=$SECONDS
exits 75 'a second run on a folder gives up' "$resize" -o first "${options[@]}" -
ok "$([ $((SECONDS - begin)) -ge 9 ] && [ $((SECONDS - begin)) -le 20 ]; echo $?)" \
    'after ten seconds'
like "$(cat stderr)" 'another run is at work in this folder' 'and says why'
tail -n 7 list >&7
exec 7>&-
wait "$run"
is $? 0 'the first one is not disturbed'
sound first 'and leaves its folder in order'

done_testing
