#!/usr/bin/env bash
# archive_copy.t - millrace archive push and pull: what one archive lacks it gets from another, and
# nothing that is damaged, that has parted, or that has expired. The copies are compared by diff.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/archive.sh
. "$(dirname "$0")/../tap/archive.sh"
cd "$scratch" || exit 1

# Retention of a day is over, as far as the clock and the catalogue tell.
day=$(date -u -d '3 days ago' +%Y-%m-%d)

# pack WHERE NAME OPTION...: a small volume of its own; its name is in $volume
pack()
{
    local where=$1 name=$2
    shift 2
    mkdir -p files
    seq 1 20000 | sed "s/^/$name /" >"files/$name"
    touch -d "$day" "files/$name"
    volume=$("$archive" pack --to "$where" --key auditor.key "$@" "files/$name" 2>pack.err)
    [ -n "$volume" ] || cat pack.err >&2
}

# same A B: have they the same files, but for what only writers leave?
same()
{
    diff -r --exclude=lock --exclude=.tmp "$1" "$2" >diff.out 2>&1 ||
        { sed 's/^/# /' diff.out >&2; return 1; }
}

# flip FILE OFFSET: another byte there
flip()
{
    perl -e 'open(my $f, "+<", $ARGV[0]) or die; seek($f, $ARGV[1], 0); read($f, my $b, 1);
        seek($f, $ARGV[1], 0); print $f chr(ord($b) ^ 1)' "$@"
}

"$archive" keygen --out auditor 2>keygen.err
"$archive" keygen --out other 2>keygen.err
pack cold one --time "${day}T00:00:00Z" --retain 1d
one=$volume
pack cold two --time "${day}T00:00:01Z" --retain 1d --parity none
two=$volume

exits 0 'an archive is pushed into a place that was not there' \
    "$archive" push --from cold --to far/copy
is "$(cut -d ' ' -f 1,2 stdout)" "$one copied
$two copied" 'each volume is named'
like "$(cat stderr)" '2 volumes are there; copied: 9 files' 'and counted: four files without parity'
same cold far/copy
ok $? 'the copy is the same, file by file'
exits 0 'once more' "$archive" push --from cold --to far/copy
is "$(cat stdout)" '' 'there is nothing to do'
exits 0 'the copy opens by itself' "$archive" verify --from far/copy --no-note --trust auditor.pub

exits 64 'both places are needed' "$archive" push --from cold
exits 64 'an archive is not copied onto itself' "$archive" push --from cold --to ./cold/
like "$(cat stderr)" 'the same archive' 'and is told so'
exits 66 'what is no archive is not copied' "$archive" push --from files --to nowhere
[ ! -e nowhere ]
ok $? 'and makes nothing'
exits 65 'nor is one whose key is not trusted' \
    "$archive" push --from cold --to nowhere --trust other.pub
exits 0 'one whose key is trusted is' "$archive" pull --from cold --to trusted --trust auditor.pub

# Healing.
rm "far/copy/volumes/$one.tar.zst" "far/copy/volumes/$two.manifest" far/copy/keys/*
exits 0 'what was lost is copied again' "$archive" push --from cold --to far/copy
same cold far/copy
ok $? 'and all is there again'
flip "far/copy/volumes/$one.tar.zst" 1000
flip "far/copy/volumes/$two.manifest.minisig" 100
truncate -s -1 "far/copy/volumes/$one.index"
exits 0 'without --verify sizes are looked at, and small files read' \
    "$archive" push --from cold --to far/copy
is "$(cut -d ' ' -f 1,2 stdout)" "$one copied
$two copied" 'what they tell is healed'
cmp -s "cold/volumes/$one.tar.zst" "far/copy/volumes/$one.tar.zst"
is $? 1 'a flipped byte in a large file stays'
exits 0 'with --verify all is read' "$archive" push --from cold --to far/copy --verify
same cold far/copy
ok $? 'and healed'
mv cold gone
exits 0 'the first copy is destroyed; the second brings it back' \
    "$archive" pull --from far/copy --to cold
same gone cold
ok $? 'to the byte'
rm -rf gone

# A damaged source.
cp -r cold bad
flip "bad/volumes/$one.tar.zst" 1000
exits 1 'a damaged volume is left out' "$archive" push --from bad --to half
like "$(cat stderr)" "volume $one is left out: .*its SHA-256 is" 'and named, with the reason'
[ ! -e "half/volumes/$one.tar.zst" ] && cmp "cold/volumes/$two.tar.zst" "half/volumes/$two.tar.zst"
ok $? 'the others are copied'
rm "bad/volumes/$one.manifest"
exits 1 'so is one that is missing a file' "$archive" push --from bad --to half
like "$(cat stderr)" "volume $one is left out: .*manifest" 'which is named'
exits 0 'another source completes it' "$archive" push --from cold --to half
same cold half
ok $? 'and it is whole'
flip bad/catalogue.log 300
exits 65 'a damaged catalogue is no source' "$archive" push --from bad --to half
same cold half
ok $? 'and changes nothing'
exits 65 'a damaged catalogue is not written over' "$archive" push --from cold --to bad
like "$(cat stderr)" 'with --verify it is written anew' 'unless it is asked for'
exits 0 'with --verify it is' "$archive" push --from cold --to bad --verify
same cold bad
ok $? 'and all is healed'
rm -rf bad half trusted

# Growth, and notes of its own.
pack cold three --time "${day}T00:00:02Z"
three=$volume
exits 0 'the copy notes that it was checked' "$archive" verify --from far/copy
exits 0 'the archive has grown' "$archive" push --from cold --to far/copy
is "$(cut -d ' ' -f 1,2 stdout)" "$three copied" 'only what is new is copied'
like "$(cat stderr)" '[1-9] entries of .* come behind' 'the notes of the copy are kept'
is "$(jq -r 'select(.kind == "check") | .volume' far/copy/catalogue.log | sort | xargs)" \
    "$(printf '%s\n' "$one" "$two" | sort | xargs)" 'they are in its catalogue'
exits 0 'which holds' "$archive" verify --from far/copy --no-note --trust auditor.pub
cp far/copy/catalogue.log before.log
exits 0 'pushing again' "$archive" push --from cold --to far/copy
cmp -s before.log far/copy/catalogue.log
ok $? 'changes nothing'
like "$(cat stderr)" 'is ahead of cold by [1-9] entries' 'but says so'
exits 0 'pulling brings the notes home' "$archive" pull --from far/copy --to cold
same cold far/copy
ok $? 'and both are the same'

# The source is behind.
cp -r cold old
pack cold four --time "${day}T00:00:03Z"
exits 0 'the copy gets a volume' "$archive" push --from cold --to far/copy
rm "far/copy/volumes/$two.index"
exits 0 'an old archive takes nothing away' "$archive" push --from old --to far/copy
same cold far/copy
ok $? 'and still heals what it knows'

# Two that went their own ways.
cp -r old other-way
pack other-way five --time "${day}T00:00:04Z"
count=$(jq -r 'select(.n) | .n' old/catalogue.log | wc -l)
cp -r far/copy far/kept
exits 65 'archives that have parted are not mixed' \
    "$archive" push --from other-way --to far/copy
like "$(cat stderr)" "have parted: entry $count is not the same" 'the entry is named'
same far/kept far/copy
ok $? 'nothing was copied'
"$archive" verify --from old >verify.out 2>&1
exits 75 'the target is ahead, and the source has notes of its own' \
    "$archive" push --from old --to far/copy
like "$(cat stderr)" 'pull first' 'so pull is the way'
exits 0 'it pulls' "$archive" pull --from far/copy --to old
exits 0 'and then it can push' "$archive" push --from old --to far/copy
same old far/copy
ok $? 'and both are the same'
rm -rf old other-way far/kept

# Expiry.
exits 0 'the two first volumes expire' "$archive" expire --from cold --key auditor.key
exits 0 'the tombstones are pushed' "$archive" push --from cold --to far/copy
is "$(sort stdout)" "$(printf '%s removed\n' "$one" "$two" | sort)" 'and the files go'
is "$(find far/copy/volumes -name "$one*" -o -name "$two*")" '' 'all of them'
touch "far/copy/volumes/$one.index"
exits 0 'what a killed push left' "$archive" push --from cold --to far/copy
is "$(cat stdout)" "$one removed" 'goes the next time'

done_testing
