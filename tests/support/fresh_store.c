/* See fresh_store.h. */
#include "tests/support/fresh_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "server/ids.h"

static const unsigned char SEAL_KEY[32] = "thirty-two bytes of a seal key.";
static _Thread_local unsigned char receipt[HASH_SIZE];

static void must(enum result result, const char *what)
{
    if (result == RESULT_OK)
        return;
    fprintf(stderr, "fresh_store: %s answered %d\n", what, result);
    abort();
}

static void open_store(struct fresh *fresh)
{
    struct store_options options = {.url = fresh->url,
                                    .driver = engine_driver(),
                                    .base_url = "https://meishi.example",
                                    .seal_key = SEAL_KEY,
                                    .readers = 2};
    const char *why = NULL;
    enum result result = store_open(&options, &fresh->arena, &fresh->store, &why);
    if (why)
        fprintf(stderr, "%s\n", why);
    must(result, "store_open");
}

struct fresh *fresh_open(void)
{
    struct fresh *fresh = calloc(1, sizeof *fresh);
    if (!fresh)
        abort();
    /* In memory where there is such a place: what is tested here is not whether the disk holds. */
    snprintf(fresh->folder, sizeof fresh->folder, "%s/meishi-test-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(fresh->folder))
        abort();
    engine_url(fresh->folder, fresh->url);
    arena_init(&fresh->arena);
    fresh->now_ms = now_ms();
    open_store(fresh);
    fresh->jane = fresh_member(fresh, "jane");
    fresh->card = (struct card){.owner_id = fresh->jane.id, .name = "Jane Doe", .accent = "indigo", .theme = "auto"};
    must(store_card_add(fresh->store, &fresh->arena, &fresh->card, fresh->now_ms), "store_card_add");
    fresh->share = fresh_share(fresh, 0, fresh->jane.id, 0);
    return fresh;
}

int fresh_setup(void **state)
{
    *state = fresh_open();
    return 0;
}

int fresh_teardown(void **state)
{
    fresh_close(*state);
    return 0;
}

void fresh_reopen(struct fresh *fresh)
{
    store_close(fresh->store);
    open_store(fresh);
}

void fresh_restart(struct fresh *fresh)
{
    open_store(fresh);
}

void fresh_close(struct fresh *fresh)
{
    char command[100];
    store_close(fresh->store);
    engine_drop(fresh->url);
    arena_free(&fresh->arena);
    snprintf(command, sizeof command, "rm -r '%s'", fresh->folder);
    if (system(command))
        abort();
    free(fresh);
}

struct member fresh_member(struct fresh *fresh, const char *handle)
{
    struct member member = {
        .handle = handle, .name = handle, .email = arena_printf(&fresh->arena, "%s@example.org", handle)};
    must(store_member_add(fresh->store, &member, fresh->now_ms), "store_member_add");
    return member;
}

struct share fresh_share(struct fresh *fresh, int64_t parent_id, int64_t member_id, int64_t hit_id)
{
    struct share share = {.owner_id = fresh->jane.id,
                          .card_id = fresh->card.id,
                          .parent_id = parent_id,
                          .sharer_member_id = member_id,
                          .sharer_hit_id = hit_id,
                          .channel = CHANNEL_QR,
                          .label = "Berlin fair"};
    token_new(share.token);
    must(store_share_add(fresh->store, &fresh->arena, &share, fresh->now_ms), "store_share_add");
    return share;
}

struct webhook fresh_webhook(struct fresh *fresh, const char *url)
{
    struct webhook webhook = {.owner_id = fresh->jane.id, .url = url, .events = (1u << EVENT_COUNT) - 1};
    must(store_webhook_add(fresh->store, &webhook, fresh->now_ms), "store_webhook_add");
    return webhook;
}

enum result fresh_form(struct fresh *fresh, const struct share *share, int64_t hit_id, const char *name,
                       const char *email, struct lead *out)
{
    struct lead lead = {.owner_id = share->owner_id,
                        .card_id = share->card_id,
                        .share_id = share->id,
                        .visitor_hit_id = hit_id,
                        .name = name,
                        .email = email,
                        .message = "Let us talk.",
                        .consent_text = "You agree to be contacted.",
                        .consent_contact = true};
    random_bytes(receipt, sizeof receipt);
    return store_lead_add(fresh->store, &fresh->arena, &lead, receipt, fresh->now_ms, out);
}

const unsigned char *fresh_receipt(const struct fresh *fresh)
{
    (void)fresh;
    return receipt;
}

const struct lead_filter FRESH_ANY = {.stage = -1, .channel = -1, .limit = 50};

size_t fresh_count_listed(struct fresh *fresh, struct lead_filter filter)
{
    struct lead *leads;
    size_t count;
    must(store_lead_list(fresh->store, &fresh->arena, fresh->jane.id, &filter, &leads, &count), "store_lead_list");
    return count;
}

size_t fresh_count_told(struct fresh *fresh, const struct webhook *webhook, enum event_type type, const char **body)
{
    struct delivery *list, one;
    struct attempt *attempts;
    size_t count, attempt_count, found = 0;
    must(store_delivery_list(fresh->store, &fresh->arena, fresh->jane.id,
                             &(struct delivery_filter){webhook->id, -1, 0, 200}, &list, &count),
         "store_delivery_list");
    for (size_t i = 0; i < count; i++) {
        if (list[i].type != type || found++ || !body)
            continue;
        must(store_delivery_find(fresh->store, &fresh->arena, fresh->jane.id, list[i].id, &one, &attempts,
                                 &attempt_count),
             "store_delivery_find");
        *body = one.body;
    }
    return found;
}
