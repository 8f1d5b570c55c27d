#!/usr/bin/env bash
# door_jobs.t - /v1/jobs: what is sent becomes a job with a receipt, is done once, and reaches
# nothing and nobody but its customer's own.
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2119,SC2154
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/door.sh
. "$(dirname "$0")/../tap/door.sh"
queue=$BUILD/millrace-queue
cd "$scratch" || exit 1
make_photos photos 2 2 300
mkdir -p sources/acme/folder sources/zeta
cp photos/0_0.jpg sources/acme/a.jpg
vips copy photos/0_1.jpg sources/acme/folder/b.png
cp photos/1_1.jpg sources/zeta/x.jpg
cp photos/1_0.jpg outside.jpg

make_state state acme || exit 1
acme=$key
add_key state zeta || exit 1
zeta=$key
key=$acme
start_door one --state state --sources sources || exit 1

# member FILTER: of the last answer
member()
{
    jq -r "$1" "$scratch/body"
}

# submitted FILE TO [CURL OPTION...]: the status; the job's id in the file id
submitted()
{
    local file=$1 to=$2
    shift 2
    call POST "/v1/jobs${to:+?to=$to}" --data-binary "@$file" "$@"
    jq -r '.job // empty' body >id
}

drain()
{
    "$queue" drain --state state --sources sources --once >drain.log 2>&1 ||
        sed 's/^/#   /' drain.log >&2
}

# --- A manifest, from its sending to its outputs

printf 'a.jpg\nfolder/b.png\n' >good.txt
is "$(submitted good.txt '64x64;32x32,format=webp' -H 'Idempotency-Key: good')" 202 \
    'a manifest is taken'
good=$(cat id)
is "$(answer_header location)" "/v1/jobs/$good" 'its place is told'
is "$(member '[.state, .rows, .manifest] | @csv')" \
    "\"queued\",2,\"$(sha256sum <good.txt | cut -d' ' -f1)\"" 'and what was understood'
jq -j .receipt body >receipt
exits 0 'the receipt holds' "$queue" receipt --trust state/door.pub receipt
cp stdout alone
exits 0 'also within the answer' "$queue" receipt --trust state/door.pub body
ok "$(cmp -s stdout alone; echo $?)" 'where it says the same'
echo '{"id":1}' >none.json
exits 65 'not in JSON without one' "$queue" receipt --trust state/door.pub none.json
sed 's/^rows 2$/rows 3/' receipt >forged
ok "$(! cmp -s receipt forged; echo $?)" 'a receipt says how many rows there are'
exits 65 'and not when it was changed' "$queue" receipt --trust state/door.pub forged
sed '/^$/,$d' receipt >receipt.text
tail -n 1 receipt | cut -d' ' -f3 | base64 -d | tail -c 64 >receipt.signature
{
    printf '302a300506032b6570032100' | xxd -r -p
    sed -n 2p state/door.pub | base64 -d | tail -c 32
} >door.der
exits 0 'which OpenSSL finds too' openssl pkeyutl -verify -pubin -keyform DER -inkey door.der \
    -rawin -in receipt.text -sigfile receipt.signature
is "$(call GET "/v1/jobs/$good") $(member '[.state, .tries] | @csv')" '200 "queued",0' \
    'the job can be looked at'
is "$(member .receipt)" "$(cat receipt)" 'with its receipt'
for leaf in results outputs.tar; do
    is "$(call GET "/v1/jobs/$good/$leaf") $(problem_code)" '409 not-done' \
        "its $leaf are not there yet"
done
drain
is "$(call GET "/v1/jobs/$good") $(member '[.state, .done, .failed] | @csv')" '200 "done",2,0' \
    'once drained it is done'
is "$(call GET "/v1/jobs/$good/results") $(answer_header content-type)" \
    '200 application/x-ndjson' 'its results are there'
is "$(jq -r '[.source, .customer, .status] | @csv' body)" '"a.jpg","acme","ok"
"folder/b.png","acme","ok"' 'a line a row'
jq -r '.outputs[] | .digest + "  " + .path' body >digests
is "$(call GET "/v1/jobs/$good/outputs.tar") $(answer_header content-type)" \
    '200 application/x-tar' 'its outputs come as a tar'
is "$(tar -tf body)" "$(sed 's/^[0-9a-f]*  //' digests)" 'in the order of the results'
mkdir out && tar -xf body -C out
exits 0 'the bytes are those of the results' sh -c 'cd out && sha256sum -c --quiet ../digests'
(cd sources/acme && "$resize" --to 64x64 --to 32x32,format=webp -o "$scratch/plain" - \
    <"$scratch/good.txt" >"$scratch/plain.log" 2>&1)
is "$(outputs out)" "$(outputs plain)" 'and those that millrace resize makes by itself'
cp body first.tar
call GET "/v1/jobs/$good/outputs.tar" >status
ok "$(cmp -s body first.tar; echo $?)" 'a tar is the same whenever it is asked for'
is "$(call DELETE "/v1/jobs/$good") $(problem_code)" '409 at-its-end' \
    'what is done cannot be cancelled'

# --- Sent again

is "$(submitted good.txt '64x64;32x32,format=webp' -H 'Idempotency-Key: good') $(cat id)" \
    "202 $good" 'the same key is the same job'
is "$(answer_header idempotent-replayed) $(member .state)" 'true done' 'as it is now'
is "$(member .receipt)" "$(cat receipt)" 'with the same receipt'
is "$(submitted good.txt 65x65 -H 'Idempotency-Key: good') $(problem_code)" '422 key-reused' \
    'with other outputs it is refused'
key=$zeta
submitted good.txt 64x64 -H 'Idempotency-Key: good' >status
ok "$([ "$(cat id)" != "$good" ]; echo $?)" "another customer's key is another's job"
key=$acme
submitted good.txt 64x64 >status
first=$(cat id)
submitted good.txt 64x64 >status
ok "$([ -n "$first" ] && [ "$(cat id)" != "$first" ]; echo $?)" 'without a key, each is a job'

# --- Somebody else's

key=$zeta
for ask in "GET $good" "DELETE $good" "GET $good/results" "GET $good/outputs.tar" \
    "GET j$(printf '0%.0s' {1..32})" "GET x" "GET j$(printf 'F%.0s' {1..32})" "GET %2e%2e" \
    "GET .tmp" "GET ${good}x" "GET $good/job.json" "GET $good/.." "GET $good/results/" "GET "; do
    is "$(call "${ask%% *}" "/v1/jobs/${ask#* }" --path-as-is) $(problem_code)" '404 no-such-job' \
        "there is no ${ask/$good/(another\'s job)}"
done
is "$(call GET /v1/jobs) $(member '[.jobs[].job] | length')" '200 1' 'a list has one'"'"'s own'
key=$acme
call GET /v1/jobs >status
is "$(member '[.jobs[] | has("receipt")] | any')" false 'and no receipts'
member '.jobs[].job' >all
is "$(wc -l <all)" 3 'all of them'
: >paged
after=
while call GET "/v1/jobs?limit=1$after" >status && member '.jobs[].job' >>paged &&
    [ "$(member .next)" != null ] && [ "$(wc -l <paged)" -lt 9 ]; do
    after="&after=$(member .next)"
done
is "$(cat paged)" "$(cat all)" 'page by page too'
for query in '?limit=0' '?limit=x' '?limit=-1' '?after=x' '?x=1'; do
    is "$(call GET "/v1/jobs$query") $(problem_code)" '400 bad-query' "the query $query is refused"
done

# --- Manifests that want more than is theirs

ln -s ../zeta/x.jpg sources/acme/link.jpg
ln -s ../zeta sources/acme/linked
ln -s "$scratch/outside.jpg" sources/acme/out.jpg
mkfifo sources/acme/fifo
mknod sources/acme/device c 1 5 2>/dev/null || : >sources/acme/device
wants=(/etc/passwd ../zeta/x.jpg ../../outside.jpg link.jpg linked/x.jpg out.jpg fifo device
    /proc/self/environ folder nothing.jpg file:///etc/passwd ./././../zeta/x.jpg
    "$scratch/sources/zeta/x.jpg")
{
    echo 'source,customer,request'
    printf '%s,zeta,r\n' a.jpg "${wants[@]}"
} >greedy.csv
is "$(submitted greedy.csv 64x64 -H 'Content-Type: text/csv')" 202 'a greedy manifest is taken'
greedy=$(cat id)
drain
is "$(call GET "/v1/jobs/$greedy") $(member '[.state, .rows, .done, .failed] | @csv')" \
    "200 \"done\",$((${#wants[@]} + 1)),$((${#wants[@]} + 1)),${#wants[@]}" \
    'it is done, and has failed' || cat body drain.log >&2
call GET "/v1/jobs/$greedy/results" >status
is "$(jq -r 'select(.status == "ok") | .source' body)" a.jpg 'but for what is its own'
is "$(jq -r '.customer' body | sort -u)" acme 'and all of it is charged to the caller'
is "$(jq -r .subject state/jobs/"$greedy"/results/.millrace/usage-*.ndjson | sort -u)" acme \
    'in the usage events too'
call GET "/v1/jobs/$greedy/outputs.tar" >status
is "$(tar -tf body)" a.jpg 'the tar has no more'
stop_door
is "$(jq -r --arg job "$good" 'select(.status == 200 and .path == "/v1/jobs/\($job)/outputs.tar") |
    .bytes_out' one.access | sort -u)" "$(wc -c <first.tar)" 'the access log knows how large it was'
start_door none --state state || exit 1
is "$(submitted good.txt 64x64) $(problem_code)" '400 bad-manifest' \
    'without a folder of sources a manifest must come in a tar'
for image in photos/0_0.jpg sources/acme/folder/b.png; do
    is "$(submitted "$image" 64x64) $(problem_code)" '400 bad-manifest' 'an image is no job'
    like "$(member .detail)" '^this is an image: .* /v1/resize' 'that is said, and where it belongs'
done

# --- A tar of images

tar -cf images.tar -C photos 0_0.jpg 1_1.jpg
is "$(submitted images.tar 64x64) $(member .rows)" '202 2' 'a tar of images is taken'
gzip -k images.tar
is "$(submitted images.tar.gz 64x64) $(member .rows)" '202 2' 'one that is compressed too'
tarred=$(cat id)
printf '0_0.jpg,32x32\n1_1.jpg,16x16\n' | sed '1i source,to' >photos/manifest.csv
tar -cf listed.tar -C photos manifest.csv 0_0.jpg 1_1.jpg
is "$(submitted listed.tar '')" 202 'one with a manifest in it'
listed=$(cat id)
drain
call GET "/v1/jobs/$tarred/outputs.tar" >status
is "$(tar -tf body)" '0_0.jpg
1_1.jpg' 'the outputs have the names of the members'
call GET "/v1/jobs/$listed/outputs.tar" >status
mkdir listed && tar -xf body -C listed
is "$(find listed -type f -exec vipsheader -f width {} \; | sort -n | tr '\n' ' ')" '16 32 ' \
    'rows have the size that they ask for'
python3 - <<'END'
import io, tarfile
photo = open("photos/0_0.jpg", "rb").read()
def save(name, *members):
    with tarfile.open(name, "w") as tar:
        for path, kind, link in members:
            info = tarfile.TarInfo(path)
            info.type, info.linkname = kind, link
            info.size = len(photo) if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(photo) if kind == tarfile.REGTYPE else None)
file = tarfile.REGTYPE
save("dots.tar", ("../../evil.jpg", file, ""), ("ok.jpg", file, ""))
save("root.tar", ("/evil.jpg", file, ""), ("ok.jpg", file, ""))
save("link.tar", ("in", tarfile.SYMTYPE, "/etc"), ("in/passwd", file, ""), ("ok.jpg", file, ""))
save("hard.tar", ("in.jpg", tarfile.LNKTYPE, "/etc/passwd"), ("ok.jpg", file, ""))
save("node.tar", ("in.jpg", tarfile.CHRTYPE, ""), ("ok.jpg", file, ""))
END
for hostile in dots root link hard node; do
    status=$(submitted "$hostile.tar" 64x64)
    [ "$status" != 202 ] || drain
    [ "$status" != 202 ] || call GET "/v1/jobs/$(cat id)/outputs.tar" >/dev/null
    like "$status $(tar -tf body 2>/dev/null || problem_code)" '^(202 ok.jpg|400 bad-manifest)$' \
        "a tar with a $hostile in it gives its images, or is refused"
done
is "$(find . /evil.jpg /etc/evil.jpg -name 'evil*' 2>/dev/null)" '' 'nothing has got out'
head -c 5000 images.tar >torn.tar
is "$(submitted torn.tar 64x64) $(problem_code)" '400 bad-manifest' 'half a tar is refused'
is "$(submitted /dev/null 64x64) $(problem_code)" '400 no-body' 'and so is nothing'
is "$(submitted images.tar 0x) $(problem_code)" '400 bad-spec' 'and a spec that is none'

# --- Cancelling

submitted images.tar 64x64 >status
cancelled=$(cat id)
is "$(call DELETE "/v1/jobs/$cancelled") $(member .state)" '200 cancelled' 'a job can be cancelled'
is "$(call DELETE "/v1/jobs/$cancelled") $(member .state)" '200 cancelled' 'twice, too'
drain
is "$(call GET "/v1/jobs/$cancelled") $(member '[.state, .tries] | @csv')" '200 "cancelled",0' \
    'it is not done'
is "$(call GET "/v1/jobs/$cancelled/results") $(problem_code)" '409 not-done' 'and has no results'

# --- A queue that is out of reach

before=$(find state/jobs -mindepth 1 -maxdepth 1 -name 'j*' | wc -l)
stop_door
start_door cut --state state --queue amqp://guest:hush-hush@127.0.0.1:1/ || exit 1
is "$(submitted images.tar 64x64 -H 'Idempotency-Key: cut') $(problem_code)" '503 queue' \
    'without a queue no job is taken'
like "$(answer_header retry-after)" '^[0-9]+$' 'come again, it says'
is "$(find state/jobs -mindepth 1 -maxdepth 1 -name 'j*' | wc -l)" "$before" 'nothing is left of it'
is "$(call GET "/v1/jobs/$good") $(member .state)" '200 done' 'jobs can still be looked at'
is "$(curl -s "$url/health/status" | jq -c .queue)" null 'the page is told'
poll 10 grep -q 'the queue does not answer: 127.0.0.1:1' cut.log
is "$(grep -c 'does not answer' cut.log)" 1 'the log says it, once'
is "$(grep -c hush cut.log)" 0 'and no password'
stop_door
start_door mended --state state || exit 1
is "$(submitted images.tar 64x64 -H 'Idempotency-Key: cut')" 202 'its key is good for a retry'
find state/jobs/.tmp -mindepth 1 ! -name clock >left
is "$(cat left)" '' 'nothing half made is left'
stop_door
is "$code" 0 'the door ends well'
done_testing
