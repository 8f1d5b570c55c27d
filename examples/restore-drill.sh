#!/usr/bin/env bash
# restore-drill.sh WHERE NAME.pub [COUNT] - tries whether the archive gives back what was put in:
# picks COUNT records (5) at random of all, restores each into a temporary folder, and holds it
# against its digest in the index, against what millrace archive cat prints, and, where python3
# is, against its proof, by check-proof.py beside this file. Prints a line for each record.
#
# Each drill leaves its evidence in the catalogue: an entry "restore" for each record, with a note.
# Exits with 0 when all is well, with 1 when a record is not what it was or there is no evidence,
# with 66 when there is nothing to restore, else with what millrace archive list exits with.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    echo "usage: restore-drill.sh WHERE NAME.pub [COUNT]" >&2
    exit 64
fi
where=$1 trust=$2 count=${3:-5}
checker=$(dirname -- "$0")/check-proof.py
note="restore drill of $(date --utc +%Y-%m-%dT%H:%M:%SZ)"
work=$(mktemp --directory)
trap 'rm -rf "$work"' EXIT

# fail KEY TEXT: says what is wrong with a record
fail()
{
    echo "FAILED $(jq --null-input --arg key "$1" '$key'): $2"
    failed=1
    return 1
}

# drill LINE: of the list, about one record
drill()
{
    local line=$1 key name out=$work/out digest
    # A dot, since the shell drops newlines at the end.
    key=$(jq --join-output '.key + "."' <<<"$line") && key=${key%.}
    name=$(jq --raw-output .volume <<<"$line"):$key
    rm -rf "$out"
    millrace archive restore --from "$where" --trust "$trust" --record "$name" --note "$note" \
        -o "$out" 2>"$work/said" || fail "$key" "$(tail -n 1 "$work/said")" || return
    find "$out" -type f -exec cat {} + >"$work/record"
    digest=$(sha256sum <"$work/record")
    [ "${digest%% *} $(stat --format=%s "$work/record")" = \
        "$(jq --raw-output '"\(.sha256) \(.size)"' <<<"$line")" ] ||
        fail "$key" 'its digest or its size is not that of the index' || return
    millrace archive cat --from "$where" --trust "$trust" --record "$name" --no-note \
        2>"$work/said" | cmp --silent - "$work/record" ||
        fail "$key" "cat prints other bytes: $(tail -n 1 "$work/said")" || return
    if [ -x "$checker" ] && command -v python3 >/dev/null; then
        millrace archive prove --from "$where" --trust "$trust" --record "$name" >"$work/proof" \
            2>"$work/said" && "$checker" "$work/proof" "$trust" "$work/record" \
            >"$work/said" 2>&1 || fail "$key" "$(tail -n 1 "$work/said")" || return
    fi
    millrace archive list --from "$where" --trust "$trust" --trail --record "$name" \
        --format=json 2>"$work/said" | grep --fixed-strings "$note" >/dev/null ||
        fail "$key" 'the catalogue has no entry of it' || return
    echo "ok $(jq --compact-output '[.volume, .key, .size]' <<<"$line")"
}

failed=0
code=0
millrace archive list --from "$where" --trust "$trust" --format=json >"$work/list" || code=$?
shuf --head-count="$count" "$work/list" >"$work/chosen"
if [ ! -s "$work/chosen" ]; then
    echo "restore-drill.sh: $where has no record that can be restored" >&2
    exit "$((code > 0 ? code : 66))"
fi
[ "$code" -eq 0 ] || failed=1
while IFS= read -r line; do
    drill "$line" </dev/null || true
done <"$work/chosen"
exit "$failed"
