#!/usr/bin/env bash
# quarantine.t - a row whose workers are killed is tried on three in all, across runs; then it is
# given up with the signal, and its input is listed with its digest.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
cd "$scratch" || exit 1

# A second or two of work: an image that is large and slow to encode.
vips gaussnoise noise.v 4000 4000 --sigma 60 &&
    vips cast noise.v 'slow.png[compression=1]' uchar || exit 1
echo slow.png >manifest.txt
options=(--job slow -w 1 --to '2500x2500,format=webp,effort=6' manifest.txt)

# busy_worker PID: sets worker to the one that is at the image: it has used 0.3 s of CPU time.
busy_worker()
{
    local ticks
    worker=$(pgrep -P "$1" -f millrace-imageworker) || return 1
    ticks=$(sed 's/.*) //' "/proc/$worker/stat" | awk '{ print $12 + $13 }') || return 1
    [ "$ticks" -ge $(($(getconf CLK_TCK) * 3 / 10)) ]
}

# kill_workers COUNT: of the run whose pid is in run
kill_workers()
{
    local before=
    for ((i = 0; i < $1; i++)); do
        await busy_worker "$run" || return 1
        [ "$worker" != "$before" ] || return 1
        before=$worker
        kill -9 "$worker"
        await gone "$worker"
    done
}

gone()
{
    ! kill -0 "$1" 2>/dev/null
}

"$resize" -o one "${options[@]}" >stdout 2>stderr &
run=$!
kill_workers 3
ok $? 'three workers are killed, one after the other'
wait "$run"
is $? 1 'the run ends, with a failure'
is "$(jq -r .class one/.millrace/results.ndjson)" worker-crash 'the row is worker-crash'
like "$(jq -r .message one/.millrace/results.ndjson)" '^signal 9 \(Killed\) killed 3 workers' \
    'says what killed how many'
is "$(jq -r '[.row, .source, .digest] | @tsv' one/.millrace/quarantine.ndjson)" \
    "1	slow.png	$(sha256sum <slow.png | cut -d' ' -f1)" 'its input is in quarantine'
sound one 'the folder is in order'

"$resize" -o two "${options[@]}" >stdout 2>stderr &
run=$!
kill_workers 2
ok $? 'two workers are killed'
await busy_worker "$run" # so that the second death has been noted
kill -9 "$run"
wait "$run" 2>/dev/null
await gone "$worker"
"$resize" -o two "${options[@]}" >stdout 2>stderr &
run=$!
kill_workers 1
ok $? 'and after the run was killed too, one more'
wait "$run"
is $? 1 'which ends the row'
like "$(jq -r .message two/.millrace/results.ndjson)" 'killed 3 workers' 'as the third'

exits 0 'a row that is asked for again has three again' "$resize" -o two --retry-failed \
    "${options[@]}"
is "$(find two/.millrace -name quarantine.ndjson)" '' 'what has worked leaves quarantine'
is "$(report two '[.invariants[].holds] | all')" true 'the invariants hold'
done_testing
