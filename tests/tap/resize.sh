# resize.sh - what the tests of the resize job share: sources of their own making, and what an
# output folder holds. Source it after tap.sh.
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154

resize=$BUILD/millrace-resize
# Only in tests: they may run as root, on fewer cores than ranks.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# ranks N COMMAND...: under mpirun
ranks()
{
    local count=$1
    shift
    mpirun -n "$count" --oversubscribe --bind-to none "$@"
}

# make_photos FOLDER COLUMNS ROWS SIDE: COLUMNS x ROWS different JPEGs, FOLDER/X_Y.jpg. Each is
# SIDE pixels square, of noise that has something for every block of the encoder to do.
make_photos()
{
    local folder=$1 columns=$2 rows=$3 side=$4
    vips perlin "$scratch/noise.v" $((columns * side)) $((rows * side)) --cell-size 32 --uchar &&
        vips dzsave "$scratch/noise.v" "$scratch/noise" --tile-size "$side" --overlap 0 \
            --depth one --suffix .jpg &&
        mv "$scratch/noise_files/0" "$folder" || exit 1
    rm -rf "$scratch/noise.v" "$scratch/noise.dzi" "$scratch/noise_files"
}

# await COMMAND...: until it succeeds, half a minute at most
await()
{
    local until=$((SECONDS + 30))
    until "$@" 2>/dev/null; do
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.02
    done
}

# outputs FOLDER: digest and name of every file outside .millrace
outputs()
{
    (cd "$1" && find . -path ./.millrace -prune -o -type f -print0 | LC_ALL=C sort -z |
        xargs -0r sha256sum)
}

# results FOLDER: a line a row, without what differs from run to run
results()
{
    jq -cS 'del(.cpu_us, .wall_us, .node)' "$1/.millrace/results.ndjson" | LC_ALL=C sort
}

# usage FOLDER: the events of all writers, in no order
usage()
{
    find "$1/.millrace" -maxdepth 1 -name 'usage-*.ndjson' -exec cat {} +
}

event_ids()
{
    usage "$1" | jq -r .id | LC_ALL=C sort
}

# report FOLDER FILTER: the report, through jq
report()
{
    jq -cr "$2" "$1/.millrace/report.json"
}

# digests_hold FOLDER: reads digests and names, each with a NUL behind it. A name that is not UTF-8
# is percent-encoded.
digests_hold()
{
    perl -MDigest::SHA -0lne '
        if (!defined $digest) { $digest = $_; next; }
        my $path = "$root/$_";
        $path =~ s/%([0-9A-F]{2})/chr hex $1/ge if !-e $path;
        my $sha256 = Digest::SHA->new(256);
        exit 1 if !-f $path || $sha256->addfile($path)->hexdigest ne $digest;
        undef $digest;
        BEGIN { $root = shift @ARGV; @ARGV = (); }
    ' "$1"
}

# sound FOLDER NAME: whatever has happened to the job, its folder is in order. Says what is not.
sound()
{
    local folder=$1 wrong=''
    [ "$(report "$folder" '[.complete, (.invariants | length > 0 and all(.holds))]')" = \
        '[true,true]' ] || wrong+=' report'
    [ -z "$(find "$folder/.millrace/tmp" -type f)" ] || wrong+=' temporary-files'
    jq -j '.outputs[] | "\(.digest)\u0000\(.path)\u0000"' "$folder/.millrace/results.ndjson" |
        digests_hold "$folder" || wrong+=' digests'
    [ "$(jq '.outputs[].path' "$folder/.millrace/results.ndjson" | sort -u | wc -l)" -eq \
        "$(find "$folder" -path "$folder/.millrace" -prune -o -type f -printf .\\n | wc -l)" ] ||
        wrong+=' other-files'
    usage "$folder" | jq -es '(map(.id) | length == (unique | length)) and
        (group_by(.writer) | all(map(.sequence | tonumber) | sort == [range(1; length + 1)]))' \
        >/dev/null || wrong+=' usage'
    ok "$([ -z "$wrong" ]; echo $?)" "$2${wrong:+ (wrong:$wrong)}"
}
