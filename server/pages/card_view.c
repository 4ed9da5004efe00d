/* See card_view.h. The page's words are English and read left to right; what the member wrote keeps its own language and
 * direction. Nothing is escaped here: the template does it, place by place. */
#include "server/pages/card_view.h"

#include <ctype.h>
#include <string.h>
#include "cards/base/escape.h"
#include "cards/base/id.h"
#include "cards/base/text.h"
#include "cards/consent.h"
#include "cards/event.h"
#include "server/pages/page_cache.h"
#include "templates.h"

enum { LINE_MAX = 4096, LINK_SHOWN_MAX = 48, DESCRIPTION_MAX = 190, LONG_NAME = 22, LONGEST_NAME = 44 };

const char CARD_VIEW_CSP[] =
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self'; style-src " CSP_STYLE_BASE_CSS
    " " CSP_STYLE_CARD_CSS " " CSP_STYLE_DARK_CSS "; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/* --- The name ------------------------------------------------------------------------------------------------------ */

static bool is_kana(uint32_t c)
{
    return c >= 0x3040 && c <= 0x30ff;
}

static bool is_hangul(uint32_t c)
{
    return (c >= 0xac00 && c <= 0xd7af) || (c >= 0x1100 && c <= 0x11ff);
}

static bool is_cjk_name(const char *name)
{
    return text_is_cjk(text_next(&name));
}

/* How wide a name is in Latin letters: one of a square script takes two. */
static int name_width(const char *name)
{
    int width = 0;
    for (uint32_t c; (c = text_next(&name));)
        width += text_is_cjk(c) ? 2 : 1;
    return width;
}

static const char *name_class(const char *name, struct arena *arena)
{
    int width = name_width(name);
    const char *size = width > LONGEST_NAME ? " longest" : width > LONG_NAME ? " long" : "";
    const char *script = is_cjk_name(name) ? " cjk" : !strcmp(text_direction(name), "rtl") ? " rtl" : "";
    return *size || *script ? arena_printf(arena, "%s%s", size, script) : "";
}

/* Browsers choose the shape of ideographs by the language. Where the member gave none, kana and hangul tell. */
static const char *language(const struct card *card)
{
    if (card->lang)
        return card->lang;
    const char *texts[] = {card->name, card->pronunciation, card->organization, card->title};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (const char *at = texts[i]; at;) {
            uint32_t c = text_next(&at);
            if (is_kana(c) || is_hangul(c))
                return is_kana(c) ? "ja" : "ko";
            if (!c)
                break;
        }
    return NULL;
}

static const char *join(struct arena *arena, const char *first, const char *between, const char *second)
{
    if (!first || !second)
        return first ? first : second;
    return arena_printf(arena, "%s%s%s", first, between, second);
}

/* --- Ways to reach them ---------------------------------------------------------------------------------------------- */

static const char *phone_href(const char *number, struct arena *arena)
{
    struct str href;
    str_init(&href, arena, LINE_MAX);
    str_add(&href, "tel:");
    for (; *number; number++)
        if (isdigit((unsigned char)*number) || *number == '+')
            str_add_char(&href, *number);
    return href.data;
}

static const char *email_href(const char *address, struct arena *arena)
{
    const char *at = strrchr(address, '@');
    struct str href;
    str_init(&href, arena, LINE_MAX);
    str_add(&href, "mailto:");
    if (at) {
        escape_url_part(&href, arena_strndup(arena, address, (size_t)(at - address)));
        str_add_char(&href, '@');
        address = at + 1;
    }
    escape_url_part(&href, address);
    return href.data;
}

/* An address as one would say it: no scheme, no www, no lone slash. */
static const char *link_text(const char *url, struct arena *arena)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    if (!strncmp(host, "www.", 4))
        host += 4;
    size_t len = strlen(host);
    if (len && host[len - 1] == '/' && !memchr(host, '/', len - 1))
        len--;
    return text_cut(arena_strndup(arena, host, len), LINK_SHOWN_MAX, arena);
}

static void fill_ways(const struct card *card, struct arena *arena, struct card_view *out)
{
    out->phones_count = card->phone_count;
    for (int i = 0; i < card->phone_count; i++)
        out->phones[i] = (struct way_view){.href = phone_href(card->phones[i].value, arena),
                                           .text = card->phones[i].value,
                                           .label = card->phones[i].label};
    out->emails_count = card->email_count;
    for (int i = 0; i < card->email_count; i++)
        out->emails[i] = (struct way_view){.href = email_href(card->emails[i].value, arena),
                                           .text = card->emails[i].value,
                                           .label = card->emails[i].label};
    out->links_count = card->link_count;
    for (int i = 0; i < card->link_count; i++)
        out->links[i] = (struct way_view){.href = card->links[i].value,
                                          .text = link_text(card->links[i].value, arena),
                                          .label = card->links[i].label};
    out->places_count = card->address_count;
    for (int i = 0; i < card->address_count; i++) {
        const struct card_address *at = &card->addresses[i];
        const char *city = join(arena, at->postcode, " ", at->city);
        out->places[i] = (struct place_view){.street = at->street,
                                             .city = join(arena, city, ", ", at->region),
                                             .country = at->country,
                                             .label = at->label};
    }
    out->has_ways = card->phone_count || card->email_count || card->link_count || card->address_count;
}

/* --- The page -------------------------------------------------------------------------------------------------------- */

const struct hand *card_view_hand(const struct share *share)
{
    const struct hand *endorser = share_endorser(share);
    if (endorser && endorser->name)
        return endorser;
    for (int i = share->chain_len; i-- > 0;) {
        const struct hand *hand = &share->chain[i];
        if (hand->member_id != share->owner_id && (hand->name || hand->vouch))
            return hand;
    }
    return NULL;
}

static const char *description(const struct card *card, struct arena *arena)
{
    const char *role = join(arena, card->title, ", ", card->organization);
    bool is_stopped = role && role[strlen(role) - 1] == '.'; /* "Acme, Inc." */
    const char *text = join(arena, role, is_stopped ? " " : ". ", card->note);
    if (!text)
        text = arena_printf(arena, "The card of %s: save the contact, or leave your details.", card->name);
    text = text_cut(text, DESCRIPTION_MAX, arena);
    /* a line break means nothing in a preview */
    char *line = arena_strdup(arena, text);
    for (char *at = line; *at; at++)
        if (*at == '\n')
            *at = ' ';
    return line;
}

static void fill_head(const char *base_url, struct arena *arena, const struct card *card, const char *token,
                      struct card_view *out)
{
    out->title = join(arena, card->name, ", ", card->organization);
    out->description = description(card, arena);
    out->preview_alt = arena_printf(arena, "The card of %s", out->title);
    const char *modified = time_text(card->updated_ms, arena);
    out->modified = modified ? arena_strndup(arena, modified, strlen("YYYY-MM-DD")) : NULL;
    out->share_url = arena_printf(arena, "%s/c/%s", base_url, token);
    out->canonical_url = card->handle ? arena_printf(arena, "%s/@%s", base_url, card->handle) : out->share_url;
    /* chats keep pictures for long: another revision needs another address */
    out->preview_url = arena_printf(arena, "%s/c/%s/preview.png?v=%lld", base_url, token, (long long)card->revision);
    if (card->portrait_id) {
        char id[ID_TEXT_SIZE];
        out->portrait_href = arena_printf(arena, "/portrait/%s.jpg", id_format(id, "pic", card->portrait_id));
        out->portrait_url = arena_printf(arena, "%s%s", base_url, out->portrait_href);
    }
}

void card_view_fill(const char *base_url, struct arena *arena, const struct card *card, const struct share *share,
                    const char *token, const char *stamp, struct card_view *out)
{
    struct consent consent = consent_of(card, arena);
    *out = (struct card_view){
        .token = token,
        .stamp = stamp,
        .theme = card->theme ? card->theme : "auto",
        .accent = card->accent ? card->accent : "vermilion",
        .lang = language(card),
        .dir = text_direction(card->name),
        .name = card->name,
        .name_class = name_class(card->name, arena),
        .short_name = card_first_name(card, arena),
        .given = card->given,
        .additional = card->additional,
        .family = card->family,
        .firm = card->organization ? card->organization : card->department,
        .department = card->organization ? card->department : NULL,
        .role = card->title,
        .note = card->note,
        .initials = card_initials(card, arena),
        .consent = consent.sentence,
        .box = consent.box,
    };
    out->ground = !strcmp(out->theme, "dark") ? "#141311" : "#f5f2ea";
    if (is_cjk_name(card->name)) {
        out->reading = card->pronunciation;
        out->say = card->pronouns;
    } else
        out->say = join(arena, card->pronunciation, " · ", card->pronouns);
    const struct hand *hand = card_view_hand(share);
    if (hand) {
        out->by.name = hand->name;
        out->by.vouch = hand->vouch;
    }
    fill_head(base_url, arena, card, token, out);
    fill_ways(card, arena, out);
}

enum result card_view_render(struct app *app, struct arena *arena, const struct card *card, const struct share *share,
                             struct str *out)
{
    const struct page_placeholders *holes = page_cache_placeholders(app->pages);
    struct card_view *view = arena_alloc(arena, sizeof *view);
    card_view_fill(app->config->url, arena, card, share, holes->token, holes->stamp, view);
    template_card(out, view);
    return out->failed ? RESULT_FAILED : RESULT_OK;
}
