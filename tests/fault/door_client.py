"""door_client.py - requests through a proxy, as its clients send them: on connections that are kept.

    door_client.py reads SECONDS URL KEY CA             GET /v1/key by four at once
    door_client.py writes COUNT URL KEY CA PHOTO        POST /v1/resize one after another, without
                                                        an Idempotency-Key, and never again
    door_client.py keyed COUNT URL KEY CA PHOTO         the same by four at once, each with a key of
                                                        its own, again and again until it is served
    door_client.py slow COUNT URL KEY CA                so many posts whose bodies do not come, and
                                                        then GET /v1/key, whose status is printed;
                                                        and again when they have ended

Prints what came, a line a status: "STATUS COUNT"; "broken" is for connections that ended. Of keyed
ones, "served COUNT" and "again COUNT".
SPDX-License-Identifier: Apache-2.0
"""
import collections
import http.client
import socket
import ssl
import sys
import threading
import time
import urllib.parse

THREADS = 4
GIVE_UP_S = 60


class Client:
    """One connection, made anew when it ended."""

    def __init__(self, url, key, ca):
        self.place = urllib.parse.urlsplit(url)
        self.context = ssl.create_default_context(cafile=ca)
        self.headers = {"Authorization": "Bearer " + key}
        self.connection = None

    def request(self, method, path, body=None, headers=None):
        """The status, or "broken"."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPSConnection(
                    self.place.hostname, self.place.port, timeout=40, context=self.context)
            self.connection.request(method, path, body, {**self.headers, **(headers or {})})
            answer = self.connection.getresponse()
            answer.read()
            if answer.will_close:
                self.close()
            return answer.status
        except (OSError, http.client.HTTPException):
            self.close()
            return "broken"

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def reads(client, seconds, counts):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        counts[client.request("GET", "/v1/key")] += 1


def keyed(client, numbers, photo, counts):
    for number in numbers:
        end = time.monotonic() + GIVE_UP_S
        while time.monotonic() < end:
            status = client.request("POST", "/v1/resize?to=64x64", photo,
                                    {"Idempotency-Key": "photo-%d" % number})
            if status == 200:
                counts["served"] += 1
                break
            counts["again"] += 1
            time.sleep(0.05)


def slow(client, count, url):
    place = urllib.parse.urlsplit(url)
    head = ("POST /v1/resize?to=64x64 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
            "Authorization: %s\r\n\r\n" % client.headers["Authorization"])
    sockets = []
    for _ in range(count):
        plain = socket.create_connection((place.hostname, place.port))
        sockets.append(client.context.wrap_socket(plain, server_hostname=place.hostname))
        sockets[-1].sendall(head.encode())
    time.sleep(0.2)
    print("beside", client.request("GET", "/v1/key"))
    for one in sockets:
        one.close()
    time.sleep(0.5)
    print("afterwards", client.request("GET", "/v1/key"))


def main():
    kind, amount, url, key, ca = sys.argv[1:6]
    photo = open(sys.argv[6], "rb").read() if len(sys.argv) > 6 else None
    counts = collections.Counter()
    if kind == "slow":
        slow(Client(url, key, ca), int(amount), url)
    elif kind == "writes":
        client = Client(url, key, ca)
        for _ in range(int(amount)):
            counts[client.request("POST", "/v1/resize?to=64x64", photo)] += 1
    else:
        each = [collections.Counter() for _ in range(THREADS)]
        threads = []
        for i in range(THREADS):
            arguments = [Client(url, key, ca)]
            if kind == "reads":
                arguments += [float(amount)]
            else:
                arguments += [range(i, int(amount), THREADS), photo]
            threads.append(threading.Thread(target=reads if kind == "reads" else keyed,
                                            args=(*arguments, each[i])))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for one in each:
            counts += one
    for name, count in sorted(counts.items(), key=str):
        print(name, count)


main()
