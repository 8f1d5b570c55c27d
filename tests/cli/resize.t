#!/usr/bin/env bash
# resize.t - millrace resize from the shell: names, options, running again.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"

make_photos "$scratch/photos" 2 1 200
mkdir -p "$scratch/work/in/.millrace" && cd "$scratch/work/in" || exit 1
photo=$scratch/photos/0_0.jpg

# listing [FIND-TESTS]: what there is beneath $scratch, with sizes and times
listing()
{
    find "$scratch" -path "$scratch/std*" -o -path "$scratch/list*" -o "$@" -type f \
        -printf '%p %s %T@\n' | LC_ALL=C sort | sha256sum
}

# Names

cp "$photo" .millrace/report.json
for name in 'a b.jpg' $'n\nl.jpg' "it's \"q\".jpg" $'\xff\xfe.jpg' -o.jpg %2E%2E '*.jpg' é.JPEG; do
    cp "$photo" "./$name"
done
outside=(-path "$scratch/work/out" -prune -o)
before=$(listing "${outside[@]}")
{
    find . -type f -print0
    printf '%s\0' ../../photos/1_0.jpg .././in/../../photos/0_0.jpg "$photo"
} >"$scratch/list0"
exits 0 'odd names, paths upward and absolute ones' "$resize" -0 --to 50x50 -o ../out \
    "$scratch/list0"
(cd ../out && find . -path ./.millrace -prune -o -type f -print0) | LC_ALL=C sort -z >../got0
printf './%s\0' %2E%2E/%2E%2E/photos/1_0.jpg %2E%2E/in/%2E%2E/%2E%2E/photos/0_0.jpg \
    "${photo#/}" %2Emillrace/report.json.jpg 'a b.jpg' $'n\nl.jpg' "it's \"q\".jpg" \
    $'\xff\xfe.jpg' -o.jpg %2E%2E.jpg '*.jpg' é.JPEG | LC_ALL=C sort -z >../expected0
cmp ../got0 ../expected0
ok $? 'each output has its name'
rm ../got0 ../expected0
is "$(listing "${outside[@]}")" "$before" 'nothing outside the folder was touched'
sound ../out 'and all is accounted for'

ln -s "$scratch/photos" linked
mkdir ../out-link && ln -s "$scratch/photos" ../out-link/linked
before=$(listing -path "$scratch/work/out-link/.millrace" -prune -o)
echo linked/0_0.jpg >"$scratch/list"
exits 1 'a link in the output folder is not followed' "$resize" --to 50x50 -o ../out-link \
    "$scratch/list"
is "$(jq -r .class ../out-link/.millrace/results.ndjson)" io 'the row fails'
is "$(listing -path "$scratch/work/out-link/.millrace" -prune -o)" "$before" 'nothing was written'
cd "$scratch/work" || exit 1

# The shortest use

find ../photos -name '*.jpg' | LC_ALL=C sort |
    "$resize" --to 80x80 -o thumbs - >"$scratch/stdout" 2>"$scratch/stderr"
is "$?" 0 'find | millrace resize'
is "$(vipsheader -f width thumbs/%2E%2E/photos/1_0.jpg)" 80 'makes the thumbnails'
like "$(cat "$scratch/stdout")" '2 rows: 2 resized, 0 failed, 0 not done' 'and counts them'
is "$(grep -v '^millrace-imageworker: ' "$scratch/stderr")" '' 'without a word on stderr'

# Two sizes, and running again

printf '%s\n' ../photos/0_0.jpg ../photos/1_0.jpg >list
two=(--to 90x90 --to 30x --report here.json)
exits 0 'two sizes' "$resize" -o two "${two[@]}" list
is "$(vipsheader -f height two/30x/%2E%2E/photos/1_0.jpg)" 30 'each has its folder'
cmp here.json two/.millrace/report.json
ok $? '--report writes the report elsewhere too'
before=$(listing -path "$scratch/work/here.json" -o)
exits 0 'running again' "$resize" -o two "${two[@]}" list
like "$(cat "$scratch/stdout")" 'nothing to do: every row was done before' 'says so'
is "$(listing -path "$scratch/work/here.json" -o)" "$before" 'and changes nothing'

# differs ARGS...: other options on the same folder
differs()
{
    local expected=$1
    shift
    exits 64 "other options on the same folder ($expected)" "$resize" -o two "$@"
    like "$(cat "$scratch/stderr")" "this folder's job has $expected" 'the difference is named'
}
cp list other
echo ../photos/0_0.jpg >>other
differs '--to "90x90;30x", not "90x90"' --to 90x90 list
differs '--name "", not' "${two[@]}" --name '{stem}-{spec}.{ext}' list
differs '--customer "default", not "acme"' "${two[@]}" --customer acme list
differs "the manifest's size" "${two[@]}" other
differs "the manifest's kind" "${two[@]}" -
differs '--job' "${two[@]}" --job another list
differs '--max-pixels' "${two[@]}" --max-pixels 5M list
differs '--deadline' "${two[@]}" --deadline 5 list
is "$(listing -path "$scratch/work/here.json" -o -path "$scratch/work/other" -o)" "$before" \
    'and nothing is changed'

# --dry-run

echo absent.jpg >>other
before=$(listing -false -o)
exits 1 'a dry run tells what would be done' "$resize" -n -o dry --to 5x5 --to 6x6 other
like "$(cat "$scratch/stdout")" '4 rows; 0 done before; 0 bad rows; 1 sources that cannot be read' \
    'counts what it finds'
like "$(cat "$scratch/stdout")" 'make 6 outputs in dry' 'and what it would make'
is "$(listing -false -o; ls -d dry 2>&1)" "$before
ls: cannot access 'dry': No such file or directory" 'and makes nothing'

# --name

printf '%s\n' source,request,customer ../photos/0_0.jpg,R7,acme ../photos/1_0.jpg,, >named.csv
template='x/../{customer}/{row}-{request}/{stem}@{spec}.{ext}'
exits 0 'a template of names' "$resize" -o named --to 20x --to '10x,format=png' --name "$template" \
    named.csv
is "$(cd named/x/%2E%2E && find . -type f | LC_ALL=C sort)" './acme/1-R7/0_0@10x,format=png.png
./acme/1-R7/0_0@20x.jpg
./default/2-r-2/1_0@10x,format=png.png
./default/2-r-2/1_0@20x.jpg' 'has all its fields'
exits 1 'a template that gives two outputs one name' "$resize" -o one --to 20x --to 10x \
    --name '{stem}.{ext}' list
is "$(jq -r .class one/.millrace/results.ndjson | uniq)" bad-row 'makes bad rows'

# Options that are wrong

while read -r options; do
    # shellcheck disable=SC2086 # several words
    exits 64 "usage: $options" "$resize" -o wrong --to 5x5 $options list
    like "$(cat "$scratch/stderr")" '^millrace resize: .{16}' 'is explained'
done <<'END'
--too=5x
--outptu=x
--worker=2
--dedline=3
--max-pixel=3
--max-byte=3
--retry-failled
--max-failure=3
--dry-rum
--reprot=x
--nmae={row}
--jbo=x
--progres=never
-x
--to=0x
--to=5x5
--to=5x,fit=covr
--workers=0
--workers=two
--deadline=0
--deadline=1s
--deadline=nan
--max-pixels=0
--max-pixels=-1
--max-pixels=1e6
--max-bytes=1T
--max-failures=-1
--retry-failed=brokn
--retry-failed=ok
--job=a/b
--job=
--customer=
--name=same
--name={nme}
--name={row
--progress=maybe
--log-format=xml
second-manifest
END
exits 64 'usage: no manifest' "$resize" --to 5x5 -o wrong
exits 0 'help' "$resize" --help
is "$(ls -d wrong 2>/dev/null)" '' 'nothing was made by any of them'

# Folders that cannot be written

exits 73 'an output folder below a file' "$resize" --to 5x5 -o list/out list
like "$(cat "$scratch/stderr")" 'list/out: ' 'is named'
exits 73 'an output folder that is a file' "$resize" --to 5x5 -o list list
exits 73 'a report into a folder that is not there' "$resize" --to 5x5 -o reported \
    --report absent/report.json list
is "$(ls -d reported 2>/dev/null)" '' 'is found before the work'
if [ "$(id -u)" -eq 0 ]; then
    mkdir -m 555 readonly
    chmod 711 "$scratch"
    exits 73 'an output folder that may not be written' setpriv --reuid=65534 --clear-groups \
        "$resize" --to 5x5 -o readonly list
fi

done_testing
