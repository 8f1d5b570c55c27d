#!/usr/bin/env python3
"""rate_oracle.py SEED COUNT - random price books, sums and corrections, and what must be billed for
them, computed with exact rationals from formats/README.md ("Price book v1", "Bill run v1") alone.
Written for tests/unit/test_statement_rate.c, which compares line by line.
SPDX-License-Identifier: Apache-2.0 """

import datetime
import hashlib
import json
import random
import sys
from fractions import Fraction

TIES = ["half-even", "half-up", "half-down", "up", "down"]
QUANTITIES = ["count", "bytes_in", "bytes_out", "pixels_in", "pixels_out", "cpu_us", "wall_us"]
CUSTOMERS = ["acme", "a,b", 'x"y"', "new\nline", "üñï", "007", "a b"]
DIVISORS = [1, 7, 1000, 1024, 1000000, 1000000000, 3600000000]


def rounded(value, digits, ties):
    """The whole number of 10^-digits that value is rounded to."""
    scaled = abs(Fraction(value)) * 10**digits
    whole = scaled.numerator // scaled.denominator
    rest = scaled - whole
    half = Fraction(1, 2)
    if rest > 0:
        if ties == "up":
            whole += 1
        elif ties != "down":
            whole += (
                rest > half
                or (rest == half and ties == "half-up")
                or (rest == half and ties == "half-even" and whole % 2 == 1)
            )
    return whole if value >= 0 else -whole


def to_time(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def months(name):
    year, month = int(name[:4]), int(name[5:])
    start = datetime.datetime(year, month, 1, tzinfo=datetime.timezone.utc)
    end = datetime.datetime(
        year + month // 12, month % 12 + 1, 1, tzinfo=datetime.timezone.utc
    )
    return start, end


class Line:
    """One line; amount is exact, in the currency."""

    def __init__(self, period, sku, price_from, tier, metered, quantity, price, amount, kind):
        self.period, self.sku, self.price_from, self.tier = period, sku, price_from, tier
        self.metered, self.quantity, self.price = metered, quantity, price
        self.amount, self.kind = amount, kind

    def key(self):
        return self.sku, self.price_from, self.tier


def charge_tiers(version, divisor, metered):
    """(tier, metered, quantity, unit price) of what is charged beyond the free allowance."""
    model = version["model"]
    units = Fraction(metered, divisor)
    if model == "per_unit":
        return [(1, metered, units, Fraction(version["unit_price"]))]
    if model == "package":
        size = Fraction(version["package_size"])
        begun = -(-units // size)
        return [(1, metered, Fraction(begun), Fraction(version["package_price"]))]
    bounds = [None if t["up_to"] is None else Fraction(t["up_to"]) for t in version["tiers"]]
    prices = [Fraction(t["unit_price"]) for t in version["tiers"]]
    if model == "volume":
        reached = next(i for i, b in enumerate(bounds) if b is None or units <= b)
        return [(reached + 1, metered, units, prices[reached])]
    out, below = [], Fraction(0)
    for i, bound in enumerate(bounds):
        top = units if bound is None else min(bound, units)
        if top > below or i == 0:
            part = max(top - below, 0)
            out.append((i + 1, int(part * divisor), part, prices[i]))
            below = top
    return out


def terms_of(book, customer):
    return book.get("customers", {}).get(customer, {})


def versions_of(book, customer, sku):
    own = terms_of(book, customer).get("prices", {})
    versions = own.get(sku["sku"], sku["prices"])
    return sorted(versions, key=lambda v: to_time(v["from"]))


def rate(book, customer, period, sums):
    """Usage, discount and true-up of one period."""
    terms = terms_of(book, customer)
    ties = book["rounding"]["ties"]
    digits = book["minor_digits"] if book["rounding"]["when"] == "line" else 9

    def money(value):
        return Fraction(rounded(value, digits, ties), 10**digits)

    lines = []
    for sku_index, version_index, metered, _ in sums:
        sku = book["skus"][sku_index]
        version = versions_of(book, customer, sku)[version_index]
        divisor = sku["unit"]["divisor"]
        parts = []
        if version["model"] == "flat":
            parts = [(1, metered, Fraction(1), Fraction(version["amount"]))]
        else:
            free = int(Fraction(version.get("free", "0")) * divisor)
            if free > 0:
                used = min(free, metered)
                parts = [(0, used, Fraction(used, divisor), Fraction(0))]
            if metered > free or free == 0:
                parts += charge_tiers(version, divisor, metered - min(free, metered))
        for tier, part, quantity, price in parts:
            amount = money(quantity * price)
            key = sku["sku"], version["from"], tier
            lines.append(Line(period, *key, part, quantity, price, amount, "usage"))
    usage = sum((line.amount for line in lines), Fraction(0))
    discount = -money(usage * Fraction(terms.get("discount_percent", "0")) / 100)
    if discount:
        lines.append(Line(period, "discount", "", 0, 0, 0, 0, discount, "discount"))
    true_up = Fraction(terms.get("minimum", "0")) - usage - discount
    if true_up > 0:
        lines.append(Line(period, "true-up", "", 0, 0, 0, 0, true_up, "true-up"))
    return lines


def order_of(book, customer, line):
    for i, sku in enumerate(book["skus"]):
        if sku["sku"] == line.sku:
            froms = [v["from"] for v in versions_of(book, customer, sku)]
            return 0, i, froms.index(line.price_from), line.tier
    return 1, ["discount", "true-up"].index(line.sku), 0, 0


def differences(book, customer, now, before):
    """What the lines of now have that those of before have not."""
    keys = {}
    for sign, lines in ((1, now), (-1, before)):
        for line in lines:
            zero = Fraction(0)
            new = Line(line.period, *line.key(), 0, zero, line.price, zero, "correction")
            first = keys.setdefault(line.key(), new)
            first.metered += sign * line.metered
            first.quantity += sign * line.quantity
            first.amount += sign * line.amount
    changed = [line for line in keys.values() if line.metered or line.amount]
    return sorted(changed, key=lambda line: order_of(book, customer, line))


def burn(book, customer, period, payable, burned):
    start, end = months(period)
    lines, uses = [], []

    def order(credit):
        expires = credit.get("expires")
        last = datetime.datetime.max.replace(tzinfo=datetime.timezone.utc)
        return (to_time(expires) if expires else last), to_time(credit["from"]), credit["id"]

    for credit in sorted(terms_of(book, customer).get("credits", []), key=order):
        expires, begins, name = order(credit)
        if begins >= end or expires <= start:
            continue
        balance = max(Fraction(credit["amount"]) - burned.get(name, 0), Fraction(0))
        used = min(balance, max(payable, Fraction(0)))
        payable -= used
        rest = balance - used
        ended = expires <= end
        uses.append(
            (
                name,
                0 if begins >= start else balance,
                balance if begins >= start else 0,
                used,
                rest if ended else 0,
                0 if ended else rest,
            )
        )
        if used:
            lines.append(Line(period, "credit:" + name, "", 0, 0, 0, 0, -used, "credit"))
    return lines, uses


def line_id(customer, line, kind, *corrects):
    tier = str(line.tier) if line.price_from else ""
    fields = [customer, line.period, line.sku, line.price_from, tier, kind, *(corrects or [""])]
    return hashlib.sha256("\0".join(fields).encode()).hexdigest()[:32]


def id_of(customer, line, period):
    if line.kind != "correction":
        return line_id(customer, line, line.kind)
    kind = line.sku if line.sku in ("discount", "true-up") else "usage"
    return line_id(customer, line, line.kind, line_id(customer, line, kind), period)


# What follows makes cases.


def decimal(rng, digits, limit):
    """A decimal text, often one that makes ties: half-cents and the like."""
    if rng.random() < 0.4:
        return rng.choice(["0", "0.005", "0.125", "0.015", "1", "0.0005", "2.5", "0.045", "0.5"])
    places = rng.randint(0, digits)
    whole = str(rng.randint(0, limit))
    behind = "".join(rng.choice("0123456789") for _ in range(places))
    return whole + "." + behind if places else whole


def units(rng, divisor, low, high):
    """Priced units as a decimal that is a whole number of metered ones: (text, metered)."""
    while True:
        text = str(rng.randint(low, high))
        if rng.random() < 0.3:
            text += "." + str(rng.randint(1, 999))
        metered = Fraction(text) * divisor
        if metered.denominator == 1 and metered > 0:
            return text, int(metered)


def make_version(rng, divisor, start, end, edges):
    model = rng.choice(["per_unit", "graduated", "volume", "package", "flat"])
    version = {"from": start, "to": end, "model": model}
    free = 0
    if model != "flat" and rng.random() < 0.3:
        version["free"], free = units(rng, divisor, 1, 20)
        edges.append(free)
    if model == "per_unit":
        version["unit_price"] = decimal(rng, 12, 3)
    elif model == "flat":
        # Of a month that costs nothing nobody can tell from what was paid whether it was billed.
        version["amount"] = str(rng.randint(1, 50)) + rng.choice(["", ".005", ".125"])
    elif model == "package":
        version["package_size"], size = units(rng, divisor, 1, 20)
        version["package_price"] = decimal(rng, 12, 9)
        edges.extend(free + size * n for n in (1, 2, 5))
    else:
        tiers, low = [], 1
        for _ in range(rng.randint(0, 4)):
            text, metered = units(rng, divisor, low, low + 20)
            low = int(Fraction(text)) + 1
            tiers.append({"up_to": text, "unit_price": decimal(rng, 12, 2)})
            edges.append(free + metered)
        tiers.append({"up_to": None, "unit_price": decimal(rng, 12, 2)})
        version["tiers"] = tiers
    return version


def make_versions(rng, divisor, edges):
    starts = ["2026-01-01T00:00:00Z", "2026-10-11T00:00:00+00:00", "2026-11-15T12:00:00Z"]
    starts = starts[: rng.randint(1, 3)]
    ends = starts[1:] + [None]
    versions = [make_version(rng, divisor, s, e, edges) for s, e in zip(starts, ends)]
    rng.shuffle(versions)
    return versions


def make_book(rng, customer, edges):
    minor = rng.choice([0, 2, 2, 2, 3, 4, 9])

    def amount():
        whole = rng.randint(0, 40)
        return f"{whole}.{rng.randint(0, 10**minor - 1):0{minor}d}" if minor else str(whole)

    skus = []
    for i in range(rng.randint(1, 4)):
        divisor = rng.choice(DIVISORS)
        sku_edges = edges.setdefault(i, [])
        skus.append(
            {
                "sku": f"sku{i}",
                "meter": {"quantity": rng.choice(QUANTITIES)},
                "unit": {"name": f"Unit{i}", "divisor": divisor},
                "prices": make_versions(rng, divisor, sku_edges),
            }
        )
        sku_edges.append(divisor)
    terms = {}
    if rng.random() < 0.6:
        shares = ["0", "10", "12.5", "33.3333333", "100", "0.0000001"]
        terms["discount_percent"] = rng.choice(shares)
    if rng.random() < 0.5:
        terms["minimum"] = amount()
    if rng.random() < 0.5:
        terms["credits"] = [
            {
                "id": f"credit{i}",
                "amount": amount(),
                "from": rng.choice(["2026-01-01", "2026-11-03", "2027-01-01"]) + "T00:00:00Z",
                "expires": rng.choice([None, "2026-12-01T00:00:00Z", "2027-06-01T00:00:00Z"]),
            }
            for i in range(rng.randint(0, 3))
        ]
        for credit in terms["credits"]:
            if credit["from"] > (credit["expires"] or "9"):
                credit["from"] = "2026-05-01T00:00:00Z"
    if rng.random() < 0.3:
        i = rng.randrange(len(skus))
        divisor = skus[i]["unit"]["divisor"]
        terms["prices"] = {skus[i]["sku"]: make_versions(rng, divisor, edges[i])}
    return {
        "currency": "USD",
        "minor_digits": minor,
        "rounding": {"when": rng.choice(["line", "statement"]), "ties": rng.choice(TIES)},
        "issuer": "Oracle",
        "skus": skus,
        "customers": {customer: terms} if rng.random() < 0.9 else {},
    }


def make_sums(rng, book, customer, edges, chance):
    sums = []
    for i, sku in enumerate(book["skus"]):
        for j in range(len(versions_of(book, customer, sku))):
            if rng.random() >= chance:
                continue
            edge = rng.choice(edges[i])
            metered = rng.choice([0, 1, edge - 1, edge, edge + 1, rng.randint(0, 3 * edge + 5)])
            sums.append((i, j, max(metered, 0), rng.randint(1, 1000)))
    return sums


class Case:
    """One case, printed as lines of fields with a tab between."""

    def __init__(self, rng):
        self.rng = rng
        self.customer = rng.choice(CUSTOMERS)
        self.edges = {}
        self.out = []

    def put(self, *fields):
        self.out.append("\t".join(str(field) for field in fields))

    def put_sums(self, sums):
        for fields in sums:
            self.put("sum", *fields)

    def put_line(self, word, line, *more):
        nano = line.amount * 10**9
        assert nano.denominator == 1
        self.put(word, line.period, *line.key(), line.metered, nano, line.kind, *more)

    def correction(self, period):
        rng, edges = self.rng, {}
        book = make_book(rng, self.customer, edges)
        states = [make_sums(rng, book, self.customer, edges, 0.5) for _ in range(rng.randint(1, 3))]
        rated = [rate(book, self.customer, period, sums) for sums in states]
        billed = list(rated[0]) if len(rated) > 1 else []
        for before, now in zip(rated, rated[1:-1]):
            billed += differences(book, self.customer, now, before)
        self.put("correction", period, json.dumps(book))
        self.put_sums(states[-1])
        for line in billed:
            self.put_line("billed", line)
        return differences(book, self.customer, rated[-1], rated[-2] if len(rated) > 1 else [])

    def make(self):
        rng = self.rng
        period = "2026-11"
        book = make_book(rng, self.customer, self.edges)
        sums = make_sums(rng, book, self.customer, self.edges, 0.8)
        self.put("case", self.customer.encode().hex(), period, json.dumps(book))
        self.put_sums(sums)
        burned = {}
        for credit in terms_of(book, self.customer).get("credits", []):
            if rng.random() < 0.4:
                burned[credit["id"]] = Fraction(rng.randint(0, 30 * 10**9), 10**9)
                self.put("burned", "credit:" + credit["id"], -burned[credit["id"]] * 10**9)
        lines = rate(book, self.customer, period, sums)
        late = rng.sample(["2026-08", "2026-09", "2026-10"], rng.choice([0, 0, 1, 2]))
        for earlier in sorted(late):
            lines += self.correction(earlier)
        payable = sum((line.amount for line in lines), Fraction(0))
        credit_lines, uses = burn(book, self.customer, period, payable, burned)
        lines += credit_lines
        payable = sum((line.amount for line in lines), Fraction(0))
        digits = book["minor_digits"]
        paid = Fraction(rounded(payable, digits, book["rounding"]["ties"]), 10**digits)
        if paid != payable:
            lines.append(Line(period, "rounding", "", 0, 0, 0, 0, paid - payable, "rounding"))
        for line in lines:
            quantity = Fraction(line.quantity)
            price = Fraction(line.price) * 10**12
            identity = id_of(self.customer, line, period)
            ratio = quantity.numerator, quantity.denominator
            self.put_line("line", line, *ratio, price, identity)
        for name, *amounts in uses:
            self.put("credit", name, *(Fraction(amount) * 10**9 for amount in amounts))
        self.put("payable", paid * 10**9)
        return self.out


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    for i in range(count):
        print("\n".join(Case(random.Random(f"{seed}/{i}")).make()))


main()
