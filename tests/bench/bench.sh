#!/usr/bin/env bash
# bench.sh: our images a second beside those of others, on the same photographs in the same run.
# Machines are noisy, so every contender takes its turn in each of ROUNDS rounds, and what counts is
# the median of the ratios to the bare loop of the same round. A contender's time is that of its
# whole process.
#
# Environment: BUILD (absolute), ROUNDS (5), COPIES of each photograph (4), SIDE (320),
# BENCH_DIR (build/bench): photographs, outputs and, where npm is there, sharp.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${BUILD:?}" "${ROUNDS:=5}" "${COPIES:=4}" "${SIDE:=320}" "${BENCH_DIR:=$PWD/build/bench}"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 VIPS_CONCURRENCY=1

here=$PWD/tests/bench
photos=$BENCH_DIR/photos
"$here/photos.sh" "$photos"
mapfile -t photo < <(find "$photos" -name '*.jpg' | sort)
images=$((${#photo[@]} * COPIES))
for ((copy = 1; copy <= COPIES; copy++)); do
    [ -d "$BENCH_DIR/in/$copy" ] || { mkdir -p "$BENCH_DIR/in/$copy" &&
        ln -s "${photo[@]}" "$BENCH_DIR/in/$copy"; }
    find "$BENCH_DIR/in/$copy" -name '*.jpg' | sort
done > "$BENCH_DIR/manifest.txt"
mapfile -t input < "$BENCH_DIR/manifest.txt"

loop=$BUILD/tests/bench/bench_thumbnail_loop
bare_loop() { "$loop" -s "$SIDE" -q 75 -r 1 "${input[@]}"; }
bare_loop_srgb() { "$loop" -p srgb -s "$SIDE" -q 75 -r 1 "${input[@]}"; }
half=$((images / 2))
two_bare_loops() {
    "$loop" -s "$SIDE" -q 75 -r 1 "${input[@]:0:half}" &
    "$loop" -s "$SIDE" -q 75 -r 1 "${input[@]:half}"
    wait $!
}
# Nothing is removed before all is measured, see ranks.sh.
outputs=$(mktemp -d "$BENCH_DIR/outputs-XXXXXX")
trap 'rm -rf "$outputs"' EXIT
run_count=0
resize() {
    "${@:2}" "$BUILD/millrace-resize" --workers "$1" --to "${SIDE}x$SIDE" \
        -o "$outputs/$((++run_count))" "$BENCH_DIR/manifest.txt"
}
one_worker() { resize 1; }
two_workers() { resize 2; }
mpirun_2() { resize 2 mpirun --oversubscribe --bind-to none -n 2; }
vipsthumbnail_cli() {
    mkdir "$outputs/$((++run_count))"
    vipsthumbnail --size "${SIDE}x$SIDE>" -o "$outputs/$run_count/%s.jpg[Q=75,strip]" "${photo[@]}"
}
sharp() { node "$BENCH_DIR/sharp.mjs" "$SIDE" "${input[@]}"; }

contenders=(bare_loop one_worker two_bare_loops two_workers mpirun_2 bare_loop_srgb
    vipsthumbnail_cli)
if command -v npm > /dev/null; then
    cp "$here/sharp.mjs" "$BENCH_DIR/"
    if (cd "$BENCH_DIR" && { [ -d node_modules/sharp ] || npm install --no-fund sharp; }) \
        > "$BENCH_DIR/npm.log" 2>&1; then
        contenders+=(sharp)
    else
        echo "# sharp cannot be installed; it is left out"
    fi
else
    echo "# no npm here; sharp is left out"
fi

size=$(du -Lsh --apparent-size "$photos" | cut -f1)
echo "# $images photographs, $size in ${#photo[@]} files," \
    "to ${SIDE}x$SIDE JPEG q75; $ROUNDS rounds"
for ((round = 1; round <= ROUNDS; round++)); do
    for name in "${contenders[@]}"; do
        count=$images
        [ "$name" != vipsthumbnail_cli ] || count=${#photo[@]}
        begin=$(date +%s%N)
        if ! "$name" > "$BENCH_DIR/$name.log" 2>&1; then
            cat "$BENCH_DIR/$name.log" >&2
            exit 1
        fi
        echo "$round $name $count $(($(date +%s%N) - begin))"
    done
done > "$BENCH_DIR/times"
awk -f "$here/ratios.awk" "$BENCH_DIR/times"
echo
BENCH_DIR=$BENCH_DIR SIDE=$SIDE "$here/ranks.sh"
echo
BENCH_DIR=$BENCH_DIR "$here/scale.sh"
echo
BENCH_DIR=$BENCH_DIR "$here/reduce.sh"
echo
BENCH_DIR=$BENCH_DIR "$here/usage.sh"

echo
BENCH_DIR=$BENCH_DIR "$here/archive.sh"
echo
BENCH_DIR=$BENCH_DIR "$here/door.sh"
