#!/usr/bin/env bash
# reduce.t - what is added up by key on some ranks and gathered is what awk and sort make of the
# same records, whatever the ranks, their threads and their memory are; and when a rank fails, all
# end.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
cd "$scratch" || exit 1

driver=$BUILD/tests/mpi/reduce_driver
records=(--records 120000 --keys 30000 --seed 5)
mkdir spill

# add_up OPTION...: the sums of all records, by awk
add_up()
{
    "$driver" --dump "$@" | LC_ALL=C awk -F '\t' -v OFS='\t' '
        { keys[$1]; for (i = 2; i <= 5; i++) sums[$1, i] += $i }
        END {
            for (key in keys)
                printf "%s\t%.0f\t%.0f\t%.0f\t%.0f\n", key, sums[key, 2], sums[key, 3],
                    sums[key, 4], sums[key, 5]
        }' | LC_ALL=C sort -t $'\t' -k 1,1
}

# count NAME: a number of the driver's report
count()
{
    sed -n "s/.*\<$1 \([0-9]*\).*/\1/p" stderr
}

# compares NAME COMMAND...: what it prints, with the file "expected", and its counts with each other
compares()
{
    local name=$1
    shift
    "$@" >got 2>stderr </dev/null
    is $? 0 "$name: ends" || sed 's/^/# /' stderr >&2
    cmp -s expected got
    ok $? "$name: gives the sums of awk"
    is "$(count sent) $(count same)" "$(count received) 1" "$name: what was sent has come"
}

add_up "${records[@]}" >expected
like "$(wc -l <expected)" '^29[0-9]{3}$' 'there is something to add up' # 30000 x (1 - exp(-4))
for memory in 67108864 1048576; do
    budget="$((memory >> 20)) MiB"
    compares "alone, $budget" "$driver" "${records[@]}" --inputs 3 --memory $memory --scratch spill
    for count in 1 2 3 7; do
        compares "$count ranks, $budget" ranks $count "$driver" "${records[@]}" --memory $memory \
            --inputs $((1 + count % 2)) --scratch spill
        is "$(count added)" 120000 "$count ranks, $budget: every record was added once"
        is "$(($(count spilled) > 0))" $((memory < 2000000)) "$count ranks, $budget: spills or not"
    done
done
is "$(find spill -type f)" '' 'scratch is left empty'

# Extremes

add_up --records 5000 --keys 1 >expected
compares 'one key' ranks 3 "$driver" --records 5000 --keys 1
add_up --records 0 >expected
compares 'nothing' ranks 3 "$driver" --records 0
add_up --records 500 --keys 9 >expected
compares 'items larger than a message' ranks 3 "$driver" --records 500 --keys 9 --value 5000000

# Memory is that of the budget, beside what an empty run takes. On top are the state of zstd and the
# pieces that are gathered, about a MiB each.

# stays_within NAME COMMAND...: with 16 MiB for each rank
stays_within()
{
    local name=$1 empty grown
    shift
    "$@" --quiet --records 0 --memory 16777216 >got 2>stderr </dev/null
    empty=$(count peak-kib)
    "$@" --quiet --records 1500000 --keys 1500000 --memory 16777216 --scratch spill >got 2>stderr \
        </dev/null
    grown=$(($(count peak-kib) - empty))
    ok $(((grown > 19 * 1024) + ($(count spilled) == 0))) "$name ($grown KiB)"
}

if [ -n "${SAN:-}" ]; then
    ok 0 '16 MiB are 16 MiB # SKIP sanitizers take memory of their own'
else
    stays_within '16 MiB are 16 MiB' "$driver"
    stays_within 'on two ranks too' ranks 2 "$driver"
fi

# A rank that fails. All others learn of it, and none waits for ever.

# fails NAME RANKS OPTION...: within 30 s; each rank says something
fails()
{
    local name=$1 count=$2 rank
    shift 2
    timeout 30 mpirun -n "$count" --oversubscribe --bind-to none "$driver" "${records[@]}" \
        --quiet "$@" >got 2>stderr </dev/null
    code=$?
    like "$code" '^(74|75)$' "$name: ends, with an error" || sed 's/^/# /' stderr >&2
    for ((rank = 0; rank < count; rank++)); do
        like "$(cat stderr)" "rank $rank: " "$name: rank $rank knows"
    done
}

for rank in 0 2; do
    fails "rank $rank fails before the shuffle" 3 --fail-adding $rank
    fails "rank $rank fails behind it" 3 --fail-reading $rank
done
fails 'scratch is not there' 2 --memory 1048576 --scratch absent
like "$(cat stderr)" 'scratch in absent: No such file' 'which is told'

done_testing
