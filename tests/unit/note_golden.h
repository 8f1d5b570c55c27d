/* note_golden.h - signed by Python (hashlib, cryptography) with a key that minisign 0.11 made.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TESTS_NOTE_GOLDEN_H
#define MILLRACE_TESTS_NOTE_GOLDEN_H

#pragma GCC diagnostic ignored "-Wunused-variable"

static const char note_golden_secret[] =
    "untrusted comment: minisign encrypted secret key\n"
    "RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAarbyjhZY"
    "wpNjFZP6t69EmGUmK63TvbNOL2hJLT7LQtG1MBg35yx5hiNq+kfaz6GtvTse/7kUbAbFkwrXb27TpT9F"
    "NNg2P+mtAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    "\n";

static const char note_golden_note[] =
    "one line\n"
    "Gr\xc3\xbc\xc3\x9f"
    "e = 1\n"
    "\n"
    "after an empty line\n"
    "\n"
    "\xe2\x80\x94 93C258168EF2B66A "
    "1BxRWsE0HAqgFiuB/iApHMCKZb5OT2Vm4mPV0ItiZLMxuQ1F+QbUEfGxxN4QcB1iwhxGgx"
    "LA8zykkfkjrNY/F7FU8AA=\n";

static const char note_golden_head[] =
    "millrace.identity/v1\n"
    "epoch 7\n"
    "parent e47125968b3b71049fbc4802d1e40a71ea1359decfabacf70b34588037d4ff0c\n"
    "digest 16a0eeb0791b6c92451fd284dd9f599e0a7dbe7f6ebea6e2d2d06c7f74aec112\n"
    "count 1234567\n"
    "created 2026-11-23T11:24:02.000001Z\n"
    "\n"
    "\xe2\x80\x94 93C258168EF2B66A "
    "1BxRWlvK4c/tWaWuSbRFKWL8uKtaTKf89OlVhRIxYWWBxwuoSZ3JnYLzFmcL66zL/4jSaf"
    "CznZlLo03aOpIsmvjTuQY=\n";

static const char note_golden_receipt[] =
    "millrace.receipt/v1\n"
    "job j0123456789abcdef0123456789abcdef\n"
    "customer M\xc3\xbcller & S\xc3\xb6hne\n"
    "manifest 16a0eeb0791b6c92451fd284dd9f599e0a7dbe7f6ebea6e2d2d06c7f74aec112\n"
    "rows 3\n"
    "accepted 2026-11-23T11:24:02.000001Z\n"
    "cluster eu 1\n"
    "\n"
    "\xe2\x80\x94 93C258168EF2B66A "
    "1BxRWiJdf7zvs8RIAKxWjHwRRqEuQs2k0oXnmsrMlS5WxBfByuVWQNzuo2731IKmyiNqJf"
    "QYKxMu3r4Bk0reY0tmTAc=\n";

/* 2026-11-23T11:24:02.000001Z */
#define NOTE_GOLDEN_TIME_US G_GINT64_CONSTANT(1795433042000001)

#endif
