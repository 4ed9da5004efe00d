/* Shares: when they open, whose hand makes a referral, and what a plain link turns out to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "cards/share.h"

static struct arena arena;

enum { OWNER = 1, COLLEAGUE = 2 };
static const int64_t NOW_MS = 1795326796000;

static void share__opens_until_it_expires(void **state)
{
    (void)state;
    struct share share = {.expires_ms = NOW_MS};
    assert_true(share_may_open(&share, NOW_MS - 1));
    assert_false(share_may_open(&share, NOW_MS));
    share.expires_ms = 0;
    assert_true(share_may_open(&share, INT64_MAX));
}

static void share__opens_until_it_is_revoked(void **state)
{
    (void)state;
    struct share share = {.revoked_ms = NOW_MS};
    assert_true(share_may_open(&share, NOW_MS - 1));
    assert_false(share_may_open(&share, NOW_MS));
    assert_false(share_may_open(&share, NOW_MS + 1));
}

static void share__is_cleaned_when_checked(void **state)
{
    (void)state;
    struct complaints complaints = {0};
    struct share share = {
        .label = "  Berlin fair,\nbadge ", .recipient = " ", .vouch = "Kla\u0308r", .expires_ms = NOW_MS + 1};
    assert_int_equal(share_check(&share, NOW_MS, &arena, &complaints), RESULT_OK);
    assert_string_equal(share.label, "Berlin fair, badge");
    assert_null(share.recipient);
    assert_string_equal(share.vouch, "Klär");
}

static void share__refuses_expired_and_endless(void **state)
{
    (void)state;
    struct complaints complaints = {0};
    struct share share = {.expires_ms = NOW_MS};
    assert_int_equal(share_check(&share, NOW_MS, &arena, &complaints), RESULT_INVALID);
    assert_non_null(complaints_about(&complaints, "expires_at"));
    complaints.count = 0;
    share.expires_ms = NOW_MS + 11LL * 366 * 24 * 3600 * 1000;
    assert_int_equal(share_check(&share, NOW_MS, &arena, &complaints), RESULT_INVALID);
    share.expires_ms = NOW_MS + 9LL * 366 * 24 * 3600 * 1000;
    assert_int_equal(share_check(&share, NOW_MS, &arena, &complaints), RESULT_OK);
}

static void share__refuses_a_label_of_81(void **state)
{
    (void)state;
    char label[82];
    memset(label, 'a', 81);
    label[81] = '\0';
    struct complaints complaints = {0};
    struct share share = {.label = label};
    assert_int_equal(share_check(&share, NOW_MS, &arena, &complaints), RESULT_INVALID);
    assert_non_null(complaints_about(&complaints, "label"));
    label[80] = '\0';
    complaints.count = 0;
    share.label = label;
    assert_int_equal(share_check(&share, NOW_MS, &arena, &complaints), RESULT_OK);
}

static const struct hand *endorser(struct hand *chain, int len)
{
    struct share share = {.owner_id = OWNER, .chain = chain, .chain_len = len};
    return share_endorser(&share);
}

static void share__of_the_owner_alone_is_a_lead(void **state)
{
    (void)state;
    struct hand chain[] = {{.member_id = OWNER}, {.member_id = OWNER}};
    assert_null(endorser(chain, 0));
    assert_null(endorser(chain, 1));
    assert_null(endorser(chain, 2));
}

static void share__of_another_member_is_a_referral(void **state)
{
    (void)state;
    struct hand chain[] = {{.member_id = OWNER}, {.member_id = COLLEAGUE}};
    assert_ptr_equal(endorser(chain, 2), &chain[1]);
    assert_ptr_equal(endorser(chain + 1, 1), &chain[1]);
}

static void share__of_a_stranger_is_a_lead_and_of_an_identified_visitor_a_referral(void **state)
{
    (void)state;
    struct hand chain[] = {{.member_id = OWNER}, {.name = "somebody who gave no address"}};
    assert_null(endorser(chain, 2));
    chain[1].lead_id = 9;
    assert_ptr_equal(endorser(chain, 2), &chain[1]);
}

static void share__credits_the_hand_nearest_to_the_visitor(void **state)
{
    (void)state;
    struct hand chain[] = {
        {.member_id = OWNER}, {.lead_id = 9}, {.member_id = COLLEAGUE}, {.name = "unknown"}, {.member_id = OWNER}};
    assert_ptr_equal(endorser(chain, 5), &chain[2]);
    assert_ptr_equal(endorser(chain, 2), &chain[1]);
}

static void channel__names_are_read_back_and_differ(void **state)
{
    (void)state;
    for (enum channel channel = 0; channel < CHANNEL_COUNT; channel++) {
        assert_int_equal(channel_parse(channel_name(channel)), channel);
        assert_true(strlen(channel_words(channel)) > 0);
    }
    assert_int_equal(channel_parse("carrier-pigeon"), CHANNEL_COUNT);
    assert_int_equal(channel_parse("QR"), CHANNEL_COUNT);
    assert_int_equal(channel_parse(NULL), CHANNEL_COUNT);
}

#define IPHONE \
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 "
#define ANDROID \
    "Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0 Mobile Safari/537.36 "

static void channel__of_a_plain_link_is_what_the_app_says(void **state)
{
    (void)state;
    static const struct {
        const char *agent;
        enum channel channel;
    } cases[] = {
        {IPHONE "[FBAN/FBIOS;FBAV/470.0;FBDV/iPhone15,2]", CHANNEL_FACEBOOK},
        {ANDROID "[FB_IAB/FB4A;FBAV/470.0.0;]", CHANNEL_FACEBOOK},
        {IPHONE "[FBAN/MessengerForiOS;FBAV/460.0]", CHANNEL_MESSENGER},
        {ANDROID "[FB_IAB/Orca-Android;FBAV/460.0;]", CHANNEL_MESSENGER},
        {IPHONE "Instagram 338.0.0.29.94 (iPhone15,2; iOS 17_5; en_US)", CHANNEL_INSTAGRAM},
        {ANDROID "Instagram 338.0 Android (34/14; Google/google; Pixel 8)", CHANNEL_INSTAGRAM},
        {IPHONE "Snapchat/12.92.0.40 (like Safari/8617.2.4)", CHANNEL_SNAPCHAT},
        {IPHONE "[LinkedInApp]/9.29", CHANNEL_LINKEDIN},
        {IPHONE "Safari Line/14.9.0", CHANNEL_LINE},
        {ANDROID "MicroMessenger/8.0.49 NetType/WIFI", CHANNEL_WECHAT},
        {IPHONE "musical_ly_35.1.0 BytedanceWebview/d8a21c6", CHANNEL_TIKTOK},
        {ANDROID "trill_350103 AppName/musical_ly", CHANNEL_TIKTOK},
        {IPHONE "Twitter for iPhone/10.45", CHANNEL_X},
        {ANDROID "TwitterAndroid", CHANNEL_X},
        {ANDROID "Telegram-Android/11.3 (Google Pixel 8; Android 14; SDK 34; HIGH)", CHANNEL_TELEGRAM},
        {IPHONE "Version/17.5 Safari/604.1", CHANNEL_LINK},
        {ANDROID, CHANNEL_LINK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(channel_refine(CHANNEL_LINK, channel_of_agent(cases[i].agent), NULL), cases[i].channel);
}

static void channel__of_a_plain_link_is_where_the_visitor_came_from(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        enum channel channel;
    } cases[] = {
        {"t.co", CHANNEL_X},
        {"www.linkedin.com", CHANNEL_LINKEDIN},
        {"lnkd.in", CHANNEL_LINKEDIN},
        {"l.facebook.com", CHANNEL_FACEBOOK},
        {"LM.FACEBOOK.COM", CHANNEL_FACEBOOK},
        {"l.instagram.com", CHANNEL_INSTAGRAM},
        {"web.whatsapp.com", CHANNEL_WHATSAPP},
        {"web.telegram.org", CHANNEL_TELEGRAM},
        {"org.telegram.messenger", CHANNEL_TELEGRAM},
        {"com.google.android.gm", CHANNEL_EMAIL},
        {"mail.google.com", CHANNEL_EMAIL},
        {"www.google.com", CHANNEL_LINK},
        {"not-t.co", CHANNEL_LINK},
        {"facebook.com.evil.example", CHANNEL_LINK},
        {"", CHANNEL_LINK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(channel_refine(CHANNEL_LINK, channel_of_agent(NULL), cases[i].host), cases[i].channel);
}

static void channel__of_its_own_is_never_overridden(void **state)
{
    (void)state;
    for (enum channel channel = 0; channel < CHANNEL_COUNT; channel++)
        if (channel != CHANNEL_LINK)
            assert_int_equal(channel_refine(channel, CHANNEL_INSTAGRAM, "t.co"), channel);
}

static int open_arena(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_arena, close_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(share__opens_until_it_expires),
        CASE(share__opens_until_it_is_revoked),
        CASE(share__is_cleaned_when_checked),
        CASE(share__refuses_expired_and_endless),
        CASE(share__refuses_a_label_of_81),
        CASE(share__of_the_owner_alone_is_a_lead),
        CASE(share__of_another_member_is_a_referral),
        CASE(share__of_a_stranger_is_a_lead_and_of_an_identified_visitor_a_referral),
        CASE(share__credits_the_hand_nearest_to_the_visitor),
        CASE(channel__names_are_read_back_and_differ),
        CASE(channel__of_a_plain_link_is_what_the_app_says),
        CASE(channel__of_a_plain_link_is_where_the_visitor_came_from),
        CASE(channel__of_its_own_is_never_overridden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
