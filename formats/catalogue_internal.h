/* catalogue_internal.h - what the files of the catalogue share: its state, and the members of
 * entries.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_FORMATS_CATALOGUE_INTERNAL_H
#define MILLRACE_FORMATS_CATALOGUE_INTERNAL_H

#include "formats/catalogue.h"
#include "formats/merkle.h"
#include "formats/sha256.h"

#define CATALOGUE_CHAIN_CHARS 32
#define CATALOGUE_LINE_MAX    (64u << 10) /* strings of the longest kind, escaped, and the rest */
#define CATALOGUE_TIME_MIN_US G_GINT64_CONSTANT(-62135596800000000) /* the years 1 to 9999 */
#define CATALOGUE_TIME_MAX_US G_GINT64_CONSTANT(253402300799999999)
#define CATALOGUE_CHECKPOINT  "{\"checkpoint\":"

/* A checkpoint that was read or made. */
typedef struct {
    char *text;   /* a note; owns */
    guint64 line; /* for messages; 0 when it was made here */
} CatalogueCheckpoint;

/* How far the entries go. */
typedef struct {
    guint64 count;
    Merkle tree;                           /* of their lines */
    char chain[CATALOGUE_CHAIN_CHARS + 1]; /* of the last; "" before the first */
} CatalogueState;

struct _Catalogue {
    char *name;
    GStringChunk *strings;
    GArray *entries;     /* of CatalogueEntry; strings in the chunk */
    GByteArray *leaves;  /* hashes of their lines */
    GArray *checkpoints; /* of CatalogueCheckpoint */
    CatalogueState state;
    guint64 signed_count;
    char *origin;
    guint64 keep_bytes;
    guint64 torn_bytes;
    GString *pending;
    /* What follows from the entries, by catalogue_fold(). */
    GPtrArray *volumes;       /* of CatalogueVolume */
    GHashTable *volume_named; /* their names: the same */
    const char *last_manifest;
    GArray *covered; /* parts of the time line, apart from each other; see catalogue_time.c */
    gint64 last_us;
    gint64 vouched_us;
    gint64 latest_us;
};

/* Members of entries, in the order in which they are printed. */
typedef enum { MEMBER_TEXT, MEMBER_VOLUME, MEMBER_DIGEST, MEMBER_TIME, MEMBER_COUNT } MemberType;
typedef struct {
    const char *key;
    gsize offset; /* in CatalogueEntry */
    MemberType type;
    guint kinds; /* bit n: of kind n */
    guint optional;
} CatalogueMember;
extern const CatalogueMember catalogue_members[];
extern const guint catalogue_member_count;

/* The member of entry, by its type. */
#define CATALOGUE_FIELD(ENTRY, MEMBER, TYPE) (*(TYPE *)((char *)(ENTRY) + (MEMBER)->offset))

/* Does text, if there is any, have what its member's type asks for? */
gboolean catalogue_text_is(MemberType type, const char *text);
/* text as it can stand in an entry. (transfer full) */
char *catalogue_clean(const char *text);

/* Appends an entry's line, without chain and end: up to where the chain is reckoned. */
void catalogue_print_entry(const CatalogueEntry *entry, GString *out);
/* Writes the chain of a line of this beginning behind the chain before. */
void catalogue_chain(const char *before, const char *line, gsize size_bytes,
                     char chain[CATALOGUE_CHAIN_CHARS + 1]);
/* Appends what ends an entry's line, but for its LF. */
void catalogue_print_chain(const char *chain, GString *out);
/* Counts a line, without its LF, as the next entry's. */
void catalogue_advance(Catalogue *catalogue, const char *chain, const char *line, gsize size_bytes);

/* The text of a checkpoint over all there is, up to the empty line. (transfer full) */
char *catalogue_checkpoint_body(const Catalogue *catalogue);
/* Makes the checkpoint. text within: owned by the caller. */
CatalogueCheckpoint catalogue_checkpoint_sign(const Catalogue *catalogue,
                                              const MinisignSecret *secret);
/* Reads a checkpoint over all there is. Returns NULL with *checkpoint filled, or what is wrong. */
const char *catalogue_checkpoint_read(const Catalogue *catalogue, const char *text,
                                      CatalogueCheckpoint *checkpoint);
/* The line of a checkpoint's text, without its LF. */
void catalogue_print_checkpoint(const char *text, GString *out);

/* Takes in what an entry says. It has its place in the catalogue already. */
void catalogue_fold(Catalogue *catalogue, const CatalogueEntry *entry);
void catalogue_fold_time(Catalogue *catalogue, const CatalogueEntry *entry);
GArray *catalogue_parts_new(void);
void catalogue_volume_free(gpointer volume);

#endif
