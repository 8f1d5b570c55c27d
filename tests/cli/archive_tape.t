#!/usr/bin/env bash
# archive_tape.t - archives through pipes, as to and from a tape: in blocks of any size, torn,
# damaged, from somebody who means harm. What goes in and out is looked at with tar.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/archive.sh
. "$(dirname "$0")/../tap/archive.sh"
cd "$scratch" || exit 1

# same A B: have they the same files, but for what only writers leave?
same()
{
    diff -r --exclude=lock --exclude=.tmp "$1" "$2" >diff.out 2>&1 ||
        { sed 's/^/# /' diff.out >&2; return 1; }
}

# pulls CODE NAME COMMAND...: pulls what the command writes into the folder "got"
pulls()
{
    local expected=$1 name=$2 got=0
    shift 2
    "$@" 2>/dev/null | "$archive" pull --from - --to got >stdout 2>stderr || got=$?
    is "$got" "$expected" "$name" || sed 's/^/# /' stderr >&2
}

"$archive" keygen --out auditor 2>keygen.err
"$archive" keygen --out other 2>keygen.err
make_records in
packed --to cold --key auditor.key in
first=${volumes[0]}
packed --to cold --key auditor.key --parity none in/numbers.txt
second=${volumes[0]}

"$archive" push --from cold --to - 2>stderr | cat >tape
is "${PIPESTATUS[0]}" 0 'an archive is written to a pipe'
is $(($(stat -c %s tape) % 10240)) 0 'in whole tape records'
is "$(tar -tf tape)" "catalogue.log
$(cd cold && find keys -type f)
$(printf "volumes/$first%s\n" .manifest .manifest.minisig .index .tar.zst .parity)
$(printf "volumes/$second%s\n" .manifest .manifest.minisig .index .tar.zst)" \
    'tar lists it, in the order of the format'
mkdir untarred && tar -C untarred -xf tape
same cold untarred
ok $? 'what tar makes of it is the archive'
"$archive" push --from cold --to - >again 2>push.err
cmp tape again
ok $? 'the same archive is the same stream'
exits 64 'nothing is written onto a terminal' \
    script -qec "'$archive' push --from cold --to -" typescript
"$archive" push --from cold --to - >/dev/full 2>stderr
is $? 74 'a full disk is noticed'

for size in 512 1000 10240 64K 1M; do
    rm -rf got
    pulls 0 "in blocks of $size it comes in" dd if=tape bs="$size"
    same cold got || size=
    ok $? 'and is the same'
done
is "$(find got/.tmp -mindepth 1)" '' 'nothing is left of its spooling'
exits 0 'it verifies' "$archive" verify --from got --no-note --trust auditor.pub
rm -rf got
pulls 0 'zeros behind it are passed over' bash -c 'cat tape; head -c 3000000 /dev/zero'
same cold got
ok $? 'and it is the same'
pulls 0 'once more' cat tape
is "$(cat stdout)" '' 'there is nothing to do'
rm "got/volumes/$first.index"
pulls 0 'what was lost' cat tape
same cold got
ok $? 'is healed'

# Torn and damaged.
size=$(stat -c %s tape)
for part in 0 100 600 5000 $((size / 2)) $((size * 9 / 10)); do
    rm -rf got
    head -c "$part" tape >torn
    "$archive" pull --from - --to got <torn >stdout 2>stderr
    code=$?
    [ "$code" -eq 65 ] && [ ! -e got/catalogue.log ]
    ok $? "torn after $part bytes nothing is committed" || sed "s/^/# $code /" stderr >&2
done
pulls 0 'the whole of it goes on from there' cat tape
same cold got
ok $? 'to the same'
rm -rf got
perl -e 'open(my $f, "<", "tape"); local $/; $_ = <$f>; my $at = index($_, "\x28\xb5\x2f\xfd");
    substr($_, $at + 5000, 1) ^= "\1"; print' >damaged
pulls 1 'a volume damaged on the tape is left out' cat damaged
like "$(cat stderr)" "volume $first is left out: .*its SHA-256 is" 'and named'
cmp "got/volumes/$second.tar.zst" "cold/volumes/$second.tar.zst"
ok $? 'the other one is there'
pulls 0 'another tape completes it' cat tape
same cold got
ok $? 'to the same'
mkdir less && cp -r cold/. less && rm "less/volumes/$first".*
(cd less && tar -cf ../without --format=ustar catalogue.log keys \
    "volumes/$second.manifest" volumes/"$second".{manifest.minisig,index,tar.zst})
rm -rf got
pulls 1 'a volume that is not on the tape' cat without
like "$(cat stderr)" "volume $first is left out: it is not in the stream" 'is missed'
pulls 0 'unless the target has it' cat tape
pulls 0 'already' cat without

# Strangers.
rm -rf got
pulls 65 'an empty stream is no archive' true
pulls 65 'nor is another tar' tar -cf - in
pulls 65 'nor are zeros' head -c 100000 /dev/zero
pulls 65 'nor is noise' head -c 100000 in/random.bin
"$archive" pull --from - --to got --trust other.pub <tape >stdout 2>stderr
is $? 65 'one that others signed is not trusted'
[ ! -e got/catalogue.log ]
ok $? 'and nothing is committed'
cat >hostile.py <<'END'
import io, sys, tarfile

out = tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT)
source = tarfile.open("tape")
names = ["../evil", "/tmp/evil-absolute", "volumes/../../evil", "keys/../evil.pub", "evil",
         "volumes/" + "0" * 32 + ".tar.zst", "volumes/evil", "catalogue.log/evil", "lock"]

def add(name, data=b"evil", **kind):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for key, value in kind.items():
        setattr(member, key, value)
    out.addfile(member, io.BytesIO(data))

for member in source:
    out.addfile(member, source.extractfile(member))
    if sys.argv[2] == "names" and member.name.startswith("volumes/"):
        for name in names:
            add(name)
    if sys.argv[2] == "links" and member.name == "catalogue.log":
        add("volumes/" + sys.argv[3] + ".tar.zst", b"", type=tarfile.SYMTYPE,
            linkname="../../evil")
out.close()
END
python3 hostile.py names.tar names
rm -rf got inner && mkdir inner
before=$(find . -path ./inner -prune -o -type f -print | sort)
(cd inner && "$archive" pull --from - --to a/b/got <../names.tar >../stdout 2>../stderr)
is $? 0 'names that are not ours are passed over' || sed 's/^/# /' stderr >&2
same cold inner/a/b/got
ok $? 'and the archive comes in as it is'
is "$(find . -path ./inner -prune -o -type f -print | grep -v '^./std' | sort)" \
    "$(grep -v '^./std' <<<"$before")" 'nothing is written elsewhere'
is "$(find inner /tmp -maxdepth 3 -name 'evil*' 2>/dev/null)" '' 'nor beside it'
python3 hostile.py links.tar links "$first"
pulls 65 'a link in a stream is refused' cat links.tar
[ ! -e got/catalogue.log ] && [ -z "$(find got -type l)" ]
ok $? 'and not made'

done_testing
