#!/usr/bin/env python3
"""door_page.py - the door's page in a headless Chromium, driven over the browser's own pipe.
SPDX-License-Identifier: Apache-2.0"""
import base64
import http.client
import json
import os
import signal
import subprocess
import sys
import time

URL = "http://" + os.environ["DOOR"]
KEY = os.environ["KEY"]
PHOTO = os.environ["PHOTO"]
TEXT = os.environ["TEXT"]
SCRATCH = os.environ["SCRATCH"]
DOOR_PID = int(os.environ["DOOR_PID"])

tap = {"count": 0, "failed": 0}


def ok(good, name, more=""):
    tap["count"] += 1
    tap["failed"] += not good
    print(("ok" if good else "not ok"), tap["count"], "-", name, flush=True)
    if not good:
        print("#  ", str(more)[:2000], file=sys.stderr, flush=True)


class Browser:
    """Commands go to descriptor 3 of the browser and events come from its 4, each with a NUL."""

    def __init__(self):
        to_read, self.to = os.pipe()
        self.back, back_write = os.pipe()
        high = [os.dup2(fd, 20 + i) for i, fd in enumerate((to_read, back_write))]

        def place():
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [os.environ["CHROMIUM"], "--headless", "--no-sandbox", "--disable-gpu",
             "--no-first-run", "--disable-dev-shm-usage", "--remote-debugging-pipe",
             "--user-data-dir=" + SCRATCH + "/profile", "--window-size=1100,1200", "about:blank"],
            preexec_fn=place, pass_fds=(3, 4), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        for fd in (to_read, back_write, *high):
            os.close(fd)
        self.bytes = b""
        self.number = 0
        self.session = None
        self.events = []

    def receive(self):
        while b"\0" not in self.bytes:
            piece = os.read(self.back, 1 << 16)
            if not piece:
                raise RuntimeError("the browser ended")
            self.bytes += piece
        message, self.bytes = self.bytes.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            message = self.receive()
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def attach(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target,
                                 flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(domain + ".enable")

    def run(self, script):
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True,
                           returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait(self, script, seconds=30):
        until = time.monotonic() + seconds
        while not self.run(script):
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def press(self, key, code, text=None):
        for kind in ("keyDown", "keyUp"):
            params = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
            if text and kind == "keyDown":
                params["text"] = text
            self.call("Input.dispatchKeyEvent", **params)

    def choose(self, path):
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[path])

    def screenshot(self, name):
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        with open(os.path.join(os.environ.get("SCREENSHOTS", SCRATCH), name), "wb") as out:
            out.write(base64.b64decode(shot))

    def end(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def text(name):
    return browser.run(f"document.getElementById('{name}').textContent")


def value(name, what):
    browser.run(f"document.getElementById('{name}').value = {json.dumps(what)}")


def alert():
    return browser.run("document.getElementById('alert').hidden ? '' : "
                       "document.getElementById('alert').textContent")


def ask_door(to):
    """The same from the door without a browser: status and bytes."""
    connection = http.client.HTTPConnection(os.environ["DOOR"], timeout=60)
    with open(PHOTO, "rb") as photo:
        connection.request("POST", "/v1/resize?to=" + to, photo.read(),
                           {"Authorization": "Bearer " + KEY})
    response = connection.getresponse()
    return response, response.read()


def test_start():
    browser.call("Page.navigate", url=URL + "/")
    ok(browser.wait("document.readyState === 'complete' && typeof watch === 'function'"),
       "the page comes, and its policy lets its script run")
    ok(browser.wait("document.getElementById('state').textContent === 'ready'"),
       "it says that the door is ready", text("state"))
    ok(text("yield") == "no requests" and text("queue") == "0",
       "nothing was asked for yet, and nothing waits", text("yield") + text("queue"))


def test_keyboard():
    """From the top of the page, Tab leads through all fields to the button."""
    seen = []
    browser.run("document.activeElement.blur()")
    for _ in range(12):
        browser.press("Tab", 9)
        seen.append(browser.run("document.activeElement.id"))
    fields = [name for name in seen if name]
    ok(fields[:7] == ["key", "file", "size", "fit", "format", "quality", "go"],
       "the keyboard reaches each field in turn", seen)
    ok(browser.run("getComputedStyle(document.getElementById('go')).display") != "none" and
       browser.run("[...document.querySelectorAll('input, select')].every(e => e.labels.length)"),
       "and each has a label")


def test_resize():
    value("key", KEY)
    value("size", "64x64")
    value("format", "webp")
    browser.choose(PHOTO)
    ok(browser.wait("!!document.querySelector('#before img')"), "a chosen picture is shown")
    ok(text("before-bytes").startswith(f"{os.path.getsize(PHOTO):,} bytes"), "with its bytes",
       text("before-bytes"))
    browser.run("document.getElementById('size').focus()")
    browser.press("Enter", 13, "\r")
    ok(browser.wait("!!document.querySelector('#after img')"), "Enter resizes it", alert())
    response, body = ask_door("64x64,format=webp,q=75")
    ok(browser.run("document.querySelector('#after img').naturalWidth") ==
       int(response.headers["X-Millrace-Width"]) and
       text("after-size") == f"{response.headers['X-Millrace-Width']} × "
       f"{response.headers['X-Millrace-Height']}", "the result has the size that was asked for",
       text("after-size"))
    ok(text("after-bytes").startswith(f"{len(body):,} bytes"), "its bytes are told",
       text("after-bytes") + f" {len(body)}")
    ok(text("after-type") == "image/webp" and text("after-cpu").endswith("s"),
       "its format, and what it cost", text("after-type") + text("after-cpu"))
    ok(browser.wait("document.getElementById('yield-of').textContent === '2 served of 2'", 5),
       "a second later it is in the last minute", text("yield-of"))
    ok(text("yield") == "100 %" and text("p50").endswith("s"), "with its yield and its time",
       text("yield") + text("p50"))


def test_drop():
    browser.run("""{
        const data = new DataTransfer();
        data.items.add(new File([chosen], 'dropped.jpg', { type: 'image/jpeg' }));
        part('drop').dispatchEvent(new DragEvent('drop',
            { dataTransfer: data, bubbles: true, cancelable: true }));
    }""")
    ok(browser.run("chosen.name") == "dropped.jpg", "a picture can be dropped")


def test_words():
    browser.choose(TEXT)
    browser.run("part('go').click()")
    ok(browser.wait("!part('alert').hidden"), "what is no picture is refused")
    ok("Unprocessable" in alert(), "in words", alert())
    browser.choose(PHOTO)
    value("key", "mr_nobodys")
    browser.run("part('go').click()")
    ok(browser.wait("part('alert').textContent.includes('key is not known')"),
       "a key that is not known is told", alert())
    value("key", KEY)


def test_looks():
    grounds = []
    for scheme in ("light", "dark"):
        browser.call("Emulation.setEmulatedMedia",
                     features=[{"name": "prefers-color-scheme", "value": scheme}])
        grounds.append(browser.run("getComputedStyle(document.body).backgroundColor"))
        browser.screenshot(f"door-{scheme}.png")
    ok(grounds[0] != grounds[1], "it is dark where that is wished for", grounds)
    browser.call("Emulation.setDeviceMetricsOverride", width=360, height=800, deviceScaleFactor=1,
                 mobile=True)
    wide = browser.run("[...document.querySelectorAll('*')].filter(e => "
                       "e.getBoundingClientRect().right > innerWidth).map(e => e.id || e.tagName)")
    ok(browser.run("document.documentElement.scrollWidth <= 360"), "it fits a telephone", wide)
    browser.screenshot("door-narrow.png")
    browser.call("Emulation.clearDeviceMetricsOverride")


def test_requests():
    """All that the page has asked for came from the door, and nothing was refused by its policy."""
    asked = {event["params"]["request"]["url"] for event in browser.events
             if event["method"] == "Network.requestWillBeSent"}
    strange = [url for url in asked if not url.startswith((URL + "/", "blob:" + URL, "data:"))]
    ok(asked and not strange, "the page asks nobody but the door", strange)
    said = [event["params"] for event in browser.events
            if event["method"] == "Runtime.exceptionThrown" or
            (event["method"] == "Log.entryAdded" and
             event["params"]["entry"]["source"] not in ("network",))]
    ok(not said, "and the browser has nothing to say against it", said)


def test_gone():
    os.kill(DOOR_PID, signal.SIGKILL)
    ok(browser.wait("document.getElementById('state').textContent === 'out of reach'"),
       "a door that is gone is said to be", text("state"))
    browser.choose(PHOTO)
    browser.run("part('go').click()")
    ok(browser.wait("part('alert').textContent.includes('cannot be reached')"),
       "and so it is when a picture is sent", alert())


browser = Browser()
try:
    browser.attach()
    for test in (test_start, test_keyboard, test_resize, test_looks, test_drop, test_words,
                 test_requests, test_gone):
        test()
finally:
    browser.end()
print(f"1..{tap['count']}")
sys.exit(tap["failed"] > 0)
