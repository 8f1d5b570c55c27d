#!/usr/bin/env bash
# door_openapi.t - the description that a door gives of itself is true.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2119,SC2154
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/door.sh
. "$(dirname "$0")/../tap/door.sh"
here=$(cd "$(dirname "$0")" && pwd)
command -v python3 >/dev/null || skip_all 'no python3'
cd "$scratch" || exit 1
make_photos photos 2 1 300
tar -cf photos.tar -C photos .
vips gaussnoise noise.v 1500 1500 --sigma 60 &&
    vips cast noise.v 'slow.png[compression=1]' uchar || exit 1

make_state state acme || exit 1
export KEY_ALL=$key
add_key state zeta && export KEY_OTHER=$key
add_key state acme --scopes resize && export KEY_RESIZE=$key
add_key state acme --scopes usage && export KEY_USAGE=$key
add_key state acme --rate 1 --burst 1 && export KEY_LIMITED=$key

export BODY_MAX=$((16 << 20)) PROGRAM=$BUILD/millrace-door
limits=(--state state --deadline 60 --wait-max 60 --max-bytes "$BODY_MAX" --max-job-bytes 40M)
start_door tight "${limits[@]}" --workers 1 --queue-max 1 --queue amqp://127.0.0.1:1/ || exit 1
export TIGHT=${url#http://}
start_door leaving "${limits[@]}" --drain-wait 30 || exit 1
export LEAVING=${url#http://} LEAVING_PID=$door_pid
start_door main "${limits[@]}" || exit 1
export DOOR=${url#http://}
export PHOTO=photos/0_0.jpg SLOW=slow.png TAR=photos.tar
export DRAIN="'$BUILD/millrace-queue' drain --state state --once >drain.log 2>&1"
timeout 300 python3 "$here/door_openapi.py"
code=$?
for pid in "${door_pids[@]}"; do
    kill_door "$pid"
done
exit $code
