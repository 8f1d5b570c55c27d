#!/usr/bin/env bash
# banned.sh FILE... - calls that have a safer spelling, and printing where only tools may print.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

# Comments and strings become blanks, so that they may speak of anything; lines keep their numbers.
perl -e '
    my $banned = qr/\b(?:strcpy|strcat|strncpy|strncat|sprintf|vsprintf|strtok|gets|atoi|atol|atoll
        |atof|alloca|g_alloca|system|popen|tmpnam|tempnam|mktemp|g_spawn_command_line_\w+)\s*\(/x;
    my $printing = qr/\b(?:printf|vprintf|puts|putchar|perror
        |g_print|g_printerr|g_message|g_warning|g_info|g_debug)\s*\(
        |\b(?:fprintf|vfprintf|fputs|fputc|putc|fwrite)\s*\([^;]*\b(?:stderr|stdout)\b/x;
    my $bad = 0;
    for my $file (@ARGV) {
        open(my $in, "<", $file) or die "$file: $!\n";
        local $/;
        my $code = <$in>;
        $code =~ s{("(?:\\.|[^"\\\n])*"|\x27(?:\\.|[^\x27\\\n])*\x27)|/\*.*?\*/|//[^\n]*}
                  {defined $1 ? "\"\"" : ($& =~ s/[^\n]//gr)}gse;
        my $quiet = $file =~ m{^(formats|mr|jobs)/};
        # printf-like calls may go over lines, so whole texts are searched.
        for my $rule ($quiet ? ($banned, $printing) : ($banned)) {
            while ($code =~ /$rule/g) {
                my $line = 1 + (substr($code, 0, $-[0]) =~ tr/\n//);
                my $what = $& =~ s/\s*\(.*//sr;
                print STDERR "$file:$line: $what() is banned here\n";
                $bad = 1;
            }
        }
    }
    exit $bad;
' "$@"
