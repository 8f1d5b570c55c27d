#!/usr/bin/env bash
# includes.sh FILE... - the direction of includes, tools -> jobs -> mr -> formats and never back,
# and each foreign library wrapped in its one place.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

awk '
    # What a folder may include of ours. Tests and examples may include anything.
    BEGIN {
        allowed["formats"] = "^formats/"
        allowed["mr"] = "^(mr|formats)/"
        allowed["jobs"] = "^(jobs|mr|formats)/"
        allowed["tools"] = "^(tools|jobs|mr|formats)/"
        only["mpi.h"] = "^mr/comm_mpi\\.c$"
        only["vips/"] = "^jobs/image(\\.c|_[^/]*\\.[ch])$"
        only["jansson.h"] = "^formats/json\\.c$"
        only["xxhash.h"] = "^formats/[^/]*\\.[ch]$"
        only["zstd.h"] = "^formats/compress\\.c$"
        only["openssl/"] = "^formats/(sha256|minisign|api_key)\\.c$"
        only["archive"] = "^formats/tar(_[^/]*)?\\.c$"
        only["isa-l"] = "^formats/parity(_[^/]*)?\\.c$"
        only["curl/"] = "^jobs/(tier_s3(_[^/]*)?|identity_fetch)\\.[ch]$"
        only["lmdb.h"] = "^formats/identity_(snapshot|build)\\.c$"
        only["sqlite3.h"] = "^jobs/(sqlite|keys_store(_[^/]*)?|queue_sqlite)\\.[ch]$"
        only["amqp"] = "^jobs/queue_amqp(_[^/]*)?\\.[ch]$"
        only["rabbitmq-c/"] = "^jobs/queue_amqp(_[^/]*)?\\.[ch]$"
        only["microhttpd.h"] = "^tools/door/http(_[^/]*)?\\.[ch]$"
    }
    function fail(text) {
        printf "%s:%d: %s\n", FILENAME, FNR, text > "/dev/stderr"
        bad = 1
    }
    !/^[ \t]*#[ \t]*include[ \t]*["<]/ { next }
    {
        quoted = /include[ \t]*"/
        name = $0
        sub(/^[^"<]*["<]/, "", name)
        sub(/[">].*$/, "", name)
        folder = FILENAME
        sub(/\/.*$/, "", folder)
        ours = name ~ /^(formats|mr|jobs|tools|tests)\//
        if (quoted && !ours && folder in allowed)
            fail("\"" name "\": name our headers from the top, as in \"formats/error.h\"")
        if (ours && folder in allowed && name !~ allowed[folder])
            fail(folder "/ must not include " name)
        for (library in only)
            if (index(name, library) == 1 && FILENAME !~ only[library] && FILENAME !~ /^tests\//)
                fail(name " belongs to " only[library])
    }
    END { exit bad }
' "$@"
