#!/usr/bin/env bash
# deal.t - numbers are dealt to the threads of all ranks, each once, and fewer to a slow rank; when
# a thread fails, all end and know of it.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
cd "$scratch" || exit 1
driver=$BUILD/tests/mpi/deal_driver

# deal RANKS ARGUMENT...: the driver by so many ranks; 0: alone. Returns its code.
deal()
{
    local count=$1 launch=()
    shift
    rm -f rank.*
    [ "$count" -eq 0 ] || launch=(ranks "$count")
    "${launch[@]}" "$driver" "$@" >stdout 2>stderr </dev/null
}
# numbers: those that all ranks took
numbers() { cat rank.* | sed '/failed/d' | sort -n; }
# failed: how many ranks know of a failure
failed() { cat rank.* | grep -c failed; }
# share RANK: how many it took
share() { wc -l <"rank.$1"; }

for count in 0 1 5 300; do
    seq 0 $((count - 1)) >expected
    for ranks in 0 1 2 3 7; do # 0: alone, without mpirun
        deal $ranks --count $count
        is $? 0 "$ranks ranks end" || cat stderr
        numbers | cmp -s - expected
        ok $? "$ranks ranks: each of $count once"
    done
done

# As many as there are threads, 1 + 2 + 3: each has one, whoever is first.
deal 3 --count 6
is "$(share 0) $(share 1) $(share 2)" '1 2 3' 'every thread begins with one'

for slow in 0 1; do
    deal 2 --count 2000 --slow $slow
    is "$(numbers | wc -l)" 2000 "rank $slow is slow: all are done"
    echo "# rank 0 took $(share 0), rank 1 $(share 1)"
    ok "$([ "$(share $slow)" -lt 800 ]; echo $?)" 'and most by the other'
done

# The one who fails may be on any rank, and so may the last one to hear of it.
for fail in 0 1 3 50; do
    deal 3 --count 3000 --fail $fail
    is "$? $(failed)" '0 3' "who takes $fail fails: every rank knows"
    ok "$([ "$(numbers | wc -l)" -lt 2000 ]; echo $?)" "and few are done: $(numbers | wc -l)"
done
deal 3 --count 6 --fail 5
is "$? $(failed)" '0 3' 'who takes the last one fails: every rank knows'

done_testing
