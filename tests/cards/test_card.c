/* Cards: JSON in and out, what is complained about, the seal's letters, the direction of a name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "cards/base/text.h"
#include "cards/card.h"

static struct arena arena;
static struct complaints complaints;
static struct card card;

/* Reads TEXT over the card. */
static enum result read_json(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    complaints = (struct complaints){0};
    enum result result = card_from_json(&card, json, &arena, &complaints);
    json_decref(json);
    return result;
}

static enum result checked(void)
{
    complaints = (struct complaints){0};
    return card_check(&card, &arena, &complaints);
}

static void card__reads_the_shape_of_the_api(void **state)
{
    (void)state;
    assert_int_equal(
        read_json("{\"name\":\"Jane Doe\",\"title\":\"Engineer\",\"organization\":\"ACME\",\"note\":\"Hello\\nyou\","
                  "\"emails\":[{\"label\":\"work\",\"address\":\"jane@example.org\"}],"
                  "\"phones\":[{\"number\":\"+49 30 1234567\"}],"
                  "\"links\":[{\"label\":\"site\",\"url\":\"example.org\"}],"
                  "\"addresses\":[{\"street\":\"1 Long Road\",\"city\":\"Berlin\",\"country\":\"Germany\"}],"
                  "\"accent\":\"pine\",\"theme\":\"dark\",\"lang\":\"pt-BR\"}"),
        RESULT_OK);
    assert_int_equal(checked(), RESULT_OK);
    assert_string_equal(card.name, "Jane Doe");
    assert_string_equal(card.emails[0].label, "work");
    assert_string_equal(card.emails[0].value, "jane@example.org");
    assert_null(card.phones[0].label);
    assert_string_equal(card.links[0].value, "https://example.org/");
    assert_string_equal(card.addresses[0].city, "Berlin");
    assert_int_equal(card.phone_count + card.email_count + card.link_count + card.address_count, 4);
    assert_string_equal(card.accent, "pine");
}

static void card__keeps_what_a_patch_does_not_name(void **state)
{
    (void)state;
    assert_int_equal(
        read_json(
            "{\"name\":\"Jane\",\"title\":\"Engineer\",\"emails\":[{\"address\":\"a@b.co\"},{\"address\":\"c@d.co\"}]}"),
        RESULT_OK);
    assert_int_equal(read_json("{\"title\":null,\"department\":\"R&D\"}"), RESULT_OK);
    assert_string_equal(card.name, "Jane");
    assert_null(card.title);
    assert_string_equal(card.department, "R&D");
    assert_int_equal(card.email_count, 2);
    assert_int_equal(read_json("{\"emails\":[{\"address\":\"e@f.co\"}]}"), RESULT_OK);
    assert_int_equal(card.email_count, 1);
    assert_string_equal(card.emails[0].value, "e@f.co");
    assert_null(card.emails[1].value);
    assert_int_equal(read_json("{\"emails\":null}"), RESULT_OK);
    assert_int_equal(card.email_count, 0);
}

static void card__complains_by_pointer(void **state)
{
    (void)state;
    static const struct {
        const char *json, *field, *words;
    } cases[] = {
        {"{\"nmae\":\"J\"}", "nmae", "There is no such field."},
        {"{\"id\":\"crd_0\"}", "id", "This cannot be set here."},
        {"{\"name\":7}", "name", "This must be text."},
        {"{\"emails\":{}}", "emails", "This must be a list."},
        {"{\"emails\":[\"a@b.co\"]}", "emails/0", "This must be an object."},
        {"{\"emails\":[{\"address\":\"a@b.co\"},{\"label\":\"x\"}]}", "emails/1/address", "Please give the address."},
        {"{\"emails\":[{\"address\":\"a@b.co\",\"colour\":\"red\"}]}", "emails/0/colour", "There is no such field."},
        {"{\"phones\":[{\"number\":[]}]}", "phones/0/number", "This must be text."},
        {"{\"addresses\":[7]}", "addresses/0", "This must be an object."},
        {"{\"addresses\":[{},{},{},{},{}]}", "addresses", "Please keep this to 4 at most."},
        {"{\"addresses\":[{\"planet\":\"Mars\"}]}", "addresses/0/planet", "There is no such field."},
        {"[]", "", "A card is a JSON object."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        card = (struct card){0};
        assert_int_equal(read_json(cases[i].json), RESULT_INVALID);
        assert_int_equal(complaints.count, 1);
        assert_string_equal(complaints.list[0].field, cases[i].field);
        assert_string_equal(complaints.list[0].words, cases[i].words);
    }
}

static void card__check_complains_beside_the_field(void **state)
{
    (void)state;
    static const struct {
        const char *json, *field, *words;
    } cases[] = {
        {"{}", "name", "Please give a name."},
        {"{\"name\":\" \\u200B \"}", "name", "Please give a name."},
        {"{\"name\":\"J\",\"emails\":[{\"address\":\"\"},{\"address\":\"nope\"}]}", "emails/1/address",
         "This is not an e-mail address."},
        {"{\"name\":\"J\",\"phones\":[{\"number\":\"call me\"}]}", "phones/0/number", "This is not a phone number."},
        {"{\"name\":\"J\",\"links\":[{\"url\":\"javascript:alert(1)\"}]}", "links/0/url",
         "This is not a web address. An example: https://example.org."},
        {"{\"name\":\"J\",\"accent\":\"pink\"}", "accent", "There is no such colour."},
        {"{\"name\":\"J\",\"theme\":\"dusk\"}", "theme", "There is no such theme."},
        {"{\"name\":\"J\",\"lang\":\"english please\"}", "lang",
         "This is not a language tag. Examples: en, ja, pt-BR."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        card = (struct card){0};
        assert_int_equal(read_json(cases[i].json), RESULT_OK);
        assert_int_equal(checked(), RESULT_INVALID);
        assert_int_equal(complaints.count, 1);
        assert_string_equal(complaints.list[0].field, cases[i].field);
        assert_string_equal(complaints.list[0].words, cases[i].words);
    }
}

static void card__counts_its_limits_in_characters(void **state)
{
    (void)state;
    char name[CARD_NAME_MAX * 3 + 4] = "";
    for (int i = 0; i < CARD_NAME_MAX; i++)
        memcpy(name + 3 * i, "名", 3);
    card.name = name;
    assert_int_equal(checked(), RESULT_OK);
    memcpy(name + 3 * CARD_NAME_MAX, "名", 4);
    card.name = name;
    assert_int_equal(checked(), RESULT_INVALID);
    assert_string_equal(complaints_about(&complaints, "name"), "Please keep this to 120 characters at most.");
    assert_string_equal(card.name, name);
}

static void card__drops_rows_left_blank(void **state)
{
    (void)state;
    card = (struct card){.name = "J",
                         .phones = {{"home", ""}, {NULL, "+49 30 1234567"}, {"x", NULL}},
                         .phone_count = 3,
                         .addresses = {{.label = "home"}, {.city = "Bern"}},
                         .address_count = 2};
    assert_int_equal(checked(), RESULT_OK);
    assert_int_equal(card.phone_count, 1);
    assert_string_equal(card.phones[0].value, "+49 30 1234567");
    assert_int_equal(card.address_count, 1);
    assert_string_equal(card.addresses[0].city, "Bern");
}

static void card__has_an_accent_and_a_theme_once_checked(void **state)
{
    (void)state;
    card.name = "J";
    assert_int_equal(checked(), RESULT_OK);
    assert_string_equal(card.accent, "vermilion");
    assert_string_equal(card.theme, "auto");
}

static void handle__is_short_lower_case_and_not_the_houses(void **state)
{
    (void)state;
    const char *valid[] = {"jane", "jo", "a-1", "j4ne-doe", "abcdefghijklmnopqrstuvwxyz012345"};
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++)
        assert_true(handle_is_valid(valid[i]));
    const char *wrong[] = {"",         "j",    "-jane", "jane-",   "Jane", "jane_doe",
                           "jane doe", "jané", "admin", "support", "www",  "abcdefghijklmnopqrstuvwxyz0123456",
                           "a/b",      "a.b"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(handle_is_valid(wrong[i]));
    assert_false(handle_is_valid(NULL));
}

static void card__seal_shows_the_right_letters(void **state)
{
    (void)state;
    static const struct {
        const char *name, *given, *family, *letters;
    } cases[] = {
        {"Jane Doe", NULL, NULL, "JD"},
        {"Jane Maria van der Berg", "Jane", "Berg", "JB"},
        {"jane maria doe", NULL, NULL, "JD"},
        {"Cher", NULL, NULL, "C"},
        {"“Jane” (Doe)", NULL, NULL, "JD"},
        {"Jane -", NULL, NULL, "J"},
        {"山田太郎", "太郎", "山田", "山"},
        {"山田太郎", NULL, NULL, "山"},
        {"Taro Yamada", "太郎", "山田", "山"},
        {"김민준", NULL, NULL, "김"},
        {"さくら", NULL, NULL, "さ"},
        {"محمد علي", NULL, NULL, "م"},
        {"דוד כהן", NULL, NULL, "דכ"},
        {"élodie Ångström", NULL, NULL, "ÉÅ"},
        {"नरेन्द्र मोदी", NULL, NULL, "नमो"},
        {"ნინო ბერიძე", NULL, NULL, "ნბ"},
        {"ǆemal", NULL, NULL, "ǅ"},
        {"👩‍💻", NULL, NULL, "👩‍💻"},
        {"3M", NULL, NULL, "3"},
        {NULL, NULL, NULL, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct card of = {.name = cases[i].name, .given = cases[i].given, .family = cases[i].family};
        assert_string_equal(card_initials(&of, &arena), cases[i].letters);
    }
}

static void text__runs_as_its_first_strong_letter_does(void **state)
{
    (void)state;
    assert_string_equal(text_direction("Jane"), "ltr");
    assert_string_equal(text_direction("محمد"), "rtl");
    assert_string_equal(text_direction("דוד Jane"), "rtl");
    assert_string_equal(text_direction("12 (دكتور)"), "rtl");
    assert_string_equal(text_direction("山田 محمد"), "ltr");
    assert_string_equal(text_direction("123"), "ltr");
    assert_string_equal(text_direction(NULL), "ltr");
}

/* A JSON value of any kind; strings of pieces that have made trouble somewhere. */
static json_t *any_json(int depth)
{
    static const char *const pieces[] = {"",
                                         " ",
                                         "a@b.co",
                                         "+49 30 1234567",
                                         "example.org",
                                         "https://example.org/x",
                                         "Zoe\u0308",
                                         "\u202E",
                                         "名",
                                         "\n",
                                         "👩‍💻",
                                         "pine",
                                         "dark",
                                         "en",
                                         "\u200B",
                                         "x\ty",
                                         "javascript:1",
                                         "\u0301",
                                         "file:///x",
                                         "\u3164"};
    switch (random() % (depth ? 8 : 6)) {
    case 0:
        return json_null();
    case 1:
        return json_integer(random());
    case 2:
        return json_boolean(random() % 2);
    case 6: {
        json_t *array = json_array();
        for (int i = (int)(random() % 14); i > 0; i--)
            json_array_append_new(array, any_json(depth - 1));
        return array;
    }
    case 7: {
        static const char *const names[] = {"name",   "given",  "family", "title",  "note",      "lang",     "accent",
                                            "theme",  "emails", "phones", "links",  "addresses", "label",    "address",
                                            "number", "url",    "city",   "street", "id",        "pronouns", "名"};
        json_t *object = json_object();
        for (int i = (int)(random() % 8); i > 0; i--)
            json_object_set_new(object, names[(size_t)random() % (sizeof names / sizeof *names)], any_json(depth - 1));
        return object;
    }
    default: {
        char text[2048] = "";
        int many = random() % 50 ? (int)(random() % 4) : 60;
        for (int i = 0; i < many; i++)
            strcat(text, pieces[(size_t)random() % (sizeof pieces / sizeof *pieces)]);
        return json_string(text);
    }
    }
}

/* A well-shaped card of any text, so that many pass the check. */
static json_t *likely_json(void)
{
    json_t *json = json_object();
    json_object_set_new(json, "name", json_string("Zoe\u0308 名"));
    if (random() % 2)
        json_object_set_new(json, "note", any_json(0));
    if (random() % 2)
        json_object_set_new(json, "family", any_json(0));
    static const char *const links[] = {"example.org", "HTTPS://Example.ORG/a/../ü?q#f", "http://[::1]:80/", ""};
    json_t *list = json_array();
    for (int i = (int)(random() % 4); i > 0; i--)
        json_array_append_new(list, json_pack("{s:s, s:s}", "label", "\tx ", "url", links[random() % 4]));
    json_object_set_new(json, "links", list);
    json_object_set_new(json, "phones", json_pack("[{s:s}]", "number", "０３－１２３４－５６７８"));
    json_object_set_new(json, "emails", json_pack("[{s:s}, {s:s}]", "address", "名@例え.jp", "address", " "));
    return json;
}

/* Any JSON is refused with words or becomes a card that its own JSON makes again, for good. */
static void card__is_the_card_of_its_own_json(void **state)
{
    (void)state;
    srandom(1122);
    int passed = 0;
    for (int round = 0; round < 6000; round++) {
        struct arena own;
        arena_init(&own);
        struct complaints said = {0};
        struct card first = {0}, second = {0};
        json_t *json = round % 2 ? any_json(3) : likely_json();
        enum result result = card_from_json(&first, json, &own, &said);
        json_decref(json);
        assert_int_equal(result != RESULT_OK, said.count > 0);
        result = card_check(&first, &own, &said);
        assert_int_equal(result != RESULT_OK && !said.count, false);
        card_initials(&first, &own);
        if (result == RESULT_OK) {
            passed++;
            json_t *out = card_to_json(&first);
            said.count = 0;
            assert_int_equal(card_from_json(&second, out, &own, &said), RESULT_OK);
            if (card_check(&second, &own, &said) != RESULT_OK)
                fail_msg("%s: %s %s", said.list[0].field, said.list[0].words, json_dumps(out, JSON_COMPACT));
            json_t *again = card_to_json(&second);
            assert_true(json_equal(out, again));
            json_decref(out);
            json_decref(again);
        }
        arena_free(&own);
    }
    assert_true(passed > 500);
}

static int fresh(void **state)
{
    (void)state;
    arena_init(&arena);
    card = (struct card){0};
    complaints = (struct complaints){0};
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fresh, close_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(card__reads_the_shape_of_the_api),
        CASE(card__keeps_what_a_patch_does_not_name),
        CASE(card__complains_by_pointer),
        CASE(card__check_complains_beside_the_field),
        CASE(card__counts_its_limits_in_characters),
        CASE(card__drops_rows_left_blank),
        CASE(card__has_an_accent_and_a_theme_once_checked),
        CASE(handle__is_short_lower_case_and_not_the_houses),
        CASE(card__seal_shows_the_right_letters),
        CASE(text__runs_as_its_first_strong_letter_does),
        CASE(card__is_the_card_of_its_own_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
