/* test_queue_amqp_where.c - places of queues: what can be left out, and that no password is shown.
 * SPDX-License-Identifier: Apache-2.0 */
#include "jobs/queue_amqp_where.h"

#include <string.h>

#include <criterion/criterion.h>

#include "jobs/queue.h"

static void
expect_host(const AmqpWhere *where, guint index, const char *host, guint port)
{
    cr_assert_lt(index, where->host_count);
    cr_expect_str_eq(where->hosts[index].host, host);
    cr_expect_eq(where->hosts[index].port, port);
}

Test(queue_amqp_where, all_of_it)
{
    g_auto(AmqpWhere) where = {0};

    cr_assert(amqp_where_parse("amqp://door:s%2Fe:c@ret@a.example:1234,b_2,[2001:db8::1]:99,[::1]"
                               "/imaging%2Feu?queue=bulk-2.jobs",
                               &where, NULL));
    cr_expect_str_eq(where.user, "door");
    cr_expect_str_eq(where.password, "s/e:c@ret");
    cr_expect_eq(where.host_count, 4);
    expect_host(&where, 0, "a.example", 1234);
    expect_host(&where, 1, "b_2", 5672);
    expect_host(&where, 2, "2001:db8::1", 99);
    expect_host(&where, 3, "::1", 5672);
    cr_expect_str_eq(where.vhost, "imaging/eu");
    cr_expect_str_eq(where.queue, "bulk-2.jobs");
    cr_expect_str_eq(where.dead, "bulk-2.jobs.dead");
    cr_expect_str_eq(where.name, "amqp://a.example:1234,b_2,[2001:db8::1]:99,[::1]/imaging%2Feu");
}

Test(queue_amqp_where, what_is_left_out_is_as_brokers_come)
{
    static const char *const texts[] = {"amqp://h", "amqp://h/", "amqp://h/%2F",
                                        "amqp://guest:guest@h:5672"};

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_auto(AmqpWhere) where = {0};
        cr_assert(amqp_where_parse(texts[i], &where, NULL), "%s", texts[i]);
        cr_expect_str_eq(where.user, "guest");
        cr_expect_str_eq(where.password, "guest");
        expect_host(&where, 0, "h", 5672);
        cr_expect_str_eq(where.vhost, "/");
        cr_expect_str_eq(where.queue, "millrace.jobs");
    }
}

Test(queue_amqp_where, what_cannot_be_is_refused_and_no_password_shown)
{
    static const char *const texts[] = {"amqp://",
                                        "amqp:host",
                                        "amqp://user:hidden@",
                                        "amqp://user:hidden@h,",
                                        "amqp://user:hidden@h:0",
                                        "amqp://user:hidden@h:65536",
                                        "amqp://user:hidden@h:12x",
                                        "amqp://user:hidden@[::1",
                                        "amqp://user:hidden@[::1]9",
                                        "amqp://user:hidden%00@h",
                                        "amqp://user:hidden%zz@h",
                                        "amqp://:hidden@h",
                                        "amqp://user:hidden@h h",
                                        "amqp://user:hidden@h?queue=",
                                        "amqp://user:hidden@h?queue=a/b",
                                        "amqp://user:hidden@h?queue=amq.x",
                                        "amqp://user:hidden@h?heartbeat=1",
                                        "amqp://user:hidden@a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a",
                                        "amqps://user:hidden@h"};

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        cr_expect_null(queue_open(texts[i], 1, &error), "%s", texts[i]);
        cr_assert(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_USAGE), "%s", texts[i]);
        cr_expect_null(strstr(error->message, "hidden"), "%s", error->message);
    }
}

Test(queue_amqp_where, names_of_any_length_are_bounded)
{
    g_autofree char *name = g_strnfill(201, 'n');
    g_autofree char *queue = g_strconcat("amqp://h?queue=", name, NULL);
    g_autofree char *vhost = g_strconcat("amqp://h/", name, NULL);
    g_autofree char *user = g_strconcat("amqp://", name, "@h", NULL);
    const char *const texts[] = {queue, vhost, user};

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_auto(AmqpWhere) where = {0};
        cr_expect_not(amqp_where_parse(texts[i], &where, NULL), "%s", texts[i]);
    }
}

/* Nobody listens at the discard port of this machine. */
Test(queue_amqp_where, a_broker_that_is_away_is_told_without_the_password)
{
    g_autoptr(Queue) queue = queue_open("amqp://user:hidden@127.0.0.1:9", 1, NULL);
    g_autoptr(GError) error = NULL;
    QueueDepth depth;

    cr_assert_not_null(queue);
    cr_expect_not(queue_depth(queue, &depth, &error));
    cr_assert(g_error_matches(error, MILLRACE_ERROR, MILLRACE_ERROR_UNAVAILABLE));
    cr_expect_not_null(strstr(error->message, "127.0.0.1:9"), "%s", error->message);
    cr_expect_null(strstr(error->message, "hidden"), "%s", error->message);
}
