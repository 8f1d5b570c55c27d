#!/usr/bin/env bash
# usage.t - ingest by many ranks: what the store holds does not depend on how many.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016 # filters of jq
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/usage.sh
. "$(dirname "$0")/../tap/usage.sh"
cd "$scratch" || exit 1

# Logs of uneven size, two with bad lines.
for i in 1 2 3 4 5 6; do make_log "n0$i-0-1" 1 $((i * i * 150)) >"log $i.ndjson"; done
echo bad >>'log 2.ndjson'
{ echo worse && cat 'log 3.ndjson'; } >x && mv x 'log 3.ndjson'
make_log n09-0-1 1 300 >piped
logs=('log 1.ndjson' 'log 2.ndjson' 'log 3.ndjson' 'log 4.ndjson' 'log 5.ndjson' 'log 6.ndjson')

"$usage" ingest --store solo --region 1Mi "${logs[@]}" >stdout 2>stderr
is $? 1 'solo'
told 'del(.segments)' >told.solo
told '.segments[]' >segments.solo
stored solo | cmp - <(cat "${logs[@]}" | grep '^{' | jq -cS . | LC_ALL=C sort)
ok $? 'the store has every event'

for count in 1 2 3; do
    rm -f bad.ndjson
    ranks "$count" "$usage" ingest --store "ranks-$count" --region 1Mi --quarantine bad.ndjson \
        "${logs[@]}" >stdout 2>stderr </dev/null
    is $? 1 "$count ranks: the exit code is that of bad lines"
    is "$(files "ranks-$count" .)" "$(files solo .)" 'the same files'
    told 'del(.segments)' | cmp - told.solo
    ok $? 'the same is told of the logs, in their order'
    told '.segments[]' | cmp - segments.solo
    ok $? 'and of their segments'
    is "$(grep -c ' new segments of ' stderr)" 1 'the sums are said once'
    is "$(jq -r .text bad.ndjson | LC_ALL=C sort | paste -sd' ')" 'bad worse' \
        'bad lines of all ranks are in one file'
done

ranks 3 "$usage" ingest --store ranks-1 --region 1Mi "${logs[@]}" >stdout 2>stderr </dev/null
is "$? $(told .lines | sort -u)" '0 0' 'what one rank has read is known to three'
ranks 2 "$usage" ingest --store ranks-2 'log 1.ndjson' - >stdout 2>stderr <piped
is "$? $(told '[.log, .events] | tostring' | tail -n 1)" '0 ["-",300]' \
    'standard input is read by the rank that has it'
ranks 3 "$usage" ingest --store one --region 1Mi 'log 6.ndjson' >stdout 2>stderr </dev/null
is "$? $(told .events)" '0 5400' 'more ranks than logs'

ranks 2 "$usage" ingest --store partly absent.ndjson 'log 5.ndjson' 'log 4.ndjson' >stdout \
    2>stderr </dev/null
is $? 66 'a log that is not there'
is "$(grep -c 'absent.ndjson: No such file' stderr)" 1 'is named once'
is "$(told 'select(.error == null) | .events' | paste -sd' ')" '3750 2400' 'the others are read'
ranks 2 "$usage" ingest --stroe x 'log 1.ndjson' >stdout 2>stderr </dev/null
is $? 64 'a usage error under mpirun is 64'
is "$(grep -c 'did you mean --store' stderr)" 1 'and told once'
: >file
ranks 2 "$usage" ingest --store file/x 'log 1.ndjson' 'log 2.ndjson' >stdout 2>stderr </dev/null
is $? 73 'a store that cannot be made ends all ranks'

done_testing
