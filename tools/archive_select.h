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
#define ARCHIVE_SELECT_OPTIONS(options)                                                            \
    {"from",                                                                                       \
     0,                                                                                            \
     0,                                                                                            \
     G_OPTION_ARG_FILENAME,                                                                        \
     &(options).from,                                                                              \
     "The archive: a folder, or s3://BUCKET/PREFIX",                                               \
     "WHERE"},                                                                                     \
        {"trust",                                                                                  \
         0,                                                                                        \
         0,                                                                                        \
         G_OPTION_ARG_FILENAME_ARRAY,                                                              \
         &(options).trust,                                                                         \
         "A public key that may have signed it; may be repeated (default: those that lie in it)",  \
         "NAME.pub"},                                                                              \
        {"record",                                                                                 \
         0,                                                                                        \
         0,                                                                                        \
         G_OPTION_ARG_FILENAME,                                                                    \
         &(options).record,                                                                        \
         "Only this record, by its key",                                                           \
         "[VOLUME:]KEY"},                                                                          \
        {"volume", 0, 0, G_OPTION_ARG_FILENAME, &(options).volume, "Only of this volume", "V"},    \
        {"path",                                                                                   \
         0,                                                                                        \
         0,                                                                                        \
         G_OPTION_ARG_FILENAME,                                                                    \
         &(options).path,                                                                          \
         "Only records whose key matches; * matches / too",                                        \
         "GLOB"},                                                                                  \
        {"customer",                                                                               \
         0,                                                                                        \
         0,                                                                                        \
         G_OPTION_ARG_FILENAME,                                                                    \
         &(options).customer,                                                                      \
         "Only usage of this customer",                                                            \
         "C"},                                                                                     \
        {"from-time",                                                                              \
         0,                                                                                        \
         0,                                                                                        \
         G_OPTION_ARG_FILENAME,                                                                    \
         &(options).from_time,                                                                     \
         "Only records of this time (or day) or later",                                            \
         "T"},                                                                                     \
    {                                                                                              \
        "to-time", 0, 0, G_OPTION_ARG_FILENAME, &(options).to_time,                                \
            "Only records of before this time (or day)", "T"                                       \
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
