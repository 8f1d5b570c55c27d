#!/usr/bin/env bash
# bill-month.sh STORE PRICES BILLS [YYYY-MM [OPTION...]] - bills a month (without it: the last one):
# checks the price book, also against the one of the last bill; rates; verifies; prints the run's
# folder. Nothing is issued: somebody looks at it, and then says
#
#     millrace bill close BILLS/RUN
#
# OPTIONs are those of millrace bill run, as in --expect door-1,door-2.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: bill-month.sh STORE PRICES BILLS [YYYY-MM [OPTION...]]" >&2
    exit 64
fi
store=$1 prices=$2 bills=$3
period=${4:-$(date --utc --date "$(date --utc +%Y-%m-01) -1 day" +%Y-%m)}
shift $(($# > 4 ? 4 : $#))

against=()
closed=("$bills"/closed/*.json)
if [ -e "${closed[-1]}" ]; then
    against=(--against "$bills/$(jq --raw-output .run "${closed[-1]}")/prices.json")
fi
millrace bill check-prices "${against[@]}" "$prices"

run=$(millrace bill run --store "$store" --prices "$prices" --period "$period" -o "$bills" "$@")
millrace bill verify "$run"
echo "$run"
