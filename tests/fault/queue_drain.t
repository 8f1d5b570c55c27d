#!/usr/bin/env bash
# queue_drain.t - drains are killed with -9 at any moment, alone or with all that they have started,
# while others go on and jobs are submitted. Every job that was accepted is done, once.
# MILLRACE_KILLS: how many are killed (20). MILLRACE_SEED: which moments.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/queue.sh
. "$(dirname "$0")/../tap/queue.sh"
cd "$scratch" || exit 1

: "${MILLRACE_KILLS:=${MILLRACE_TORTURE:+200}}"
: "${MILLRACE_KILLS:=20}" "${MILLRACE_SEED:=1}"
RANDOM=$MILLRACE_SEED
echo "# MILLRACE_KILLS=$MILLRACE_KILLS MILLRACE_SEED=$MILLRACE_SEED"

make_job
for ((i = 0; i < 3; i++)); do start_drain; done
for ((round = 0; round < MILLRACE_KILLS; round++)); do
    if [ $((round % 2)) -eq 0 ]; then
        submit --customer "c$((round % 3))" --key "k$round" --to '300x300;100x' job.tar &&
            accepted+=("$id")
    fi
    sleep "0.$(printf %03d $((RANDOM % 700)))"
    kill_drain
    start_drain
done
is "${#accepted[@]}" $(((MILLRACE_KILLS + 1) / 2)) 'all jobs were accepted'
all_are_done $((120 + MILLRACE_KILLS * 2))

# Sent again, by a client that has not heard of it.
submit --customer c0 --key k0 --to '300x300;100x' job.tar
is "$id" "${accepted[0]}" 'the same key is the same job'
is "$(states)" "${#accepted[@]} done" 'and makes no other'
done_testing
