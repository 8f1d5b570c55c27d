/* test_catalogue.c - the log of an archive: read from another program's writing, continued, cut,
 * damaged, and what follows from it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/catalogue_fixture.h"

enum { GOLDEN_ENTRIES = 14, GOLDEN_SIGNED = 13 };

static void
expect_corrupt(const char *text, gsize size_bytes, const char *reason)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Catalogue) catalogue = catalogue_parse("catalogue.log", text, size_bytes, &error);

    cr_assert_null(catalogue);
    cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
    cr_expect_not_null(strstr(error->message, reason), "%s", error->message);
}

static MinisignPublic
golden_key(void)
{
    MinisignPublic key;

    cr_assert(minisign_public_parse("golden.pub", golden_public, &key, NULL));
    return key;
}

/* The file that comes of text by what is pending. (transfer full) */
static char *
write_pending(const char *text, const Catalogue *catalogue)
{
    guint64 keep_bytes = 0;
    gsize size_bytes = 0;
    const char *pending = catalogue_pending(catalogue, &keep_bytes, &size_bytes);

    cr_assert_leq(keep_bytes, strlen(text));
    return g_strdup_printf("%.*s%.*s", (int)keep_bytes, text, (int)size_bytes, pending);
}

Test(catalogue, a_log_of_another_program_is_read)
{
    g_autoptr(Catalogue) log = parse(golden_log);
    MinisignPublic key = golden_key();
    g_autoptr(GError) error = NULL;

    cr_expect(catalogue_check_signatures(log, &key, 1, &error), "%s", error ? error->message : "");
    cr_expect_eq(catalogue_count(log), GOLDEN_ENTRIES);
    cr_expect_eq(catalogue_signed_count(log), GOLDEN_SIGNED);
    cr_expect_eq(catalogue_torn_bytes(log), 0);
    cr_expect(g_str_has_prefix(catalogue_checkpoint(log), catalogue_origin(log)));
    cr_expect_not_null(strstr(catalogue_checkpoint(log), "\n13\n"));
    cr_expect_str_eq(catalogue_last_manifest(log), "b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1"
                                                   "b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1");
    const CatalogueEntry *entry = catalogue_entry(log, 0);
    cr_expect_eq(entry->kind, CATALOGUE_PACK);
    cr_expect_eq(entry->time_us, at("2026-12-01T02:00:00.000000Z"));
    cr_expect_str_eq(entry->actor, "archivist@n07");
    cr_expect_str_eq(entry->volume, VOLUME);
    cr_expect_str_eq(entry->class, "default");
    cr_expect_eq(entry->record_count, 31);
    cr_expect_eq(entry->bytes, 123456);
    entry = catalogue_entry(log, 4);
    cr_expect_eq(entry->kind, CATALOGUE_RESTORE);
    cr_expect_null(entry->volume);
    cr_expect_str_eq(entry->note, "drill \u2014 \"Q4\" \\ \u00e9");
    cr_expect_eq(catalogue_entry(log, 11)->kind, CATALOGUE_OTHER);
}

Test(catalogue, an_entry_that_needs_the_key_holds_from_the_checkpoint_on)
{
    /* Line 7 is the second pack, line 8 a hold, line 9 the checkpoint. */
    for (guint lines = 6; lines <= 9; lines++) {
        g_autofree char *text = golden_lines(lines);
        g_autofree char *held = golden_lines(6);
        g_autoptr(Catalogue) log = parse(text);
        gboolean whole = lines == 9;
        cr_expect_eq(catalogue_count(log), whole ? 7 : 5);
        cr_expect_eq(catalogue_signed_count(log), whole ? 7 : 1);
        cr_expect_eq(catalogue_volume(log, OTHER) != NULL, whole);
        cr_expect_eq(catalogue_volume(log, VOLUME)->holds->len, whole ? 1 : 0);
        cr_expect_eq(catalogue_torn_bytes(log), whole ? 0 : strlen(text) - strlen(held));
        cr_expect_eq(catalogue_vouched_us(log, G_MININT64 / 2), catalogue_latest_us(log, 0));
    }
}

Test(catalogue, the_end_may_be_torn_anywhere_behind_the_last_checkpoint)
{
    g_autoptr(Catalogue) whole = parse(golden_log);
    gsize size_bytes = strlen(golden_log);
    g_autofree char *until_pack = golden_lines(6);

    /* From within the second pack on to the end. */
    for (gsize size = strlen(until_pack); size <= size_bytes; size++) {
        g_autofree char *text = g_strndup(golden_log, size);
        g_autoptr(Catalogue) log = parse(text);
        cr_assert(catalogue_continues(whole, log));
        guint64 keep_bytes = 0;
        gsize pending_bytes = 0;
        catalogue_pending(log, &keep_bytes, &pending_bytes);
        cr_assert_eq(keep_bytes + catalogue_torn_bytes(log), size);
        cr_assert_eq(pending_bytes, 0);
        cr_assert_eq(text[keep_bytes - 1], '\n');
    }
}

Test(catalogue, a_torn_end_is_cut_off_by_what_is_written_next)
{
    g_autofree char *text = golden_lines(8);
    g_autoptr(MinisignSecret) secret = minisign_generate(NULL);

    for (gsize size = strlen(text) - 300; size <= strlen(text); size += 37) {
        g_autofree char *torn = g_strndup(text, size);
        g_autoptr(Catalogue) log = parse(torn);
        append(log, pack_entry(OTHER, "2027-01-05T00:00:00Z", "2027-01-05T00:00:00Z"));
        catalogue_sign(log, secret);
        g_autofree char *next = write_pending(torn, log);
        g_autoptr(Catalogue) again = parse(next);
        cr_expect_eq(catalogue_count(again), 6);
        cr_expect_eq(catalogue_signed_count(again), 6);
        cr_expect_eq(catalogue_torn_bytes(again), 0);
        cr_expect_not_null(catalogue_volume(again, OTHER));
    }
}

Test(catalogue, every_altered_byte_is_noticed)
{
    MinisignPublic key = golden_key();
    gsize size_bytes = strlen(golden_log);
    g_autofree char *text = g_strdup(golden_log);
    static const char flips[] = {0x01, 0x02, 0x20, (char)0x80, (char)0xff};

    for (gsize i = 0; i < size_bytes; i++) {
        for (guint flip = 0; flip <= G_N_ELEMENTS(flips); flip++) {
            char was = text[i];
            text[i] = flip == G_N_ELEMENTS(flips) ? '\0' : (char)(was ^ flips[flip]);
            g_autoptr(GError) error = NULL;
            g_autoptr(Catalogue) log = catalogue_parse("catalogue.log", text, size_bytes, &error);
            if (log)
                cr_expect_not(catalogue_check_signatures(log, &key, 1, &error), "byte %zu: %d", i,
                              text[i]);
            cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
            text[i] = was;
        }
    }
}

Test(catalogue, a_line_that_is_left_out_doubled_or_moved_is_noticed)
{
    g_auto(GStrv) lines = g_strsplit(golden_log, "\n", -1);
    MinisignPublic key = golden_key();
    guint count = g_strv_length(lines) - 1;

    for (guint left_out = 0; left_out + 1 < count; left_out++) {
        for (guint doubled = 0; doubled < 2; doubled++) {
            g_autoptr(GString) text = g_string_new(NULL);
            for (guint i = 0; i < count; i++)
                if (i != left_out || doubled)
                    g_string_append_printf(text, "%s\n%s%s", lines[i],
                                           i == left_out ? lines[i] : "",
                                           i == left_out ? "\n" : "");
            g_autoptr(Catalogue) log = catalogue_parse("log", text->str, text->len, NULL);
            gboolean is_checkpoint = g_str_has_prefix(lines[left_out], "{\"checkpoint\"");
            /* A checkpoint less signs less or the same; twice it says the same twice. */
            cr_expect_eq(log != NULL, is_checkpoint, "line %u", left_out + 1);
            if (log)
                cr_expect(catalogue_check_signatures(log, &key, 1, NULL));
        }
    }
}

Test(catalogue, bytes_behind_the_last_line_are_noticed_or_cut)
{
    g_autofree char *junk = g_strconcat(golden_log, "junk\n", NULL);
    g_autofree char *again = g_strconcat(golden_log, "{}\n", NULL);
    g_autofree char *empty = g_strconcat(golden_log, "\n", NULL);
    g_autofree char *torn = g_strconcat(golden_log, "{\"n\":14,", NULL);

    expect_corrupt(junk, strlen(junk), "catalogue.log:18: the chain does not hold");
    expect_corrupt(again, strlen(again), "catalogue.log:18: the chain does not hold");
    expect_corrupt(empty, strlen(empty), "catalogue.log:18: the chain does not hold");
    g_autoptr(Catalogue) log = parse(torn);
    cr_expect_eq(catalogue_torn_bytes(log), 8);
    cr_expect_eq(catalogue_count(log), GOLDEN_ENTRIES);
}

/* A log of one entry, chained by GLib. body: all but the chain and the end. (transfer full) */
static char *
log_of_one(const char *body)
{
    g_autofree char *chain = g_compute_checksum_for_string(G_CHECKSUM_SHA256, body, -1);

    return g_strdup_printf("%s,\"chain\":\"%.32s\"}\n", body, chain);
}

Test(catalogue, an_entry_that_makes_no_sense_is_refused_though_its_chain_holds)
{
#define HEAD   "{\"n\":0,\"time\":\"" START "\",\"actor\":\"a\",\"kind\":"
#define NUMBER "expected a whole number"
    static const struct {
        const char *body;
        const char *reason; /* NULL: it is good */
    } cases[] = {
        {HEAD "\"restore\",\"records\":1,\"bytes\":2", NULL},
        {HEAD "\"check\",\"volume\":\"" VOLUME "\",\"result\":\"intact\",\"scope\":\"whole\"",
         NULL},
        {HEAD "\"restore\",\"records\":1,\"bytes\":2,\"more\":[{}]", NULL},
        {"{\"n\":1,\"time\":\"" START "\",\"actor\":\"a\",\"kind\":\"restore\"",
         "\"n\": expected 0"},
        {"{\"n\":-1,\"time\":\"" START "\",\"actor\":\"a\",\"kind\":\"restore\"",
         "\"n\": expected 0"},
        {"{\"n\":0,\"time\":\"0000-12-01T02:00:00Z\",\"actor\":\"a\",\"kind\":\"restore\"",
         "\"time\""},
        {"{\"n\":0,\"time\":17,\"actor\":\"a\",\"kind\":\"restore\"", "\"time\""},
        {"{\"n\":0,\"time\":\"" START "\",\"kind\":\"restore\"", "\"actor\""},
        {"{\"n\":0,\"time\":\"" START "\",\"actor\":\"\\u001b[0m\",\"kind\":\"restore\"",
         "\"actor\": expected text without control characters"},
        {"{\"n\":0,\"time\":\"" START "\",\"actor\":\"\xc2\x9b\",\"kind\":\"restore\"",
         "\"actor\""},
        {HEAD "7", "\"kind\""},
        {HEAD "\"restore\",\"records\":-1,\"bytes\":2", "\"records\": " NUMBER},
        {HEAD "\"restore\",\"records\":9223372036854775808,\"bytes\":2", "not a JSON object"},
        {HEAD "\"restore\",\"records\":1.0,\"bytes\":2", "\"records\": " NUMBER},
        {HEAD "\"restore\",\"records\":1", "\"bytes\": " NUMBER},
        {HEAD "\"restore\",\"volume\":5,\"records\":1,\"bytes\":2", "\"volume\""},
        {HEAD "\"restore\",\"volume\":\"../../etc\",\"records\":1,\"bytes\":2", "\"volume\""},
        {HEAD "\"check\",\"result\":\"intact\",\"scope\":\"whole\"",
         "\"volume\": expected a string"},
        {HEAD "\"restore\",\"records\":1,\"records\":1,\"bytes\":2", "not a JSON object"},
        {HEAD "\"restore\",\"records\":1,\"bytes\":2,\"note\":\"\\u0000\"", "not a JSON object"},
        {HEAD "\"restore\",\"records\":1,\"bytes\":2,\"note\":\"\xff\"", "not a JSON object"},
        {"[0", "not a JSON object"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = log_of_one(cases[i].body);
        if (cases[i].reason) {
            expect_corrupt(text, strlen(text), cases[i].reason);
        } else {
            g_autoptr(Catalogue) log = parse(text);
            cr_expect_eq(catalogue_count(log), 1);
        }
    }
}

Test(catalogue, a_checkpoint_has_one_spelling)
{
    g_autofree char *text = golden_lines(2);
    static const char *const others[][2] = {
        {"\u2014", "\\u2014"},
        {"millrace.archive/", "millrace.archive\\/"},
        {"{\"checkpoint\":", "{\"checkpoint\": "},
        {"\\n\"}\n", "\\n\",\"more\":1}\n"},
        {"\\n\"}\n", "\\nextension\\n\"}\n"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
        g_auto(GStrv) parts = g_strsplit(text, others[i][0], -1);
        g_autofree char *other = g_strjoinv(others[i][1], parts);
        cr_assert_str_neq(other, text);
        expect_corrupt(other, strlen(other), "catalogue.log:2: ");
    }
}

Test(catalogue, lines_and_files_have_limits)
{
    g_autofree char *longer = g_strnfill(70000, 'x');

    longer[69999] = '\n';
    expect_corrupt(longer, 70000, "catalogue.log:1: a line of more than 65536 bytes");
    expect_corrupt(longer, (gsize)CATALOGUE_MAX_BYTES + 1, "which no catalogue has");
}

Test(catalogue, nothing_is_an_empty_log)
{
    g_autoptr(Catalogue) log = parse("");
    g_autoptr(Catalogue) torn = parse("{\"n\":0,\"ti");

    cr_expect_eq(catalogue_count(log), 0);
    cr_expect_null(catalogue_origin(log));
    cr_expect_null(catalogue_checkpoint(log));
    cr_expect_str_eq(catalogue_last_manifest(log), "none");
    cr_expect_eq(catalogue_vouched_us(log, 17), 17);
    cr_expect_eq(catalogue_latest_us(log, 17), 17);
    cr_expect_eq(catalogue_volumes(log)->len, 0);
    cr_expect_eq(catalogue_torn_bytes(torn), 10);
    cr_expect(catalogue_continues(log, torn));
}

Test(catalogue, a_first_pack_that_was_never_signed_leaves_an_empty_log)
{
    g_autofree char *text = golden_lines(1);
    g_autoptr(Catalogue) log = parse(text);
    g_autoptr(MinisignSecret) secret = minisign_generate(NULL);

    cr_expect_eq(catalogue_count(log), 0);
    cr_expect_null(catalogue_origin(log));
    append(log, pack_entry(OTHER, START, START));
    catalogue_sign(log, secret);
    g_autofree char *next = write_pending(text, log);
    g_autoptr(Catalogue) again = parse(next);
    cr_expect_eq(catalogue_count(again), 1);
    cr_expect_str_eq(catalogue_origin(again), catalogue_origin(log));
}

Test(catalogue, what_is_appended_is_what_the_other_program_writes)
{
    g_autoptr(Catalogue) golden = parse(golden_log);
    g_autoptr(Catalogue) log = catalogue_new();
    g_auto(GStrv) lines = g_strsplit(golden_log, "\n", -1);
    g_autoptr(GString) expected = g_string_new(NULL);
    guint64 keep_bytes = 0;
    gsize size_bytes = 0;

    /* Up to the kind that is not ours. */
    for (guint64 i = 0; i < 11; i++)
        catalogue_append(log, catalogue_entry(golden, i));
    for (guint i = 0; i < 13; i++)
        if (!g_str_has_prefix(lines[i], "{\"checkpoint\""))
            g_string_append_printf(expected, "%s\n", lines[i]);
    const char *pending = catalogue_pending(log, &keep_bytes, &size_bytes);
    cr_expect_eq(keep_bytes, 0);
    cr_expect_str_eq(pending, expected->str);
    cr_expect_str_eq(catalogue_origin(log), catalogue_origin(golden));
}

Test(catalogue, a_checkpoint_is_what_the_other_program_signs)
{
    g_autofree char *text = golden_lines(6);
    g_autofree char *whole = golden_lines(9);
    g_autoptr(Catalogue) golden = parse(golden_log);
    g_autoptr(Catalogue) log = parse(text);
    guint8 bytes[158] = {'E', 'd', 0, 0, 'B', '2'};
    MinisignPublic key = golden_key();

    for (guint8 i = 0; i < 8; i++)
        bytes[54 + i] = i + 1;
    for (guint8 i = 0; i < 32; i++)
        bytes[62 + i] = i;
    memcpy(bytes + 94, key.key, sizeof key.key);
    g_autofree char *base64 = g_base64_encode(bytes, sizeof bytes);
    g_autofree char *secret_text = g_strdup_printf("untrusted comment: golden\n%s\n", base64);
    g_autoptr(MinisignSecret) secret = minisign_secret_parse("golden.key", secret_text, NULL);
    cr_assert_not_null(secret);
    catalogue_append(log, catalogue_entry(golden, 5));
    catalogue_append(log, catalogue_entry(golden, 6));
    catalogue_sign(log, secret);
    g_autofree char *next = write_pending(text, log);
    cr_expect_str_eq(next, whole);
}

Test(catalogue, what_was_written_is_not_pending_any_more)
{
    g_autoptr(Catalogue) log = catalogue_new();
    g_autoptr(MinisignSecret) secret = minisign_generate(NULL);
    guint64 keep_bytes = 0;
    gsize size_bytes = 0;

    append(log, pack_entry(VOLUME, START, START));
    catalogue_sign(log, secret);
    g_autofree char *first = write_pending("", log);
    catalogue_written(log);
    catalogue_pending(log, &keep_bytes, &size_bytes);
    cr_expect_eq(keep_bytes, strlen(first));
    cr_expect_eq(size_bytes, 0);
    append(log, check_entry("2026-12-02T00:00:00Z"));
    g_autofree char *second = write_pending(first, log);
    g_autoptr(Catalogue) again = parse(second);
    cr_expect_eq(catalogue_count(again), 2);
    cr_expect_eq(catalogue_signed_count(again), 1);
}

Test(catalogue, text_of_any_kind_can_be_appended)
{
    g_autoptr(Catalogue) log = catalogue_new();
    g_autofree char *much = g_strnfill(9000, '"');
    CatalogueEntry entry = {.time_us = at(START),
                            .actor = "a\nb\x1b[0m",
                            .kind = CATALOGUE_RESTORE,
                            .note = "caf\xe9%"};

    append(log, entry);
    entry.actor = entry.note = much;
    append(log, entry);
    g_autofree char *text = write_pending("", log);
    g_autoptr(Catalogue) again = parse(text);
    cr_expect_str_eq(catalogue_entry(again, 0)->actor, "a?b?[0m");
    cr_expect_str_eq(catalogue_entry(again, 0)->note, "caf%E9%25");
    cr_expect_eq(strlen(catalogue_entry(again, 1)->note), CATALOGUE_TEXT_MAX);
    cr_expect_str_eq(catalogue_entry(log, 0)->note, "caf%E9%25", "at once");
}

Test(catalogue, a_checkpoint_by_another_key_names_both)
{
    g_autoptr(Catalogue) log = parse(golden_log);
    g_autoptr(MinisignSecret) other = minisign_generate(NULL);
    MinisignPublic keys[2] = {*minisign_public(other), golden_key()};
    char id[MINISIGN_ID_CHARS + 1];
    g_autoptr(GError) error = NULL;

    cr_expect(catalogue_check_signatures(log, keys, 2, NULL));
    cr_assert_not(catalogue_check_signatures(log, keys, 1, &error));
    minisign_id(&keys[0], id);
    g_autofree char *expected = g_strdup_printf("catalogue.log:2: checkpoint: signed with the key "
                                                "0807060504030201, which is none of: %s",
                                                id);
    cr_expect_str_eq(error->message, expected);
    cr_expect_not(catalogue_check_signatures(log, NULL, 0, NULL));
    /* Another key that says it has the number. */
    memcpy(keys[0].number, keys[1].number, sizeof keys[0].number);
    cr_expect_not(catalogue_check_signatures(log, keys, 1, NULL));
    cr_expect(catalogue_check_signatures(log, keys, 2, NULL));
}

Test(catalogue, a_log_continues_another_or_parts_from_it)
{
    g_autoptr(Catalogue) whole = parse(golden_log);
    g_autofree char *text = golden_lines(9);
    g_autoptr(Catalogue) part = parse(text);
    g_autoptr(Catalogue) parted = parse(text);

    cr_expect(catalogue_continues(whole, part));
    cr_expect_not(catalogue_continues(part, whole));
    cr_expect(catalogue_continues(part, part));
    append(parted, check_entry("2027-01-03T00:00:00Z"));
    cr_expect_not(catalogue_continues(whole, parted));
    cr_expect_eq(catalogue_common(whole, parted), 7);
    cr_expect_eq(catalogue_common(whole, whole), GOLDEN_ENTRIES);
}
