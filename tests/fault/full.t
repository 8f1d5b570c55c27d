#!/usr/bin/env bash
# full.t - the disk is full in the middle of a job. Needs root, to mount a small file system.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
cd "$scratch" || exit 1

mkdir disk
mount -t tmpfs -o size=1m millrace-test disk 2>/dev/null || skip_all 'cannot mount a small disk'
trap 'umount "$scratch/disk"; rm -rf "$scratch"' EXIT

make_photos photos 6 5 512
printf '%s\n' photos/*.jpg >list
options=(--job full --to 400x400 --to '200x200,format=png' list)
exits 0 'a run with room' "$resize" -o undisturbed "${options[@]}"

# whole: files outside .millrace are those of the undisturbed run, as far as they are there
whole()
{
    [ -z "$(comm -13 <(outputs undisturbed | sort) <(outputs disk/out | sort))" ]
}

exits 74 'a full disk ends a run' "$resize" -o disk/out "${options[@]}"
like "$(cat stderr)" 'No space left on device' 'which is said'
whole
ok $? 'no file under a final name is cut short'
exits 74 'nor does it go on while the disk is full' "$resize" -o disk/out "${options[@]}"
whole
ok $? 'still no file is cut short'

for size in 2m 64m; do
    mount -o remount,size=$size "$scratch/disk"
    "$resize" -o disk/out "${options[@]}" >stdout 2>stderr
    echo "# $size: exit $?"
    whole
    ok $? "with $size, no file is cut short"
done
sound disk/out 'with room, the same command again ends in order'
cmp <(outputs undisturbed) <(outputs disk/out)
ok $? 'with the same files'
cmp <(results undisturbed) <(results disk/out)
ok $? 'the same results'
cmp <(event_ids undisturbed) <(event_ids disk/out)
ok $? 'and the same events'

done_testing
