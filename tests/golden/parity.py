#!/usr/bin/env python3
"""parity.py - the format "V.parity" by its text alone: the field of 256 elements, its Cauchy
matrix, XXH3-128 and the layout, in plain Python; and how likely it is that lost blocks can be made
again.

    parity.py make FILE K M                    the parity of FILE, to stdout
    parity.py check FILE PARITY                how many blocks and units are damaged, stripes beyond
    parity.py damage FILE PARITY SEED COUNT    spoils COUNT blocks and units; prints 1 when every
                                               stripe can still be repaired, else 0
    parity.py theory FILE K M COUNT            the share of all ways to lose COUNT that can be
    parity.py trials ARCHIVE VOLUME PROGRAM ROUNDS SEED
                                               loses blocks and units at random and has PROGRAM
                                               repair them, for several COUNTs: a table

SPDX-License-Identifier: Apache-2.0
"""
import math
import os
import random
import struct
import subprocess
import sys

MASK = (1 << 64) - 1
P32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
P64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
       0x27D4EB2F165667C5)
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07d"
    "ccff7221b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e"
    "3819ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac83"
    "34d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce"
    "45cb3a8f95160428afd7fbcabb4b407e")


def words(data, at, count):
    return struct.unpack_from("<%dQ" % count, data, at)


def fold(a, b):
    product = a * b
    return (product & MASK) ^ (product >> 64)


def avalanche(h):
    h ^= h >> 37
    h = h * 0x165667919E3779F9 & MASK
    return h ^ h >> 32


def mix16(data, at, secret):
    (a, b), (c, d) = words(data, at, 2), words(SECRET, secret, 2)
    return fold(a ^ c, b ^ d)


def mix32(acc, data, first, second, secret):
    low = acc[0] + mix16(data, first, secret) & MASK
    low ^= sum(words(data, second, 2)) & MASK
    high = acc[1] + mix16(data, second, secret + 16) & MASK
    high ^= sum(words(data, first, 2)) & MASK
    return low, high


def finish(acc, size):
    low = acc[0] + acc[1] & MASK
    high = acc[0] * P64[0] + acc[1] * P64[3] + size * P64[1] & MASK
    return struct.pack(">2Q", -avalanche(high) & MASK, avalanche(low))


def accumulate(acc, data, at, secret):
    values, keys = words(data, at, 8), words(SECRET, secret, 8)
    for i in range(8):
        key = values[i] ^ keys[i]
        acc[i ^ 1] = acc[i ^ 1] + values[i] & MASK
        acc[i] = acc[i] + (key & 0xFFFFFFFF) * (key >> 32) & MASK


def merge(acc, secret, start):
    keys = words(SECRET, secret, 8)
    for i in range(0, 8, 2):
        start += fold(acc[i] ^ keys[i], acc[i + 1] ^ keys[i + 1])
    return avalanche(start & MASK)


def hash_long(data):
    size = len(data)
    acc = [P32[2], *P64[:4], P32[1], P64[4], P32[0]]
    blocks = (size - 1) // 1024
    for n in range(blocks + 1):
        for stripe in range(16 if n < blocks else (size - 1 - 1024 * blocks) // 64):
            accumulate(acc, data, 1024 * n + 64 * stripe, 8 * stripe)
        if n < blocks:
            for i, key in enumerate(words(SECRET, 128, 8)):
                acc[i] = (acc[i] ^ acc[i] >> 47 ^ key) * P32[0] & MASK
    accumulate(acc, data, size - 64, 121)
    low = merge(acc, 11, size * P64[0] & MASK)
    high = merge(acc, 117, ~(size * P64[1]) & MASK)
    return struct.pack(">2Q", high, low)


def xxh3_128(data):
    """XXH3-128, seed 0, canonical form, of more than 16 bytes."""
    size = len(data)
    if size > 240:
        return hash_long(data)
    acc = (size * P64[0] & MASK, 0)
    if size <= 128:
        for i in range((size - 1) // 32, -1, -1):
            acc = mix32(acc, data, 16 * i, size - 16 * (i + 1), 32 * i)
        return finish(acc, size)
    for i in range(4):
        acc = mix32(acc, data, 32 * i, 32 * i + 16, 32 * i)
    acc = (avalanche(acc[0]), avalanche(acc[1]))
    for i in range(4, size // 32):
        acc = mix32(acc, data, 32 * i, 32 * i + 16, 3 + 32 * (i - 4))
    acc = mix32(acc, data, size - 16, size - 32, 136 - 17 - 16)
    return finish(acc, size)


def times(a, b):
    """The product in GF(2^8) by the polynomial 0x11d."""
    product = 0
    while b:
        product ^= a * (b & 1)
        a <<= 1
        a ^= 0x11D * (a >> 8)
        b >>= 1
    return product


INVERSE = [0] + [next(b for b in range(1, 256) if times(a, b) == 1) for a in range(1, 256)]
TABLES = {}


def scaled(block, factor):
    if factor not in TABLES:
        TABLES[factor] = bytes(times(factor, b) for b in range(256))
    return int.from_bytes(block.translate(TABLES[factor]), "little")


def coefficient(row, column, k):
    """The matrix of k + m rows: the identity, then 1 / (row ^ column)."""
    return INVERSE[row ^ column] if row >= k else int(row == column)


class Layout:
    def __init__(self, size, k, m):
        self.size, self.k, self.m, self.block = size, k, m, 4096
        while self.block < 65536 and size > 64 * k * self.block:
            self.block *= 2
        self.blocks = -(-size // self.block)
        self.stripes = -(-self.blocks // k)
        self.head = (k + m) * 16 + 32
        self.unit = self.head + self.block
        self.parity_size = 256 + self.stripes * m * self.unit

    def header(self):
        fields = struct.pack("<8s4I2Q", b"MRPARIT1", self.k, self.m, self.block, 0, self.size,
                             self.stripes)
        fields = fields.ljust(112, b"\0")
        return fields + xxh3_128(fields)

    def data(self, contents, stripe):
        at = [(j * self.stripes + stripe) * self.block for j in range(self.k)]
        return [contents[a:min(a + self.block, self.size)].ljust(self.block, b"\0") for a in at]

    def unit_at(self, p, stripe):
        return 128 + (p * self.stripes + stripe) * self.unit

    def units(self, contents, stripe):
        """The stripe's units, as they should be."""
        shards = self.data(contents, stripe)
        for p in range(self.m):
            total = 0
            for j in range(self.k):
                total ^= scaled(shards[j], coefficient(self.k + p, j, self.k))
            shards.append(total.to_bytes(self.block, "little"))
        hashes = b"".join(map(xxh3_128, shards))
        heads = [hashes + struct.pack("<Q2I", stripe, p, 0) for p in range(self.m)]
        return [h + xxh3_128(h) + s for h, s in zip(heads, shards[self.k:])]

    def places(self):
        """All that is stored, by stripe: (which file, offset, size)."""
        stripes = [[] for _ in range(self.stripes)]
        for b in range(self.blocks):
            at = b * self.block
            stripes[b % self.stripes].append((0, at, min(self.block, self.size - at)))
        for stripe in range(self.stripes):
            for p in range(self.m):
                stripes[stripe].append((1, self.unit_at(p, stripe), self.unit))
        return stripes


def make(path, k, m):
    with open(path, "rb") as file:
        contents = file.read()
    layout = Layout(len(contents), int(k), int(m))
    units = [layout.units(contents, s) for s in range(layout.stripes)]
    out = sys.stdout.buffer
    out.write(layout.header())
    for p in range(layout.m):
        for unit in units:
            out.write(unit[p])
    out.write(layout.header())


def read_layout(parity):
    for at in (0, len(parity) - 128):
        fields = struct.unpack_from("<8s4I2Q", parity, at)
        layout = Layout(fields[5], fields[1], fields[2])
        if parity[at:at + 128] == layout.header():
            return layout
    sys.exit("no header holds")


def check(path, parity_path):
    with open(path, "rb") as file, open(parity_path, "rb") as parity_file:
        contents, parity = file.read(), parity_file.read()
    layout = read_layout(parity)
    blocks = units = beyond = 0
    for stripe in range(layout.stripes):
        found = [parity[layout.unit_at(p, stripe):][:layout.unit] for p in range(layout.m)]
        heads = [u[:layout.head] for u in found]
        good = [h for p, h in enumerate(heads) if len(h) == layout.head and
                h[-16:] == xxh3_128(h[:-16]) and h[-32:-16] == struct.pack("<Q2I", stripe, p, 0)]
        shards = layout.data(contents, stripe) + [u[layout.head:] for u in found]
        lost = [not good or xxh3_128(s) != good[0][16 * i:16 * i + 16] if len(s) == layout.block
                else True for i, s in enumerate(shards)]
        blocks += sum(lost[:layout.k])
        units += sum(lost[layout.k:])
        beyond += sum(lost) > layout.m
    print("blocks", blocks, "units", units, "beyond", beyond)


def spoil(layout, chosen, contents, chance):
    """Overwrites places (stripe, (which, at, size)). Can every stripe still be repaired?"""
    lost = [0] * layout.stripes
    for stripe, (which, at, size) in chosen:
        contents[which][at:at + size] = chance.randbytes(size)
        lost[stripe] += 1
    return max(lost) <= layout.m


def everything(layout):
    return [(s, place) for s, places in enumerate(layout.places()) for place in places]


def damage(path, parity_path, seed, count):
    chance = random.Random(int(seed))
    with open(path, "r+b") as file, open(parity_path, "r+b") as parity_file:
        contents = [bytearray(file.read()), bytearray(parity_file.read())]
        layout = read_layout(contents[1])
        print(int(spoil(layout, chance.sample(everything(layout), int(count)), contents, chance)))
        for target, changed in zip((file, parity_file), contents):
            target.seek(0)
            target.write(changed)


def share(layout, count):
    """Of all ways to lose so many, those that leave each stripe enough: by convolution."""
    good = [1]
    for places in layout.places():
        here = [math.comb(len(places), i) for i in range(layout.m + 1)]
        both = [0] * min(len(good) + layout.m, count + 1)
        for i, a in enumerate(good):
            for j, b in enumerate(here):
                if i + j < len(both):
                    both[i + j] += a * b
        good = both
    total = layout.blocks + layout.stripes * layout.m
    ways = good[count] if count < len(good) else 0
    return ways / math.comb(total, count)


def theory(path, k, m, count):
    print("%.6f" % share(Layout(os.path.getsize(path), int(k), int(m)), int(count)))


class Trials:
    def __init__(self, archive, volume, program, chance):
        self.command = [program, "repair", "--from", archive, volume]
        self.chance = chance
        base = os.path.join(archive, "volumes", volume)
        self.paths = [base + ".tar.zst", base + ".parity", os.path.join(archive, "catalogue.log")]
        self.whole = []
        for path in self.paths:
            with open(path, "rb") as file:
                self.whole.append(file.read())
        self.layout = read_layout(self.whole[1])
        self.wrong = 0

    def write(self, contents):
        for path, changed in zip(self.paths, contents):
            with open(path, "wb") as file:
                file.write(changed)

    def once(self, chosen):
        """Was it repaired? Whether it could be is known, so there is no chance in what is right."""
        contents = [bytearray(c) for c in self.whole]
        possible = spoil(self.layout, chosen, contents, self.chance)
        self.write(contents)
        code = subprocess.run(self.command, stdout=subprocess.DEVNULL).returncode
        now = []
        for path in self.paths[:2]:
            with open(path, "rb") as file:
                now.append(file.read())
        repaired = code == 0 and now == self.whole[:2]
        beyond = code == 76 and now[0] == contents[0]
        self.wrong += not (repaired if possible else beyond)
        self.write(self.whole)
        return repaired

    def row(self, name, expected, rounds, choose):
        measured = sum(self.once(choose()) for _ in range(rounds)) / rounds
        spread = math.sqrt(expected * (1 - expected) / rounds)
        off = abs(measured - expected) > 4 * spread + 1 / rounds
        self.wrong += off
        print("# %-22s %8.4f %8.4f %6.4f %s" % (name, expected, measured, spread, off or ""))


def trials(archive, volume, program, rounds, seed):
    chance, rounds = random.Random(int(seed)), int(rounds)
    run = Trials(archive, volume, program, chance)
    layout, places = run.layout, everything(run.layout)
    print("# %d+%d, %d stripes, %d blocks and units, %d rounds, seed %s" %
          (layout.k, layout.m, layout.stripes, len(places), rounds, seed))
    print("# %-22s %8s %8s %6s" % ("lost", "theory", "repaired", "sigma"))
    for lost, expected in ((layout.m, 1.0), (layout.m + 1, 0.0)):
        run.row("%d of one stripe" % lost, expected, max(rounds // 2, 1), lambda: [
            (stripe, place) for stripe in [chance.randrange(layout.stripes)]
            for place in chance.sample(layout.places()[stripe], lost)])
    step = max(len(places) // 36, 1)
    for count in range(layout.m, layout.m + 8 * step, step):
        run.row("%d of all" % count, share(layout, count), rounds,
                lambda: chance.sample(places, count))
    sys.exit(run.wrong > 0)


if __name__ == "__main__":
    commands = {"make": make, "check": check, "damage": damage, "theory": theory, "trials": trials}
    commands[sys.argv[1]](*sys.argv[2:])
