#!/usr/bin/env bash
# hostile.t - files that are broken or mean harm end as rows with a class, cost little, and leave
# no process behind.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
cd "$scratch" || exit 1
make_photos photos 1 1 600

# make_bombs: files that claim more than they hold
make_bombs()
{
    perl -MCompress::Zlib -e '
        sub save { open my $out, ">:raw", shift or die; print $out @_; close $out or die; }
        sub chunk { my $body = join "", @_;
                    return pack("N", length($body) - 4) . $body . pack("N", crc32($body)); }
        my $signature = "\x89PNG\r\n\x1a\n";
        my $zeros = compress("\0" x 1_000_000);
        for my $side (50_000, 2_147_483_647) {
            save("side-$side.png", $signature,
                chunk("IHDR", pack("NNCCCCC", $side, $side, 8, 2, 0, 0, 0)),
                chunk("IDAT", $zeros), chunk("IEND"));
        }
        save("no-pixels.png", $signature,
            chunk("IHDR", pack("NNCCCCC", 100, 100, 8, 2, 0, 0, 0)), chunk("IEND"));
        save("text.png", $signature, chunk("IHDR", pack("NNCCCCC", 100, 100, 8, 2, 0, 0, 0)),
            (chunk("zTXt", "k\0\0", compress("\0" x 5_000_000))) x 20, chunk("IEND"));
        my $screen = "GIF89a" . pack("vvCCC", 1000, 1000, 0x80, 0, 0) . "\0\0\0\xff\xff\xff";
        my $frame = "\x2c" . pack("vvvvC", 0, 0, 1, 1, 0) . "\x02\x02\x44\x01\0";
        save("frames.gif", $screen, $frame x 100_000, "\x3b");
        # A screen that big is not believed: the size is that of the frame.
        save("huge.gif", "GIF89a", pack("vvCCC", 65535, 65535, 0x80, 0, 0), "\0" x 6, $frame,
            "\x3b");
        save("zeros.jpg", "\0" x 10_000_000);
        save("all.webp", "RIFF", pack("V", 4_000_000_000), "WEBPVP8X", pack("V", 10), "\xff" x 10);
        save("loop.tif", "II*\0", pack("V", 8), pack("v", 1), pack("vvVV", 256, 3, 1, 9),
            pack("V", 8));
        save("script.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"/>");
        save("script.jpg", "%!PS-Adobe-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n");
        save("image.pdf", "%PDF-1.4\n");
        save("text.jpg", "P6 9 9 255\n", "x" x 243);
    '
}
mkdir bombs && (cd bombs && make_bombs) || exit 1
vips jpegsave photos/0_0.jpg progressive.jpg --interlace
for format in jpg png webp gif tif; do
    vips copy photos/0_0.jpg "whole.$format"
    head -c $(($(stat -c %s "whole.$format") / 2)) "whole.$format" >"half.$format"
done
head -c $(($(stat -c %s progressive.jpg) / 2)) progressive.jpg >half-progressive.jpg

# workers: the processes of this test's runs that are still there
export MILLRACE_HOSTILE_TEST=$scratch
workers()
{
    grep -lsz "^MILLRACE_HOSTILE_TEST=$scratch" /proc/[0-9]*/environ | xargs -r dirname |
        while read -r process; do
            name=$(cat "$process/comm" 2>/dev/null)
            [[ $name != millrace-* ]] || echo "$name ${process#/proc/}"
        done
}

# classes FOLDER: source and class or status, in order of names
classes()
{
    jq -r '"\(.source) \(.class // .status)"' "$1/.millrace/results.ndjson" | LC_ALL=C sort
}

printf '%s\n' half*.* whole.jpg | LC_ALL=C sort >halves.txt
exits 1 'halves of files' "$resize" --to 64x64 -o halves halves.txt
is "$(classes halves)" 'half-progressive.jpg truncated
half.gif truncated
half.jpg truncated
half.png truncated
half.tif truncated
half.webp truncated
whole.jpg ok' 'are truncated, and no success'

printf '%s\n' photos/0_0.jpg bombs/* photos/0_0.jpg | LC_ALL=C sort >bombs.txt
exits 1 'bombs' "$resize" --to 64x64 -o bombed bombs.txt
classes bombed >got
is "$(cat got)" 'bombs/all.webp truncated
bombs/frames.gif too-large
bombs/huge.gif ok
bombs/image.pdf unsupported-format
bombs/loop.tif corrupt
bombs/no-pixels.png corrupt
bombs/script.jpg unsupported-format
bombs/script.svg unsupported-format
bombs/side-2147483647.png corrupt
bombs/side-50000.png too-large
bombs/text.jpg unsupported-format
bombs/text.png too-large
bombs/zeros.jpg unsupported-format
photos/0_0.jpg ok
photos/0_0.jpg ok' 'have their classes'
most_us=200000
[ -z "${SAN:-}" ] || most_us=2000000
is "$(jq -r --argjson most "$most_us" 'select(.source | test("^bombs/")) |
    select(.cpu_us > $most or .wall_us > 10 * $most) | "\(.source) \(.cpu_us) \(.wall_us)"' \
    bombed/.millrace/results.ndjson)" '' 'and cost milliseconds'
sound bombed 'all is accounted for'
is "$(workers)" '' 'no worker is left'

# A run that is under way has no zombies among its children, however many of them died.
printf "slow.png\n%.0s" {1..30} >slow.txt
vips black slow.png 6000 6000 --bands 3
"$resize" --to 64x64 -o slow --deadline 0.03 slow.txt >stdout 2>stderr &
run=$!
# shellcheck disable=SC2317 # called by await
working()
{
    [[ $(workers) = *millrace-image* ]]
}
await working
ok $? 'workers can be seen while they work'
zombies=0
while kill -0 "$run" 2>/dev/null; do
    if pgrep -r Z -P "$run" >/dev/null; then
        zombies=$((zombies + 1))
        [ "$zombies" -lt 5 ] || break
    else
        zombies=0
    fi
    sleep 0.02
done
wait "$run"
is "$? $(classes slow | sort -u)" '1 slow.png timeout' 'workers are killed at the deadline'
ok "$([ "$zombies" -lt 5 ]; echo $?)" 'and buried'
is "$(workers)" '' 'none is left'

if [ -d "$MILLRACE_CORPUS/malformed" ]; then
    find "$MILLRACE_CORPUS/malformed" -type f | LC_ALL=C sort >corpus.txt
    exits 1 'the malformed files of the corpus' timeout 120 "$resize" --to 64x64 \
        --to '32x32,format=webp' -o corpus corpus.txt
    is "$(report corpus '[.rows.manifest, .rows.skipped]')" "[$(wc -l <corpus.txt),0]" \
        'each ends in a status'
    is "$(jq -r '.class // .status' corpus/.millrace/results.ndjson | LC_ALL=C sort -u |
        grep -vxE 'ok|unsupported-format|corrupt|truncated|too-large')" '' 'which is one of theirs'
    is "$(classes corpus | sed -n 's/.*pil-truncated_image.png //p')" truncated \
        'the one that is called truncated is'
    sound corpus 'all is accounted for'
    is "$(workers)" '' 'no worker is left'
else
    echo "# no corpus at $MILLRACE_CORPUS: its malformed files are skipped"
fi

done_testing
