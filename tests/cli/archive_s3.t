#!/usr/bin/env bash
# archive_s3.t - archives on an S3 server: npm's s3rver, a process of its own, which checks
# signatures. (Of the two of that name, @20minutes/s3rver does; s3rver 3.7 takes any.)
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/archive.sh
. "$(dirname "$0")/../tap/archive.sh"
server=$(cd "$(dirname "$0")" && pwd)/s3rver.cjs
cd "$scratch" || exit 1

command -v npm >/dev/null || skip_all 'npm is not here'
mkdir npm
(cd npm && echo '{}' >package.json &&
    timeout 300 npm install --no-fund --no-audit @20minutes/s3rver@4.0.4) >npm.log 2>&1 ||
    skip_all '@20minutes/s3rver cannot be installed by npm'

server_pid=
trap 'kill -9 "$server_pid" 2>/dev/null; rm -rf "$scratch"' EXIT

# start_server [PORT]: the ciphers of its page numbers are those of OpenSSL before 3
start_server()
{
    : >server.log
    node --openssl-legacy-provider "$server" "$PWD/npm/node_modules" "$PWD/data" "$@" \
        >server.log 2>server.err &
    server_pid=$!
    for ((i = 0; i < 300; i++)); do
        port=$(sed -n 's/^port //p' server.log)
        [ -z "$port" ] || break
        sleep 0.1
    done
}
start_server
[ -n "$port" ] || skip_all 's3rver does not start'

unset AWS_SESSION_TOKEN AWS_DEFAULT_REGION AWS_REGION http_proxy
export AWS_ACCESS_KEY_ID=S3RVER AWS_SECRET_ACCESS_KEY=S3RVER
export AWS_ENDPOINT_URL=http://127.0.0.1:$port
there=s3://records/cold/2026

# same A B: have they the same files, but for what only writers leave?
same()
{
    diff -r --exclude=lock --exclude=.tmp "$1" "$2" >diff.out 2>&1 ||
        { sed 's/^/# /' diff.out >&2; return 1; }
}

# requests REGEX: how many such the server was asked for
requests()
{
    grep -cE "$1" server.log
}

"$archive" keygen --out auditor 2>keygen.err
make_records in
packed --to cold --key auditor.key in || cat packed.err >&2
volume=${volumes[0]}

exits 0 'an archive is pushed to S3' "$archive" push --from cold --to "$there"
is "$(cut -d ' ' -f 1,2 stdout)" "$volume copied" 'its volume is named'
exits 0 'and pulled from it' "$archive" pull --from "$there" --to back --trust auditor.pub
same cold back
ok $? 'the same to the byte'
exits 0 'it is checked where it is' \
    "$archive" verify --from "$there" --no-note --trust auditor.pub
like "$(cat stdout)" "$volume intact" 'and intact'
exits 0 'once more' "$archive" push --from cold --to "$there"
is "$(cat stdout)" '' 'there is nothing to do'

exits 69 'an unknown key is refused' \
    env AWS_ACCESS_KEY_ID=other "$archive" verify --from "$there"
like "$(cat stderr)" '403 InvalidAccessKeyId' 'with the reason of the server'
exits 69 'so is a wrong secret' \
    env AWS_SECRET_ACCESS_KEY=other "$archive" push --from cold --to "$there"
like "$(cat stderr)" '403 SignatureDoesNotMatch' 'for its signature'
exits 0 'what is signed counts a session token in' \
    env AWS_SESSION_TOKEN=abc+/= "$archive" verify --from "$there" --no-note
exits 66 'buckets are not made' "$archive" push --from cold --to s3://nowhere/cold
like "$(cat stderr)" '404 NoSuchBucket' 'they have to be there'
exits 64 'without keys nobody is asked' \
    env -u AWS_SECRET_ACCESS_KEY "$archive" push --from cold --to "$there"
exits 64 'a place has to be a bucket' "$archive" push --from cold --to s3://
exits 66 'where there is no archive' "$archive" verify --from s3://records/elsewhere

# Damage.
object=$(find data -name "$volume.tar.zst._S3rver_object")
perl -e 'open(my $f, "+<", $ARGV[0]) or die; seek($f, 5000, 0); print $f "damage"' "$object"
exits 76 'damage on the server is found' "$archive" verify --from "$there" --no-note
exits 0 'and healed' "$archive" push --from cold --to "$there" --verify
exits 0 'to be intact again' "$archive" verify --from "$there"
like "$(cat stdout)" "$volume intact" 'which is noted there'
exits 0 'and brought home' "$archive" pull --from "$there" --to cold
is "$(jq -r 'select(.kind == "check") | .volume' cold/catalogue.log)" "$volume" \
    'as an entry of the catalogue'

# A volume that goes in parts, and lists of more than a page.
mkdir big
perl -MDigest::SHA=sha256 -e 'print sha256($_) for 1 .. 2300000' >big/random.bin
packed --to cold --key auditor.key --parity none big || cat packed.err >&2
large=${volumes[0]}
echo x >x
curl -sS --aws-sigv4 aws:amz:us-east-1:s3 --user S3RVER:S3RVER \
    -H "x-amz-content-sha256: $(sha256sum x | cut -d ' ' -f 1)" \
    -T x "$AWS_ENDPOINT_URL/records/cold/2026/volumes/-[1-1010]" >curl.out 2>&1
is "$(find data -name '-*_object' | wc -l)" 1010 'files of others are there, more than a page'
(
    for ((i = 0; i < 600; i++)); do
        [ "$(grep -c 'partNumber=2' server.log)" -eq 0 ] || break
        sleep 0.05
    done
    kill -9 "$server_pid"
) &
killer=$!
exits 69 'the server dies in the middle of an upload' "$archive" push --from cold --to "$there"
like "$(cat stderr)" 'tried 6 times' 'it was asked again and again'
wait "$killer"
wait "$server_pid" 2>/dev/null
start_server "$port"
exits 0 'what was committed is there when it is back' \
    "$archive" verify --from "$there" --no-note --trust auditor.pub
is "$(grep -c "$large" stdout)" 0 'and nothing else'
exits 0 'the push is run again' "$archive" push --from cold --to "$there"
is "$(cut -d ' ' -f 1,2 stdout)" "$large copied" 'and copies what was missing'
is "$(requests 'PUT .*partNumber=')" 5 'in parts of 16 MiB'
rm -rf back
exits 0 'it is pulled' "$archive" pull --from "$there" --to back
same cold back
ok $? 'the same to the byte'

# An archive that was never anywhere else.
echo records >records.txt
exits 0 'pack writes to S3' "$archive" pack --to s3://records/direct --key auditor.key \
    --scratch "$PWD" records.txt
exits 0 'and verify reads it' \
    "$archive" verify --from s3://records/direct --no-note --trust auditor.pub
exits 0 'and a record is printed' "$archive" cat --from s3://records/direct --record records.txt
is "$(cat stdout)" records 'as it was'

# Expiry.
day=$(date -u -d '3 days ago' +%Y-%m-%d)
echo old >old.txt
touch -d "$day" old.txt
exits 0 'a short one' "$archive" pack --to short --key auditor.key --time "${day}T00:00:00Z" \
    --retain 1d old.txt
old=$(cat stdout)
exits 0 'is pushed' "$archive" push --from short --to s3://records/short
exits 0 'and expires' "$archive" expire --from short --key auditor.key
exits 0 'its tombstone is pushed' "$archive" push --from short --to s3://records/short
is "$(cat stdout)" "$old removed" 'and the files go'
is "$(find data/records/short -name "$old*")" '' 'all of them'

done_testing
