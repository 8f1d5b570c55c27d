# archive.sh - what the tests of millrace archive share: source it after tap.sh.
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 MILLRACE_ACTOR=archivist@n07
archive=$BUILD/millrace-archive

# make_records FOLDER: records of many kinds: empty, small, of a frame, larger, names that need care
make_records()
{
    mkdir -p "$1/deep/er"
    : >"$1/empty"
    echo small >"$1/with spaces.txt"
    echo umlaut >"$1/größe.txt"
    echo nested >"$1/deep/er/file"
    seq 1 200000 >"$1/numbers.txt"
    head -c 4194304 /dev/zero >"$1/zeros.bin"
    # The same bytes on every machine, which do not compress.
    perl -MDigest::SHA=sha256 -e 'print sha256($_) for 1 .. 281250' >"$1/random.bin"
    for ((i = 0; i < 300; i++)); do echo "record $i" >"$1/deep/r$i.txt"; done
    find "$1" -exec touch -d 2026-10-30T12:00:00Z {} +
}

# packed OPTION...: packs quietly; the volumes' names into $volumes
packed()
{
    "$archive" pack "$@" >packed.out 2>packed.err </dev/null || return
    mapfile -t volumes <packed.out
}
