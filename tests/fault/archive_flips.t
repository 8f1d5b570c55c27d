#!/usr/bin/env bash
# archive_flips.t - verify finds a single byte that is another one, wherever it is, and blames the
# volume that has it and no other.
# An archive of many small volumes has a byte changed in each of them at a time. So every place of
# a file is tried in a few hundred runs, and what is damaged never hides what is beside it.
# MILLRACE_SEED: what the bytes become, and which places of large files. MILLRACE_TORTURE: each
# place in every volume.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/archive.sh
. "$(dirname "$0")/../tap/archive.sh"
cd "$scratch" || exit 1

: "${MILLRACE_SEED:=1}"
rounds=1 volume_count=24 step=1
[ -z "${MILLRACE_TORTURE:-}" ] || rounds=$volume_count
[ -z "${SAN:-}" ] || rounds=1 volume_count=8 step=61
echo "# MILLRACE_SEED=$MILLRACE_SEED rounds=$rounds step=$step"

cat >flips.pl <<'END'
# flips.pl PROGRAM SEED STEP ROUNDS RANDOM ARCHIVE FILE... : changes bytes and lets PROGRAM verify.
# A FILE that begins with '.' is a suffix: that file of each volume, one byte in each of them at a
# time. RANDOM: so many places drawn at random, and not all. Two processes, a copy for each.
# Prints what was not found, then "N bytes".
use strict;
use warnings;
my ($program, $seed, $step, $rounds, $random, $archive, @files) = @ARGV;

sub flip {
    my ($path, $at, $bits) = @_;
    open(my $file, '+<:raw', $path) or die "$path: $!";
    sysseek($file, $at, 0);
    sysread($file, my $byte, 1) == 1 or die "$path: nothing at $at";
    sysseek($file, $at, 0);
    syswrite($file, chr(ord($byte) ^ $bits)) == 1 or die "$path: $!";
}

# What to change in each run: [path, place, bits]... The n-th place of a round is another volume's
# than in the round before.
sub plan {
    my ($copy) = @_;
    my @runs;
    srand($seed);
    for my $name (@files) {
        my @paths = $name =~ /^\./ ? sort glob("$copy/volumes/*$name") : "$copy/$name";
        my @sizes = map { -s $_ } @paths;
        my ($most) = sort { $b <=> $a } @sizes;
        my $turns = int((($random || $most) + $#paths) / @paths);
        for (my $turn = 0; $turn < $turns * $rounds; $turn += $step) {
            my @run;
            for my $i (0 .. $#paths) {
                my $at = $turn % $turns * @paths + ($i + int($turn / $turns)) % @paths;
                $at = int(rand($sizes[$i])) if $random;
                my $bits = $turn % 3 ? 1 + int(rand(255)) : 0x20;
                push @run, [$paths[$i], $at, $bits] if $at < $sizes[$i];
            }
            push @runs, \@run if @run;
        }
    }
    return @runs;
}

sub verify {
    my ($copy, $run) = @_;
    my %hit = map { $_->[0] =~ m{volumes/([0-9a-f]{32})} ? ($1 => 1) : () } @$run;
    my $text = `'$program' verify --from $copy --no-note --trust auditor.pub 2>/dev/null`;
    my $code = $? >> 8;
    my $where = join ' ', map { "$_->[0]:$_->[1]^$_->[2]" } @$run;
    print "exit $code: $where\n" if $code != (@$run ? 76 : 0);
    return if @$run && !%hit; # the log, or a key
    my %said = $text =~ /^([0-9a-f]{32}) (\w+)/mg;
    for my $volume (sort keys %said) {
        my $expected = $hit{$volume} ? 'damaged' : 'intact';
        print "$volume is $said{$volume}: $where\n" if $said{$volume} ne $expected;
    }
    print "not all are told of: $where\n" if grep { !$said{$_} } keys %hit;
}

$| = 1;
my $tried = 0;
for my $worker (0, 1) {
    my $copy = "work.$worker";
    system('rm', '-rf', $copy) == 0 && system('cp', '-r', $archive, $copy) == 0 or die;
    my @runs = plan($copy);
    $tried += @$_ for $worker ? () : @runs;
    next if fork;
    verify($copy, []);
    for (my $i = $worker; $i < @runs; $i += 2) {
        flip(@$_) for @{$runs[$i]};
        verify($copy, $runs[$i]);
        flip(@$_) for @{$runs[$i]};
    }
    verify($copy, []);
    exit;
}
while (wait > 0) { print "a process failed\n" if $? }
print "$tried bytes\n";
END

# finds NAME RANDOM ARCHIVE FILE...: everything that is changed there is found
finds()
{
    local name=$1 found
    shift
    found=$(perl flips.pl "$archive" "$MILLRACE_SEED" "$step" "$rounds" "$@" 2>&1)
    tail -n 1 <<<"$found" | sed 's/^/# /'
    is "$(head -n -1 <<<"$found" | head -n 20)" '' "$name"
}

"$archive" keygen --out auditor >/dev/null 2>&1
mkdir -p usage/acme records
for ((i = 0; i < volume_count; i++)); do
    echo "{\"n\":$i}" >usage/acme/2026-11-03.ndjson
    perl -MDigest::SHA=sha256 -e 'print sha256("$ARGV[0] $_") for 1 .. 60' $i >records/größe
    touch -d 2026-10-30T12:00:00Z usage/acme/* records/*
    packed --to cold --key auditor.key --parity 2+1 --time 2026-12-01 usage records || exit 1
done
is "$(find cold/volumes -name '*.tar.zst' | wc -l)" "$volume_count" "$volume_count volumes"

finds 'every byte of a manifest' 0 cold .manifest
finds 'every byte of a signature' 0 cold .manifest.minisig
finds 'every byte of an index' 0 cold .index
finds 'every byte of a volume: frames and table' 0 cold .tar.zst
finds 'every byte of its parity' 0 cold .parity

# A volume of several frames, and parity of many stripes.
mkdir large
perl -MDigest::SHA=sha256 -e 'print sha256($_) for 1 .. 3000' >large/random.bin
head -c 4300000 /dev/zero >large/zeros.bin
packed --to many --key auditor.key --parity 4+2 --time 2026-12-01T02:00:00Z large
like "$(cat "many/volumes/${volumes[0]}.manifest")" $'\n# frames [3-9]\n' \
    'a volume of several frames'
random=$((300 * (rounds > 1 ? 10 : 1)))
finds "$((random / step)) places of it" $random many .tar.zst
finds "$((random / step)) places of its parity" $random many .parity

# The log: what is signed, and behind the last checkpoint what is chained alone.
packed --to log --key auditor.key --parity none --time 2026-12-01T02:00:00Z records
"$archive" verify --from log --trust auditor.pub >/dev/null 2>&1
is "$(jq -r '.kind // "checkpoint"' log/catalogue.log | paste -sd' ')" \
    'pack checkpoint check' 'a log that ends with an entry of no key'
finds 'every byte of the log' 0 log catalogue.log

# verify_cut: what is said of the log as it is now
verify_cut()
{
    "$archive" verify --from log --no-note --trust auditor.pub >stdout 2>stderr
    echo "$? $(grep -c ' intact:' stdout) $(grep -c '^catalogue.log torn' stdout) $(
        grep -c ' not committed$' stdout)"
}

cp log/catalogue.log whole.log
head -c -1 whole.log >log/catalogue.log
is "$(verify_cut)" '0 1 1 0' 'a log of which the last byte is gone is torn, which is told'
{ cat whole.log && printf '{'; } >log/catalogue.log
is "$(verify_cut)" '0 1 1 0' 'and so is one with a byte behind'
head -n 2 whole.log | head -c -1 >log/catalogue.log
is "$(verify_cut)" '0 0 1 4' 'a commit that is torn does not count, and its files are told of'
rm log/catalogue.log
is "$(verify_cut)" '66 0 0 0' 'and without a log there is no archive'
cp whole.log log/catalogue.log
is "$(verify_cut)" '0 1 0 0' 'with it there is'

done_testing
