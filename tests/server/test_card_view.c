/* What a card page shows of a card and of the hands it came through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "server/pages/card_view.h"
#include "server/pages/receipt.h"

enum { OWNER = 1, OTHER = 2, LEAD = 3 };

static struct arena arena;
static struct card_view view;
static struct share straight = {
    .owner_id = OWNER, .chain = (struct hand[]){{.member_id = OWNER, .name = "Jane"}}, .chain_len = 1};

static void fill(const struct card *card, const struct share *share)
{
    card_view_fill("https://cards.example", &arena, card, share, "TOKEN", "STAMP", &view);
}

static void card_view__names_keep_their_script(void **state)
{
    (void)state;
    static const struct {
        const char *name, *pronunciation, *class, *lang, *dir, *reading, *say;
    } cases[] = {
        {"Jane Doe", "jayn", "", NULL, "ltr", NULL, "jayn · she/her"},
        {"田中 美香", "たなか みか", " cjk", "ja", "ltr", "たなか みか", "she/her"},
        {"김민준", NULL, " cjk", "ko", "ltr", NULL, "she/her"},
        {"李小龙", NULL, " cjk", NULL, "ltr", NULL, "she/her"}, /* Han alone does not tell whose */
        {"فاطمة الزهراء", NULL, " rtl", NULL, "rtl", NULL, "she/her"},
        {"Mika Sørensen-Tanaka Xx", NULL, " long", NULL, "ltr", NULL, "she/her"},
        {"Wolfeschlegelsteinhausenbergerdorff von und zu Hohenlohe", NULL, " longest", NULL, "ltr", NULL, "she/her"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct card card = {
            .name = cases[i].name, .pronunciation = cases[i].pronunciation, .pronouns = "she/her"};
        fill(&card, &straight);
        assert_string_equal(view.name_class, cases[i].class);
        assert_string_equal(view.dir, cases[i].dir);
        assert_string_equal(view.say, cases[i].say);
        assert_string_equal(view.lang ? view.lang : "", cases[i].lang ? cases[i].lang : "");
        assert_string_equal(view.reading ? view.reading : "", cases[i].reading ? cases[i].reading : "");
    }
}

static void card_view__a_card_of_only_a_name_has_no_empty_parts(void **state)
{
    (void)state;
    fill(&(struct card){.name = "Cher"}, &straight);
    assert_null(view.firm);
    assert_null(view.say);
    assert_null(view.by.name);
    assert_null(view.portrait_href);
    assert_false(view.has_ways);
    assert_string_equal(view.title, "Cher");
    assert_string_equal(view.accent, "vermilion");
    assert_string_equal(view.canonical_url, "https://cards.example/c/TOKEN");
}

static void card_view__ways_can_be_tapped(void **state)
{
    (void)state;
    const struct card card = {
        .name = "Jane",
        .phones = {{"mobile", "+49 (40) 5550-172"}},
        .emails = {{NULL, "o'neil+x@example.org"}},
        .links = {{NULL, "https://www.example.org/"}, {NULL, "https://example.org/a/"}},
        .addresses = {{.street = "Elbstraße 1", .postcode = "22767", .city = "Hamburg"}},
        .phone_count = 1,
        .email_count = 1,
        .link_count = 2,
        .address_count = 1,
    };
    fill(&card, &straight);
    assert_string_equal(view.phones[0].href, "tel:+49405550172");
    assert_string_equal(view.phones[0].text, "+49 (40) 5550-172");
    assert_string_equal(view.emails[0].href, "mailto:o%27neil%2Bx@example.org");
    assert_string_equal(view.links[0].text, "example.org");
    assert_string_equal(view.links[1].text, "example.org/a/");
    assert_string_equal(view.places[0].city, "22767 Hamburg");
    assert_null(view.places[0].country);
}

static void card_view__tells_whose_hand_it_came_from(void **state)
{
    (void)state;
    static const struct {
        struct hand second, third;
        const char *name, *vouch;
    } cases[] = {
        {{.member_id = OTHER, .name = "Ann", .vouch = "Good."}, {0}, "Ann", "Good."},
        /* the endorser counts, not the stranger after them */
        {{.lead_id = LEAD, .name = "Ann", .vouch = "Good."}, {.name = "Somebody"}, "Ann", "Good."},
        {{.name = "Lea"}, {0}, "Lea", NULL},
        {{.vouch = "Try her."}, {0}, NULL, "Try her."},
        {{.member_id = OWNER, .name = "Jane", .vouch = "Me."}, {0}, NULL, NULL},
        {{0}, {0}, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hand chain[] = {{.member_id = OWNER, .name = "Jane"}, cases[i].second, cases[i].third};
        struct share share = {.owner_id = OWNER, .chain = chain, .chain_len = 3};
        fill(&(struct card){.name = "Jane"}, &share);
        assert_string_equal(view.by.name ? view.by.name : "", cases[i].name ? cases[i].name : "");
        assert_string_equal(view.by.vouch ? view.by.vouch : "", cases[i].vouch ? cases[i].vouch : "");
    }
}

static void card_view__description_is_one_line_and_short(void **state)
{
    (void)state;
    char note[600];
    memset(note, 'n', sizeof note - 1);
    note[sizeof note - 1] = '\0';
    note[10] = '\n';
    fill(&(struct card){.name = "Jane", .title = "Roofer", .note = note}, &straight);
    assert_true(strlen(view.description) < 200);
    assert_null(strchr(view.description, '\n'));
    assert_int_equal(strncmp(view.description, "Roofer. nnn", 11), 0);
    fill(&(struct card){.name = "Jane", .organization = "Acme, Inc.", .note = "Roofs."}, &straight);
    assert_string_equal(view.description, "Acme, Inc. Roofs.");
}

static void receipt__secret_follows_from_the_page_and_the_key(void **state)
{
    (void)state;
    struct keys keys = {.stamp = {1}}, others = {.stamp = {2}};
    char first[RECEIPT_SECRET_SIZE], again[RECEIPT_SECRET_SIZE], other[RECEIPT_SECRET_SIZE];
    receipt_secret(&keys, 5, 7, first);
    receipt_secret(&keys, 5, 7, again);
    assert_int_equal(strlen(first), RECEIPT_SECRET_LEN);
    assert_string_equal(first, again);
    receipt_secret(&keys, 6, 7, other);
    assert_string_not_equal(first, other);
    receipt_secret(&keys, 5, 8, other);
    assert_string_not_equal(first, other);
    receipt_secret(&others, 5, 7, other);
    assert_string_not_equal(first, other);
    receipt_secret(&keys, 0, 7, first); /* no stamp: nothing to follow from */
    receipt_secret(&keys, 0, 7, other);
    assert_string_not_equal(first, other);
}

static void receipt__hash_forgives_small_letters(void **state)
{
    (void)state;
    unsigned char upper[HASH_SIZE], lower[HASH_SIZE], other[HASH_SIZE];
    receipt_hash("0123456789ABCDEFGHJKMNPQRSTVWXYZ", upper);
    receipt_hash("0123456789abcdefghjkmnpqrstvwxyz", lower);
    receipt_hash("0123456789ABCDEFGHJKMNPQRSTVWXY0", other);
    assert_memory_equal(upper, lower, HASH_SIZE);
    assert_memory_not_equal(upper, other, HASH_SIZE);
}

static int free_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    arena_init(&arena);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(card_view__names_keep_their_script),
        cmocka_unit_test(card_view__a_card_of_only_a_name_has_no_empty_parts),
        cmocka_unit_test(card_view__ways_can_be_tapped),
        cmocka_unit_test(card_view__tells_whose_hand_it_came_from),
        cmocka_unit_test(card_view__description_is_one_line_and_short),
        cmocka_unit_test(receipt__secret_follows_from_the_page_and_the_key),
        cmocka_unit_test(receipt__hash_forgives_small_letters),
    };
    return cmocka_run_group_tests(tests, NULL, free_arena);
}
