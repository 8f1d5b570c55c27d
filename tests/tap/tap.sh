# tap.sh - what the TAP scripts share: source it, call its checks, end with done_testing.
#   . "$(dirname "$0")/../tap/tap.sh"
# Gives $BUILD, $PATH with our programs first, and $scratch: an empty folder, removed at the end.
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
set -uo pipefail

tap_count=0
tap_failed=0

tap_here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${BUILD:=$tap_here/build/release}"
: "${MILLRACE_CORPUS:=$(realpath -m "$tap_here/../shared/corpus")}"
export BUILD MILLRACE_CORPUS
export PATH="$BUILD:$PATH"
scratch=$(mktemp -d "${TMPDIR:-/tmp}/millrace-test.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# ok STATUS NAME: a check that has been made; 0 is good.
ok()
{
    tap_count=$((tap_count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $tap_count - $2"
    else
        echo "not ok $tap_count - $2"
        tap_failed=$((tap_failed + 1))
    fi
    [ "$1" -eq 0 ]
}

# is GOT EXPECTED NAME
is()
{
    if [ "$1" = "$2" ]; then
        ok 0 "$3"
    else
        ok 1 "$3"
        printf '%s\n' "got:" "$1" "expected:" "$2" | sed 's/^/#   /' >&2
        return 1
    fi
}

# like GOT REGEX NAME: bash's extended regular expressions
like()
{
    if [[ $1 =~ $2 ]]; then
        ok 0 "$3"
    else
        ok 1 "$3"
        printf '%s\n' "got:" "$1" "expected a match of:" "$2" | sed 's/^/#   /' >&2
        return 1
    fi
}

# exits CODE NAME COMMAND...: runs the command; its output goes to $scratch/stdout and
# $scratch/stderr, and the ends of both are shown when the code is another.
exits()
{
    local expected=$1 name=$2 got=0
    shift 2
    "$@" >"$scratch/stdout" 2>"$scratch/stderr" </dev/null || got=$?
    if [ "$got" -eq "$expected" ]; then
        ok 0 "$name"
    else
        ok 1 "$name"
        {
            echo "exit $got, expected $expected: $*"
            tail -n 20 "$scratch/stdout" "$scratch/stderr"
        } | sed 's/^/#   /' >&2
        return 1
    fi
}

# skip_all REASON: ends the script; prove reports it as skipped.
skip_all()
{
    echo "1..0 # SKIP $1"
    exit 0
}

done_testing()
{
    echo "1..$tap_count"
    [ "$tap_failed" -eq 0 ]
    exit
}
