# usage.sh - what the tests of the batch store share: logs of their own making, and what a store
# holds. Source it after tap.sh.
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154

usage=$BUILD/millrace-usage
# Only in tests: they may run as root, on fewer cores than ranks.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# ranks N COMMAND...: under mpirun
ranks()
{
    local count=$1
    shift
    mpirun -n "$count" --oversubscribe --bind-to none "$@"
}

# make_log WRITER FIRST LAST: its events of these sequences, a line each, always the same
make_log()
{
    perl -MDigest::SHA=sha256_hex -e '
        my ($writer, $first, $last) = @ARGV;
        for my $sequence ($first .. $last) {
            my $hash = sha256_hex("$writer $sequence");
            my @draw = map { hex } unpack("(A4)8", $hash);
            my $ok = $draw[0] % 20;
            printf "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"//millrace/job/nightly\"," .
                "\"type\":\"millrace.image.v1\",\"subject\":\"%s\"," .
                "\"time\":\"2026-11-%02dT%02d:%02d:%02d.%06dZ\",\"writer\":\"%s\"," .
                "\"sequence\":\"%020d\",\"data\":{\"request\":\"r-%d\",\"op\":\"%s\"," .
                "\"format\":\"%s\",\"status\":\"%s\",\"bytes_in\":%d,\"bytes_out\":%d," .
                "\"pixels_in\":%d,\"pixels_out\":%d,\"cpu_us\":%d,\"wall_us\":%d," .
                "\"node\":\"n07\"}}\n",
                substr($hash, 32), "customer-" . $draw[1] % 7, 1 + $sequence / 40000 % 28,
                $sequence / 1800 % 24, $sequence / 30 % 60, $sequence * 2 % 60, $draw[2], $writer,
                $sequence, $sequence, ("resize", "thumbnail")[$draw[3] % 2],
                ("jpeg", "webp", "avif")[$draw[3] % 3], $ok ? "ok" : "timeout", $draw[4] * 9,
                $ok ? $draw[5] : 0, $draw[4] * 30, $ok ? 76800 : 0, $draw[6], $draw[6] + $draw[7];
        }' "$@"
}

# canonical FILE...: events as sorted lines that say the same whatever the order of members
canonical()
{
    cat "$@" | jq -cS . | LC_ALL=C sort
}

# stored STORE: its events, likewise
stored()
{
    "$usage" cat --store "$1" | jq -cS . | LC_ALL=C sort
}

# files STORE KIND...: names of its files of these kinds; of a store, names tell the bytes
files()
{
    local store=$1
    shift
    (cd "$store" && find "$@" -type f ! -name '.*' | LC_ALL=C sort)
}

# named_rightly STORE: is every file what its name says, and nothing half-written left?
named_rightly()
{
    local wrong=0 file digest
    while IFS= read -r file; do
        digest=$(sha256sum <"$file") && digest=${digest%% *}
        [[ ${file##*/} == "$digest".* ]] || wrong=1
    done < <(find "$1" -type f)
    return $wrong
}

# told FILTER: what the last ingest said of its logs on stdout, through jq
told()
{
    jq -cr "$1" "$scratch/stdout"
}

# stat_of STORE FILTER
stat_of()
{
    "$usage" stat --store "$1" --json | jq -cr "$2"
}
