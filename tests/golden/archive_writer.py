#!/usr/bin/env python3
"""archive_writer.py - packs files into a small archive by the text of formats/README.md alone, with
the programs zstd and minisign. Another writer than ours, for what reads archives.

    archive_writer.py ARCHIVE --key NAME.key [--time T] [--retain-until T] [--class NAME]
                      [--parity K+M] [--level N] [--actor A] [NAME=]FILE...

Makes the archive, or adds a volume to it, and prints the volume's name. The key has no password.
T is as in 2026-12-01T02:00:00.000000Z.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import base64
import datetime
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import tarfile
import tempfile

sys.dont_write_bytecode = True
import catalogue_log  # noqa: E402
import parity  # noqa: E402

FRAME = 4 << 20
DAY = datetime.timedelta(days=1)


def read_key(path):
    with open(path, encoding="ascii") as file:
        raw = base64.b64decode(file.read().splitlines()[1])
    assert raw[:6] == b"Ed\0\0B2", "a secret key of minisign without a password"
    return catalogue_log.Key(raw[54:62], raw[62:94])


def rfc3339(seconds, microseconds=0):
    time = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + "%06dZ" % microseconds


def unescape(text):
    return re.sub(rb"%([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), text)


class Record:
    def __init__(self, operand):
        name, equals, path = operand.partition("=")
        path = path if equals else name
        parts = [p for p in os.fsencode(name).split(b"/") if p not in (b"", b".")]
        self.name = b"/".join(b"%2E%2E" if p == b".." else p for p in parts)
        with open(path, "rb") as file:
            self.data = file.read()
            self.mtime = int(os.fstat(file.fileno()).st_mtime)
        self.members = {"key": self.key()}
        self.begin = self.end = self.mtime
        usage = re.fullmatch(rb"usage/([^/]+)/(\d{4}-\d\d-\d\d)\.ndjson", self.name)
        if usage:
            customer = b"" if usage[1] == b"%" else unescape(usage[1])
            self.members["customer"] = customer.decode()
            day = datetime.datetime.strptime(usage[2].decode(), "%Y-%m-%d")
            self.begin = int((day - datetime.datetime(1970, 1, 1)).total_seconds())
            self.end = self.mtime = self.begin + 86399
        self.usage = bool(usage)

    def key(self):
        try:
            return self.name.decode()
        except UnicodeDecodeError:
            return "".join(chr(b) if 0x20 <= b < 0x7F and b != 0x25 else "%%%02X" % b
                           for b in self.name)

    def tar(self):
        info = tarfile.TarInfo(os.fsdecode(self.name))
        info.size, info.mtime, info.mode = len(self.data), self.mtime, 0o644
        info.uname = info.gname = "root"
        header = info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        return header + self.data + bytes(-len(self.data) % 512)

    def line(self, frame, offset):
        last = 999999 if self.usage else 0
        members = {**self.members, "from": rfc3339(self.begin), "to": rfc3339(self.end, last),
                   "size": len(self.data), "sha256": hashlib.sha256(self.data).hexdigest(),
                   "frame": frame, "offset": offset}
        return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def cut(records):
    """The frames, and the lines of the index."""
    frames, lines, full = [b""], [], False
    for record in records:
        member = record.tar()
        if full or len(frames[-1]) + len(member) > FRAME:
            frames += [b""] if frames[-1] else []
        line = record.line(len(frames) - 1, len(frames[-1]))
        lines.append((record.members["key"].encode(), line))
        frames[-1] += member
        full = len(member) > FRAME
        while len(frames[-1]) > FRAME:
            frames[-1:] = [frames[-1][:FRAME], frames[-1][FRAME:]]
    frames[-1] += bytes(1024)
    return frames, [line for _, line in sorted(lines)]


def compress(frames, level):
    out, table = b"", b""
    for frame in frames:
        with tempfile.NamedTemporaryFile() as file:
            file.write(frame)
            file.flush()
            packed = subprocess.run(["zstd", "-q", "-%d" % level, "--ultra", "--zstd=wlog=22", "-c",
                                     "--check", file.name], stdout=subprocess.PIPE, check=True)
        # A frame's own checksum is the low half of XXH64 too.
        table += struct.pack("<2I", len(packed.stdout), len(frame)) + packed.stdout[-4:]
        out += packed.stdout
    size = len(table) + 9
    return out + struct.pack("<2I", 0x184D2A5E, size) + table + struct.pack(
        "<IBI", len(frames), 0x80, 0x8F92EAB1)


def parity_of(volume, shape):
    layout = parity.Layout(len(volume), *map(int, shape.split("+")))
    stripes = [layout.units(volume, s) for s in range(layout.stripes)]
    units = b"".join(stripe[p] for p in range(layout.m) for stripe in stripes)
    return layout.header() + units + layout.header()


def load_log(path, key):
    log = catalogue_log.Log(key)
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            log.lines = file.read().splitlines()
        log.entries = [line.encode() for line in log.lines if '"checkpoint"' not in line[:15]]
        log.chain = json.loads(log.entries[-1])["chain"]
    return log


def manifest_of(args, records, frames, lines, files, previous):
    volume = hashlib.sha256(files["tar.zst"]).hexdigest()[:32]
    names = {"%s.%s" % (volume, suffix): contents for suffix, contents in files.items()}
    fields = [("millrace volume", 1), ("volume", volume), ("class", args.cls),
              ("packed", args.time), ("retain-until", args.retain_until),
              ("records", len(records)), ("record-bytes", sum(len(r.data) for r in records)),
              ("frames", len(frames)), ("level", args.level), ("parity", args.parity),
              ("merkle-root", catalogue_log.root(lines).hex()), ("previous", previous),
              ("made-by", "archive_writer.py")]
    text = "".join("# %s %s\n" % field for field in fields)
    text += "".join("# size %d %s\n" % (len(names[n]), n) for n in names)
    text += "".join("%s  %s\n" % (hashlib.sha256(names[n]).hexdigest(), n) for n in names)
    return volume, text.encode()


def write(path, contents):
    with open(path, "wb") as file:
        file.write(contents)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("archive")
    options.add_argument("--key", required=True)
    options.add_argument("--time", default="2026-12-01T02:00:00.000000Z")
    options.add_argument("--retain-until", default="2033-12-01T02:00:00.000000Z")
    options.add_argument("--class", dest="cls", default="default")
    options.add_argument("--parity", default="none")
    options.add_argument("--level", type=int, default=3)
    options.add_argument("--actor", default="archivist@n07")
    options.add_argument("files", nargs="+")
    args = options.parse_args()

    key = read_key(args.key)
    records = sorted(map(Record, args.files), key=lambda record: record.members["key"].encode())
    frames, lines = cut(records)
    files = {"tar.zst": compress(frames, args.level),
             "index": b"".join(line + b"\n" for line in lines)}
    if args.parity != "none":
        files["parity"] = parity_of(files["tar.zst"], args.parity)
    for folder in ("volumes", "keys"):
        os.makedirs(os.path.join(args.archive, folder), exist_ok=True)
    log = load_log(os.path.join(args.archive, "catalogue.log"), key)
    packs = [e for e in map(json.loads, log.entries) if e["kind"] == "pack"]
    previous = packs[-1]["manifest"] if packs else "none"
    volume, manifest = manifest_of(args, records, frames, lines, files, previous)
    base = os.path.join(args.archive, "volumes", volume)
    for suffix, contents in files.items():
        write("%s.%s" % (base, suffix), contents)
    write(base + ".manifest", manifest)
    write(os.path.join(args.archive, "keys", key.id + ".pub"), key.public().encode())
    subprocess.run(["minisign", "-S", "-q", "-W", "-s", args.key, "-m", base + ".manifest", "-c",
                    "signature of a millrace volume", "-t",
                    "millrace volume %s packed %s" % (volume, args.time)],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    with open(base + ".manifest.minisig", "rb") as file:
        signature = file.read()
    log.add(args.time, "pack", actor=args.actor, volume=volume, **{"class": args.cls},
            manifest=hashlib.sha256(manifest).hexdigest(),
            minisig=hashlib.sha256(signature).hexdigest(), retain_until=args.retain_until,
            records=len(records), bytes=len(files["tar.zst"]))
    log.sign()
    write(os.path.join(args.archive, "catalogue.log"), log.text().encode())
    print(volume)


if __name__ == "__main__":
    main()
