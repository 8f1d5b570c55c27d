#!/usr/bin/env bash
# archive.sh: pack and verify beside zstd and sha256sum, on the same bytes in the same run, two
# cores each. Every contender takes its turn in each of ROUNDS rounds, and what counts is the median
# of the ratios to its peer of the same round. A contender's time is that of its whole process; each
# ends with its bytes on the disk (zstd is followed by sync of its file).
#
# Environment: BUILD (absolute), ROUNDS (3), EVENTS (2500000: 1.3 GB of usage as NDJSON), LEVEL (3),
# BENCH_DIR (build/bench), BIG (1: also a volume of 4 GB of random bytes, from which one record is
# restored, and the peak of memory for a tenth of it; 10 GB of disk).
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${BUILD:?}" "${ROUNDS:=3}" "${EVENTS:=2500000}" "${LEVEL:=3}" "${BENCH_DIR:=$PWD/build/bench}"
: "${BIG:=}"

here=$PWD/tests/bench
dir=$BENCH_DIR/archive
archive=$BUILD/millrace-archive
rm -rf "$dir"
mkdir -p "$dir"
trap 'rm -rf "$dir"' EXIT

# timed COMMAND...: nanoseconds into the variable took
timed() {
    local begin
    begin=$(date +%s%N)
    if ! taskset -c 0,1 "$@" > "$dir/out" 2> "$dir/err"; then
        cat "$dir/out" "$dir/err" >&2
        exit 1
    fi
    took=$(($(date +%s%N) - begin))
}
zstd_t2() { zstd -q -f -T2 "-$LEVEL" month.ndjson -o month.zst && sync month.zst; }
zstd_test() { zstd -q -t "$1" && sha256sum "$1"; }
pack() {
    rm -rf "$dir/cold"
    "$archive" pack --to "$dir/cold" --key "$dir/bench.key" --level "$LEVEL" "$1"
}
verify() { "$archive" verify --from "$dir/cold" --trust "$dir/bench.pub" --no-note; }
export dir archive LEVEL
export -f zstd_t2 zstd_test pack verify

"$BUILD/tests/bench/usage_generate" -n "$EVENTS" > "$dir/month.ndjson"
(cd "$dir" && "$archive" keygen --out bench 2> err) || { cat "$dir/err" >&2; exit 1; }
bytes=$(stat -c %s "$dir/month.ndjson")
megabytes=$((bytes / 1000000))
echo "# $megabytes MB of usage; zstd level $LEVEL; $ROUNDS rounds"
cd "$dir"
for ((round = 1; round <= ROUNDS; round++)); do
    timed bash -c zstd_t2
    echo "$round zstd_T2 $megabytes $took"
    timed bash -c 'pack month.ndjson'
    echo "$round pack $megabytes $took"
    # The peer checks the same volume that verify does.
    mapfile -t volume < <(find cold/volumes -name '*.tar.zst')
    timed bash -c "zstd_test ${volume[0]}"
    echo "$round zstd_t_sha256sum $megabytes $took"
    timed bash -c verify
    echo "$round verify $megabytes $took"
done > times.txt
echo "pack: volume, index, parity 10+2, signature, read back"
awk '$2 == "zstd_T2" || $2 == "pack"' times.txt |
    awk -v base=zstd_T2 -v unit=MB -f "$here/ratios.awk"
printf '%-20s %10.3f of the zstd file\n' 'the volume' \
    "$(bc -l <<< "$(stat -c %s "${volume[0]}") / $(stat -c %s month.zst)")"
echo "verify"
awk '$2 == "zstd_t_sha256sum" || $2 == "verify"' times.txt |
    awk -v base=zstd_t_sha256sum -v unit=MB -f "$here/ratios.awk"
[ "$BIG" ] || exit 0

# Forty files of 100 MB, as they are not compressed further, and small ones between them.
rm -rf cold
mkdir big
for ((i = 10; i < 50; i++)); do
    head -c 100000000 /dev/urandom > "big/$i.bin"
    seq "$i" 20000 > "big/$i.txt"
done
/usr/bin/time -f %M -o peak bash -c 'pack big' > out 2> err || { cat err >&2; exit 1; }
echo "pack of 4 GB: $(($(tail -n 1 peak) / 1024)) MB of memory at most"
rm -rf cold.big && mv cold cold.big
mkdir small && mv big/1* small
/usr/bin/time -f %M -o peak bash -c 'pack small' > out 2> err || { cat err >&2; exit 1; }
echo "pack of 1 GB: $(($(tail -n 1 peak) / 1024)) MB of memory at most"
for key in big/30.txt big/49.txt; do
    strace -f -qq -o trace -e trace=read,pread64 "$archive" restore --from cold.big --no-note \
        --record "$key" -o restored 2> err || { cat err >&2; exit 1; }
    rm -rf restored
    begin=$(date +%s%N)
    "$archive" restore --from cold.big --no-note --record "$key" -o restored 2> err
    took=$(($(date +%s%N) - begin))
    echo "$key of 4 GB restored: $((took / 1000)) us," \
        "$(awk '{ n += $NF > 0 ? $NF : 0 } END { print int(n / 1024) }' trace) KiB read"
done
