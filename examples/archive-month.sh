#!/usr/bin/env bash
# archive-month.sh STORE BILLS WHERE NAME.key [YYYY-MM [OPTION...]] - puts a closed bill (without
# the month: the last one's) and the usage behind it into cold storage: the run's folder, the word
# that it is closed, and the segments that its inputs.txt lists. Segments of earlier bills that are
# in the archive already are not packed again.
#
# Run it as often as you like: a bill that is archived is left as it is, and what was cut short is
# resumed. Prints the names of volumes. OPTIONs are those of millrace archive pack (--retain 10y).
# Exits with 66 when the month is not closed, else with what millrace archive exits with.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

if [ $# -lt 4 ]; then
    echo "usage: archive-month.sh STORE BILLS WHERE NAME.key [YYYY-MM [OPTION...]]" >&2
    exit 64
fi
store=$(realpath -- "$1") bills=$(realpath -- "$2") where=$3 key=$(realpath -- "$4")
period=${5:-$(date --utc --date "$(date --utc +%Y-%m-01) -1 day" +%Y-%m)}
shift $(($# > 5 ? 5 : $#))
[[ $where == *://* ]] || where=$(realpath --canonicalize-missing -- "$where")

# Records are named by the paths given: bills/2026-11-…/lines.csv.
cd "$(dirname -- "$bills")"
bills=${bills##*/}
closed=$bills/closed/$period.json
if [ ! -e "$closed" ]; then
    echo "archive-month.sh: $period is not closed: look at its run, then millrace bill close" >&2
    exit 66
fi
run=$(jq --raw-output .run "$closed")

# archived RUN: has this script put it into the archive, usage and all? Its volumes are of class
# bills; what somebody packed by hand may lack the usage. What else goes wrong ends this.
archived()
{
    local code=0 volumes
    [ -e "$where" ] || [[ $where == *://* ]] || return 66
    volumes=$(millrace archive list --from "$where" --volumes --format=json) || code=$?
    [ "$code" -ne 66 ] || return 66
    [ "$code" -eq 0 ] || exit "$code"
    for volume in $(jq --raw-output 'select(.class == "bills").volume' <<<"$volumes"); do
        code=0
        millrace archive list --from "$where" --volume "$volume" \
            --record "$bills/$1/inputs.txt" >/dev/null 2>&1 || code=$?
        [ "$code" -ne 0 ] || return 0
    done
    return 66
}

# segments RUN: names of those that it was made from
segments()
{
    sed --quiet 's/^segment //p' "$bills/$1/inputs.txt"
}

if archived "$run"; then
    echo "archive-month.sh: $bills/$run is archived" >&2
    exit 0
fi
millrace bill verify "$bills/$run"
known=$(for other in "$bills"/closed/*.json; do
    earlier=$(jq --raw-output .run "$other")
    if archived "$earlier"; then segments "$earlier"; fi
done)
wanted=$(segments "$run")
{
    printf '%s\0' "$bills/$run" "$closed"
    comm -23 <(sort <<<"$wanted") <(sort <<<"$known") | while IFS= read -r segment; do
        [ -z "$segment" ] || printf '%s\0' "$store/segments/$segment.segment"
    done
} | millrace archive pack --to "$where" --key "$key" --class bills "$@" --null -
