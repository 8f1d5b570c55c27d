#!/usr/bin/env python3
"""archive_hostile.py - archives that mean harm, each signed as if it were good: whoever has a key,
or puts his own into an archive, can make such ones.

    archive_hostile.py FOLDER NAME.key OUTSIDE

Makes FOLDER/CASE for each case and prints its name. OUTSIDE: an absolute path; what is written to
it, or to what it holds, has escaped.

SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import json
import os
import struct
import subprocess
import sys
import tarfile
import types

sys.dont_write_bytecode = True
import archive_writer  # noqa: E402
import catalogue_log  # noqa: E402

TIME = "2026-12-01T02:00:00.000000Z"
UNTIL = "2033-12-01T02:00:00.000000Z"
cases = {}


def case(function):
    cases[function.__name__.replace("_", "-")] = function
    return function


def header(name, kind=tarfile.REGTYPE, size=0, link="", pax=None):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname, info.mtime = kind, size, link, 7
    info.devmajor, info.devminor = 1, 3
    info.pax_headers = pax or {}
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def member(name, data=b"hostile\n", **how):
    return header(name, size=how.pop("size", len(data)), **how) + data + bytes(-len(data) % 512)


def line(key, data=b"hostile\n", **changes):
    members = {"key": key, "from": "1970-01-01T00:00:07.000000Z",
               "to": "1970-01-01T00:00:07.000000Z", "size": len(data),
               "sha256": hashlib.sha256(data).hexdigest(), "frame": 0, "offset": 0, **changes}
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


class Sized:
    """Stands for a record of that many bytes, which need not be there."""

    def __init__(self, size):
        self.data = self
        self.size = size

    def __len__(self):
        return self.size


class Archive:
    """One volume: the tar's frames and the index's lines, or the files as they shall be."""

    def __init__(self, frames=(b"",), lines=(), volume=None, index=None):
        frames = list(frames)
        frames[-1] += bytes(1024)
        self.frames = frames
        self.lines = list(lines)
        self.volume = archive_writer.compress(frames, 3) if volume is None else volume
        self.index = b"".join(x + b"\n" for x in self.lines) if index is None else index
        self.count = len(self.lines)
        self.manifest = lambda text: text
        self.name = lambda volume: volume

    def write(self, folder, key_path):
        key = archive_writer.read_key(key_path)
        args = types.SimpleNamespace(cls="default", time=TIME, retain_until=UNTIL, level=3,
                                     parity="none")
        records = [Sized(json.loads(line)["size"]) for line in self.lines]
        records += [Sized(0)] * (self.count - len(records))
        files = {"tar.zst": self.volume, "index": self.index}
        volume, manifest = archive_writer.manifest_of(args, records, self.frames, self.lines, files,
                                                      "none")
        manifest = self.manifest(manifest)
        for name in ("volumes", "keys"):
            os.makedirs(os.path.join(folder, name))
        base = os.path.join(folder, "volumes", volume)
        for suffix, contents in {**files, "manifest": manifest}.items():
            archive_writer.write("%s.%s" % (base, suffix), contents)
        archive_writer.write(os.path.join(folder, "keys", key.id + ".pub"), key.public().encode())
        subprocess.run(["minisign", "-S", "-q", "-W", "-s", key_path, "-m", base + ".manifest",
                        "-c", "signature of a millrace volume", "-t",
                        "millrace volume %s packed %s" % (volume, TIME)],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        with open(base + ".manifest.minisig", "rb") as file:
            signature = file.read()
        log = catalogue_log.Log(key)
        log.add(TIME, "pack", actor="eve", volume=self.name(volume), **{"class": "default"},
                manifest=hashlib.sha256(manifest).hexdigest(),
                minisig=hashlib.sha256(signature).hexdigest(), retain_until=UNTIL,
                records=self.count, bytes=len(self.volume))
        log.sign()
        archive_writer.write(os.path.join(folder, "catalogue.log"), log.text().encode())
        return base


def named(name):
    return Archive([member(name)], [line(name)])


@case
def above(outside):
    return named("../" + os.path.basename(outside) + "/escaped")


@case
def far_above(outside):
    return named("../" * 40 + outside.lstrip("/") + "/escaped")


@case
def within_and_above(outside):
    return named("a/../../" + os.path.basename(outside) + "/escaped")


@case
def absolute(outside):
    return named(outside + "/escaped")


@case
def only_above(outside):
    return named("..")


@case
def spelled_otherwise(outside):
    return named("a//./b")


@case
def our_own_folder(outside):
    return named(".millrace-restore.tmp/0")


@case
def name_too_long(outside):
    return named("x" * 300)


@case
def through_a_symlink(outside):
    link = header("link", kind=tarfile.SYMTYPE, link=outside)
    return Archive([link + member("link/escaped")],
                   [line("link", b""), line("link/escaped", offset=len(link))])


def of_kind(kind, link=""):
    return Archive([header("x", kind=kind, link=link)], [line("x", b"")])


@case
def symlink(outside):
    return of_kind(tarfile.SYMTYPE, outside + "/secret")


@case
def hard_link(outside):
    return of_kind(tarfile.LNKTYPE, outside + "/secret")


@case
def device(outside):
    return of_kind(tarfile.CHRTYPE)


@case
def block_device(outside):
    return of_kind(tarfile.BLKTYPE)


@case
def pipe(outside):
    return of_kind(tarfile.FIFOTYPE)


@case
def folder(outside):
    return of_kind(tarfile.DIRTYPE)


@case
def sparse(outside):
    pax = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x",
           "GNU.sparse.realsize": str(1 << 40)}
    return Archive([member("x", b"0\n".ljust(512, b"\0"), pax=pax)], [line("x", size=1 << 40)])


@case
def absurd_size(outside):
    return Archive([member("x", size=1 << 60)], [line("x", size=1 << 60)])


@case
def absurd_size_in_the_index(outside):
    return Archive([member("x")], [line("x", size=1 << 62)])


@case
def size_beyond_all(outside):
    return Archive([member("x", size=(1 << 63) - 1)], [line("x", size=(1 << 63) - 1)])


def table(*entries, count=None):
    body = b"".join(struct.pack("<3I", *entry) for entry in entries)
    return struct.pack("<2I", 0x184D2A5E, len(body) + 9) + body + struct.pack(
        "<IBI", len(entries) if count is None else count, 0x80, 0x8F92EAB1)


def zeros(size):
    """A frame of zeros, of a ten-thousandth of their size."""
    return subprocess.run("head -c %d /dev/zero | zstd -q -19 --check" % size, shell=True,
                          stdout=subprocess.PIPE, check=True).stdout


@case
def bomb_behind_a_modest_table(outside):
    frame = zeros(1 << 30)
    volume = frame + table((len(frame), 4 << 20, struct.unpack("<I", frame[-4:])[0]))
    return Archive(lines=[line("x")], volume=volume)


@case
def bomb(outside):
    frame = zeros(1 << 30)
    volume = frame + table((len(frame), 1 << 30, struct.unpack("<I", frame[-4:])[0]))
    return Archive(lines=[line("x")], volume=volume)


@case
def pax_bomb(outside):
    pax = header("x", pax={"comment": "c" * (3 << 20)})
    return Archive([pax + member("x")], [line("x", offset=0)])


@case
def table_of_too_many(outside):
    return Archive(lines=[line("x")], volume=zeros(4096) + table(count=0x7FFFFFF))


@case
def table_of_overlapping_frames(outside):
    frame = zeros(4096)
    check = struct.unpack("<I", frame[-4:])[0]
    entry = (len(frame), 4096, check)
    return Archive(lines=[line("x")], volume=frame + table(entry, entry))


@case
def table_of_frames_of_nothing(outside):
    frame = zeros(4096)
    entries = [(0, 0, 0)] * 1000 + [(len(frame), 4096, 0)]
    return Archive(lines=[line("x")], volume=frame + table(*entries))


@case
def table_of_swapped_frames(outside):
    good = Archive([member("a" * 40), member("b" * 40)], [line("a" * 40)])
    body, size = good.volume[:-41], struct.unpack("<I", good.volume[-33:-29])[0]
    good.volume = body[size:] + body[:size] + good.volume[-41:]
    return good


@case
def no_table(outside):
    return Archive(lines=[line("x")], volume=zeros(4096))


@case
def nothing_at_all(outside):
    return Archive(lines=[line("x")], volume=b"")


@case
def index_to_no_frame(outside):
    return Archive([member("x")], [line("x", frame=77)])


@case
def index_into_data(outside):
    inner = member("inner")
    return Archive([member("x", b"lead" * 128 + inner)], [line("inner", offset=1024)])


@case
def index_to_another(outside):
    return Archive([member("a") + member("b", b"other\n")], [line("a"), line("b", b"other\n")])


@case
def index_off_by_one(outside):
    return Archive([member("a") + member("b")], [line("a"), line("b", offset=1023)])


@case
def index_behind_the_end(outside):
    return Archive([member("a")], [line("a", offset=4 << 19)])


@case
def another_digest(outside):
    return Archive([member("x")], [line("x", sha256="0" * 64)])


@case
def a_smaller_size(outside):
    return Archive([member("x")], [line("x", b"hos")])


@case
def keys_twice(outside):
    return Archive([member("x")], [line("x"), line("x")])


@case
def keys_descending(outside):
    return Archive([member("b") + member("a")], [line("b"), line("a", offset=1024)])


@case
def fewer_lines_than_promised(outside):
    archive = Archive([member("x")], [line("x")])
    archive.count = 2
    return archive


@case
def a_line_without_end(outside):
    return Archive([member("x")], index=line("x" * (5 << 20)))


@case
def a_line_that_is_none(outside):
    return Archive([member("x")], index=b'{"key":"../x"}\n')


@case
def escapes_in_keys(outside):
    name = "\x1b]0;owned\x07\x1b[2J\n../x"
    return Archive([member(name)], [line(name, sha256="0" * 64)])


@case
def escapes_in_the_manifest(outside):
    archive = named("x")
    archive.manifest = lambda text: text.replace(b"# class default", b"# class \x1b[2J")
    return archive


@case
def a_manifest_of_other_files(outside):
    archive = named("x")
    archive.manifest = lambda text: text + b"0" * 64 + b"  " + outside.encode() + b"/secret\n"
    return archive


@case
def a_volume_elsewhere(outside):
    archive = named("x")
    archive.name = lambda volume: "../../" + os.path.basename(outside) + "/" + volume[:16]
    return archive


@case
def a_volume_that_is_a_symlink(outside):
    return named("x")


def main():
    folder, key, outside = sys.argv[1:]
    for name, make in cases.items():
        base = make(outside).write(os.path.join(folder, name), key)
        if name == "a-volume-that-is-a-symlink":
            os.rename(base + ".tar.zst", outside + "/secret.tar.zst")
            os.symlink(outside + "/secret.tar.zst", base + ".tar.zst")
        print(name)


if __name__ == "__main__":
    main()
