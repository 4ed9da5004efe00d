/* What is said of an address that is given to a webhook: each fault by its own sentence, and what may be called by none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cards/base/url.h"
#include "server/notify/webhook_url.h"
#include "tests/support/spellings.h"

static const struct address_policy NOTHING;

static struct address_policy own(const char *rules)
{
    struct address_policy policy;
    const char *why;
    assert_int_equal(address_policy_parse(rules, &policy, &why), RESULT_OK);
    return policy;
}

static void url__is_refused_in_the_words_of_who_typed_it(void **state)
{
    (void)state;
    static const struct {
        const char *url, *words;
    } BAD[] = {
        {"", "Please give"},
        {"x", "not a web address that starts with https"},
        {"ftp://example.org/", "not a web address that starts with https"},
        {"//example.org/", "not a web address that starts with https"},
        {"javascript:alert(1)", "not a web address that starts with https"},
        {"http://example.org/", "must start with https"},
        {"https://", "no host"},
        {"https:///path", "no host"},
        {"https://user:secret@example.org/", "user name"},
        {"https://a@example.org/", "user name"},
        {"https://example.org/#here", "after #"},
        {"https://example.org/a b", "not a web address"},
        {"https://exa\tmple.org/", "not a web address"},
        {"https://example.org:9000/", "ports 443 and 8443"},
        {"https://1.1.1.1:22/", "ports 443 and 8443"},
        {"https://127.0.0.1/", "private network"},
        {"https://0x7f.1/", "private network"},
        {"https://10.0.0.1/", "private network"},
        {"https://[::1]/", "private network"},
        {"https://169.254.169.254/", "private network"},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        const char *words = webhook_url_complaint(BAD[i].url, &NOTHING);
        if (!words || !strstr(words, BAD[i].words))
            fail_msg("%s: %s", BAD[i].url, words ? words : "taken");
    }
    char longer[URL_BYTES_MAX + 40] = "https://example.org/";
    memset(longer + strlen(longer), 'a', sizeof longer - strlen(longer) - 1);
    assert_non_null(strstr(webhook_url_complaint(longer, &NOTHING), "too long"));
}

static void url__with_a_private_address_is_refused_however_it_is_spelt(void **state)
{
    (void)state;
    for (size_t i = 0; i < refused_spellings_count; i++) {
        char url[128];
        bool v6 = strchr(refused_spellings[i], ':') != NULL;
        snprintf(url, sizeof url, v6 ? "https://[%s]/" : "https://%s/", refused_spellings[i]);
        if (!webhook_url_complaint(url, &NOTHING))
            fail_msg("%s was taken", url);
    }
}

static void url__is_taken_when_it_may_be_called(void **state)
{
    (void)state;
    assert_null(webhook_url_complaint("https://example.org/hooks?a=1", &NOTHING));
    assert_null(webhook_url_complaint("https://example.org/@team", &NOTHING));
    assert_null(webhook_url_complaint("HTTPS://example.org:8443", &NOTHING));
    assert_null(webhook_url_complaint("https://1.1.1.1/hooks", &NOTHING));
    assert_null(webhook_url_complaint("https://m\xc3\xbcller.example/", &NOTHING));
}

static void url__of_the_operators_own_receivers_is_taken_with_its_port(void **state)
{
    (void)state;
    struct address_policy one = own("127.0.0.1:9000"), any = own("10.0.0.0/8:*");
    assert_null(webhook_url_complaint("http://127.0.0.1:9000/", &one));
    assert_null(webhook_url_complaint("http://receiver.internal:9000/", &one));
    assert_null(webhook_url_complaint("https://receiver.internal:9000/", &one));
    assert_non_null(webhook_url_complaint("http://127.0.0.1:9001/", &one));
    assert_non_null(webhook_url_complaint("http://receiver.internal/", &one));
    assert_non_null(webhook_url_complaint("https://receiver.internal:9001/", &one));
    assert_non_null(webhook_url_complaint("http://1.1.1.1:443/", &one));
    assert_null(webhook_url_complaint("http://10.1.2.3:81/", &any));
    assert_non_null(strstr(webhook_url_complaint("http://1.1.1.1:81/", &any), "not on this port"));
    assert_non_null(strstr(webhook_url_complaint("http://1.1.1.1:443/", &any), "https"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(url__is_refused_in_the_words_of_who_typed_it),
        cmocka_unit_test(url__with_a_private_address_is_refused_however_it_is_spelt),
        cmocka_unit_test(url__is_taken_when_it_may_be_called),
        cmocka_unit_test(url__of_the_operators_own_receivers_is_taken_with_its_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
