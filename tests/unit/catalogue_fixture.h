/* catalogue_fixture.h - the log of another program, and entries of our own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MILLRACE_TESTS_CATALOGUE_FIXTURE_H
#define MILLRACE_TESTS_CATALOGUE_FIXTURE_H

#include "formats/catalogue.h"

#include <string.h>

#include <criterion/criterion.h>

#include "formats/usage.h"
#include "tests/unit/catalogue_golden.h"

#pragma GCC diagnostic ignored "-Wunused-function"

#define VOLUME "0123456789abcdef0123456789abcdef"
#define OTHER  "fedcba9876543210fedcba9876543210"
#define DIGEST "0000000000000000000000000000000000000000000000000000000000000001"
#define START  "2026-12-01T02:00:00.000000Z"

static gint64
at(const char *time)
{
    gint64 time_us = 0;

    cr_assert(usage_parse_time(time, strlen(time), &time_us), "%s", time);
    return time_us;
}

static Catalogue *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    Catalogue *catalogue = catalogue_parse("catalogue.log", text, strlen(text), &error);

    cr_assert_not_null(catalogue, "%s", error ? error->message : "");
    return catalogue;
}

/* The beginning of the golden log: so many lines. (transfer full) */
static char *
golden_lines(guint count)
{
    const char *end = golden_log;

    while (count-- > 0)
        end = strchr(end, '\n') + 1;
    return g_strndup(golden_log, (gsize)(end - golden_log));
}

static CatalogueEntry
pack_entry(const char *volume, const char *time, const char *retain_until)
{
    return (CatalogueEntry){.time_us = at(time),
                            .actor = "us@here",
                            .kind = CATALOGUE_PACK,
                            .volume = volume,
                            .class = "default",
                            .manifest = DIGEST,
                            .minisig = DIGEST,
                            .retain_until_us = at(retain_until),
                            .record_count = 3,
                            .bytes = 1000};
}

static CatalogueEntry
check_entry(const char *time)
{
    return (CatalogueEntry){.time_us = at(time),
                            .actor = "us@here",
                            .kind = CATALOGUE_CHECK,
                            .volume = VOLUME,
                            .result = "intact",
                            .scope = "whole"};
}

static void
append(Catalogue *catalogue, CatalogueEntry entry)
{
    catalogue_append(catalogue, &entry);
}

#endif
