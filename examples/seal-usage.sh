#!/usr/bin/env bash
# seal-usage.sh STORE [YYYY-MM] - gives the word of every writer of STORE: its usage up to the end
# of that month (without it: the last one) is all here. Without it bills of the month are
# PRELIMINARY.
#
# Run it where the logs are, when the month is over and the logs have been read to their ends: the
# last sequence that was read is taken for the last there is. Who has sealed the month already is
# left alone.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

store=${1:?usage: seal-usage.sh STORE [YYYY-MM]}
period=${2:-$(date --utc --date "$(date --utc +%Y-%m-01) -1 day" +%Y-%m)}

# First the whole account: one that is cut short, or of a damaged store, must seal nothing.
account=$(millrace usage stat --store "$store" --json)
jq --join-output --arg period "$period" '
    [.seals[] | select(.period == $period).writer] as $sealed |
    .writers[] | select(.sequences > 0 or .unnumbered) | select(IN(.writer; $sealed[]) | not) |
    "\(.writer)\u0000\(.ranges[-1].last // 0)\u0000"' <<<"$account" |
    while IFS= read -r -d '' writer && IFS= read -r -d '' last; do
        millrace usage seal --store "$store" --writer "$writer" --period "$period" --through "$last"
    done
