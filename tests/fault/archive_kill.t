#!/usr/bin/env bash
# archive_kill.t - pack, push, expire and repair are killed with -9 at any moment. Whatever the
# moment, what was committed verifies and restores, what was not does not show, and the same command
# again ends as if nobody had disturbed it.
# MILLRACE_KILLS: how many are killed in all (100; 30 of sanitized programs).
# MILLRACE_SEED: which moments.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/usage.sh
. "$(dirname "$0")/../tap/usage.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/archive.sh
. "$(dirname "$0")/../tap/archive.sh"
cd "$scratch" || exit 1

: "${MILLRACE_KILLS:=${MILLRACE_TORTURE:+400}}"
: "${MILLRACE_KILLS:=${SAN:+30}}" "${MILLRACE_KILLS:=100}" "${MILLRACE_SEED:=1}"
RANDOM=$MILLRACE_SEED
echo "# MILLRACE_KILLS=$MILLRACE_KILLS MILLRACE_SEED=$MILLRACE_SEED"

# Old records and new ones; usage among the new. The old ones are due by now.
mkdir old && seq 1 300000 >old/numbers && : >old/empty
make_records new
find old new -exec touch -d 2026-01-01T00:00:00Z {} +
make_log n01-0-1 1 3000 >one.ndjson
"$usage" ingest --store store one.ndjson >/dev/null 2>&1
"$archive" keygen --out auditor >/dev/null 2>&1
days_ago() { date -u -d "-$1 days" +%Y-%m-%dT00:00:00Z; }
"$archive" pack --to base --key auditor.key --time "$(days_ago 20)" --retain 1d old >old.volume \
    2>stderr || cat stderr
pack=("$archive" pack --key auditor.key --time "$(days_ago 10)" --volume-size 6M --to work new
    store/segments)

# digests ARCHIVE: of all that is kept
digests()
{
    (cd "$1" && find . -type f -not -path './.tmp/*' -not -name lock -exec sha256sum {} + |
        LC_ALL=C sort -k 2)
}
keys()
{
    "$archive" list --from "$1" --trust auditor.pub --format=json | jq -r .key | LC_ALL=C sort
}

# killed PERCENT COMMAND...: begins it, and kills it that far into the time that it takes
killed()
{
    local delay_ms=$((took_ms * $1 / 100)) victim
    shift
    "$@" >run.log 2>&1 </dev/null &
    victim=$!
    sleep "$((delay_ms / 1000)).$(printf %03d $((delay_ms % 1000)))"
    kill -9 "$victim" 2>/dev/null
    wait "$victim" 2>/dev/null
    code=$?
    # Ranks outlive their mpirun by a second.
    while fuser -s work/lock 2>/dev/null; do sleep 0.1; done
}
# timed COMMAND...: runs it undisturbed; the time it takes goes to $took_ms
timed()
{
    local begin_ms
    begin_ms=$(date +%s%3N)
    exits 0 "undisturbed: $2" "$@"
    took_ms=$(($(date +%s%3N) - begin_ms))
}

# sound KEYS...: work verifies, shows the keys of one of these files, and restores all of them
sound()
{
    local expected
    "$archive" verify --from work --trust auditor.pub --no-note >verify.log 2>&1 ||
        { echo "verify: $?" && tail -n 5 verify.log && return 1; }
    keys work >keys.now
    for expected in "$@"; do cmp -s keys.now "$expected" && break; done
    cmp -s keys.now "$expected" || { echo 'other records show' && return 1; }
    rm -rf restored
    "$archive" restore --from work -o restored --no-note >restore.log 2>&1 ||
        { echo "restore: $?" && tail -n 5 restore.log && return 1; }
    for folder in old new; do
        [ ! -d "restored/$folder" ] || diff -r "$folder" "restored/$folder" || return 1
    done
}

# trials NAME COUNT PREPARE EXPECTED KEYS KEYS -- COMMAND...
trials()
{
    local name=$1 count=$2 prepare=$3 expected=$4 before=$5 after=$6 bad=0 finished=0
    resumed=0
    shift 7
    for ((i = 0; i < count; i++)); do
        rm -rf work && "$prepare"
        killed $((RANDOM % 110)) "$@"
        [ "$code" -ne 0 ] || finished=$((finished + 1))
        sound "$before" "$after" || bad=$((bad + 1))
        "$@" >again.log 2>&1 </dev/null || { bad=$((bad + 1)) && tail -n 3 again.log; }
        grep -q 'from an earlier try' again.log && resumed=$((resumed + 1))
        digests work | cmp - "$expected" || bad=$((bad + 1))
    done
    is "$bad" 0 "$name, $count kills, of which $finished were too late"
}

# pack
cp -a base work
keys work >keys.old
timed "${pack[@]}"
keys work >keys.all
digests work >packed.digests
cp -a work packed
# shellcheck disable=SC2317 # trials() calls it
prepare_pack() { cp -a base work; }
to=(prepare_pack packed.digests keys.old keys.all --)
trials pack $((MILLRACE_KILLS * 3 / 10)) "${to[@]}" "${pack[@]}"
ok $((resumed == 0)) "what was compressed is used by the next try ($resumed times)"
trials 'pack by two ranks' $((MILLRACE_KILLS / 10)) "${to[@]}" \
    mpirun -n 2 --oversubscribe --bind-to none "${pack[@]}"

# push
# shellcheck disable=SC2317
prepare_push() { cp -a base work; }
push=("$archive" push --from packed --to work)
rm -rf work && prepare_push
timed "${push[@]}"
digests work | cmp - packed.digests
ok $? 'makes a copy'
trials push $((MILLRACE_KILLS / 5)) prepare_push packed.digests keys.old keys.all -- "${push[@]}"

# expire: its tombstone has the time of the run, so what is compared is the rest.
prepare_expire() { cp -a packed work; }
expire=("$archive" expire --from work --key auditor.key)
rm -rf work && prepare_expire
timed "${expire[@]}"
is "$(find work -name "$(cat old.volume)*")" '' 'the files are gone'
is "$(jq -r 'select(.kind == "expire").volume' work/catalogue.log)" "$(cat old.volume)" \
    'and the tombstone is there'
keys work >keys.new
bad=0 finished=0
for ((i = 0; i < MILLRACE_KILLS / 5; i++)); do
    rm -rf work && prepare_expire
    killed $((RANDOM % 110)) "${expire[@]}"
    [ "$code" -ne 0 ] || finished=$((finished + 1))
    sound keys.all keys.new || bad=$((bad + 1))
    "${expire[@]}" >again.log 2>&1 || bad=$((bad + 1))
    keys work | cmp - keys.new || bad=$((bad + 1))
    [ -z "$(find work -name "$(cat old.volume)*")" ] || bad=$((bad + 1))
    [ "$(grep -c '"kind":"expire"' work/catalogue.log)" = 1 ] || bad=$((bad + 1))
done
is "$bad" 0 "expire, $((MILLRACE_KILLS / 5)) kills, of which $finished were too late"

# repair: of a volume with flipped bytes and no index
largest=$(find packed -name '*.tar.zst' -size +2M | sort | head -n 1)
volume=$(basename "$largest" .tar.zst)
prepare_repair()
{
    cp -a packed work
    printf XXXXXXXX | dd of="work/volumes/$volume.tar.zst" bs=1 seek=100000 conv=notrunc 2>/dev/null
    rm "work/volumes/$volume.index"
}
repair=("$archive" repair --from work "$volume")
rm -rf work && prepare_repair
timed "${repair[@]}"
digests work | grep -v catalogue.log >repaired.digests
grep -v catalogue.log packed.digests | cmp - repaired.digests
ok $? 'brings the same bytes back'
bad=0 finished=0
for ((i = 0; i < MILLRACE_KILLS / 5; i++)); do
    rm -rf work && prepare_repair
    killed $((RANDOM % 110)) "${repair[@]}"
    [ "$code" -ne 0 ] || finished=$((finished + 1))
    rm -rf restored
    "$archive" restore --from work -o restored --volume "$(cat old.volume)" --no-note >log 2>&1 &&
        diff -r old restored/old || bad=$((bad + 1))
    "${repair[@]}" >again.log 2>&1 || { bad=$((bad + 1)) && tail -n 3 again.log; }
    digests work | grep -v catalogue.log | cmp - repaired.digests || bad=$((bad + 1))
    sound keys.all || bad=$((bad + 1))
done
is "$bad" 0 "repair, $((MILLRACE_KILLS / 5)) kills, of which $finished were too late"

done_testing
