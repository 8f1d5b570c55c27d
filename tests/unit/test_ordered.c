/* Tests of jobs/ordered.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "formats/error.h"
#include "jobs/ordered.h"

typedef struct {
    guint64 fails_at;
    gint states; /* threads that are there */
} Numbers;

static gpointer
state_new(gpointer data)
{
    Numbers *numbers = data;

    g_atomic_int_inc(&numbers->states);
    return numbers;
}

static void
state_free(gpointer state)
{
    Numbers *numbers = state;

    g_atomic_int_add(&numbers->states, -1);
}

/* Later tasks are sooner done. */
static gpointer
square(gpointer state G_GNUC_UNUSED, guint64 index, gpointer data, GError **error)
{
    Numbers *numbers = data;

    g_usleep(index % 4 == 0 ? 2000 : 0);
    if (index == numbers->fails_at) {
        g_set_error(error, MILLRACE_ERROR, MILLRACE_ERROR_IO, "task %u", (guint)index);
        return NULL;
    }
    guint64 *result = g_new(guint64, 1);
    *result = index * index;
    return result;
}

static const OrderedWork squares = {state_new, state_free, square, g_free};

Test(ordered, gives_results_in_the_order_of_tasks_for_any_number_of_threads)
{
    for (guint threads = 1; threads <= 9; threads += 4) {
        Numbers numbers = {.fails_at = G_MAXUINT64};
        Ordered *ordered = ordered_new(&squares, &numbers, 100, threads);
        for (guint64 i = 0; i < 100; i++) {
            g_autofree guint64 *result = ordered_next(ordered, NULL);
            cr_assert(result && *result == i * i);
        }
        cr_assert_null(ordered_next(ordered, NULL));
        ordered_free(ordered);
        cr_assert_eq(numbers.states, 0);
    }
}

Test(ordered, stops_at_the_first_task_that_fails)
{
    Numbers numbers = {.fails_at = 17};
    g_autoptr(Ordered) ordered = ordered_new(&squares, &numbers, 100, 3);
    g_autoptr(GError) error = NULL;

    for (guint64 i = 0; i < 17; i++) {
        g_autofree guint64 *result = ordered_next(ordered, &error);
        cr_assert(result && !error);
    }
    cr_assert_null(ordered_next(ordered, &error));
    cr_assert_str_eq(error->message, "task 17");
    cr_assert_null(ordered_next(ordered, NULL));
}

Test(ordered, can_be_freed_at_any_time)
{
    for (guint taken = 0; taken < 20; taken++) {
        Numbers numbers = {.fails_at = G_MAXUINT64};
        Ordered *ordered = ordered_new(&squares, &numbers, 1000, 4);
        for (guint i = 0; i < taken; i++)
            g_free(ordered_next(ordered, NULL));
        ordered_free(ordered);
        cr_assert_eq(numbers.states, 0);
    }
}

Test(ordered, has_nothing_to_give_of_no_tasks)
{
    Numbers numbers = {0};
    g_autoptr(Ordered) ordered = ordered_new(&squares, &numbers, 0, 4);

    cr_assert_null(ordered_next(ordered, NULL));
}
