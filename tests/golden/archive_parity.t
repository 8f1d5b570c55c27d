#!/usr/bin/env bash
# archive_parity.t - parity is that of an independent writer to the byte, and of blocks that are
# lost at random exactly those come back that theory says: a table of both.
# MILLRACE_SEED: which losses; MILLRACE_ROUNDS: how many of each.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/archive.sh
. "$(dirname "$0")/../tap/archive.sh"
here=$(cd "$(dirname "$0")" && pwd)
command -v python3 >/dev/null || skip_all 'python3 is not installed'
cd "$scratch" || exit 1
: "${MILLRACE_SEED:=1}"
: "${MILLRACE_ROUNDS:=${MILLRACE_TORTURE:+300}}"
: "${MILLRACE_ROUNDS:=12}"

"$archive" keygen --out auditor >/dev/null 2>&1
perl -MDigest::SHA=sha256 -e 'print sha256($_) for 1 .. 10000' >random.bin # 320000 bytes

# parity SHAPE BYTES: packs so many bytes
parity()
{
    head -c "$2" random.bin >"bytes.$2"
    packed --to "cold.$1" --key auditor.key --parity "$1" "bytes.$2"
    base=cold.$1/volumes/${volumes[0]}
}

for shape in 10+2 1+1 3+4 128+64; do
    for bytes in 0 5000 300000; do
        parity "$shape" "$bytes"
        python3 "$here/parity.py" make "$base.tar.zst" "${shape%+*}" "${shape#*+}" |
            cmp - "$base.parity"
        ok $? "$shape of a volume of $bytes bytes: the same parity as another writer's"
    done
done
perl -e 'open(my $f, "+<", $ARGV[0]); seek($f, 5000, 0); print $f "lost" x 2000' "$base.tar.zst"
is "$(python3 "$here/parity.py" check "$base.tar.zst" "$base.parity")" 'blocks 3 units 0 beyond 0' \
    'which finds what is damaged by our hashes'

for shape in 6+2 10+3; do
    parity "$shape" 320000
    python3 "$here/parity.py" trials "cold.$shape" "${volumes[0]}" "$archive" "$MILLRACE_ROUNDS" \
        "$MILLRACE_SEED"
    ok $? "$shape: what can be repaired is, bit for bit; what cannot is reported"
done

done_testing
