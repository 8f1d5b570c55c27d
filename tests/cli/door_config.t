#!/usr/bin/env bash
# door_config.t - a configuration is refused before it can do harm: by --check, at a start, and by
# SIGHUP, which lets the old one serve on.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/door.sh
. "$(dirname "$0")/../tap/door.sh"
cd "$scratch" || exit 1
make_state state acme --scopes resize

# refuses CODE NAME PATTERN OPTION...: --check does, and says why; nothing is changed by it
refuses()
{
    local code=$1 name=$2 pattern=$3
    shift 3
    exits "$code" "$name is refused" "$door" --check --state state "$@" &&
        like "$(cat stderr)" "$pattern" "$name: it is said what is wrong"
}
snapshot()
{
    find state -printf '%p %T@ %s\n' | sort
}
before=$(snapshot)
exits 0 'a good configuration' "$door" --check --state state --listen 127.0.0.1:0
like "$(cat stderr)" 'all is there' 'is found good'
is "$(cat stdout)" '' 'with nothing on standard output'
echo '{"state":"state","listen":"127.0.0.1:0","threads":2,"max-bytes":"8Mi","deadline":"10s",
    "trust":["state/identity/publisher.pub"],"customer-share":40,"wait-max":0.5}' >good.json
exits 0 'a good file' "$door" --check --config good.json

# Options.
refuses 64 'an unknown option' 'did you mean --threads' --thread 2
refuses 64 'an operand' 'expected options alone' door
refuses 64 'a number that is none' '--threads=many: expected a whole number' --threads many
refuses 64 'too many threads' '--threads=1000: .* 1 to 256' --threads 1000
refuses 64 'no threads' '--threads=0' --threads 0
refuses 64 'a time that is none' '--deadline=soon: expected 1 to 3600 seconds' --deadline soon
refuses 64 'a time without end' '--deadline=2h' --deadline 2h
refuses 64 'a share above all' '--customer-share=101' --customer-share 101
refuses 64 'an address that is none' '--listen: 8080: expected ADDRESS:PORT' --listen 8080
refuses 64 'a port that is none' '--listen: 127.0.0.1:99999: expected' --listen 127.0.0.1:99999
refuses 64 'an address without brackets' '--listen: ::1:8080: expected' --listen ::1:8080
refuses 73 'an address of another machine' '--listen: .*192.0.2.1:80' --listen 192.0.2.1:80
refuses 64 'one address for two' '--admin=127.0.0.1:9: it is where clients come' \
    --listen 127.0.0.1:9 --admin 127.0.0.1:9
refuses 64 'a cluster with a slash' '--cluster=a/b: expected' --cluster a/b
refuses 64 'limits that contradict each other' '--max-bytes is more than --max-job-bytes' \
    --max-bytes 2M --max-job-bytes 1M
refuses 64 'threads without connections' '--threads is more than --connections' --threads 8 \
    --connections 4
refuses 64 'a queue of another kind' '--queue: ' --queue redis:x
refuses 66 'sources that are not there' '--sources=nowhere: there is no such folder' \
    --sources nowhere
refuses 64 'a user who is not there' '--user=nobody-at-all: ' --user nobody-at-all
refuses 64 'identity from where nobody asks' '--identity=ftp://x/y: expected a folder, or http' \
    --identity ftp://x/y
refuses 73 'a queue where there is no folder' '--queue: nowhere' --queue sqlite:nowhere/q.sqlite
refuses 73 'jobs where there is no folder' '--jobs: nowhere' --jobs nowhere/jobs
refuses 73 'an access log where there is no folder' '--access-log: nowhere' \
    --access-log nowhere/log
refuses 73 'an access log that is a folder' '--access-log: state' --access-log state
if [ "$(id -u)" -eq 0 ]; then
    refuses 66 'a state that the user may not have' '--state=state: .*denied' --user nobody
fi
exits 64 'no state' "$door" --check
like "$(cat stderr)" 'expected --state DIR; millrace keys init' 'and how one is made'
exits 66 'a state that is not there' "$door" --check --state nowhere
like "$(cat stderr)" 'millrace keys init nowhere' 'and how it is made'

# Keys.
refuses 66 'no publisher to trust' '--trust: .*nobody.pub' --trust nobody.pub
printf 'untrusted comment: x\nnonsense\n' >bad.pub
refuses 65 'a damaged key' '--trust: .*bad.pub' --trust bad.pub
make_state other
refuses 65 'keys by another publisher' '--identity=state/identity/published' \
    --trust other/identity/publisher.pub
cp -r state torn
sed -i 's/^epoch .*/epoch 77/' torn/identity/published/head
exits 65 'a forged head' "$door" --check --state torn
cp state/identity/published/head torn/identity/published/head
for snapshot in torn/identity/published/snapshot-*; do
    printf x | dd of="$snapshot" bs=1 seek=5000 conv=notrunc 2>/dev/null
done
exits 65 'a damaged snapshot' "$door" --check --state torn
like "$(cat stderr)" 'the snapshot that the head names is missing or damaged' 'is seen'
cp state/identity/published/snapshot-* torn/identity/published
rm torn/door.key
exits 66 'no key for receipts' "$door" --check --state torn
like "$(cat stderr)" 'signs receipts.*door.key' 'says which file'
printf 'x' >torn/door.key
exits 65 'a damaged key for receipts' "$door" --check --state torn

# The worker.
mkdir bin
cp "$door" bin/millrace-door
exits 69 'no image worker' bin/millrace-door --check --state state
like "$(cat stderr)" 'millrace-imageworker: the image worker does not start' 'is found'
printf '#!/bin/sh\nexit 127\n' >bin/millrace-imageworker
chmod +x bin/millrace-imageworker
exits 69 'a worker that does not start' bin/millrace-door --check --state state

# The file.
in_file()
{
    local name=$1 pattern=$2 text=$3
    echo "$text" >bad.json
    refuses 65 "$name" "bad.json: $pattern" --config bad.json
}
in_file 'a member that is not known' 'listn: there is no such member' '{"listn":"127.0.0.1:1"}'
in_file 'a file in a file' 'config: there is no such member' '{"config":"x"}'
in_file 'a number for a text' 'listen: expected a text' '{"listen":8080}'
in_file 'a text for a list' 'trust: expected a list' '{"trust":"x"}'
in_file 'an empty list' 'trust: expected a list' '{"trust":[]}'
in_file 'a list of numbers' 'trust: expected a list' '{"trust":[1]}'
in_file 'a number that is too large' 'threads=300: expected' '{"threads":300}'
in_file 'a negative number' 'threads=-1: expected' '{"threads":-1}'
in_file 'a fraction' 'threads=1.5: expected a whole number' '{"threads":1.5}'
in_file 'a truth' 'threads: expected a number' '{"threads":true}'
in_file 'a member twice' '' '{"threads":1,"threads":2}'
in_file 'what is no JSON' '' '{"threads":1'
in_file 'a list of all' '' '[]'
refuses 66 'a file that is not there' 'none.json' --config none.json
exits 0 'an option wins over the file' "$door" --check --config bad.json --config good.json \
    --threads 1
is "$(snapshot)" "$before" 'checking changed nothing'

# At a start.
for bad in '--threads 0' '--listen nowhere' '--trust nobody.pub'; do
    # shellcheck disable=SC2086
    "$door" --state state --listen 127.0.0.1:0 $bad >stdout 2>stderr </dev/null
    code=$?
    like "$code $(grep -c listening stderr)" '^6[46] 0$' "nothing starts with $bad"
done
start_door first --state state || exit 1
"$door" --state state --listen "${url#http://}" >stdout 2>stderr </dev/null
is "$?" 73 'a second door at the same address does not start'
like "$(cat stderr)" 'is another door there' 'and says why'
exits 0 'but its configuration can be checked beside the first' "$door" --check --state state \
    --listen "${url#http://}"
like "$(cat stderr)" 'notice: --listen=.* is in use' 'with a notice'
stop_door "$door_pid"

# SIGHUP.
vips black one.png 1 1
echo '{"max-bytes":"1Mi"}' >live.json
start_door live --state state --config live.json --workers 1 || exit 1
is "$(call POST '/v1/resize?to=1x1' --data-binary @one.png)" 200 'an image is taken'
echo '{"max-bytes":10}' >live.json
kill -HUP "$door_pid"
# shellcheck disable=SC2317 # poll calls it
in_force()
{
    [ "$(grep -c "$1" live.log)" -ge "$2" ]
}
poll 5 in_force 'is in force' 1
ok $? 'a new configuration is in force'
is "$(call POST '/v1/resize?to=1x1' --data-binary @one.png) $(problem_code)" '413 too-large' \
    'and holds'
refusals=0
for bad in '{"max-bytes":0}' '{"nonsense":1}' '{' '{"cluster":"other"}'; do
    echo "$bad" >live.json
    kill -HUP "$door_pid"
    refusals=$((refusals + 1))
    poll 5 in_force 'refused, the old configuration' "$refusals"
    ok $? "$bad is refused"
    is "$(call POST '/v1/resize?to=1x1' --data-binary @one.png)" 413 'and the old one serves on'
done
like "$(tail -n 1 live.log)" 'live.json: cluster has changed, which needs a restart' \
    'a restart is asked for'
is "$(metric reloads_refused_total)" "$refusals" 'refusals are counted'

# What a worker has been given is held to the limits of that time. Stopped, it has the image while
# they change.
vips black tile.png 100 100
vips black other.png 90 90
echo '{"max-pixels":100000}' >live.json
kill -HUP "$door_pid"
poll 5 in_force 'is in force' 2
is "$(call POST '/v1/resize?to=9x9' --data-binary @other.png)" 200 'a worker is there'
worker=$(pgrep -P "$door_pid" millrace-image)
kill -STOP "$worker"
curl -s -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $key" --data-binary @tile.png \
    "$url/v1/resize?to=9x9" >held &
client=$!
# shellcheck disable=SC2317 # poll calls it
is_given()
{
    [ "$(metric inline_running)" = 1 ]
}
poll 5 is_given
echo '{"max-pixels":1000}' >live.json
kill -HUP "$door_pid"
poll 5 in_force 'is in force' 3
kill -CONT "$worker"
wait "$client"
is "$(cat held)" 200 'an image that a worker has is judged by the limits that it was given by'
is "$(call POST '/v1/resize?to=9x9' --data-binary @tile.png) $(problem_code)" '422 too-large' \
    'and the next by the new ones, not as one that kills workers'
rm live.json
kill -HUP "$door_pid"
poll 5 in_force 'refused, the old' $((refusals + 1))
ok $? 'a file that is gone is refused'
mv live.access live.old
kill -HUP "$door_pid"
# shellcheck disable=SC2317 # poll calls it
has_new_log()
{
    call GET /health/live >/dev/null
    [ -s live.access ]
}
poll 5 has_new_log
ok $? 'the access log is opened anew, for a rotation'
stop_door "$door_pid"
is "$code" 0 'it ends well'
done_testing
