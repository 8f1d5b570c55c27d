#!/usr/bin/env bash
# mutants.t - thousands of damaged images go through as rows: each ends in a class of its own kind,
# within its deadline and the memory of a worker, and nothing else suffers.
# MILLRACE_MUTANTS: how many (3000). MILLRACE_SEED: which.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
cd "$scratch" || exit 1

: "${MILLRACE_MUTANTS:=${SAN:+400}}"
: "${MILLRACE_MUTANTS:=${MILLRACE_TORTURE:+30000}}"
: "${MILLRACE_MUTANTS:=3000}" "${MILLRACE_SEED:=1}"
echo "# MILLRACE_MUTANTS=$MILLRACE_MUTANTS MILLRACE_SEED=$MILLRACE_SEED"

deadline_s=5
# A worker's 2 GiB and the libraries' code. A sanitizer's shadow has no such limit.
rss_max_kib=$((2200 * 1024))

# make_seeds: one of each kind that a decoder has a path of its own for
make_seeds()
{
    local photo=rgb.v
    make_photos photo 1 1 160 &&
        vips colourspace photo/0_0.jpg rgb.v srgb &&
        vips bandjoin_const "$photo" rgba.v 200 &&
        vips icc_transform "$photo" p3.v p3 --input-profile srgb &&
        vips colourspace "$photo" grey.v b-w &&
        vips colourspace "$photo" deep.v rgb16 &&
        vips copy "$photo" 'baseline.jpg[Q=60]' &&
        vips copy "$photo" 'progressive.jpg[Q=60,interlace]' &&
        vips copy "$photo" 'restarts.jpg[restart_interval=3]' &&
        vips copy p3.v 'profile.jpg[interlace]' &&
        vips copy grey.v grey.jpg &&
        vips copy "$photo" plain.png &&
        vips copy rgba.v 'interlaced.png[interlace]' &&
        vips copy "$photo" 'palette.png[palette]' &&
        vips copy deep.v deep.png &&
        vips copy p3.v profile.png &&
        vips copy "$photo" lossy.webp &&
        vips copy rgba.v alpha.webp &&
        vips copy rgba.v 'lossless.webp[lossless]' &&
        vips copy "$photo" plain.gif &&
        vips copy rgba.v alpha.gif &&
        vips copy "$photo" none.tif &&
        vips copy deep.v 'deflate.tif[compression=deflate,predictor=horizontal]' &&
        vips copy "$photo" 'lzw.tif[compression=lzw]' &&
        vips copy "$photo" 'jpeg.tif[compression=jpeg,tile,tile-width=64,tile-height=64]' &&
        vips copy rgba.v 'tiled.tif[compression=packbits,tile,bigtiff]' &&
        vips copy "$photo" 'plain.avif[effort=0]' &&
        vips copy rgba.v 'alpha.avif[effort=0,lossless]'
}
mkdir seeds && (cd seeds && scratch=$PWD make_seeds) || exit 1
rm seeds/*.v
seeds=(seeds/*.*)
corpora=()
for folder in photos png exif malformed; do
    [ ! -d "$MILLRACE_CORPUS/$folder" ] || corpora+=("$MILLRACE_CORPUS/$folder")
done
if [ ${#corpora[@]} -gt 0 ]; then
    # Small ones: a decoder has no more code for the others. Not those that none is called for.
    mapfile -t -O ${#seeds[@]} seeds < <(
        find "${corpora[@]}" -type f -size -40k -regextype posix-extended \
            -iregex '.*\.(jpe?g|png|webp|gif|tiff?|avif)' ! -name '*lossless*' | LC_ALL=C sort)
else
    echo "# no corpus at $MILLRACE_CORPUS: images of our own only"
fi

mkdir mutants
# Most of a corpus is JPEG: the other formats get their share.
"$BUILD/tests/fault/mutate" "$MILLRACE_SEED" "$MILLRACE_MUTANTS" mutants "${seeds[@]}" \
    seeds/*.{png,webp,gif,tif,avif}{,,}
ok $? "$MILLRACE_MUTANTS mutants of ${#seeds[@]} images"
find mutants -type f | LC_ALL=C sort >mutants.txt
is "$(wc -l <mutants.txt)" "$MILLRACE_MUTANTS" 'are made'

# workers: those of this test that are still there
export MILLRACE_MUTANTS_TEST=$scratch
workers()
{
    grep -lsz "^MILLRACE_MUTANTS_TEST=$scratch" /proc/[0-9]*/environ | xargs -r dirname |
        while read -r process; do
            name=$(cat "$process/comm" 2>/dev/null)
            [[ $name != millrace-* ]] || echo "$name ${process#/proc/}"
        done
}

# watch PID: counts looks at which it had a zombie that was there at the look before, too
watch()
{
    local before='' now kept=0
    while kill -0 "$1" 2>/dev/null; do
        now=$(pgrep -r Z -P "$1" -d ' ')
        for child in $now; do
            [[ " $before " != *" $child "* ]] || kept=$((kept + 1))
        done
        before=$now
        sleep 0.3
    done
    echo "$kept"
}

"$BUILD/tests/fault/peak" peak_kib "$resize" --deadline "$deadline_s" --to 64x64,format=jpeg \
    --to '48x48,fit=cover,format=webp' -o mutated mutants.txt >stdout 2>stderr &
peak=$!
job=''
# shellcheck disable=SC2317 # called by await
job_started()
{
    job=$(pgrep -P "$peak") || ! kill -0 "$peak"
}
await job_started
zombies=$(watch "$job")
wait "$peak"
code=$?
like "$code" '^[01]$' "the run ends as any other" || tail -n 20 stderr | sed 's/^/# /' >&2
is "$zombies" 0 'workers that died were buried'
is "$(workers)" '' 'no worker is left'

rows=mutated/.millrace/results.ndjson
is "$(jq -r .row "$rows" | sort -nu | wc -l)" "$MILLRACE_MUTANTS" 'every mutant has its row'
echo '# classes:'
jq -r '.class // .status' "$rows" | sort | uniq -c | sort -rn | sed 's/^/# /'
jq -r 'select(.class == ("worker-crash", "timeout", "out-of-memory")) |
    "# \(.class) \(.source): \(.message)"' "$rows"
echo "# slowest: $(jq -s -r 'max_by(.wall_us) | "\(.wall_us) us \(.source)"' "$rows")"
is "$(jq -r '.class // .status' "$rows" | sort -u | grep -vxE \
    'ok|unsupported-format|corrupt|truncated|too-large|timeout|out-of-memory|worker-crash')" '' \
    'which ends in a class of images'
# Nothing known crashes or lasts: what does is a find, and its file is worth keeping.
is "$(jq -r 'select(.class == ("worker-crash", "timeout")) | .source' "$rows")" '' \
    'none kills its worker'
# A worker that has to be replaced starts within the row's time.
is "$(jq -r --argjson most $((deadline_s * 1000000 * 2)) 'select(.wall_us > $most) | .source' \
    "$rows")" '' 'none lasts beyond its deadline'
echo "# peak RSS of one process: $(($(cat peak_kib) / 1024)) MiB"
if [ -z "${SAN:-}" ]; then
    ok "$([ "$(cat peak_kib)" -lt "$rss_max_kib" ]; echo $?)" 'none holds more than a worker may'
else
    echo '# a sanitized worker has no limit of memory: not checked'
fi
sound mutated 'all is accounted for'

if [ -n "${MILLRACE_KEEP:-}" ]; then
    cp -r mutants mutated "$MILLRACE_KEEP"/
fi
done_testing
