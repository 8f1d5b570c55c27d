#!/usr/bin/env bash
# usage_help.t - what --help, the man page and the completion say of the options of millrace usage
# is the same.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"

cd "$scratch" || exit 1
page=$tap_here/tools/man/millrace-usage.scd

# Options as "-h, --help", sorted, from --help and from the page's section OPTIONS, of one verb.
help_options()
{
    "$@" --help | sed -nE 's/^  ((-., )?--[a-z-]+).*/\1/p' | LC_ALL=C sort
}

man_options()
{
    awk -v verb="$1" '/^# / { here = 0; options = $0 == "# OPTIONS" }
        options && /^## / { here = $2 == verb || $2 == "All" }
        here && /^\*-/' "$page" | tr -d '*_' | sed -E 's/^((-., )?--[a-z-]+).*/\1/' |
        LC_ALL=C sort
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
    printf '%s\n' "${COMPREPLY[@]}" | sed 's/=$//' | LC_ALL=C sort
}

for verb in ingest cat stat seal sync; do
    exits 0 "usage $verb --help is no error" millrace-usage "$verb" --help
    like "$(sed '/Options:/,$d' stdout)" $'(^|\n)Example:\n  ' 'an example is before the options'
    options=$(help_options millrace-usage "$verb")
    is "$options" "$(man_options "$verb")" 'the man page has the same options'
    is "$(complete_words millrace usage "$verb" --)" \
        "$(sed -E 's/^-., //' <<<"$options" | LC_ALL=C sort)" 'and so has the completion'
    exits 0 'the version' millrace-usage "$verb" --version
done
is "$(complete_words millrace usage '')" $'cat\ningest\nseal\nstat\nsync' 'the verbs are completed'
exits 0 'usage --help is no error' millrace usage --help
like "$(cat stdout)" '^Example:' 'it begins with an example'

mkdir store
: >log.ndjson
is "$(complete_words millrace-usage ingest --store '')" store 'a store is completed from folders'
is "$(complete_words millrace usage ingest --store store lo)" log.ndjson 'and a log from files'

done_testing
