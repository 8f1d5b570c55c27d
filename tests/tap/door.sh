# door.sh - what the tests of the front door share: a state with a key, doors on free ports, and
# their end. Source it after tap.sh. Doors that still run at the end of a test are killed.
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154

keys=$BUILD/millrace-keys
door=$BUILD/millrace-door
door_pids=()
trap 'end_doors; rm -rf "$scratch"' EXIT

# make_state STATE [CUSTOMER [OPTION...]]: a new state, and a key in $key when there is a customer
make_state()
{
    local state=$1
    if ! "$keys" init "$state" >"$scratch/keys.log" 2>&1; then
        sed 's/^/#   /' "$scratch/keys.log" >&2
        return 1
    fi
    [ $# -gt 1 ] || return 0
    shift
    add_key "$state" "$@"
}

# add_key STATE CUSTOMER [OPTION...]: its key in $key
add_key()
{
    local state=$1 customer=$2
    shift 2
    key=$("$keys" add "$state" --customer "$customer" "$@" 2>"$scratch/keys.log")
}

# poll SECONDS COMMAND...: until it succeeds
poll()
{
    local until=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.05
    done
}

# start_door NAME [OPTION...]: a door that writes NAME.log and NAME.access, ready when this returns.
# Sets $door_pid, $url and $admin_url. Comes before the options: --listen 127.0.0.1:0 --admin
# 127.0.0.1:0. $door_prefix is put before the program (an array).
start_door()
{
    local name=$1
    shift
    rm -f "$name.log" # of a door of that name before
    ${door_prefix[@]+"${door_prefix[@]}"} "$door" --listen 127.0.0.1:0 --admin 127.0.0.1:0 \
        --access-log "$name.access" "$@" 2>"$name.log" </dev/null &
    door_pid=$!
    door_pids+=("$door_pid")
    if ! poll 20 door_has_begun "$name" "$door_pid" || ! grep -q 'listening on' "$name.log"; then
        sed 's/^/#   /' "$name.log" >&2
        return 1
    fi
    url=http://$(sed -n 's/.*door: listening on //p' "$name.log")
    admin_url=http://$(sed -n 's/.*admin on //p' "$name.log")
}

# It listens (and has said where for those who run it), or it has ended.
door_has_begun()
{
    grep -q 'listening on' "$1.log" 2>/dev/null || ! kill -0 "$2" 2>/dev/null
}

# stop_door [PID]: as a supervisor does. Its exit code in $code.
stop_door()
{
    local pid=${1:-$door_pid}
    kill -TERM "$pid" 2>/dev/null
    code=0
    wait "$pid" 2>/dev/null || code=$?
}

# kill_door [PID]: as a power cut does
kill_door()
{
    local pid=${1:-$door_pid}
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
}

end_doors()
{
    local pid
    for pid in ${door_pids[@]+"${door_pids[@]}"}; do
        kill -KILL "$pid" 2>/dev/null
    done
}

# metric 'NAME{LABELS}' [URL]: its value
metric()
{
    curl -sf "${2:-$admin_url}/metrics" | awk -v name="millrace_door_$1" '$1 == name { print $2 }'
}

# call METHOD PATH [CURL OPTION...]: with $key. Prints the status; the answer is in $scratch/body,
# its headers in $scratch/headers.
call()
{
    local method=$1 path=$2
    shift 2
    curl -s -X "$method" -o "$scratch/body" -D "$scratch/headers" -w '%{http_code}' \
        -H "Authorization: Bearer $key" "$@" "$url$path"
}

# problem_code: of the last answer
problem_code()
{
    jq -r .code "$scratch/body"
}

# answer_header NAME: of the last answer
answer_header()
{
    tr -d '\r' <"$scratch/headers" |
        awk -v name="$1" 'BEGIN { FS = ": " } tolower($1) == tolower(name) { print $2 }'
}
