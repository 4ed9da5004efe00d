/* How pages say times, names and ways, and the addresses that send a link. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/pages/send.h"
#include "server/pages/way.h"
#include "server/pages/when.h"

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
static const int64_t NOON = 1795348800000; /* 22 November 2026, 12:00 UTC */

static int setup(void **state)
{
    static struct arena arena;
    arena_init(&arena);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

static void assert_ago(struct arena *arena, int64_t past_ms, const char *words)
{
    assert_string_equal(when_ago(NOON - past_ms, NOON, arena).words, words);
}

static void when__says_minutes_hours_days_then_the_day(void **state)
{
    assert_ago(*state, 0, "now");
    assert_ago(*state, MINUTE - 1, "now");
    assert_ago(*state, MINUTE, "1 min");
    assert_ago(*state, HOUR - 1, "59 min");
    assert_ago(*state, HOUR, "1 h");
    assert_ago(*state, DAY - 1, "23 h");
    assert_ago(*state, DAY, "1 d");
    assert_ago(*state, 30LL * DAY - 1, "29 d");
    assert_ago(*state, 30LL * DAY, "23 Oct 2026");
}

static void when__in_the_future_is_now(void **state)
{
    assert_ago(*state, -(int64_t)HOUR, "now");
}

static void when__never_says_nothing(void **state)
{
    struct when_view when = when_ago(0, NOON, *state);
    assert_null(when.words);
    assert_null(when.iso);
}

static void when__tells_machines_the_whole_time(void **state)
{
    assert_string_equal(when_ago(NOON, NOON, *state).iso, "2026-11-22T12:00:00.000Z");
    assert_string_equal(when_day(NOON, true, *state), "22 November 2026, 12:00 UTC");
    assert_string_equal(when_day(NOON, false, *state), "22 November 2026");
}

static void name__of_a_person_is_shortened_as_people_do(void **state)
{
    assert_string_equal(first_name("Mika Sørensen-Tanaka", *state), "Mika");
    assert_string_equal(first_name("Prof. Dr. Ann Okafor", *state), "Ann");
    assert_string_equal(first_name("Madonna", *state), "Madonna");
    assert_string_equal(first_name("李 小龍", *state), "李 小龍");
    assert_string_equal(first_name("Dr.", *state), "Dr.");
    assert_string_equal(first_name("", *state), "");
}

static void share__is_named_by_channel_and_label(void **state)
{
    struct share share = {.channel = CHANNEL_QR, .label = "Hamburg fair"};
    assert_string_equal(share_words(&share, *state), "QR code, Hamburg fair");
    share = (struct share){.channel = CHANNEL_SIGNATURE, .label = "E-mail signature"};
    assert_string_equal(share_words(&share, *state), "E-mail signature");
    share = (struct share){.channel = CHANNEL_LINK, .standing = true};
    assert_string_equal(share_words(&share, *state), "Standing link");
}

static void assert_sends(struct arena *arena, enum channel channel, const char *href)
{
    assert_string_equal(send_href(channel, "Jürgen & Co", "50% off?", "https://x.example/c/A", arena), href);
}

static void send__fills_every_address_with_escaped_words(void **state)
{
    assert_sends(*state, CHANNEL_WHATSAPP, "https://wa.me/?text=50%25%20off%3F%20https%3A%2F%2Fx.example%2Fc%2FA");
    assert_sends(*state, CHANNEL_X,
                 "https://twitter.com/intent/tweet?text=50%25%20off%3F&url=https%3A%2F%2Fx.example%2Fc%2FA");
    assert_sends(*state, CHANNEL_LINKEDIN,
                 "https://www.linkedin.com/sharing/share-offsite/?url=https%3A%2F%2Fx.example%2Fc%2FA");
    assert_sends(*state, CHANNEL_FACEBOOK,
                 "https://www.facebook.com/sharer/sharer.php?u=https%3A%2F%2Fx.example%2Fc%2FA");
    assert_sends(*state, CHANNEL_TELEGRAM,
                 "https://t.me/share/url?url=https%3A%2F%2Fx.example%2Fc%2FA&text=50%25%20off%3F");
    assert_sends(*state, CHANNEL_EMAIL,
                 "mailto:?subject=J%C3%BCrgen%20%26%20Co&body=50%25%20off%3F%20https%3A%2F%2Fx.example%2Fc%2FA");
    assert_sends(*state, CHANNEL_SMS, "sms:?&body=50%25%20off%3F%20https%3A%2F%2Fx.example%2Fc%2FA");
}

static void send__knows_no_address_for_a_code(void **state)
{
    assert_null(send_href(CHANNEL_QR, "a", "b", "https://x.example/", *state));
    assert_null(send_href(CHANNEL_LINK, "a", "b", "https://x.example/", *state));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(when__says_minutes_hours_days_then_the_day),
        CASE(when__in_the_future_is_now),
        CASE(when__never_says_nothing),
        CASE(when__tells_machines_the_whole_time),
        CASE(name__of_a_person_is_shortened_as_people_do),
        CASE(share__is_named_by_channel_and_label),
        CASE(send__fills_every_address_with_escaped_words),
        CASE(send__knows_no_address_for_a_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
