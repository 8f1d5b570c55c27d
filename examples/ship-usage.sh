#!/usr/bin/env bash
# ship-usage.sh SPOOL CENTRAL LOG... - takes the usage logs of this host into its own batch store
# SPOOL, then brings what is new there to the store CENTRAL: a folder, or HOST:FOLDER by rsync.
#
#     ship-usage.sh /var/spool/millrace archive:/srv/usage /var/log/millrace/usage-*.ndjson
#
# Run it as often as you like: what was read is not read again, what was shipped is not shipped
# again, and what was cut short is completed by the next one. Of two at once one waits.
# Exits with 0; with what `millrace usage ingest` exits with (1: some lines are no events and lie in
# SPOOL/quarantine; all else is shipped); 69 when rsync (3.2.4 or later, on both hosts) has not done
# its part; 75 when another one has not ended within LOCK_WAIT_S seconds (3600).
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail

if [ $# -lt 3 ]; then
    echo "usage: ship-usage.sh SPOOL CENTRAL LOG..." >&2
    exit 64
fi
spool=${1%/} central=${2%/}
shift 2

# The lock goes when the last process that has it open ends: a killed one leaves none behind.
mkdir -p "$(dirname "$spool")" && : >>"$spool.lock" || exit 73
exec 9>>"$spool.lock"
if ! flock --timeout "${LOCK_WAIT_S:-3600}" 9; then
    echo "ship-usage.sh: $spool: another one is at work" >&2
    exit 75
fi

code=0
millrace usage ingest --store "$spool" -- "$@" >/dev/null || code=$?

# Bad lines or a log that is missing must not hold back the rest: every file of a store is whole.
# The notes of logs are for the next ingest, here.
shipped=0
if [[ $central == *:* ]]; then
    rsync --recursive --times --fsync --timeout=300 --exclude='/logs/' --exclude='.*' \
        "$spool/" "$central/" || shipped=69
else
    millrace usage sync "$spool" "$central" >/dev/null || shipped=$?
fi
[ "$code" -ne 0 ] || code=$shipped
exit "$code"
