/* The crawler table against agents that people really have, and a few that they do not. With --flags it reads agents, one
 * a line, and prints the flags of each: tests/node/crawlers.test.mjs compares those with JavaScript's regular expressions
 * over the whole data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cards/crawlers.h"

static unsigned match(const char *agent)
{
    return crawler_match(agent, strlen(agent));
}

#define IPHONE "Mozilla/5.0 (iPhone; CPU iPhone OS "
#define WEBKIT " like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
#define ANDROID "Mozilla/5.0 (Linux; Android "
#define BLINK ") AppleWebKit/537.36 (KHTML, like Gecko) "
#define MAC "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7"
#define WINDOWS "Mozilla/5.0 (Windows NT 10.0; Win64; x64"

static const char *const people[] = {
    IPHONE "17_5_1" WEBKIT "Version/17.5 Mobile/15E148 Safari/604.1",
    IPHONE "16_7_8" WEBKIT "Version/16.6 Mobile/15E148 Safari/604.1",
    IPHONE "12_5_7" WEBKIT "Version/12.1.2 Mobile/15E148 Safari/604.1",
    IPHONE "18_0" WEBKIT "Version/18.0 Mobile/15E148 Safari/604.1",
    IPHONE "17_5" WEBKIT "CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1",
    IPHONE "17_4" WEBKIT "FxiOS/127.0 Mobile/15E148 Safari/605.1.15",
    IPHONE "17_4" WEBKIT "EdgiOS/125.0.2535.60 Version/17.0 Mobile/15E148 Safari/604.1",
    IPHONE "17_5" WEBKIT "DuckDuckGo/7 Mobile/15E148 Safari/605.1.15",
    IPHONE "17_5_1" WEBKIT
           "Mobile/15E148 Instagram 337.0.3.23.54 (iPhone14,5; iOS 17_5_1; de_DE; de; scale=3.00; 1170x2532; "
           "615482938)",
    IPHONE "17_5_1" WEBKIT "Mobile/15E148 [FBAN/FBIOS;FBAV/467.0.0.38.106;FBBV/608912443;FBDV/iPhone14,5;FBMD/iPhone;"
           "FBSN/iOS;FBSV/17.5.1;FBSS/3;FBID/phone;FBLC/de_DE;FBOP/5;FBRV/610903245]",
    IPHONE "17_5_1" WEBKIT "Mobile/15E148 [LinkedInApp]/9.29.5345",
    IPHONE "17_4_1" WEBKIT "Mobile/15E148 Twitter for iPhone/10.44",
    IPHONE "17_4_1" WEBKIT "Mobile/15E148 Snapchat/12.88.0.38 (like Safari/8617.2.4.10.6, panda)",
    IPHONE "16_6" WEBKIT "Mobile/15E148 MicroMessenger/8.0.49(0x18003137) NetType/WIFI Language/en",
    IPHONE "17_5" WEBKIT "Mobile/15E148 musical_ly_34.9.0 JsSdk/2.0 NetType/WIFI Channel/App Store ByteLocale/de",
    IPHONE "17_5" WEBKIT "GSA/323.0.647062479 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPad; CPU OS 17_5" WEBKIT "Version/17.5 Mobile/15E148 Safari/604.1",
    ANDROID "10; K" BLINK "Chrome/126.0.0.0 Mobile Safari/537.36",
    ANDROID "14; Pixel 8 Pro" BLINK "Chrome/125.0.6422.165 Mobile Safari/537.36",
    ANDROID "13; SM-S918B" BLINK "Chrome/124.0.6367.179 Mobile Safari/537.36",
    ANDROID "14; SAMSUNG SM-S928B" BLINK "SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
    ANDROID "10; SAMSUNG SM-A105FN" BLINK "SamsungBrowser/23.0 Chrome/115.0.0.0 Mobile Safari/537.36",
    ANDROID "8.0.0; SM-G930F" BLINK "Chrome/99.0.4844.88 Mobile Safari/537.36",
    ANDROID "12; moto g(60)" BLINK "Chrome/126.0.6478.50 Mobile Safari/537.36",
    ANDROID "13; Redmi Note 12" BLINK "Chrome/120.0.6099.144 Mobile Safari/537.36 XiaoMi/MiuiBrowser/14.10.0-gn",
    ANDROID "12; ELS-NX9" BLINK "Chrome/99.0.4844.88 HuaweiBrowser/14.0.2.311 Mobile Safari/537.36",
    ANDROID "13; SM-A536B Build/TP1A.220624.014; wv" BLINK
            "Version/4.0 Chrome/125.0.6422.113 Mobile Safari/537.36 Instagram "
            "333.0.0.42.91 Android (33/13; 450dpi; 1080x2177; samsung; SM-A536B; a53x; s5e8825; de_DE; 604247800)",
    ANDROID "14; SM-S911B Build/UP1A.231005.007; wv" BLINK "Version/4.0 Chrome/125.0.6422.146 Mobile Safari/537.36 "
            "[FB_IAB/FB4A;FBAV/466.0.0.55.92;]",
    ANDROID "13; Pixel 7 Build/TQ3A.230901.001; wv" BLINK "Version/4.0 Chrome/125.0.6422.113 Mobile Safari/537.36 "
            "[LinkedInApp]/4.1.944",
    ANDROID "11; CPH2269 Build/RP1A.200720.011; wv" BLINK "Version/4.0 Chrome/124.0.6367.82 Mobile Safari/537.36 "
            "trill_340102 JsSdk/1.0 NetType/WIFI Channel/googleplay AppName/musical_ly",
    ANDROID "13; SM-G991B" BLINK "Chrome/124.0.0.0 Mobile Safari/537.36 OPR/82.0.0.0",
    ANDROID "14; Pixel 8" BLINK "Chrome/126.0.0.0 Mobile Safari/537.36 EdgA/125.0.0.0",
    "Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0",
    "Mozilla/5.0 (Android 9; Tablet; rv:115.0) Gecko/115.0 Firefox/115.0",
    WINDOWS "; rv:127.0) Gecko/20100101 Firefox/127.0",
    WINDOWS BLINK "Chrome/126.0.0.0 Safari/537.36",
    WINDOWS BLINK "Chrome/125.0.0.0 Safari/537.36 Edg/125.0.0.0",
    WINDOWS BLINK "Chrome/124.0.0.0 Safari/537.36 OPR/110.0.0.0",
    WINDOWS BLINK "Chrome/124.0.0.0 Safari/537.36 Vivaldi/6.7.3329.35",
    MAC ") AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
    MAC BLINK "Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0",
    "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0" BLINK "Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
};

static void person__is_no_crawler(void **state)
{
    (void)state;
    assert_true(sizeof people / sizeof *people >= 40);
    for (size_t i = 0; i < sizeof people / sizeof *people; i++)
        if (match(people[i]) != CRAWLER_NONE)
            fail_msg("taken for a crawler: %s", people[i]);
}

static void crawler__is_told_by_its_kind(void **state)
{
    (void)state;
    assert_int_equal(match("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"), CRAWLER_BOT);
    assert_int_equal(match("WhatsApp/2.23.20.0 A"), CRAWLER_BOT | CRAWLER_PREVIEW);
    assert_int_equal(match("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)"),
                     CRAWLER_BOT | CRAWLER_PREVIEW);
    assert_int_equal(match("LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)"),
                     CRAWLER_BOT | CRAWLER_PREVIEW);
    assert_int_equal(match("TelegramBot (like TwitterBot)"), CRAWLER_BOT | CRAWLER_PREVIEW);
    assert_int_equal(match("curl/8.5.0"), CRAWLER_BOT | CRAWLER_TOOL);
    assert_int_equal(match("python-requests/2.31.0"), CRAWLER_BOT | CRAWLER_TOOL);
    assert_int_equal(match("Mozilla/5.0 zgrab/0.x"), CRAWLER_BOT | CRAWLER_SCANNER);
}

static void anchor__holds_a_pattern_to_its_end_of_the_agent(void **state)
{
    (void)state;
    assert_int_not_equal(match("curl/8.5.0"), CRAWLER_NONE);
    assert_int_equal(match("x curl/8.5.0"), CRAWLER_NONE);
    assert_int_not_equal(match("SSL Labs"), CRAWLER_NONE);
    assert_int_equal(match("SSL Labs too"), CRAWLER_NONE);
    assert_int_not_equal(match("AdsBot-Google"), CRAWLER_NONE);
    assert_int_not_equal(match("AdsBot-Google (+http://www.google.com/adsbot.html)"), CRAWLER_NONE);
}

static void agent__may_be_anything(void **state)
{
    (void)state;
    char long_agent[4096];
    memset(long_agent, '[', sizeof long_agent);
    assert_int_equal(crawler_match(NULL, 0), CRAWLER_NONE);
    assert_int_equal(crawler_match("", 0), CRAWLER_NONE);
    assert_int_equal(crawler_match("cu", 2), CRAWLER_NONE);
    assert_int_equal(crawler_match("curl/8.5.0", 3), CRAWLER_NONE);
    assert_int_equal(crawler_match("\0\0\0\377\377", 5), CRAWLER_NONE);
    assert_int_equal(crawler_match(long_agent, sizeof long_agent), CRAWLER_NONE);
    char *exact = malloc(10);
    memcpy(exact, "Googlebot/", 10);
    assert_int_equal(crawler_match(exact, 10), CRAWLER_BOT);
    assert_int_equal(crawler_match(exact, 9), CRAWLER_NONE);
    free(exact);
}

static int print_flags(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    while ((len = getline(&line, &size, stdin)) > 0)
        printf("%u\n", crawler_match(line, (size_t)len - (line[len - 1] == '\n')));
    free(line);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(person__is_no_crawler),
        cmocka_unit_test(crawler__is_told_by_its_kind),
        cmocka_unit_test(anchor__holds_a_pattern_to_its_end_of_the_agent),
        cmocka_unit_test(agent__may_be_anything),
    };
    if (argc > 1 && !strcmp(argv[1], "--flags"))
        return print_flags();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
