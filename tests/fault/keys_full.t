#!/usr/bin/env bash
# keys_full.t - the disk is full when a key is made. Needs root, to mount a small file system.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
keys=$BUILD/millrace-keys
cd "$scratch" || exit 1
mkdir disk
mount -t tmpfs -o size=1m millrace-test disk 2>/dev/null || skip_all 'cannot mount a small disk'
trap 'umount "$scratch/disk"; rm -rf "$scratch"' EXIT
published=disk/STATE/identity/published

# The head's snapshot is there, and is what its name says: by sha256sum.
holds()
{
    local digest
    digest=$(sed -n 's/^digest //p' $published/head)
    echo "$digest  $published/snapshot-$digest.lmdb" | sha256sum --check --quiet >/dev/null 2>&1
}

# published_count: how many keys the head says there are
published_count()
{
    sed -n 's/^count //p' $published/head
}

"$keys" init disk/STATE 2>/dev/null
"$keys" add disk/STATE --customer first >first.key 2>/dev/null
# Every size of the rest of the disk, so that each write is the one that fails some time.
printed=1
silent=0
broken=0
others=''
for kib in 0 4 8 12 16 20 24 32 40 48 64 80 96; do
    rm -f disk/fill
    free=$(df --output=avail -k disk | tail -n 1)
    head -c $(((free - kib) * 1024)) /dev/zero >disk/fill
    code=0
    "$keys" add disk/STATE --customer "with $kib KiB" >key 2>stderr || code=$?
    case $code in
        0) printed=$((printed + 1)) ;;
        74) [ -s stderr ] || silent=1 ;;
        *) others+=" $kib:$code:$(cat stderr)" ;;
    esac
    [ "$code" = 0 ] || [ ! -s key ] || broken=1
    holds || broken=1
    [ "$(published_count)" -ge "$printed" ] || broken=1
done
is "$others" '' 'a key is made, or the exit code is 74'
ok "$silent" 'with a reason'
ok "$((printed < 14 && printed > 1 ? 0 : 1))" "both happened ($printed of 14 made)"
ok "$broken" 'what is published holds all the time, and has every key that was printed'
rm disk/fill
exits 0 'with room again it goes on' "$keys" add disk/STATE --customer last
is "$(published_count)" "$("$keys" list disk/STATE --format=json | jq -s length)" \
    'and all that was committed is published'
ok "$(($(published_count) > printed ? 0 : 1))" 'the new one, too'
done_testing
