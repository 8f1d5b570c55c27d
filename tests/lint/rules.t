#!/usr/bin/env bash
# Each of our own lint rules finds what it forbids, and lets pass what only looks like it.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/../tap/tap.sh"

lint=$tap_here/tests/lint
cd "$scratch" && mkdir formats mr jobs tools tests || exit 1

# write FILE LINE...: a file with a licence line and these lines
write()
{
    local file=$1
    shift
    printf '%s\n' '/* SPDX-License-Identifier: Apache-2.0 */' "$@" >"$file"
}

# finds RULE FILE REGEX NAME: the rule fails on the file and says so
finds()
{
    exits 1 "$4" "$lint/$1.sh" "$2" && like "$(cat "$scratch/stderr")" "$3" "$4: where and what"
}

for call in strcpy strcat sprintf vsprintf strtok gets atoi atol atof alloca system popen tmpnam; do
    write jobs/a.c "int f(void) { return $call(x); }"
    finds banned jobs/a.c "^jobs/a.c:2: $call\(\)" "$call is banned"
done
for call in 'printf("x")' 'puts("x")' 'g_print("x")' 'fprintf(stderr, "x")' 'fputs("x", stdout)'; do
    for folder in formats mr jobs; do
        write $folder/a.c "int f(void) { return $call; }"
        finds banned $folder/a.c "^$folder/a.c:2: " "$call is banned in $folder"
    done
    write tools/a.c "int f(void) { return $call; }"
    exits 0 "$call is for tools" "$lint/banned.sh" tools/a.c
done
write jobs/a.c '/* system() and' 'printf() */' '// popen()' \
    'int f(void) { return snprintf(p, 1, "atoi(\"x\")"); }' \
    'int filesystem(void);' 'int g(void) { return fprintf(file, "x"); }'
exits 0 "comments, strings and longer names may hold a banned one" "$lint/banned.sh" jobs/a.c
write jobs/a.c 'int f(void) { return fprintf(' '    stderr,' '    "x"); }'
finds banned jobs/a.c '^jobs/a.c:2: fprintf' "a call over several lines is found"

for pair in formats:mr formats:jobs formats:tools mr:jobs mr:tools jobs:tools; do
    from=${pair%:*} to=${pair#*:}
    write "$from/a.c" "#include \"$to/b.h\""
    finds includes "$from/a.c" "^$from/a.c:2: $from/ must not include $to/b.h" "$from sees no $to"
    write "$to/a.c" "#include \"$from/b.h\""
    exits 0 "$to may see $from" "$lint/includes.sh" "$to/a.c"
done
for library in mpi.h:mr/comm.c vips/vips.h:jobs/pool.c vips/vips.h:jobs/image.h \
    jansson.h:formats/usage.c xxhash.h:jobs/a.c; do
    header=${library%:*} file=${library#*:}
    write "$file" "#  include <$header>"
    finds includes "$file" "^$file:2: $header belongs to" "$header is wrapped in one place"
done
for library in mpi.h:mr/comm_mpi.c vips/vips.h:jobs/image_load.c vips/vips.h:jobs/image_internal.h \
    jansson.h:formats/json.c; do
    write "${library#*:}" "#include <${library%:*}>"
    exits 0 "${library%:*} may be in ${library#*:}" "$lint/includes.sh" "${library#*:}"
done
write jobs/a.c '#include "pool.h"'
finds includes jobs/a.c 'name our headers from the top' "a header without its folder is found"

write jobs/a.h 'gboolean f(void);'
exits 1 "a header that leans on others is found" "$lint/headers.sh" gcc -I. -- jobs/a.h
write jobs/a.h 'struct a { int b; };'
exits 1 "a header without a guard is found" "$lint/headers.sh" gcc -I. -- jobs/a.h
write jobs/a.h '#ifndef A_H' '#define A_H' 'struct a { int b; };' '#endif'
exits 0 "a good header passes" "$lint/headers.sh" gcc -I. -- jobs/a.h

wide=$(printf '%097d' 0)
write jobs/a.c "//é$wide"
exits 0 "100 columns pass, whatever their bytes" "$lint/shape.sh" jobs/a.c
write jobs/a.c "//éé$wide"
finds shape jobs/a.c '^jobs/a.c:2: 101 columns' "101 columns are too many"
write jobs/a.c $'\tint a;'
finds shape jobs/a.c '^jobs/a.c:2: a tab' "a tab is found"
write jobs/a.c 'int a; '
finds shape jobs/a.c '^jobs/a.c:2: white space' "white space at the end is found"
yes 'int a;' | head -n 501 >jobs/a.c
finds shape jobs/a.c '501 lines' "501 lines are too many"
finds shape jobs/a.c 'no SPDX' "a file without a licence line is found"

cp "$tap_here/Makefile" .
exits 0 "a source tree without git is made" make -n help
exits 2 "but not linted" make -n lint-all
like "$(cat stderr)" 'lint needs a git checkout' "which is said"

done_testing
