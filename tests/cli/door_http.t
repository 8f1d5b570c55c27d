#!/usr/bin/env bash
# door_http.t - HTTP as no client should speak it: every request has its answer, or its end, and the
# door's books balance.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/door.sh
. "$(dirname "$0")/../tap/door.sh"
here=$(cd "$(dirname "$0")" && pwd)
cd "$scratch" || exit 1

make_state state acme --scopes resize
vips black one.png 1 1
start_door first --state state --max-bytes 2Mi || exit 1
rounds=2000
[ -z "${MILLRACE_TORTURE:-}" ] || rounds=50000
seed=${MILLRACE_SEED:-$(date +%s)}
echo "# seed $seed"
python3 "$here/door_http.py" "${url#http://}" "$key" one.png "$rounds" "$seed" >tap 2>why
while read -r verdict _ _ name; do
    [ "$verdict" = ok ]
    ok $? "$name"
done < <(sed 's/^not ok/not_ok/' tap)
sed 's/^/#   /' why >&2
like "$(tail -n 1 tap)" 'requests of noise' 'all was tried'

kill -0 "$door_pid"
ok $? 'the door lives'
# shellcheck disable=SC2317 # poll calls it
all_closed()
{
    [ "$(metric connections)" = 0 ]
}
poll 10 all_closed
ok $? 'and keeps no connection'
curl -s "$admin_url/metrics" >metrics
# sum FAMILY ROUTE
sum()
{
    awk -v start="millrace_door_$1{route=\"$2\"" \
        'index($1, start) == 1 { n += $2 } END { print n + 0 }' metrics
}
for route in none key resize health; do
    is "$(sum requests_total $route)" "$(sum requests_offered_total $route)" \
        "offered = served + refused + failed: $route"
    is "$(sum requests_in_hand $route)" 0 "and none is left in hand: $route"
done
offered=$(awk '/^millrace_door_requests_offered_total/ { n += $2 } END { print n }' metrics)
# Lines are gathered for a tenth of a second before they are written.
# shellcheck disable=SC2317 # poll calls it
all_logged()
{
    [ "$(wc -l <first.access)" -ge "$offered" ]
}
poll 10 all_logged
is "$(wc -l <first.access)" "$offered" 'each has its line in the access log'
jq -e . first.access >/dev/null
ok $? 'which is JSON whatever was sent'
stop_door "$door_pid"
is "$code" 0 'it ends well'
is "$(cat state/usage/*.ndjson | wc -l)" \
    "$(jq -r 'select(.route == "resize" and .outcome == "served") | .id' first.access | wc -l)" \
    'served = usage events'
is "$(find state/jobs/.tmp -type f -size +0 | wc -l)" 0 'no body is left lying about'
done_testing
