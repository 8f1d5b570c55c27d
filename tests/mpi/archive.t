#!/usr/bin/env bash
# archive.t - packing by many ranks: the same bytes, whoever compresses what.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/usage.sh
. "$(dirname "$0")/../tap/usage.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/archive.sh
. "$(dirname "$0")/../tap/archive.sh"
cd "$scratch" || exit 1

make_records records
for i in 1 2 3 4; do
    make_log "n0$i-0-1" $((i * 30000)) $((i * 30000 + 1500)) >log.ndjson
    "$usage" ingest --store store log.ndjson >/dev/null 2>&1
done
"$archive" keygen --out auditor >/dev/null 2>&1
pack=("$archive" pack --key auditor.key --time 2026-12-01 --volume-size 6M records store)

# digests ARCHIVE: of all that must be the same
digests()
{
    (cd "$1" && find . -type f -not -name lock -exec sha256sum {} + | LC_ALL=C sort -k 2)
}

exits 0 'solo' "${pack[@]}" --to solo
digests solo >expected
is "$(find solo -name '*.tar.zst' | wc -l)" "$(wc -l <stdout)" 'several volumes'
exits 0 'one thread' "${pack[@]}" --to one --threads 1
digests one | cmp - expected
ok $? 'the same files, catalogue included'
exits 0 'many threads' "${pack[@]}" --to many --threads 9
digests many | cmp - expected
ok $? 'the same files'
for count in 1 2 3; do
    exits 0 "$count ranks" ranks "$count" "${pack[@]}" --to "ranks-$count"
    digests "ranks-$count" | cmp - expected
    ok $? 'the same files'
    is "$(wc -l <stdout)" "$(find solo -name '*.tar.zst' | wc -l)" 'the volumes are told once'
done

# An error is said once, whatever rank meets it.
exits 64 'a wrong option' ranks 3 "${pack[@]}" --to none --level 99
is "$(grep -c 'level=99' stderr)" 1 'is said once'
exits 66 'nothing there' ranks 3 "$archive" pack --key auditor.key --to none nowhere
is "$(grep -c '^millrace archive pack: nowhere' stderr)" 1 'is said once'

done_testing
