#!/usr/bin/env bash
# usage_full.t - the disk is full in the middle of an ingest. Needs root, to mount a small file
# system.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/usage.sh
. "$(dirname "$0")/../tap/usage.sh"
cd "$scratch" || exit 1

mkdir disk
mount -t tmpfs -o size=400k millrace-test disk 2>/dev/null || skip_all 'cannot mount a small disk'
trap 'umount "$scratch/disk"; rm -rf "$scratch"' EXIT

make_log n07-0-1 1 20000 >log.ndjson
echo 'a bad line' >>log.ndjson
"$usage" ingest --store undisturbed --region 1Mi log.ndjson >stdout 2>stderr
is $? 1 'a run with room'

# whole: what has a name is what it should be
whole()
{
    [ -z "$(comm -13 <(files undisturbed .) <(files disk/store .))" ] && named_rightly disk/store
}

exits 74 'a full disk ends an ingest' "$usage" ingest --store disk/store --region 1Mi log.ndjson
like "$(cat stderr)" 'No space left on device' 'which is said'
whole
ok $? 'no file under a final name is cut short, and nothing else is left'
exits 74 'nor does it go on while the disk is full' "$usage" ingest --store disk/store \
    --region 1Mi log.ndjson
whole
ok $? 'still no file is cut short'
exits 74 'a sync onto a full disk' "$usage" sync undisturbed disk/store
whole
ok $? 'leaves whole files, too'
exits 74 'bad lines onto a full device' "$usage" ingest --store other --region 1Mi \
    --quarantine /dev/full log.ndjson
is "$(files other quarantine)" '' 'are not taken for written'

mount -o remount,size=64m "$scratch/disk"
exits 1 'with room, the same command again' "$usage" ingest --store disk/store --region 1Mi \
    log.ndjson
is "$(files disk/store .)" "$(files undisturbed .)" 'ends with the same files'
whole
ok $? 'each of them whole'

done_testing
