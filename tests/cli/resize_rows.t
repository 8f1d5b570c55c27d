#!/usr/bin/env bash
# resize_rows.t - manifests that are wrong, rows that fail, and rows that are tried again.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
cd "$scratch" || exit 1
make_photos photos 3 1 200

# manifest CODE NAME FILE TEXT [ARGS...]: runs FILE with TEXT (through printf %b) into out-FILE
manifest()
{
    local code=$1 name=$2 file=$3
    printf '%b' "$4" >"$file"
    shift 4
    exits "$code" "$name" "$resize" -o "out-$file" "$@" "$file"
}

# outcome FOLDER: status or class of each row, in order
outcome()
{
    jq -r '.class // .status' "$1/.millrace/results.ndjson" | tr '\n' ' '
}

# Manifests

text='customer,to,source,request,other\nacme,20x;30x,photos/0_0.jpg,R1,z\n,,photos/1_0.jpg,,\n'
manifest 0 'CSV, with specs, customers and requests of rows' a.csv "$text" --to 9x
jq -c '[.customer, .request, [.outputs[].width]]' out-a.csv/.millrace/results.ndjson >got
is "$(cat got)" $'["acme","R1",[20,30]]\n["default","r-2",[9]]' 'each row is done as it says'
manifest 0 'TSV' a.tsv 'source\tto\nphotos/0_0.jpg\t20x\n'
manifest 0 'NDJSON' a.ndjson '{"source":"photos/0_0.jpg","customer":"é","to":"20x"}\n'
is "$(jq -r .customer out-a.ndjson/.millrace/results.ndjson)" é 'keeps its customer'
LC_ALL=C manifest 0 'a customer by option, under cron' zoe.txt 'photos/0_0.jpg\n' --to 20x \
    --customer Zoë
is "$(jq -r .customer out-zoe.txt/.millrace/results.ndjson)" Zoë 'is not a matter of locale'
manifest 0 'a BOM and CR LF' bom.csv '\xef\xbb\xbfsource,to\r\nphotos/0_0.jpg,20x\r\n'
manifest 0 'a list with CR LF' crlf.txt 'photos/0_0.jpg\r\nphotos/1_0.jpg\r\n' --to 20x
manifest 0 'an empty manifest' empty.csv '' --to 20x
is "$(report out-empty.csv '[.rows.manifest, .complete, .harvest]')" '[0,true,1]' 'is all done'
is "$(outputs out-empty.csv)" '' 'and makes nothing'

manifest 65 'a missing column' missing.csv 'path,to\na.jpg,20x\n'
like "$(cat stderr)" 'missing.csv:1: no column "source"' 'is told with file and line'
manifest 65 'a quote never closed' quote.csv 'source\nphotos/0_0.jpg\n"a\n'
like "$(cat stderr)" 'quote.csv:3: ' 'is told with file and line'
manifest 65 'a line of 2 MB' long.txt "photos/0_0.jpg\n$(head -c 2000000 /dev/zero | tr '\0' x)"
like "$(cat stderr)" 'long.txt:2: a row longer than 1048576 bytes' 'is told with file and line'
exits 66 'a manifest that is a folder' "$resize" --to 20x -o out-folder photos
like "$(cat stderr)" 'photos is a folder: make a manifest of it' 'with the cure'
exits 66 'a manifest that is not there' "$resize" --to 20x -o out-absent absent.csv
is "$(find . -maxdepth 1 -name 'out-missing*' -o -name 'out-quote*' -o -name 'out-long*' \
    -o -name 'out-folder' -o -name 'out-absent')" '' 'and nothing was begun by any of them'

# Lines of 2 GB: seen at once, in little memory. (A sanitizer needs the address space.)
truncate -s 2G sparse.csv
limited=(prlimit --as=1000000000)
[ -z "${SAN:-}" ] || limited=()
exits 65 'a line of 2 GB in a file' timeout 20 "${limited[@]}" "$resize" --to 20x -o out-2g \
    sparse.csv
like "$(cat stderr)" 'sparse.csv:1: a row longer than 1048576 bytes' 'is told'
code=0
head -c 2G /dev/zero | tr '\0' x |
    timeout 20 "${limited[@]}" "$resize" --to 20x -o out-2gp - >stdout 2>stderr || code=$?
is "$code" 65 'so is one in a pipe'
like "$(cat stderr)" 'standard input:1: a row longer' 'that is told'

# Rows that fail

mkdir rows rows/folder
cp photos/0_0.jpg rows/secret.jpg && chmod 000 rows/secret.jpg
mkfifo rows/pipe.jpg
: >rows/empty.jpg
head -c 100000 /dev/zero >rows/zeros.jpg
head -c 300000 /dev/urandom >rows/heavy.jpg
head -c 2000 photos/0_0.jpg >rows/cut.jpg
vips black rows/wide.png 1001 1000
echo 'not an image' >rows/text.png
ln -s loop rows/loop
row_classes='not-found not-found unreadable unreadable unreadable unreadable truncated '
row_classes+='unsupported-format too-large truncated too-large unsupported-format unreadable '
row_classes+='bad-row bad-row bad-row ok '
cat >rows.csv <<'END'
source,to
rows/absent.jpg,
rows/cut.jpg/x.jpg,
rows/folder,
rows/secret.jpg,
rows/pipe.jpg,
/dev/zero,
rows/empty.jpg,
rows/zeros.jpg,
rows/heavy.jpg,
rows/cut.jpg,
rows/wide.png,
rows/text.png,
rows/loop,
photos/1_0.jpg,20y20
"photos/1_0.jpg","20x,format=png;20x,fit=coverr"
http://localhost/x.jpg,
photos/0_0.jpg,
END
as=()
if [ "$(id -u)" -eq 0 ]; then
    chmod 711 . && mkdir -m 777 out-rows
    as=(setpriv --reuid=65534 --clear-groups)
fi
limits=(--job rows --to 40x40 --max-bytes 200k --max-pixels 1M)
exits 1 'rows that fail' "${as[@]}" "$resize" -o out-rows/o "${limits[@]}" rows.csv
is "$(outcome out-rows/o)" "$row_classes" 'have their classes'
sound out-rows/o 'and are accounted for'
is "$(jq -r 'select(.status == "failed") | .message | length > 8' \
    out-rows/o/.millrace/results.ndjson | sort -u)" true 'each with a message'
is "$(outputs out-rows/o | wc -l)" 1 'only the good row has an output'
like "$(cat stdout)" '  too-large +2' 'the summary has the classes'
manifest 64 'no spec anywhere' nospec.txt 'photos/0_0.jpg\n'
like "$(cat stderr)" 'give --to' 'says so'
is "$(find . -maxdepth 1 -name out-nospec.txt)" '' 'before anything is made'
manifest 1 'a row without a spec' onespec.csv 'source,to\nphotos/0_0.jpg,\nphotos/0_1.jpg,40x40\n'
like "$(jq -r .message out-onespec.csv/.millrace/results.ndjson)" 'no output spec: give --to' \
    'says so in its row'
manifest 0 'one source in several rows' twice.csv \
    'source,to\nphotos/0_0.jpg,40x40\nphotos/0_0.jpg,20x20\n'
is "$(cd out-twice.csv && echo */photos/0_0.jpg)" '20x20/photos/0_0.jpg 40x40/photos/0_0.jpg' \
    'has an output each, by its spec'

# Rows tried again

cp photos/2_0.jpg rows/absent.jpg
cp photos/2_0.jpg rows/cut.jpg
limits[5]=400k # both limits may change when failures are retried
exits 1 'no class is tried again unasked' "${as[@]}" "$resize" -o out-rows/o --job rows --to 40x40 \
    --max-bytes 200k --max-pixels 1M rows.csv
is "$(outcome out-rows/o)" "$row_classes" 'though it would succeed now'
exits 1 '--retry-failed=CLASS tries that class again' "${as[@]}" "$resize" -o out-rows/o \
    --retry-failed=not-found,too-large "${limits[@]:0:6}" --max-pixels 2M rows.csv
retried=${row_classes/not-found/ok}
retried=${retried/too-large/unsupported-format}
is "$(outcome out-rows/o)" "${retried/too-large/ok}" 'and no other'
like "$(cat stdout)" 'this run: 4 rows' 'which are four rows'
exits 1 '--retry-failed tries all of them' "${as[@]}" "$resize" -o out-rows/o --retry-failed \
    "${limits[@]:0:6}" --max-pixels 2M rows.csv
is "$(jq -r 'select(.source == "rows/cut.jpg").status' out-rows/o/.millrace/results.ndjson)" ok \
    'the truncated one too'
is "$(report out-rows/o '[.rows.resized, .complete, (.invariants | all(.holds))]')" \
    '[4,true,true]' 'the sums still agree'

# Outputs that exist

mkdir -p taken/photos
echo precious >taken/photos/0_0.jpg
printf '%s\n' photos/0_0.jpg photos/1_0.jpg >taken.txt
exits 0 'a model' "$resize" --to 40x40 -o model taken.txt
cp model/photos/1_0.jpg taken/photos/
touch -d 2001-01-01 taken/photos/1_0.jpg
exits 1 'outputs that exist' "$resize" --to 40x40 -o taken taken.txt
is "$(outcome taken)" 'output-exists ok ' 'other content fails the row, the same is adopted'
is "$(cat taken/photos/0_0.jpg)$(stat -c %Y taken/photos/1_0.jpg)" \
    "precious$(date -d 2001-01-01 +%s)" 'both are left as they are'
rm taken/photos/0_0.jpg
exits 0 '--retry-failed=output-exists, when it is gone' "$resize" --to 40x40 -o taken \
    --retry-failed=output-exists taken.txt
is "$(outcome taken)$(report taken '.invariants | all(.holds)')" 'ok ok true' 'does the row'

# Limits of a run

vips black slow.png 9000 9000 --bands 3
echo slow.png >slow.txt
exits 1 'a deadline' "$resize" --to 40x40 -o slow --deadline 0.05 slow.txt
is "$(outcome slow)" 'timeout ' 'ends a slow image'
like "$(jq -r .message slow/.millrace/results.ndjson)" 'not done within 0.05 s' 'and is named'
is "$(jq '.wall_us < 2000000 and .cpu_us > 0' slow/.millrace/results.ndjson)" true 'in time'
seq -f 'absent/%g.jpg' 20000 >absent.txt
exits 75 '--max-failures' "$resize" --to 40x40 -o absent --max-failures 100 -w 1 absent.txt
is "$(report absent '.rows | .failed > 100 and .skipped > 0')" true 'stops the run early'

done_testing
