/* POST /c/{token}/lead: a visitor leaves their details. A name and one way to reach them are enough; what is wrong is said
 * beside its field with everything typed still there; what looks like a machine's is set aside, never thrown away. The answer
 * is the visitor's receipt. */
#include <string.h>

#include "cards/base/id.h"
#include "cards/consent.h"
#include "cards/proof_of_work.h"
#include "cards/stamp.h"
#include "cards/verdict.h"
#include "server/auth/throttle.h"
#include "server/http/request.h"
#include "server/ids.h"
#include "server/pages/card_view.h"
#include "server/pages/pages.h"
#include "server/pages/receipt.h"
#include "server/pages/scan.h"
#include "server/store/store.h"
#include "templates.h"

enum {
    PAGE_MAX = 256 * 1024,
    TOO_SOON_MS = 3000,
    PAGE_AGE_MAX_MS = 24 * 3600 * 1000,
    TEN_MINUTES_MS = 10 * 60 * 1000,
    HOUR_MS = 3600 * 1000,
    NETWORK_MAX = 30, /* forms of one network in ten minutes before work is asked for: a fair's Wi-Fi is one network */
    FLOOD_MAX = 300,  /* of those, before any without work is turned away: setting aside fills the disk too */
    CARD_MAX = 120,   /* forms for one card in an hour */
    WORK_BITS = 15,   /* a second on a phone */
    WORK_TIME_MS = 30 * 60 * 1000
};

static const char PURPOSE[] = "lead";

/* Everything one form is about. */
struct submission {
    struct open_share open;
    struct share share;
    struct card card;
    struct lead_form form;
    struct lead lead;
    const char *stamp;
    int64_t hit_id; /* of the page it was written on; 0 without a genuine stamp */
    int64_t now_ms;
};

static enum result read_submission(struct app *app, struct request *request, struct submission *out)
{
    enum result result = scan_open_share(app, request->params[0], true, &out->open);
    if (result == RESULT_OK)
        result = store_share_find_by_token(app->store, &request->arena, out->open.token, &out->share);
    if (result == RESULT_OK)
        result = store_card_open(app->store, &request->arena, out->open.card_id, &out->card);
    if (result != RESULT_OK)
        return result;
    out->now_ms = now_ms();
    out->stamp = request_form(request, "stamp");
    out->hit_id = stamp_read(out->stamp, app->keys.stamp, out->open.share_id);
    out->form = (struct lead_form){
        .name = request_form(request, "name"),
        .reach = request_form(request, "reach"),
        .email = request_form(request, "email"),
        .phone = request_form(request, "phone"),
        .company = request_form(request, "company"),
        .message = request_form(request, "message"),
        .consent = request_form(request, "consent"),
        .trap = request_form(request, "homepage"),
    };
    return RESULT_OK;
}

/* Why a person would hardly have sent this; NULL when nothing speaks against it. */
static const char *suspicion(const struct submission *it)
{
    if (!it->hit_id)
        return "no stamp: it was not written on the card's page";
    int64_t age_ms = it->now_ms - id_time_ms(it->hit_id);
    /* A page that another server wrote has the time of its clock, which may be so much ahead of this one's. */
    int64_t at_most_ms = id_is_own(it->hit_id) ? age_ms : age_ms + STORE_CLOCKS_DIFFER_MS;
    if (at_most_ms < TOO_SOON_MS)
        return "sent within 3 seconds";
    if (age_ms > PAGE_AGE_MAX_MS)
        return "old page: it was opened more than a day before";
    return NULL;
}

/* The card's page once more, with what was typed, what is wrong, and a challenge if there is one. */
static enum result show_again(struct app *app, struct request *request, const struct submission *it, int status,
                              const struct complaints *complaints, const char *words, const char *challenge)
{
    struct arena *arena = &request->arena;
    struct card_view *view = arena_alloc(arena, sizeof *view);
    card_view_fill(app->config->url, arena, &it->card, &it->share, it->share.token, it->hit_id ? it->stamp : "", view);
    const char *reach_error = complaints_about(complaints, "reach");
    if (!reach_error)
        reach_error = complaints_about(complaints, "email");
    if (!reach_error)
        reach_error = complaints_about(complaints, "phone");
    view->form = (struct lead_form_view){
        .words = words,
        .name = it->form.name,
        .reach = it->form.reach   ? it->form.reach
                 : it->form.email ? it->form.email
                                  : it->form.phone,
        .message = it->form.message,
        .company = it->form.company,
        .ticked = it->form.consent != NULL,
        .name_error = complaints_about(complaints, "name"),
        .reach_error = reach_error,
        .message_error = complaints_about(complaints, "message"),
        .company_error = complaints_about(complaints, "company"),
        .challenge = challenge,
        .challenge_bits = WORK_BITS,
    };
    view->form.focus_reach = view->form.reach_error && !view->form.name_error;
    view->form.focus_message = view->form.message_error && !view->form.reach_error && !view->form.name_error;
    struct str html;
    str_init(&html, arena, PAGE_MAX);
    template_card(&html, view);
    reply_html(request, status, html.data, html.len);
    reply_csp(request, CARD_VIEW_CSP);
    return html.failed ? RESULT_FAILED : RESULT_OK;
}

/* --- Many from one network ------------------------------------------------------------------------------------------- */

/* A form sent again from the same page is the same person tapping again, and is not counted twice. */
static int64_t forms_to_count(struct app *app, const struct submission *it)
{
    if (!it->hit_id)
        return 1;
    int64_t times = throttle_count_together(app->throttle, "lead of page", &it->hit_id, sizeof it->hit_id,
                                            PAGE_AGE_MAX_MS, it->now_ms, 1, 1);
    return times == 1 ? 1 : 0;
}

static int64_t forms_of_network(struct app *app, const struct request *request, int64_t now, int64_t more)
{
    struct net_address network = address_network(&request->client);
    return throttle_count_together(app->throttle, "leads of network", &network, sizeof network, TEN_MINUTES_MS, now,
                                   more, FLOOD_MAX);
}

static bool is_crowded(struct app *app, const struct request *request, const struct submission *it)
{
    int64_t amount = forms_to_count(app, it), card_id = it->card.id;
    int64_t of_network = forms_of_network(app, request, it->now_ms, amount);
    int64_t of_card = throttle_count_together(app->throttle, "leads of card", &card_id, sizeof card_id, HOUR_MS,
                                              it->now_ms, amount, CARD_MAX);
    return of_network > NETWORK_MAX || of_card > CARD_MAX;
}

static const char *ask_for_work(struct app *app, struct request *request, const struct submission *it)
{
    struct proof_of_work terms = {
        .card_id = it->card.id, .purpose = PURPOSE, .expires_ms = it->now_ms + WORK_TIME_MS, .bits = WORK_BITS};
    random_bytes(terms.nonce, sizeof terms.nonce);
    return proof_of_work_ask(&terms, app->keys.work, &request->arena);
}

/* Whether the work was done, for this form alone. */
static bool has_worked(struct app *app, struct request *request, const struct submission *it)
{
    struct proof_of_work terms;
    return proof_of_work_check(request_form(request, "challenge"), request_form(request, "answer"), app->keys.work,
                               it->card.id, PURPOSE, it->now_ms, &terms) == RESULT_OK &&
           throttle_count_together(app->throttle, "work", terms.nonce, sizeof terms.nonce, WORK_TIME_MS, it->now_ms, 1,
                                   1) == 1;
}

/* --- Keeping it ------------------------------------------------------------------------------------------------------ */

static bool is_same(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

/* The same page sent before. The same details: a second tap, which leads to the same receipt. Others: whoever sends them may
 * have got the stamp with a forwarded link, and must not be shown what the first visitor left. */
static enum result repeat(struct app *app, struct request *request, const struct submission *it,
                          const unsigned char hash[HASH_SIZE], const char *location)
{
    struct lead kept;
    enum result result = store_receipt_find(app->store, &request->arena, hash, &kept);
    if (result == RESULT_OK && is_same(kept.email, it->lead.email) && is_same(kept.phone, it->lead.phone)) {
        reply_see_other(request, location);
        return RESULT_OK;
    }
    if (result != RESULT_OK && result != RESULT_NOT_FOUND)
        return result;
    return show_again(app, request, it, 422, &(struct complaints){0},
                      "Somebody sent their details from this page before. Please open the card again, then send yours.",
                      NULL);
}

static enum result keep(struct app *app, struct request *request, struct submission *it)
{
    struct lead kept;
    char secret[RECEIPT_SECRET_SIZE];
    unsigned char hash[HASH_SIZE];
    struct consent consent = consent_of(&it->card, &request->arena);
    it->lead.owner_id = it->open.owner_id;
    it->lead.card_id = it->open.card_id;
    it->lead.share_id = it->open.share_id;
    it->lead.visitor_hit_id = it->hit_id;
    it->lead.consent_text = consent_record(&consent, it->lead.consent_contact, &request->arena);
    receipt_secret(&app->keys, it->hit_id, it->open.share_id, secret);
    receipt_hash(secret, hash);
    const char *location = arena_printf(&request->arena, "/receipt/%s", secret);
    enum result result = store_lead_add(app->store, &request->arena, &it->lead, hash, it->now_ms, &kept);
    if (result == RESULT_CONFLICT)
        return repeat(app, request, it, hash, location);
    if (result == RESULT_FAILED) /* a full disk: what was typed must not be lost */
        return show_again(app, request, it, 503, &(struct complaints){0},
                          "This could not be kept just now, and nothing was sent. Please send it again in a minute.",
                          NULL);
    if (result != RESULT_OK)
        return result;
    reply_see_other(request, location);
    if (it->hit_id)
        scan_act(app, request, &it->open, it->hit_id, ACT_FORM, 0);
    return RESULT_OK;
}

enum result visitor_lead(struct app *app, struct request *request)
{
    struct submission *it = arena_alloc(&request->arena, sizeof *it);
    struct complaints complaints = {0};
    enum result result = read_submission(app, request, it);
    if (result != RESULT_OK)
        return result;
    if (lead_from_form(&it->form, &it->lead, &request->arena, &complaints) != RESULT_OK)
        return show_again(app, request, it, 422, &complaints, "Nothing was sent yet. Please look at what is marked.",
                          NULL);
    if (!it->lead.set_aside)
        it->lead.set_aside = suspicion(it);
    if (is_crowded(app, request, it) && !has_worked(app, request, it)) {
        if (!request_form(request, "challenge"))
            return show_again(
                app, request, it, 422, &complaints,
                "Many people on your network write at this moment. Nothing was sent yet: please send it again.",
                ask_for_work(app, request, it));
        if (forms_of_network(app, request, it->now_ms, 0) > FLOOD_MAX)
            return RESULT_LIMITED;
        if (!it->lead.set_aside)
            it->lead.set_aside = "many from one network";
    }
    return keep(app, request, it);
}
