# rabbit.sh - what the tests of RabbitMQ share: a cluster of three brokers that lives in $scratch
# and ends with the test. Source it after tap.sh.
# Where it is allowed, each broker has a network namespace of its own, so that a network can be
# divided; else all share 127.0.0.1.
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154

# Brokers that do not hear of each other for so long are lost to each other.
export RABBIT_TICK=8
rabbit_dir=$scratch/rabbit
rabbit_tag=mr$$
rabbit_net=''

# rabbit COMMAND [ARGUMENT]: see examples/rabbitmq-cluster.sh
rabbit()
{
    local command=$1
    shift
    "$tap_here/examples/rabbitmq-cluster.sh" "$command" "$rabbit_dir" "$@"
}

# Three namespaces on a bridge, which has the first address.
rabbit_divide()
{
    local n subnet=10.213.$(($$ % 250))
    ip link add "${rabbit_tag}b" type bridge && rabbit_net=$subnet &&
        ip address add "$subnet.254/24" dev "${rabbit_tag}b" &&
        ip link set "${rabbit_tag}b" up || return
    for n in 1 2 3; do
        ip netns add "$rabbit_tag-$n" &&
            ip link add "${rabbit_tag}v$n" type veth peer name eth0 netns "$rabbit_tag-$n" &&
            ip link set "${rabbit_tag}v$n" master "${rabbit_tag}b" up &&
            ip -n "$rabbit_tag-$n" link set lo up &&
            ip -n "$rabbit_tag-$n" address add "$subnet.$n/24" dev eth0 &&
            ip -n "$rabbit_tag-$n" link set eth0 up || return
    done
}

rabbit_undivide()
{
    local n
    [ -n "$rabbit_net" ] || return 0
    for n in 1 2 3; do
        ip netns delete "$rabbit_tag-$n" 2>/dev/null
    done
    ip link delete "${rabbit_tag}b" 2>/dev/null
    rabbit_net=''
}

rabbit_end()
{
    local n
    for n in 1 2 3; do
        rabbit kill "$n"
    done >/dev/null 2>&1
    rabbit stop
    rabbit_undivide
}

# rabbit_start: the place of the cluster into $place; skips the script where there is no RabbitMQ
rabbit_start()
{
    [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || skip_all 'rabbitmq-server is not installed'
    trap 'rabbit_end; rm -rf "$scratch"' EXIT
    if rabbit_divide 2>/dev/null; then
        export RABBIT_HOSTS="$rabbit_net.1 $rabbit_net.2 $rabbit_net.3"
        export RABBIT_RUN="ip netns exec $rabbit_tag-%s"
    else
        rabbit_undivide
    fi
    place=$(rabbit start) && return
    tail -n 20 "$rabbit_dir"/*.log >&2
    exit 1
}

# rabbit_at N COMMAND...: on the machine of broker N, as it were
rabbit_at()
{
    local n=$1
    shift
    ip netns exec "$rabbit_tag-$n" "$@"
}

# rabbit_cut N, rabbit_join N: nobody reaches broker N; everybody again
rabbit_cut()
{
    ip link set "${rabbit_tag}v$1" down
}
rabbit_join()
{
    ip link set "${rabbit_tag}v$1" up
}
