#!/usr/bin/env bash
# door_overload.t - twice as many images as can be resized: what can be done is done, the rest is
# refused at once and told why, memory stays what it was, who floods takes nobody else's turn, and
# the books balance. How much of the peak is kept is measured by tests/bench/door.sh, on a machine
# that has nothing else to do; here it must be more than half.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/door.sh
. "$(dirname "$0")/../tap/door.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
load=$BUILD/tests/bench/door_load
seconds=${MILLRACE_TORTURE:+60}
cd "$scratch" || exit 1

make_photos photos 3 3 1000
make_state state flood || exit 1
flood=$key
add_key state other
other=$key
start_door door --state state --wait-max 1 --access-log none || exit 1

# images NAME KEY [OPTION...]: what becomes of them is in the file NAME
images()
{
    "$load" -H "Authorization: Bearer $2" "${@:3}" "${url#http://}" \
        '/v1/resize?to=200x200' photos/*.jpg >"$1"
}
# value NAME FILE
value()
{
    awk -v name="$1" '$1 == name { print $2; found = 1 } END { if (!found) print 0 }' "$2"
}
# at_least NUMBER SHARE OF NAME
at_least()
{
    awk -v got="$1" -v share="$2" -v of="$3" 'BEGIN { exit !(got >= share * of) }'
    ok $? "$4" || echo "#   $1, not $2 of $3" >&2
}
# explained FILE NAME: every request has an answer, and every refusal a reason
explained()
{
    is "$(grep -c '^status_' "$1") $(($(value sent "$1") - $(value status_200 "$1") -
        $(value status_503 "$1"))) $(value lost "$1") $(value unexplained "$1")" '2 0 0 0' "$2"
}
peak()
{
    images peak "$flood" -c 8 -t 4 && value served_per_s peak
}
# mean A B
mean()
{
    awk -v a="$1" -v b="$2" 'BEGIN { print (a + b) / 2 }'
}

# keeps_up NAME PEAK PEAK: was at least half of the peaks' mean served?
keeps_up()
{
    awk -v got="$(value served_per_s "$1")" -v peak="$(mean "$2" "$3")" \
        'BEGIN { printf "#   %s of %s\n", got, peak; exit !(got >= 0.5 * peak) }' >&2
}
# again NAME [OPTION...]: other tests may have wanted the cores meanwhile
again()
{
    images "$1" "$flood" -c 300 -r "$twice" "${@:2}" -t "${seconds:-8}"
}

first=$(peak)
at_least "$first" 1 1 'images are resized'
memory=$(awk '/VmHWM/ { print $2 }' "/proc/$door_pid/status")
twice=$(awk -v peak="$first" 'BEGIN { print 2 * peak }')

images steady "$flood" -c 300 -r "$twice" -t "${seconds:-10}"
second=$(peak)
explained steady 'twice the peak: every refusal has its reason'
is "$(grep -c '^code_' steady) $(($(value code_overloaded steady) - $(value status_503 steady)))" \
    '1 0' 'which is overload'
keeps_up steady "$first" "$second" || { again steady; keeps_up steady "$first" "$second"; } ||
    { again steady; keeps_up steady "$first" "$second"; }
ok $? 'what can be done is done'
# A second of waiting is predicted; cores that others want make more of it.
at_least 8000000 1 "$(value p99_us steady)" 'what is accepted is not kept waiting without end'

images storm "$flood" -c 300 -r "$twice" -x 5 -t "${seconds:-8}"
explained storm 'retries at once: every refusal has its reason'
at_least "$(value retried storm)" 1 1 'there are such'
third=$(peak)
keeps_up storm "$second" "$third" || { again storm -x 5; keeps_up storm "$second" "$third"; } ||
    { again storm -x 5; keeps_up storm "$second" "$third"; }
ok $? 'and work goes on'

# Somebody else, one image after another.
images flooding "$flood" -c 300 -r "$twice" -x 2 -t 8 &
flood_pid=$!
sleep 1
images beside "$other" -c 1 -t 5
wait "$flood_pid"
is "$(value status_503 beside)" 0 'who floods takes nobody else his turn'
at_least "$(value served beside)" 1 2 'which comes'
at_least "$(value p50_us flooding)" 1 "$(value p50_us beside)" 'sooner than that of who floods'

limit=131072
[ -z "${SAN:-}" ] || limit=2097152 # shadow memory
at_least "$limit" 1 "$(awk '/VmHWM/ { print $2 }' "/proc/$door_pid/status")" \
    "memory has a bound (it was $memory kB at the peak)"
sum=$(curl -s "$admin_url/metrics" | awk '
    /^millrace_door_requests_total{route="resize"/ { sum += $2 }
    END { print sum }')
is "$sum" "$(metric 'requests_offered_total{route="resize"}')" 'the books balance'
served=$(metric 'requests_total{route="resize",outcome="served"}')
stop_door "$door_pid"
is "$(cat state/usage/*.ndjson | wc -l)" "$served" 'what was served is what was logged'

done_testing
