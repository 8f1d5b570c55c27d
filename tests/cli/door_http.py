"""door_http.py HOST:PORT KEY PNG ROUNDS SEED - speaks HTTP to a door as no client should: framing
that lies, headers without end, bytes at random. Prints TAP lines without a plan.
SPDX-License-Identifier: Apache-2.0"""
import random
import re
import socket
import sys
import time

address, key, png_path, rounds, seed = sys.argv[1:6]
host, port = address.rsplit(":", 1)
png = open(png_path, "rb").read()
auth = b"Authorization: Bearer " + key.encode() + b"\r\n"
base = b"Host: door\r\n"
count = 0


def ok(good, name, why=""):
    global count
    count += 1
    print("ok" if good else "not ok", count, "-", name)
    if not good:
        print("#   " + repr(why)[:400], file=sys.stderr)


def connect():
    link = socket.create_connection((host, int(port)), timeout=20)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def read_all(link):
    out = b""
    try:
        while piece := link.recv(65536):
            out += piece
    except (ConnectionResetError, BrokenPipeError):
        out += b"<RESET>"
    except TimeoutError:
        out += b"<TIMEOUT>"
    return out


def talk(request, half_close=True):
    """Sends all, then reads to the end."""
    link = connect()
    try:
        link.sendall(request)
        if half_close:
            link.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    out = read_all(link)
    link.close()
    return out


def statuses(answer):
    """Of all answers. One that the library itself refuses with says its head twice."""
    found = re.findall(rb"HTTP/1\.[01] (\d{3}) [^\0]*?\r\n\r\n(HTTP/1\.1 \1 )?", answer)
    return [int(code) for code, _ in found]


def case(name, request, expected, pattern=None, half_close=True):
    """expected: the statuses, in order, of all answers."""
    answer = talk(request, half_close)
    got = statuses(answer)
    good = got == expected or (callable(expected) and expected(got))
    ok(good and (pattern is None or re.search(pattern, answer, re.S)), name, (got, answer))


def post(headers, body, path=b"/v1/resize?to=1x1", lead=auth):
    return b"POST " + path + b" HTTP/1.1\r\n" + base + lead + headers + b"\r\n" + body


def get(path, headers=b""):
    return b"GET " + path + b" HTTP/1.1\r\n" + base + auth + headers + b"\r\n"


def chunked(pieces, end=b"0\r\n\r\n"):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end


def length(size):
    return b"Content-Length: %d\r\n" % size


CHUNKS = b"Transfer-Encoding: chunked\r\n"
LAST = b"Connection: close\r\n"


def framing():
    case("two requests in one piece are answered in turn",
         get(b"/v1/key") + get(b"/health/live", LAST), [200, 200], rb"acme.*live")
    case("a body and the next request in one piece are told apart",
         post(length(len(png)), png) + get(b"/health/live", LAST), [200, 200], rb"live",
         half_close=False)
    case("chunks do as well as a length", post(CHUNKS + LAST, chunked([png[:9], png[9:]])), [200],
         half_close=False)
    case("a body of single bytes in chunks", post(CHUNKS + LAST, chunked(
        [png[i:i + 1] for i in range(len(png))])), [200], half_close=False)
    case("a key that is not known keeps the connection",
         b"GET /v1/key HTTP/1.1\r\n" + base + b"\r\n" + get(b"/v1/key", LAST), [401, 200])
    case("a refusal before the body ends the connection",
         post(length(len(png)), png, lead=b"") + get(b"/v1/key"), [401], rb"Connection: close")
    case("a body that nobody asked for ends it too",
         get(b"/v1/key", length(4)) + b"GET " + get(b"/v1/key"), [200], rb"Connection: close")
    case("a length and chunks are refused", post(length(5) + CHUNKS, chunked([png])), [400])
    case("two lengths are refused", post(length(5) + length(6), b"x" * 6), [400])
    case("the same length twice is refused", post(length(5) * 2, b"x" * 5), [400])
    case("chunks of another coding are refused",
         post(b"Transfer-Encoding: gzip, chunked\r\n", chunked([png])), [400])
    case("two codings are refused", post(CHUNKS * 2, chunked([png])), [400])
    for bad in (b"-1", b"1e3", b"0x10", b"5, 5", b"+5", b"9" * 30, b"abc", b""):
        case("Content-Length: %s is refused" % bad.decode(),
             post(b"Content-Length: " + bad + b"\r\n", b"xxxxx"),
             lambda got: len(got) == 1 and got[0] in (400, 411, 413, 422))
    case("a chunk that is no number ends it", post(CHUNKS, b"zz\r\nabc\r\n0\r\n\r\n"),
         lambda got: got in ([], [400]))
    case("a chunk of 2^64 bytes ends it", post(CHUNKS, b"10000000000000000\r\nabc"),
         lambda got: got in ([], [400], [413]))


def sizes():
    case("a length beyond the limit is refused before the body",
         post(length(10 << 20) + b"Expect: 100-continue\r\n", b""), [413], rb"\"too-large\"",
         half_close=False)
    case("an expected body is asked for",
         post(length(len(png)) + LAST + b"Expect: 100-continue\r\n", png), [100, 200],
         half_close=False)
    big = b"x" * (1 << 16)
    link = connect()
    link.sendall(post(CHUNKS, b""))
    sent = 0
    try:
        while sent < 64 << 20:  # the door's limit is 2 MiB
            link.sendall(b"%x\r\n%s\r\n" % (len(big), big))
            sent += len(big)
    except OSError:
        pass
    answer = read_all(link)
    ok(statuses(answer)[-1:] == [413] and b'"too-large"' in answer,
       "chunks without end are answered with 413", answer)
    ok(sent < 32 << 20, "before much has been sent", sent)
    link.close()
    answer = talk(post(length(8 << 20), b"y" * (8 << 20)))
    ok(statuses(answer) == [413] and b"RESET" not in answer,
       "who sends on all the same can still read why", answer)
    answer = talk(post(length(1 << 20), b"y" * (1 << 20), lead=b""))
    ok(statuses(answer) == [401] and b"RESET" not in answer,
       "also when the key is missing", answer)
    link = connect()
    link.sendall(post(length(1000), b"only this"))
    link.shutdown(socket.SHUT_WR)
    ok(statuses(read_all(link)) in ([], [400]), "a body that ends early is not taken for whole")
    link.close()


def lines():
    for path, status in ((b"/v1/key%00", 404), (b"/v1/key%00x", 404), (b"//v1/key", 404),
                         (b"/v1/../v1/key", 404), (b"/v1/%6bey", 200), (b"/V1/KEY", 404),
                         (b"/v1/key/..", 404), (b"/%2e%2e/%2e%2e/etc/passwd", 404),
                         (b"/" + b"a" * 5000, 404), (b"/\xff\xfe", 404), (b"/%ff%fe", 404)):
        case("GET %s: %d" % (path[:30].decode("latin1"), status), get(path, LAST), [status])
    for method in (b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"get", b"BREW", b"G" * 500):
        case("%s is not allowed" % method[:10].decode(),
             method + b" /v1/key HTTP/1.1\r\n" + base + auth + LAST + b"\r\n", [405],
             rb"Allow: GET, HEAD")
    case("HTTP/1.1 without a host is refused", b"GET /v1/key HTTP/1.1\r\n" + auth + b"\r\n", [400])
    case("HTTP/1.0 is answered and closed",
         b"GET /v1/key HTTP/1.0\r\n" + auth + b"\r\n", [200])
    case("HTTP/2 is not spoken", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
         lambda got: len(got) == 1 and got[0] >= 400)
    case("a header without end is refused", b"GET /v1/key HTTP/1.1\r\n" + base + b"X: " +
         b"x" * (1 << 20) + b"\r\n\r\n", lambda got: got in ([431], [413], [400]),
         half_close=False)
    case("headers without end are refused", b"GET /v1/key HTTP/1.1\r\n" + base +
         b"X-Y: z\r\n" * 100000, lambda got: got in ([431], [413], [400]), half_close=False)
    case("a path without end is refused", b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\n\r\n",
         lambda got: got in ([414], [431], [400]), half_close=False)
    case("200 headers are taken", get(b"/v1/key", b"".join(
        b"X-%d: y\r\n" % i for i in range(200)) + LAST), [200])
    case("line ends alone, before a request", b"\r\n\r\n" + get(b"/v1/key", LAST), [200])
    case("a header cannot be smuggled into the answer", get(
        b"/v1/key", b"X-Request-ID: a\tb\r\n" + LAST), [200], rb"X-Request-ID: [0-9a-f]{32}\r\n")


def noise(rounds, seed):
    """Requests that begin well and then do not. None may hang, or end the door."""
    draw = random.Random(seed)
    words = [b"GET", b"POST", b"/v1/key", b"/v1/resize?to=1x1", b" ", b"\r\n", b"\r\n\r\n", b"\n",
             b"HTTP/1.1", b"HTTP/1.0", b"Host: x", b"Content-Length: ", b"Content-Length: 5",
             b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Connection: keep-alive",
             b"Connection: close, upgrade", b"Upgrade: h2c", auth.strip(), b"X-API-Key: " +
             key.encode(), b"Cookie: a=b; c", b"Range: bytes=0-", b":", b"%00", b"%", b"?", b"&=",
             b"5\r\nhello\r\n", b"0\r\n\r\n", b"\0", b"\xff", b"\t", png, b"Idempotency-Key: a",
             b"Accept-Encoding: *;q=0"]
    hung = 0
    for _ in range(rounds):
        kind = draw.random()
        if kind < 0.45:
            text = b"".join(draw.choice(words) for _ in range(draw.randrange(1, 40)))
        elif kind < 0.9:
            text = bytearray(draw.choice([get(b"/v1/key"), post(length(len(png)), png),
                                          post(CHUNKS, chunked([png[:20], png[20:]]))]))
            for _ in range(draw.randrange(1, 6)):
                place = draw.randrange(len(text))
                if draw.random() < 0.3:
                    del text[place:place + draw.randrange(1, 9)]
                elif draw.random() < 0.5:
                    text[place:place] = draw.choice(words)
                else:
                    text[place] = draw.randrange(256)
                if not text:
                    break
        else:
            text = draw.randbytes(draw.randrange(1, 3000))
        began = time.monotonic()
        link = connect()
        link.settimeout(8)
        try:
            link.sendall(text)
            if draw.random() < 0.8:
                link.shutdown(socket.SHUT_WR)
                hung += b"TIMEOUT" in read_all(link)
        except OSError:
            pass
        link.close()
        hung += time.monotonic() - began > 7.5
    ok(hung == 0, "%d requests of noise: none hangs" % rounds, hung)


framing()
sizes()
lines()
noise(int(rounds), int(seed))
