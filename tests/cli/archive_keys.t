#!/usr/bin/env bash
# archive_keys.t - millrace archive keygen: keys that the program minisign takes for its own.
# SPDX-License-Identifier: Apache-2.0
# shellcheck source-path=SCRIPTDIR source=../tap/tap.sh
. "$(dirname "$0")/../tap/tap.sh"
command -v minisign >/dev/null || skip_all 'minisign is not installed'
archive=$BUILD/millrace-archive
cd "$scratch" || exit 1

# try MINISIGN-ARGUMENTS...: quietly
try()
{
    minisign "$@" >/dev/null 2>&1 </dev/null
}

umask 022
exits 0 'a pair of keys' "$archive" keygen --out auditor
like "$(cat stdout)" '^[0-9A-F]{16}$' 'its number is printed'
id=$(cat stdout)
is "$(stat -c %a auditor.key) $(stat -c %a auditor.pub)" '600 644' \
    'the secret key is for its owner alone'
is "$(find . -name '.*.tmp')" '' 'nothing else is left'
shopt -s extglob
is "$(head -n 1 auditor.pub)" "untrusted comment: minisign public key ${id##+(0)}" \
    'the public one says its number'

echo 'a file' >file
try -S -s auditor.key -m file
ok $? 'minisign signs with it'
try -V -H -p auditor.pub -m file
ok $? 'and verifies'
try -R -s auditor.key -p again.pub
cmp -s auditor.pub again.pub
ok $? 'and makes the same public key of the secret one'
try -G -W -f -s theirs.key -p theirs.pub
is "$(wc -c <auditor.key) $(sed -n 2p auditor.key | head -c 40)" \
    "$(wc -c <theirs.key) $(sed -n 2p theirs.key | head -c 40)" \
    'a key of minisign looks the same'

sha256sum auditor.* >before
exits 73 'a name that is taken' "$archive" keygen --out auditor
like "$(cat stderr)" 'auditor.key is there already' 'is refused'
rm auditor.key
exits 73 'even if only the public half is there' "$archive" keygen --out auditor
like "$(cat stderr)" 'auditor.pub is there already' 'is it refused'
is "$(ls auditor.*)" auditor.pub 'and nothing is made'
ln -s elsewhere other.key
exits 73 'a link is no free name either' "$archive" keygen --out other
is "$(ls other* elsewhere 2>/dev/null)" other.key 'and nothing is written through it'

exits 0 'folders are made' "$archive" keygen --out deep/er/name
is "$(ls deep/er)" $'name.key\nname.pub' 'with both in them'
is "$(umask 077 && "$archive" keygen --out own 2>/dev/null >&2; stat -c %a own.pub)" 600 \
    'a stricter umask is heeded'
exits 64 'no name' "$archive" keygen
exits 64 'an empty name' "$archive" keygen --out ''
exits 64 'a folder for a name' "$archive" keygen --out deep/
exits 64 'an operand' "$archive" keygen --out new name
: >plain
exits 73 'a file where a folder should be' "$archive" keygen --out plain/name
exits 0 'help' "$archive" keygen --help
like "$(head -n 2 stdout)" 'millrace archive keygen --out' 'begins with an example'

done_testing
