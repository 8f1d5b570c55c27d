#!/usr/bin/env bash
# bench.sh: our images a second beside those of others, on the same photographs in the same run. Machines are
# noisy, so every contender takes its turn in each of ROUNDS rounds, and what counts is the median of the
# ratios to the bare loop of the same round. A contender's time is that of its whole process.
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
rm -rf "$BENCH_DIR/in"
for ((copy = 1; copy <= COPIES; copy++)); do
    mkdir -p "$BENCH_DIR/in/$copy"
    ln -s "${photo[@]}" "$BENCH_DIR/in/$copy"
done
find "$BENCH_DIR/in" -name '*.jpg' | sort > "$BENCH_DIR/manifest.txt"
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
resize() {
    rm -rf "$BENCH_DIR/out"
    "${@:2}" "$BUILD/millrace-resize" --workers "$1" --to "${SIDE}x$SIDE" -o "$BENCH_DIR/out" \
        "$BENCH_DIR/manifest.txt"
}
one_worker() { resize 1; }
two_workers() { resize 2; }
mpirun_2() { resize 2 mpirun --oversubscribe --bind-to none -n 2; }
vipsthumbnail_cli() {
    rm -rf "$BENCH_DIR/vt"
    mkdir -p "$BENCH_DIR/vt"
    vipsthumbnail --size "${SIDE}x$SIDE>" -o "$BENCH_DIR/vt/%s.jpg[Q=75,strip]" "${photo[@]}"
}
sharp() { node "$BENCH_DIR/sharp.mjs" "$SIDE" "${input[@]}"; }

contenders=(bare_loop one_worker two_bare_loops two_workers mpirun_2 bare_loop_srgb vipsthumbnail_cli)
if command -v npm > /dev/null; then
    cp "$here/sharp.mjs" "$BENCH_DIR/"
    (cd "$BENCH_DIR" && { [ -d node_modules/sharp ] || npm install --no-audit --no-fund sharp; }) \
        > "$BENCH_DIR/npm.log" 2>&1 && contenders+=(sharp) || echo "# sharp cannot be installed; left out"
else
    echo "# no npm here; sharp is left out"
fi

echo "# $images photographs, $(du -Lsh --apparent-size "$photos" | cut -f1) in ${#photo[@]} files," \
    "to ${SIDE}x$SIDE JPEG q75; $ROUNDS rounds"
for ((round = 1; round <= ROUNDS; round++)); do
    for name in "${contenders[@]}"; do
        count=$images
        [ "$name" != vipsthumbnail_cli ] || count=${#photo[@]}
        begin=$(date +%s%N)
        "$name" > "$BENCH_DIR/$name.log" 2>&1 || { cat "$BENCH_DIR/$name.log" >&2; exit 1; }
        echo "$round $name $count $(($(date +%s%N) - begin))"
    done
done | tee "$BENCH_DIR/times" | awk '
    { rate[$1, $2] = $3 / $4 * 1e9; if (!($2 in seen)) { seen[$2] = 1; order[++n] = $2 } rounds = $1 }
    function median(name, ratio,   i, j, t, v) {
        for (i = 1; i <= rounds; i++) v[i] = rate[i, name] / (ratio ? rate[i, "bare_loop"] : 1)
        for (i = 2; i <= rounds; i++) for (j = i; j > 1 && v[j] < v[j - 1]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
        return rounds % 2 ? v[(rounds + 1) / 2] : (v[rounds / 2] + v[rounds / 2 + 1]) / 2
    }
    END {
        printf "%-20s %10s %22s\n", "", "images/s", "ratio to bare loop"
        for (i = 1; i <= n; i++) printf "%-20s %10.1f %22.3f\n", order[i], median(order[i], 0), median(order[i], 1)
    }'
