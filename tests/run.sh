#!/usr/bin/env bash
# run.sh TEST... - runs Criterion programs and corpus replays one by one (each uses every core), and
# the TAP scripts by prove. Fails when any of them did, or when a sanitizer found something in any
# process: a leak in a forked test or under mpirun reaches no exit code, so reports go to files.
# Environment: BUILD (absolute), SAN, JOBS, MILLRACE_CORPUS.
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
: "${BUILD:?}" "${SAN:=}" "${JOBS:=2}"

corpus=${MILLRACE_CORPUS:-../shared/corpus}
MILLRACE_CORPUS=$(realpath -m "$corpus")
export BUILD SAN MILLRACE_CORPUS LC_ALL=C.UTF-8
# Only here: a user's own mpirun shall go on asking twice before it runs as root.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

reports=$BUILD/reports
rm -rf "$reports" && mkdir -p "$reports" || exit 1
if [ -n "$SAN" ]; then
    common=log_path=$reports/san:log_exe_name=1:print_stacktrace=1
    # 99: apart from every exit code of ours, and from 1 above all.
    export ASAN_OPTIONS=$common:exitcode=99:detect_leaks=1:detect_stack_use_after_return=1
    export UBSAN_OPTIONS=$common:exitcode=99
    export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
fi

scripts=() failed=()
for test in "$@"; do
    case $test in
    *.t) scripts+=("$test") ;;
    */replay_*)
        "$test" "tests/fuzz/corpus/${test##*/replay_}" || failed+=("$test")
        ;;
    *)
        echo "${test##*/}:"
        "$test" --color=never -j "$JOBS" || failed+=("$test")
        ;;
    esac
done
if [ ${#scripts[@]} -gt 0 ]; then
    prove --exec bash --timer -j "$JOBS" "${scripts[@]}" || failed+=(prove)
fi

for report in "$reports"/*; do
    [ -e "$report" ] || break
    echo "== ${report##*/}" >&2
    cat "$report" >&2
    failed+=("$report")
done
if [ ${#failed[@]} -gt 0 ]; then
    printf 'FAILED: %s\n' "${failed[@]}" >&2
    exit 1
fi
