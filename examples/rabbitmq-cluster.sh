#!/usr/bin/env bash
# rabbitmq-cluster.sh COMMAND DIR [ARGUMENT] - three RabbitMQ brokers on this machine, without a
# service manager, for trying what a cluster does. Data, logs, cookie and pids are in DIR.
#
#     start DIR [N]       all brokers (or one), waits until they serve; prints the queue's place
#     stop DIR [N]        in good order
#     status DIR          a line a broker: number, address, running|frozen|down
#     place DIR [N]       amqp://HOST:PORT,.. as millrace door --queue takes it
#     leader DIR QUEUE    the number of the broker that leads a quorum queue
#     kill|freeze|thaw DIR N      SIGKILL, SIGSTOP, SIGCONT
#     ctl DIR ARGUMENT...         rabbitmqctl on the first broker that runs
#
# Any user of this machine can connect: real brokers have a user of their own for millrace, with
# permissions for its two queues. Environment: RABBIT_HOSTS, three addresses in place of 127.0.0.1;
# RABBIT_RUN, a command that runs others where broker %s lives, as in "ip netns exec ns%s";
# RABBIT_TICK, seconds of silence after which brokers take each other for lost.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

lib=/usr/lib/rabbitmq/bin
read -ra hosts <<<"${RABBIT_HOSTS:-127.0.0.1 127.0.0.1 127.0.0.1}"
: "${RABBIT_RUN:=}" "${RABBIT_TICK:=20}"
wait_s=120

usage()
{
    sed -n '2,/^# Any/{/^# Any/d; s/^# \{0,1\}//; p}' "$0" >&2
    exit 64
}

# choose_ports COUNT: so many that nobody uses now
choose_ports()
{
    perl -MIO::Socket::INET -e '
        my @held = map { IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") // die }
            1 .. shift @ARGV;
        print join(" ", map { $_->sockport } @held), "\n";' "$1"
}

# in_node N COMMAND...: where broker N lives, with what its programs want to know
in_node()
{
    local n=$1 run=()
    shift
    [ -z "$RABBIT_RUN" ] || read -ra run <<<"${RABBIT_RUN//%s/$n}"
    HOME=$dir ERL_EPMD_PORT=$epmd_port RABBITMQ_USE_LONGNAME=true \
        RABBITMQ_NODENAME=rq$n@${hosts[n - 1]} RABBITMQ_NODE_PORT=${ports[n - 1]} \
        RABBITMQ_NODE_IP_ADDRESS=${hosts[n - 1]} RABBITMQ_DIST_PORT=${ports[n + 2]} \
        RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_CONFIG_FILE=$dir/rabbitmq.conf \
        RABBITMQ_ADVANCED_CONFIG_FILE=$dir/advanced.config \
        RABBITMQ_GENERATED_CONFIG_DIR=$dir/$n/config RABBITMQ_MNESIA_BASE=$dir/$n/data \
        RABBITMQ_LOG_BASE=$dir/$n/log RABBITMQ_ENABLED_PLUGINS_FILE=$dir/enabled_plugins \
        RABBITMQ_ALLOW_INPUT=1 RABBITMQ_SERVER_START_ARGS=-noinput \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='+S 1:1 +A 4 +sbwt none +sbwtdcpu none +sbwtdio none' \
        "${run[@]}" "$@"
}

# pid_of NAME: of a process of ours that runs; a number alone may be another's by now
pid_of()
{
    local pid
    pid=$(cat "$dir/$1.pid" 2>/dev/null) && grep -qzx "HOME=$dir" "/proc/$pid/environ" \
        2>/dev/null && [ "$(cut -d' ' -f3 "/proc/$pid/stat")" != Z ] && echo "$pid"
}

prepare()
{
    mkdir -p "$dir"/{1,2,3}/{config,data,log}
    [ -s "$dir/ports" ] || choose_ports 7 >"$dir/ports"
    read -ra ports <"$dir/ports"
    epmd_port=${ports[6]}
    echo '[].' | tee "$dir/enabled_plugins" >"$dir/advanced.config"
    if [ ! -s "$dir/.erlang.cookie" ]; then
        (umask 077 && head -c 20 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$dir/.erlang.cookie")
        chmod 400 "$dir/.erlang.cookie"
    fi
    {
        echo "loopback_users = none"
        echo "cluster_formation.peer_discovery_backend = classic_config"
        for n in 1 2 3; do
            echo "cluster_formation.classic_config.nodes.$n = rq$n@${hosts[n - 1]}"
        done
        # The smaller part of a divided cluster stops: it may neither lose nor promise anything.
        echo "cluster_partition_handling = pause_minority"
        echo "net_ticktime = $RABBIT_TICK"
        # One that starts while another is away asks for its tables again every 5 s, not 30.
        echo "mnesia_table_loading_retry_timeout = 5000"
        echo "mnesia_table_loading_retry_limit = 60"
        echo "queue_master_locator = min-masters"
        echo "raft.wal_max_size_bytes = 16000000"
        echo "disk_free_limit.absolute = 50MB"
        echo "log.file.level = info"
    } >"$dir/rabbitmq.conf"
}

# start_one NAME N COMMAND...: in the background, unless it runs
start_one()
{
    local name=$1 n=$2
    shift 2
    [ -z "$(pid_of "$name")" ] || return 0
    # shellcheck disable=SC2016
    in_node "$n" setsid sh -c 'echo $$ >"$0" && exec "$@"' "$dir/$name.pid" "$@" \
        >>"$dir/$name.log" 2>&1 </dev/null &
}

# Erlang's own name service; one where all brokers share an address.
start_names()
{
    local n
    for n in 1 2 3; do
        if [ "$n" -eq 1 ] || [ "${hosts[n - 1]}" != "${hosts[0]}" ]; then
            start_one "epmd$n" "$n" epmd -port "$epmd_port" -address "${hosts[n - 1]}"
        fi
    done
}

serves()
{
    (exec 3<>"/dev/tcp/${hosts[$1 - 1]}/${ports[$1 - 1]}") 2>/dev/null
}

# await COMMAND...: until it succeeds
await()
{
    local until=$((SECONDS + wait_s))
    until "$@"; do
        if [ "$SECONDS" -ge "$until" ]; then
            echo "rabbitmq-cluster.sh: not within $wait_s s: $*; see $dir/*.log" >&2
            exit 75
        fi
        sleep 0.2
    done
}

all_joined()
{
    local count
    count=$(in_node 1 "$lib/rabbitmqctl" -q eval \
        'length(rabbit_mnesia:cluster_nodes(running)).' 2>/dev/null) && [ "$count" = 3 ]
}

start()
{
    local n nodes=(1 2 3)
    [ -z "$1" ] || nodes=("$1")
    start_names
    for n in "${nodes[@]}"; do
        start_one "$n" "$n" "$lib/rabbitmq-server"
    done
    for n in "${nodes[@]}"; do
        await serves "$n"
    done
    [ -n "$1" ] || await all_joined
    place ''
}

gone()
{
    [ -z "$(pid_of "$1")" ]
}

# end NAME...: a stopped process hears SIGTERM when it goes on; who does not go is killed
end()
{
    local name pid until
    for name in "$@"; do
        if pid=$(pid_of "$name"); then kill -TERM "$pid" && kill -CONT "$pid"; fi
    done
    until=$((SECONDS + 15))
    for name in "$@"; do
        until gone "$name" || [ "$SECONDS" -ge "$until" ]; do sleep 0.1; done
        if pid=$(pid_of "$name"); then kill -KILL "$pid"; fi
        await gone "$name"
    done
}

stop()
{
    if [ -n "$1" ]; then
        end "$1"
    else
        end 1 2 3
        end epmd1 epmd2 epmd3
    fi
}

status()
{
    local n pid state
    for n in 1 2 3; do
        state=down
        if pid=$(pid_of "$n"); then
            state=running
            [ "$(cut -d' ' -f3 "/proc/$pid/stat")" != T ] || state=frozen
        fi
        echo "$n ${hosts[n - 1]}:${ports[n - 1]} $state"
    done
}

place()
{
    local n all=''
    for n in ${1:-1 2 3}; do
        all+=${all:+,}${hosts[n - 1]}:${ports[n - 1]}
    done
    echo "amqp://$all"
}

leader()
{
    local n name
    for n in 1 2 3; do
        name=$(in_node "$n" timeout 15 "$lib/rabbitmqctl" -q list_queues name leader 2>/dev/null |
            awk -v queue="$1" '$1 == queue { print $2 }') || continue
        if [[ $name =~ ^rq([0-9])@ ]]; then
            echo "${BASH_REMATCH[1]}"
            return
        fi
    done
    echo "rabbitmq-cluster.sh: nobody leads $1" >&2
    exit 69
}

ctl()
{
    local n
    for n in 1 2 3; do
        if [ -n "$(pid_of "$n")" ]; then
            in_node "$n" "$lib/rabbitmqctl" -q "$@"
            return
        fi
    done
    echo "rabbitmq-cluster.sh: no broker runs" >&2
    exit 69
}

[ $# -ge 2 ] || usage
mkdir -p "$2"
dir=$(realpath "$2")
argument=${3:-}
case $1:$argument in *: | *:[123] | leader:* | ctl:*) ;; *) usage ;; esac
prepare
case $1 in
start) start "$argument" ;;
stop) stop "$argument" ;;
status) status ;;
place) place "$argument" ;;
leader) leader "${argument:?}" ;;
kill) kill -KILL "$(pid_of "${argument:?}")" && await gone "$argument" ;;
freeze) kill -STOP "$(pid_of "${argument:?}")" ;;
thaw) kill -CONT "$(pid_of "${argument:?}")" ;;
ctl) ctl "${@:3}" ;;
*) usage ;;
esac
