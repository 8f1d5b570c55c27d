/* catalogue.h - the log of what was done to an archive: packs, holds, releases, extensions,
 * expiries, checks, repairs, restores. Append-only text, a JSON object a line; entries are chained
 * and leaves of a Merkle tree, whose root is signed by checkpoints (C2SP tlog-checkpoint) in lines
 * of their own. What needs the key (pack, hold, release, extend, expire) holds from the checkpoint
 * behind it on; before, it never happened. Bytes: formats/README.md, "Cold archive v1".
 * Not for several threads at once.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_CATALOGUE_H
#define MILLRACE_FORMATS_CATALOGUE_H

#include <glib.h>

#include "formats/minisign.h"

#define CATALOGUE_VOLUME_CHARS 32 /* a volume's name: hexadecimal, of the SHA-256 of its bytes */
#define CATALOGUE_MAX_BYTES    (1u << 30)
#define CATALOGUE_TEXT_MAX     4096 /* bytes of a string of an entry; more are cut off */
#define CATALOGUE_STEP_MAX_US  (35 * G_TIME_SPAN_DAY) /* see catalogue_vouched_us() */

typedef enum {
    CATALOGUE_PACK,
    CATALOGUE_HOLD,
    CATALOGUE_RELEASE,
    CATALOGUE_EXTEND,
    CATALOGUE_EXPIRE,
    CATALOGUE_CHECK, /* from here on no key is needed */
    CATALOGUE_REPAIR,
    CATALOGUE_RESTORE,
    CATALOGUE_OTHER, /* of a later version: it is counted, and nothing more; never appended */
    CATALOGUE_KINDS
} CatalogueKind;
const char *catalogue_kind_name(CatalogueKind kind);
/* Does an entry of the kind hold only with a checkpoint behind it? An unknown one does, as far as
 * we know. */
gboolean catalogue_kind_needs_key(CatalogueKind kind);

/* One entry. Strings: borrowed; NULL where the kind has none of it. Those that are read have no
 * control characters. */
typedef struct {
    guint64 number; /* counts from 0 */
    gint64 time_us;
    const char *actor; /* who: USER@HOST, or what the caller gave */
    CatalogueKind kind;
    const char *volume;     /* all but some restores */
    const char *class;      /* pack */
    const char *manifest;   /* pack: SHA-256 of V.manifest */
    const char *minisig;    /* pack: SHA-256 of V.manifest.minisig */
    gint64 retain_until_us; /* pack, extend */
    guint64 record_count;   /* pack, restore */
    guint64 bytes;          /* pack: of V.tar.zst; repair: mended; restore: of records */
    const char *name;       /* hold, release: of the hold */
    const char *result;     /* check: "intact", "damaged", "missing" */
    const char *scope;      /* check: "whole", or the sample; repair: the file */
    const char *note;       /* free text: reason of a hold, "parity" or the copy of a repair, what
                               was restored */
} CatalogueEntry;

/* What the entries say of a volume by now. Strings: borrowed from the catalogue. */
typedef struct {
    const char *name;
    const char *class;
    const char *manifest;
    const char *minisig;
    gint64 packed_us;       /* the last time, as class, manifest and the rest */
    gint64 retain_until_us; /* the latest of all */
    guint64 record_count;
    guint64 bytes;
    GPtrArray *holds; /* names of those not released, sorted */
    gboolean expired; /* its tombstone is there; a later pack brings it back */
    gint64 expired_us;
    gint64 checked_us;        /* of the last whole check since it was packed; G_MININT64: none */
    const char *check_result; /* of that, or of a later sample that was not intact; NULL: none */
} CatalogueVolume;

typedef struct _Catalogue Catalogue;

/* An empty one, of an archive that has no log yet. */
Catalogue *catalogue_new(void);
/* Reads a log whole. name: for messages. Up to the last checkpoint every byte must hold (JSON,
 * numbers, chain, roots); behind it, entries do so too, and a last line that is torn is cut:
 * catalogue_torn_bytes(). Signatures are not checked here. NULL and MILLRACE_ERROR_CORRUPT with the
 * line. */
Catalogue *catalogue_parse(const char *name, const char *text, gsize size_bytes, GError **error);
void catalogue_free(Catalogue *catalogue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Catalogue, catalogue_free)

/* Bytes at the end that do not hold, which the next writer cuts off: a torn line, and entries that
 * need a checkpoint behind them and have none. */
guint64 catalogue_torn_bytes(const Catalogue *catalogue);
/* Checks each checkpoint's signature. keys: those it may be by. A checkpoint by none of them is
 * MILLRACE_ERROR_CORRUPT. */
gboolean catalogue_check_signatures(const Catalogue *catalogue, const MinisignPublic *keys,
                                    guint key_count, GError **error);
/* "millrace.archive/" and 16 digits of the first entry's leaf; NULL while there is none. */
const char *catalogue_origin(const Catalogue *catalogue);

/* Entries that hold: those behind the last checkpoint that need one are left out. */
guint64 catalogue_count(const Catalogue *catalogue);
/* index: below the count. Borrowed until the next append. */
const CatalogueEntry *catalogue_entry(const Catalogue *catalogue, guint64 index);
/* How many entries the last checkpoint signs, 0 when there is none, and its text (NULL). */
guint64 catalogue_signed_count(const Catalogue *catalogue);
const char *catalogue_checkpoint(const Catalogue *catalogue);

/* All volumes ever packed, in the order of their first pack; expired ones too. Borrowed until the
 * next append. */
const GPtrArray *catalogue_volumes(Catalogue *catalogue);
/* NULL when there is no such volume. */
const CatalogueVolume *catalogue_volume(Catalogue *catalogue, const char *name);
/* The manifest's digest of the last pack, for the next; "none". */
const char *catalogue_last_manifest(const Catalogue *catalogue);

/* How much time the log can vouch for, as of now_us (a clock's word): the first entry's time, and
 * what passed from entry to entry, where that was neither backwards nor more than
 * CATALOGUE_STEP_MAX_US, each part of the time line once. So a clock set ten years forward adds
 * nothing, nor does one that swings, and time that nobody witnessed is not counted: expiry may be
 * late, never early. */
gint64 catalogue_vouched_us(const Catalogue *catalogue, gint64 now_us);
/* The latest of now_us and every entry's time: what retention counts from. Neither is beyond the
 * year 9999; of no entries both are now_us. */
gint64 catalogue_latest_us(const Catalogue *catalogue, gint64 now_us);

/* Adds an entry behind those that hold; its number is set here, and the time is the caller's. It
 * counts from now on, so one that needs the key must be signed before anything is written. Strings
 * are copied; control characters become '?', what is no UTF-8 is percent-encoded. */
void catalogue_append(Catalogue *catalogue, const CatalogueEntry *entry);
/* Adds a checkpoint over all entries, of which there is one at least. */
void catalogue_sign(Catalogue *catalogue, const MinisignSecret *secret);
/* What a file that was read by catalogue_parse() has to become: keep its first keep_bytes, then
 * write these. Borrowed until the next append. */
const char *catalogue_pending(const Catalogue *catalogue, guint64 *keep_bytes, gsize *size_bytes);
/* That has been done: nothing is pending any more. */
void catalogue_written(Catalogue *catalogue);

/* How many entries two logs have in common, from the first on. */
guint64 catalogue_common(const Catalogue *a, const Catalogue *b);
/* Does longer begin with all of shorter's entries that hold? (Then shorter can be replaced by it.)
 */
gboolean catalogue_continues(const Catalogue *longer, const Catalogue *shorter);

#endif
