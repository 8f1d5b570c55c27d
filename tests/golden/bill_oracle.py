#!/usr/bin/env python3
"""bill_oracle.py --prices FILE --period YYYY-MM --out DIR [--state FILE [--close]] LOG...

What `millrace bill run` must say of these logs: DIR/lines.csv, DIR/statements.ndjson (the sums of
each statement) and DIR/counts.json. Computed with exact rationals from formats/README.md ("Usage
event v1", "Price book v1", "Bill run v1") alone, everything in memory, one event at a time.

FILE of --state remembers the periods that are closed: their books, their lines and the logs that
were known; --close adds this one. One log is one segment here: a log must not grow.
SPDX-License-Identifier: Apache-2.0"""

import argparse
import datetime
import hashlib
import json
import os
from fractions import Fraction

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
MICROSECOND = datetime.timedelta(microseconds=1)
MEASURED = ["cpu_us", "wall_us", "node"]
OURS = ["request", "op", "format", "status", "bytes_in", "bytes_out", "pixels_in", "pixels_out"]


def to_us(text):
    """RFC 3339 to microseconds; digits beyond them are cut."""
    text = text.upper().replace("Z", "+00:00")
    stem, zone = text[:19], text[19:]
    fraction = ""
    if zone.startswith("."):
        digits = len(zone) - len(zone[1:].lstrip("0123456789")) - 1
        fraction, zone = zone[1 : 1 + digits], zone[1 + digits :]
    moment = datetime.datetime.fromisoformat(stem + zone)
    return (moment - EPOCH) // MICROSECOND + int((fraction + "000000")[:6])


def bounds(period):
    year, month = int(period[:4]), int(period[5:])
    following = f"{year + month // 12:04d}-{month % 12 + 1:02d}"
    return to_us(f"{period}-01T00:00:00Z"), to_us(f"{following}-01T00:00:00Z")


# Decimals


def rounded(value, digits, ties):
    """value rounded to so many digits behind the point, as a Fraction."""
    unit = Fraction(1, 10**digits)
    whole, rest = divmod(abs(value), unit)
    up = {
        "half-even": rest * 2 > unit or (rest * 2 == unit and whole % 2 == 1),
        "half-up": rest * 2 >= unit,
        "half-down": rest * 2 > unit,
        "up": rest > 0,
        "down": False,
    }[ties]
    result = (whole + up) * unit
    return result if value >= 0 else -result


def decimal(value, least=0, most=12):
    """value in digits: as many behind the point as are needed, half-even where most are too few."""
    scaled = rounded(Fraction(value), most, "half-even") * 10**most
    text = str(abs(scaled.numerator)).rjust(most + 1, "0")
    whole, behind = text[: len(text) - most], text[len(text) - most :].rstrip("0")
    behind = behind.ljust(least, "0")
    return ("-" if scaled < 0 else "") + whole + ("." + behind if behind else "")


# Events


class Event:
    """One copy of an event, and what of it decides."""

    def __init__(self, line, log):
        member = {k: v for k, v in json.loads(line).items() if v is not None}
        self.data = dict(member.get("data", {}))
        self.log = log
        self.key = (member["source"], member["id"])
        self.time = to_us(member["time"])
        self.customer = member.get("subject", "")
        self.kind = {
            "type": member["type"],
            "op": self.data.get("op", ""),
            "format": self.data.get("format", ""),
            "status": self.data.get("status", ""),
        }
        self.ok = self.kind["status"] == "ok"
        writer = member.get("writer") or member["source"]
        self.order = (self.time, writer.encode(), int(member.get("sequence", "0")))
        for name in ["id", "source", "time", "writer", "sequence"]:
            member.pop(name, None)
        member["data"] = {k: v for k, v in self.data.items() if k not in MEASURED}
        for holder, ours in ((member, ["subject"]), (member["data"], OURS)):
            for name in ours:
                if not holder.get(name):  # a member may be missing, which is "" or 0
                    holder.pop(name, None)
        self.contents = json.dumps(member, sort_keys=True)

    def metered(self, quantity):
        return 1 if quantity == "count" else self.data.get(quantity, 0)


def judge(copies, counts):
    """The one that is billed; counts the others."""
    winner = min(copies, key=lambda copy: (not copy.ok, copy.order))
    for copy in copies:
        if copy is winner:
            continue
        duplicate = copy.contents == winner.contents or (winner.ok and not copy.ok)
        counts["duplicate" if duplicate else "conflict"] += 1
    return winner, {copy.log for copy in copies if copy.contents == winner.contents}


def version_at(versions, time):
    for version in versions:
        end = version.get("to")
        if to_us(version["from"]) <= time and (end is None or time < to_us(end)):
            return version
    return None


def versions_of(book, customer, sku):
    own = book.get("customers", {}).get(customer, {}).get("prices", {})
    return sorted(own.get(sku["sku"], sku["prices"]), key=lambda v: to_us(v["from"]))


def prices_of(book, event):
    """(place of the SKU, place of the version) of all that meter the event."""
    for place, sku in enumerate(book["skus"]):
        meter = sku["meter"]
        if all(event.kind[name] in meter[name] for name in event.kind if name in meter):
            versions = versions_of(book, event.customer, sku)
            version = version_at(versions, event.time)
            if version is not None:
                yield place, versions.index(version)


def add_up(book, events):
    """Customer to (SKU, version) to the sum that is metered."""
    sums = {}
    for event in events:
        for place in prices_of(book, event):
            own = sums.setdefault(event.customer, {})
            quantity = book["skus"][place[0]]["meter"]["quantity"]
            own[place] = own.get(place, 0) + event.metered(quantity)
    return sums


# Rating


class Line:
    """One line; quantity and amount are exact. place: what it is sorted by."""

    def __init__(self, period, sku, amount, kind, place, **usage):
        self.period, self.sku, self.amount, self.kind = period, sku, amount, kind
        self.place = place
        self.start = usage.get("start", "")
        self.tier = usage.get("tier", 0)
        self.metered = usage.get("metered", 0)
        self.quantity = usage.get("quantity", Fraction(0))
        self.unit = usage.get("unit", "")
        self.price = usage.get("price", Fraction(0))

    def but(self, **fields):
        """A copy that differs in these."""
        other = Line.__new__(Line)
        other.__dict__.update(self.__dict__, **fields)
        return other

    def key(self):
        return self.sku, self.start, self.tier

    def tier_text(self):
        return str(self.tier) if self.start else ""

    def digest(self, customer, kind, *more):
        fields = [customer, self.period, self.sku, self.start, self.tier_text(), kind]
        text = "".join(field + "\0" for field in fields) + "\0".join(more)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def csv(self, customer, billed_in, minor):
        identity = self.digest(customer, self.kind)
        if self.kind == "correction":
            named = self.sku if self.sku in ("discount", "true-up") else "usage"
            original = self.digest(customer, "usage" if self.start else named)
            identity = self.digest(customer, self.kind, original, billed_in)
        usage = ["", "", "", "", ""]
        if self.start:
            usage = [str(self.tier), str(self.metered), decimal(self.quantity)]
            usage += [self.unit, decimal(self.price)]
        fields = [identity, customer, self.period, self.sku, self.start, *usage]
        fields += [decimal(self.amount, minor, 9), self.kind]
        return ",".join(map(quoted, fields)) + "\n"


def quoted(field):
    if any(c in field for c in ',"\r\n'):
        return '"' + field.replace('"', '""') + '"'
    return field


def split(version, unit, metered):
    """(tier, metered, quantity, unit's name, price) of each line of a version."""
    divisor, name = unit["divisor"], unit["name"]
    if version["model"] == "flat":
        return [(1, metered, Fraction(1), "Months", Fraction(version["amount"]))]
    lines = []
    free = Fraction(version.get("free", "0")) * divisor
    if free > 0:
        within = int(min(free, metered))
        lines.append((0, within, Fraction(within, divisor), name, Fraction(0)))
        metered -= within
        if metered == 0:
            return lines
    units = Fraction(metered, divisor)
    if version["model"] == "per_unit":
        return lines + [(1, metered, units, name, Fraction(version["unit_price"]))]
    if version["model"] == "package":
        size = Fraction(version["package_size"])
        sold_in = name if size == 1 else f"{decimal(size)} {name}"
        begun = Fraction(-(-units // size))
        return lines + [(1, metered, begun, sold_in, Fraction(version["package_price"]))]
    below = Fraction(0)
    for number, tier in enumerate(version["tiers"], 1):
        top = units if tier["up_to"] is None else min(units, Fraction(tier["up_to"]))
        price = Fraction(tier["unit_price"])
        if version["model"] == "volume":
            if top == units:
                return lines + [(number, metered, units, name, price)]
        elif number == 1 or top > below:
            part = top - below
            lines.append((number, int(part * divisor), part, name, price))
            below = top
    return lines


def rate(book, customer, period, sums):
    """Usage, discount and true-up of one customer."""
    terms = book.get("customers", {}).get(customer, {})
    digits = book["minor_digits"] if book["rounding"]["when"] == "line" else 9
    ties = book["rounding"]["ties"]
    lines = []
    for (at, which), metered in sorted(sums.items()):
        sku = book["skus"][at]
        version = versions_of(book, customer, sku)[which]
        for tier, part, quantity, unit, price in split(version, sku["unit"], metered):
            amount = rounded(quantity * price, digits, ties)
            usage = dict(tier=tier, metered=part, quantity=quantity, unit=unit, price=price)
            place = (0, at, which, tier)
            start = version["from"]
            lines.append(Line(period, sku["sku"], amount, "usage", place, start=start, **usage))
    total = sum(line.amount for line in lines)
    share = Fraction(terms.get("discount_percent", "0")) / 100
    discount = -rounded(total * share, digits, ties)
    if discount != 0:
        lines.append(Line(period, "discount", discount, "discount", (1, 0)))
    missing = Fraction(terms.get("minimum", "0")) - (total + discount)
    if missing > 0:
        lines.append(Line(period, "true-up", missing, "true-up", (1, 1)))
    return lines


def correct(now, billed):
    """What is different now, in the order of usage."""
    differences = {}
    for sign, lines in ((1, now), (-1, billed)):
        for line in lines:
            nothing = line.but(metered=0, quantity=Fraction(0), amount=Fraction(0))
            sum_ = differences.setdefault(line.key(), nothing)
            sum_.kind = "correction"
            sum_.metered += sign * line.metered
            sum_.quantity += sign * line.quantity
            sum_.amount += sign * line.amount
    changed = [line for line in differences.values() if line.metered != 0 or line.amount != 0]
    return sorted(changed, key=lambda line: line.place)


# Statements


def burn(terms, period, burned, payable):
    """(lines, what became of each credit, what is payable then)"""
    begin, end = bounds(period)
    lines, uses = [], []
    credits = terms.get("credits", [])
    forever = to_us("9999-12-31T00:00:00Z")

    def expiry(credit):
        return forever if credit.get("expires") is None else to_us(credit["expires"])

    for credit in sorted(credits, key=lambda c: (expiry(c), to_us(c["from"]), c["id"].encode())):
        start = to_us(credit["from"])
        if start >= end or expiry(credit) <= begin:
            continue
        balance = max(Fraction(credit["amount"]) - burned.get(credit["id"], 0), Fraction(0))
        used = max(min(balance, payable), Fraction(0))
        payable -= used
        rest = balance - used
        if used > 0:
            lines.append(Line(period, "credit:" + credit["id"], -used, "credit", (2,)))
        uses.append(
            {
                "id": credit["id"],
                "opening": balance if start < begin else 0,
                "granted": balance if start >= begin else 0,
                "burned": used,
                "expired": rest if expiry(credit) <= end else 0,
                "closing": 0 if expiry(credit) <= end else rest,
            }
        )
    return lines, uses, payable


class Statement:
    """What one customer is charged."""

    def __init__(self, book, customer, period, lines, burned):
        self.customer, self.period = customer, period
        self.minor = book["minor_digits"]
        terms = book.get("customers", {}).get(customer, {})
        payable = sum((line.amount for line in lines), Fraction(0))
        spent, self.uses, payable = burn(terms, period, burned, payable)
        paid = rounded(payable, self.minor, book["rounding"]["ties"])
        lines = lines + spent
        if paid != payable:
            lines.append(Line(period, "rounding", paid - payable, "rounding", (3,)))
        self.lines, self.payable = lines, paid

    def sums(self):
        def money(value):
            return decimal(value, self.minor, 9)

        def of(kind):
            return money(sum(line.amount for line in self.lines if line.kind == kind))

        uses = [{k: v if k == "id" else money(v) for k, v in use.items()} for use in self.uses]
        out = {"customer": self.customer, "usage": of("usage"), "discount": of("discount")}
        out.update(true_up=of("true-up"), corrections=of("correction"), credits=uses)
        out.update(credit=of("credit"), rounding=of("rounding"), payable=money(self.payable))
        return json.dumps(out, ensure_ascii=False, separators=(",", ":"))


class Closed:
    """A period that is closed, and what is kept of it between two calls."""

    exact = ["amount", "quantity", "price"]

    def __init__(self, period, book, logs, lines):
        self.period, self.book, self.logs, self.lines = period, book, set(logs), lines

    def to_json(self):
        lines = []
        for customer, line in self.lines:
            texts = {name: str(getattr(line, name)) for name in self.exact}
            lines.append([customer, line.but(**texts).__dict__])
        kept = {"period": self.period, "book": self.book, "logs": sorted(self.logs)}
        return {**kept, "lines": lines}

    @classmethod
    def from_json(cls, kept):
        blank = Line("", "", Fraction(0), "", ())
        lines = []
        for customer, fields in kept["lines"]:
            exact = {name: Fraction(fields[name]) for name in cls.exact}
            line = blank.but(**{**fields, **exact, "place": tuple(fields["place"])})
            lines.append((customer, line))
        return cls(kept["period"], kept["book"], kept["logs"], lines)


def corrections(closed, winners):
    """Customer to the lines that correct closed periods."""
    out = {}
    for run in sorted(closed, key=lambda run: run.period):
        begin, end = bounds(run.period)
        sums = add_up(run.book, [e for e in winners if begin <= e.time < end])
        billed = {}
        for other in closed:
            for customer, line in other.lines:
                if line.period == run.period and line.kind not in ("credit", "rounding"):
                    billed.setdefault(customer, []).append(line)
        for customer in set(sums) | set(billed):
            now = rate(run.book, customer, run.period, sums.get(customer, {}))
            found = correct(now, billed.get(customer, []))
            if found:
                out.setdefault(customer, []).extend(found)
    return out


def spent(closed):
    """Customer to credit to what closed runs have used of it."""
    out = {}
    for run in closed:
        for customer, line in run.lines:
            if line.kind == "credit":
                own = out.setdefault(customer, {})
                name = line.sku[len("credit:") :]
                own[name] = own.get(name, 0) - line.amount
    return out


def count(book, period, closed, found, counts):
    """Where the events that count went."""
    begin, end = bounds(period)
    for event, logs in found:
        if begin <= event.time < end:
            priced = any(True for _ in prices_of(book, event))
            counts["billable" if priced else "non_billable"] += 1
            continue
        spans = [(run, bounds(run.period)) for run in closed]
        within = [run for run, (start, after) in spans if start <= event.time < after]
        if not within:
            counts["other_period"] += 1
            continue
        known = set().union(*(run.logs for run in closed if run.period >= within[0].period))
        counts["closed" if logs & known else "late"] += 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--prices", required=True)
    parser.add_argument("--period", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--state")
    parser.add_argument("--close", action="store_true")
    parser.add_argument("logs", nargs="*")
    options = parser.parse_args()
    with open(options.prices, encoding="utf-8") as file:
        book = json.load(file)
    state = []
    if options.state and os.path.exists(options.state):
        with open(options.state, encoding="utf-8") as file:
            state = json.load(file)
    closed = [Closed.from_json(kept) for kept in state]
    names = ["read", "billable", "non_billable", "duplicate", "conflict", "late", "closed"]
    counts = dict.fromkeys(names + ["other_period"], 0)
    copies = {}
    for log in options.logs:
        with open(log, encoding="utf-8", newline="\n") as file:
            for line in file:
                event = Event(line, log)
                copies.setdefault(event.key, []).append(event)
                counts["read"] += 1
    found = [judge(same, counts) for same in copies.values()]
    winners = [event for event, _ in found]
    count(book, options.period, closed, found, counts)

    begin, end = bounds(options.period)
    sums = add_up(book, [event for event in winners if begin <= event.time < end])
    corrected = corrections(closed, winners)
    burned = spent(closed)
    terms = book.get("customers", {})
    customers = set(sums) | set(corrected) | {name for name in terms if "minimum" in terms[name]}
    statements = []
    for customer in sorted(customers, key=lambda name: name.encode()):
        lines = rate(book, customer, options.period, sums.get(customer, {}))
        lines += corrected.get(customer, [])
        statement = Statement(book, customer, options.period, lines, burned.get(customer, {}))
        if statement.lines:
            statements.append(statement)

    os.makedirs(options.out, exist_ok=True)
    header = "line_id,customer,period,sku,price_from,tier,metered,quantity,unit,unit_price,"
    with open(options.out + "/lines.csv", "w", encoding="utf-8", newline="") as file:
        file.write(header + "amount,charge_class\n")
        for statement in statements:
            for line in statement.lines:
                file.write(line.csv(statement.customer, options.period, book["minor_digits"]))
    with open(options.out + "/statements.ndjson", "w", encoding="utf-8", newline="") as file:
        for statement in statements:
            file.write(statement.sums() + "\n")
    counts["statements"] = len(statements)
    counts["lines"] = sum(len(statement.lines) for statement in statements)
    with open(options.out + "/counts.json", "w", encoding="utf-8") as file:
        json.dump(counts, file)
    if options.close:
        lines = [(one.customer, line) for one in statements for line in one.lines]
        state.append(Closed(options.period, book, options.logs, lines).to_json())
        with open(options.state, "w", encoding="utf-8") as file:
            json.dump(state, file)


if __name__ == "__main__":
    main()
