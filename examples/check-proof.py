#!/usr/bin/env python3
"""check-proof.py - checks offline that a record is what was archived and signed, on the day the
signature tells: with the public key and python3, and nothing else of anybody's.

    check-proof.py PROOF NAME.pub RECORD_FILE

PROOF is what `millrace archive prove` prints, NAME.pub the archivist's public key (of minisign),
RECORD_FILE the record's bytes. A byte of any of the three that is another one is refused.
The format is in formats/README.md, "Cold archive v1".

SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import json
import re
import sys


def expect(holds, what):
    if not holds:
        raise ValueError(what)


# Ed25519 (RFC 8032, section 5.1). Points are (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
    c, d = 2 * p[3] * q[3] * D, 2 * p[2] * q[2]
    e, f, g, h = (b - a) % P, (d - c) % P, (d + c) % P, (b + a) % P
    return e * f % P, g * h % P, f * g % P, e * h % P


def decode_point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    expect(y < P, "a point of the curve is written in another way than the one")
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    expect((x * x - square) % P == 0 and not (x == 0 and sign), "not a point of the curve")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = decode_point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def check_ed25519(key, signature, message, what):
    s = int.from_bytes(signature[32:], "little")
    expect(s < L, what)
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    x, y, z, t = decode_point(key)
    minus_key = (P - x, y, z, P - t)
    both, sum_ = add(BASE, minus_key), (0, 1, 1, 0)
    for bit in range(255, -1, -1):  # [s]B + [k](-A), one bit of both at a time
        sum_ = add(sum_, sum_)
        choice = (s >> bit & 1) + 2 * (k >> bit & 1)
        sum_ = add(sum_, (BASE, minus_key, both)[choice - 1]) if choice else sum_
    x, y = (sum_[i] * pow(sum_[2], -1, P) % P for i in (0, 1))
    expect((y | (x & 1) << 255).to_bytes(32, "little") == signature[:32], what)


def decode_base64(text, size, what):
    data = base64.b64decode(text, validate=True)
    expect(len(data) == size and base64.b64encode(data).decode() == text, what)
    return data


def check_signature(manifest, minisig, key_text):
    """Is minisig what the key's owner wrote about this manifest? Returns its trusted comment."""
    lines = key_text.split("\n")
    key = decode_base64(lines[1] if len(lines) == 3 else "", 42, "not a public key of minisign")
    number = "%016X" % int.from_bytes(key[2:10], "little")
    comments = ("untrusted comment: minisign public key " + n for n in (number, number.lstrip("0")))
    expect(key[:2] == b"Ed" and lines[2] == "" and lines[0] in comments,
           "the key is not as it was made: its comment or its number was altered")
    lines = minisig.split("\n")
    expect(len(lines) == 5 and lines[4] == "" and lines[2].startswith("trusted comment: ")
           and lines[0] == "untrusted comment: signature of a millrace volume",
           "the signature is not as it was made")
    signed = decode_base64(lines[1], 74, "the signature is not in base64")
    second = decode_base64(lines[3], 64, "the comment's signature is not in base64")
    expect(signed[:2] == b"ED" and signed[2:10] == key[2:10], "signed with another key")
    comment, digest = lines[2][17:], hashlib.blake2b(manifest.encode()).digest()
    check_ed25519(key[10:], signed[10:], digest, "the signature is not of this manifest")
    check_ed25519(key[10:], second, signed[10:] + comment.encode(), "the comment was altered")
    return comment


def climb(line, index, count, path):
    """The root that a leaf and its path lead to: RFC 9162, section 2.1.3.2."""
    node, last = hashlib.sha256(b"\0" + line.encode()).digest(), count - 1
    expect(0 <= index < count, "there is no such leaf")
    for other in path:
        expect(last > 0, "the path is too long")
        other = bytes.fromhex(other)
        if index & 1 or index == last:
            node = hashlib.sha256(b"\1" + other + node).digest()
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\1" + node + other).digest()
        index, last = index >> 1, last >> 1
    expect(last == 0, "the path is too short")
    return node.hex()


def check(proof_bytes, key_bytes, record_bytes):
    """Returns what has been proved, in words; raises an error."""
    proof = json.loads(proof_bytes.decode())
    again = json.dumps(proof, ensure_ascii=False, separators=(",", ":")) + "\n"
    types = {"millrace_proof": int, "record": str, "leaf": int, "records": int, "path": list,
             "manifest": str, "minisig": str}
    expect(isinstance(proof, dict) and [(k, type(v)) for k, v in proof.items()]
           == list(types.items()) and proof["millrace_proof"] == 1, "not a proof of a record")
    expect(again.encode() == proof_bytes, "the proof is not written as millrace writes it")
    expect(all(isinstance(p, str) and re.fullmatch("[0-9a-f]{64}", p) for p in proof["path"]),
           "the path is not one of digests")
    record = json.loads(proof["record"])
    expect(record["size"] == len(record_bytes)
           and record["sha256"] == hashlib.sha256(record_bytes).hexdigest(),
           "the record's bytes are others")
    said = dict(re.findall("^# ([a-z-]+) (.*)$", proof["manifest"], re.MULTILINE))
    expect(said.get("records") == str(proof["records"]), "the manifest tells of more, or fewer")
    root = climb(proof["record"], proof["leaf"], proof["records"], proof["path"])
    expect(said.get("merkle-root") == root, "the record is none of those in the manifest")
    comment = check_signature(proof["manifest"], proof["minisig"], key_bytes.decode())
    expect(comment == "millrace volume %s packed %s" % (said.get("volume"), said.get("packed")),
           "the signature's comment tells of another volume")
    return "%s: %s bytes, in %s" % (record["key"], record["size"], comment)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        files = [open(name, "rb").read() for name in sys.argv[1:]]
        print("proved:", check(*files))
    except (ValueError, KeyError, TypeError, OSError) as error:
        sys.exit("check-proof: NOT proved: %s" % error)
