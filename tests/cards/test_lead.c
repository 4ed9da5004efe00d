/* A visitor's form, as people fill it in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "cards/lead.h"

static struct arena arena;
static struct complaints complaints;
static struct lead lead;

static enum result sent(struct lead_form form)
{
    complaints = (struct complaints){0};
    lead = (struct lead){0};
    return lead_from_form(&form, &lead, &arena, &complaints);
}

static void lead__needs_a_name_and_one_way_to_reach(void **state)
{
    (void)state;
    assert_int_equal(sent((struct lead_form){0}), RESULT_INVALID);
    assert_string_equal(complaints_about(&complaints, "name"), "Please give your name.");
    assert_string_equal(complaints_about(&complaints, "reach"), "Please give an e-mail address or a phone number.");
    assert_int_equal(complaints.count, 2);
    assert_int_equal(sent((struct lead_form){.name = "Kenji"}), RESULT_INVALID);
    assert_int_equal(sent((struct lead_form){.reach = "k@example.jp"}), RESULT_INVALID);
    assert_int_equal(sent((struct lead_form){.name = "Kenji", .reach = "k@example.jp"}), RESULT_OK);
}

static void lead__tells_an_email_from_a_phone(void **state)
{
    (void)state;
    assert_int_equal(sent((struct lead_form){.name = "K", .reach = " kenji@example.jp "}), RESULT_OK);
    assert_string_equal(lead.email, "kenji@example.jp");
    assert_null(lead.phone);
    assert_int_equal(sent((struct lead_form){.name = "K", .reach = "+81 (0)3-1234-5678"}), RESULT_OK);
    assert_string_equal(lead.phone, "+81 (0)3-1234-5678");
    assert_null(lead.email);
    assert_int_equal(sent((struct lead_form){.name = "K", .reach = "kenji at example"}), RESULT_INVALID);
    assert_string_equal(complaints_about(&complaints, "reach"),
                        "This is neither an e-mail address nor a phone number.");
    assert_int_equal(sent((struct lead_form){.name = "K", .reach = "kenji@example"}), RESULT_INVALID);
    assert_int_equal(complaints.count, 1);
}

static void lead__keeps_both_ways_to_reach(void **state)
{
    (void)state;
    assert_int_equal(sent((struct lead_form){.name = "K", .reach = "+49 170 1234567", .email = "k@example.jp"}),
                     RESULT_OK);
    assert_string_equal(lead.email, "k@example.jp");
    assert_string_equal(lead.phone, "+49 170 1234567");
    assert_int_equal(sent((struct lead_form){.name = "K", .reach = "other@example.jp", .email = "k@example.jp"}),
                     RESULT_OK);
    assert_string_equal(lead.email, "k@example.jp");
}

static void lead__complains_beside_the_field(void **state)
{
    (void)state;
    assert_int_equal(sent((struct lead_form){.name = "K", .email = "nope", .phone = "12"}), RESULT_INVALID);
    assert_string_equal(complaints_about(&complaints, "email"), "This is not an e-mail address.");
    assert_string_equal(complaints_about(&complaints, "phone"), "This is not a phone number.");
    assert_null(complaints_about(&complaints, "reach"));
    assert_string_equal(lead.email, "nope");
    assert_int_equal(sent((struct lead_form){.name = "\xFF", .email = "k@example.jp"}), RESULT_INVALID);
    assert_null(lead.name);
    assert_int_equal(complaints.count, 1);
}

static void lead__is_cleaned(void **state)
{
    (void)state;
    assert_int_equal(
        sent((struct lead_form){
            .name = " Zoe\u0308\n", .reach = "z@example.org", .company = "\t", .message = " Hello,\r\nplease call. "}),
        RESULT_OK);
    assert_string_equal(lead.name, "Zoë");
    assert_null(lead.company);
    assert_string_equal(lead.message, "Hello,\nplease call.");
}

static void lead__with_the_trap_filled_is_set_aside_not_refused(void **state)
{
    (void)state;
    assert_int_equal(sent((struct lead_form){.name = "B", .reach = "b@example.org", .trap = "http://spam.example"}),
                     RESULT_OK);
    assert_non_null(lead.set_aside);
    assert_int_equal(sent((struct lead_form){.name = "B", .reach = "b@example.org", .trap = ""}), RESULT_OK);
    assert_null(lead.set_aside);
}

static void lead__consents_only_when_the_box_is_ticked(void **state)
{
    (void)state;
    struct lead_form form = {.name = "B", .reach = "b@example.org"};
    const char *unticked[] = {NULL, "", "0", "false"};
    for (size_t i = 0; i < 4; i++) {
        form.consent = unticked[i];
        assert_int_equal(sent(form), RESULT_OK);
        assert_false(lead.consent_contact);
    }
    form.consent = "on";
    assert_int_equal(sent(form), RESULT_OK);
    assert_true(lead.consent_contact);
}

static void email__of_every_usual_shape_is_valid(void **state)
{
    (void)state;
    const char *valid[] = {"a@b.co",
                           "jane.doe+fair@mail.example.org",
                           "o'hara@example.ie",
                           "名刺@例え.jp",
                           "x_y-z@xn--bcher-kva.example",
                           "1@2.example",
                           "a@b-c.example",
                           "jane@Example.ORG"};
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++)
        assert_true(email_is_valid(valid[i]));
    const char *wrong[] = {"",
                           "a",
                           "@b.co",
                           "a@",
                           "a@b",
                           "a@b.",
                           "a@.b.co",
                           "a@b..co",
                           ".a@b.co",
                           "a.@b.co",
                           "a..b@c.co",
                           "a b@c.co",
                           "a@b c.co",
                           "a@b.co\n",
                           "a@-b.co",
                           "a@b-.co",
                           "a@b.co-",
                           "a@1.2.3.4",
                           "a@[1.2.3.4]",
                           "<a@b.co>",
                           "a@b@c.co",
                           "a,b@c.co",
                           "mailto:a@b.co",
                           "\"a\"@b.co",
                           "a@b.co,c@d.co",
                           "a\xFF@b.co",
                           "a\u200B@b.co",
                           "a@b_c.co"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(email_is_valid(wrong[i]));
    assert_false(email_is_valid(NULL));
}

static void email__has_at_most_64_and_254_bytes(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'a', sizeof text);
    memcpy(text + 64, "@b.co", 6);
    assert_true(email_is_valid(text));
    memset(text, 'a', 66);
    memcpy(text + 65, "@b.co", 6);
    assert_false(email_is_valid(text));
    memset(text, 'a', sizeof text);
    text[1] = '@';
    for (int i = 50; i < 250; i += 50)
        text[i] = '.';
    text[254] = '\0';
    assert_true(email_is_valid(text));
    text[254] = 'a';
    text[255] = '\0';
    assert_false(email_is_valid(text));
}

static void email__has_domain_labels_of_63_at_most(void **state)
{
    (void)state;
    char text[80] = "a@";
    memset(text + 2, 'b', 64);
    memcpy(text + 2 + 63, ".co", 4);
    assert_true(email_is_valid(text));
    memcpy(text + 2 + 63, "b.co", 5);
    assert_false(email_is_valid(text));
}

static void phone__of_every_usual_shape_is_valid(void **state)
{
    (void)state;
    const char *valid[] = {"+49 30 1234567", "030/1234567",     "(212) 555-0100",           "+1.212.555.0100",
                           "1234567",        "123456789012345", "+44 20 7946 0000 ext. 12", "212-555-0100x12"};
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++)
        assert_true(phone_is_valid(valid[i]));
    const char *wrong[] = {"",         "123456",      "1234567890123456", "12+34567", "++4930123456", "call me",
                           "1234567a", "1234567 ext", "1234567x1234567",  "a@b.co",   "---------",    "1234567\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(phone_is_valid(wrong[i]));
    assert_false(phone_is_valid(NULL));
}

static void phone__in_other_digits_is_understood(void **state)
{
    (void)state;
    assert_int_equal(sent((struct lead_form){.name = "K", .reach = "０３－１２３４－５６７８"}), RESULT_OK);
    assert_string_equal(lead.phone, "03-1234-5678");
    assert_int_equal(sent((struct lead_form){.name = "A", .reach = "\u200E+٩٧١ ٤ ١٢٣٤٥٦٧"}), RESULT_OK);
    assert_string_equal(lead.phone, "+971 4 1234567");
}

static void email__key_ignores_case_and_guesses_nothing(void **state)
{
    (void)state;
    assert_string_equal(email_key("Jane.Doe+Fair@Example.ORG", &arena), "jane.doe+fair@example.org");
    assert_string_equal(email_key("ZOE\u0308@example.org", &arena), email_key("zoë@example.org", &arena));
    assert_string_not_equal(email_key("jane.doe@example.org", &arena), email_key("janedoe@example.org", &arena));
    assert_null(email_key(NULL, &arena));
}

static void stage__goes_anywhere_but_back_to_potential(void **state)
{
    (void)state;
    for (enum stage from = 0; from < STAGE_COUNT; from++)
        for (enum stage to = 0; to < STAGE_COUNT; to++)
            assert_int_equal(stage_may_follow(from, to), to != STAGE_POTENTIAL || from == STAGE_POTENTIAL);
    assert_false(stage_may_follow(STAGE_NEW, STAGE_COUNT));
}

static void stage__names_are_read_back(void **state)
{
    (void)state;
    for (enum stage stage = 0; stage < STAGE_COUNT; stage++)
        assert_int_equal(stage_parse(stage_name(stage)), stage);
    assert_string_equal(stage_name(STAGE_SALES_QUALIFIED), "sales-qualified");
    assert_string_equal(stage_words(STAGE_SALES_QUALIFIED), "Sales qualified");
    assert_int_equal(stage_parse("customer"), STAGE_COUNT);
    assert_int_equal(stage_parse(NULL), STAGE_COUNT);
}

static void lead__is_found_by_any_field_however_typed(void **state)
{
    (void)state;
    const struct lead found = {.name = "Zoë Ångström",
                               .email = "Z@Example.org",
                               .company = "ＡＣＭＥ",
                               .message = "Straße",
                               .recipient = "Bob",
                               .endorser_name = "Kenji"};
    assert_string_equal(lead_search_text(&found, &arena), "zoe angstrom z@example.org acme bob kenji strasse");
    assert_string_equal(lead_search_text(&(struct lead){0}, &arena), "");
    assert_string_equal(search_fold(NULL, &arena), "");
}

static int open_arena(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_arena, close_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(lead__needs_a_name_and_one_way_to_reach),
        CASE(lead__tells_an_email_from_a_phone),
        CASE(lead__keeps_both_ways_to_reach),
        CASE(lead__complains_beside_the_field),
        CASE(lead__is_cleaned),
        CASE(lead__with_the_trap_filled_is_set_aside_not_refused),
        CASE(lead__consents_only_when_the_box_is_ticked),
        CASE(email__of_every_usual_shape_is_valid),
        CASE(email__has_at_most_64_and_254_bytes),
        CASE(email__has_domain_labels_of_63_at_most),
        CASE(phone__of_every_usual_shape_is_valid),
        CASE(phone__in_other_digits_is_understood),
        CASE(email__key_ignores_case_and_guesses_nothing),
        CASE(stage__goes_anywhere_but_back_to_potential),
        CASE(stage__names_are_read_back),
        CASE(lead__is_found_by_any_field_however_typed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
