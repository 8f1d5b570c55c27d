#!/usr/bin/env bash
# vipsthumbnail.t - sizes and pixels of millrace resize against vipsthumbnail of the same machine.
#
# Sizes are those of vipsthumbnail --size 'WxH>' --export-profile srgb. Pixels too, where there is a
# profile to export from. Without one, --export-profile makes vipsthumbnail 8.14 take the pixels
# through XYZ and back with the wrong white point, which moves colours by up to 15/255: there the
# reference also has --import-profile srgb, with which it does not.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

for tool in vips vipsthumbnail vipsheader; do
    command -v "$tool" >/dev/null || skip_all "$tool is not installed"
done
meandiff=$BUILD/tests/golden/meandiff
[ -x "$meandiff" ] || skip_all "$meandiff is not built: make golden"
cd "$scratch" || exit 1
# The modules of libvips are not needed here, and half of a short run is loading them.
fast()
{
    VIPSHOME=/nonexistent "$@"
}

# reference SIZE FLAGS...: thumbnails of the files listed on stdin into ref/, named as ours are.
reference()
{
    local size=$1 file
    shift
    while IFS= read -r file; do
        mkdir -p "ref/$(dirname "$file")"
        fast vipsthumbnail --size "$size>" "$@" -o "$scratch/ref/${file%.png}.png" "$file" \
            2>>ref.log
    done
}

# matches SPEC SIZE NAME: makes both for the files of ./list and compares.
matches()
{
    local spec=$1 size=$2 name=$3 file
    rm -rf ref out ours pairs tagged untagged
    while IFS= read -r file; do
        if fast vipsheader -f icc-profile-data "$file" >/dev/null 2>&1; then
            echo "$file" >>tagged
        else
            echo "$file" >>untagged
        fi
    done <list
    touch tagged untagged
    reference "$size" --export-profile srgb <tagged
    # Without an import profile, libvips 8.14.1 shifts the white point: see README, Decisions.
    reference "$size" --import-profile srgb --export-profile srgb <untagged
    "$BUILD/millrace-resize" --to "$spec,format=png" -o out list >resize.log 2>&1 ||
        sed 's/^/# /' resize.log >&2
    while IFS= read -r file; do
        [ -e "ref/${file%.png}.png" ] || { # grey: vipsthumbnail refuses an RGB profile for it
            echo "$file" | reference "$size"
        }
        printf '%s\0' "ref/${file%.png}.png" "out/${file%.png}.png"
    done <list >pairs
    xargs -0 -n 200 env VIPSHOME=/nonexistent "$meandiff" <pairs >ours
    is "$(wc -l <ours)" "$(wc -l <list)" "$name: every file has its image"
    is "$(grep -E '^(size|unreadable)' ours)" '' "$name: sizes are vipsthumbnail's"
    is "$(awk '$1 !~ /^[a-z]/ && $1 >= 1' ours)" '' "$name: pixels are within 1/255 on average"
}

# Images of every format, with and without profiles and alpha, of odd sizes.
mkdir made
fast vips sines made/base.v 1117 771 --uchar --hfreq 30 --vfreq 20 2>/dev/null
fast vips bandjoin "made/base.v made/base.v made/base.v" made/grey3.v 2>/dev/null
fast vips linear made/grey3.v made/coloured.v '0.5 0.8 0.3' '40 10 90' --uchar
fast vips copy made/coloured.v made/rgb.v --interpretation srgb
fast vips copy 'made/rgb.v' 'made/plain.jpg[Q=90]'
fast vips copy made/rgb.v 'made/progressive.jpg[Q=90,interlace]'
fast vips copy made/rgb.v made/plain.webp
fast vips copy made/rgb.v made/plain.tif
fast vips copy made/rgb.v made/plain.png
fast vips copy made/base.v made/grey.png --interpretation b-w
fast vips copy made/base.v made/grey.jpg --interpretation b-w
fast vips colourspace made/rgb.v made/sixteen.png rgb16
fast vips bandjoin 'made/rgb.v made/base.v' made/alpha.png
fast vips icc_transform made/rgb.v made/p3.jpg p3 --input-profile srgb
fast vips icc_transform made/rgb.v made/p3.png p3 --input-profile srgb
fast vips icc_transform made/rgb.v made/srgb.jpg srgb --input-profile srgb
rm made/*.v
find made -type f | LC_ALL=C sort >list
for size in 320x320 100x x99 7x7; do
    matches "$size" "$size" "formats at $size"
done

# One row with several sizes gives what rows with one size each give.
"$BUILD/millrace-resize" --to 300x300,format=png --to 64x,format=png -o both list >resize.log 2>&1
for spec in 300x300 64x; do
    "$BUILD/millrace-resize" --to "$spec,format=png" -o "one-$spec" list >>resize.log 2>&1
    while IFS= read -r file; do
        printf '%s\0' "one-$spec/${file%.png}.png" "both/$spec,format=png/${file%.png}.png"
    done <list | xargs -0 env VIPSHOME=/nonexistent "$meandiff" >ours
    is "$(grep -E '^(size|unreadable)' ours)" '' \
        "$spec beside another size has the size it has alone"
    # JPEG and WebP shrink while they decode, by the largest size's factor: other pixels, no worse.
    is "$(grep -E '(png|tif)\.png$|/[a-z0-9]*\.png$' ours | awk '$1 >= 1')" '' \
        "$spec beside another size has the pixels it has alone"
done

if [ -d "$MILLRACE_CORPUS/photos" ]; then
    ln -s "$MILLRACE_CORPUS" corpus
    find -L corpus/photos corpus/png corpus/exif -type f | LC_ALL=C sort >list
    for size in 320x320 x100; do
        matches "$size" "$size" "the corpus at $size"
    done
else
    ok 0 "the corpus # SKIP $MILLRACE_CORPUS is not here"
fi

done_testing
