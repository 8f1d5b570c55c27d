/* archive_select.h - options of the verbs that read an archive: where it is, whose signatures are
 * trusted, which records.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TOOLS_ARCHIVE_SELECT_H
#define MILLRACE_TOOLS_ARCHIVE_SELECT_H

#include "jobs/archive_select.h"
#include "jobs/archive_tape.h"

/* As they were given; owned. */
typedef struct {
    char *from;
    char **trust;
    char *record;
    char *volume;
    char *path;
    char *customer;
    char *from_time;
    char *to_time;
    char *scratch;
} ArchiveSelectOptions;
void archive_select_options_clear(ArchiveSelectOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ArchiveSelectOptions, archive_select_options_clear)

/* For the table of a verb. */
#define ARCHIVE_TEXT_OPTION(name, to, what, value)                                                 \
    {                                                                                              \
        name, 0, 0, G_OPTION_ARG_FILENAME, to, what, value                                         \
    }
#define ARCHIVE_SELECT_OPTIONS(options)                                                            \
    ARCHIVE_TEXT_OPTION("from", &(options).from,                                                   \
                        "A folder, s3://BUCKET/PREFIX, or - for a stream", "WHERE"),               \
        ARCHIVE_TEXT_OPTION("record", &(options).record, "Only this record, by its key",           \
                            "[VOLUME:]KEY"),                                                       \
        ARCHIVE_TEXT_OPTION("volume", &(options).volume, "Only of this volume", "V"),              \
        ARCHIVE_TEXT_OPTION("path", &(options).path, "Only keys that match; * matches / too",      \
                            "GLOB"),                                                               \
        ARCHIVE_TEXT_OPTION("customer", &(options).customer, "Only usage of this customer", "C"),  \
        ARCHIVE_TEXT_OPTION("from-time", &(options).from_time,                                     \
                            "Only of this time (or day) or later", "T"),                           \
        ARCHIVE_TEXT_OPTION("to-time", &(options).to_time, "Only of before this time (or day)",    \
                            "T"),                                                                  \
        ARCHIVE_TEXT_OPTION("scratch", &(options).scratch,                                         \
                            "Where a stream's volumes are put (TMPDIR)", "DIR"),                   \
    {                                                                                              \
        "trust", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &(options).trust,                              \
            "A public key that may have signed; may be repeated", "NAME.pub"                       \
    }

/* Checks them. selection, open: borrow from options. FALSE and MILLRACE_ERROR_USAGE. */
gboolean archive_select_options_check(const ArchiveSelectOptions *options,
                                      ArchiveSelection *selection, ArchiveOpen *open,
                                      GError **error);

/* What the archive is read from: it is open, or comes as a stream on stdin. */
typedef struct {
    ArchiveTape *tape; /* NULL where it is no stream */
    Archive *opened;   /* NULL where it is one */
    Archive *archive;  /* either's */
} ArchiveSource;
void archive_source_clear(ArchiveSource *source);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ArchiveSource, archive_source_clear)
gboolean archive_source_open(const ArchiveSelectOptions *options, const ArchiveOpen *open,
                             ArchiveSource *source, GError **error);

/* An ArchiveOnBad that logs. */
void archive_log_bad(const char *text, gpointer data);

#endif
