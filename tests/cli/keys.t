#!/usr/bin/env bash
# keys.t - millrace keys: a key is printed once it is published, a revoked one is gone, and nothing
# forged, replayed or half done is taken for what is published.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
keys=$BUILD/millrace-keys
cd "$scratch" || exit 1
umask 022

# head_value FOLDER NAME: a line of the head that is published in a folder.
head_value()
{
    sed -n "s/^$2 //p" "$1/head"
}

# column NAME [LIST-OPTIONS...]: a member of every row of the list, a line each.
column()
{
    "$keys" list STATE --format=json "${@:2}" | jq -r ".$1"
}

# Does the head in a folder name a snapshot that is there, and whose SHA-256 it is? By sha256sum.
holds()
{
    local digest
    digest=$(head_value "$1" digest)
    echo "$digest  $1/snapshot-$digest.lmdb" | sha256sum --check --quiet --strict >/dev/null 2>&1
}

published=STATE/identity/published
exits 0 'init' "$keys" init STATE
is "$(cat stdout)" '' 'prints nothing'
is "$(stat -c %a STATE STATE/identity STATE/identity/keys.sqlite STATE/door.key | tr '\n' ' ')" \
    '700 700 600 600 ' 'what it makes is its owner'"'"'s alone'
is "$(head_value $published epoch) $(head_value $published count)" '1 0' \
    'and epoch 1 is published, without keys'
sha256sum STATE/identity/publisher.key STATE/door.key >before
exits 73 'init again' "$keys" init STATE
like "$(cat stderr)" 'STATE has keys already.*millrace keys add' 'is refused, with advice'
sha256sum --check --quiet before
ok $? 'and changes nothing'
exits 0 'init in a folder with a space' "$keys" init 'deep/a state'

# --- add
exits 0 'add' "$keys" add STATE --customer acme
like "$(cat stdout)" '^mr_[A-Za-z0-9_-]{43}$' 'the key is alone on stdout'
like "$(cat stderr)" "its id is $(column id);" 'its id is on stderr'
key=$(cat stdout)
is "$(grep -rlF -- "${key#mr_}" STATE)" '' 'the key is nowhere on the disk'
is "$(grep -c "$key" stderr)" 0 'nor in the log'
is "$(head_value $published epoch) $(head_value $published count)" '2 1' 'it is published'
holds $published
ok $? 'in a snapshot of the digest that the head names'
is "$("$keys" list STATE --format=json | jq -c '[.customer,.scopes,.rate,.burst,.quota,.status]')" \
    '["acme","resize,jobs,usage",0,0,0,"valid"]' 'it may do all, without limits, for ever'
is "$("$keys" list STATE --format=json | jq 'has("expires")')" false 'and never expires'

exits 0 'a key with limits' "$keys" add STATE --customer 'Müller & Söhne' --scopes usage,resize \
    --rate 50 --burst 2k --quota 1M --expires 2099-01-02T03:04:05Z --note "Ann's, for tests"
"$keys" list STATE --customer 'Müller & Söhne' --format=json |
    jq -c 'del(.id, .created)' >got
is "$(cat got)" '{"status":"valid","customer":"Müller & Söhne","scopes":"resize,usage",'\
'"rate":50,"burst":2000,"quota":1000000,"expires":"2099-01-02T03:04:05.000000Z",'\
'"note":"Ann'"'"'s, for tests"}' 'is listed with them'
"$keys" add STATE --customer later --expires 90d >/dev/null 2>&1
days=$("$keys" list STATE --customer later --format=json |
    jq -r '[.expires, .created] | map(.[0:19] + "Z" | fromdate) | (.[0] - .[1]) / 86400 | round')
is "$days" 90 '--expires 90d is in 90 days'
is "$("$keys" list STATE | head -n 1 | tr '\t' ' ')" \
    'id status scopes rate burst quota created expires customer note' 'the list has a first line'
is "$("$keys" list STATE | awk -F '\t' 'NR > 1 { print $9 }' | tr '\n' ' ')" \
    'Müller & Söhne acme later ' 'and customers in bytewise order'

# --- what is refused
epoch=$(head_value $published epoch)
for wrong in '--customer a/b' '--customer ..' '--customer=' '--customer x --scopes all' \
    '--customer x --rate 0' '--customer x --rate ten' '--customer x --burst 5' \
    '--customer x --expires 2001-01-01' '--customer x --expires soon' '--customer x more' \
    '--custmer x' ''; do
    # shellcheck disable=SC2086
    exits 64 "add $wrong" "$keys" add STATE $wrong
    is "$(cat stdout)" '' 'prints no key'
done
exits 64 'a note with a line break' "$keys" add STATE --customer x --note $'a\nb'
exits 64 'a typo' "$keys" add STATE --custmer x
like "$(cat stderr)" 'did you mean --customer' 'is understood'
exits 64 'a verb that is none' "$keys" remove STATE
exits 66 'add without a state' "$keys" add NONE --customer x
like "$(cat stderr)" 'millrace keys init NONE' 'it says how to make one'
exits 66 'a state that is a file' "$keys" list before
is "$(head_value $published epoch)" "$epoch" 'nothing of this was published'
is "$(column customer | grep -c '^x$')" 0 'and nothing was kept'

# --- revoke
id=$(column id --customer acme)
exits 64 'revoke of a key itself' "$keys" revoke STATE "$key"
is "$(grep -c "$key" stderr)" 0 'does not repeat it'
exits 64 'an id of three digits' "$keys" revoke STATE "${id:0:3}"
exits 66 'an id that there is not' "$keys" revoke STATE 000000000000
exits 64 'neither an id nor a customer' "$keys" revoke STATE
exits 64 'both' "$keys" revoke STATE "$id" --customer acme
exits 0 'revoke by the beginning of an id' "$keys" revoke STATE "${id:0:8}"
is "$(column status --customer acme)" revoked 'is listed'
is "$(head_value $published epoch) $(head_value $published count)" "$((epoch + 1)) 2" \
    'and published'
exits 0 'revoke again' "$keys" revoke STATE "$id"
exits 66 'a customer without keys' "$keys" revoke STATE --customer nobody
"$keys" add STATE --customer later >/dev/null 2>&1
exits 0 'all keys of a customer' "$keys" revoke STATE --customer later
is "$(column status --customer later | tr '\n' ' ')" 'revoked revoked ' 'are revoked'

# --- rotate
id=$(column id --customer 'Müller & Söhne')
exits 0 'rotate' "$keys" rotate STATE "$id" --grace 2h
like "$(cat stdout)" '^mr_[A-Za-z0-9_-]{43}$' 'prints the new key'
is "$(column scopes --customer 'Müller & Söhne' | uniq -c | awk '{ print $1, $2 }')" \
    '2 resize,usage' 'it has the same rights'
grace=$("$keys" list STATE --customer 'Müller & Söhne' --format=json |
    jq -s --arg id "$id" '(.[] | select(.id == $id).expires[0:19] + "Z" | fromdate) - now' |
    sed 's/\..*//')
ok "$((grace > 7100 && grace <= 7200 ? 0 : 1))" "the old one is good for two hours ($grace s)"
exits 66 'rotate of a revoked key' "$keys" rotate STATE "$(column id --customer acme)"
exits 64 'a grace that is none' "$keys" rotate STATE "$id" --grace -1

# --- publish
exits 0 'publish' "$keys" publish STATE
is "$(cat stdout)" "$(head_value $published epoch)" 'prints the epoch'
is "$(find $published -name 'snapshot-*' | wc -l)" 3 'three snapshots are kept'
is "$(find STATE -name '.*.tmp')" '' 'and nothing else is left'

# --- fetch: from a folder and from a web server
trust=STATE/identity/publisher.pub
exits 0 'fetch from a folder' "$keys" fetch --from $published --trust $trust 'a mirror'
cmp $published/head 'a mirror/head' && holds 'a mirror'
ok $? 'brings head and snapshot'
cp -r $published old
"$keys" add STATE --customer new >/dev/null 2>&1
python3 - >port 2>/dev/null <<'PYTHON' &
import functools, http.server
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=".")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
server=$!
trap 'kill $server; rm -rf "$scratch"' EXIT
until [ -s port ]; do sleep 0.05; done
url=http://127.0.0.1:$(cat port)
exits 0 'fetch by URL' "$keys" fetch --from "$url/$published/" --trust $trust 'a mirror'
is "$(cat stdout)" "$(head_value $published epoch)" 'prints the epoch'
cmp $published/head 'a mirror/head' && holds 'a mirror'
ok $? 'and brings the newer ones'
exits 0 'fetch from a mirror' "$keys" fetch --from 'a mirror' --trust $trust another
exits 0 'fetch of what is there already' "$keys" fetch --from 'a mirror' --trust $trust another

sha256sum 'a mirror'/* >before
exits 76 'an older head' "$keys" fetch --from old --trust $trust 'a mirror'
like "$(cat stderr)" 'is older than' 'is refused'
cp -r $published forged
sed -i 's/^epoch .*/epoch 999/' forged/head
exits 65 'a forged head' "$keys" fetch --from forged --trust $trust 'a mirror'
like "$(cat stderr)" 'does not hold' 'is refused'
exits 65 'the head of another publisher' "$keys" fetch --from 'deep/a state/identity/published' \
    --trust $trust 'a mirror'
like "$(cat stderr)" 'none of:' 'is refused'
"$keys" publish STATE >/dev/null 2>&1
cp -r $published damaged
printf x | dd of="damaged/snapshot-$(head_value damaged digest).lmdb" bs=1 seek=5000 conv=notrunc \
    status=none
rm -rf fresh
exits 65 'a damaged snapshot' "$keys" fetch --from damaged --trust $trust fresh
like "$(cat stderr)" 'the snapshot is damaged' 'is refused'
is "$(ls -A fresh)" '' 'and leaves nothing'
mkdir empty
: >empty/head
exits 65 'an empty head' "$keys" fetch --from empty --trust $trust fresh
rm empty/head
mkfifo empty/head
exits 65 'a pipe' "$keys" fetch --from empty --trust $trust fresh
sha256sum --check --quiet before
ok $? 'after all this the mirror is what it was'
exits 69 'a server that is not there' "$keys" fetch --from http://127.0.0.1:1 --trust $trust fresh
exits 69 'a folder that the server has not' "$keys" fetch --from "$url/none" --trust $trust fresh
exits 66 'a folder that there is not' "$keys" fetch --from none --trust $trust fresh
exits 66 'a file for a folder' "$keys" fetch --from before --trust $trust fresh
exits 66 'a key file that there is not' "$keys" fetch --from old --trust none.pub fresh
exits 65 'a secret key to trust' "$keys" fetch --from old --trust STATE/door.key fresh
exits 64 'nothing to trust' "$keys" fetch --from old fresh
exits 64 'a source of a kind that nobody asks' "$keys" fetch --from ftp://x/y --trust $trust fresh

# --- kill -9 at any moment: what is published always holds, and every key that was printed is in.
exits 0 'init' "$keys" init KILLED
printed=0
killed=0
broken=0
for round in $(seq 1 30); do
    "$keys" add KILLED --customer "round $round" >key.out 2>/dev/null &
    pid=$!
    sleep "0.0$((round % 6))$((RANDOM % 10))"
    { kill -9 "$pid" && killed=$((killed + 1)); } 2>/dev/null
    wait "$pid" 2>/dev/null
    if [ -s key.out ]; then
        printed=$((printed + 1))
        # Revoked before it is counted, it would not be there.
        [ "$(head_value KILLED/identity/published count)" -ge "$printed" ] || broken=1
    fi
    holds KILLED/identity/published || broken=1
done
ok "$broken" "what is published holds whatever was killed ($killed killed, $printed printed)"
exits 0 'publish after that' "$keys" publish KILLED
is "$(head_value KILLED/identity/published count)" \
    "$("$keys" list KILLED --format=json | jq -s length)" 'publishes all that was committed'
ok "$(($("$keys" list KILLED --format=json | jq -s length) >= printed ? 0 : 1))" \
    'which is all that was printed at least'
for last in 1 2 3; do # however many were killed before they had published
    "$keys" add KILLED --customer "last $last" >/dev/null 2>&1
done
is "$(find KILLED/identity/published -type f | wc -l)" 4 'and leaves the head and three snapshots'

# init, killed, is completed by the next.
broken=0
for round in $(seq 1 12); do
    rm -rf HALF
    "$keys" init HALF >/dev/null 2>&1 &
    pid=$!
    sleep "0.0$((round % 4))$((RANDOM % 10))"
    kill -9 "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    "$keys" init HALF >/dev/null 2>&1
    case $? in 0 | 73) ;; *) broken=1 ;; esac
    "$keys" add HALF --customer x >/dev/null 2>&1 || broken=1
    holds HALF/identity/published || broken=1
    [ -s HALF/door.pub ] && [ -s HALF/identity/publisher.pub ] || broken=1
done
ok "$broken" 'a killed init is completed by the next'

# Where nobody reads any more the key is lost: the exit code says so.
"$keys" add STATE --customer lost 2>stderr >/dev/full
is "$?" 74 'a key that cannot be printed'
like "$(cat stderr)" "the key $(column id --customer lost) could not be printed.*revoke it" \
    'is one to be revoked'

# A database that is damaged or another program's is not touched.
head -c 100 /dev/urandom >KILLED/identity/keys.sqlite
exits 65 'a damaged store' "$keys" list KILLED
like "$(cat stderr)" 'restore it from a copy' 'says what to do'

for verb in init add revoke rotate list publish fetch; do
    exits 0 "help of $verb" "$keys" "$verb" --help
    like "$(head -n 2 stdout)" "millrace keys $verb" 'begins with an example'
done
done_testing
