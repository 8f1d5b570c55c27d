#!/usr/bin/env bash
# demo.sh [DIR]: resizes the photographs of Debian's package lomiri-wallpapers-16.04 to two sizes
# for two customers on two ranks, leaves a page in DIR (demo) that shows them, then bills what it
# took, prints a statement, archives it all and restores one record, and last resizes one through
# the front door. `make demo` builds first and then runs this. SPDX-License-Identifier: Apache-2.0
set -euo pipefail

here=$(dirname "$0")
PATH=${BUILD:-$here/../build/release}:$PATH
prices=$here/prices.json
out=${1:-demo}

# show COMMAND...: prints it as one would type it.
show()
{
    printf '\n$ %s\n' "$*"
}

# A demonstration begins afresh; a real run on the same folder would resume.
rm -rf "$out"
mkdir -p "$out"
mapfile -t photos < <(dpkg -L lomiri-wallpapers-16.04 | grep '^/usr/share/backgrounds/.*\.jpg$')
{
    millrace manifest build --customer acme "${photos[@]:0:10}"
    millrace manifest build --customer globex "${photos[@]:10}" | tail -n +2 # one header will do
} >"$out/manifest.csv"

sizes=(--to 320x320 --to "1280x1280,format=webp,q=80")
resize=(millrace resize "${sizes[@]}" -o "$out" "$out/manifest.csv")
show mpirun -n 2 "${resize[@]}"
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
    mpirun --oversubscribe --bind-to none -n 2 "${resize[@]}"

"$here/page.sh" "$out" >"$out/index.html"
echo
echo "Open $out/index.html to see them. What they cost:"

show millrace usage ingest --store "$out/store" "$out/.millrace/usage-*.ndjson"
millrace usage ingest --store "$out/store" "$out"/.millrace/usage-*.ndjson >"$out/ingest.ndjson"
# The job is done, so its writers give their word that this is all.
period=$(cat "$out"/.millrace/usage-*.ndjson | jq -r '.time[:7]' | LC_ALL=C sort | tail -n 1)
"$here/seal-usage.sh" "$out/store" "$period"

bill=(millrace bill run --store "$out/store" --prices "$prices" --period "$period" -o "$out/bills")
show "${bill[@]}"
run=$("${bill[@]}")
show millrace bill show "$run" acme
millrace bill show "$run" acme

echo
echo "What has to be kept goes to cold storage, signed; tar and zstd open it too:"
show millrace archive keygen --out "$out/auditor"
millrace archive keygen --out "$out/auditor"
pack=(millrace archive pack --to "$out/cold" --key "$out/auditor.key" --retain 7y "$run"
    "$out/store/segments")
show "${pack[@]}"
"${pack[@]}"
verify=(millrace archive verify --from "$out/cold" --trust "$out/auditor.pub")
show "${verify[@]}"
"${verify[@]}"
key=$(jq -r 'select(.customer == "acme").key' "$out"/cold/volumes/*.index | tail -n 1)
restore=(millrace archive restore --from "$out/cold" --trust "$out/auditor.pub" --record "$key"
    -o "$out/restored")
show "${restore[@]}"
"${restore[@]}"
show head -n 1 "$out/restored/$key"
head -n 1 "$out/restored/$key"

echo
echo "And the same workers online, for those who have a key:"
show millrace keys init "$out/state"
millrace keys init "$out/state"
show millrace keys add "$out/state" --customer acme
key=$(millrace keys add "$out/state" --customer acme)
millrace door --state "$out/state" --listen 127.0.0.1:0 --access-log none 2>"$out/door.log" &
door=$!
trap 'kill "$door"' EXIT
until address=$(sed -n 's/.*listening on //p' "$out/door.log") && [ -n "$address" ]; do
    kill -0 "$door" || { cat "$out/door.log" >&2; exit 1; }
    sleep 0.1
done
show curl -H "'Authorization: Bearer \$KEY'" --data-binary "@${photos[0]##*/}" \
    "'$address/v1/resize?to=320x320,format=webp'" -o "$out/thumb.webp"
curl --fail --silent --show-error -H "Authorization: Bearer $key" --data-binary "@${photos[0]}" \
    "$address/v1/resize?to=320x320,format=webp" -o "$out/thumb.webp"
show curl -H "'Authorization: Bearer \$KEY'" "$address/v1/usage"
curl --fail --silent --show-error -H "Authorization: Bearer $key" "$address/v1/usage"
trap - EXIT
kill "$door"
wait "$door"
