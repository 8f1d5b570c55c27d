#!/usr/bin/env bash
# identity.t - what millrace keys publishes is what formats/README.md says, read by a program that
# knows only that, and LMDB's own library.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
here=$(cd "$(dirname "$0")" && pwd)
keys=$BUILD/millrace-keys
command -v python3 >/dev/null || skip_all 'python3 is not installed'
python3 -c 'import ctypes; ctypes.CDLL("liblmdb.so.0")' 2>/dev/null ||
    skip_all 'liblmdb is not there for python3'
export PYTHONDONTWRITEBYTECODE=1
cd "$scratch" || exit 1

"$keys" init STATE 2>/dev/null
first=$("$keys" add STATE --customer 'Müller & Söhne' --scopes usage,resize --rate 50 --burst 7 \
    --quota 1000 --expires 2033-12-01 2>/dev/null)
second=$("$keys" add STATE --customer b 2>/dev/null)
revoked=$("$keys" add STATE --customer c 2>/dev/null)
for i in 1 2 3 4 5 6 7 8 9 10; do "$keys" add STATE --customer "more $i" >/dev/null 2>&1; done
id()
{
    "$keys" list STATE --format=json --customer "$1" | jq -r .id
}
"$keys" revoke STATE --customer c 2>/dev/null
seconds=$(date -u -d 2033-12-01T00:00:00Z +%s)
exits 0 'the head is signed as it should be, and names a snapshot that is there' \
    python3 "$here/identity.py" STATE
printf '%s\n' "$first" "$second" "$revoked" 'mr_nothing' |
    python3 "$here/identity.py" STATE >got 2>stderr
is "$(sed -n 1p got)" "$(id 'Müller & Söhne') 5 50 7 1000 ${seconds}000000 Müller & Söhne" \
    'a record has what was asked for, under the id of the list'
is "$(sed -n 2p got)" "$(id b) 7 0 0 0 9223372036854775807 b" 'and one without limits none'
is "$(sed -n 3,4p got)" $'none\nnone' 'a revoked key is not in it, nor what is no key'
sed -i 's/^count .*/count 5/' STATE/identity/published/head
exits 1 'the oracle sees a head that was changed' python3 "$here/identity.py" STATE
done_testing
