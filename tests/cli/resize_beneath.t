#!/usr/bin/env bash
# resize_beneath.t - millrace resize --beneath: manifests of people who are not trusted with this
# machine's files.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
# shellcheck source-path=SCRIPTDIR source=../tap/resize.sh
. "$(dirname "$0")/../tap/resize.sh"

cd "$scratch" || exit 1
make_photos photos 2 2 120
mkdir -p sources/acme/deep/er sources/other-customer linked
cp photos/0_0.jpg sources/acme/fine.jpg
cp photos/1_0.jpg sources/acme/deep/er/fine.jpg
cp photos/0_1.jpg sources/other-customer/x.jpg
cp photos/1_1.jpg linked/secret.jpg
ln -s ../other-customer/x.jpg sources/acme/link.jpg
ln -s fine.jpg sources/acme/near.jpg
ln -s "$scratch/linked" sources/acme/folder
ln -s /proc/self/root/etc sources/acme/magic
mkfifo sources/acme/pipe.jpg
mknod sources/acme/zero.jpg c 1 5 2>/dev/null || mkfifo sources/acme/zero.jpg
cat >list <<END
fine.jpg
deep/../fine.jpg
./deep/er/fine.jpg
/etc/passwd
$scratch/sources/acme/fine.jpg
../other-customer/x.jpg
../../sources/acme/fine.jpg
deep/../../other-customer/x.jpg
link.jpg
near.jpg
folder/secret.jpg
magic/passwd
pipe.jpg
zero.jpg
deep
missing.jpg
fine.jpg/missing.jpg
/proc/self/cwd/sources/other-customer/x.jpg
END
expected='ok fine.jpg
ok deep/../fine.jpg
ok ./deep/er/fine.jpg
unreadable /etc/passwd
unreadable SCRATCH/sources/acme/fine.jpg
unreadable ../other-customer/x.jpg
unreadable ../../sources/acme/fine.jpg
unreadable deep/../../other-customer/x.jpg
unreadable link.jpg
unreadable near.jpg
unreadable folder/secret.jpg
unreadable magic/passwd
unreadable pipe.jpg
unreadable zero.jpg
unreadable deep
not-found missing.jpg
not-found fine.jpg/missing.jpg
unreadable /proc/self/cwd/sources/other-customer/x.jpg'

# classes FOLDER: class and source of each row
classes()
{
    jq -r '"\(.class // .status) \(.source)"' "$1/.millrace/results.ndjson" |
        sed "s|$scratch|SCRATCH|"
}

exits 1 'what leads out fails, the rest is done' timeout 60 "$resize" --beneath sources/acme \
    --to 60x60 -o out list
is "$(classes out)" "$expected" 'each row has its class'
is "$(jq -r 'select(.source == "/etc/passwd").message' out/.millrace/results.ndjson)" \
    'it leads out of the folder of --beneath' 'the message says why'
like "$(jq -r 'select(.source == "link.jpg").message' out/.millrace/results.ndjson)" symlink \
    'of a symlink too'
sound out 'and all is accounted for'
exits 1 'the same once more' "$resize" --beneath sources/acme --to 60x60 -o out list
exits 64 'another folder is another job' "$resize" --beneath sources/other-customer --to 60x60 \
    -o out list
like "$(cat stderr)" '--beneath "sources/acme", not "sources/other-customer"' 'that is said'
exits 64 'none is another job too' "$resize" --to 60x60 -o out list
exits 66 'a folder that is not there' "$resize" --beneath nowhere --to 60x60 -o none list
exits 66 'a file' "$resize" --beneath list --to 60x60 -o none list
exits 64 'an empty name' "$resize" --beneath '' --to 60x60 -o none list

ranks 2 "$resize" --beneath sources/acme --to 60x60 -o two list >ranks.out 2>&1
is "$(grep -c '18 rows: 3 resized' ranks.out)" 1 \
    'on two ranks'
is "$(classes two)" "$expected" 'each row has the same class'
is "$(outputs two)" "$(outputs out)" 'and the outputs are the same'

exits 1 'what would be done' "$resize" --beneath sources/acme --to 60x60 -o plan -n list
like "$(cat stdout)" '15 sources that cannot be read' 'is told'

exits 1 'writers can be named' "$resize" --beneath sources/acme --writer j1 --to 60x60 -o w list
is "$(usage w | jq -r .writer | sort -u)" j1-0-1 'and their events have the name'
exits 64 'a name that is none' "$resize" --writer a/b --to 60x60 -o w2 list
done_testing
