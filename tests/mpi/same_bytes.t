#!/usr/bin/env bash
# same_bytes.t - what a job makes does not depend on how many ranks made it.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
cd "$scratch" || exit 1

# Rows of every kind: good ones of uneven cost, outputs of their own, failures.
make_photos photos 6 5 300
vips black photos/wide.png 3000 200 --bands 3
head -c 3000 photos/0_0.jpg >photos/cut.jpg
cp photos/1_1.jpg $'photos/n\nl \xff "q".jpg'
{
    echo source,customer,to
    for x in {0..5}; do printf "photos/${x}_%d.jpg,\n" {0..4}; done | sed 's/$/,/'
    printf '%s\n' photos/wide.png,acme, photos/cut.jpg,acme, photos/absent.jpg,,100x photos,, \
        ,, 'photos/2_2.jpg,,"80x80;90x90,format=webp"' photos/0_1.jpg,,0x \
        $'"photos/n\nl \xff ""q"".jpg",,'
} >manifest.csv
options=(--job same --to 100x100 --to '64x64,fit=cover,format=png' manifest.csv)

exits 1 'solo' "$resize" -o solo "${options[@]}"
sound solo 'its folder is in order'
is "$(report solo '[.rows.manifest, .rows.resized, .failures]')" \
    '[38,33,{"bad-row":2,"not-found":1,"unreadable":1,"truncated":1}]' 'it does what it can'

export MILLRACE_RUN=same # as under "millrace run", a rank's code is 0 and the report has the job's
for count in 1 2 3; do
    ranks "$count" "$resize" -o "ranks-$count" "${options[@]}" >stdout 2>stderr </dev/null
    is "$(report "ranks-$count" .exit_code)" 1 "$count ranks" || cat stderr >&2
    sound "ranks-$count" 'their folder is in order'
    cmp <(outputs solo) <(outputs "ranks-$count")
    ok $? 'the same files'
    cmp <(results solo) <(results "ranks-$count")
    ok $? 'the same results'
    is "$(jq -c .row "ranks-$count/.millrace/results.ndjson" | tr '\n' ' ')" \
        "$(seq -s ' ' 38) " 'in the order of rows'
    cmp <(event_ids solo) <(event_ids "ranks-$count")
    ok $? 'the same events'
done

# Under bare mpirun the code of rank 0 is mpirun's.
unset MILLRACE_RUN
cut -d, -f1 manifest.csv | sed -n '2,9p' >list
ranks 2 "$resize" --job pipe --to 50x50 -o pipe - <list >stdout 2>stderr
is $? 0 'a list in a pipe reaches rank 0'
is "$(report pipe .rows.resized)" 8 'and all ranks'
ranks 2 "$resize" --too 50x50 -o typo list >stdout 2>stderr </dev/null
is $? 64 'a usage error under mpirun is 64'
like "$(cat stderr)" 'did you mean --to' 'and is told'
ranks 2 "$resize" --to 50x50 -o nothing absent.csv >stdout 2>stderr </dev/null
is $? 66 'so is a manifest that is not there'
is "$(grep -c 'absent.csv: No such file' stderr)" 1 'told once as well'
is "$(find typo nothing 2>/dev/null)" '' 'and nothing was made'

done_testing
