#!/usr/bin/env bash
# door_page.t - the door's page, in a headless Chromium.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2119,SC2154
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/door.sh
. "$(dirname "$0")/../tap/door.sh"
here=$(cd "$(dirname "$0")" && pwd)
CHROMIUM=$(command -v chromium chromium-browser google-chrome | head -n 1)
[ -n "$CHROMIUM" ] || skip_all 'no Chromium'
command -v python3 >/dev/null || skip_all 'no python3'
cd "$scratch" || exit 1
make_photos photos 1 1 600
echo 'no picture' >text.txt
make_state state acme || exit 1
start_door one --state state || exit 1
export CHROMIUM SCRATCH=$scratch PHOTO=$scratch/photos/0_0.jpg TEXT=$scratch/text.txt
DOOR=${url#http://} KEY=$key DOOR_PID=$door_pid timeout 300 python3 "$here/door_page.py"
code=$?
kill_door
exit $code
