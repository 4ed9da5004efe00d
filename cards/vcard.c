/* See vcard.h. One line writer folds and escapes; everything above it only says which property comes next. Nothing that a
 * person typed ever reaches a property's name or parameters, except a label, which goes in as escaped text of its own line.
 *
 * A fold may stand anywhere between characters, yet readers exist that look for escapes before they unfold; so a fold never
 * parts a backslash from what it escapes either. */
#include "cards/vcard.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cards/name.h"

enum { FOLD = 75 };

struct writer {
    struct str *out;
    int column; /* octets on the current physical line */
    int group;  /* the last itemN used */
    enum vcard_version version;
};

/* LEN octets that belong together. */
static void put_unit(struct writer *to, const char *bytes, size_t len)
{
    if (to->column + (int)len > FOLD) {
        str_add(to->out, "\r\n ");
        to->column = 1;
    }
    str_add_n(to->out, bytes, len);
    to->column += (int)len;
}

/* ASCII that may be cut anywhere. */
static void put_ascii(struct writer *to, const char *text, size_t len)
{
    while (len) {
        if (to->column == FOLD) {
            str_add(to->out, "\r\n ");
            to->column = 1;
        }
        size_t part = (size_t)(FOLD - to->column);
        if (part > len)
            part = len;
        str_add_n(to->out, text, part);
        to->column += (int)part;
        text += part;
        len -= part;
    }
}

static void put(struct writer *to, const char *text)
{
    put_ascii(to, text, strlen(text));
}

static void end_line(struct writer *to)
{
    str_add(to->out, "\r\n");
    to->column = 0;
}

/* Octets of the character at C, as its first octet claims and the text really has. */
static size_t character_len(const char *c)
{
    unsigned char first = (unsigned char)*c;
    size_t want = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    size_t len = 1;
    while (len < want && ((unsigned char)c[len] & 0xc0) == 0x80)
        len++;
    return len;
}

/* CR LF, CR, LF, VT, FF and the Unicode line ends NEL, LS, PS: whatever some reader takes for the end of a line. Its length, or
 * 0. */
static size_t line_end_len(const char *c)
{
    if (c[0] == '\r')
        return c[1] == '\n' ? 2 : 1;
    if (c[0] == '\n' || c[0] == '\v' || c[0] == '\f')
        return 1;
    if (!strncmp(c, "\xc2\x85", 2))
        return 2;
    if (!strncmp(c, "\u2028", 3) || !strncmp(c, "\u2029", 3))
        return 3;
    return 0;
}

/* A text value or component: RFC 2426 4, RFC 6350 3.4. Other control characters are dropped. */
static void put_text(struct writer *to, const char *text)
{
    for (const char *c = text ? text : ""; *c;) {
        size_t line_end = line_end_len(c);
        size_t len = line_end ? line_end : character_len(c);
        unsigned char first = (unsigned char)*c;
        if (line_end)
            put_unit(to, "\\n", 2);
        else if (first == '\\' || first == ',' || first == ';')
            put_unit(to, (char[]){'\\', *c}, 2);
        else if (first == '\t')
            put_unit(to, " ", 1);
        else if (first >= 0x20 && first != 0x7f)
            put_unit(to, c, len);
        c += len;
    }
}

/* A URI value is not escaped; what has no place in a URI (RFC 3986) is percent-encoded instead. */
static void put_uri(struct writer *to, const char *uri)
{
    static const char hex[] = "0123456789ABCDEF";
    for (const char *c = uri; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte > 0x20 && byte < 0x7f && !strchr("\"<>\\^`{|}", byte))
            put_ascii(to, c, 1);
        else
            put_unit(to, (char[]){'%', hex[byte >> 4], hex[byte & 15]}, 3);
    }
}

static void put_base64(struct writer *to, const void *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = bytes;
    char quads[4 * 64];
    size_t used = 0;
    for (size_t i = 0; i < len; i += 3) {
        size_t here = len - i < 3 ? len - i : 3;
        unsigned value = (unsigned)in[i] << 16 | (here > 1 ? (unsigned)in[i + 1] << 8 : 0) | (here > 2 ? in[i + 2] : 0);
        quads[used++] = digits[value >> 18];
        quads[used++] = digits[value >> 12 & 63];
        quads[used++] = here > 1 ? digits[value >> 6 & 63] : '=';
        quads[used++] = here > 2 ? digits[value & 63] : '=';
        if (used == sizeof quads) {
            put_ascii(to, quads, used);
            used = 0;
        }
    }
    put_ascii(to, quads, used);
}

static void line(struct writer *to, const char *text)
{
    put(to, text);
    end_line(to);
}

/* NAME includes the parameters and the colon: always a literal of ours. Nothing at all when there is no text. */
static void text_line(struct writer *to, const char *name, const char *text)
{
    if (!text)
        return;
    put(to, name);
    put_text(to, text);
    end_line(to);
}

static void uri_line(struct writer *to, const char *name, const char *uri)
{
    if (!uri)
        return;
    put(to, name);
    put_uri(to, uri);
    end_line(to);
}

/* What the standards call the things people write on labels: RFC 2426 3.3.1, RFC 6350 6.4.1. */
struct label_type {
    const char *label, *type;
    bool phone_only;
};

static const struct label_type label_types[] = {{"mobile", "cell", true},       {"cell", "cell", true},
                                                {"cellphone", "cell", true},    {"handy", "cell", true},
                                                {"work", "work", false},        {"office", "work", false},
                                                {"business", "work", false},    {"home", "home", false},
                                                {"private", "home", false},     {"personal", "home", false},
                                                {"fax", "fax", true},           {"pager", "pager", true},
                                                {"video", "video", true},       {"work mobile", "work,cell", true},
                                                {"work fax", "work,fax", true}, {"home fax", "home,fax", true}};

static const char *type_of(const char *label, bool phone)
{
    for (size_t i = 0; label && i < sizeof label_types / sizeof *label_types; i++)
        if (!strcasecmp(label, label_types[i].label) && (phone || !label_types[i].phone_only))
            return label_types[i].type;
    return NULL;
}

/* "cell" or "work,fax" as a parameter: upper case for 3.0, as the examples in RFC 2426 and the phones have it, and a TYPE for
 * each; one list in quotes would be right for 4.0, but TYPE repeated is as right in both and read by more. */
static void put_types(struct writer *to, const char *types)
{
    for (const char *at = types; *at;) {
        size_t len = strcspn(at, ",");
        put(to, ";TYPE=");
        for (size_t i = 0; i < len; i++) {
            char upper = (char)(at[i] - 'a' + 'A');
            put_ascii(to, to->version == VCARD_3 ? &upper : &at[i], 1);
        }
        at += len + (at[len] == ',');
    }
}

static void put_group(struct writer *to, int group)
{
    char item[24];
    snprintf(item, sizeof item, "item%d.", group);
    put(to, item);
}

/* "TEL;TYPE=CELL" or, for a label no standard knows, "item1.TEL". Returns the group's number, 0 for none. */
static int put_labelled_name(struct writer *to, const char *name, const char *label, bool phone)
{
    const char *type = type_of(label, phone);
    int group = label && !type ? ++to->group : 0;
    if (group)
        put_group(to, group);
    put(to, name);
    if (to->version == VCARD_3 && !strcmp(name, "EMAIL"))
        put(to, ";TYPE=INTERNET");
    if (type)
        put_types(to, type);
    return group;
}

static void end_labelled(struct writer *to, int group, const char *label)
{
    end_line(to);
    if (!group)
        return;
    put_group(to, group);
    text_line(to, "X-ABLabel:", label);
}

static void write_point(struct writer *to, const char *name, const struct card_point *point, bool is_uri)
{
    if (!point->value)
        return;
    int group = put_labelled_name(to, name, point->label, !strcmp(name, "TEL"));
    put(to, ":");
    if (is_uri)
        put_uri(to, point->value);
    else
        put_text(to, point->value);
    end_labelled(to, group, point->label);
}

static void write_address(struct writer *to, const struct card_address *address)
{
    int group = put_labelled_name(to, "ADR", address->label, false);
    put(to, ":;;"); /* no post box, no extension: RFC 6350 6.3.1 asks for them to be empty */
    const char *const parts[] = {address->street, address->city, address->region, address->postcode, address->country};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (i)
            put(to, ";");
        put_text(to, parts[i]);
    }
    end_labelled(to, group, address->label);
}

struct service {
    const char *host, *type, *name; /* TYPE as Apple spells it; NAME as the service does */
};

static const struct service services[] = {{"linkedin.com", "linkedin", "LinkedIn"},
                                          {"x.com", "twitter", "X"},
                                          {"twitter.com", "twitter", "X"},
                                          {"facebook.com", "facebook", "Facebook"},
                                          {"instagram.com", "instagram", "Instagram"},
                                          {"threads.net", "threads", "Threads"},
                                          {"threads.com", "threads", "Threads"},
                                          {"bsky.app", "bluesky", "Bluesky"},
                                          {"mastodon.social", "mastodon", "Mastodon"},
                                          {"github.com", "github", "GitHub"},
                                          {"gitlab.com", "gitlab", "GitLab"},
                                          {"codeberg.org", "codeberg", "Codeberg"},
                                          {"xing.com", "xing", "XING"},
                                          {"youtube.com", "youtube", "YouTube"},
                                          {"tiktok.com", "tiktok", "TikTok"},
                                          {"t.me", "telegram", "Telegram"},
                                          {"wa.me", "whatsapp", "WhatsApp"},
                                          {"pinterest.com", "pinterest", "Pinterest"},
                                          {"flickr.com", "flickr", "Flickr"},
                                          {"soundcloud.com", "soundcloud", "SoundCloud"}};

/* The service whose host, or a subdomain of it, the URL names with a path behind it; NULL for an ordinary page. */
static const struct service *service_of(const char *url)
{
    const char *host = !strncasecmp(url, "https://", 8) ? url + 8 : !strncasecmp(url, "http://", 7) ? url + 7 : NULL;
    if (!host)
        return NULL;
    size_t len = strcspn(host, "/?#:@");
    if (host[len] != '/' || !host[len + 1])
        return NULL;
    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        size_t tail = strlen(services[i].host);
        if (len < tail || strncasecmp(host + len - tail, services[i].host, tail) != 0)
            continue;
        if (len == tail || host[len - tail - 1] == '.')
            return &services[i];
    }
    return NULL;
}

static void write_link(struct writer *to, const struct card_point *link)
{
    const struct service *service = link->value ? service_of(link->value) : NULL;
    if (!service) {
        write_point(to, "URL", link, true);
        return;
    }
    put(to, to->version == VCARD_3 ? "X-SOCIALPROFILE;TYPE=" : "SOCIALPROFILE;SERVICE-TYPE=");
    put(to, to->version == VCARD_3 ? service->type : service->name);
    uri_line(to, ":", link->value);
}

static void write_name(struct writer *to, const struct card *card)
{
    struct name_parts parts;
    name_split(card, to->out->arena, &parts);
    text_line(to, "FN:", card->name ? card->name : "");
    const char *const five[] = {parts.family, parts.given, parts.additional, parts.prefix, parts.suffix};
    put(to, "N:");
    for (size_t i = 0; i < sizeof five / sizeof *five; i++) {
        if (i)
            put(to, ";");
        put_text(to, five[i]);
    }
    end_line(to);
    if (!card->pronunciation)
        return;
    /* One reading for the whole name: its last word is the family's when both parts exist, the first when the name is
     * written family first. */
    const char *reading = card->pronunciation;
    const char *space = strrchr(reading, ' ');
    if (!space || !*parts.given || !*parts.family) {
        text_line(to, *parts.given || !*parts.family ? "X-PHONETIC-FIRST-NAME:" : "X-PHONETIC-LAST-NAME:", reading);
        return;
    }
    bool family_first = card->name && !strncmp(card->name, parts.family, strlen(parts.family));
    if (family_first)
        space = strchr(reading, ' ');
    const char *first = arena_strndup(to->out->arena, reading, (size_t)(space - reading));
    text_line(to, "X-PHONETIC-FIRST-NAME:", family_first ? space + 1 : first);
    text_line(to, "X-PHONETIC-LAST-NAME:", family_first ? first : space + 1);
}

static bool is_language_tag(const char *lang)
{
    return lang && *lang && !lang[strspn(lang, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")];
}

/* RFC 9554 3.4; 3.0 has no place for pronouns that a phone would show. */
static void write_pronouns(struct writer *to, const struct card *card)
{
    if (to->version != VCARD_4 || !card->pronouns)
        return;
    put(to, "PRONOUNS");
    if (is_language_tag(card->lang)) {
        put(to, ";LANGUAGE=");
        put(to, card->lang);
    }
    text_line(to, ":", card->pronouns);
}

static void write_organization(struct writer *to, const struct card *card)
{
    if (!card->organization && !card->department)
        return;
    put(to, "ORG:");
    put_text(to, card->organization);
    if (card->department) {
        put(to, ";");
        put_text(to, card->department);
    }
    end_line(to);
}

static void write_revision(struct writer *to, int64_t updated_ms)
{
    if (!updated_ms)
        return;
    time_t seconds = (time_t)(updated_ms / 1000);
    struct tm utc;
    char text[32];
    gmtime_r(&seconds, &utc);
    strftime(text, sizeof text, to->version == VCARD_3 ? "REV:%Y-%m-%dT%H:%M:%SZ" : "REV:%Y%m%dT%H%M%SZ", &utc);
    line(to, text);
}

static void write_photo(struct writer *to, const void *jpeg, size_t len)
{
    if (!jpeg || !len)
        return;
    put(to, to->version == VCARD_3 ? "PHOTO;ENCODING=b;TYPE=JPEG:" : "PHOTO:data:image/jpeg;base64,");
    put_base64(to, jpeg, len);
    end_line(to);
}

void vcard_write(struct str *out, const struct card *card, enum vcard_version version,
                 const struct vcard_extras *extras)
{
    struct writer writer = {.out = out, .version = version};
    struct writer *to = &writer;
    line(to, "BEGIN:VCARD");
    line(to, version == VCARD_3 ? "VERSION:3.0" : "VERSION:4.0");
    if (version == VCARD_4)
        line(to, "KIND:individual");
    text_line(to, "PRODID:", "-//Meishi//Meishi//EN");
    if (version == VCARD_3)
        text_line(to, "UID:", extras->uid);
    else
        uri_line(to, "UID:", extras->uid);
    write_revision(to, card->updated_ms);
    write_name(to, card);
    write_pronouns(to, card);
    write_organization(to, card);
    text_line(to, "TITLE:", card->title);
    for (int i = 0; i < card->phone_count; i++)
        write_point(to, "TEL", &card->phones[i], false);
    for (int i = 0; i < card->email_count; i++)
        write_point(to, "EMAIL", &card->emails[i], false);
    for (int i = 0; i < card->link_count; i++)
        write_link(to, &card->links[i]);
    /* After the member's own pages, since some phones keep only the first URL. */
    uri_line(to, "URL:", extras->url);
    uri_line(to, "SOURCE:", extras->url);
    for (int i = 0; i < card->address_count; i++)
        write_address(to, &card->addresses[i]);
    text_line(to, "NOTE:", card->note);
    write_photo(to, extras->jpeg, extras->jpeg_len);
    line(to, "END:VCARD");
}
