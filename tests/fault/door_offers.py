#!/usr/bin/env python3
"""door_offers.py URL KEY PHOTO CLIENTS OUT [UNTIL] - offers images to a door, each under a name of
its own, until the door is gone or UNTIL answers have come. Appends to OUT, a line for each answer,
when it is whole:

    STATUS NAME KEYED CODE

Half of the requests are keyed by their names. Names do not repeat within OUT.
SPDX-License-Identifier: Apache-2.0"""
import http.client
import json
import os
import sys
import threading
import uuid

url, key, photo_path, clients, out_path = sys.argv[1:6]
until = int(sys.argv[6]) if len(sys.argv) > 6 else 1 << 60
photo = open(photo_path, "rb").read()
host = url.removeprefix("http://")
lock = threading.Lock()
out = open(out_path, "a", buffering=1)
state = {"answers": 0}


def offer(connection, name, keyed):
    headers = {"Authorization": "Bearer " + key, "X-Request-ID": name}
    if keyed:
        headers["Idempotency-Key"] = name
    connection.request("POST", "/v1/resize?to=32x32", photo, headers)
    response = connection.getresponse()
    body = response.read()
    code = "-" if response.status == 200 else json.loads(body)["code"]
    with lock:
        state["answers"] += 1
        out.write(f"{response.status} {name} {int(keyed)} {code}\n")


def client():
    connection = http.client.HTTPConnection(host, timeout=60)
    number = 0
    while state["answers"] < until:
        number += 1
        name = uuid.uuid4().hex
        keyed = number % 2 == 0
        if keyed:
            with lock:
                out.write(f"offered {name} 1 -\n")
        try:
            offer(connection, name, keyed)
        except (OSError, http.client.HTTPException):
            connection.close()
            try:
                connection.connect()
            except OSError:
                return


threads = [threading.Thread(target=client) for _ in range(int(clients))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
os.close(out.fileno())
