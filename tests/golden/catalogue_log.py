#!/usr/bin/env python3
"""catalogue_log.py - a catalogue.log by the text of formats/README.md alone: hashlib for digests,
RFC 8032 for the signatures, the definition of RFC 9162 for the tree.

    catalogue_log.py            a log with an entry of each kind, to stdout
    catalogue_log.py --c        the same and its public key as tests/unit/catalogue_golden.h

SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import json
import sys

# Ed25519: RFC 8032, section 5.1, with points as (x, y).
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
BY = 4 * pow(5, -1, P) % P
BX = 15112221349535400772501151409588531511454012693041857206046113283949847762202


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    xy = D * x1 * x2 * y1 * y2
    return ((x1 * y2 + x2 * y1) * pow(1 + xy, -1, P) % P,
            (y1 * y2 + x1 * x2) * pow(1 - xy, -1, P) % P)


def times(n, point):
    result = (0, 1)
    while n:
        if n & 1:
            result = add(result, point)
        point = add(point, point)
        n >>= 1
    return result


def encode(point):
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


class Key:
    """number: 8 bytes; seed: 32."""

    def __init__(self, number, seed):
        digest = hashlib.sha512(seed).digest()
        scalar = int.from_bytes(digest[:32], "little")
        self.scalar = scalar & ((1 << 254) - 8) | 1 << 254
        self.prefix = digest[32:]
        self.key = encode(times(self.scalar, (BX, BY)))
        self.number = number
        self.id = number[::-1].hex().upper()

    def sign(self, message):
        r = int.from_bytes(hashlib.sha512(self.prefix + message).digest(), "little") % L
        point = encode(times(r, (BX, BY)))
        k = int.from_bytes(hashlib.sha512(point + self.key + message).digest(), "little") % L
        return point + ((r + k * self.scalar) % L).to_bytes(32, "little")

    def public(self):
        text = base64.b64encode(b"Ed" + self.number + self.key).decode()
        return f"untrusted comment: minisign public key {self.id}\n{text}\n"


def root(leaves):
    if len(leaves) == 0:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()


class Log:
    def __init__(self, key):
        self.key = key
        self.entries = []
        self.lines = []
        self.chain = ""

    def add(self, time, kind, actor="archivist@n07", **members):
        entry = {"n": len(self.entries), "time": time, "actor": actor, "kind": kind, **members}
        text = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))[:-1]
        self.chain = hashlib.sha256((self.chain + text).encode()).hexdigest()[:32]
        line = f'{text},"chain":"{self.chain}"}}'
        self.entries.append(line.encode())
        self.lines.append(line)

    def sign(self):
        first = hashlib.sha256(b"\0" + self.entries[0]).hexdigest()
        body = (f"millrace.archive/{first[:16]}\n{len(self.entries)}\n"
                f"{base64.b64encode(root(self.entries)).decode()}\n")
        hash_of_key = hashlib.sha256(self.key.id.encode() + b"\n\x01" + self.key.key).digest()[:4]
        signature = base64.b64encode(hash_of_key + self.key.sign(body.encode())).decode()
        note = f"{body}\n\u2014 {self.key.id} {signature}\n"
        self.lines.append(json.dumps({"checkpoint": note}, ensure_ascii=False,
                                     separators=(",", ":")))

    def text(self):
        return "".join(line + "\n" for line in self.lines)


def example():
    log = Log(Key(bytes(range(1, 9)), bytes(range(32))))
    volume, other = "0123456789abcdef" * 2, "fedcba9876543210" * 2
    log.add("2026-12-01T02:00:00.000000Z", "pack", volume=volume, **{"class": "default"},
            manifest="a1" * 32, minisig="a2" * 32, retain_until="2033-12-01T02:00:00.000000Z",
            records=31, bytes=123456)
    log.sign()
    log.add("2026-12-02T02:00:00.000000Z", "check", volume=volume, result="intact", scope="whole")
    log.add("2026-12-02T03:00:00.500000Z", "check", actor="scrub@n08", volume=volume,
            result="damaged", scope="1/100")
    log.add("2026-12-02T03:10:00.000000Z", "repair", volume=volume,
            scope="volumes/" + volume + ".tar.zst", bytes=4096, note="parity")
    log.add("2026-12-03T00:00:00.000000Z", "restore", records=2, bytes=999,
            note="drill \u2014 \"Q4\" \\ \u00e9")
    log.add("2027-01-01T02:00:00.000000Z", "pack", volume=other, **{"class": "bills"},
            manifest="b1" * 32, minisig="b2" * 32, retain_until="2027-02-01T02:00:00.000000Z",
            records=1, bytes=70)
    log.add("2027-01-01T02:00:00.000000Z", "hold", volume=volume, name="CASE-17", note="audit")
    log.sign()
    log.add("2027-01-02T02:00:00.000000Z", "hold", volume=volume, name="CASE-02")
    log.add("2027-01-02T02:00:01.000000Z", "hold", volume=other, name="CASE-17")
    log.add("2027-01-02T02:00:02.000000Z", "extend", volume=volume,
            retain_until="2040-01-01T00:00:00.000000Z")
    log.add("2027-01-02T02:00:03.000000Z", "release", volume=other, name="CASE-17", note="closed")
    log.add("2027-01-02T02:00:04.000000Z", "shred", subject="a kind of later days")
    log.add("2027-02-03T02:00:00.000000Z", "expire", volume=other)
    log.sign()
    log.add("2027-02-04T02:00:00.000000Z", "check", volume=volume, result="intact", scope="whole")
    return log


def c_string(name, text):
    print(f"static const char {name}[] =")
    pieces = []
    for line in text.splitlines():
        escaped = "".join(f"\\x{byte:02x}" if byte > 126 else
                          {34: '\\"', 92: "\\\\"}.get(byte, chr(byte))
                          for byte in line.encode()) + "\\n"
        while escaped:
            cut = min(len(escaped), 80)
            while cut < len(escaped) and "\\" in escaped[cut - 4:cut]:
                cut -= 1
            pieces.append(f'    "{escaped[:cut]}"')
            escaped = escaped[cut:]
    print("\n".join(pieces) + ";\n")


if __name__ == "__main__":
    golden = example()
    if sys.argv[1:] != ["--c"]:
        sys.stdout.write(golden.text())
    else:
        print("/* catalogue_golden.h - a log and its key as tests/golden/catalogue_log.py --c makes "
              "them.\n * SPDX-License-Identifier: Apache-2.0 */\n"
              "#ifndef MILLRACE_TESTS_CATALOGUE_GOLDEN_H\n"
              "#define MILLRACE_TESTS_CATALOGUE_GOLDEN_H\n")
        c_string("golden_public", golden.key.public())
        c_string("golden_log", golden.text())
        print("#endif")
