#!/usr/bin/env bash
# help.t - what --help, the man pages and the completion say of options is the same, and true.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

# Options as "-t, --to", sorted, from --help and from a page's section OPTIONS.
help_options()
{
    "$@" --help | sed -nE 's/^  ((-., )?--[a-z-]+).*/\1/p' | LC_ALL=C sort
}

man_options()
{
    awk '/^# / { here = $0 == "# OPTIONS" } here && /^\*-/' "$1" | tr -d '*_' |
        sed -E 's/^((-., )?--[a-z-]+).*/\1/' | LC_ALL=C sort -u
}

# Only in a completion does bash have it.
compopt()
{
    :
}

# shellcheck source=../../tools/completion/millrace
. "$tap_here/tools/completion/millrace"

# complete_words WORD...: what is offered for the last word, sorted.
complete_words()
{
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _millrace
    printf '%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort
}

# long OPTIONS: without the short ones and the '=' of the completion.
long()
{
    sed -E 's/^-., //; s/=$//' <<<"$1" | LC_ALL=C sort
}

pages=$tap_here/tools/man
is "$(help_options millrace)" "$(man_options "$pages/millrace.scd")" \
    'millrace: --help and the man page have the same options'
is "$(long "$(complete_words millrace --)")" "$(long "$(help_options millrace)")" \
    'and so has the completion'

for verb in resize run door; do
    options=$(help_options "millrace-$verb")
    is "$options" "$(man_options "$pages/millrace-$verb.scd")" \
        "$verb: --help and the man page have the same options"
    is "$(long "$(complete_words millrace $verb --)")" "$(long "$options")" \
        'and so has the completion'
    is "$(complete_words "millrace-$verb" --)" "$(complete_words millrace $verb --)" \
        "which is the same for millrace-$verb"
done

both=$({ help_options millrace-manifest build && help_options millrace-manifest check; } |
    LC_ALL=C sort -u)
is "$both" "$(man_options "$pages/millrace-manifest.scd")" \
    'manifest: --help of build and check, and the man page have the same options'
for verb in build check; do
    is "$(long "$(complete_words millrace manifest $verb --)")" \
        "$(long "$(help_options millrace-manifest $verb)")" "and completion of $verb has its own"
done
is "$(long "$(complete_words millrace-manifest --)")" \
    "$(long "$(help_options millrace-manifest)")" \
    'and that of manifest, too'

# The verbs of programs that have their own: of each the page has a part, or shares one with
# others, and there is one of what all have.

# man_part PROGRAM VERB
man_part()
{
    awk -v verb="$2" '/^# / { here = 0; options = $0 == "# OPTIONS" }
        options && /^## / {
            here = $2 == "All"
            for (i = 2; i <= NF; i++)
                here = here || $i == verb || $i == verb ","
        }
        here && /^\*-/' "$pages/millrace-$1.scd" | tr -d '*_' |
        sed -E 's/^((-., )?--[a-z-]+).*/\1/' | LC_ALL=C sort
}

verb_programs=()
for program in bill archive keys queue; do
    program_verbs=$("millrace-$program" --help | sed -nE '/^Verbs:/,/^$/s/^  ([a-z-]+) .*/\1/p')
    is "$(complete_words millrace $program '')" "$(LC_ALL=C sort <<<"$program_verbs")" \
        "$program: the verbs that are offered are those of --help"
    is "$(sed -nE "s/^\\*millrace $program ([a-z-]+)\\*.*/\\1/p" \
        "$pages/millrace-$program.scd" | uniq)" "$program_verbs" \
        'and of the man page, in the same order'
    verb_programs+=("millrace-$program")
    for verb in $program_verbs; do
        verb_programs+=("millrace-$program $verb")
        options=$(help_options "millrace-$program" "$verb")
        is "$options" "$(man_part $program "$verb")" \
            "$program $verb: --help and the man page have the same options"
        is "$(long "$(complete_words "millrace-$program" "$verb" --)")" "$(long "$options")" \
            'and so has the completion'
    done
done

# What is offered is taken.

verbs=$(millrace --help | sed -n '/^Verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p' | LC_ALL=C sort)
is "$(complete_words millrace '')" "$verbs" 'the verbs that are offered are those of --help'
is "$(complete_words millrace run -n 2 -- '')" "$verbs" 'behind millrace run -- too'
for verb in $verbs; do
    ok "$([ -x "$BUILD/millrace-$verb" ] && [ -e "$pages/millrace-$verb.scd" ]; echo $?)" \
        "$verb is a program and has a man page"
done

cd "$scratch" || exit 1
touch empty.lst
classes=$(complete_words millrace resize --retry-failed = '')
is "$(sed -n '/^# CLASSES/,/^# S/s/^|  \*\(.*\)\*$/\1/p' "$pages/millrace-resize.scd" |
    LC_ALL=C sort)" "$classes" 'the classes that are offered are those of the man page'
exits 0 'and are taken' millrace-resize --dry-run \
    --retry-failed="$(paste -sd, <<<"$classes")" empty.lst
is "$(complete_words millrace resize --retry-failed = io,time)" io,timeout \
    'a second class is completed behind the first'

for option in --progress --log-format; do
    for value in $(complete_words millrace resize $option = ''); do
        exits 0 "$option=$value is taken" millrace-resize --dry-run $option="$value" empty.lst
    done
done

is "$(complete_words millrace resize --to 320x320,fo)" '320x320,format=' \
    'keys of a spec are completed'
is "$(complete_words millrace resize --to 320x320,fit = cover,cr)" 'cover,crop=' \
    'behind a value too'
refused=''
for key in $(complete_words millrace resize --to 5x, | sed 's/^5x,//; s/=$//'); do
    for value in $(complete_words millrace resize --to "5x,$key" = ''); do
        spec=5x,$key=$value
        [ "$key" != crop ] || spec=5x,fit=cover,crop=$value
        millrace-resize --dry-run --to "$spec" empty.lst >/dev/null 2>&1 || refused+=" $spec"
    done
done
is "$refused" '' 'every key and value of a spec that is offered is taken'

mkdir folder
is "$(complete_words millrace resize -o '')" folder 'an output folder is completed from folders'
is "$(complete_words millrace resize --to 5x emp)" empty.lst 'and a manifest from files'
is "$(complete_words millrace-run -n 2 -- resize --dry)" --dry-run \
    'options of the verb behind run --'
for place in '-o' '--store' '--scratch =' '--prices empty.lst -o'; do
    read -ra words <<<"$place"
    is "$(complete_words millrace bill run "${words[@]}" '')" folder "a folder behind $place"
done
is "$(complete_words millrace-bill run --prices emp)" empty.lst 'a price book from files'
is "$(complete_words millrace bill show '')" folder 'a run from folders'
is "$(complete_words millrace bill check-prices emp)" empty.lst 'a price book to check from files'
is "$(complete_words millrace bill stat --by customer,ho)" customer,hour 'columns behind a comma'
is "$(complete_words millrace bill stat --by = '' | tr '\n' ' ')" "$(millrace bill stat --help |
    sed -n 's/.*Add up by \(.*\)/\1/p' | tr -d , | tr ' ' '\n' | LC_ALL=C sort | tr '\n' ' ')" \
    'all of them'
for format in $(complete_words millrace bill show --format ''); do
    exits 66 "--format=$format is taken" millrace bill show --format="$format" none acme
done
exits 64 'and no other' millrace bill show --format=pdf none acme

for place in 'list --from' 'restore -o' 'pack --to =' 'push --to' 'repair --copy'; do
    read -ra words <<<"$place"
    is "$(complete_words millrace archive "${words[@]}" '')" folder "a folder behind $place"
done
for place in 'pack --key' 'verify --trust =' 'keygen --out' pack repair; do
    read -ra words <<<"$place"
    is "$(complete_words millrace-archive "${words[@]}" emp)" empty.lst "a file behind $place"
done
is "$(complete_words millrace archive extend --to '')" '' 'a time behind extend --to, so nothing'
is "$(complete_words millrace archive verify '')" "$(complete_words millrace archive verify --)" \
    'options of a verb without operands'
is "$(complete_words millrace archive list --format '' | paste -sd' ')" 'json text' \
    'a list has other formats than a bill'
for format in json text; do
    exits 66 "--format=$format is taken" millrace archive list --format=$format --from none
done
exits 64 'and no other' millrace archive list --format=html --from none
for parity in $(complete_words millrace archive pack --parity ''); do
    exits 66 "--parity=$parity is taken" millrace archive pack --parity="$parity" --to none \
        --key none empty.lst
done

for place in 'keys list' 'keys fetch --from' 'door --state' 'door --sources =' \
    'queue drain --jobs'; do
    read -ra words <<<"$place"
    is "$(complete_words millrace "${words[@]}" '')" folder "a folder behind $place"
done
for place in 'door --config' 'door --trust =' 'queue submit' 'queue receipt --trust' \
    'queue receipt'; do
    read -ra words <<<"$place"
    is "$(complete_words millrace "${words[@]}" emp)" empty.lst "a file behind $place"
done
is "$(complete_words millrace keys add --scopes = resize, | paste -sd' ')" \
    'resize,jobs resize,resize resize,usage' 'scopes behind a comma'
is "$(complete_words millrace queue submit -t 320x320,fo)" '320x320,format=' 'specs of a job, too'
is "$(complete_words millrace queue show --format '' | paste -sd' ')" 'json text' 'as is a format'

# --help and --version themselves.

for program in millrace millrace-resize millrace-run millrace-manifest millrace-door \
    'millrace-manifest build' 'millrace-manifest check' "${verb_programs[@]}"; do
    read -ra words <<<"$program"
    exits 0 "$program --help is no error" "${words[@]}" --help
    like "$(sed '/Options:/,$d' stdout)" $'(^|\n)Example:\n  ' 'an example is before the options'
    exits 0 "$program --version is no error" "${words[@]}" --version
    like "$(cat stdout)" '^millrace [0-9]+\.[0-9]+\.[0-9]+$' 'it is one line'
done

exits 64 'an unknown verb is a usage error' millrace frobnicate
like "$(cat stderr)" 'there is no verb "frobnicate"' 'that names it'
exits 64 'so is one behind run --' millrace run -n 1 -- frobnicate
exits 64 'so is none at all' millrace
like "$(cat stderr)" '^Example:' 'which prints the help'
exits 64 'so is an option in place of a verb' millrace --frob

done_testing
