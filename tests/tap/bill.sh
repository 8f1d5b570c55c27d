# bill.sh - what the tests of billing share: logs event by event, stores that are sealed, runs.
# Source it after tap.sh.
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154

bill=$BUILD/millrace-bill
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

# event ID CUSTOMER TIME [KEY=VALUE]...: one line. writer, sequence, source and type are members of
# the event, all else of data; status is ok and op resize unless it is said.
event()
{
    perl -CSA -e '
        my ($id, $customer, $time, @rest) = @ARGV;
        my %data = (op => "resize", status => "ok");
        my %top = (source => "//millrace/job/test", type => "millrace.image.v1");
        for (@rest) {
            my ($key, $value) = split /=/, $_, 2;
            ($key =~ /^(?:writer|sequence|source|type)$/ ? \%top : \%data)->{$key} = $value;
        }
        $top{sequence} = sprintf "%020d", $top{sequence} if defined $top{sequence};
        @top{qw(specversion id subject time)} = ("1.0", $id, $customer, $time);
        sub string {
            my $text = shift;
            $text =~ s/(["\\])/\\$1/g;
            $text =~ s/([\0-\37])/sprintf "\\u%04x", ord $1/ge;
            return "\"$text\"";
        }
        sub value { $_[0] =~ /^(?:0|[1-9]\d*)$/ ? $_[0] : string($_[0]) }
        printf "{%s,\"data\":{%s}}\n",
            join(",", map { string($_) . ":" . string($top{$_}) } sort keys %top),
            join(",", map { string($_) . ":" . value($data{$_}) } sort keys %data);
    ' "$@"
}

# many WRITER COUNT MONTH: so many events of ten customers, spread over the month, always the same
many()
{
    perl -MDigest::MD5=md5_hex -e '
        my ($writer, $count, $month) = @ARGV;
        for my $i (1 .. $count) {
            my @draw = map { hex } unpack("(A4)8", md5_hex("$writer $i"));
            printf "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"//millrace/job/many\"," .
                "\"type\":\"millrace.image.v1\",\"subject\":\"customer-%d\"," .
                "\"time\":\"%s-%02dT%02d:00:00.%06dZ\",\"writer\":\"%s\",\"sequence\":\"%020d\"," .
                "\"data\":{\"op\":\"%s\",\"format\":\"jpeg\",\"status\":\"%s\",\"bytes_in\":%d," .
                "\"bytes_out\":%d,\"cpu_us\":%d,\"wall_us\":%d}}\n",
                md5_hex("$month $writer $i"), $draw[0] % 10, $month, 1 + $i * 28 / ($count + 1),
                $draw[1] % 24, $draw[2], $writer, $i, $draw[3] % 3 ? "resize" : "crop",
                $draw[4] % 9 ? "ok" : "timeout", $draw[5] * 90, $draw[6] * 1000, $draw[7] * 500,
                $draw[7] * 900;
        }' "$@"
}

# fill STORE: the log on standard input becomes a segment of its own
fill()
{
    "$usage" ingest --store "$1" - >/dev/null 2>"$scratch/fill.log" ||
        { echo "fill: exit $?" && cat "$scratch/fill.log"; } | sed 's/^/#   /' >&2
}

# seal STORE MONTH: every writer gives its word on all that the store has of it
seal()
{
    "$usage" stat --store "$1" --json |
        jq -r '.writers[] | [.writer, ([.ranges[].last] | max // 0)] | @tsv' |
        while IFS=$'\t' read -r writer last; do
            "$usage" seal --store "$1" --writer "$writer" --period "$2" --through "$last" \
                >/dev/null 2>&1 || echo "#   seal $writer $2: exit $?" >&2
        done
}

# rate STORE MONTH [OPTIONS]...: bill run with prices.json into bills. Sets $run, $code; what it
# says is in $scratch/stderr.
rate()
{
    local store=$1 month=$2
    shift 2
    run=$("$bill" run --store "$store" --prices prices.json --period "$month" -o bills "$@" \
        2>"$scratch/stderr" </dev/null)
    code=$?
}

# proof FILTER: of $run, through jq
proof()
{
    jq -cr "$1" "$run/proof.json"
}

# bare RUN: its lines without ids, for names without line ends
bare()
{
    sed 1d "$1/lines.csv" | cut -d, -f2-
}

# line_id RUN PATTERN: the id of the first line that matches
line_id()
{
    grep -m 1 -e "$2" "$1/lines.csv" | cut -d, -f1
}

# issue_prices: a book with all that is mostly used, on standard output
issue_prices()
{
    cat <<'END'
{"currency":"USD","minor_digits":2,"rounding":{"when":"line","ties":"half-even"},
 "issuer":"Example Imaging",
 "skus":[
  {"sku":"cpu","meter":{"op":["resize"],"status":["ok"],"quantity":"cpu_us"},
   "unit":{"name":"CPU Hours","divisor":3600000000},
   "prices":[{"from":"2026-01-01T00:00:00Z","to":null,"model":"graduated",
              "tiers":[{"up_to":"10","unit_price":"0"},{"up_to":null,"unit_price":"0.045"}]}]},
  {"sku":"egress","meter":{"status":["ok"],"quantity":"bytes_out"},
   "unit":{"name":"GB","divisor":1000000000},
   "prices":[{"from":"2026-01-01T00:00:00Z","to":"2026-11-15T00:00:00Z","model":"per_unit",
              "unit_price":"0.02"},
             {"from":"2026-11-15T00:00:00Z","to":null,"model":"per_unit","unit_price":"0.018"}]},
  {"sku":"requests","meter":{"quantity":"count"},"unit":{"name":"1000 Requests","divisor":1000},
   "prices":[{"from":"2026-01-01T00:00:00Z","to":null,"model":"volume",
              "tiers":[{"up_to":"100","unit_price":"0.40"},{"up_to":null,"unit_price":"0.30"}]}]}],
 "customers":{"acme":{"discount_percent":"10","minimum":"25.00"}}}
END
}

# count_prices PRICE: every event costs the same
count_prices()
{
    cat <<END
{"currency":"USD","minor_digits":2,"rounding":{"when":"line","ties":"half-even"},
 "issuer":"Example Imaging",
 "skus":[{"sku":"events","meter":{"quantity":"count"},"unit":{"name":"Events","divisor":1},
          "prices":[{"from":"2026-01-01T00:00:00Z","model":"per_unit","unit_price":"$1"}]}]}
END
}
