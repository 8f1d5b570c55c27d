#!/usr/bin/env python3
"""identity.py STATE - published identity by the text of formats/README.md alone: hashlib for digests
and hashes of keys, RFC 8032 for the signature, liblmdb itself for the snapshot.

Signs the head anew and fails unless it is the same, to the byte; then, for each API key of stdin, a
line each, prints "ID SCOPES RATE BURST QUOTA EXPIRES CUSTOMER", or "none".

SPDX-License-Identifier: Apache-2.0
"""
import base64
import ctypes
import hashlib
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from catalogue_log import Key  # noqa: E402

NOSUBDIR, RDONLY, NOLOCK = 0x4000, 0x20000, 0x400000


class Val(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("data", ctypes.c_void_p)]


class Snapshot:
    def __init__(self, path):
        self.lmdb = ctypes.CDLL("liblmdb.so.0")
        env, self.txn, self.dbi = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_uint()
        self.must(self.lmdb.mdb_env_create(ctypes.byref(env)))
        self.must(self.lmdb.mdb_env_open(env, path.encode(), NOSUBDIR | RDONLY | NOLOCK, 0))
        self.must(self.lmdb.mdb_txn_begin(env, None, RDONLY, ctypes.byref(self.txn)))
        self.must(self.lmdb.mdb_dbi_open(self.txn, None, 0, ctypes.byref(self.dbi)))

    @staticmethod
    def must(code):
        assert code == 0, f"LMDB: {code}"

    def get(self, key):
        buffer = ctypes.create_string_buffer(key, len(key))
        name, value = Val(len(key), ctypes.addressof(buffer)), Val()
        if self.lmdb.mdb_get(self.txn, self.dbi, ctypes.byref(name), ctypes.byref(value)):
            return None
        return ctypes.string_at(value.data, value.size)


def secret_key(path):
    with open(path, encoding="ascii") as file:
        raw = base64.b64decode(file.read().splitlines()[1])
    return Key(raw[54:62], raw[62:94])


def note(key, body):
    hashed = hashlib.sha256(key.id.encode() + b"\n\x01" + key.key).digest()[:4]
    signed = base64.b64encode(hashed + key.sign(body.encode())).decode()
    return f"{body}\n\u2014 {key.id} {signed}\n".encode()


def main(state):
    published = f"{state}/identity/published"
    with open(f"{published}/head", "rb") as file:
        head = file.read()
    body = head.decode().split("\n\n")[0] + "\n"
    assert note(secret_key(f"{state}/identity/publisher.key"), body) == head, "the head's bytes"
    lines = body.splitlines()
    assert lines[0] == "millrace.identity/v1"
    assert [line.split(" ")[0] for line in lines[1:]] == [
        "epoch", "parent", "digest", "count", "created"]
    digest = lines[3].split(" ")[1]
    path = f"{published}/snapshot-{digest}.lmdb"
    with open(path, "rb") as file:
        assert hashlib.sha256(file.read()).hexdigest() == digest, "the snapshot's digest"
    snapshot = Snapshot(path)
    version, pepper = struct.unpack("<I32s", snapshot.get(b"\0"))
    assert version == 1
    for line in sys.stdin.buffer:
        hashed = hashlib.blake2b(line.rstrip(b"\n"), digest_size=32, key=pepper).digest()
        record = snapshot.get(hashed)
        if record is None:
            print("none")
            continue
        fields = struct.unpack("<IIIQq", record[:28])
        print(hashed[:6].hex(), *fields, record[28:].decode())


main(sys.argv[1])
