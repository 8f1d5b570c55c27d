#!/usr/bin/env bash
# deps.sh GROUP... - installs what is missing of the groups' Debian packages; silent if nothing is.
# The one list of what Millrace needs: the Makefile, .ci/run and the README all lead here.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

build=(gcc libc6-dev make pkg-config libglib2.0-dev libjansson-dev libxxhash-dev libvips-dev
    libzstd-dev libssl-dev libseccomp-dev libarchive-dev libisal-dev libcurl4-openssl-dev
    liblmdb-dev libsqlite3-dev librabbitmq-dev libmicrohttpd-dev libopenmpi-dev openmpi-bin scdoc)
demo=(lomiri-wallpapers-16.04 jq curl)
# perl brings prove; procps, util-linux, libfaketime, iproute2 what the fault tests kill, limit, lie
# and make hosts with; python3 reckons statements by itself; rsync ships usage; zstd makes logs.
test=(libcriterion-dev libvips-tools jq perl procps python3 util-linux libfaketime iproute2
    rsync zstd minisign openssl curl sqlite3 rabbitmq-server haproxy chromium)
bench=(libvips-tools jq time eatmydata zstd strace bc openssl curl wrk nginx-light haproxy)
lint=(clang-format clang-tidy shellcheck git)
fuzz=(clang libclang-rt-14-dev)

wanted=()
for group in "$@"; do
    case $group in
    build) wanted+=("${build[@]}") ;;
    demo) wanted+=("${demo[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    bench) wanted+=("${bench[@]}") ;;
    lint) wanted+=("${lint[@]}") ;;
    fuzz) wanted+=("${fuzz[@]}") ;;
    *)
        echo "deps.sh: $group: expected build, demo, test, bench, lint or fuzz" >&2
        exit 64
        ;;
    esac
done

if ! command -v dpkg-query >/dev/null; then
    echo "deps.sh: not a Debian system. What would be needed there: ${wanted[*]}" >&2
    exit 0 # the libraries may be there all the same: pkg-config will tell
fi

missing=()
format="\${db:Status-Status}:\${Package} "
installed=" $(dpkg-query -W -f "$format" "${wanted[@]}" 2>/dev/null || true)"
for package in "${wanted[@]}"; do
    [[ $installed == *" installed:$package "* ]] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo)
    [ -t 0 ] || as_root+=(-n) # nobody is there to type a password
fi
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)

give_up()
{
    echo "deps.sh: packages are missing, and cannot be installed from here. Run:" >&2
    echo "    sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
}

command -v apt-get >/dev/null || give_up
if [ ${#as_root[@]} -gt 0 ]; then
    { command -v sudo >/dev/null && "${as_root[@]}" true; } || give_up
fi

echo "deps.sh: installing ${missing[*]}" >&2
install=("${apt[@]}" install -y --no-install-recommends "${missing[@]}")
# Package lists that are absent or too old to be fetched from are updated once.
if apt-cache show "${missing[@]}" >/dev/null 2>&1 && "${install[@]}"; then
    exit 0
fi
{ "${apt[@]}" update && "${install[@]}"; } || give_up
