#!/usr/bin/env bash
# ranks.sh: how much of two bare loops' speed two workers keep, how much of theirs two ranks under
# mpirun, and what durability costs, over runs of LONG images (2,200: about 20 s), for bench.sh.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
: "${BUILD:?}" "${BENCH_DIR:?}" "${LONG_ROUNDS:=3}" "${LONG:=2200}" "${SIDE:=320}"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 VIPS_CONCURRENCY=1

here=$(dirname "$0")
mapfile -t photo < <(find "$BENCH_DIR/photos" -name '*.jpg' | sort)
for ((copy = 0; copy * ${#photo[@]} < LONG; copy++)); do
    [ -d "$BENCH_DIR/long/$copy" ] || { mkdir -p "$BENCH_DIR/long/$copy" &&
        ln -s "${photo[@]}" "$BENCH_DIR/long/$copy"; }
done
find "$BENCH_DIR/long" -name '*.jpg' | sort | awk -v n="$LONG" 'NR <= n' > "$BENCH_DIR/long.txt"
mapfile -t input < "$BENCH_DIR/long.txt"

loop=$BUILD/tests/bench/bench_thumbnail_loop
bare_loop() { "$loop" -s "$SIDE" -q 75 "${input[@]}"; }
two_bare_loops() {
    "$loop" -s "$SIDE" -q 75 "${input[@]:0:LONG/2}" &
    "$loop" -s "$SIDE" -q 75 "${input[@]:LONG/2}"
    wait $!
}
# Nothing is removed before all is measured: whenever a file is made, ext4 without a journal steps
# over every inode freed in the last minutes. Over 2,200 of them that is 0.8 ms of CPU a file, where
# 0.04 are due.
outputs=$(mktemp -d "$BENCH_DIR/outputs-XXXXXX")
trap 'rm -rf "$outputs"' EXIT
run_count=0
resize() {
    "${@:2}" "$BUILD/millrace-resize" --workers "$1" --to "${SIDE}x$SIDE" \
        -o "$outputs/$((++run_count))" "$BENCH_DIR/long.txt"
}
one_worker() { resize 1; }
two_workers() { resize 2; }
two_not_durable() { resize 2 eatmydata; }
mpirun_2() { resize 2 mpirun --oversubscribe --bind-to none -n 2; }

contenders=(bare_loop one_worker two_bare_loops two_workers mpirun_2)
if command -v eatmydata > /dev/null; then
    contenders+=(two_not_durable)
else
    echo "# no eatmydata here; the cost of durability is left out"
fi
echo "# $LONG photographs to ${SIDE}x$SIDE JPEG q75; $LONG_ROUNDS rounds"
for ((round = 1; round <= LONG_ROUNDS; round++)); do
    for name in "${contenders[@]}"; do
        begin=$(date +%s%N)
        "$name" > "$BENCH_DIR/$name.log" 2>&1
        echo "$round $name $LONG $(($(date +%s%N) - begin))"
    done
done > "$BENCH_DIR/times-long"
awk -f "$here/ratios.awk" "$BENCH_DIR/times-long"
ratio() {
    awk -v base="$2" -f "$here/ratios.awk" "$BENCH_DIR/times-long" |
        awk -v name="$1" '$1 == name { print $3 }'
}
echo "one worker / bare loop:             $(ratio one_worker bare_loop)"
echo "two workers / two bare loops:       $(ratio two_workers two_bare_loops)"
echo "mpirun -n 2 / two workers solo:     $(ratio mpirun_2 two_workers)"
[ "${#contenders[@]}" -lt 6 ] ||
    echo "durable / not durable (eatmydata):  $(ratio two_workers two_not_durable)"
