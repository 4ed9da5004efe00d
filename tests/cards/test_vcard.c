/* vCards byte by byte. `test_vcard --write DIR COUNT` writes random cards and what was meant by them as JSON, which
 * tests/node/vcard.test.mjs reads back with other people's parsers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>
#include <unistr.h>

#include "cards/name.h"
#include "cards/vcard.h"

static const struct vcard_extras no_extras;

static const char *written(const struct card *card, enum vcard_version version, const struct vcard_extras *extras,
                           struct arena *arena)
{
    struct str out;
    str_init(&out, arena, VCARD_MAX);
    vcard_write(&out, card, version, extras);
    assert_false(out.failed);
    assert_int_equal(strlen(out.data), out.len);
    return out.data;
}

static struct card full_card(void)
{
    return (struct card){
        .name = "Dr. Mika Sørensen-Tanaka",
        .prefix = "Dr.",
        .given = "Mika",
        .family = "Sørensen-Tanaka",
        .pronunciation = "MEE-ka SUR-en-sen",
        .pronouns = "she/her",
        .title = "Master roofer",
        .organization = "Tanaka & Daughters, Roofing",
        .department = "Slate; tile",
        .note = "Free look\nwithin the week.",
        .lang = "en",
        .updated_ms = 1767225600000,
        .phones = {{"mobile", "+49 40 5550 172"}, {"Werkstatt", "+49 40 5550 173"}},
        .phone_count = 2,
        .emails = {{"work", "mika@tanaka-dach.example"}},
        .email_count = 1,
        .links = {{"web", "https://tanaka-dach.example/?a=1,2;3"}, {NULL, "https://www.linkedin.com/in/mika"}},
        .link_count = 2,
        .addresses = {{"work", "Deichstraße 1", "Hamburg", NULL, "20459", "Germany"}},
        .address_count = 1};
}

static const struct vcard_extras full_extras = {.url = "https://m.example/c/7K3Q",
                                                .uid = "urn:uuid:0190a0b0-0000-7000-8000-000000000001",
                                                .jpeg = "JPEG",
                                                .jpeg_len = 4};

static void vcard__version_3_exact_bytes(void **state)
{
    struct card card = full_card();
    assert_string_equal(written(&card, VCARD_3, &full_extras, *state),
                        "BEGIN:VCARD\r\n"
                        "VERSION:3.0\r\n"
                        "PRODID:-//Meishi//Meishi//EN\r\n"
                        "UID:urn:uuid:0190a0b0-0000-7000-8000-000000000001\r\n"
                        "REV:2026-01-01T00:00:00Z\r\n"
                        "FN:Dr. Mika Sørensen-Tanaka\r\n"
                        "N:Sørensen-Tanaka;Mika;;Dr.;\r\n"
                        "X-PHONETIC-FIRST-NAME:MEE-ka\r\n"
                        "X-PHONETIC-LAST-NAME:SUR-en-sen\r\n"
                        "ORG:Tanaka & Daughters\\, Roofing;Slate\\; tile\r\n"
                        "TITLE:Master roofer\r\n"
                        "TEL;TYPE=CELL:+49 40 5550 172\r\n"
                        "item1.TEL:+49 40 5550 173\r\n"
                        "item1.X-ABLabel:Werkstatt\r\n"
                        "EMAIL;TYPE=INTERNET;TYPE=WORK:mika@tanaka-dach.example\r\n"
                        "item2.URL:https://tanaka-dach.example/?a=1,2;3\r\n"
                        "item2.X-ABLabel:web\r\n"
                        "X-SOCIALPROFILE;TYPE=linkedin:https://www.linkedin.com/in/mika\r\n"
                        "URL:https://m.example/c/7K3Q\r\n"
                        "SOURCE:https://m.example/c/7K3Q\r\n"
                        "ADR;TYPE=WORK:;;Deichstraße 1;Hamburg;;20459;Germany\r\n"
                        "NOTE:Free look\\nwithin the week.\r\n"
                        "PHOTO;ENCODING=b;TYPE=JPEG:SlBFRw==\r\n"
                        "END:VCARD\r\n");
}

static void vcard__version_4_exact_bytes(void **state)
{
    struct card card = full_card();
    assert_string_equal(written(&card, VCARD_4, &full_extras, *state),
                        "BEGIN:VCARD\r\n"
                        "VERSION:4.0\r\n"
                        "KIND:individual\r\n"
                        "PRODID:-//Meishi//Meishi//EN\r\n"
                        "UID:urn:uuid:0190a0b0-0000-7000-8000-000000000001\r\n"
                        "REV:20260101T000000Z\r\n"
                        "FN:Dr. Mika Sørensen-Tanaka\r\n"
                        "N:Sørensen-Tanaka;Mika;;Dr.;\r\n"
                        "X-PHONETIC-FIRST-NAME:MEE-ka\r\n"
                        "X-PHONETIC-LAST-NAME:SUR-en-sen\r\n"
                        "PRONOUNS;LANGUAGE=en:she/her\r\n"
                        "ORG:Tanaka & Daughters\\, Roofing;Slate\\; tile\r\n"
                        "TITLE:Master roofer\r\n"
                        "TEL;TYPE=cell:+49 40 5550 172\r\n"
                        "item1.TEL:+49 40 5550 173\r\n"
                        "item1.X-ABLabel:Werkstatt\r\n"
                        "EMAIL;TYPE=work:mika@tanaka-dach.example\r\n"
                        "item2.URL:https://tanaka-dach.example/?a=1,2;3\r\n"
                        "item2.X-ABLabel:web\r\n"
                        "SOCIALPROFILE;SERVICE-TYPE=LinkedIn:https://www.linkedin.com/in/mika\r\n"
                        "URL:https://m.example/c/7K3Q\r\n"
                        "SOURCE:https://m.example/c/7K3Q\r\n"
                        "ADR;TYPE=work:;;Deichstraße 1;Hamburg;;20459;Germany\r\n"
                        "NOTE:Free look\\nwithin the week.\r\n"
                        "PHOTO:data:image/jpeg;base64,SlBFRw==\r\n"
                        "END:VCARD\r\n");
}

static void vcard__the_least_card_has_a_name_twice(void **state)
{
    struct card card = {.name = "Cher"};
    assert_string_equal(
        written(&card, VCARD_3, &no_extras, *state),
        "BEGIN:VCARD\r\nVERSION:3.0\r\nPRODID:-//Meishi//Meishi//EN\r\nFN:Cher\r\nN:;Cher;;;\r\nEND:VCARD\r\n");
}

static void vcard__every_special_character_is_escaped(void **state)
{
    struct card card = {.name = "a\\b,c;d:e\"f",
                        .given = "a\\b",
                        .family = "c;d",
                        .note = "1\r\n2\r3\n4\v5\f6\xc2\x85"
                                "7\u2028"
                                "8\u2029"
                                "9\t0\x01\x7f."};
    const char *text = written(&card, VCARD_3, &no_extras, *state);
    assert_non_null(strstr(text, "\r\nFN:a\\\\b\\,c\\;d:e\"f\r\n"));
    assert_non_null(strstr(text, "\r\nN:c\\;d;a\\\\b;;;\r\n"));
    assert_non_null(strstr(text, "\r\nNOTE:1\\n2\\n3\\n4\\n5\\n6\\n7\\n8\\n9 0.\r\n"));
}

static void vcard__lines_fold_at_75_octets_between_characters(void **state)
{
    struct card card = {.name = "x"};
    /* 5 octets of "NOTE:" and 69 more leave one octet: a three-octet character moves on whole. */
    char note[200];
    memset(note, 'a', 69);
    memcpy(note + 69, "名bc", 6);
    card.note = note;
    const char *text = written(&card, VCARD_3, &no_extras, *state);
    char want[256];
    snprintf(want, sizeof want, "NOTE:%.69s\r\n 名bc\r\n", note);
    assert_non_null(strstr(text, want));
    memcpy(note + 69, "b", 2); /* exactly 75: no fold */
    text = written(&card, VCARD_3, &no_extras, *state);
    snprintf(want, sizeof want, "NOTE:%s\r\n", note);
    assert_non_null(strstr(text, want));
    memcpy(note + 69, ",", 2); /* an escape stays in one piece */
    text = written(&card, VCARD_3, &no_extras, *state);
    snprintf(want, sizeof want, "NOTE:%.69s\r\n \\,\r\n", note);
    assert_non_null(strstr(text, want));
}

static void vcard__cjk_names_keep_their_order(void **state)
{
    struct card card = {.name = "山田 太郎", .pronunciation = "やまだ たろう"};
    const char *text = written(&card, VCARD_3, &no_extras, *state);
    assert_non_null(strstr(text, "\r\nFN:山田 太郎\r\nN:山田;太郎;;;\r\n"));
    assert_non_null(strstr(text, "\r\nX-PHONETIC-FIRST-NAME:たろう\r\nX-PHONETIC-LAST-NAME:やまだ\r\n"));
}

static void vcard__nothing_typed_makes_a_property(void **state)
{
    static const char evil[] = "x\r\nEND:VCARD\r\nBEGIN:VCARD\r\nTEL:1\nitem1.URL:http://evil.example";
    struct card card = {.name = evil,
                        .prefix = evil,
                        .given = evil,
                        .additional = evil,
                        .family = evil,
                        .suffix = evil,
                        .pronunciation = evil,
                        .pronouns = evil,
                        .title = evil,
                        .organization = evil,
                        .department = evil,
                        .note = evil,
                        .lang = "en:x\r\nTEL:2",
                        .phones = {{evil, evil}},
                        .emails = {{evil, evil}},
                        .links = {{evil, evil}, {evil, "https://x.com/a\r\nTEL:3"}},
                        .addresses = {{evil, evil, evil, evil, evil, evil}},
                        .phone_count = 1,
                        .email_count = 1,
                        .link_count = 2,
                        .address_count = 1};
    struct vcard_extras extras = {.url = evil, .uid = evil};
    for (int version = VCARD_3; version <= VCARD_4; version++) {
        const char *text = written(&card, (enum vcard_version)version, &extras, *state);
        int lines = 0;
        for (const char *line = text; *line; line = strstr(line, "\r\n") + 2) {
            if (*line != ' ')
                lines++;
            assert_true(strncmp(line, "TEL:1", 5) && strncmp(line, "TEL:2", 5) && strncmp(line, "TEL:3", 5));
            assert_true(strncmp(line, "item1.URL:http:", 15));
        }
        /* 3.0: BEGIN VERSION PRODID UID FN N, a reading, ORG TITLE, TEL EMAIL URL ADR with a label each, the social profile, URL
         * SOURCE NOTE END; 4.0 has KIND and PRONOUNS besides. */
        assert_int_equal(lines, version == VCARD_3 ? 22 : 24);
    }
}

static void vcard__a_photo_of_200_kb_fits(void **state)
{
    struct card card = full_card();
    size_t len = 200 * 1024;
    struct vcard_extras extras = {.jpeg = arena_alloc(*state, len), .jpeg_len = len};
    assert_in_range(strlen(written(&card, VCARD_3, &extras, *state)), len * 4 / 3, VCARD_MAX);
}

static void vcard__only_a_profile_is_a_social_profile(void **state)
{
    static const struct {
        const char *url;
        bool social;
    } cases[] = {{"https://www.linkedin.com/in/a", true},
                 {"https://X.com/a", true},
                 {"https://x.com/", false},
                 {"https://notx.com/a", false},
                 {"https://example.org/x.com/a", false},
                 {"https://x.com@evil.example/a", false},
                 {"https://x.com.evil.example/a", false},
                 {"ftp://x.com/a", false},
                 {"https://de.linkedin.com/in/a", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct card card = {.name = "x", .links = {{NULL, cases[i].url}}, .link_count = 1};
        bool social = strstr(written(&card, VCARD_3, &no_extras, *state), "X-SOCIALPROFILE") != NULL;
        if (social != cases[i].social)
            fail_msg("%s", cases[i].url);
    }
}

static void name__is_split_as_address_books_do(void **state)
{
    static const struct {
        const char *name, *family, *given, *additional, *prefix, *suffix;
    } cases[] = {{"Jane Doe", "Doe", "Jane", "", "", ""},
                 {"Cher", "", "Cher", "", "", ""},
                 {"Dr. Jane Mary Doe, Ph.D.", "Doe", "Jane", "Mary", "Dr.", "Ph.D."},
                 {"Prof. Dr. Ludwig van der Rohe", "van der Rohe", "Ludwig", "", "Prof. Dr.", ""},
                 {"Van Nguyen", "Nguyen", "Van", "", "", ""},
                 {"Doe, Jane Mary", "Doe", "Jane", "Mary", "", ""},
                 {"Martin Luther King Jr.", "King", "Martin", "Luther", "", "Jr."},
                 {"山田 太郎", "山田", "太郎", "", "", ""},
                 {"山田　太郎", "山田", "太郎", "", "", ""},
                 {"山田太郎", "", "山田太郎", "", "", ""},
                 {"김 민준", "김", "민준", "", "", ""},
                 {"マイケル ジャクソン", "ジャクソン", "マイケル", "", "", ""},
                 {"محمد علي", "علي", "محمد", "", "", ""},
                 {"Dr", "", "Dr", "", "", ""},
                 {"", "", "", "", "", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct card card = {.name = cases[i].name};
        struct name_parts parts;
        name_split(&card, *state, &parts);
        assert_string_equal(parts.family, cases[i].family);
        assert_string_equal(parts.given, cases[i].given);
        assert_string_equal(parts.additional, cases[i].additional);
        assert_string_equal(parts.prefix, cases[i].prefix);
        assert_string_equal(parts.suffix, cases[i].suffix);
    }
}

static void name__own_parts_win(void **state)
{
    struct card card = {.name = "Jane Doe", .given = "J.", .suffix = "MBA"};
    struct name_parts parts;
    name_split(&card, *state, &parts);
    assert_string_equal(parts.given, "J.");
    assert_string_equal(parts.family, "");
    assert_string_equal(parts.suffix, "MBA");
}

/* Random cards from a seed, so that a failure can be had again. */
static uint32_t dice;

static uint32_t roll(uint32_t sides)
{
    dice = dice * 1664525 + 1013904223;
    return (dice >> 8) % sides;
}

static const char *random_text(struct arena *arena, uint32_t pieces_max, bool lines)
{
    static const char *const pieces[] = {
        "a",           "Z",         "7",       "é", "ß", "名",     "刺",          "한",         "م",  "ح",      "😀",
        "👩‍🚀", "\\",        ",",       ";", ":", "\"",     "'",           "=",          "^",  "\\n",    "\\,",
        "BEGIN:VCARD", "END:VCARD", "e\u0301", "<", "&", "item1.", "TEL;TYPE=x:", "long word ", " b", "%0D%0A", "\n"};
    uint32_t kinds = sizeof pieces / sizeof *pieces - (lines ? 0 : 1);
    struct str text;
    str_init(&text, arena, 4096);
    str_add_char(&text, 'x'); /* readers may trim: never start or end with a space */
    for (uint32_t n = roll(pieces_max); n; n--)
        str_add(&text, pieces[roll(kinds)]);
    str_add_char(&text, 'x');
    return text.data;
}

static const char *maybe_text(struct arena *arena, uint32_t pieces_max)
{
    return roll(3) ? random_text(arena, pieces_max, false) : NULL;
}

static struct card random_card(struct arena *arena)
{
    static const char *const labels[] = {NULL, "work", "Mobile", "home", "Fax", "Büro; hinten, links"};
    struct card card = {.name = random_text(arena, 30, false), .updated_ms = 1767225600000 + roll(1000000) * 1000LL};
    if (roll(2)) {
        card.given = random_text(arena, 9, false);
        card.family = maybe_text(arena, 9);
        card.additional = maybe_text(arena, 9);
        card.prefix = maybe_text(arena, 4);
        card.suffix = maybe_text(arena, 4);
    }
    card.title = maybe_text(arena, 20);
    card.organization = maybe_text(arena, 20);
    card.department = card.organization ? maybe_text(arena, 20) : NULL;
    card.pronouns = maybe_text(arena, 6);
    card.note = roll(2) ? random_text(arena, 120, true) : NULL;
    card.phone_count = (int)roll(CARD_PHONES_MAX + 1);
    for (int i = 0; i < card.phone_count; i++)
        card.phones[i] = (struct card_point){labels[roll(6)], arena_printf(arena, "+%u %u", roll(99), roll(9999999))};
    card.email_count = (int)roll(CARD_EMAILS_MAX + 1);
    for (int i = 0; i < card.email_count; i++)
        card.emails[i] = (struct card_point){labels[roll(6)], arena_printf(arena, "a%u@example.org", roll(99999))};
    card.link_count = (int)roll(CARD_LINKS_MAX + 1);
    for (int i = 0; i < card.link_count; i++)
        card.links[i] = (struct card_point){
            labels[roll(6)],
            arena_printf(arena, roll(2) ? "https://example.org/%u,b;c?d=%%0A&e=f" : "https://x.com/u%u", roll(9999))};
    card.address_count = (int)roll(CARD_ADDRESSES_MAX + 1);
    for (int i = 0; i < card.address_count; i++)
        card.addresses[i] = (struct card_address){labels[roll(6)],      maybe_text(arena, 12), maybe_text(arena, 9),
                                                  maybe_text(arena, 9), maybe_text(arena, 4),  maybe_text(arena, 9)};
    return card;
}

static void vcard__random_cards_are_well_formed(void **state)
{
    dice = 20260101;
    for (int n = 0; n < 5000; n++) {
        struct card card = random_card(*state);
        const char *text = written(&card, n % 2 ? VCARD_4 : VCARD_3, &no_extras, *state);
        for (const char *line = text; *line;) {
            size_t len = strcspn(line, "\r\n");
            assert_memory_equal(line + len, "\r\n", 2);
            assert_in_range(len, 2, 75);
            assert_null(u8_check((const uint8_t *)line, len));
            line += len + 2;
        }
        arena_reset(*state);
    }
}

static json_t *points_json(const struct card_point *points, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:s?, s:s}", "label", points[i].label, "value", points[i].value));
    return list;
}

static json_t *card_json(const struct card *card, struct arena *arena)
{
    struct name_parts parts;
    name_split(card, arena, &parts);
    json_t *addresses = json_array();
    for (int i = 0; i < card->address_count; i++) {
        const struct card_address *a = &card->addresses[i];
        json_array_append_new(addresses, json_pack("{s:s?, s:[s,s,s?,s?,s?,s?,s?]}", "label", a->label, "parts", "", "",
                                                   a->street, a->city, a->region, a->postcode, a->country));
    }
    return json_pack("{s:s, s:[s,s,s,s,s], s:s?, s:s?, s:s?, s:s?, s:s?, s:o, s:o, s:o, s:o}", "name", card->name, "n",
                     parts.family, parts.given, parts.additional, parts.prefix, parts.suffix, "title", card->title,
                     "organization", card->organization, "department", card->department, "pronouns", card->pronouns,
                     "note", card->note, "phones", points_json(card->phones, card->phone_count), "emails",
                     points_json(card->emails, card->email_count), "links", points_json(card->links, card->link_count),
                     "addresses", addresses);
}

static int write_samples(const char *folder, int count)
{
    static const unsigned char photo[300] = {0xff, 0xd8, 0xff, 0xe0};
    dice = 7;
    for (int n = 0; n < count; n++) {
        struct arena arena;
        arena_init(&arena);
        struct card card = random_card(&arena);
        struct vcard_extras extras = {.uid = arena_printf(&arena, "urn:uuid:00000000-0000-4000-8000-%012d", n),
                                      .url = "https://m.example/c/7K3QX9V2M4T8B6RC",
                                      .jpeg = photo,
                                      .jpeg_len = sizeof photo};
        for (int version = VCARD_3; version <= VCARD_4; version++) {
            struct str out;
            str_init(&out, &arena, VCARD_MAX);
            vcard_write(&out, &card, (enum vcard_version)version, &extras);
            FILE *file = fopen(arena_printf(&arena, "%s/%d-v%d.vcf", folder, n, version == VCARD_3 ? 3 : 4), "wb");
            if (!file || fwrite(out.data, 1, out.len, file) != out.len || fclose(file))
                return 1;
        }
        json_t *meant = card_json(&card, &arena);
        int failed = json_dump_file(meant, arena_printf(&arena, "%s/%d.json", folder, n), 0);
        json_decref(meant);
        arena_free(&arena);
        if (failed)
            return 1;
    }
    return 0;
}

static int make_arena(void **state)
{
    static struct arena arena;
    arena_init(&arena);
    *state = &arena;
    return 0;
}

static int drop_arena(void **state)
{
    arena_free(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_arena, drop_arena)

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "--write"))
        return write_samples(argv[2], (int)strtol(argv[3], NULL, 10));
    const struct CMUnitTest tests[] = {
        TEST(vcard__version_3_exact_bytes),
        TEST(vcard__version_4_exact_bytes),
        TEST(vcard__the_least_card_has_a_name_twice),
        TEST(vcard__every_special_character_is_escaped),
        TEST(vcard__lines_fold_at_75_octets_between_characters),
        TEST(vcard__cjk_names_keep_their_order),
        TEST(vcard__nothing_typed_makes_a_property),
        TEST(vcard__a_photo_of_200_kb_fits),
        TEST(vcard__only_a_profile_is_a_social_profile),
        TEST(name__is_split_as_address_books_do),
        TEST(name__own_parts_win),
        TEST(vcard__random_cards_are_well_formed),
    };
    return cmocka_run_group_tests_name("vcard", tests, NULL, NULL);
}
