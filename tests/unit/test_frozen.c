/* test_frozen.c - inputs of a run as text, and back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "formats/frozen.h"

#include <string.h>

#include <criterion/criterion.h>

#include "formats/error.h"

#define A    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HEAD "millrace-bill-inputs 1\nmade-by millrace 0.1.0\nperiod 2026-11\nprices " A "\n"

static FrozenInputs *
made(void)
{
    FrozenInputs *frozen = frozen_new();

    cr_assert(period_parse("2026-11", &frozen->period, NULL));
    frozen->made_by = g_strdup("millrace 0.1.0");
    frozen->prices = g_strdup(A);
    return frozen;
}

static void
add(GPtrArray *list, const char *text)
{
    g_ptr_array_add(list, g_strdup(text));
}

Test(frozen, text_is_that_of_the_description)
{
    g_autoptr(FrozenInputs) frozen = made();
    g_autoptr(GString) text = g_string_new(NULL);

    add(frozen->segments, B);
    add(frozen->segments, A);
    add(frozen->refused, "c");
    add(frozen->seals, "2026-11 48 5-6,9-9 n07");
    add(frozen->seals, "2026-10 12 - a \"b\"\nc \xc3\xbc");
    add(frozen->closed, "2026-10 2026-10-0123456789abcdef");
    add(frozen->expected, "z");
    add(frozen->expected, "a b");
    frozen_print(frozen, text);
    cr_expect_str_eq(text->str, HEAD "expect \"a b\"\nexpect \"z\"\nsegment " A "\nsegment " B "\n"
                                     "refused \"c\"\n"
                                     "seal \"2026-10 12 - a \\\"b\\\"\\nc \xc3\xbc\"\n"
                                     "seal \"2026-11 48 5-6,9-9 n07\"\n"
                                     "closed \"2026-10 2026-10-0123456789abcdef\"\n");
}

Test(frozen, what_is_printed_is_read_again)
{
    g_autoptr(FrozenInputs) frozen = made();
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GString) again = g_string_new(NULL);

    frozen->all_expected = TRUE;
    add(frozen->segments, A);
    add(frozen->seals, "2026-10 12 - \"\\/\x01 \xf0\x9f\x98\x80");
    add(frozen->closed, "2026-09 2026-09-0123456789abcdef");
    frozen_print(frozen, text);
    g_autoptr(FrozenInputs) parsed = frozen_parse("inputs.txt", text->str, NULL);
    cr_assert_not_null(parsed);
    cr_expect_eq(parsed->period.start_us, frozen->period.start_us);
    cr_expect(parsed->all_expected);
    cr_expect_str_eq(parsed->seals->pdata[0], frozen->seals->pdata[0]);
    frozen_print(parsed, again);
    cr_expect_str_eq(again->str, text->str);
}

Test(frozen, a_run_is_named_by_the_month_and_the_digest_of_the_text)
{
    g_autoptr(FrozenInputs) frozen = made();
    char run[FROZEN_RUN_CHARS + 1];

    /* printf abc | sha256sum */
    frozen_run(frozen, "abc", 3, run);
    cr_expect_str_eq(run, "2026-11-ba7816bf8f01cfea");
}

Test(frozen, the_order_in_which_inputs_were_found_makes_no_difference)
{
    g_autoptr(FrozenInputs) one = made();
    g_autoptr(FrozenInputs) two = made();
    g_autoptr(GString) one_text = g_string_new(NULL);
    g_autoptr(GString) two_text = g_string_new(NULL);

    add(one->segments, A);
    add(one->segments, B);
    add(two->segments, B);
    add(two->segments, A);
    frozen_print(one, one_text);
    frozen_print(two, two_text);
    cr_expect_str_eq(one_text->str, two_text->str);
}

Test(frozen, what_is_not_ours_is_refused_with_its_line)
{
    static const struct {
        const char *text;
        const char *where;
    } cases[] = {
        {"", "inputs.txt:1:"},
        {"millrace-bill-inputs 2\n", "inputs.txt:1:"},
        {"millrace-bill-inputs 1\n", "inputs.txt:1:"},
        {"millrace-bill-inputs 1\nmade-by x\nprices y\n", "inputs.txt:3:"}, /* no period */
        {HEAD "period 2026-13\n", "inputs.txt:5:"},
        {HEAD "segment\n", "inputs.txt:5:"},
        {HEAD "segments " A "\n", "inputs.txt:5:"},
        {HEAD "seal n07\n", "inputs.txt:5:"},
        {HEAD "seal \"n07\n", "inputs.txt:5:"},
        {HEAD "seal 7\n", "inputs.txt:5:"},
        {HEAD "seal \"a\",\"b\":\"c\"\n", "inputs.txt:5:"},
        {HEAD "expect \"a\" \"b\"\n", "inputs.txt:5:"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(FrozenInputs) frozen = frozen_parse("inputs.txt", cases[i].text, &error);
        cr_assert_null(frozen, "case %u", i);
        cr_expect(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_CORRUPT));
        cr_expect(g_str_has_prefix(error->message, cases[i].where), "case %u: %s", i,
                  error->message);
    }
}
