#!/usr/bin/env bash
# archive_prove.t - the proof of one record is checked offline by a script that knows the public key
# alone, and fails when a byte of it, of the record or of the key is another one.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/usage.sh
. "$(dirname "$0")/../tap/usage.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/archive.sh
. "$(dirname "$0")/../tap/archive.sh"
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$scratch" || exit 1
export PYTHONDONTWRITEBYTECODE=1
check=$root/examples/check-proof.py

ok "$(($(wc -l <"$check") >= 150))" 'the checker is under 150 lines'
is "$(sed -n 's/^import //p; s/^from \([a-z]*\).*/\1/p' "$check" | paste -sd' ')" \
    'base64 hashlib json re sys' 'of python alone'

# The checker's own arithmetic, by the vectors of RFC 8032, section 7.1 (1, 2, 3).
python3 - "$check" <<'END'
import importlib.util, sys
spec = importlib.util.spec_from_file_location("proof", sys.argv[1])
proof = importlib.util.module_from_spec(spec)
spec.loader.exec_module(proof)
vectors = [
    ("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
     "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
     "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
     "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a")]
for key, message, signature in (tuple(map(bytes.fromhex, v)) for v in vectors):
    proof.check_ed25519(key, signature, message, "a vector of the RFC")
    for i in range(64):
        other = bytes(b ^ (i == at) for at, b in enumerate(signature))
        try:
            proof.check_ed25519(key, other, message, "x")
        except ValueError:
            continue
        sys.exit("a signature that was altered at %d passed" % i)
END
ok $? 'its Ed25519 is that of RFC 8032'

mkdir records
for ((i = 0; i < 12; i++)); do echo "record $i" >"records/r$i"; done
: >records/empty
echo umlaut >records/größe
echo tab >$'records/a\ttab "quoted"'
echo bytes >$'records/not\xffutf8'
make_log n01-0-1 1 300 >log.ndjson
"$usage" ingest --store store log.ndjson >/dev/null 2>&1
exits 0 'keygen' "$archive" keygen --out auditor
exits 0 'another' "$archive" keygen --out other
exits 0 'pack' "$archive" pack --to cold --key auditor.key records store/segments
volume=$(cat stdout)

# prove KEY: its proof and its bytes
prove()
{
    "$archive" prove --from cold --trust auditor.pub --record "$1" >proof 2>prove.err &&
        "$archive" cat --from cold --no-note --record "$1" >record 2>cat.err
}

wrong=0 count=0
while IFS= read -r key; do
    prove "$key" && "$check" proof auditor.pub record >checked || wrong=$((wrong + 1))
    count=$((count + 1))
done < <(jq -r .key "cold/volumes/$volume.index")
is "$wrong of $count" '0 of 23' 'every record has a proof that holds'
prove $'records/a\ttab "quoted"'
exits 0 'of names with care' "$check" proof auditor.pub record
prove records/r7
exits 0 'a record' "$check" proof auditor.pub record
like "$(cat stdout)" "^proved: records/r7: 9 bytes, in millrace volume $volume packed 20" \
    'says what is proved'
exits 1 'another record' "$check" proof auditor.pub records/r8
exits 1 'another key' "$check" proof other.pub record
like "$(cat stderr)" 'signed with another key' 'is told from damage'
jq -j .manifest proof >V.manifest
jq -j .minisig proof >V.manifest.minisig
exits 0 'minisign agrees' minisign -V -q -p auditor.pub -m V.manifest
jq -j .record proof | cmp - <(grep -F '"records/r7"' "cold/volumes/$volume.index" | tr -d '\n')
ok $? 'the line is that of the index'

# Every byte, in three ways.
python3 - "$check" proof auditor.pub record <<'END'
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("proof", sys.argv[1])
proof = importlib.util.module_from_spec(spec)
spec.loader.exec_module(proof)
files = [open(name, "rb").read() for name in sys.argv[2:]]
proof.check(*files)
passed = []


def must_fail(which, data, what):
    try:
        proof.check(*[data if i == which else f for i, f in enumerate(files)])
    except (ValueError, KeyError, TypeError):
        return
    passed.append("%s of %s" % (what, sys.argv[2 + which]))


for which, whole in enumerate(files):
    for at in range(len(whole)):
        for mask in (0x01, 0x20):
            altered = whole[:at] + bytes([whole[at] ^ mask]) + whole[at + 1:]
            must_fail(which, altered, "byte %d, by %02x" % (at, mask))
        must_fail(which, whole[:at] + whole[at + 1:], "byte %d left out" % at)
    must_fail(which, whole + b"\n", "a byte more")
    must_fail(which, b"", "nothing")
for leaf in range(40):
    for records in range(40):
        other = json.loads(files[0])
        if (leaf, records) == (other["leaf"], other["records"]):
            continue
        other.update(leaf=leaf, records=records)
        text = json.dumps(other, ensure_ascii=False, separators=(",", ":")) + "\n"
        must_fail(0, text.encode(), "leaf %d of %d" % (leaf, records))
print("# %d bytes, each in three ways" % sum(map(len, files)))
sys.exit("\n".join(passed) if passed else 0)
END
ok $? 'whatever byte of proof, key and record is another one, it is not proved'

exits 66 'a record that is nowhere' "$archive" prove --from cold --record records/r99
like "$(cat stderr)" 'no volume has the record records/r99' 'is told'
exits 64 'a record must be named' "$archive" prove --from cold

# The same key twice.
mkdir later && cp -r records later/ && cd later && echo other >records/r7
exits 0 'other bytes for the same name' "$archive" pack --to ../cold --key ../auditor.key records
second=$(cat ../stdout)
cd ..
exits 65 'are not chosen from' "$archive" prove --from cold --record records/r7
like "$(cat stderr)" "$volume, $second" 'both volumes are told'
prove "$second:records/r7"
exits 0 'one is asked for' "$check" proof auditor.pub later/records/r7
prove records/r8
exits 0 'the same bytes twice are proved by either' "$check" proof auditor.pub records/r8

# What does not hold is not proved.
cp -r cold kept
sed -i 's/"size":9,/"size":8,/' "cold/volumes/$volume.index"
exits 65 'a damaged index' "$archive" prove --from cold --record "$volume:records/r7"
is "$(wc -c <stdout)" 0 'gives no proof'
rm -rf cold && cp -r kept cold
sed -i 's/^# level .*/# level 9/' "cold/volumes/$volume.manifest"
exits 65 'a damaged manifest' "$archive" prove --from cold --record "$volume:records/r7"
like "$(cat stderr)" 'SHA-256' 'is told'
is "$(wc -c <stdout)" 0 'gives no proof'
rm -rf cold && cp -r kept cold
exits 65 'another key is not trusted' "$archive" prove --from cold --trust other.pub \
    --record records/r8

done_testing
