#!/usr/bin/env bash
# formats.t - formats in and out, fits and crops, orientation, alpha: measured with libvips' tools.
# Sizes are those of formats/README.md, calculated by hand.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
cd "$scratch" || exit 1

# sizes FILE...: WIDTHxHEIGHT of each
sizes()
{
    local lines
    mapfile -t lines < <(vipsheader "$@" 2>/dev/null | sed -E 's/.*: ([0-9]+x[0-9]+) .*/\1/')
    echo "${lines[*]}"
}

# vips and vipsheader start faster without the modules for other formats than the common ones.
fast()
{
    VIPSHOME=/nonexistent "$@"
}

# magic FILE: the format by its first bytes
magic()
{
    case $(head -c 12 "$1" | od -An -tx1 -v | tr -d ' \n') in
    ffd8ff*) echo jpeg ;;
    89504e470d0a1a0a*) echo png ;;
    52494646????????57454250) echo webp ;;
    474946383?61*) echo gif ;;
    49492a00* | 4d4d002a*) echo tiff ;;
    ????????6674797061766966) echo avif ;;
    ????????66747970*) echo heif ;;
    *) echo none ;;
    esac
}

# Every format in, every format out

fast vips worley square.v 90 60 --cell-size 20
fast vips cast square.v grey.v uchar
fast vips bandjoin 'grey.v grey.v grey.v' rgb.v
fast vips copy rgb.v source.v --interpretation srgb
mkdir in
for extension in jpg png webp gif tif avif heic; do
    vips copy source.v "in/source.$extension" 2>>vips.log && echo "in/source.$extension" ||
        echo "# libvips cannot write $extension here" >&2
done >list
specs=()
for format in jpeg png webp gif tiff avif; do
    specs+=(--to "30x30,format=$format")
done
exits 0 'every format in, every format out' "$resize" "${specs[@]}" -o out list
sound out 'is accounted for'
is "$(jq '.outputs | length' out/.millrace/results.ndjson | sort -u)" 6 'six outputs each'
wrong=$(jq -r '.outputs[] | "\(.format) \(.width)x\(.height) \(.path)"' \
    out/.millrace/results.ndjson | while read -r format stated path; do
    [ "$stated" = 30x20 ] && [ "$(magic "out/$path")" = "$format" ] || echo "$path"
done)
is "$wrong" '' 'each has its format'
is "$(sizes out/*/in/* | tr ' ' '\n' | sort -u)" 30x20 'and its size'
is "$(find "out/30x30,format=webp/in" ! -name '*.webp' -type f)" '' \
    'the extension of another format is followed by the right one'
exits 0 'no format asked for' "$resize" --to 30x30 -o same list
wrong=$(while read -r path; do
    [ "$(magic "same/$path")" = "$(magic "$path")" ] || echo "$path"
done <list)
is "$wrong" '' 'gives the one of the source, by the same name'

# Frames: the first one of many

fast vips copy rgb.v first.v
fast vips join rgb.v rgb.v frames.v vertical
vips gifsave frames.v frames.gif --page-height 60 2>>vips.log || cp in/source.gif frames.gif
echo frames.gif >frames.txt
exits 0 'an animation' "$resize" --to 30x30 -o frames frames.txt
is "$(sizes frames/frames.gif) $(vipsheader -f n-pages frames/frames.gif 2>/dev/null || echo 1)" \
    '30x20 1' 'gives its first frame'

# Fits: the table of formats/README.md

fast vips black a.png 600 400 --bands 3
fast vips black b.png 200 800 --bands 3
fast vips black c.png 100 50 --bands 3
printf '%s.png\n' a b c >abc
cat >table <<'END'
300x300 300x200 75x300 100x50
300x300,fit=cover 300x300 200x300 100x50
300x300,fit=cover,crop=entropy 300x300 200x300 100x50
300x300,fit=cover,crop=attention 300x300 200x300 100x50
300x300,fit=contain 300x300 300x300 300x300
300x300,fit=fill 300x300 200x300 100x50
300x300,fit=outside 450x300 200x800 100x50
300x300,upscale=allow 300x200 75x300 300x150
300x300,fit=cover,upscale=allow 300x300 300x300 300x300
300x300,fit=fill,upscale=allow 300x300 300x300 300x300
300x300,fit=outside,upscale=allow 450x300 300x1200 600x300
60x 60x40 60x240 60x30
x40 60x40 10x40 80x40
1x1 1x1 1x1 1x1
END
specs=()
while read -r spec a b c; do
    specs+=(--to "$spec")
done <table
exits 0 'every fit' "$resize" "${specs[@]}" -o fits abc
while read -r spec a b c; do
    is "$(fast sizes "fits/$spec"/{a,b,c}.png)" "$a $b $c" "$spec"
done <table

# Crops: a light patch at the right edge

fast vips black dark.v 90 30 --bands 3
fast vips draw_rect dark.v '255 255 255' 70 5 10 20 --fill
fast vips copy dark.v patch.png
echo patch.png >patch.txt
exits 0 'crops' "$resize" --to '30x30,fit=cover' --to '30x30,fit=cover,crop=entropy' \
    --to '30x30,fit=cover,crop=attention' -o crop patch.txt
is "$(fast vips avg 'crop/30x30,fit=cover/patch.png' | cut -d. -f1)" 0 'the centre is dark'
for crop in entropy attention; do
    light=$(fast vips avg "crop/30x30,fit=cover,crop=$crop/patch.png")
    ok "$([ "${light%.*}" -gt 30 ]; echo $?)" "$crop finds the patch"
done

# Alpha

fast vips black clear.png 50 40 --bands 4
fast vips copy clear.png clear.v
fast vips copy clear.v clear.png --interpretation srgb
echo clear.png >clear.txt
exits 0 'alpha' "$resize" --to '20x20,format=jpeg,background=ff8000' --to '20x,format=png' \
    --to '20x,format=jpeg' --to '20x20,fit=contain,background=0000ff,format=jpeg' -o alpha clear.txt
# near FILE X Y COLOUR: within what JPEG does to a flat colour
near()
{
    fast vips getpoint "$1" "$2" "$3" | awk -v want="$4" \
        '{ split(want, w); for (i = 1; i <= 3; i++) if (($i - w[i])^2 > 16) exit 1 }'
}
near 'alpha/20x20,format=jpeg,background=ff8000/clear.png.jpg' 5 5 '255 128 0'
ok $? 'is flattened to the background'
near 'alpha/20x,format=jpeg/clear.png.jpg' 5 5 '255 255 255'
ok $? 'which is white unless another is asked for'
near 'alpha/20x20,fit=contain,format=jpeg,background=0000ff/clear.png.jpg' 1 1 '0 0 255'
ok $? 'contain pads with it'
is "$(vipsheader -f bands 'alpha/20x,format=png/clear.png')" 4 'formats that have alpha keep it'

# Orientation

if [ -d "$MILLRACE_CORPUS/exif" ]; then
    find "$MILLRACE_CORPUS/exif" -name '*.jpg' | LC_ALL=C sort >exif.txt
    exits 0 'EXIF orientations' "$resize" --to '160x160,format=png' --to '8x8,fit=fill,format=png' \
        --name '{spec}/{stem}.{ext}' -o exif exif.txt
    for side in landscape portrait; do
        expected=160x120
        [ $side = landscape ] || expected=120x160
        is "$(fast sizes "exif/160x160,format=png/$side"_?.png)" \
            "$(printf "$expected %.0s" {1..7})$expected" "$side: all are upright"
        wrong=$(for file in "exif/8x8,fit=fill,format=png/${side}"_?.png; do
            fast vips subtract "$file" "exif/8x8,fit=fill,format=png/${side}_1.png" d.v
            fast vips abs d.v e.v
            echo "$(fast vips avg e.v) $file"
        done | awk '$1 > 8')
        is "$wrong" '' "$side: all show the same"
        is "$(vipsheader -a "exif/160x160,format=png/${side}_6.png" | grep -ci orientation)" 0 \
            "$side: and say nothing of an orientation"
    done
else
    echo "# no corpus at $MILLRACE_CORPUS: its orientations are skipped"
fi

done_testing
