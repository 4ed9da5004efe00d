/* The judgement of addresses: as many spellings of places a webhook must not reach as we know, each read by the system's
 * own parser, and the few that are fine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>
#include <sys/un.h>
#include "server/notify/address.h"
#include "tests/support/spellings.h"

/* Judges a spelling at a port, or -1 when the system does not read it as an address at all. */
static int judge_text(const struct address_policy *policy, const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found;
    if (getaddrinfo(host, port, &hints, &found))
        return -1;
    int verdict = (int)address_judge(policy, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return verdict;
}

static const char *const PUBLIC[] = {
    "1.1.1.1",         "8.8.8.8",         "134744072",      "0x08080808",           "9.255.255.255",
    "11.0.0.0",        "100.63.255.255",  "100.128.0.0",    "126.255.255.255",      "128.0.0.0",
    "169.253.255.255", "169.255.0.0",     "172.15.255.255", "172.32.0.0",           "192.0.1.0",
    "192.0.3.0",       "192.88.98.255",   "192.88.100.0",   "192.167.255.255",      "192.169.0.0",
    "198.17.255.255",  "198.20.0.0",      "198.51.99.255",  "198.51.101.0",         "203.0.112.255",
    "203.0.114.0",     "223.255.255.255", "2000::1",        "2001:200::1",          "2001:4860:4860::8888",
    "2001:db7::1",     "2001:db9::1",     "2003::1",        "2606:4700:4700::1111", "2a00:1450::1",
    "3ffe::1",         "3fff:1000::1",
};

static void address__refuses_every_spelling_of_a_private_place(void **state)
{
    (void)state;
    struct address_policy nothing = {0};
    assert_true(refused_spellings_count >= 300);
    size_t read = 0;
    for (size_t i = 0; i < refused_spellings_count; i++) {
        int verdict = judge_text(&nothing, refused_spellings[i], "443");
        if (verdict > 0)
            fail_msg("%s was not refused", refused_spellings[i]);
        read += verdict == ADDRESS_REFUSED;
    }
    assert_true(read >= 300);
}

static void address__lets_public_places_through(void **state)
{
    (void)state;
    struct address_policy nothing = {0};
    for (size_t i = 0; i < sizeof PUBLIC / sizeof *PUBLIC; i++) {
        if (judge_text(&nothing, PUBLIC[i], "443") != ADDRESS_PUBLIC ||
            judge_text(&nothing, PUBLIC[i], "8443") != ADDRESS_PUBLIC)
            fail_msg("%s was refused", PUBLIC[i]);
        if (judge_text(&nothing, PUBLIC[i], "22") != ADDRESS_REFUSED)
            fail_msg("port 22 of %s was not refused", PUBLIC[i]);
    }
}

static void address__refuses_other_families_and_cut_addresses(void **state)
{
    (void)state;
    struct address_policy all;
    const char *why;
    assert_int_equal(address_policy_parse("0.0.0.0/0:*,[::]/0:*", &all, &why), RESULT_OK);
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/run/x"};
    assert_int_equal(address_judge(&all, (struct sockaddr *)&local, sizeof local), ADDRESS_REFUSED);
    struct sockaddr_in cut = {.sin_family = AF_INET, .sin_port = htons(443), .sin_addr.s_addr = htonl(0x08080808)};
    assert_int_equal(address_judge(&all, (struct sockaddr *)&cut, sizeof cut), ADDRESS_ALLOWED);
    assert_int_equal(address_judge(&all, (struct sockaddr *)&cut, 4), ADDRESS_REFUSED);
}

static void address__allows_exactly_what_the_operator_named(void **state)
{
    (void)state;
    struct address_policy policy;
    const char *why;
    assert_int_equal(
        address_policy_parse(" 127.0.0.1:9000, 10.1.0.0/16:*,[fd00:1::]/32:8080 , [::1]:7,::1/128:8,", &policy, &why),
        RESULT_OK);
    assert_int_equal(policy.count, 5);
    assert_int_equal(judge_text(&policy, "127.0.0.1", "9000"), ADDRESS_ALLOWED);
    assert_int_equal(judge_text(&policy, "0x7f.1", "9000"), ADDRESS_ALLOWED);
    assert_int_equal(judge_text(&policy, "::ffff:127.0.0.1", "9000"), ADDRESS_ALLOWED);
    assert_int_equal(judge_text(&policy, "127.0.0.1", "9001"), ADDRESS_REFUSED);
    assert_int_equal(judge_text(&policy, "127.0.0.2", "9000"), ADDRESS_REFUSED);
    assert_int_equal(judge_text(&policy, "10.1.255.255", "1"), ADDRESS_ALLOWED);
    assert_int_equal(judge_text(&policy, "10.2.0.0", "1"), ADDRESS_REFUSED);
    assert_int_equal(judge_text(&policy, "fd00:1:ffff::1", "8080"), ADDRESS_ALLOWED);
    assert_int_equal(judge_text(&policy, "fd00:2::1", "8080"), ADDRESS_REFUSED);
    assert_int_equal(judge_text(&policy, "::1", "7"), ADDRESS_ALLOWED);
    assert_int_equal(judge_text(&policy, "::1", "8"), ADDRESS_ALLOWED);
    assert_int_equal(judge_text(&policy, "::1", "9"), ADDRESS_REFUSED);
}

static void address__never_allows_link_local(void **state)
{
    (void)state;
    struct address_policy policy;
    const char *why;
    static const char *const PLACES[] = {"169.254.169.254",
                                         "::ffff:169.254.169.254",
                                         "::169.254.169.254",
                                         "64:ff9b::a9fe:a9fe",
                                         "2002:a9fe:a9fe::1",
                                         "fe80::1",
                                         "febf::1"};
    assert_int_equal(address_policy_parse("0.0.0.0/0:*,[::]/0:*,169.254.0.0/16:*,[fe80::]/10:*", &policy, &why),
                     RESULT_OK);
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++)
        if (judge_text(&policy, PLACES[i], "443") != ADDRESS_REFUSED)
            fail_msg("%s was allowed", PLACES[i]);
}

static void address__says_what_is_wrong_with_a_list(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "10.0.0.0/8",
        "10.0.0.0/8:",
        "10.0.0.0/8:0",
        "10.0.0.0/8:65536",
        "10.0.0.0/8:http",
        "10.0.0.0/33:1",
        "10.0.0.0/-1:1",
        "10.0.0/8:1",
        "example.org:443",
        "[10.0.0.1]:1",
        "[fd00::]/129:1",
        "[]:1",
        ":1",
        "*:1",
        "10.0.0.1/ 8x:1",
        "1.2.3.4/8/8:1",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct address_policy policy;
        const char *why = NULL;
        if (address_policy_parse(BAD[i], &policy, &why) != RESULT_INVALID || !why)
            fail_msg("\"%s\" was taken", BAD[i]);
    }
    struct address_policy policy;
    const char *why;
    assert_int_equal(address_policy_parse(NULL, &policy, &why), RESULT_OK);
    assert_int_equal(policy.count, 0);
    assert_int_equal(address_policy_parse(",, 10.0.0.0/8:443 ,", &policy, &why), RESULT_OK);
    assert_int_equal(policy.count, 1);
    char many[ADDRESS_RULES_MAX * 12 + 13] = "";
    for (int i = 0; i < ADDRESS_RULES_MAX; i++)
        memcpy(many + 12 * i, "10.0.0.1:80,", 13);
    assert_int_equal(address_policy_parse(many, &policy, &why), RESULT_OK);
    assert_int_equal(policy.count, ADDRESS_RULES_MAX);
    memcpy(many + 12 * ADDRESS_RULES_MAX, "10.0.0.1:80", 12);
    assert_int_equal(address_policy_parse(many, &policy, &why), RESULT_INVALID);
}

static void address__knows_its_own(void **state)
{
    (void)state;
    struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in stranger = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x08080808)};
    assert_true(address_is_own((struct sockaddr *)&loopback));
    assert_false(address_is_own((struct sockaddr *)&stranger));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address__refuses_every_spelling_of_a_private_place),
        cmocka_unit_test(address__lets_public_places_through),
        cmocka_unit_test(address__refuses_other_families_and_cut_addresses),
        cmocka_unit_test(address__allows_exactly_what_the_operator_named),
        cmocka_unit_test(address__never_allows_link_local),
        cmocka_unit_test(address__says_what_is_wrong_with_a_list),
        cmocka_unit_test(address__knows_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
