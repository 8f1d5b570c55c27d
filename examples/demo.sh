#!/usr/bin/env bash
# demo.sh [DIR]: resizes the photographs of Debian's package lomiri-wallpapers-16.04 to two sizes on
# two ranks, prints the report, and leaves a page in DIR (demo) that shows them. `make demo` builds
# first and then runs this.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

here=$(dirname "$0")
millrace=${BUILD:-$here/../build/release}/millrace
out=${1:-demo}

# A demonstration begins afresh; a real run on the same folder would resume.
rm -rf "$out"
mkdir -p "$out"
dpkg -L lomiri-wallpapers-16.04 | grep '^/usr/share/backgrounds/.*\.jpg$' |
    xargs -d '\n' "$millrace" manifest build --customer demo > "$out/manifest.csv"

resize=(resize --to 320x320 --to "1280x1280,format=webp,q=80" -o "$out" "$out/manifest.csv")
echo "\$ mpirun -n 2 millrace ${resize[*]}"
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
    mpirun --oversubscribe --bind-to none -n 2 "$millrace" "${resize[@]}"

"$here/page.sh" "$out" > "$out/index.html"
echo
echo "Open $out/index.html to see them."
