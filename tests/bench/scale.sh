#!/usr/bin/env bash
# scale.sh: what does not depend on pixels: rows a second whose sources are not there, memory over
# the length of a manifest, and how soon a finished job says that it is. Called by bench.sh.
# Environment: ROWS (1000 100000 1000000; add 10000000 for ten minutes more).
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
: "${BUILD:?}" "${BENCH_DIR:?}" "${ROWS:=1000 100000 1000000}"

# timed COMMAND...: wall seconds and peak memory (MB) into the variables seconds and peak
timed() {
    local code=0
    /usr/bin/time -f '%e %M' -o "$BENCH_DIR/time" "$@" > "$BENCH_DIR/scale.log" 2>&1 || code=$?
    [ "$code" -le 1 ] || { cat "$BENCH_DIR/scale.log" >&2; exit 1; }
    read -r seconds peak < <(tail -n 1 "$BENCH_DIR/time")
    peak=$((peak / 1024))
}

: > "$BENCH_DIR/empty.txt"
rm -rf "$BENCH_DIR/out"
timed "$BUILD/millrace-resize" --to 320x320 -o "$BENCH_DIR/out" "$BENCH_DIR/empty.txt"
echo "an empty manifest: $seconds s"
printf '%10s %14s %14s %12s %14s\n' rows 'rows/s' 'with results/s' 'peak MB' 'when done, s'
for rows in $ROWS; do
    seq -f '/absent/folder/photo-%09.0f.jpg' 1 "$rows" > "$BENCH_DIR/rows.txt"
    rm -rf "$BENCH_DIR/out"
    timed "$BUILD/millrace-resize" --to 320x320 -o "$BENCH_DIR/out" "$BENCH_DIR/rows.txt"
    rate=$(jq '.this_run | .rows / .elapsed_s | round' "$BENCH_DIR/out/.millrace/report.json")
    all=$(awk -v n="$rows" -v s="$seconds" 'BEGIN { printf "%.0f", n / s }')
    first_peak=$peak
    timed "$BUILD/millrace-resize" --to 320x320 -o "$BENCH_DIR/out" "$BENCH_DIR/rows.txt"
    printf '%10d %14d %14d %12d %14s\n' "$rows" "$rate" "$all" "$first_peak" "$seconds"
done
rm -rf "$BENCH_DIR/out"
