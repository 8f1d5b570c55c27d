#!/usr/bin/env bash
# door.sh: the front door beside others on the same cores, which the client has too: light requests
# beside nginx that serves the same bytes with as many headers, images beside the batch job, then
# twice as many images as it can take, and three doors behind HAProxy. Contenders take turns in each
# of ROUNDS rounds; what counts is the median of the ratios of the same round.
#
# For orientation, not measured here: what imgproxy's author has published
# (gist.github.com/DarthSim/9d971d2859f3714a29cf8ce094b3fc55): 9.67 images a second of one JPEG of
# 36 megapixels and 29 MB to 500x500, on four virtual processors of 2019 (c5.xlarge).
#
# Environment: BUILD (absolute), ROUNDS (3), PERIOD (4 s of each contender), OVERLOAD (60 s), SIDE
# (320), COPIES of each photograph (4), BENCH_DIR (build/bench), DOOR_PARTS (light images overload
# proxy).
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${BUILD:?}" "${ROUNDS:=3}" "${PERIOD:=4}" "${OVERLOAD:=60}" "${SIDE:=320}" "${COPIES:=4}"
: "${BENCH_DIR:=$PWD/build/bench}" "${DOOR_PARTS:=light images overload proxy}"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 PATH=$PATH:/usr/sbin

here=$PWD/tests/bench
load=$BUILD/tests/bench/door_load
workers=$(nproc)
dir=$BENCH_DIR/door
rm -rf "$dir"
mkdir -p "$dir/www/v1"
pids=()
# nginx ends its workers when it is asked to end, and only then.
trap 'kill "${pids[@]}"; sleep 0.5; kill -KILL "${pids[@]}" || true; wait; rm -rf "$dir"' EXIT
"$here/photos.sh" "$BENCH_DIR/photos"
mapfile -t photo < <(find "$BENCH_DIR/photos" -name '*.jpg' | sort)
cd "$dir"

until_answers() {
    local i
    for ((i = 0; i < 400; i++)); do
        curl -sfk -o /dev/null "$1" && return
        sleep 0.05
    done
    echo "door.sh: $1 does not answer" >&2
    cat ./*.log >&2
    exit 1
}
# start_door NAME: its address in $place
start_door() {
    local i
    "$BUILD/millrace-door" --state state --listen 127.0.0.1:0 --access-log none \
        --workers "$workers" --wait-max 1 2> "$1.log" &
    pids+=($!)
    for ((i = 0; i < 400; i++)); do
        place=$(sed -n 's/.*door: listening on //p' "$1.log")
        [ -z "$place" ] || return 0
        sleep 0.05
    done
    cat "$1.log" >&2
    exit 1
}
# start_nginx: as many header lines as the door's answer has, which are eight with its status; on a
# port that is free.
start_nginx() {
    local i
    for ((i = 0; i < 20; i++)); do
        nginx_place=127.0.0.1:$((20000 + (RANDOM % 10000)))
        sed "s/PLACE/$nginx_place/" nginx.in > nginx.conf
        nginx -p "$dir" -c "$dir/nginx.conf" 2> nginx.log &
        pids+=($!)
        sleep 0.3
        ! kill -0 $! 2> /dev/null || return 0
    done
    cat nginx.log >&2
    exit 1
}
# value NAME FILE: of what door_load printed
value() { awk -v name="$1" '$1 == name { print $2; found = 1 } END { if (!found) print 0 }' "$2"; }
# rate_of_wrk URL [OPTION...]: requests a second; any status but 200 is an error
rate_of_wrk() {
    wrk -t2 -c64 -d "${PERIOD}s" -H "Authorization: Bearer $key" "${@:2}" "$1" > wrk.out
    if grep -q 'Non-2xx\|Socket errors' wrk.out; then
        cat wrk.out >&2
        exit 1
    fi
    awk '/^Requests\/sec/ { print $2 }' wrk.out
}
# line ROUND CONTENDER RATE: as ratios.awk has it
line() { awk -v a="$1" -v b="$2" -v rate="$3" 'BEGIN { print a, b, rate, 1000000000 }'; }

"$BUILD/millrace-keys" init state 2> keys.log
key=$("$BUILD/millrace-keys" add state --customer acme 2>> keys.log)
bearer="Authorization: Bearer $key"
start_door door
door_pid=${pids[-1]}
curl -sf -H "$bearer" "http://$place/v1/key" > body

light() {
    local headers filler='' name text
    text=$(cat body && echo .) # with its last line's end
    headers=$(curl -si -H "$bearer" "http://$place/v1/key" | sed '/^\r$/,$d' | wc -l)
    # nginx has six of its own: status, Server, Date, Content-Type, Content-Length, Connection.
    for ((name = 7; name <= headers; name++)); do
        filler+="add_header X-Filler-$name 0123456789abcdef0123456789abcdef;"
    done
    cat > nginx.in << END
worker_processes $workers;
pid nginx.pid;
error_log stderr;
daemon off;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp;
    uwsgi_temp_path tmp; scgi_temp_path tmp;
    server {
        listen PLACE;
        default_type application/json;
        location / { $filler return 200 '${text%.}'; }
    }
}
END
    start_nginx
    until_answers "http://$nginx_place/"
    cmp <(curl -s "http://$nginx_place/v1/key") body
    for ((round = 1; round <= ROUNDS; round++)); do
        line "$round" nginx "$(rate_of_wrk "http://$nginx_place/v1/key")"
        line "$round" door_v1_key "$(rate_of_wrk "http://$place/v1/key")"
    done > light.times
    echo "light requests with a key, $headers lines of header, 64 connections"
    awk -v base=nginx -v unit=requests -f "$here/ratios.awk" light.times
}

batch() {
    "$BUILD/millrace-resize" --workers "$workers" --to "${SIDE}x$SIDE" -o "out/$1" manifest.txt \
        > batch.log 2>&1 || { cat batch.log >&2; exit 1; }
}
inline() {
    "$load" -c $((4 * workers)) -t "$PERIOD" -H "$bearer" "$place" "/v1/resize?to=${SIDE}x$SIDE" \
        "${photo[@]}" > "$1" || exit 1
    if [ "$(value served "$1")" != "$(value sent "$1")" ]; then
        cat "$1" >&2
        exit 1
    fi
}
images() {
    local images=$((${#photo[@]} * COPIES)) begin copy
    for ((copy = 1; copy <= COPIES; copy++)); do
        mkdir -p "in/$copy"
        ln -s "${photo[@]}" "in/$copy"
        find "in/$copy" -name '*.jpg' | sort
    done > manifest.txt
    inline warm.out
    for ((round = 1; round <= ROUNDS; round++)); do
        begin=$(date +%s%N)
        batch "$round"
        echo "$round batch_job $images $(($(date +%s%N) - begin))"
        inline inline.out
        line "$round" door_v1_resize "$(value served_per_s inline.out)"
    done > images.times
    echo "$images photographs to ${SIDE}x$SIDE, $workers workers"
    echo '# imgproxy, as published: 9.67 images/s of 36 megapixels, on 4 virtual processors of 2019'
    awk -v base=batch_job -f "$here/ratios.awk" images.times
}

# overload_at NAME RATE [OPTION...]: what becomes of it, beside the peak before and after
overload_at() {
    local before=$peak
    "$load" -c 500 -r "$2" -t "$OVERLOAD" -H "$bearer" "${@:3}" "$place" \
        "/v1/resize?to=${SIDE}x$SIDE" "${photo[@]}" > "$1.out"
    inline peak.out
    peak=$(value served_per_s peak.out)
    printf '%-12s %9.0f %8.1f %7.3f %7d %7d %6d %5d %7d %7d %5d\n' "$1" "$2" \
        "$(value served_per_s "$1.out")" \
        "$(bc -l <<< "2 * $(value served_per_s "$1.out") / ($before + $peak)")" \
        "$(value served "$1.out")" "$(($(value answered "$1.out") - $(value served "$1.out")))" \
        "$(value unexplained "$1.out")" "$(value lost "$1.out")" \
        $(($(value p50_us "$1.out") / 1000)) $(($(value p99_us "$1.out") / 1000)) \
        "$(awk '/VmHWM/ { print int($2 / 1024) }' "/proc/$door_pid/status")"
}
overload() {
    local memory
    memory=$(awk '/VmHWM/ { print int($2 / 1024) }' "/proc/$door_pid/status")
    inline peak.out
    peak=$(value served_per_s peak.out)
    echo "twice as many images as the peak, for $OVERLOAD s; the door had $memory MB at most before"
    printf '%-12s %9s %8s %7s %7s %7s %6s %5s %7s %7s %5s\n' '' offered/s served/s of_peak served \
        refused no_why lost p50_ms p99_ms MB
    overload_at steady "$(bc <<< "$peak * 2")"
    overload_at retry_storm "$(bc <<< "$peak * 2")" -x 3
}

proxy() {
    local i direct=$place port=$((20000 + (RANDOM % 10000)))
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
        -subj /CN=localhost -keyout key.pem -out cert.pem 2> openssl.log
    cat cert.pem key.pem > door.pem
    for ((i = 1; i <= 3; i++)); do
        start_door "behind$i"
        export "MILLRACE_DOOR$i=$place"
    done
    MILLRACE_BIND=127.0.0.1:$port MILLRACE_CERT=$dir/door.pem \
        haproxy -f "$here/../../examples/haproxy.cfg" > haproxy.log 2>&1 &
    pids+=($!)
    until_answers "https://127.0.0.1:$port/health/ready"
    for ((round = 1; round <= ROUNDS; round++)); do
        line "$round" one_door "$(rate_of_wrk "http://$direct/v1/key")"
        line "$round" three_by_haproxy "$(rate_of_wrk "https://127.0.0.1:$port/v1/key")"
    done > proxy.times
    echo "three doors behind HAProxy with TLS, all on the same cores"
    awk -v base=one_door -v unit=requests -f "$here/ratios.awk" proxy.times
}

echo "# the front door; $ROUNDS rounds of $PERIOD s"
for part in $DOOR_PARTS; do
    "$part"
done
