#!/usr/bin/env bash
# queue_rabbit.t - the queue of a cluster keeps what it has confirmed, whatever happens to brokers:
# killed, frozen, cut off from the others, one or two of three; it answers within seconds that it
# cannot, and goes on by itself when it can again.
# MILLRACE_SEED: which broker is killed when. MILLRACE_TORTURE: many more times.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/rabbit.sh
. "$(dirname "$0")/../tap/rabbit.sh"
cd "$scratch" || exit 1

: "${MILLRACE_SEED:=1}"
RANDOM=$MILLRACE_SEED
rounds=2
[ -z "${MILLRACE_TORTURE:-}" ] || rounds=20
echo "# MILLRACE_SEED=$MILLRACE_SEED rounds=$rounds"

driver=$BUILD/tests/fault/queue_driver
call_s=6 # the longest that any call may take, with a second for a machine that is busy

# took_long FILE: the longest that a confirm in FILE took, in whole seconds
took_long()
{
    awk '$2 > most { most = $2 } END { print int(most) }' "$1"
}

# try_at PLACE NUMBER: enqueues once; exit code and whole seconds
try_at()
{
    local code=0 seconds
    seconds=$("$driver" "$1?queue=jobs" try "$2" 2>>tries.err) || code=$?
    echo "$code ${seconds%.*}"
}

# puts NAME FIRST COUNT [MS]: enqueues in the background
puts()
{
    "$driver" "$place?queue=jobs" put "${@:2}" >"$1.put" 2>"$1.err" &
}

# is_refused GOT: a refusal that came in time
is_refused()
{
    [[ $1 =~ ^69\ ([0-9]+)$ ]] && [ "${BASH_REMATCH[1]}" -le "$call_s" ]
}

# await_try PLACE: until one is confirmed there, a minute at most
await_try()
{
    local until=$((SECONDS + 60))
    until [[ $(try_at "$1" 9) == 0\ * ]]; do
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.5
    done
}

"$driver" "sqlite:$scratch/queue.sqlite" conform >sqlite.out 2>sqlite.err
is "$? $(grep -c '^good' sqlite.out) $(grep '^BAD' sqlite.out)" '0 28 ' 'the cases, on SQLite'

rabbit_start
"$driver" "$place?queue=conform" conform >amqp.out 2>amqp.err
is "$? $(grep -c '^good' amqp.out) $(grep '^BAD' amqp.out)" '0 28 ' \
    'the same cases, on three brokers' || cat amqp.err >&2

# Those queues are short. Who comes now declares longer ones.
rabbit ctl delete_queue conform.dead >/dev/null
is "$("$driver" "$place?queue=conform" put 7 1 | cut -d' ' -f1) $(
    "$driver" "$place?queue=conform" drain 1)" '7 7' \
    'dead letters that were removed are made again, with another length than the jobs have'

# What others put into the queue: nothing, a word, much, almost an id.
"$driver" "$place?queue=foreign" put 7 1 >/dev/null
rabbit ctl eval 'Exchange = rabbit_misc:r(<<"/">>, exchange, <<>>),
    [rabbit_basic:publish(Exchange, <<"foreign">>, [], Body) || Body <- [<<>>, <<"word">>,
        binary:copy(<<"x">>, 300000), <<"j0123456789abcdef0123456789ABCDEF">>]].' >/dev/null
"$driver" "$place?queue=foreign" put 8 1 >/dev/null
is "$("$driver" "$place?queue=foreign" drain 2 2>&1 | paste -sd' ')" '7 8' \
    'messages of others are passed over'
until_s=$((SECONDS + 10))
until [ "$("$driver" "$place?queue=foreign" depth)" = '0 0 4' ] || [ $SECONDS -ge $until_s ]; do
    sleep 0.2
done
is "$("$driver" "$place?queue=foreign" depth)" '0 0 4' 'and kept as dead letters'

# A drain that is killed.
is "$(try_at "$place" 1)" '0 0' 'a job is put in'
"$driver" "$place?queue=jobs" hold 60 >held &
holder=$!
until [ -s held ]; do sleep 0.05; done
is "$("$driver" "$place?queue=jobs" depth)" '0 0 0' 'a drain has it, and nobody else gets it'
kill -KILL $holder
wait $holder 2>/dev/null
is "$(cat held) $("$driver" "$place?queue=jobs" drain 1)" "1 1" \
    'it returns when the drain is killed'

# One broker of three, then two.
leader=$(rabbit leader jobs)
puts killed 100 200 5
sleep 0.5
rabbit kill "$leader"
wait $!
is "$? $(wc -l <killed.put)" '0 200' 'all are confirmed though the leader is killed'
seconds=$(took_long killed.put)
ok $((seconds > 10)) "the longest took $seconds s"
second=$((leader % 3 + 1))
rabbit kill $second
got=$(try_at "$place" 8)
ok "$(is_refused "$got"; echo $?)" "two of three are killed: an enqueue is refused in time ($got)"
like "$(tail -n 1 tries.err)" 'refused|no answer in time|socket' 'it says what is wrong'
puts returned 300 5
rabbit start >/dev/null
wait $!
is "$? $(wc -l <returned.put)" '0 5' 'it goes on when they return'

# A broker that is frozen.
leader=$(rabbit leader jobs)
puts frozen 400 200 5
sleep 0.5
rabbit freeze "$leader"
for n in 1 2 3; do
    got=$(try_at "$(rabbit place $n)" 10)
    ok "$([[ $got =~ ^0 ]] || is_refused "$got"; echo $?)" \
        "the leader is frozen: broker $n answers in time ($got)"
done
wait $!
is "$? $(wc -l <frozen.put)" '0 200' 'all are confirmed though it stays frozen'
echo "# the longest took $(took_long frozen.put) s"
rabbit thaw "$leader"
# The next fault finds three brokers, or two of them would wait for each other's tables.
ok "$(await_try "$(rabbit place "$leader")"; echo $?)" 'it takes part again when it is thawed'

# A network that is divided.
if [ -n "$rabbit_net" ]; then
    leader=$(rabbit leader jobs)
    puts divided 700 200 5
    sleep 0.5
    rabbit_cut "$leader"
    alone=$(rabbit place "$leader")
    code=0
    rabbit_at "$leader" "$driver" "$alone?queue=jobs" try 11 >alone.out 2>alone.err || code=$?
    got="$code $(cut -d. -f1 alone.out)"
    ok "$(is_refused "$got"; echo $?)" "the leader is cut off: it promises nothing ($got)"
    wait $!
    is "$? $(wc -l <divided.put)" '0 200' 'the others go on without it'
    echo "# the longest took $(took_long divided.put) s"
    rabbit_join "$leader"
    ok "$(await_try "$alone"; echo $?)" 'it takes part again when it is joined'
else
    echo '# SKIP a network that is divided: network namespaces are not allowed here'
fi

# Any of them, again and again.
puts first 1000 $((500 * rounds)) 20
first=$!
puts second 100000 $((500 * rounds)) 20
second=$!
"$driver" "$place?queue=jobs" drain 100000 >drained &
drain=$!
for ((i = 0; i < rounds; i++)); do
    n=$((RANDOM % 3 + 1))
    echo "# kills broker $n"
    rabbit kill $n
    rabbit start $n >/dev/null
done
wait $first
one=$?
wait $second
is "$one $? $(cat first.put second.put | wc -l)" "0 0 $((1000 * rounds))" \
    "all are confirmed though brokers are killed $rounds times"
wait $drain
"$driver" "$place?queue=jobs" depth | sed 's/^/# ready, claimed, dead: /'
cut -d' ' -f1 ./*.put | sort -u >confirmed
sort drained | uniq -d | wc -l | sed 's/^/# delivered twice: /'
is "$(sort -u drained | comm -23 confirmed - | wc -l) of $(wc -l <confirmed)" \
    "0 of $((${rabbit_net:+200} + 405 + 1000 * rounds))" 'nothing that was confirmed is lost'

done_testing
