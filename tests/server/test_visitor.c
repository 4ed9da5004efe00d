/* What tells visitors apart: a hint of the day that leads back to nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "server/http/exchange.h"
#include "server/pages/visitor.h"

static const char PHONE[] =
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Mobile/15E148 Safari/604.1";
static const int64_t DAY = 86400000, NOON = 1790000000000 - 1790000000000 % 86400000 + 43200000;

static struct exchange exchange;

static int start(void **state)
{
    *state = visits_open();
    return 0;
}

static int stop(void **state)
{
    visits_close(*state);
    return 0;
}

static void give_header(const char *name, const char *value)
{
    exchange.headers[exchange.header_count++] =
        (struct header){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
    exchange.request.header_lengths |= header_length_bit(strlen(name));
}

static void come(const char *address, const char *agent)
{
    memset(&exchange, 0, sizeof exchange);
    assert_true(address_parse(address, strlen(address), &exchange.request.client));
    give_header("User-Agent", agent);
    give_header("Accept-Language", "en");
}

static struct visit visit(struct visits *visits, int64_t owner_id, int64_t share_id, int64_t now_ms)
{
    struct visit out;
    visit_of(visits, &exchange.request, owner_id, share_id, false, now_ms, &out);
    return out;
}

static uint64_t hash(struct visits *visits, int64_t owner_id, int64_t now_ms)
{
    return visit(visits, owner_id, 1, now_ms).hash;
}

static void hint__is_the_same_for_one_owner_and_day_only(void **state)
{
    come("203.0.113.7", PHONE);
    uint64_t first = hash(*state, 1, NOON);
    assert_true(first != 0);
    assert_true(hash(*state, 1, NOON + 1000) == first);
    assert_true(hash(*state, 2, NOON) != first);
    come("203.0.113.8", PHONE);
    assert_true(hash(*state, 1, NOON) != first);
    come("203.0.113.7", "Mozilla/5.0 (Android 14; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0");
    assert_true(hash(*state, 1, NOON) != first);
    come("203.0.113.7", PHONE);
    assert_true(hash(*state, 1, NOON) == first);
    assert_true(hash(*state, 1, NOON + DAY) != first);
    assert_true(hash(*state, 1, NOON) != first); /* the day's salt is gone for good */
}

static void hint__is_the_same_on_all_servers_of_a_store(void **state)
{
    static const unsigned char salt[DAY_SALT_SIZE] = "of the first day", next[DAY_SALT_SIZE] = "of the next";
    static const unsigned char key[KEY_SIZE] = "of the key file", another[KEY_SIZE] = "of another";
    struct visits *here = *state, *there = visits_open(), *elsewhere = visits_open();
    come("203.0.113.7", PHONE);
    assert_true(hash(here, 1, NOON) != hash(there, 1, NOON));
    visits_take_salt(here, NOON / DAY, salt, key);
    visits_take_salt(there, NOON / DAY, salt, key);
    visits_take_salt(elsewhere, NOON / DAY, salt, another);
    uint64_t first = hash(here, 1, NOON);
    assert_true(hash(there, 1, NOON) == first);
    assert_true(hash(elsewhere, 1, NOON) != first);
    visits_take_salt(here, NOON / DAY + 1, next, key);
    visits_take_salt(there, NOON / DAY + 1, next, key);
    assert_true(hash(here, 1, NOON) == first); /* not before its day */
    assert_true(hash(here, 1, NOON + DAY) != first);
    assert_true(hash(here, 1, NOON + DAY) == hash(there, 1, NOON + DAY));
    assert_true(hash(here, 1, NOON + 2 * DAY) != hash(there, 1, NOON + 2 * DAY)); /* nobody told them */
    visits_close(there);
    visits_close(elsewhere);
}

static void hint__of_yesterday_is_lost_also_when_nobody_comes_today(void **state)
{
    come("203.0.113.7", PHONE);
    uint64_t first = hash(*state, 1, NOON);
    visits_renew(*state, NOON + 1000);
    assert_true(hash(*state, 1, NOON) == first);
    visits_renew(*state, NOON + DAY);
    visits_renew(*state, NOON);
    assert_true(hash(*state, 1, NOON) != first);
}

static void hint__is_of_the_network_in_ipv6(void **state)
{
    come("2001:db8:1:2:3:4:5:6", PHONE);
    uint64_t first = hash(*state, 1, NOON);
    come("2001:db8:1:2:a:b:c:d", PHONE);
    assert_true(hash(*state, 1, NOON) == first);
    come("2001:db8:1:3:3:4:5:6", PHONE);
    assert_true(hash(*state, 1, NOON) != first);
}

static void hint__is_made_of_nobody_who_asks_not_to_be_tracked(void **state)
{
    static const char *const QUIET[] = {"Sec-GPC", "DNT"};
    for (size_t i = 0; i < 2; i++) {
        come("203.0.113.7", PHONE);
        give_header(QUIET[i], "1");
        assert_true(hash(*state, 1, NOON) == 0);
        come("203.0.113.7", PHONE);
        give_header(QUIET[i], "0");
        assert_true(hash(*state, 1, NOON) != 0);
    }
}

static void visit__keeps_the_family_and_the_host_only(void **state)
{
    come("203.0.113.7", PHONE);
    give_header("Referer", "https://www.example.org:8443/path?query#secret");
    struct visit out = visit(*state, 1, 1, NOON);
    assert_non_null(strstr(out.family, "Safari"));
    assert_null(strstr(out.family, "605"));
    assert_null(strchr(out.referrer, '/'));
    assert_null(strstr(out.referrer, "secret"));
    assert_null(strstr(out.referrer, "query"));
    assert_non_null(strstr(out.referrer, "example.org"));
}

/* Of more agents than are remembered, and of those too long to be, each time the same is said. */
static void visit__says_the_same_of_an_agent_remembered_or_not(void **state)
{
    enum { AGENTS = 2000, TIMES = 3, LONG = 700 };
    char agent[LONG + 64];
    uint64_t first[AGENTS + 1];
    for (int i = 0; i < TIMES * (AGENTS + 1); i++) {
        int which = i % (AGENTS + 1);
        bool in_app = which % 2;
        snprintf(agent, sizeof agent, "%s%s Build/%d%*s", PHONE, in_app ? " Instagram 338.0" : "", which,
                 which == AGENTS ? LONG - (int)strlen(PHONE) : 0, "");
        come("203.0.113.7", agent);
        struct visit out = visit(*state, 1, 1, NOON);
        assert_int_equal(out.facts & FACT_IN_APP, in_app ? FACT_IN_APP : 0);
        assert_int_equal(out.by_agent, in_app ? CHANNEL_INSTAGRAM : CHANNEL_LINK);
        assert_string_equal(out.family, in_app ? "Instagram in-app on iOS" : "Safari on iOS");
        assert_true(i < AGENTS + 1 || out.hash == first[which]);
        first[which] = out.hash;
    }
    come("203.0.113.7", "");
    assert_true(visit(*state, 1, 1, NOON).facts & FACT_NO_AGENT);
    assert_int_equal(visit(*state, 1, 1, NOON).by_agent, CHANNEL_LINK);
}

/* A scanner goes through every link of a mail; a hall of like phones opens one card many times. */
static void visit__tells_many_cards_in_a_moment_from_many_phones(void **state)
{
    come("203.0.113.7", PHONE);
    for (int i = 0; i < 50; i++)
        assert_int_equal(visit(*state, 1, 1, NOON + i).facts & FACT_BURST, 0);
    come("203.0.113.9", PHONE);
    uint32_t facts = 0;
    for (int i = 0; i < 4; i++)
        facts = visit(*state, 1, i + 1, NOON + i).facts;
    assert_true(facts & FACT_BURST);
    assert_int_equal(visit(*state, 1, 5, NOON + 60000).facts & FACT_BURST, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hint__is_the_same_for_one_owner_and_day_only, start, stop),
        cmocka_unit_test_setup_teardown(hint__is_the_same_on_all_servers_of_a_store, start, stop),
        cmocka_unit_test_setup_teardown(hint__of_yesterday_is_lost_also_when_nobody_comes_today, start, stop),
        cmocka_unit_test_setup_teardown(hint__is_of_the_network_in_ipv6, start, stop),
        cmocka_unit_test_setup_teardown(hint__is_made_of_nobody_who_asks_not_to_be_tracked, start, stop),
        cmocka_unit_test_setup_teardown(visit__keeps_the_family_and_the_host_only, start, stop),
        cmocka_unit_test_setup_teardown(visit__says_the_same_of_an_agent_remembered_or_not, start, stop),
        cmocka_unit_test_setup_teardown(visit__tells_many_cards_in_a_moment_from_many_phones, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
