/* See share.h. */
#include "cards/share.h"

#include <assert.h>
#include <string.h>
#include "cards/base/text.h"

static const int64_t EXPIRY_MAX_MS = 10LL * 366 * 24 * 3600 * 1000;

static const struct {
    const char *name, *words;
} CHANNELS[CHANNEL_COUNT] = {
    [CHANNEL_LINK] = {"link", "Link"},
    [CHANNEL_QR] = {"qr", "QR code"},
    [CHANNEL_NFC] = {"nfc", "NFC tag"},
    [CHANNEL_EMAIL] = {"email", "E-mail"},
    [CHANNEL_SMS] = {"sms", "Text message"},
    [CHANNEL_WHATSAPP] = {"whatsapp", "WhatsApp"},
    [CHANNEL_X] = {"x", "X"},
    [CHANNEL_LINKEDIN] = {"linkedin", "LinkedIn"},
    [CHANNEL_FACEBOOK] = {"facebook", "Facebook"},
    [CHANNEL_INSTAGRAM] = {"instagram", "Instagram"},
    [CHANNEL_TELEGRAM] = {"telegram", "Telegram"},
    [CHANNEL_SIGNAL] = {"signal", "Signal"},
    [CHANNEL_MESSENGER] = {"messenger", "Messenger"},
    [CHANNEL_PRINT] = {"print", "Print"},
    [CHANNEL_EVENT] = {"event", "Event"},
    [CHANNEL_SIGNATURE] = {"signature", "E-mail signature"},
    [CHANNEL_NATIVE] = {"native", "Shared from a phone"},
    [CHANNEL_OTHER] = {"other", "Other"},
    [CHANNEL_SNAPCHAT] = {"snapchat", "Snapchat"},
    [CHANNEL_LINE] = {"line", "LINE"},
    [CHANNEL_WECHAT] = {"wechat", "WeChat"},
    [CHANNEL_TIKTOK] = {"tiktok", "TikTok"},
};

const char *channel_name(enum channel channel)
{
    assert((unsigned)channel < CHANNEL_COUNT);
    return CHANNELS[channel].name;
}

const char *channel_words(enum channel channel)
{
    assert((unsigned)channel < CHANNEL_COUNT);
    return CHANNELS[channel].words;
}

enum channel channel_parse(const char *name)
{
    enum channel channel = CHANNEL_LINK;
    while (channel < CHANNEL_COUNT && (!name || strcmp(CHANNELS[channel].name, name)))
        channel++;
    return channel;
}

bool share_may_open(const struct share *share, int64_t now_ms)
{
    bool revoked = share->revoked_ms && share->revoked_ms <= now_ms;
    bool expired = share->expires_ms && share->expires_ms <= now_ms;
    return !revoked && !expired;
}

enum result share_check(struct share *share, int64_t now_ms, struct arena *arena, struct complaints *complaints)
{
    int before = complaints->count;
    text_check(&share->label, SHARE_LABEL_MAX, TEXT_LINE, "label", arena, complaints);
    text_check(&share->recipient, SHARE_RECIPIENT_MAX, TEXT_LINE, "recipient", arena, complaints);
    text_check(&share->print_run, SHARE_LABEL_MAX, TEXT_LINE, "print_run", arena, complaints);
    text_check(&share->vouch, SHARE_VOUCH_MAX, TEXT_LINE, "vouch", arena, complaints);
    text_check(&share->sharer_name, SHARE_RECIPIENT_MAX, TEXT_LINE, "sharer_name", arena, complaints);
    if ((unsigned)share->channel >= CHANNEL_COUNT)
        complaints_add(complaints, "channel", "There is no such channel.");
    if (share->expires_ms && share->expires_ms <= now_ms)
        complaints_add(complaints, "expires_at", "This time has passed already.");
    else if (share->expires_ms && share->expires_ms - now_ms > EXPIRY_MAX_MS)
        complaints_add(complaints, "expires_at", "Please choose a time within ten years.");
    return complaints->count > before ? RESULT_INVALID : RESULT_OK;
}

const struct hand *share_endorser(const struct share *share)
{
    for (int i = share->chain_len; i-- > 0;) {
        const struct hand *hand = &share->chain[i];
        bool other_member = hand->member_id && hand->member_id != share->owner_id;
        if (other_member || hand->lead_id)
            return hand;
    }
    return NULL;
}

/* What an app's own browser says of itself. The first that is found counts, so Messenger, which also says it is
 * Facebook's, stands before Facebook. Telegram and WhatsApp open the phone's browser and mostly say nothing. */
static const struct {
    const char *token;
    enum channel channel;
} APPS[] = {
    {"MessengerForiOS", CHANNEL_MESSENGER},
    {"MessengerLiteForiOS", CHANNEL_MESSENGER},
    {"Orca-Android", CHANNEL_MESSENGER},
    {"Instagram", CHANNEL_INSTAGRAM},
    {"FBAN", CHANNEL_FACEBOOK},
    {"FBAV", CHANNEL_FACEBOOK},
    {"FB_IAB", CHANNEL_FACEBOOK},
    {"LinkedInApp", CHANNEL_LINKEDIN},
    {"Twitter for ", CHANNEL_X},
    {"TwitterAndroid", CHANNEL_X},
    {"Snapchat/", CHANNEL_SNAPCHAT},
    {" Line/", CHANNEL_LINE},
    {"MicroMessenger", CHANNEL_WECHAT},
    {"musical_ly", CHANNEL_TIKTOK},
    {"BytedanceWebview", CHANNEL_TIKTOK},
    {"TikTok", CHANNEL_TIKTOK},
    {"trill_", CHANNEL_TIKTOK},
    {"Telegram-Android/", CHANNEL_TELEGRAM},
};

/* Hosts of a Referer, themselves or above it; Android's apps name their package instead (android-app://…). */
static const struct {
    const char *host;
    enum channel channel;
} REFERRERS[] = {
    {"t.co", CHANNEL_X},
    {"twitter.com", CHANNEL_X},
    {"x.com", CHANNEL_X},
    {"com.twitter.android", CHANNEL_X},
    {"lnkd.in", CHANNEL_LINKEDIN},
    {"linkedin.com", CHANNEL_LINKEDIN},
    {"com.linkedin.android", CHANNEL_LINKEDIN},
    {"facebook.com", CHANNEL_FACEBOOK},
    {"fb.me", CHANNEL_FACEBOOK},
    {"com.facebook.katana", CHANNEL_FACEBOOK},
    {"messenger.com", CHANNEL_MESSENGER},
    {"com.facebook.orca", CHANNEL_MESSENGER},
    {"instagram.com", CHANNEL_INSTAGRAM},
    {"com.instagram.android", CHANNEL_INSTAGRAM},
    {"whatsapp.com", CHANNEL_WHATSAPP},
    {"wa.me", CHANNEL_WHATSAPP},
    {"com.whatsapp", CHANNEL_WHATSAPP},
    {"com.whatsapp.w4b", CHANNEL_WHATSAPP},
    {"telegram.org", CHANNEL_TELEGRAM},
    {"t.me", CHANNEL_TELEGRAM},
    {"org.telegram.messenger", CHANNEL_TELEGRAM},
    {"org.telegram.messenger.web", CHANNEL_TELEGRAM},
    {"org.thoughtcrime.securesms", CHANNEL_SIGNAL},
    {"snapchat.com", CHANNEL_SNAPCHAT},
    {"com.snapchat.android", CHANNEL_SNAPCHAT},
    {"line.me", CHANNEL_LINE},
    {"jp.naver.line.android", CHANNEL_LINE},
    {"weixin.qq.com", CHANNEL_WECHAT},
    {"com.tencent.mm", CHANNEL_WECHAT},
    {"tiktok.com", CHANNEL_TIKTOK},
    {"mail.google.com", CHANNEL_EMAIL},
    {"com.google.android.gm", CHANNEL_EMAIL},
    {"outlook.live.com", CHANNEL_EMAIL},
    {"outlook.office.com", CHANNEL_EMAIL},
    {"outlook.office365.com", CHANNEL_EMAIL},
    {"outlook.cloud.microsoft", CHANNEL_EMAIL},
    {"com.microsoft.office.outlook", CHANNEL_EMAIL},
    {"mail.yahoo.com", CHANNEL_EMAIL},
    {"mail.proton.me", CHANNEL_EMAIL},
    {"app.fastmail.com", CHANNEL_EMAIL},
};

/* Whether HOST is DOMAIN or lies below it. */
static bool lies_in(const char *host, const char *domain)
{
    size_t host_len = strlen(host), len = strlen(domain);
    if (host_len < len || strcasecmp(host + host_len - len, domain))
        return false;
    return host_len == len || host[host_len - len - 1] == '.';
}

enum channel channel_of_agent(const char *user_agent)
{
    if (user_agent)
        for (size_t i = 0; i < sizeof APPS / sizeof *APPS; i++)
            if (strstr(user_agent, APPS[i].token))
                return APPS[i].channel;
    return CHANNEL_LINK;
}

enum channel channel_refine(enum channel own, enum channel by_agent, const char *referrer_host)
{
    if (own != CHANNEL_LINK)
        return own;
    if (by_agent != CHANNEL_LINK)
        return by_agent;
    if (referrer_host && *referrer_host)
        for (size_t i = 0; i < sizeof REFERRERS / sizeof *REFERRERS; i++)
            if (lies_in(referrer_host, REFERRERS[i].host))
                return REFERRERS[i].channel;
    return own;
}
