"""door_slow.py CASE HOST:PORT KEY [PNG] - clients that take their time. Prints one line: what became
of them, and after how many seconds.
SPDX-License-Identifier: Apache-2.0"""
import re
import select
import socket
import sys
import time

case, address, key = sys.argv[1:4]
host, port = address.rsplit(":", 1)
head = ("Host: door\r\nAuthorization: Bearer %s\r\n" % key).encode()


def connect(buffer=0):
    link = socket.socket()
    if buffer:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    link.settimeout(60)
    link.connect((host, int(port)))
    return link


def drip(links, seconds, every=0.25):
    """A byte each, now and then, until all have been closed. Returns when the last was."""
    began = time.monotonic()
    while links and time.monotonic() - began < seconds:
        time.sleep(every)
        for link in list(links):
            try:
                link.send(b"x")
                if select.select([link], [], [], 0)[0] and not link.recv(65536):
                    raise ConnectionResetError
            except OSError:
                links.remove(link)
                link.close()
    return time.monotonic() - began


if case == "headers":
    crowd = [connect() for _ in range(40)]
    for one in crowd:
        one.sendall(b"GET /v1/key HTTP/1.1\r\n" + head + b"X-Slow: ")
    took = drip(crowd, 20)
    print("closed" if not crowd else "open", int(took))
elif case == "second":
    # Waiting between requests is no fault; dawdling over the second is.
    one = connect()
    one.sendall(b"GET /v1/key HTTP/1.1\r\n" + head + b"\r\n")
    one.recv(65536)
    time.sleep(7)
    one.sendall(b"GET /v1/key HTTP/1.1\r\n" + head + b"\r\n")
    answer = one.recv(65536)
    one.sendall(b"GET /v1/key HTTP/1.1\r\n" + head + b"X-Slow: ")
    crowd = [one]
    took = drip(crowd, 20)
    print(answer[9:12].decode(), "closed" if not crowd else "open", int(took))
elif case == "silent":
    one = connect()
    began = time.monotonic()
    one.recv(1)
    print("closed", int(time.monotonic() - began))
elif case == "body":
    crowd = [connect() for _ in range(10)]
    for one in crowd:
        one.sendall(b"POST /v1/resize?to=1x1 HTTP/1.1\r\n" + head + b"Content-Length: 100000\r\n\r\n")
    took = drip(crowd, 40)
    print("closed" if not crowd else "open", int(took))
elif case == "steady":
    # Slower than all deadlines, and yet steady: 40 kB a second for 20 seconds.
    png = open(sys.argv[4], "rb").read()
    one = connect()
    one.sendall(b"POST /v1/resize?to=1x1 HTTP/1.1\r\n" + head +
                b"Content-Length: %d\r\n\r\n" % len(png))
    pieces = [png[i:i + 10000] for i in range(0, len(png), 10000)]
    for piece in pieces:
        one.sendall(piece)
        time.sleep(0.25)
    print(one.recv(12)[9:].decode(), len(pieces) // 4)
elif case == "reader":
    # The answer has megabytes, of which the client reads nothing for longer than it may.
    png = open(sys.argv[4], "rb").read()
    one = connect(4096)
    one.sendall(b"POST /v1/resize?to=2000x2000,format=png,upscale=allow HTTP/1.1\r\n" + head +
                b"Content-Length: %d\r\n\r\n" % len(png) + png)
    began = time.monotonic()
    select.select([one], [], [], 30)
    time.sleep(20)
    answer = b""
    try:
        while piece := one.recv(1 << 20):
            answer += piece
    except OSError:
        pass
    front, _, rest = answer.partition(b"\r\n\r\n")
    whole = int(re.search(rb"Content-Length: (\d+)", front)[1])
    print("cut" if len(rest) < whole else "whole", int(time.monotonic() - began))
