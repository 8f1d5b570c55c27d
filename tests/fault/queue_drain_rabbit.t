#!/usr/bin/env bash
# queue_drain_rabbit.t - drains and brokers of a cluster are killed by turns, while jobs are
# submitted by a client that asks again, with the same key, until it has its answer. Every job that
# was accepted is done, once.
# MILLRACE_SEED: which moments. MILLRACE_TORTURE: many more times.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/queue.sh
. "$(dirname "$0")/../tap/queue.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/rabbit.sh
. "$(dirname "$0")/../tap/rabbit.sh"
cd "$scratch" || exit 1

: "${MILLRACE_SEED:=1}"
RANDOM=$MILLRACE_SEED
rounds=4
[ -z "${MILLRACE_TORTURE:-}" ] || rounds=40
echo "# MILLRACE_SEED=$MILLRACE_SEED rounds=$rounds"

rabbit_start
queue_options=(--queue "$place?queue=bulk")
make_job

# submit_at_last KEY: until it is accepted
submit_at_last()
{
    local until=$((SECONDS + 60))
    until submit "${queue_options[@]}" --customer acme --key "$1" --to '300x300;100x' job.tar; do
        refused=$((refused + 1))
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.3
    done
    accepted+=("$id")
}

refused=0
for ((i = 0; i < 3; i++)); do start_drain; done
for ((round = 0; round < rounds; round++)); do
    victim=$((RANDOM % 3 + 1))
    rabbit kill $victim
    submit_at_last "a$round"
    kill_drain
    submit_at_last "b$round"
    start_drain
    sleep "0.$(printf %03d $((RANDOM % 700)))"
    kill_drain
    start_drain
    rabbit start $victim >/dev/null
done
is "${#accepted[@]}" $((2 * rounds)) 'all jobs were accepted'
echo "# refused, and sent again: $refused"
all_are_done $((120 + rounds * 4))
done_testing
