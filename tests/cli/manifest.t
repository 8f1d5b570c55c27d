#!/usr/bin/env bash
# manifest.t - millrace manifest build and check, with the names that people and attackers give
# to files.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

manifest=$BUILD/millrace-manifest
cd "$scratch" || exit 1

# build

mkdir -p tree/a/b tree/a-dir tree/empty
touch tree/a.jpg tree/a/x.JPG tree/a/b/z.heic tree/a-dir/k.tiff tree/a/notes.txt tree/a/jpg
touch tree/a/'q"uo,te.png' tree/a/$'n\nl.webp' tree/a/$'\xff.gif' tree/a/.hidden.avif
ln -s ../a tree/a/loop
ln -s ../a.jpg tree/a/link.jpeg
ln -s nowhere tree/a/dangling.jpg
mkfifo tree/a/pipe.jpg

exits 0 'build walks a folder' "$manifest" build tree
# In the order of LC_ALL=C sort: '-' is before '.', which is before '/'.
is "$(cat stdout)" "$(printf '%s\n' source tree/a-dir/k.tiff tree/a.jpg tree/a/.hidden.avif \
    tree/a/b/z.heic tree/a/dangling.jpg tree/a/link.jpeg $'"tree/a/n\nl.webp"' \
    '"tree/a/q""uo,te.png"' tree/a/x.JPG $'tree/a/\xff.gif')" \
    'the images are sorted by bytes, quoted where needed; folders behind links are left out'
cp stdout tree.csv

(cd tree && LC_ALL=C find . -name '*.jpg' ! -type p | sed 's,^\./,,' | LC_ALL=C sort) >expected
(cd tree && "$manifest" build .) | grep '\.jpg$' >got
is "$(cat got)" "$(cat expected)" 'the working directory gives the names that find and sort give'

ln -s tree/a-dir linked
exits 0 'build takes files, folders with slashes behind, and links to folders when named' \
    "$manifest" build tree/a/notes.txt tree/a-dir// linked
is "$(cat stdout)" $'source\ntree/a/notes.txt\ntree/a-dir/k.tiff\nlinked/k.tiff' 'in their order'

exits 0 'build adds columns that were asked for' "$manifest" build --customer 'ac"me' \
    --to 320x320,q=80 --to 64x tree/a-dir
is "$(cat stdout)" $'source,customer,to\ntree/a-dir/k.tiff,"ac""me","320x320,q=80;64x"' \
    'and only those'
cp stdout columns.csv

LC_ALL=C exits 0 'a customer beyond ASCII needs no locale' "$manifest" build --customer é tree/a.jpg
is "$(tail -n 1 stdout)" 'tree/a.jpg,é' 'and keeps its bytes'

exits 0 'a folder without images is no error' "$manifest" build tree/empty
is "$(cat stdout)" source 'it gives a header'
like "$(cat stderr)" 'no images found' 'and says so'

exits 66 'an operand that is not there is no input' "$manifest" build tree nowhere
is "$(cat stdout)" '' 'and nothing is written'
like "$(cat stderr)" 'nowhere: No such file' 'it is named'

exits 64 'build needs an operand' "$manifest" build
exits 64 'build refuses a spec that is wrong' "$manifest" build --to 0x tree
like "$(cat stderr)" 'width "0x": expected WIDTHxHEIGHT, as in 320x320' 'and says what is'
exits 64 'build refuses a spec given twice' "$manifest" build --to 5x --to 5x,q=75 tree
exits 64 'build refuses a customer that no reader takes' "$manifest" build --customer $'a\tb' tree
exits 64 'build refuses an empty customer' "$manifest" build --customer '' tree
exits 64 'a typo in an option is a usage error' "$manifest" build --costumer x tree
like "$(cat stderr)" 'did you mean --customer' 'that names the one meant'
# shellcheck disable=SC2317 # it is called by exits
build_onto_full_disk()
{
    "$manifest" build tree >/dev/full
}
exits 74 'a full disk is an error' build_onto_full_disk

# check

exits 0 'check takes what build wrote' "$manifest" check tree.csv
like "$(cat stderr)" ': 10 rows, 0 bad' 'and counts the rows'
exits 0 'with all columns too' "$manifest" check columns.csv

find tree -print0 >names
count=$(tr -dc '\0' <names | wc -c)
exits 0 'check -0 reads what find -print0 wrote' "$manifest" check -0 names
like "$(cat stderr)" ": $count rows, 0 bad" 'every name is one row'

printf 'source,to\na.jpg,0x\nb,c,d\n"x\ny",5x\n,\nhttps://x/y,\n' >bad.csv
exits 1 'bad rows are an exit code of their own' "$manifest" check bad.csv
is "$(cat stdout)" 'bad.csv:2: width "0x": expected WIDTHxHEIGHT, as in 320x320
bad.csv:3: 3 fields, expected 2
bad.csv:6: no source
bad.csv:7: http sources are not read yet: fetch it first' 'each is printed with its line'
like "$(cat stderr)" ': 5 rows, 4 bad' 'and counted'

code=0
printf 'a.jpg\nhttp://x/y\n' | "$manifest" check - >stdout 2>stderr || code=$?
is "$code $(cat stdout)" '1 standard input:2: http sources are not read yet: fetch it first' \
    'check reads standard input'

exits 0 'an empty manifest is good' "$manifest" check /dev/null
like "$(cat stderr)" ': 0 rows, 0 bad' 'and has no rows'

printf 'a,b\n' >columns.csv
exits 65 'a missing column is bad input' "$manifest" check columns.csv
like "$(cat stderr)" 'columns.csv:1: no column "source" \(found: a, b\)' 'named with those found'
printf 'source\n"a\n' >open.csv
exits 65 'a quote never closed is bad input' "$manifest" check open.csv
like "$(cat stderr)" 'open.csv:2: a quote is opened here' 'at the line where it was opened'
printf 's\0o\0' | cat <(printf '\xff\xfe') - >utf16.txt
exits 65 'UTF-16 is bad input' "$manifest" check utf16.txt
like "$(cat stderr)" iconv 'with the cure'

exits 66 'a manifest that is not there is no input' "$manifest" check nowhere.csv
exits 66 'nor is a folder' "$manifest" check tree
like "$(cat stderr)" 'tree: is a folder' 'which is said'
exits 64 'check needs one manifest' "$manifest" check
exits 64 'and one only' "$manifest" check tree.csv tree.csv

# A line of 2 GB, under a limit of memory that a sanitizer would break by itself.
code=0
(
    [ -n "${SAN:-}" ] || ulimit -v 100000
    head -c 2000000000 /dev/zero | tr '\0' x | "$manifest" check - >stdout 2>stderr
    exit "${PIPESTATUS[2]}"
) || code=$?
is "$code" 65 'a line of 2 GB is bad input, seen at once'
like "$(cat stderr)" 'standard input:1: a row longer than 1048576 bytes' 'with its line'

# verbs

exits 64 'a verb is needed' "$manifest"
exits 64 'a verb with a typo is refused' "$manifest" chekc tree.csv
exits 0 'help is given' "$manifest" --help
like "$(cat stdout)" 'millrace manifest build photos > manifest.csv' 'with an example'
exits 0 'for build too' "$manifest" build --help
exits 0 'and the version' "$manifest" check --version

done_testing
