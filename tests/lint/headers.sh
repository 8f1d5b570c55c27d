#!/usr/bin/env bash
# headers.sh COMPILER FLAG... -- HEADER... - each header compiles alone, and twice in one file.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

compiler=()
while [ "$1" != -- ]; do
    compiler+=("$1")
    shift
done
shift

bad=0
for header in "$@"; do
    printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
        "${compiler[@]}" -fsyntax-only -x c - || {
        echo "$header: does not compile alone" >&2
        bad=1
    }
done
exit $bad
