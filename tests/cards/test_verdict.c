/* Who is a person. The agents are real ones, or as their makers document them; the crawler table is the real one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "cards/crawlers.h"
#include "cards/verdict.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define IOS "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
#define WEBVIEW \
    "Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0 Mobile Safari/537.36 "
#define SAFARI IOS "Version/17.5 Mobile/15E148 Safari/604.1"

static struct request_signs signs_of(const char *agent)
{
    return (struct request_signs){.user_agent = agent, .accept_language = "en"};
}

static struct judgement judged(struct request_signs signs, uint32_t acts)
{
    char family[AGENT_FAMILY_SIZE];
    uint32_t facts = facts_of(&signs, family);
    return judge(facts, acts, family);
}

static void assert_judged(struct request_signs signs, uint32_t acts, enum verdict verdict, const char *rule)
{
    struct judgement judgement = judged(signs, acts);
    assert_string_equal(judgement.rule, rule);
    assert_int_equal(judgement.verdict, verdict);
}

static void verdict__of_a_browser_waits_for_an_act(void **state)
{
    (void)state;
    assert_judged(signs_of(SAFARI), 0, VERDICT_UNCONFIRMED, "no act yet");
    assert_judged(signs_of(SAFARI), ACT_SEEN, VERDICT_PERSON, "seen");
    assert_judged(signs_of(SAFARI), ACT_SEEN | ACT_TAP, VERDICT_PERSON, "tap");
    assert_judged(signs_of(SAFARI), ACT_SEEN | ACT_TAP | ACT_SAVE, VERDICT_PERSON, "saved");
    assert_judged(signs_of(SAFARI), ACT_SAVE, VERDICT_PERSON, "saved");
    assert_judged(signs_of(SAFARI), ACT_PASS_ON | ACT_SEEN, VERDICT_PERSON, "passed on");
    assert_judged(signs_of(SAFARI), ACT_FORM | ACT_SAVE, VERDICT_PERSON, "form");
}

/* The tokens of every network that draws previews, as they send them. */
static const char *const PREVIEW_AGENTS[] = {
    "WhatsApp/2.23.20.0 A",
    "WhatsApp/2",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Facebot",
    "Meta-ExternalHit/1.1",
    "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
    "meta-externalfetcher/1.1",
    "meta-webindexer/1.1",
    "Twitterbot/1.0",
    "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
    "Slackbot 1.0 (+https://api.slack.com/robots)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Slack-ImgProxy (+https://api.slack.com/robots)",
    "TelegramBot (like TwitterBot)",
    "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 Safari/601.2.4 "
    "facebookexternalhit/1.1 Facebot Twitterbot/1.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko; Google Web Preview) Chrome/27.0.1453 Safari/537.36",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
    "Mozilla/5.0 AppleWebKit/534+ (KHTML, like Gecko) BingPreview/1.0b",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko; compatible; MicrosoftPreview/2.0; "
    "+https://aka.ms/MicrosoftPreview) Chrome/112.0 Safari/537.36",
    "Mozilla/5.0 (compatible; redditbot/1.0; +http://www.reddit.com/feedback)",
    "Mozilla/5.0 (compatible; Pinterestbot/1.0; +http://www.pinterest.com/bot.html)",
    "Viber",
    "Snap URL Preview Service; bot; snapchat",
    "SnapURLPreview/1.0",
    "Mozilla/5.0 (compatible; vkShare; +http://vk.com/dev/Share)",
    "Mozilla/5.0 (compatible; OdklBot/1.0)",
    "Mozilla/5.0 (compatible;Linespider/1.1;+https://lin.ee/4dwXkTH)",
    "facebookexternalhit/1.1; kakaotalk-scrap/1.0; +https://devtalk.kakao.com",
    "kakaotalk-scrap/1.0",
    "Mastodon/4.2.8 (http.rb/5.1.1; +https://m.example/)",
    "Lemmy/0.19.3; +https://lemmy.example",
    "Friendica 'Giant Rhubarb' 2023.12; https://f.example",
    "SummalyBot/5.1.0",
    "Mozilla/5.0 (compatible; Bluesky Cardyb/1.1; +mailto:support@bsky.app)",
    "Synapse (bot; +https://github.com/matrix-org/synapse)",
    "Mattermost-Bot/1.1",
    "GroupMeBot/1.0",
    "Mozilla/5.0 (compatible; Embedly/0.2; +http://support.embed.ly/)",
    "Iframely/1.3.1 (+https://iframely.com/docs/about)",
    "Notion/1",
    "Tumblr/14.0.835.186",
    "Mozilla/5.0 (compatible; FlipboardProxy/1.2)",
    "Mozilla/5.0 (compatible; Yahoo Link Preview; https://help.yahoo.com/)",
};

static void verdict__of_every_preview_is_never_a_person(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(PREVIEW_AGENTS); i++) {
        assert_judged(signs_of(PREVIEW_AGENTS[i]), 0, VERDICT_PREVIEW, "crawler: preview");
        assert_judged(signs_of(PREVIEW_AGENTS[i]), ACT_SEEN | ACT_TAP | ACT_SAVE, VERDICT_PREVIEW, "crawler: preview");
    }
}

static void verdict__of_a_preview_stands_from_its_family_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(PREVIEW_AGENTS); i++) {
        char family[AGENT_FAMILY_SIZE];
        struct request_signs signs = signs_of(PREVIEW_AGENTS[i]);
        facts_of(&signs, family);
        assert_true(strlen(family) > 0);
        assert_int_not_equal(judge(0, ACT_SEEN, family).verdict, VERDICT_PERSON);
    }
}

static void verdict__of_search_and_other_robots_is_bot(void **state)
{
    (void)state;
    const char *agents[] = {
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; Google-InspectionTool/1.0;)",
        SAFARI " (Applebot/0.1; +http://www.apple.com/go/applebot)", "meta-externalads/1.1",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36"};
    for (size_t i = 0; i < COUNT(agents); i++) {
        assert_judged(signs_of(agents[i]), 0, VERDICT_BOT, "crawler");
        assert_judged(signs_of(agents[i]), ACT_SEEN | ACT_TAP | ACT_SAVE, VERDICT_BOT, "crawler");
    }
}

static const struct {
    const char *agent, *family;
} APP_AGENTS[] = {
    {IOS "Mobile/15E148 [FBAN/FBIOS;FBAV/470.0;FBDV/iPhone15,2]", "Facebook in-app on iOS"},
    {WEBVIEW "[FB_IAB/FB4A;FBAV/470.0.0;]", "Facebook in-app on Android"},
    {IOS "Mobile/15E148 MetaIAB Facebook [FBAN/FBIOS;FBAV/470.0]", "Facebook in-app on iOS"},
    {IOS "Mobile/15E148 [FBAN/MessengerForiOS;FBAV/460.0]", "Messenger in-app on iOS"},
    {WEBVIEW "[FB_IAB/Orca-Android;FBAV/460.0;]", "Messenger in-app on Android"},
    {IOS "Mobile/15E148 Instagram 338.0.0.29.94 (iPhone15,2; iOS 17_5; en_US)", "Instagram in-app on iOS"},
    {WEBVIEW "Instagram 338.0 Android (34/14; 420dpi; Google/google; Pixel 8)", "Instagram in-app on Android"},
    {IOS "Mobile/15E148 Snapchat/12.92.0.40 (like Safari/8617.2.4)", "Snapchat in-app on iOS"},
    {IOS "Mobile/15E148 [LinkedInApp]/9.29", "LinkedIn in-app on iOS"},
    {IOS "Mobile/15E148 Safari Line/14.9.0", "LINE in-app on iOS"},
    {WEBVIEW "MicroMessenger/8.0.49 NetType/WIFI Language/zh_CN", "WeChat in-app on Android"},
    {IOS "Mobile/15E148 musical_ly_35.1.0 BytedanceWebview/d8a21c6", "TikTok in-app on iOS"},
    {WEBVIEW "trill_350103 JsSdk/1.0 AppName/trill", "TikTok in-app on Android"},
    {IOS "Mobile/15E148 Twitter for iPhone/10.45", "X in-app on iOS"},
};

static void verdict__of_an_apps_own_browser_is_a_persons(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(APP_AGENTS); i++) {
        char family[AGENT_FAMILY_SIZE];
        struct request_signs signs = signs_of(APP_AGENTS[i].agent);
        assert_int_equal(facts_of(&signs, family), FACT_IN_APP);
        assert_string_equal(family, APP_AGENTS[i].family);
        assert_judged(signs, 0, VERDICT_UNCONFIRMED, "no act yet");
        assert_judged(signs, ACT_SEEN, VERDICT_PERSON, "seen");
    }
}

static void verdict__of_a_robot_with_an_apps_name_is_not_a_persons(void **state)
{
    (void)state;
    assert_judged(signs_of(IOS "Mobile/15E148 [FBAN/FBIOS;FBAV/470.0] facebookexternalhit/1.1"), ACT_SEEN,
                  VERDICT_PREVIEW, "crawler: preview");
    assert_judged(signs_of(WEBVIEW "Instagram 338.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
                  ACT_SEEN, VERDICT_BOT, "crawler");
}

static void family__is_a_product_and_a_device_class(void **state)
{
    (void)state;
    static const struct {
        const char *agent, *family;
    } cases[] = {
        {SAFARI, "Safari on iOS"},
        {"Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0 Mobile/15E148 Safari/604.1",
         "Chrome on iOS"},
        {IOS "FxiOS/127.0 Mobile/15E148 Safari/605.1.15", "Firefox on iOS"},
        {IOS "GSA/323.0 Mobile/15E148 Safari/604.1", "Google app on iOS"},
        {IOS "Mobile/15E148", "Web view on iOS"},
        {"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
         "Chrome on Android"},
        {WEBVIEW, "Web view on Android"},
        {"Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0 Mobile Safari/537.36",
         "Samsung Internet on Android"},
        {"Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0", "Firefox on Android"},
        {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
         "Edge on Windows"},
        {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
         "Safari on macOS"},
        {"Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", "Firefox on Linux"},
        {"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
         "Chrome on ChromeOS"},
        {"WhatsApp/2.23.20.0 A", "WhatsApp"},
        {"curl/7.88.1", "curl"},
        {"python-requests/2.31.0", "python-requests"},
        {"Go-http-client/2.0", "Go-http-client"},
        {"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot"},
        {"PrettyNewThing/0.1 (jane@example.org)", "PrettyNewThing"},
        {"jane@example.org", "jane"},
        {"", ""},
        {NULL, ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char family[AGENT_FAMILY_SIZE];
        struct request_signs signs = signs_of(cases[i].agent);
        facts_of(&signs, family);
        assert_string_equal(family, cases[i].family);
        if (strstr(family, " on "))
            assert_int_equal(crawler_match(family, strlen(family)), CRAWLER_NONE);
    }
}

static void verdict__of_a_tool_needs_the_form(void **state)
{
    (void)state;
    const char *agents[] = {"curl/7.88.1",
                            "Wget/1.21.3",
                            "python-requests/2.31.0",
                            "Python-urllib/3.11",
                            "Go-http-client/1.1",
                            "okhttp/4.12.0",
                            "Java/17.0.2",
                            "node",
                            "axios/1.6.0",
                            "PostmanRuntime/7.36",
                            "Mail/3774 CFNetwork/1490 Darwin/23.2.0"};
    for (size_t i = 0; i < COUNT(agents); i++) {
        assert_judged(signs_of(agents[i]), 0, VERDICT_BOT, "tool");
        assert_judged(signs_of(agents[i]), ACT_SEEN | ACT_TAP | ACT_SAVE, VERDICT_BOT, "tool");
        assert_judged(signs_of(agents[i]), ACT_FORM, VERDICT_PERSON, "form");
    }
}

static void verdict__of_head_is_bot_whatever_follows(void **state)
{
    (void)state;
    struct request_signs signs = signs_of(SAFARI);
    signs.head = true;
    assert_judged(signs, 0, VERDICT_BOT, "head");
    assert_judged(signs, ACT_FORM, VERDICT_BOT, "head");
    signs.user_agent = "WhatsApp/2";
    assert_judged(signs, 0, VERDICT_BOT, "head");
}

static void verdict__of_a_page_loaded_ahead_waits_until_it_shows(void **state)
{
    (void)state;
    const char *purposes[] = {"prefetch", "prefetch;prerender", "prefetch;anonymous-client-ip",
                              "Prefetch", "prerender",          "preview"};
    for (size_t i = 0; i < COUNT(purposes); i++) {
        struct request_signs signs = signs_of(SAFARI);
        signs.purpose = purposes[i];
        assert_judged(signs, 0, VERDICT_PREFETCH, "prefetch");
        assert_judged(signs, ACT_SAVE, VERDICT_PREFETCH, "prefetch");
        assert_judged(signs, ACT_SEEN, VERDICT_PERSON, "seen");
        assert_judged(signs, ACT_FORM, VERDICT_PERSON, "form");
        signs.user_agent = "WhatsApp/2";
        assert_judged(signs, 0, VERDICT_PREFETCH, "prefetch");
        assert_judged(signs, ACT_SEEN, VERDICT_PREVIEW, "crawler: preview");
    }
    struct request_signs signs = signs_of(SAFARI);
    signs.purpose = "document";
    assert_judged(signs, 0, VERDICT_UNCONFIRMED, "no act yet");
}

static void verdict__without_an_agent_is_bot_until_the_page_shows(void **state)
{
    (void)state;
    const char *agents[] = {NULL, "", " ", "-"};
    for (size_t i = 0; i < COUNT(agents); i++) {
        assert_judged(signs_of(agents[i]), 0, VERDICT_BOT, "no agent");
        assert_judged(signs_of(agents[i]), ACT_SAVE, VERDICT_BOT, "no agent");
        assert_judged(signs_of(agents[i]), ACT_SEEN, VERDICT_PERSON, "seen");
        assert_judged(signs_of(agents[i]), ACT_FORM, VERDICT_PERSON, "form");
    }
}

/* What opens link after link is a mail scanner that follows them, until a page was in front of somebody. */
static void verdict__of_a_burst_is_scanner_until_somebody_acts(void **state)
{
    (void)state;
    struct request_signs signs = signs_of(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36");
    signs.burst = true;
    assert_judged(signs, 0, VERDICT_SCANNER, "burst");
    assert_judged(signs, ACT_SAVE, VERDICT_SCANNER, "burst");
    assert_judged(signs, ACT_SEEN, VERDICT_PERSON, "seen");
    assert_judged(signs, ACT_SEEN | ACT_TAP, VERDICT_PERSON, "tap");
    assert_judged(signs, ACT_SEEN | ACT_SAVE, VERDICT_PERSON, "saved");
    assert_judged(signs, ACT_FORM, VERDICT_PERSON, "form");
}

static void verdict__of_the_member_is_self_before_all(void **state)
{
    (void)state;
    struct request_signs signs = {
        .user_agent = "curl/8", .self = true, .head = true, .burst = true, .purpose = "prefetch"};
    for (uint32_t acts = 0; acts < 64; acts++)
        assert_judged(signs, acts, VERDICT_SELF, "own visit");
}

static void verdict__of_a_reload_counts_once(void **state)
{
    (void)state;
    assert_judged(signs_of(SAFARI), ACT_AGAIN, VERDICT_UNCONFIRMED, "again");
    assert_judged(signs_of(SAFARI), ACT_AGAIN | ACT_SEEN | ACT_SAVE | ACT_FORM, VERDICT_UNCONFIRMED, "again");
    assert_judged(signs_of("curl/8.0"), ACT_AGAIN, VERDICT_BOT, "tool");
}

static void verdict__of_a_named_scanner_is_never_a_person(void **state)
{
    (void)state;
    const uint32_t facts = FACT_CRAWLER | FACT_CRAWLER_SCANNER;
    for (uint32_t acts = 0; acts < 64; acts++)
        assert_string_equal(judge(facts, acts, "Nikto").rule, "crawler: scanner");
}

static void verdict__of_a_crawler_known_only_today_is_corrected(void **state)
{
    (void)state;
    assert_int_equal(judge(0, ACT_SEEN, "PrettyNewThing").verdict, VERDICT_PERSON);
    assert_string_equal(judge(0, ACT_SEEN, "WhatsApp").rule, "crawler: preview");
    assert_string_equal(judge(0, ACT_SEEN, "LinkedInBot").rule, "crawler: preview");
    assert_string_equal(judge(0, ACT_SEEN, NULL).rule, "seen");
}

static void verdict__is_defined_for_all_facts_and_acts(void **state)
{
    (void)state;
    for (uint32_t facts = 0; facts < 1 << 12; facts++)
        for (uint32_t acts = 0; acts < 1 << 6; acts++) {
            struct judgement judgement = judge(facts, acts, "Safari on iOS");
            assert_string_equal(rule_name(rule_code(judgement.rule)), judgement.rule);
            bool person = judgement.verdict == VERDICT_PERSON;
            assert_false(person && !(acts & ~(uint32_t)ACT_AGAIN));
            assert_false(person && acts & ACT_AGAIN);
            assert_false(person && facts & (FACT_SELF | FACT_HEAD));
            assert_int_equal(judgement.verdict == VERDICT_SELF, (facts & FACT_SELF) != 0);
            assert_int_equal(judge(facts ^ FACT_QUIET, acts, "Safari on iOS").verdict, judgement.verdict);
        }
}

static void rule__has_a_code_and_words_of_its_own(void **state)
{
    (void)state;
    assert_string_equal(rule_name(0), "no act yet");
    assert_string_equal(rule_name(255), "no act yet");
    uint8_t code = 0;
    for (; rule_code(rule_name(code)) == code; code++) {
        const char *words = rule_words(rule_name(code));
        assert_true(strlen(words) > 20);
        assert_int_equal(words[strlen(words) - 1], '.');
        assert_null(strchr(words, '!'));
        for (uint8_t other = 0; other < code; other++)
            assert_string_not_equal(words, rule_words(rule_name(other)));
    }
    assert_int_equal(code, 16);
}

static void referrer__keeps_the_host_alone(void **state)
{
    (void)state;
    static const struct {
        const char *referrer, *host;
    } cases[] = {
        {"https://www.LinkedIn.com/feed/?secret=1#x", "www.linkedin.com"},
        {"https://t.co", "t.co"},
        {"http://example.org:8080/x", "example.org"},
        {"android-app://com.google.android.gm/", "com.google.android.gm"},
        {"https://user@example.org/", ""},
        {"https://user:pw@example.org/", ""},
        {"about:blank", ""},
        {"", ""},
        {NULL, ""},
        {"https://ex\xFFmple.org/", ""},
        {"https://[::1]/", ""},
        {"a very long scheme indeed://x", ""},
        {"https://a234567890123456789012345678901234567890123456789012345678901234.example/", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char host[REFERRER_HOST_SIZE];
        referrer_host(cases[i].referrer, host);
        assert_string_equal(host, cases[i].host);
    }
}

static void facts__of_any_bytes_stay_in_bounds(void **state)
{
    (void)state;
    srandom(7);
    static const char *const pieces[] = {"Mozilla/5.0 ", "compatible; ", "bot",  "Instagram", "(", ";", "/",
                                         "\xFF",         "WhatsApp",     " on ", "curl/",     "\t"};
    for (int round = 0; round < 20000; round++) {
        char agent[2000] = "", family[AGENT_FAMILY_SIZE];
        for (int i = (int)(random() % 40); i > 0; i--)
            strcat(agent, pieces[(size_t)random() % COUNT(pieces)]);
        struct request_signs signs = signs_of(agent);
        facts_of(&signs, family);
        assert_non_null(memchr(family, '\0', sizeof family));
        for (const char *at = family; *at; at++)
            assert_true(*at >= ' ' && *at < 0x7F);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdict__of_a_browser_waits_for_an_act),
        cmocka_unit_test(verdict__of_every_preview_is_never_a_person),
        cmocka_unit_test(verdict__of_a_preview_stands_from_its_family_alone),
        cmocka_unit_test(verdict__of_search_and_other_robots_is_bot),
        cmocka_unit_test(verdict__of_an_apps_own_browser_is_a_persons),
        cmocka_unit_test(verdict__of_a_robot_with_an_apps_name_is_not_a_persons),
        cmocka_unit_test(family__is_a_product_and_a_device_class),
        cmocka_unit_test(verdict__of_a_tool_needs_the_form),
        cmocka_unit_test(verdict__of_head_is_bot_whatever_follows),
        cmocka_unit_test(verdict__of_a_page_loaded_ahead_waits_until_it_shows),
        cmocka_unit_test(verdict__without_an_agent_is_bot_until_the_page_shows),
        cmocka_unit_test(verdict__of_a_burst_is_scanner_until_somebody_acts),
        cmocka_unit_test(verdict__of_the_member_is_self_before_all),
        cmocka_unit_test(verdict__of_a_reload_counts_once),
        cmocka_unit_test(verdict__of_a_named_scanner_is_never_a_person),
        cmocka_unit_test(verdict__of_a_crawler_known_only_today_is_corrected),
        cmocka_unit_test(verdict__is_defined_for_all_facts_and_acts),
        cmocka_unit_test(rule__has_a_code_and_words_of_its_own),
        cmocka_unit_test(referrer__keeps_the_host_alone),
        cmocka_unit_test(facts__of_any_bytes_stay_in_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
