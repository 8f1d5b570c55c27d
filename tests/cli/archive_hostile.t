#!/usr/bin/env bash
# archive_hostile.t - archives that mean harm: nothing is written outside of the target, nothing but
# files is made in it, nothing takes long or much memory, and nobody is told that all is well.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/archive.sh
. "$(dirname "$0")/../tap/archive.sh"
golden=$(cd "$(dirname "$0")/../golden" && pwd)
cd "$scratch" || exit 1

mkdir outside archives
echo secret >outside/secret
"$archive" keygen --out eve >/dev/null 2>&1
python3 "$golden/archive_hostile.py" archives eve.key "$scratch/outside" >cases || exit 1

# around: all there is but for the targets and what we write down ourselves
around()
{
    find . -mindepth 1 \
        \( -path ./targets -o -name std\* -o -name around.\* -o -name wanted \) -prune -o \
        \( -name catalogue.log -o -name lock \) -o -printf '%y %i %s %m %T@ %p %l\n' |
        LC_ALL=C sort
    cat outside/*
}

# What is done to it: a restore of all and of each record, cat, list, verify. Each has 60 seconds
# and 1 GiB, but where a sanitizer needs more.
limited()
{
    (
        [ -n "${SAN:-}" ] || ulimit -v 1048576
        exec timeout -k 5 60 "$archive" "$@"
    ) </dev/null
}

mkdir targets
while read -r name; do
    around >around.before
    target=targets/$name code=0
    mkdir "$target"
    limited restore --from "archives/$name" -o "$target" --no-note >stdout 2>stderr || code=$?
    # What lies within another record's data is as whole as it is said to be; it is for verify to
    # see that it is no record of its own.
    case $name:$code in
    index-into-data:0 | *:1 | *:65 | *:76) ok 0 "$name: is not restored as if all were well" ;;
    *)
        ok 1 "$name: is not restored as if all were well"
        echo "# exit $code" >&2
        sed 's/^/# /' stderr >&2
        ;;
    esac
    # These two are whole, and their names mean harm nowhere but here.
    code=0
    limited verify --from "archives/$name" --no-note >>stdout 2>>stderr || code=$?
    case $name:$code in
    our-own-folder:0 | name-too-long:0 | *:76) ok 0 "$name: verify says what it is" ;;
    *)
        ok 1 "$name: verify says what it is"
        echo "# exit $code" >&2
        ;;
    esac
    for verb in list 'list --volumes' 'list --format=json' 'cat --no-note' \
        'verify --no-note --sample 1/2'; do
        code=0
        # shellcheck disable=SC2086 # words of a command
        limited $verb --from "archives/$name" >>stdout 2>>stderr || code=$?
        case $code in
        0 | 1 | 65 | 66 | 76) ;;
        *)
            ok 1 "$name: $verb ends by itself"
            echo "# exit $code" >&2
            ;;
        esac
    done
    "$archive" list --from "archives/$name" --format=json 2>/dev/null | jq -r .key >wanted
    while read -r key; do
        limited restore --from "archives/$name" -o "$target" --no-note --record "$key" --force
        limited list --trail --from "archives/$name" --record "$key"
    done <wanted >>stdout 2>>stderr
    around | cmp -s around.before -
    ok $? "$name: nothing is written outside" || around | diff around.before - | sed 's/^/# /' >&2
    is "$(find "$target" -mindepth 1 ! -type f ! -type d 2>&1)" '' \
        "$name: nothing but files and folders is made"
    is "$(find "$target" -type f -size +1M 2>&1)" '' "$name: nothing large is"
    ! LC_ALL=C grep -aq $'[\x01-\x08\x0b-\x1f\x7f]' stdout stderr
    ok $? "$name: nothing that a terminal obeys is printed"
done <cases

# A good archive, and a target that somebody has prepared.
mkdir -p records/deep plain
echo one >records/deep/one
echo two >records/two
packed --to good --key eve.key records
mkdir -p targets/prepared/records
ln -s "$scratch/outside" targets/prepared/records/deep
ln -s "$scratch/outside/secret" targets/prepared/records/two
around >around.before
for force in '' --force; do
    # shellcheck disable=SC2086 # nothing is no word
    exits 1 "symlinks in the target $force" "$archive" restore --from good -o targets/prepared \
        --no-note $force
    around | cmp -s around.before -
    ok $? 'are not followed'
done
is "$(cat targets/prepared/records/two)" two 'one in the place of a file is replaced when forced'
[ -L targets/prepared/records/deep ]
ok $? 'one in the place of a folder is left'
rm -r targets/prepared
mkdir targets/prepared
ln -s "$scratch/outside" targets/prepared/.millrace-restore.tmp
exits 73 'a symlink for our own folder' "$archive" restore --from good -o targets/prepared --no-note
around | cmp -s around.before -
ok $? 'is not followed'

done_testing
