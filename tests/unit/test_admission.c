/* test_admission.c - who is taken, who is next, and that one who floods takes nobody else's turn.
 * Times are simulated: a worker is busy for exactly what a request costs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/admission.h"

#include <criterion/criterion.h>

#define MS           ((guint64)1000)
#define COUNT_MAX    4096
#define DEADLINE_US  (30000 * MS)
#define ITEM(number) GUINT_TO_POINTER(number)

static const AdmissionLimits roomy = {
    .workers = 2, .wait_max_us = 1000 * (gint64)MS, .waiting_max = 1000, .customer_share = 100};

static AdmissionVerdict
push(Admission *admission, const char *customer, guint64 cost_us, guint item)
{
    guint retry_s = 0;
    guint asked_s = 0;
    AdmissionVerdict asked = admission_ask(admission, customer, cost_us, &asked_s);
    AdmissionVerdict got = admission_push(admission, customer, cost_us, ITEM(item), &retry_s);

    cr_assert_eq(asked, got, "to ask says what to push does");
    cr_assert_eq(asked_s, retry_s);
    cr_assert_geq(retry_s, 1);
    return got;
}

static guint
pop(Admission *admission)
{
    guint64 cost_us = 0;

    return GPOINTER_TO_UINT(admission_pop(admission, &cost_us));
}

Test(admission, one_customer_is_served_in_order)
{
    g_autoptr(Admission) admission = admission_new(&roomy, DEADLINE_US);

    for (guint i = 1; i <= 5; i++)
        cr_assert_eq(push(admission, "a", (6 - i) * 10 * MS, i), ADMISSION_TAKEN);
    cr_expect_eq(admission_waiting(admission), 5);
    cr_expect_eq(admission_backlog_us(admission), 150 * MS);
    for (guint i = 1; i <= 5; i++)
        cr_expect_eq(pop(admission), i);
    cr_expect_eq(pop(admission), 0);
    cr_expect_eq(admission_waiting(admission), 0);
    cr_expect_eq(admission_backlog_us(admission), 150 * MS, "what runs counts until it is done");
    admission_done(admission, 150 * MS);
    cr_expect_eq(admission_backlog_us(admission), 0);
}

Test(admission, two_customers_take_turns_by_cost)
{
    g_autoptr(Admission) admission = admission_new(&roomy, DEADLINE_US);
    char order[8] = "";

    /* The dear ones of a cost 30, the cheap ones of b 10: one of a for three of b. */
    for (guint i = 0; i < 2; i++)
        push(admission, "a", 30 * MS, 100 + i);
    for (guint i = 0; i < 5; i++)
        push(admission, "b", 10 * MS, 200 + i);
    for (guint i = 0; i < 7; i++)
        order[i] = pop(admission) < 200 ? 'a' : 'b';
    cr_expect_str_eq(order, "abbbabb");
}

Test(admission, rest_is_not_saved_up)
{
    g_autoptr(Admission) admission = admission_new(&roomy, DEADLINE_US);
    char order[8] = "";

    for (guint i = 0; i < 14; i++)
        push(admission, "a", 10 * MS, 100 + i);
    for (guint i = 0; i < 10; i++)
        cr_expect_lt(pop(admission), 200);
    for (guint i = 0; i < 4; i++)
        push(admission, "b", 10 * MS, 200 + i);
    for (guint i = 0; i < 4; i++)
        order[i] = pop(admission) < 200 ? 'a' : 'b';
    cr_expect_neq(order[0] == order[1] && order[1] == order[2], TRUE, "%s", order);
}

Test(admission, what_would_wait_too_long_is_refused_at_once)
{
    g_autoptr(Admission) admission = admission_new(&roomy, DEADLINE_US);
    guint taken = 0;

    /* Two workers, a second: 2000 ms of work go before the one that is refused. */
    while (push(admission, "a", 100 * MS, taken + 1) == ADMISSION_TAKEN)
        taken++;
    cr_expect_eq(taken, 21);
    guint retry_s = 0;
    cr_expect_eq(admission_push(admission, "a", 1, ITEM(99), &retry_s), ADMISSION_OVERLOADED);
    cr_expect_eq(admission_waiting(admission), 21, "who is refused does not wait");
    /* Work takes three times as long as its CPU time says: then a third of it is too much. */
    for (guint i = 0; i < 1000; i++)
        admission_pace(admission, 10 * MS, 30 * MS);
    while (admission_waiting(admission) > 6)
        admission_done(admission, (pop(admission), 100 * MS));
    cr_expect_eq(push(admission, "a", 100 * MS, 100), ADMISSION_TAKEN);
    cr_expect_eq(push(admission, "a", 100 * MS, 101), ADMISSION_OVERLOADED);
}

Test(admission, a_bounded_number_waits)
{
    AdmissionLimits limits = roomy;
    limits.waiting_max = 3;
    g_autoptr(Admission) admission = admission_new(&limits, DEADLINE_US);

    for (guint i = 1; i <= 3; i++)
        cr_expect_eq(push(admission, "a", 1, i), ADMISSION_TAKEN);
    cr_expect_eq(push(admission, "a", 1, 4), ADMISSION_OVERLOADED);
    /* Others than he who fills it have their place, but not without end. */
    cr_expect_eq(push(admission, "b", 1, 5), ADMISSION_TAKEN);
    cr_expect_eq(push(admission, "c", 1, 6), ADMISSION_TAKEN);
    cr_expect_eq(push(admission, "a", 1, 7), ADMISSION_CUSTOMER_FULL);
    cr_expect_eq(push(admission, "d", 1, 8), ADMISSION_TAKEN);
    cr_expect_eq(push(admission, "e", 1, 9), ADMISSION_OVERLOADED);
    cr_expect_eq(admission_waiting(admission), 6);
}

Test(admission, a_customer_fills_his_share_while_others_wait)
{
    AdmissionLimits limits = roomy;
    limits.customer_share = 10;
    g_autoptr(Admission) admission = admission_new(&limits, DEADLINE_US);

    /* A tenth of a second on two workers: 200 ms. */
    for (guint i = 1; i <= 5; i++)
        cr_expect_eq(push(admission, "a", 100 * MS, i), ADMISSION_TAKEN, "alone he may have all");
    cr_expect_eq(push(admission, "b", 100 * MS, 6), ADMISSION_TAKEN);
    cr_expect_eq(push(admission, "a", 100 * MS, 7), ADMISSION_CUSTOMER_FULL);
    cr_expect_eq(push(admission, "b", 200 * MS, 8), ADMISSION_TAKEN);
    cr_expect_eq(push(admission, "b", 100 * MS, 9), ADMISSION_CUSTOMER_FULL);
}

Test(admission, what_no_request_may_take_is_refused_whatever_waits)
{
    g_autoptr(Admission) admission = admission_new(&roomy, DEADLINE_US);

    cr_expect_eq(push(admission, "a", DEADLINE_US + 1, 1), ADMISSION_TOO_COSTLY);
    cr_expect_eq(push(admission, "a", DEADLINE_US, 1), ADMISSION_TAKEN);
    admission_set_deadline(admission, (gint64)MS);
    cr_expect_eq(push(admission, "b", MS + 1, 2), ADMISSION_TOO_COSTLY);
}

Test(admission, who_is_gone_is_taken_out)
{
    g_autoptr(Admission) admission = admission_new(&roomy, DEADLINE_US);

    push(admission, "a", MS, 1);
    push(admission, "a", 2 * MS, 2);
    push(admission, "b", 3 * MS, 3);
    cr_expect(admission_remove(admission, ITEM(1)));
    cr_expect_not(admission_remove(admission, ITEM(1)));
    cr_expect(admission_remove(admission, ITEM(3)));
    cr_expect_eq(admission_backlog_us(admission), 2 * MS);
    cr_expect_eq(pop(admission), 2);
    cr_expect_not(admission_remove(admission, ITEM(2)), "it runs");
    cr_expect_eq(pop(admission), 0);
    push(admission, "a", MS, 4); /* left behind: freed with the rest */
}

/* A world of two workers in which time passes from event to event. */
typedef struct {
    Admission *admission;
    GRand *rand;
    guint64 now_us;
    struct {
        guint64 cost_us;
        guint64 until_us;
        guint item;
    } workers[2];
    guint items;
    gboolean of_b[COUNT_MAX];
    guint64 came_us[COUNT_MAX];
    guint64 served_us[2];
    guint64 worst_wait_us; /* of b */
    guint refused;         /* of b */
} World;

static void
world_push(World *world, gboolean of_b, guint64 cost_us)
{
    guint retry_s = 0;
    guint item = ++world->items;

    cr_assert_lt(item, COUNT_MAX);
    world->of_b[item] = of_b;
    world->came_us[item] = world->now_us;
    if (admission_push(world->admission, of_b ? "b" : "a", cost_us, ITEM(item), &retry_s) !=
        ADMISSION_TAKEN) {
        world->items--;
        world->refused += of_b != FALSE;
    }
}

static void
world_give(World *world)
{
    for (guint i = 0; i < 2; i++) {
        if (world->workers[i].item != 0)
            continue;
        guint64 cost_us = 0;
        guint item = GPOINTER_TO_UINT(admission_pop(world->admission, &cost_us));
        if (item == 0)
            return;
        world->workers[i].item = item;
        world->workers[i].cost_us = cost_us;
        world->workers[i].until_us = world->now_us + cost_us;
        world->served_us[world->of_b[item]] += cost_us;
        if (world->of_b[item])
            world->worst_wait_us = MAX(world->worst_wait_us, world->now_us - world->came_us[item]);
    }
}

/* Lets time pass to then_us. */
static void
world_run(World *world, guint64 then_us)
{
    for (;;) {
        guint first =
            world->workers[0].item == 0 || (world->workers[1].item != 0 &&
                                            world->workers[1].until_us < world->workers[0].until_us)
                ? 1
                : 0;
        if (world->workers[first].item == 0 || world->workers[first].until_us > then_us)
            break;
        world->now_us = world->workers[first].until_us;
        admission_done(world->admission, world->workers[first].cost_us);
        world->workers[first].item = 0;
        world_give(world);
    }
    world->now_us = then_us;
}

Test(admission, a_flood_takes_no_turn_of_another)
{
    for (guint seed = 1; seed <= 20; seed++) {
        g_autoptr(Admission) admission = admission_new(&roomy, DEADLINE_US);
        World world = {.admission = admission, .rand = g_rand_new_with_seed(seed)};
        /* a pushes whatever is taken, of 1 to 40 ms; b 5 ms, each 20 to 60 ms: an eighth of what
         * two workers do. */
        for (guint i = 0; i < 200; i++) {
            for (guint k = 0; k < 8; k++)
                world_push(&world, FALSE, MS * (guint64)g_rand_int_range(world.rand, 1, 41));
            world_push(&world, TRUE, 5 * MS);
            world_give(&world);
            world_run(&world, world.now_us + MS * (guint64)g_rand_int_range(world.rand, 20, 61));
        }
        cr_expect_eq(world.refused, 0, "seed %u: b's requests are within his share", seed);
        /* Both workers are at a's dearest, and one of a's may have the same start. */
        cr_expect_leq(world.worst_wait_us, 80 * MS, "seed %u: %" G_GUINT64_FORMAT " us", seed,
                      world.worst_wait_us);
        cr_expect_gt(world.served_us[0], 3 * world.served_us[1], "a has all that b leaves");
        g_rand_free(world.rand);
    }
}

Test(admission, two_floods_share_evenly_by_cost)
{
    g_autoptr(Admission) admission = admission_new(&roomy, DEADLINE_US);
    World world = {.admission = admission, .rand = g_rand_new_with_seed(7)};

    /* a's are dear, b's are cheap and ten times as many. */
    for (guint i = 0; i < 100; i++) {
        world_push(&world, FALSE, 50 * MS);
        world_push(&world, FALSE, 50 * MS);
        for (guint k = 0; k < 20; k++)
            world_push(&world, TRUE, 5 * MS);
        world_give(&world);
        world_run(&world, world.now_us + 50 * MS);
    }
    double share = (double)world.served_us[1] / (double)(world.served_us[0] + world.served_us[1]);
    cr_expect_gt(share, 0.45, "%f", share);
    cr_expect_lt(share, 0.55, "%f", share);
    g_rand_free(world.rand);
}

Test(admission, many_customers_who_come_once_are_forgotten)
{
    AdmissionLimits limits = roomy;
    limits.waiting_max = 10;
    g_autoptr(Admission) admission = admission_new(&limits, DEADLINE_US);

    push(admission, "steady", 10, 1);
    for (guint i = 0; i < 100000; i++) {
        g_autofree char *name = g_strdup_printf("customer-%u", i);
        guint64 cost_us = 0;
        cr_assert_eq(push(admission, name, 10, 2 + i), ADMISSION_TAKEN);
        cr_assert_not_null(admission_pop(admission, &cost_us));
        admission_done(admission, cost_us);
    }
    cr_expect_eq(admission_waiting(admission), 1);
}

static guint64
predict(const Admission *admission, ImageFormat format, guint32 side_px)
{
    ImageHeader header = {.format = format, .width_px = side_px, .height_px = side_px};

    return admission_predict(admission, &header, 1, 1);
}

Test(admission, costs_are_learnt_by_format_and_size)
{
    g_autoptr(Admission) admission = admission_new(&roomy, DEADLINE_US);
    guint64 png_us = predict(admission, IMAGE_FORMAT_PNG, 3000);

    /* JPEG that takes 700 us, and 10 us a thousand pixels. */
    for (guint i = 0; i < 300; i++) {
        guint32 side_px = 300 + i % 30 * 100;
        ImageHeader header = {
            .format = IMAGE_FORMAT_JPEG, .width_px = side_px, .height_px = side_px};
        admission_learn(admission, &header, 1, 1, 700 + (guint64)side_px * side_px / 100);
    }
    static const guint32 sides[] = {100, 1000, 3000};
    for (guint i = 0; i < G_N_ELEMENTS(sides); i++) {
        double expected = 700 + sides[i] * sides[i] / 100.0;
        double got = (double)predict(admission, IMAGE_FORMAT_JPEG, sides[i]);
        cr_expect_lt(ABS(got - expected), 300 + expected * 0.05, "%u: %f for %f", sides[i], got,
                     expected);
    }
    cr_expect_eq(predict(admission, IMAGE_FORMAT_PNG, 3000), png_us);
}

Test(admission, predictions_are_never_nothing_and_never_absurd)
{
    g_autoptr(Admission) admission = admission_new(&roomy, DEADLINE_US);
    ImageHeader huge = {
        .format = IMAGE_FORMAT_PNG, .width_px = G_MAXUINT32, .height_px = G_MAXUINT32};
    ImageHeader unknown = {.format = IMAGE_FORMAT_JPEG};

    for (guint i = 0; i < 1000; i++)
        admission_learn(admission, &huge, 1, 1, 0);
    cr_expect_geq(predict(admission, IMAGE_FORMAT_PNG, 1), 1);
    cr_expect_geq(predict(admission, IMAGE_FORMAT_PNG, 4000), 10 * MS,
                  "what somebody taught does not make sixteen megapixels cost nothing");
    cr_expect_gt(admission_predict(admission, &huge, 1, 1), DEADLINE_US);
    for (guint i = 0; i < 1000; i++)
        admission_learn(admission, &huge, 1, 1, G_MAXUINT64);
    cr_expect_leq(admission_predict(admission, &huge, 1, 1), (guint64)1e15);
    cr_expect_geq(admission_predict(admission, &unknown, 0, 0), 1);
    cr_expect_gt(admission_predict(admission, &unknown, 10 << 20, 1),
                 admission_predict(admission, &unknown, 1 << 20, 1));
}
