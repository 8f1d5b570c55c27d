#!/usr/bin/env bash
# hosts.t - a host that dies or is cut off in the middle of a run under "millrace run": the run goes
# on without it and ends with the files, results and events of one that nobody disturbed. A crash
# of the job costs no host.
# Hosts are network namespaces with names, /dev/shm and TMPDIR of their own; what stands for ssh is
# a script that enters them.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
cd "$scratch" || exit 1

[ "$(id -u)" -eq 0 ] || skip_all 'network namespaces need root'
command -v ip >/dev/null || skip_all 'there is no ip (Debian: iproute2)'
net=millrace-$$
trap 'remove_hosts; rm -rf "$scratch"' EXIT
# shellcheck disable=SC2317 # by the trap
remove_hosts()
{
    local n
    for n in 1 2; do
        ip netns pids "$net-$n" 2>/dev/null | xargs -r kill -KILL 2>/dev/null
        ip netns del "$net-$n" 2>/dev/null
    done
}
make_hosts()
{
    local n
    for n in 1 2; do
        ip netns add "$net-$n" && ip -n "$net-$n" link set lo up && mkdir tmp-$n || return 1
    done
    ip link add veth1 netns "$net-1" type veth peer name veth2 netns "$net-2" || return 1
    for n in 1 2; do
        ip -n "$net-$n" addr add 10.77.0.$n/24 dev veth$n && ip -n "$net-$n" link set veth$n up ||
            return 1
    done
    ip netns exec "$net-1" unshare --uts --mount --ipc true
}
make_hosts 2>make_hosts.log || skip_all "no network namespaces here: $(tail -n 1 make_hosts.log)"

cat >enter <<EOF
#!/bin/sh
# enter N COMMAND...: on host N
n=\$1
shift
exec ip netns exec $net-\$n unshare --uts --mount --ipc sh -c '
    hostname host-\$0 && mount -t tmpfs none /dev/shm && TMPDIR=$scratch/tmp-\$0 && export TMPDIR &&
        exec "\$@"' \$n "\$@"
EOF
# Like ssh, it fails at once when nothing runs there, and hangs when the way there is cut.
cat >agent <<EOF
#!/bin/sh
# agent ADDRESS COMMAND...: as ssh
n=\${1##*.}
shift
echo "\$n \$*" >>$scratch/agent.log
[ -d $scratch/tmp-\$n ] && [ ! -e $scratch/dead-\$n ] || exit 255
ip -n $net-\$n link show dev veth\$n | grep -q LOWER_UP || exec sleep 60
exec $scratch/enter \$n sh -c "\$*"
EOF
chmod +x enter agent
export OMPI_MCA_plm_rsh_agent=$scratch/agent
printf '10.77.0.%d slots=1\n' 1 2 >both
printf '10.77.0.%d slots=1\n' 1 3 >absent
printf '# not there\n10.77.0.3\n' >none

make_photos photos 8 12 768
cp -rl photos again && cp -rl photos 'and again' # a run shall last a few seconds
printf '%s\n' {photos,again,'and again'}/*.jpg >list
options=(--job hosts --workers 1 --to 400x400 --to '300x,format=png' list)
exits 0 'a run that nobody disturbs' "$resize" -o undisturbed "${options[@]}"
outputs undisturbed >expected.files
results undisturbed >expected.results
event_ids undisturbed >expected.ids

# begin HOSTFILE OPTION...: a run on the hosts, in the background, from the first one
begin()
{
    local hostfile=$1
    shift
    rm -rf out agent.log dead-2
    ./enter 1 "$BUILD/millrace-run" -n 2 --hostfile "$hostfile" "$@" -- resize -o out \
        "${options[@]}" >stdout 2>stderr </dev/null &
    run=$!
}

# shellcheck disable=SC2317 # by await
# has_begun: both ranks have recorded rows
has_begun()
{
    [ "$(find out/.millrace -name 'ledger-*' -size +2k | wc -l)" -eq 2 ] && kill -0 "$run"
}

# ends NAME: the run ends well, with what there should be
ends()
{
    wait "$run"
    is $? 0 "$1: it ends with 0" || sed 's/^/# /' stderr >&2
    sound out "$1: the folder is in order"
    outputs out | cmp -s - expected.files
    ok $? "$1: the same files"
    results out | cmp -s - expected.results
    ok $? "$1: the same results"
    event_ids out | cmp -s - expected.ids
    ok $? "$1: the same events"
}

lost()
{
    jq -c .hosts_lost out/.millrace/verdict.json
}

# starts N: how often a daemon was started on host N
starts()
{
    grep -c "^$1 .*orted" agent.log
}

begin both
ends 'two hosts'
is "$(jq -r .node out/.millrace/results.ndjson | sort -u | tr '\n' ' ')" 'host-1 host-2 ' \
    'both have worked'
is "$(lost)" null 'and none was lost'

begin both
await has_begun
ok $? 'both hosts are at work'
touch dead-2
ip netns pids "$net-2" | xargs kill -KILL
ends 'a host dies'
like "$(cat stderr)" 'host lost: 10[.]77[.]0[.]2; going on with 10[.]77[.]0[.]1' 'it is named'
is "$(lost)" '["10.77.0.2"]' 'in the verdict too'
is "$(starts 2)" 1 'and is left alone'

begin both
await has_begun
ip -n "$net-2" link set veth2 down
ends 'a link is cut'
like "$(cat stderr)" 'host lost: 10[.]77[.]0[.]2; going on with 10[.]77[.]0[.]1' \
    'who is behind it is named'
is "$(lost)" '["10.77.0.2"]' 'in the verdict too'
ip netns pids "$net-2" | xargs -r kill -KILL
ip -n "$net-2" link set veth2 up

begin both
await has_begun
pkill -KILL -x --ns "$(ip netns pids "$net-2" | head -n 1)" --nslist net millrace-resize
ends 'a rank crashes'
like "$(cat stderr)" 'a rank was killed by signal 9; trying again' 'that is told'
is "$(grep -c 'lost:' stderr)" 0 'and no host is lost'
is "$(starts 2) $(lost)" '2 null' 'so the next try is on both'

begin absent
ends 'a host that is not there in the beginning'
is "$(lost)" '["10.77.0.3"]' 'is gone on without'

begin none --retries 1
wait "$run"
is $? 75 'without any host it gives up'
like "$(cat stderr)" 'no host answers' 'and says why'

done_testing
