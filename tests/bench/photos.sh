#!/usr/bin/env bash
# photos.sh DIR: cuts photographs of about 256 KB (1.5 megapixels, JPEG) from those of Debian's
# package lomiri-wallpapers-16.04 into DIR, once. They are what the benches resize.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

dir=$1
width=1500 height=1000
[ -e "$dir/.complete" ] && exit 0
rm -rf "$dir"
mkdir -p "$dir"
dpkg -L lomiri-wallpapers-16.04 | grep '^/usr/share/backgrounds/.*\.jpg$' | sort |
    while read -r photo; do
    name=$(basename "$photo" .jpg)
    full_width=$(vipsheader -f width "$photo")
    full_height=$(vipsheader -f height "$photo")
    for ((y = 0; y + height <= full_height; y += height)); do
        for ((x = 0; x + width <= full_width; x += width)); do
            out=$dir/$name-$x-$y.jpg
            # The quality that comes nearest to 256 KB, from few.
            for quality in 92 85 75; do
                vips extract_area "$photo" "$out""[Q=$quality,strip]" "$x" "$y" "$width" "$height"
                [ "$(stat -c %s "$out")" -gt 300000 ] || break
            done
        done
    done
done
touch "$dir/.complete"
