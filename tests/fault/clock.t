#!/usr/bin/env bash
# clock.t - the clock of a machine jumps, between runs and while one goes. Only the times that usage
# events carry may tell.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
cd "$scratch" || exit 1

[ -z "${SAN:-}" ] || skip_all 'a sanitizer wants to be the first library that is loaded'
library=$(find /usr/lib -name libfaketimeMT.so.1 2>/dev/null | head -n 1)
[ -n "$library" ] || skip_all 'there is no libfaketime'

make_photos photos 8 5 128
printf '%s\n' photos/*.jpg >list
options=(--job clocked --workers 1 --to 48x48 --to '24x24,format=png')
exits 0 'a run that nobody disturbs' "$resize" -o undisturbed "${options[@]}" list

# The program under a clock that is set by the file "clock"; its workers under the true one.
mkdir clocked
cp "$resize" clocked/
cat >clocked/millrace-imageworker <<END
#!/bin/sh
exec env -u LD_PRELOAD '$BUILD/millrace-imageworker'
END
chmod +x clocked/millrace-imageworker

faked=(env "LD_PRELOAD=$library" "FAKETIME_TIMESTAMP_FILE=$scratch/clock" FAKETIME_NO_CACHE=1
    FAKETIME_DONT_FAKE_MONOTONIC=1 clocked/millrace-resize)

# years FOLDER: how many different ones its usage events are of
years()
{
    usage "$1" | jq -r '.time[:4]' | sort -u | wc -l
}

# all FOLDER: what must be the same, shortened
all()
{
    { outputs "$1" && results "$1" && event_ids "$1"; } | sha256sum
}

# metered FOLDER TRY COUNT: have so many events of this try been written?
# shellcheck disable=SC2317 # called by await
metered()
{
    [ "$(cat "$1/.millrace"/usage-*-"$2.ndjson" | wc -l)" -ge "$3" ]
}

# begin FOLDER SHIFT: a run in the background whose list is written to descriptor 7. Sets $run.
begin()
{
    rm -f pipe
    mkfifo pipe
    echo "$2" >clock
    "${faked[@]}" -o "$1" "${options[@]}" - <pipe >"$1.log" 2>&1 &
    run=$!
    exec 7>pipe
}

# killed FOLDER SHIFT ROWS TRY COUNT: a run that gets the first ROWS of the list, and is killed when
# it has written COUNT events.
killed()
{
    begin "$1" "$2"
    head -n "$3" list >&7
    await metered "$1" "$4" "$5"
    ok $? "a run at $2 records rows"
    { kill -KILL "$run" && wait "$run"; } 2>/dev/null
    exec 7>&-
}

killed between +0 33 1 64
killed between -2y 37 2 8
echo +2y >clock
exits 1 'the run that is killed has not ended' test -e between/.millrace/report.json
"${faked[@]}" -o between "${options[@]}" - <list >stdout 2>stderr
is $? 0 'a run whose clock jumped back and forth between tries ends'
is "$(years between)" 3 'each try under its own clock'
sound between 'its folder is in order'
is "$(all between)" "$(all undisturbed)" 'with what an undisturbed run has'

begin within +0
head -n 33 list >&7
await metered within 1 64
ok $? 'a run records rows'
echo -2y >clock
sed -n '34,37p' list >&7
await metered within 1 74
ok $? 'it goes on when its clock jumps back'
echo +2y >clock
tail -n 3 list >&7
exec 7>&-
wait "$run"
is $? 0 'and ends when it jumps ahead'
is "$(years within)" 3 'its events tell'
ok "$(report within 'if .this_run.elapsed_s < 100 then 0 else 1 end')" 'its duration does not'
sound within 'its folder is in order'
is "$(all within)" "$(all undisturbed)" 'with what an undisturbed run has'

# The try that counts is the later one by number, not by its clock.
mv photos/0_0.jpg kept.jpg
exits 1 'a row fails' "$resize" -o again "${options[@]}" list
mv kept.jpg photos/0_0.jpg
echo -2y >clock
exits 0 'and is done again, years before' "${faked[@]}" -o again --retry-failed "${options[@]}" list
is "$(results again)" "$(results undisturbed)" 'as if it had never failed'

done_testing
