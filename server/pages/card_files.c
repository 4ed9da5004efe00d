/* See card_files.h. Everything here is rendered once a revision and kept as a ready reply with a strong ETag; the QR code
 * without a mark depends on the token alone. */
#include "server/pages/card_files.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cards/base/id.h"
#include "cards/preview_image.h"
#include "cards/qr.h"
#include "cards/vcard.h"
#include "server/pages/crowd.h"
#include "server/pages/scan.h"
#include "server/store/store.h"

enum { SVG_MAX = 512 * 1024, QR_INLINE_MAX = 1024 /* pixels; a larger one would hold up the loop */ };

static const char CACHE_A_DAY[] = "public, max-age=86400";
static const char CACHE_PRIVATE[] = "private, no-cache";
static const char CACHE_ASK[] = "public, no-cache"; /* the initials in a code change with the name */

const char *card_file_qr_text(const char *base_url, const char *token, struct arena *arena)
{
    char *text = arena_printf(arena, "%s/C/%s", base_url, token);
    for (char *at = text; *at; at++)
        *at = (char)toupper((unsigned char)*at);
    return text;
}

/* The share named by the path; on a loop a miss is answered by a worker, which is what RESULT_BUSY leads to. */
static enum result open_share(struct app *app, struct request *request, struct open_share *out)
{
    return scan_open_share(app, request->params[0], request_is_on_worker(request), out);
}

/* BUSY from any step below means "on a worker, please". */
static enum result settle(struct request *request, enum result result)
{
    if (result != RESULT_BUSY)
        return result;
    request_defer(request);
    return RESULT_OK;
}

/* Keeps and sends what was rendered. */
static void keep_and_send(struct app *app, struct request *request, const char *key, const void *bytes, size_t len,
                          const struct ready_options *options)
{
    struct ready_reply *ready = ready_new(bytes, len, false, options);
    page_cache_put(app->pages, key, ready);
    reply_ready(request, ready);
    ready_drop(ready);
}

/* Sends what is kept under KEY; false when nothing is. */
static bool send_kept(struct app *app, struct request *request, const char *key)
{
    struct ready_reply *ready = page_cache_get(app->pages, key);
    if (!ready)
        return false;
    reply_ready(request, ready);
    ready_drop(ready);
    return true;
}

/* What is asked for by ?size=PIXELS, ?level=L|M|Q|H and ?logo=1. */
struct qr_wish {
    enum qr_level level;
    int size;  /* of a PNG */
    bool logo; /* the card's initials in the middle, which takes level Q at least */
};

static enum result read_level(struct request *request, bool logo, enum qr_level *out)
{
    static const char LEVELS[] = "LMQH";
    const char *level = request_query(request, "level");
    *out = logo ? QR_LEVEL_Q : QR_LEVEL_M;
    if (!level)
        return RESULT_OK;
    const char *at = strlen(level) == 1 ? strchr(LEVELS, toupper((unsigned char)*level)) : NULL;
    if (!at)
        return RESULT_INVALID;
    enum qr_level asked = (enum qr_level)(at - LEVELS);
    *out = asked > *out || !logo ? asked : *out;
    return RESULT_OK;
}

static enum result read_size(struct request *request, int *out)
{
    const char *text = request_query(request, "size");
    *out = QR_SIZE_DEFAULT;
    if (!text)
        return RESULT_OK;
    char *end;
    long size = strtol(text, &end, 10);
    if (end == text || *end || size < QR_SIZE_MIN || size > QR_SIZE_MAX)
        return RESULT_INVALID;
    *out = (int)size;
    return RESULT_OK;
}

/* What a drawing is asked to be, which has no size. INVALID for anything else than what struct qr_wish says. */
static enum result read_wish(struct request *request, struct qr_wish *out)
{
    const char *logo = request_query(request, "logo");
    *out = (struct qr_wish){.logo = logo && !strcmp(logo, "1")};
    if (logo && !out->logo && strcmp(logo, "0"))
        return RESULT_INVALID;
    return read_level(request, out->logo, &out->level);
}

/* Said in the words of who asked. */
static enum result refuse_wish(struct request *request)
{
    reply_text(request, 400,
               arena_printf(&request->arena,
                            "size is a number of pixels from %d to %d; level is one of L, M, Q, H; logo is 1 or 0.\n",
                            QR_SIZE_MIN, QR_SIZE_MAX));
    return RESULT_OK;
}

/* The key that WHAT is kept under: with a mark it is the card's revision's too. */
static const char *wish_key(struct request *request, const char *what, const struct open_share *share,
                            const struct qr_wish *wish)
{
    if (wish->logo)
        return arena_printf(&request->arena, "%s %s %d marked %lld", what, share->token, (int)wish->level,
                            (long long)share->card_revision);
    return arena_printf(&request->arena, "%s %s %d", what, share->token, (int)wish->level);
}

enum result card_file_qr(struct app *app, const char *token, enum qr_level level, const struct card *card,
                         struct arena *arena, struct qr *out)
{
    const char *text = card_file_qr_text(app->config->url, token, arena);
    if (!card)
        return qr_encode(text, level, arena, out);
    struct monogram *mark = arena_alloc(arena, sizeof *mark);
    enum result result = monogram_make(card, arena, mark);
    return result == RESULT_OK ? qr_encode_marked(text, level, mark, arena, out) : result;
}

static enum result make_qr(struct app *app, struct request *request, const struct open_share *share,
                           const struct qr_wish *wish, struct qr *out)
{
    struct card card;
    if (!wish->logo)
        return card_file_qr(app, share->token, wish->level, NULL, &request->arena, out);
    enum result result = store_card_open(app->store, &request->arena, share->card_id, &card);
    return result == RESULT_OK ? card_file_qr(app, share->token, wish->level, &card, &request->arena, out) : result;
}

static void keep_and_send_qr(struct app *app, struct request *request, const char *key, const struct qr_wish *wish,
                             const char *content_type, const void *bytes, size_t len)
{
    keep_and_send(app, request, key, bytes, len,
                  &(struct ready_options){.content_type = content_type,
                                          .cache = wish->logo ? CACHE_ASK : CACHE_A_DAY,
                                          .cross_origin = true});
}

enum result card_file_qr_png(struct app *app, struct request *request)
{
    struct open_share share;
    struct qr_wish wish;
    if (read_wish(request, &wish) != RESULT_OK || read_size(request, &wish.size) != RESULT_OK)
        return refuse_wish(request);
    enum result result = open_share(app, request, &share);
    if (result != RESULT_OK)
        return settle(request, result);
    const char *key = wish_key(request, arena_printf(&request->arena, "qr %d", wish.size), &share, &wish);
    if (send_kept(app, request, key))
        return RESULT_OK;
    if ((wish.logo || wish.size > QR_INLINE_MAX) && !request_is_on_worker(request))
        return settle(request, RESULT_BUSY);
    struct qr qr;
    const void *png;
    size_t len;
    result = make_qr(app, request, &share, &wish, &qr);
    if (result == RESULT_OK)
        result = qr_png(&qr, wish.size, &request->arena, &png, &len);
    if (result == RESULT_OK)
        keep_and_send_qr(app, request, key, &wish, "image/png", png, len);
    return result;
}

enum result card_file_qr_svg(struct app *app, struct request *request)
{
    struct open_share share;
    struct qr_wish wish;
    if (read_wish(request, &wish) != RESULT_OK)
        return refuse_wish(request);
    enum result result = open_share(app, request, &share);
    if (result != RESULT_OK)
        return settle(request, result);
    const char *key = wish_key(request, "qr svg", &share, &wish);
    if (send_kept(app, request, key))
        return RESULT_OK;
    if (wish.logo && !request_is_on_worker(request))
        return settle(request, RESULT_BUSY);
    struct qr qr;
    struct str svg;
    str_init(&svg, &request->arena, SVG_MAX);
    result = make_qr(app, request, &share, &wish, &qr);
    if (result == RESULT_OK)
        qr_svg(&svg, &qr, "QR code of this card's address");
    if (result == RESULT_OK)
        keep_and_send_qr(app, request, key, &wish, "image/svg+xml", svg.data, svg.len);
    return result;
}

/* A name for the download: letters and digits of the card's name, in UTF-8 for those who understand RFC 8187. */
static const char *disposition_of(const struct card *card, struct arena *arena)
{
    struct str plain, encoded;
    str_init(&plain, arena, 64);
    str_init(&encoded, arena, 400);
    for (const unsigned char *at = (const unsigned char *)card->name; *at; at++) {
        if (*at < 0x80 && isalnum(*at))
            str_add_char(&plain, (char)*at);
        else if (*at == ' ' && plain.len)
            str_add_char(&plain, '-');
        if (*at < 0x80 && isalnum(*at))
            str_add_char(&encoded, (char)*at);
        else
            str_addf(&encoded, "%%%02X", *at);
    }
    if (encoded.failed)
        return arena_printf(arena, "inline; filename=\"contact.vcf\"");
    return arena_printf(arena, "inline; filename=\"%s.vcf\"; filename*=UTF-8''%s.vcf",
                        plain.len && !plain.failed ? plain.data : "contact", encoded.data);
}

static bool wants_version_4(struct request *request)
{
    const char *version = request_query(request, "v"), *accept = request_header(request, "Accept");
    return (version && (!strcmp(version, "4") || !strcmp(version, "4.0"))) ||
           (!version && accept && strstr(accept, "version=4.0"));
}

/* Renders the contact and keeps it. On a worker. */
static enum result render_vcf(struct app *app, struct request *request, const struct open_share *share, const char *key)
{
    struct card card;
    struct vcard_extras extras = {.url = arena_printf(&request->arena, "%s/c/%s", app->config->url, share->token)};
    char id[ID_TEXT_SIZE];
    extras.uid = arena_printf(&request->arena, "%s/card/%s", app->config->url, id_format(id, "crd", share->card_id));
    enum result result = store_card_open(app->store, &request->arena, share->card_id, &card);
    if (result == RESULT_OK && card.portrait_id &&
        store_portrait_find(app->store, &request->arena, card.portrait_id, &extras.jpeg, &extras.jpeg_len) != RESULT_OK)
        extras.jpeg = NULL; /* a contact without its picture is still a contact */
    if (result != RESULT_OK)
        return result;
    struct str text;
    str_init(&text, &request->arena, VCARD_MAX);
    vcard_write(&text, &card, wants_version_4(request) ? VCARD_4 : VCARD_3, &extras);
    if (text.failed)
        return RESULT_FAILED;
    keep_and_send(app, request, key, text.data, text.len,
                  &(struct ready_options){.content_type = "text/vcard; charset=utf-8",
                                          .cache = CACHE_PRIVATE,
                                          .disposition = disposition_of(&card, &request->arena)});
    return RESULT_OK;
}

enum result card_file_vcf(struct app *app, struct request *request)
{
    struct open_share share;
    enum result result = open_share(app, request, &share);
    if (result != RESULT_OK)
        return settle(request, result);
    const char *key = arena_printf(&request->arena, "vcf %s %lld %d", share.token, (long long)share.card_revision,
                                   wants_version_4(request));
    if (!send_kept(app, request, key)) {
        if (!request_is_on_worker(request))
            return settle(request, RESULT_BUSY);
        result = render_vcf(app, request, &share, key);
        if (result != RESULT_OK)
            return result;
    }
    int64_t hit_id = stamp_read(request_query(request, "s"), app->keys.stamp, share.share_id);
    if (hit_id && request->method == HTTP_GET)
        scan_act(app, request, &share, hit_id, crowd_act(app, request, share.share_id, ACT_SAVE), 0);
    return RESULT_OK;
}

/* "https://cards.example.org" without its scheme. */
static const char *host_of(const char *url)
{
    const char *host = strstr(url, "://");
    return host ? host + 3 : url;
}

static enum result render_preview(struct app *app, struct request *request, const struct open_share *share,
                                  const char *key)
{
    struct card card;
    const void *jpeg = NULL, *png;
    size_t jpeg_len = 0, len;
    enum result result = store_card_open(app->store, &request->arena, share->card_id, &card);
    if (result == RESULT_OK && card.portrait_id &&
        store_portrait_find(app->store, &request->arena, card.portrait_id, &jpeg, &jpeg_len) != RESULT_OK)
        jpeg = NULL;
    if (result == RESULT_OK)
        result = preview_image_png(&card, host_of(app->config->url), jpeg, jpeg_len, &request->arena, &png, &len);
    if (result == RESULT_OK)
        keep_and_send(app, request, key, png, len,
                      &(struct ready_options){.content_type = "image/png", .cache = CACHE_A_DAY, .cross_origin = true});
    return result;
}

enum result card_file_preview(struct app *app, struct request *request)
{
    struct open_share share;
    enum result result = open_share(app, request, &share);
    if (result != RESULT_OK)
        return settle(request, result);
    const char *key =
        arena_printf(&request->arena, "preview %lld %lld", (long long)share.card_id, (long long)share.card_revision);
    if (send_kept(app, request, key))
        return RESULT_OK;
    return request_is_on_worker(request) ? render_preview(app, request, &share, key) : settle(request, RESULT_BUSY);
}

enum result card_file_portrait(struct app *app, struct request *request)
{
    int64_t id = id_parse("pic", request->params[0]);
    const char *key = arena_printf(&request->arena, "portrait %lld", (long long)id);
    if (!id)
        return RESULT_NOT_FOUND;
    if (send_kept(app, request, key))
        return RESULT_OK;
    if (!request_is_on_worker(request))
        return settle(request, RESULT_BUSY);
    const void *jpeg;
    size_t len;
    enum result result = store_portrait_find(app->store, &request->arena, id, &jpeg, &len);
    if (result == RESULT_OK)
        keep_and_send(
            app, request, key, jpeg, len,
            &(struct ready_options){.content_type = "image/jpeg", .cache = "public, max-age=31536000, immutable"});
    return result;
}
