#!/usr/bin/env bash
# shape.sh FILE... - what a page of code looks like: 500 lines of 100 columns, no tabs in C, no
# white space at the end of lines, a licence line near the top.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

perl -CSD -e '
    my $bad = 0;
    for my $file (@ARGV) {
        my $fail = sub { print STDERR "$file:", @_, "\n"; $bad = 1; };
        open(my $in, "<", $file) or die "$file: $!\n";
        my @lines = <$in>;
        $fail->("1: ", scalar @lines, " lines, at most 500") if @lines > 500;
        $fail->("1: no SPDX-License-Identifier line near the top")
            unless grep { defined && /SPDX-License-Identifier: Apache-2\.0/ } @lines[0 .. 19];
        for my $i (0 .. $#lines) {
            my $line = $lines[$i] =~ s/\n\z//r;
            my $number = $i + 1;
            (my $wide = $line) =~ s/\t/        /g;
            $fail->("$number: ", length $wide, " columns, at most 100") if length $wide > 100;
            $fail->("$number: white space at the end") if $line =~ /\s\z/;
            $fail->("$number: a tab") if $line =~ /\t/ && $file =~ /\.[ch]\z/;
        }
    }
    exit $bad;
' "$@"
