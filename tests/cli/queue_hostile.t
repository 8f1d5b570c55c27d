#!/usr/bin/env bash
# queue_hostile.t - manifests and tars that mean harm, as the queue's front gate sees them.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/queue.sh
. "$(dirname "$0")/../tap/queue.sh"
cd "$scratch" || exit 1

# Manifests of what lies here: rows that lead elsewhere fail, the rest is done.

make_photos photos 2 1 100
mkdir -p sources/acme sources/other-customer secret
cp photos/0_0.jpg sources/acme/fine.jpg
cp photos/1_0.jpg sources/other-customer/x.jpg
cp photos/1_0.jpg secret/x.jpg
ln -s ../other-customer/x.jpg sources/acme/link.jpg
ln -s "$scratch/secret" sources/acme/folder
mkfifo sources/acme/pipe.jpg
mknod sources/acme/device.jpg c 1 5 2>/dev/null || mkfifo sources/acme/device.jpg
cat >sent <<END
source,customer,to
fine.jpg,other-customer,
/etc/passwd,,
../other-customer/x.jpg,,
../../other-customer/x.jpg,,
link.jpg,,
folder/x.jpg,,
pipe.jpg,,
device.jpg,,
http://localhost/x.jpg,,
fine.jpg,,nonsense
$scratch/secret/x.jpg,,
,,
END
submit --customer acme --to 50x50 --sources sources sent
is "$(job "$id" '[.state, .rows]')" '["queued",12]' 'a manifest that leads elsewhere is accepted'
timeout 60 "$queue" drain --state state --once --sources sources >drain.out 2>drain.err
is "$?" 0 'and done'
results=state/jobs/$id/results/.millrace/results.ndjson
is "$(jq -r '.class // .status' "$results" | xargs)" \
    "ok unreadable unreadable unreadable unreadable unreadable unreadable unreadable bad-row \
bad-row unreadable bad-row" \
    'what leads elsewhere has failed'
is "$(jq -r 'select(.status != "ok") | .message // empty' "$results" | wc -l)" 11 'each says why'
is "$(cat state/usage/*.ndjson | jq -r .subject | sort -u)" acme 'the customer is who sent it'
is "$(find "state/jobs/$id/results" -name '*.jpg')" "state/jobs/$id/results/50x50/fine.jpg" \
    'one image came out of it'

refused()
{
    exits 65 "$1" "$queue" submit --state state --customer acme --to 50x50 --sources sources sent
    like "$(cat stderr)" "$2" 'and it is said why'
}
for customer in ../acme . .. a/b; do
    cp photos/0_0.jpg sources/fine.jpg
    printf 'fine.jpg\n' >sent
    exits 64 "the customer \"$customer\" has no folder" "$queue" submit --state state \
        --customer "$customer" --to 9x9 --sources sources sent
done
printf 'source\n"fine.jpg\n' >sent
refused 'a quote without end' 'sent:2: '
printf 'source,to\nfine.jpg,9x9,9x9\n' >sent
refused 'a field too many' 'sent:2: 3 fields, expected 2'
printf '\xff\xfes\0o\0' >sent
refused 'UTF-16' 'sent:1: .*UTF-16'
head -c 3000000 /dev/zero >sent
refused 'zeros' 'sent:1: '
head -c 3000000 /dev/urandom | tr -d '\n' >sent
refused 'noise' 'sent: ?'
: >sent
refused 'nothing' 'no rows'
head -c 700 photos/0_0.jpg >sent
"$queue" submit --state state --customer acme --to 50x50 --sources sources sent >stdout 2>stderr
code=$?
[ "$code" -eq 0 ] || [ "$code" -eq 65 ]
ok $? 'an image is no manifest, or one of names that are not there'

# Tars.

cat >make.py <<'END'
"""Writes tars that mean harm, each with a good member before and behind it."""
import gzip, io, sys, tarfile

photo = open("photos/0_0.jpg", "rb").read()


def member(name, data=photo, **fields):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def write(path, *members, format=tarfile.PAX_FORMAT):
    with tarfile.open(path, "w", format=format) as tar:
        for info, data in [member("first.jpg"), *members, member("last.jpg")]:
            tar.addfile(info, io.BytesIO(data) if info.isreg() else None)


def special(name, kind, link=""):
    return member(name, b"", type=kind, linkname=link, devmajor=1, devminor=5)


bad = {
    "absolute": [member("/tmp/millrace-evil.jpg")],
    "up": [member("../evil.jpg")],
    "deep-up": [member("a/b/../../../evil.jpg")],
    "up-alone": [member("..")],
    "symlink": [special("link", tarfile.SYMTYPE, "/etc/passwd")],
    "symlink-folder": [special("d", tarfile.SYMTYPE, "/tmp"), member("d/evil.jpg")],
    "hard-link": [special("link", tarfile.LNKTYPE, "../../../job.json")],
    "hard-link-near": [special("link", tarfile.LNKTYPE, "first.jpg")],
    "device": [special("null", tarfile.CHRTYPE)],
    "block": [special("disk", tarfile.BLKTYPE)],
    "pipe": [special("pipe", tarfile.FIFOTYPE)],
    "twice": [member("first.jpg")],
    "twice-spelt": [member("./first.jpg")],
    "file-as-folder": [member("first.jpg/evil.jpg")],
    "folder-as-file": [member("x/evil.jpg"), member("x")],
    "deep": [member("d/" * 100 + "x.jpg")],
    "long": [member("n" * 300 + ".jpg")],
}
for name, members in bad.items():
    write(f"bad-{name}.tar", *members)
write("bad-gnu-up.tar", member("../" + "n" * 150 + "/evil.jpg"), format=tarfile.GNU_FORMAT)

whole = io.BytesIO()
with tarfile.open(fileobj=whole, mode="w") as tar:
    for name in "a.jpg", "b.jpg":
        info, data = member(name)
        tar.addfile(info, io.BytesIO(data))
whole = whole.getvalue()
open("bad-torn.tar", "wb").write(whole[: 512 + len(photo) + 600])
open("bad-torn-header.tar", "wb").write(whole[:700])
header = bytearray(whole)
header[150] ^= 1
open("bad-checksum.tar", "wb").write(bytes(header[:512]) + whole[512:])
second = bytearray(whole)
at = 512 + (len(photo) + 511) // 512 * 512
second[at + 10] ^= 0xFF
open("bad-second.tar", "wb").write(bytes(second))
open("bad-torn.tgz", "wb").write(gzip.compress(whole)[:900])
open("bad-empty.tar", "wb").write(bytes(10240))
open("bad-gzip-of-noise.tgz", "wb").write(gzip.compress(b"no tar at all\n" * 100))
# Says that it is 8 EiB long.
info, _ = member("huge.jpg", b"")
info.size = 2**62
open("bad-huge.tar", "wb").write(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
# Little that becomes much: one member above the limit of a member, and many small ones.
info, _ = member("bomb.jpg", b"")
info.size = 400 << 20
out = gzip.open("bad-bomb.tgz", "wb", 6)
out.write(info.tobuf(tarfile.GNU_FORMAT))
for _ in range(400):
    out.write(bytes(1 << 20))
out.close()

# What is fine: names that need care, folders, manifests.
write("good-names.tar", member("a b.jpg"), member("ünï.jpg"), member("-o.jpg"), member('q".jpg'),
      member("n\nl.jpg"), member("f/" * 40 + "x.jpg"), special("folder/", tarfile.DIRTYPE))
raw = tarfile.TarInfo("RAW.jpg")
raw.size = len(photo)
block = bytearray(raw.tobuf(tarfile.USTAR_FORMAT))
block[0:3] = b"\xff\xfe\xfd"
block[148:156] = b" " * 8
block[148:156] = b"%06o\0 " % sum(block)
open("good-bytes.tar", "wb").write(
    bytes(block) + photo + bytes(-len(photo) % 512) + bytes(1024))
write("good-v7.tar", format=tarfile.USTAR_FORMAT)
write("manifest-out.tar", member("manifest.csv", b"source\nfirst.jpg\n/etc/passwd\n"
      b"../job.json\n../manifest.csv\nmanifest.csv\nlast.jpg\n"))
END
python3 make.py || exit 1

# tree: what lies outside the jobs that were accepted
tree()
{
    find "$scratch" -path "$scratch/state/jobs/j*" -prune -o ! -name 'std*' ! -name clock \
        ! -name '.tmp' ! -path "$scratch/state*" -print | LC_ALL=C sort | sha256sum
    ls -d /tmp/millrace-evil.jpg 2>/dev/null
}
before=$(tree)
jobs_before=$("$queue" list --state state | wc -l)
for tar in bad-*; do
    got=0
    timeout 60 "$queue" submit --state state --customer acme --to 50x50 "$tar" >stdout 2>stderr ||
        got=$?
    is "$got" 65 "$tar is refused" || sed 's/^/# /' stderr >&2
done
exits 65 'a symlink is named' "$queue" submit --state state --customer acme --to 9x9 \
    bad-symlink.tar
like "$(cat stderr)" 'member "link": it is a symlink' 'with its name'
exits 65 'a name that leads up' "$queue" submit --state state --customer acme --to 9x9 bad-up.tar
like "$(cat stderr)" 'member "../evil.jpg"' 'with its name'
is "$(tree)" "$before" 'nothing was written outside'
is "$("$queue" list --state state | wc -l)" "$jobs_before" 'there is no job'
is "$(left_over)" '' 'nothing is left over'

submit --customer acme --to 50x50 good-names.tar
names=$id
submit --customer acme --to 50x50 good-bytes.tar
bytes=$id
submit --customer acme --to 50x50 good-v7.tar
submit --customer acme --to 50x50 manifest-out.tar
out=$id
drained --workers 2
is "$code $(states)" '0 5 done' 'names that need care'
is "$(job "$names" '[.rows, .failed]')" '[8,0]' 'all of them are done'
is "$(job "$bytes" '[.rows, .failed]')" '[1,0]' 'even where the name is no text'
is "$(jq -r '.class // .status' "state/jobs/$out/results/.millrace/results.ndjson" | xargs)" \
    'ok unreadable unreadable unreadable not-found ok' \
    'a manifest in a tar reaches its members alone'

# Full disk: nothing is accepted, nothing is left.

if mkdir small && mount -t tmpfs -o size=600k tmpfs small 2>/dev/null; then
    head -c 2000000 /dev/urandom >noise.jpg && tar -cf noise.tar noise.jpg
    exits 74 'a full disk is told' "$queue" submit --state state --jobs small/jobs \
        --customer acme --to 9x9 noise.tar
    like "$(cat stderr)" 'No space left' 'as such'
    is "$(find small/jobs -mindepth 1 ! -name .tmp ! -name clock)" '' 'nothing is left of it'
    umount small
else
    echo '# no tmpfs can be mounted here'
fi
[ "$tap_failed" -eq 0 ] || sed 's/^/# /' "$scratch/drain.err" >&2
done_testing
