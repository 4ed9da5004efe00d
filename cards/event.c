/* See event.h. The JSON of a lead and of a share is made here for the API as well, so that a webhook's body and the
 * answer to a GET are the same shape. */
#include "cards/event.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "cards/base/str.h"
#include "cards/base/text.h"

static const char *const NAMES[EVENT_COUNT] = {
    [EVENT_LEAD_POTENTIAL] = "lead.potential", [EVENT_LEAD_CREATED] = "lead.created",
    [EVENT_LEAD_UPDATED] = "lead.updated",     [EVENT_LEAD_ERASED] = "lead.erased",
    [EVENT_SHARE_CREATED] = "share.created",   [EVENT_SHARE_PASSED_ON] = "share.passed_on",
    [EVENT_CARD_SCANNED] = "card.scanned",     [EVENT_FOLLOW_UP_DUE] = "follow_up.due",
    [EVENT_WEBHOOK_PING] = "webhook.ping",
};

const char *event_name(enum event_type type)
{
    assert((unsigned)type < EVENT_COUNT);
    return NAMES[type];
}

enum event_type event_parse(const char *name)
{
    enum event_type type = EVENT_LEAD_POTENTIAL;
    while (type < EVENT_COUNT && (!name || strcmp(NAMES[type], name)))
        type++;
    return type;
}

/* ------------------------------------------------------------------------------------------------------ pieces */

static void set(json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value))
        abort(); /* out of memory: names and values of ours are always sound */
}

static json_t *text_json(const char *text)
{
    json_t *json = text ? json_string(text) : NULL;
    return json ? json : json_null();
}

static json_t *id_json(const char *kind, int64_t id)
{
    char text[ID_TEXT_SIZE];
    return id ? json_string(id_format(text, kind, id)) : json_null();
}

enum { TIME_TEXT_SIZE = 32 };

static const char *format_time(char out[TIME_TEXT_SIZE], int64_t time_ms)
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t len = strftime(out, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out + len, TIME_TEXT_SIZE - len, ".%03dZ", (int)(time_ms % 1000));
    return out;
}

const char *time_text(int64_t time_ms, struct arena *arena)
{
    char text[TIME_TEXT_SIZE];
    return time_ms > 0 ? arena_strdup(arena, format_time(text, time_ms)) : NULL;
}

json_t *time_json(int64_t time_ms)
{
    char text[TIME_TEXT_SIZE];
    return time_ms > 0 ? json_string(format_time(text, time_ms)) : json_null();
}

/* Who held the card: a member, an identified visitor, or somebody known by a name at most. */
static json_t *person_json(int64_t member_id, int64_t lead_id, const char *handle, const char *name)
{
    json_t *json = json_object();
    set(json, "id", member_id ? id_json("mem", member_id) : id_json("led", lead_id));
    set(json, "handle", text_json(member_id ? handle : NULL));
    set(json, "name", text_json(name));
    return json;
}

/* The sharer of a share is its last hand; a share read without its chain knows at least the ids. */
static json_t *sharer_json(const struct share *share)
{
    if (share->chain_len > 0) {
        const struct hand *hand = &share->chain[share->chain_len - 1];
        return person_json(hand->member_id, hand->lead_id, hand->handle, hand->name);
    }
    return person_json(share->sharer_member_id, share->sharer_lead_id, NULL, share->sharer_name);
}

/* ------------------------------------------------------------------------------------------------------ shapes */

json_t *chain_to_json(const struct share *share)
{
    json_t *chain = json_array();
    for (int i = 0; i < share->chain_len; i++) {
        const struct hand *hand = &share->chain[i];
        json_t *json = json_object();
        set(json, "share_id", id_json("shr", hand->share_id));
        set(json, "token", json_string(hand->token));
        set(json, "channel", json_string(channel_name(hand->channel)));
        set(json, "sharer", person_json(hand->member_id, hand->lead_id, hand->handle, hand->name));
        set(json, "vouch", text_json(hand->vouch));
        json_array_append_new(chain, json);
    }
    return chain;
}

json_t *share_to_json(const struct share *share, const char *base_url)
{
    json_t *json = json_object();
    set(json, "id", id_json("shr", share->id));
    set(json, "token", json_string(share->token));
    set(json, "url", json_sprintf("%s/c/%s", base_url, share->token));
    set(json, "qr_png_url", json_sprintf("%s/c/%s.png", base_url, share->token));
    set(json, "qr_svg_url", json_sprintf("%s/c/%s.svg", base_url, share->token));
    set(json, "card_id", id_json("crd", share->card_id));
    set(json, "channel", json_string(channel_name(share->channel)));
    set(json, "label", text_json(share->label));
    set(json, "recipient", text_json(share->recipient));
    set(json, "parent", id_json("shr", share->parent_id));
    set(json, "sharer", sharer_json(share));
    set(json, "chain", chain_to_json(share));
    set(json, "created_at", time_json(share->created_ms));
    set(json, "expires_at", time_json(share->expires_ms));
    set(json, "revoked_at", time_json(share->revoked_ms));
    return json;
}

static json_t *lead_share_json(const struct share *share)
{
    json_t *json = json_object();
    set(json, "id", id_json("shr", share->id));
    set(json, "token", json_string(share->token));
    set(json, "channel", json_string(channel_name(share->channel)));
    set(json, "label", text_json(share->label));
    return json;
}

static json_t *endorser_json(const struct lead *lead)
{
    if (!lead->referral || (!lead->endorser_member_id && !lead->endorser_lead_id))
        return json_null();
    json_t *json =
        person_json(lead->endorser_member_id, lead->endorser_lead_id, lead->endorser_handle, lead->endorser_name);
    set(json, "vouch", text_json(lead->endorser_vouch));
    return json;
}

json_t *lead_to_json(const struct lead *lead)
{
    static const struct share none = {0};
    const struct share *share = lead->share ? lead->share : &none;
    json_t *json = json_object();
    set(json, "id", id_json("led", lead->id));
    set(json, "kind", json_string(lead->referral ? "referral" : "lead"));
    set(json, "stage", json_string(stage_name(lead->stage)));
    set(json, "sharer", lead->share ? sharer_json(share) : json_null());
    set(json, "share", lead->share ? lead_share_json(share) : json_null());
    set(json, "chain", chain_to_json(share));
    set(json, "endorser", endorser_json(lead));
    set(json, "name", text_json(lead->name));
    set(json, "email", text_json(lead->email));
    set(json, "phone", text_json(lead->phone));
    set(json, "company", text_json(lead->company));
    set(json, "message", text_json(lead->message));
    set(json, "recipient", text_json(lead->recipient));
    set(json, "set_aside", text_json(lead->set_aside));
    set(json, "created_at", time_json(lead->created_ms));
    set(json, "identified_at", time_json(lead->identified_ms));
    set(json, "updated_at", time_json(lead->updated_ms));
    return json;
}

/* -------------------------------------------------------------------------------------------------------- body */

/* Only words of people are cut: ids, addresses and times are of use whole or not at all. */
static bool is_free_text(const char *name)
{
    static const char *const names[] = {"message", "vouch", "company", "label", "recipient", "name", "note", "title"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

static void cut_free_text(json_t *json, size_t max, struct arena *arena)
{
    const char *name;
    size_t index;
    json_t *value;
    json_array_foreach(json, index, value) cut_free_text(value, max, arena);
    json_object_foreach(json, name, value)
    {
        if (!json_is_string(value))
            cut_free_text(value, max, arena);
        else if (is_free_text(name) && json_string_set(value, text_cut(json_string_value(value), max, arena)))
            abort();
    }
}

/* What is kept leaves room for ,"sequence":9223372036854775807 */
enum { SEQUENCE_ROOM = 40, KEPT_BODY_MAX = EVENT_BODY_MAX - SEQUENCE_ROOM };

static int add_piece(const char *piece, size_t len, void *out)
{
    str_add_n(out, piece, len);
    return 0;
}

const char *event_body(enum event_type type, int64_t now_ms, json_t *data, struct arena *arena)
{
    /* A full message of four-byte letters, sixteen hands with a word each: too much together, fine once shortened. */
    static const size_t cuts[] = {0, 2000, 1000, 500, 240, 120, 60, 30};
    json_t *body = json_object();
    set(body, "type", json_string(event_name(type)));
    set(body, "timestamp", time_json(now_ms));
    set(body, "data", data);
    struct str text;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        if (cuts[i]) {
            set(body, "cut", json_true());
            cut_free_text(body, cuts[i], arena);
        }
        str_init(&text, arena, KEPT_BODY_MAX);
        if (json_dump_callback(body, add_piece, &text, JSON_COMPACT))
            abort();
        if (!text.failed)
            break;
    }
    json_decref(body);
    assert(!text.failed);
    return text.data;
}

/* ------------------------------------------------------------------------------------------------- what is sent */

const char *event_number(const char *body, int64_t sequence, struct arena *arena)
{
    /* Put in as text: most events are sent as they are kept, and reading each would cost more than signing it. No word of a
     * person comes before the time. */
    static const char BEFORE[] = "\"timestamp\":\"";
    const char *time = strstr(body, BEFORE), *after = time ? strchr(time + sizeof BEFORE - 1, '"') : NULL;
    if (!after++)
        return NULL;
    return arena_printf(arena, "%.*s,\"sequence\":%" PRId64 "%s", (int)(after - body), body, sequence, after);
}

static json_t *copy_members(const json_t *from, const char *const *names)
{
    json_t *json = json_object();
    for (; *names; names++)
        if (json_object_get(from, *names))
            set(json, *names, json_deep_copy(json_object_get(from, *names)));
    return json;
}

static void add_api_url(json_t *json, const char *base_url, const char *kind)
{
    const char *id = json_string_value(json_object_get(json, "id"));
    set(json, "api_url", json_sprintf("%s/api/v1/%s/%s", base_url, kind, id ? id : ""));
}

static json_t *thin_data(enum event_type type, const json_t *data, const char *base_url)
{
    static const char *const LEAD[] = {"id", "kind", NULL}, *const SHARE[] = {"id", "card_id", NULL},
                             *const FOLLOW_UP[] = {"id", "due_at", NULL}, *const ID[] = {"id", NULL};
    const json_t *lead = json_object_get(data, "lead"), *share = json_object_get(data, "share"),
                 *hit = json_object_get(data, "hit"), *webhook = json_object_get(data, "webhook"),
                 *follow_up = json_object_get(data, "follow_up");
    json_t *thin = json_object(), *json;
    if (follow_up) {
        set(thin, "follow_up", json = copy_members(follow_up, FOLLOW_UP));
        add_api_url(json, base_url, "follow-ups");
    }
    if (lead && type == EVENT_LEAD_ERASED) /* there is nothing left to read */
        set(thin, "lead", copy_members(lead, ID));
    else if (lead) {
        set(thin, "lead", json = copy_members(lead, LEAD));
        add_api_url(json, base_url, "leads");
    }
    if (hit)
        set(thin, "hit", copy_members(hit, ID));
    if (share) {
        set(thin, "share", json = copy_members(share, SHARE));
        add_api_url(json, base_url, "shares");
    }
    if (webhook)
        set(thin, "webhook", copy_members(webhook, ID));
    return thin;
}

json_t *event_thin(const char *body, int64_t sequence, const char *base_url)
{
    json_t *full = json_loads(body, 0, NULL);
    const json_t *type = json_object_get(full, "type"), *time = json_object_get(full, "timestamp");
    if (!json_is_string(type) || !json_is_string(time)) {
        json_decref(full);
        return NULL;
    }
    json_t *thin = json_object();
    set(thin, "type", json_deep_copy(type));
    set(thin, "timestamp", json_deep_copy(time));
    set(thin, "sequence", json_integer(sequence));
    set(thin, "data", thin_data(event_parse(json_string_value(type)), json_object_get(full, "data"), base_url));
    json_decref(full);
    return thin;
}
