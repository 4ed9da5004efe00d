/* Writes visitor pages to files without a server, so that judges can look at many odd ones quickly.
 * render PAGES.json FOLDER: each entry {"page","name",…} becomes FOLDER/NAME.html. A card page is made of "card" (the API's
 * shape), "hands" ([{"name","vouch"}, …] after the owner's) and "form"; the other pages of the entry's own members. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/pages/card_view.h"
#include "templates.h"

enum { PAGE_MAX = 1 << 20 };

static const char BASE_URL[] = "https://cards.example";
static const char TOKEN[] = "7Q2M4K9XCV3B5N8R";
static const char STAMP[] = "AZE3c1d5eHR0bWF4a2V5c3RhbXBzYW1wbGV4MTIz";

static const char *text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static _Noreturn void fail(const char *name, const char *words)
{
    fprintf(stderr, "render: %s: %s\n", name, words);
    exit(1);
}

static void render_card(const json_t *entry, const char *name, struct arena *arena, struct str *out)
{
    struct card card = {.id = 1, .owner_id = 1, .revision = 1, .handle = "mika", .updated_ms = 1764000000000};
    struct complaints complaints = {0};
    if (card_from_json(&card, json_object_get(entry, "card"), arena, &complaints) != RESULT_OK ||
        card_check(&card, arena, &complaints) != RESULT_OK)
        fail(name, complaints.list[0].words);
    card.portrait_id = json_is_true(json_object_get(entry, "portrait")) ? 1 : 0;

    struct hand chain[SHARE_CHAIN_MAX] = {{.member_id = 1, .name = card.name}};
    struct share share = {.owner_id = 1, .chain = chain, .chain_len = 1};
    size_t i;
    json_t *hand;
    json_array_foreach(json_object_get(entry, "hands"), i, hand) chain[share.chain_len++] =
        (struct hand){.lead_id = 1, .name = text(hand, "name"), .vouch = text(hand, "vouch")};

    struct card_view *view = arena_alloc(arena, sizeof *view);
    card_view_fill(BASE_URL, arena, &card, &share, TOKEN, STAMP, view);
    const json_t *form = json_object_get(entry, "form");
    view->form = (struct lead_form_view){.words = text(form, "words"),
                                         .name = text(form, "name"),
                                         .reach = text(form, "reach"),
                                         .message = text(form, "message"),
                                         .company = text(form, "company"),
                                         .name_error = text(form, "name_error"),
                                         .reach_error = text(form, "reach_error"),
                                         .message_error = text(form, "message_error"),
                                         .challenge = text(form, "challenge"),
                                         .challenge_bits = 12};
    view->form.focus_reach = view->form.reach_error && !view->form.name_error;
    template_card(out, view);
}

static void render_receipt(const json_t *entry, struct str *out)
{
    const struct fact_view facts[] = {{"Your name", "Barry Jones"},
                                      {"E-mail", "barry@acme.example"},
                                      {"What it is about", text(entry, "message")},
                                      {"How the card came to you", "WhatsApp, from Ann Okafor"},
                                      {"When", "22 November 2026, 05:33 UTC"}};
    template_receipt(out, &(struct receipt_view){.secret = "K3J8Q2M4K9XCV3B5N8R7Q2M4K9",
                                                 .name = text(entry, "card"),
                                                 .short_name = text(entry, "card"),
                                                 .initials = "MT",
                                                 .accent = "vermilion",
                                                 .firm = "Tanaka & Daughters, Roofing",
                                                 .card_href = "/c/7Q2M4K9XCV3B5N8R",
                                                 .save_href = "/c/7Q2M4K9XCV3B5N8R.vcf",
                                                 .pass_on_href = "/c/7Q2M4K9XCV3B5N8R/pass-on",
                                                 .is_new = true,
                                                 .facts = facts,
                                                 .facts_count = sizeof facts / sizeof *facts,
                                                 .consent = "This goes to Mika, to answer you.",
                                                 .agreed_on = "22 November 2026",
                                                 .agreed_at = "2026-11-22"});
}

static void render_passed_on(const json_t *entry, struct str *out)
{
    template_passed_on(out, &(struct passed_on_view){.name = text(entry, "card"),
                                                     .short_name = text(entry, "card"),
                                                     .initials = "MT",
                                                     .accent = "plum",
                                                     .by = text(entry, "by"),
                                                     .vouch = text(entry, "vouch"),
                                                     .url = "https://cards.example/c/7Q2M4K9XCV3B5N8R",
                                                     .host = "cards.example",
                                                     .token = TOKEN,
                                                     .text = text(entry, "vouch"),
                                                     .whatsapp_url = "https://wa.me/?text=x",
                                                     .telegram_url = "https://t.me/share/url?url=x",
                                                     .email_href = "mailto:?subject=x",
                                                     .sms_href = "sms:?&body=x",
                                                     .card_href = "/c/7Q2M4K9XCV3B5N8R"});
}

static void render(const json_t *entry, const char *name, struct arena *arena, struct str *out)
{
    const char *page = text(entry, "page");
    if (!strcmp(page, "card"))
        render_card(entry, name, arena, out);
    else if (!strcmp(page, "receipt"))
        render_receipt(entry, out);
    else if (!strcmp(page, "passed_on"))
        render_passed_on(entry, out);
    else if (!strcmp(page, "erased"))
        template_erased(out, &(struct erased_view){0});
    else if (!strcmp(page, "privacy"))
        template_privacy(out, &(struct privacy_view){.host = "cards.example"});
    else if (!strcmp(page, "error"))
        template_error(out, &(struct error_view){.status = (int)json_integer_value(json_object_get(entry, "status")),
                                                 .title = text(entry, "title"),
                                                 .words = text(entry, "words")});
    else
        fail(name, "there is no such page");
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: render PAGES.json FOLDER\n", stderr);
        return 64;
    }
    json_error_t error;
    json_t *pages = json_load_file(argv[1], 0, &error), *entry;
    if (!pages)
        fail(argv[1], error.text);
    size_t i;
    json_array_foreach(pages, i, entry)
    {
        const char *name = text(entry, "name");
        struct arena arena;
        struct str out;
        arena_init(&arena);
        str_init(&out, &arena, PAGE_MAX);
        render(entry, name, &arena, &out);
        FILE *file = fopen(arena_printf(&arena, "%s/%s.html", argv[2], name), "w");
        if (out.failed || !file || fwrite(out.data, 1, out.len, file) != out.len || fclose(file))
            fail(name, "cannot be written");
        arena_free(&arena);
    }
    json_decref(pages);
    return 0;
}
