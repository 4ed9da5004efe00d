/* See agent.h. An app's browser carries the app's name in a browser's agent, and a preview robot may carry a browser's
 * agent with the robot's name in it (Apple Messages does), so the order of the questions matters: declared robots first,
 * apps second, browsers last. */
#include "cards/agent.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "cards/crawlers.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { AGENT_READ_MAX = 1024 };

struct mark {
    const char *token, *name;
};

/* Apps with a browser of their own. Messenger and Instagram say that they are Facebook's too, so they come first. */
static const struct mark APPS[] = {
    {"MessengerForiOS", "Messenger"},
    {"MessengerLiteForiOS", "Messenger"},
    {"Orca-Android", "Messenger"},
    {"Instagram", "Instagram"},
    {"FBAN", "Facebook"},
    {"FBAV", "Facebook"},
    {"FB_IAB", "Facebook"},
    {"LinkedInApp", "LinkedIn"},
    {"Snapchat/", "Snapchat"},
    {" Line/", "LINE"},
    {"MicroMessenger", "WeChat"},
    {"musical_ly", "TikTok"},
    {"BytedanceWebview", "TikTok"},
    {"TikTok", "TikTok"},
    {"trill_", "TikTok"},
    {"Twitter for ", "X"},
    {"TwitterAndroid", "X"},
    {"Telegram-Android/", "Telegram"},
    {"Pinterest/", "Pinterest"},
    {"KAKAOTALK", "KakaoTalk"},
};

/* Browsers by the token that only they send, the most particular first: all say Safari, most say Chrome. */
static const struct mark BROWSERS[] = {
    {"EdgiOS/", "Edge"},
    {"EdgA/", "Edge"},
    {"Edg/", "Edge"},
    {"OPR/", "Opera"},
    {"OPT/", "Opera"},
    {"SamsungBrowser/", "Samsung Internet"},
    {"FxiOS/", "Firefox"},
    {"Firefox/", "Firefox"},
    {"CriOS/", "Chrome"},
    {"GSA/", "Google app"},
    {"DuckDuckGo/", "DuckDuckGo"},
    {"Ddg/", "DuckDuckGo"},
    {"YaBrowser/", "Yandex"},
    {"UCBrowser/", "UC Browser"},
    {"MiuiBrowser/", "Mi Browser"},
    {"HuaweiBrowser/", "Huawei Browser"},
    {"Vivaldi/", "Vivaldi"},
    {"; wv)", "Web view"},
    {"Chrome/", "Chrome"},
    {"Safari/", "Safari"},
    {"AppleWebKit/", "Web view"},
    {"MSIE ", "Internet Explorer"},
    {"Trident/", "Internet Explorer"},
};

/* Android says Linux, iPads ask to be Macs and cannot be told. */
static const struct mark SYSTEMS[] = {
    {"iPhone", "iOS"},    {"iPad", "iOS"},        {"iPod", "iOS"},        {"Android", "Android"},
    {"CrOS", "ChromeOS"}, {"Windows", "Windows"}, {"Macintosh", "macOS"}, {"Linux", "Linux"},
};

/* Previews that the crawler table spells otherwise than they spell themselves, or whose name is several words. */
static const struct mark PREVIEWS[] = {
    {"facebookexternalhit", "facebookexternalhit"},
    {"Facebot", "Facebot"},
    {"eta-ExternalHit", "Meta-ExternalHit"}, /* with a small or a capital M */
    {"eta-externalhit", "Meta-ExternalHit"},
    {"kakaotalk-scrap", "kakaotalk-scrap"},
    {"Pinterestbot", "Pinterestbot"},
    {"SnapURLPreview", "SnapURLPreview"},
    {"Bluesky", "Bluesky"},
    {"Google Web Preview", "Google-Web-Preview"},
    {"Snap URL Preview", "SnapURLPreview"},
    {"Yahoo Link Preview", "Yahoo-Link-Preview"},
};

/* Libraries and tools by the start of their agent, which is all they send. */
static const char *const TOOLS[] = {
    "curl/",
    "Wget/",
    "wget/",
    "HTTPie/",
    "xh/",
    "python-requests/",
    "Python-urllib/",
    "python-urllib3/",
    "python-httpx/",
    "Python/",
    "aiohttp/",
    "Go-http-client/",
    "Java/",
    "Java-http-client/",
    "Apache-HttpClient/",
    "okhttp/",
    "axios/",
    "node-fetch",
    "Node.js/",
    "undici",
    "got (",
    "Deno/",
    "Bun/",
    "libwww-perl/",
    "LWP::",
    "lwp-",
    "PHP/",
    "GuzzleHttp/",
    "Symfony",
    "Ruby",
    "Faraday",
    "rest-client/",
    "PostmanRuntime/",
    "insomnia/",
    "reqwest/",
    "hyper/",
    "Dart/",
    "Dalvik/",
    "libcurl",
    "Microsoft-CryptoAPI/",
    "WinHttp",
    "PowerShell/",
    "hackney/",
    "axel/",
    "aria2/",
};

/* The name of the first mark found in TEXT, or NULL. */
static const char *find_mark(const char *text, const struct mark *marks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strstr(text, marks[i].token))
            return marks[i].name;
    return NULL;
}

/* A product's name as far as it is one: letters, digits and - _ . so that nothing else of an agent is ever kept. */
static size_t product_length(const char *text)
{
    size_t len = 0;
    while (len < AGENT_FAMILY_SIZE - 1 &&
           (isalnum((unsigned char)text[len]) || (len && text[len] && strchr("-_.", text[len]))))
        len++;
    return len;
}

static void set_product(char family[AGENT_FAMILY_SIZE], const char *text)
{
    size_t len = product_length(text);
    memcpy(family, text, len);
    family[len] = '\0';
}

/* Many of the table's patterns end in the slash before the version, so a product is asked for with one. */
static unsigned product_match(const char *product, size_t len)
{
    char named[AGENT_FAMILY_SIZE + 1];
    memcpy(named, product, len);
    named[len] = '/';
    return crawler_match(named, len + 1);
}

/* The product in AGENT that the crawler table knows by itself, so that it can be looked up again; else the first one
 * after "compatible;", where robots give their name; else the first of all. */
static void name_crawler(const char *agent, char family[AGENT_FAMILY_SIZE])
{
    for (const char *at = agent; *at;) {
        size_t len = product_length(at);
        if (len && product_match(at, len)) {
            set_product(family, at);
            return;
        }
        at += len ? len : 1;
    }
    const char *compatible = strstr(agent, "compatible; ");
    set_product(family, compatible ? compatible + strlen("compatible; ") : agent);
}

static enum agent_kind kind_of(unsigned match)
{
    if (match & CRAWLER_SCANNER)
        return AGENT_SCANNER;
    if (match & CRAWLER_PREVIEW)
        return AGENT_PREVIEW;
    return match ? AGENT_CRAWLER : AGENT_UNKNOWN;
}

static bool is_tool(const char *agent)
{
    for (size_t i = 0; i < COUNT(TOOLS); i++)
        if (!strncmp(agent, TOOLS[i], strlen(TOOLS[i])))
            return true;
    return !strcmp(agent, "node") || strstr(agent, " CFNetwork/");
}

/* "PRODUCT in-app on SYSTEM" and "PRODUCT on SYSTEM": the words that agent_look_up knows browsers by. */
static void set_browser(char family[AGENT_FAMILY_SIZE], const char *product, const char *link, const char *agent)
{
    const char *system = find_mark(agent, SYSTEMS, COUNT(SYSTEMS));
    snprintf(family, AGENT_FAMILY_SIZE, "%s%s%s", product, link, system ? system : "other");
}

/* The table knows some apps' browsers by tokens it takes for previews; what stands in a browser's agent beside an app's
 * name is that app, unless it also calls itself a robot. */
static bool is_robot_by_its_word(const char *agent)
{
    static const char *const words[] = {"externalhit", "bot/",    "Bot/",    "spider",
                                        "Spider",      "crawler", "Crawler", "Preview"};
    for (size_t i = 0; i < COUNT(words); i++)
        if (strstr(agent, words[i]))
            return true;
    return false;
}

enum agent_kind agent_read(const char *user_agent, char family[AGENT_FAMILY_SIZE])
{
    char agent[AGENT_READ_MAX + 1];
    size_t len = user_agent ? strnlen(user_agent, AGENT_READ_MAX) : 0;
    family[0] = '\0';
    while (len && (user_agent[0] == ' ' || user_agent[0] == '-' || user_agent[0] == '\t'))
        user_agent++, len--;
    if (!len)
        return AGENT_NONE;
    memcpy(agent, user_agent, len);
    agent[len] = '\0';
    bool is_browser = !strncmp(agent, "Mozilla/", 8) || !strncmp(agent, "Opera/", 6);
    const char *app = is_browser ? find_mark(agent, APPS, COUNT(APPS)) : NULL;
    if (app && !is_robot_by_its_word(agent)) {
        set_browser(family, app, " in-app on ", agent);
        return AGENT_IN_APP;
    }
    const char *preview = find_mark(agent, PREVIEWS, COUNT(PREVIEWS));
    if (preview) {
        set_product(family, preview);
        return AGENT_PREVIEW;
    }
    unsigned match = crawler_match(agent, len);
    if (!is_browser && (match & CRAWLER_TOOL || is_tool(agent)) && !(match & (CRAWLER_SCANNER | CRAWLER_PREVIEW))) {
        set_product(family, agent);
        return AGENT_TOOL;
    }
    if (match) {
        name_crawler(agent, family);
        return kind_of(match);
    }
    const char *product = is_browser ? find_mark(agent, BROWSERS, COUNT(BROWSERS)) : NULL;
    if (product) {
        set_browser(family, product, " on ", agent);
        return AGENT_BROWSER;
    }
    const char *compatible = is_browser ? strstr(agent, "compatible; ") : NULL;
    set_product(family, compatible ? compatible + strlen("compatible; ") : agent);
    return AGENT_UNKNOWN;
}

enum agent_kind agent_look_up(const char *family)
{
    if (!*family)
        return AGENT_NONE;
    if (strstr(family, " on ")) /* no product of an unknown agent has a space in it */
        return AGENT_BROWSER;
    for (size_t i = 0; i < COUNT(PREVIEWS); i++)
        if (!strcmp(family, PREVIEWS[i].name))
            return AGENT_PREVIEW;
    return kind_of(product_match(family, strnlen(family, AGENT_FAMILY_SIZE - 1)));
}
