#!/usr/bin/env python3
"""bill_months.py SEED DIR - three months of usage with all that goes wrong, and a price book each.

    DIR/2026-10.json, 2026-11.json, 2026-12.json    price books, in one currency
    DIR/1/*.ndjson, 2/*.ndjson, 3/*.ndjson          logs: what is there when each month is billed
    DIR/seals                                       a line each: month, writer, last sequence; TAB

Events are written beside copies of themselves: the same, measured anew, contradicting, failures
before and after. Logs of 2 and 3 have late events and late copies, too; by an even SEED all that
is late are copies of the month at hand, of events that were billed before.
SPDX-License-Identifier: Apache-2.0"""

import copy
import datetime
import json
import os
import random
import sys

MONTHS = ["2026-10", "2026-11", "2026-12"]
LENGTHS = [31, 30, 31]
CURRENCIES = [("USD", 2), ("JPY", 0), ("KWD", 3)]
TIES = ["half-even", "half-up", "half-down", "up", "down"]
OPS = ["resize", "thumbnail", "crop", ""]
FORMATS = ["jpeg", "webp", "avif", ""]
# Kinds that are told apart only by where one name ends and the next begins.
LINE_ENDS = [("crop", "jpeg\ntimeout", "ok"), ("crop\njpeg", "timeout", "ok")]
LINE_ENDS += [("crop", "jpeg", "timeout\nok")]
FAILURES = ["timeout", "corrupt", "worker-crash"]
ODD = ["", "a,b", 'say "x"', "new\nline", "cr\r", "tab\t", "üñï", "u\u0308n", "😀", "007"]
ODD += ["a b", "a", "a\u0001", "a\u0001b", "ab", "credit:c", "discount", "x" * 3000, "'--"]
WRITERS = ["n07-0-1", "!early", "n07-1-1", "n08-0-1", "a writer, with spaces", "wörter"]
WRITERS += ["z" * 300]
SOURCES = ["//millrace/job/nightly", "//millrace/job/other", "https://door.example/eu"]


def money(rng, digits, most=50):
    return f"{rng.randrange(most)}" + (f".{rng.randrange(10**digits):0{digits}d}" if digits else "")


def price(rng):
    """Prices that make halves of a minor unit often."""
    halves = ["0.005", "0.015", "0.0025", "0.5", "1.5"]
    return rng.choice(halves + ["0", "0.000000000001", "0.333", "7"])


def tiers(rng, bounds):
    steps = sorted(rng.sample(bounds, rng.randrange(1, len(bounds) + 1)))
    out = [{"up_to": str(step), "unit_price": price(rng)} for step in steps]
    return out + [{"up_to": None, "unit_price": price(rng)}]


def version(rng, model, start, end):
    out = {"from": start, "to": end, "model": model}
    if model == "per_unit":
        out["unit_price"] = price(rng)
    elif model in ("graduated", "volume"):
        out["tiers"] = tiers(rng, [1, 2, 3, 5, 8, 13, 40])
    elif model == "package":
        out["package_size"] = rng.choice(["1", "2", "10"])
        out["package_price"] = price(rng)
    else:
        out["amount"] = money(rng, 3)
    if model != "flat" and rng.random() < 0.4:
        out["free"] = rng.choice(["0", "1", "2", "4"])
    return out


def versions(rng, model):
    """One price, or several that meet or leave a gap, in any order."""
    if rng.random() < 0.4:
        return [version(rng, model, "2026-01-01T00:00:00Z", None)]
    middle = rng.choice(["10-20", "11-15", "12-05"])
    other = rng.choice(["per_unit", "graduated", "volume", "package", "flat", model])
    end = f"2026-{middle}T00:00:00Z"
    begin = rng.choice([end, f"2026-{middle}T02:00:00+02:00", f"2026-{middle}T12:00:00Z"])
    out = [version(rng, model, "2026-01-01T00:00:00Z", end), version(rng, other, begin, None)]
    rng.shuffle(out)
    return out


def skus(rng):
    """One SKU of each model and more, over every quantity."""
    kinds = [
        ("cpu", "graduated", "cpu_us", "CPU Hours", 3600000, {"op": ["resize"], "status": ["ok"]}),
        ("egress", "per_unit", "bytes_out", "GB", 1000000, {"status": ["ok"]}),
        ("requests", "volume", "count", "Requests", 1, {"type": ["millrace.image.v1"]}),
        ("pixels", "package", "pixels_in", "Mpx", 1000000, {"format": ["jpeg", "webp", ""]}),
        ("thumbs", "flat", "count", "Thumbs", 1, {"op": ["thumbnail", ""], "status": ["ok"]}),
        ("ingress, raw", "per_unit", "bytes_in", "MiB", 1048576, {"type": ["millrace.image.v1"]}),
        ("waits", "graduated", "wall_us", "s", 1000000, {"status": FAILURES}),
        ("each", "per_unit", "count", "Events", 7, {"format": ["avif"], "status": ["ok"]}),
        ("drawn", rng.choice(["volume", "package"]), "pixels_out", "kpx", 1000, {"op": ["crop"]}),
    ]
    rng.shuffle(kinds)
    out = []
    for name, model, quantity, unit, divisor, filters in kinds:
        out.append(
            {
                "sku": name,
                "meter": {**filters, "quantity": quantity},
                "unit": {"name": unit, "divisor": divisor},
                "prices": versions(rng, model),
            }
        )
    return out


def credits(rng, digits):
    out = []
    for name in rng.sample(["welcome", "sorry", "c,d", "2026"], rng.randrange(1, 4)):
        start = rng.choice(["2026-01-01", "2026-10-01", "2026-11-10", "2026-12-31"])
        expiry = rng.choice([None, "2026-11-01", "2026-11-20", "2027-01-01"])
        credit = {"id": name, "amount": money(rng, digits), "from": f"{start}T00:00:00Z"}
        if expiry is None or expiry > start:
            credit["expires"] = expiry and f"{expiry}T00:00:00Z"
        out.append(credit)
    return out


def terms(rng, book, names):
    digits = book["minor_digits"]
    out = {}
    for name in rng.sample(names, 24):
        own = out[name] = {}
        if rng.random() < 0.5:
            own["discount_percent"] = rng.choice(["10", "2.5", "33.3333333", "100", "0"])
        if rng.random() < 0.5:
            own["minimum"] = money(rng, digits)
        if rng.random() < 0.5:
            own["credits"] = credits(rng, digits)
        if rng.random() < 0.5:
            chosen = rng.sample(book["skus"], 2)
            model = rng.choice(["per_unit", "graduated", "package"])
            own["prices"] = {sku["sku"]: versions(rng, model) for sku in chosen}
    out["never seen"] = {"minimum": money(rng, digits)}
    return out


def is_name(text):
    return 0 < len(text.encode()) < 256 and all(ord(c) >= 32 for c in text)


def book(rng, names, currency):
    out = {"currency": currency[0], "minor_digits": currency[1], "issuer": "Example Imaging"}
    out["rounding"] = {"when": rng.choice(["line", "statement"]), "ties": rng.choice(TIES)}
    out["skus"] = skus(rng)
    out["customers"] = terms(rng, out, [name for name in names if is_name(name)])
    return out


def moment(rng, month):
    """A time of the month; its edges and those of prices are drawn often."""
    name, days = MONTHS[month], LENGTHS[month]
    edges = [f"{name}-01T00:00:00Z", f"{name}-{days}T23:59:59.999999Z", f"{name}-15T00:00:00Z"]
    edges += [f"{name}-20T00:00:00Z", f"{name}-19T23:59:59.9999999Z", f"{name}-05T00:00:00.0Z"]
    edges += [f"{name}-01T03:00:00+03:00", f"{name}-{days}T18:59:59.5-05:00"]
    if rng.random() < 0.1:
        return rng.choice(edges)
    start = datetime.datetime.fromisoformat(f"{name}-01T00:00:00")
    at = start + datetime.timedelta(microseconds=rng.randrange(days * 86400 * 1000000))
    text = at.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return text + "Z" if rng.random() < 0.9 else text[: rng.choice([19, 23, 26])] + "z"


class Fleet:
    """Writers with their sequences, and the logs that they write."""

    def __init__(self, rng, names):
        self.rng, self.names = rng, names
        self.sequences = dict.fromkeys(WRITERS, 0)
        self.ids = 0
        self.logs = [[] for _ in range(4)]

    def event(self, month):
        rng = self.rng
        self.ids += 1
        ok = rng.random() < 0.85
        data = {"request": f"r-{self.ids}", "op": rng.choice(OPS), "format": rng.choice(FORMATS)}
        data["status"] = "ok" if ok else rng.choice(FAILURES)
        data.update(bytes_in=rng.randrange(4000000), pixels_in=rng.randrange(3) * 1000000)
        data.update(bytes_out=rng.randrange(2000000) if ok else 0, pixels_out=rng.randrange(5000))
        data.update(cpu_us=rng.choice([0, 3600000, rng.randrange(9000000)]))
        data.update(wall_us=rng.choice([0, 1000000, rng.randrange(9000000)]), node="n07")
        for name in rng.sample(list(data), rng.randrange(3) if rng.random() < 0.1 else 0):
            del data[name]
        if rng.random() < 0.02:
            data["op"], data["format"], data["status"] = rng.choice(LINE_ENDS)
        event = {"specversion": "1.0", "id": f"{rng.getrandbits(128):032x}"}
        if rng.random() < 0.2:
            event["id"] = rng.choice([f"{self.ids}", f"door {self.ids}", f"{self.ids:032X}"])
        event["source"] = rng.choice(SOURCES)
        event["type"] = "millrace.image.v1" if rng.random() < 0.95 else "millrace.other.v1"
        event["subject"] = self.names[min(int(rng.expovariate(0.02)), len(self.names) - 1)]
        event["time"] = moment(rng, month)
        if rng.random() < 0.05:
            event["dataschema"] = rng.choice([None, "x", {"a": [1, 2.50]}])
        if rng.random() < 0.05:
            data["unknown"] = rng.choice([1, "two", [3], None])
        event["data"] = data
        if rng.random() < 0.02:
            del event["data"]
        if event["subject"] == "" and rng.random() < 0.5:
            del event["subject"]
        return event

    def write(self, event, writers=WRITERS + [None]):
        """Appends a line to one of the logs, by one of the writers or by none."""
        event = dict(event)
        writer = self.rng.choice(writers)
        if writer is not None:
            self.sequences[writer] += 1
            event["writer"] = writer
            event["sequence"] = f"{self.sequences[writer]:020d}"
            if self.rng.random() < 0.1:
                event["sequence"] = str(self.sequences[writer])
        line = json.dumps(event, ensure_ascii=self.rng.random() < 0.5)
        log = self.rng.randrange(len(self.logs))
        self.logs[log].append(line)
        if self.rng.random() < 0.02:
            self.logs[(log + 1) % len(self.logs)].append(line)

    def write_copy(self, event, months):
        """A copy of an event; months: those that it may be of."""
        rng = self.rng
        made = copy.deepcopy(event)
        data = made.setdefault("data", {})
        kind = rng.random()
        if kind < 0.25 or "status" not in data:  # measured anew
            data.update(cpu_us=rng.randrange(9000000), wall_us=rng.randrange(99), node="n09")
        elif kind < 0.5:  # contradicting
            what = rng.choice(["bytes_out", "subject", "unknown", "op", "status"])
            if what == "subject":
                made["subject"] = rng.choice(self.names)
            else:
                values = {"op": "crop", "status": rng.choice(FAILURES), "unknown": "three"}
                data[what] = values.get(what, rng.randrange(2000000))
        else:  # another try
            data["status"] = "ok" if data["status"] != "ok" else rng.choice(FAILURES)
            data["bytes_out"] = rng.randrange(2000000) if data["status"] == "ok" else 0
        named = [MONTHS[month] for month in months]
        if rng.random() < 0.2 and event["time"][:7] in named:  # only its writer tells them apart
            self.write(made, WRITERS)
            return
        made["time"] = moment(rng, rng.choice(months))
        self.write(made)


def main():
    seed, folder = int(sys.argv[1]), sys.argv[2]
    rng = random.Random(seed)
    names = ODD + [f"customer-{i}" for i in range(150)]
    rng.shuffle(names)
    fleet = Fleet(rng, names)
    currency = CURRENCIES[seed % len(CURRENCIES)]
    told = [[], [], []]
    seals = []
    for month in range(3):
        os.makedirs(f"{folder}/{month + 1}")
        with open(f"{folder}/{MONTHS[month]}.json", "w", encoding="utf-8") as file:
            json.dump(book(rng, names, currency), file, indent=1)
        late = [m for m in range(month) for _ in range(60)]
        other = [rng.randrange(3) for _ in range(20)]
        for of in [month] * 700 + (late + other if seed % 2 == 1 else []):
            event = fleet.event(of)
            fleet.write(event)
            told[of].append(event)
            while rng.random() < 0.12:
                fleet.write_copy(event, [of])
        for of in range(month):  # what was billed before meets copies
            for event in rng.sample(told[of], 40):
                fleet.write_copy(event, [of, month] if seed % 2 == 1 else [month])
        for writer, sequence in fleet.sequences.items():
            seals.append(f"{MONTHS[month]}\t{writer}\t{sequence}\n")
        seals += [f"{MONTHS[month]}\t{source}\t0\n" for source in SOURCES]
        for number, lines in enumerate(fleet.logs):
            rng.shuffle(lines)
            path = f"{folder}/{month + 1}/log {number}.ndjson"
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write("".join(line + "\n" for line in lines))
            lines.clear()
    with open(f"{folder}/seals", "w", encoding="utf-8") as file:
        file.write("".join(seals))


if __name__ == "__main__":
    main()
