#!/usr/bin/env python3
"""door_openapi.py - holds openapi.json against a door that runs: every path, method, status, header
and schema that it lists is met, and the door has no path and no method that it does not list.
SPDX-License-Identifier: Apache-2.0"""
import http.client
import json
import os
import re
import signal
import sys
import threading
import time
import urllib.parse

HOST = os.environ["DOOR"]  # a door with a queue that works
TIGHT = os.environ["TIGHT"]  # one worker, one place to wait, and a queue out of reach
LEAVING = os.environ["LEAVING"]  # a door that may be told to end
KEYS = {name: os.environ["KEY_" + name.upper()] for name in
        ("all", "other", "resize", "usage", "limited")}
PHOTO = open(os.environ["PHOTO"], "rb").read()
SLOW = open(os.environ["SLOW"], "rb").read()  # an image that keeps a worker for a while
TAR = open(os.environ["TAR"], "rb").read()
BODY_MAX = int(os.environ["BODY_MAX"])
DRAIN = os.environ["DRAIN"]  # a command that does what is in the queue

tap = {"count": 0, "failed": 0}


def ok(good, name, more=""):
    tap["count"] += 1
    tap["failed"] += not good
    print(("ok" if good else "not ok"), tap["count"], "-", name, flush=True)
    if not good and more:
        print("#  ", str(more)[:2000], file=sys.stderr, flush=True)


class Answer:
    def __init__(self, response):
        self.status = str(response.status)
        self.headers = {}
        for name, value in response.getheaders():
            self.headers[name.lower()] = value
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


def call(method, path, key="all", body=None, headers=None, host=HOST):
    connection = http.client.HTTPConnection(host, timeout=60)
    headers = dict(headers or {})
    if key:
        headers["Authorization"] = "Bearer " + KEYS.get(key, key)
    try:
        connection.request(method, path, body, headers)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it was answered before it had all been sent
    answer = Answer(connection.getresponse())
    connection.close()
    return answer


spec = call("GET", "/openapi.json", None).json()


def resolve(node):
    while "$ref" in node:
        at = spec
        for step in node["$ref"].lstrip("#/").split("/"):
            at = at[step]
        node = at
    return node


TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
         "integer": int, "number": (int, float)}


def type_fits(value, name):
    return isinstance(value, TYPES[name]) and \
        not (isinstance(value, bool) and name in ("integer", "number"))


def misfit(value, schema, where="$"):
    """What is wrong with value, or None. As much of JSON Schema as the description uses; a word that
    is not known here fails, so that nothing is taken for checked that is not."""
    schema = resolve(schema)
    for word, rule in schema.items():
        if word == "type":
            if not any(type_fits(value, name) for name in ([rule] if isinstance(rule, str) else rule)):
                return f"{where}: {value!r} is no {rule}"
        elif word == "const" and value != rule or word == "enum" and value not in rule:
            return f"{where}: {value!r} is not {rule}"
        elif word == "pattern" and isinstance(value, str) and not re.search(rule, value):
            return f"{where}: {value!r} does not match {rule}"
        elif word == "minimum" and isinstance(value, (int, float)) and value < rule:
            return f"{where}: {value!r} is below {rule}"
        elif word == "maximum" and isinstance(value, (int, float)) and value > rule:
            return f"{where}: {value!r} is above {rule}"
        elif word == "required" and isinstance(value, dict) and set(rule) - set(value):
            return f"{where}: without {set(rule) - set(value)}"
        elif word == "properties" and isinstance(value, dict):
            for name in value:
                if name not in rule:
                    return f"{where}.{name} is not described"
                wrong = misfit(value[name], rule[name], f"{where}.{name}")
                if wrong:
                    return wrong
        elif word == "items" and isinstance(value, list):
            for i, item in enumerate(value):
                wrong = misfit(item, rule, f"{where}[{i}]")
                if wrong:
                    return wrong
        elif word not in ("const", "enum", "pattern", "minimum", "maximum", "required", "properties",
                          "items", "description", "format", "default", "example"):
            return f"{where}: the test does not know {word}"
    return None


def header_misfit(answer, described):
    for name, header in described.items():
        header = resolve(header)
        value = answer.headers.get(name.lower())
        if value is None:
            if header.get("required"):
                return f"without {name}"
            continue
        if header["schema"].get("type") == "integer":
            value = int(value)
        wrong = misfit(value, header["schema"], name)
        if wrong:
            return wrong
    return None


def answer_misfit(answer, described):
    described = resolve(described)
    wrong = header_misfit(answer, described.get("headers", {}))
    if wrong:
        return wrong
    content = described.get("content", {})
    kind = answer.headers.get("content-type", "").split(";")[0]
    if kind not in content:
        return f"{kind} is not described"
    schema = content[kind].get("schema", {})
    if kind in ("application/json", "application/problem+json"):
        return misfit(answer.json(), schema)
    return None


def wait_for(what):
    until = time.monotonic() + 60
    while not what():
        if time.monotonic() > until:
            raise RuntimeError("waited for a minute")
        time.sleep(0.05)


def submit(name, to="32x32"):
    return call("POST", f"/v1/jobs?to={to}", body=TAR, headers={"Idempotency-Key": name})


def new_job(name):
    return submit(name).json()["job"]


def at_once(count, ask):
    """So many of the same at once: their answers."""
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(ask())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def first(answers, status):
    return next((answer for answer in answers if answer.status == status), answers[0])


def leave():
    os.kill(int(os.environ["LEAVING_PID"]), signal.SIGTERM)
    wait_for(lambda: call("GET", "/health/ready", None, host=LEAVING).status == "503")
    return call("GET", "/health/ready", None, host=LEAVING)


def drained_job():
    job = new_job("drained")
    if call("GET", f"/v1/jobs/{job}").json()["state"] != "done":
        if os.system(DRAIN) != 0:
            raise RuntimeError("the drain failed")
    return job


MANY = b"x" * (BODY_MAX + 1)
NOBODY = "j" + "0" * 32
RESIZE = "/v1/resize?to=64x64"


def of_job(leaf):
    path = f"/v1/jobs/%s{leaf}"
    return {"200": lambda: call("GET", path % drained_job()),
            "404": lambda: call("GET", path % new_job("mine"), "other"),
            "409": lambda: call("GET", path % new_job("waits for" + leaf))}


SCENES = {
    ("post", "/v1/resize"): {
        "200": lambda: call("POST", RESIZE, body=PHOTO),
        "400": lambda: call("POST", "/v1/resize?to=0x", body=PHOTO),
        "409": lambda: first(at_once(3, lambda: call("POST", RESIZE, body=SLOW, headers={
            "Idempotency-Key": "slow"})), "409"),
        "413": lambda: call("POST", RESIZE, body=MANY),
        "422": lambda: call("POST", RESIZE, body=b"no image"),
        "429": lambda: first([call("POST", RESIZE, "limited", PHOTO) for _ in range(4)], "429"),
        "503": lambda: first(at_once(12, lambda: call("POST", RESIZE, body=SLOW, host=TIGHT)),
                             "503"),
    },
    ("post", "/v1/jobs"): {
        "202": lambda: submit("accepted"),
        "400": lambda: call("POST", "/v1/jobs?to=32x32", body=b""),
        "413": lambda: call("POST", "/v1/jobs?to=32x32", body=MANY * 4),
        "422": lambda: (submit("same"), submit("same", "48x48"))[1],
        "503": lambda: call("POST", "/v1/jobs?to=32x32", body=TAR, host=TIGHT),
    },
    ("get", "/v1/jobs"): {
        "200": lambda: (new_job("mine"), call("GET", "/v1/jobs?limit=1"))[1],
        "400": lambda: call("GET", "/v1/jobs?limit=0"),
    },
    ("get", "/v1/jobs/{job}"): {
        "200": lambda: call("GET", "/v1/jobs/" + new_job("mine")),
        "400": lambda: call("GET", f"/v1/jobs/{NOBODY}?x=1"),
        "404": lambda: call("GET", "/v1/jobs/" + NOBODY),
    },
    ("delete", "/v1/jobs/{job}"): {
        "200": lambda: call("DELETE", "/v1/jobs/" + new_job("cancelled")),
        "404": lambda: call("DELETE", "/v1/jobs/" + new_job("mine"), "other"),
        "409": lambda: call("DELETE", "/v1/jobs/" + drained_job()),
    },
    ("get", "/v1/jobs/{job}/results"): of_job("/results"),
    ("get", "/v1/jobs/{job}/outputs.tar"): of_job("/outputs.tar"),
    ("get", "/v1/usage"): {"200": lambda: call("GET", "/v1/usage"),
                           "400": lambda: call("GET", "/v1/usage?day=1")},
    ("get", "/v1/key"): {
        "200": lambda: call("GET", "/v1/key"),
        "400": lambda: call("GET", "/v1/key", headers={"X-API-Key": "two"}),
        "429": lambda: first([call("GET", "/v1/key", "limited") for _ in range(4)], "429"),
    },
    ("get", "/health/live"): {"200": lambda: call("GET", "/health/live", None)},
    ("get", "/health/ready"): {"200": lambda: call("GET", "/health/ready", None), "503": leave},
    ("get", "/health/status"): {"200": lambda: call("GET", "/health/status", None)},
    ("get", "/openapi.json"): {"200": lambda: call("GET", "/openapi.json", None)},
    ("get", "/"): {"200": lambda: call("GET", "/", None)},
}


def scenes_of(method, path, operation):
    """Those above, and what all operations with a key have alike."""
    scenes = dict(SCENES.get((method, path), {}))
    if operation.get("security") == []:
        return scenes
    asked = path.replace("{job}", NOBODY)
    stranger = "resize" if path == "/v1/usage" else "usage"
    scenes["401"] = lambda: call(method.upper(), asked, "mr_nobodys")
    scenes["403"] = lambda: call(method.upper(), asked, stranger)
    return scenes


def hold_operation(method, path, operation):
    described = operation["responses"]
    scenes = scenes_of(method, path, operation)
    for status in sorted(set(described) - {"default"}):
        name = f"{method.upper()} {path} {status}"
        if status not in scenes:
            ok(False, name, "the test has no scene for it")
            continue
        answer = scenes[status]()
        if answer.status != status:
            ok(False, name, f"{answer.status} {answer.body[:500]}")
        else:
            wrong = answer_misfit(answer, described[status])
            ok(not wrong, f"{name} is as described", wrong)


def methods_of(item):
    listed = {method.upper() for method in item if method in
              ("get", "put", "post", "delete", "patch", "options", "trace")}
    return listed | ({"HEAD"} if "GET" in listed else set())


def hold_methods():
    for path, item in spec["paths"].items():
        listed = methods_of(item)
        asked = path.replace("{job}", NOBODY)
        for method in ("GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "BREW"):
            if method in listed:
                continue
            answer = call(method, asked)
            allowed = set(re.split(r", *", answer.headers.get("allow", "")))
            ok(answer.status == "405" and allowed == listed, f"{method} {path} is refused",
               f"{answer.status} {allowed}")


def hold_heads():
    """HEAD is GET without a body, also where the body is made while it is sent."""
    job = drained_job()
    for path, item in spec["paths"].items():
        if "get" in item:
            asked = path.replace("{job}", job)
            head, get = call("HEAD", asked), call("GET", asked)
            same = ("content-type", "content-disposition", "transfer-encoding")
            ok((head.status, head.body) == (get.status, b"") and get.status == "200" and
               all(head.headers.get(name) == get.headers.get(name) for name in same),
               f"HEAD {path}", f"{head.status} {head.headers} {get.headers}")


def hold_paths():
    """Whatever in the program looks like a path is asked for: who added a route has it here."""
    known = set(spec["paths"])
    program = open(os.environ["PROGRAM"], "rb").read()
    found = {text.decode() for text in re.findall(rb"\0(/[a-z0-9_./-]{0,60})(?=\0)", program)}
    ok({"/v1/resize", "/health/", "/v1/jobs"} <= found | {"/health/"}, "paths are found in the program",
       sorted(found))
    found |= {"/v1", "/v1/", "/v2/resize", "/metrics", "/health", "/admin", "/v1/jobs/x/y/z",
              "/v1/keys", "/index.html", "/identity/head"}
    strange = []
    for path in sorted(found - known):
        status = call("GET", urllib.parse.quote(path)).status
        if status != "404":
            strange.append(f"{path} {status}")
    ok(not strange, "the door has no path that is not described", strange)


for path, item in spec["paths"].items():
    for method in ("get", "post", "put", "delete"):
        if method in item:
            hold_operation(method, path, item[method])
hold_methods()
hold_heads()
hold_paths()
print(f"1..{tap['count']}")
sys.exit(tap["failed"] > 0)
