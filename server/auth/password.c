/* See password.h. */
#include "server/auth/password.h"

#include <sodium.h>
#include <string.h>

#include "cards/base/text.h"

enum { MEMORY_BYTES = 47104 * 1024, PASSES = 2 };

/* The hash of random bytes that nobody kept, with the parameters above: what unknown members are compared with, so that
 * the answer takes as long as a member's. */
static const char DECOY[PASSWORD_HASH_SIZE] =
    "$argon2id$v=19$m=47104,t=2,p=1$XKIq1nLrb8vr4jR58UI+Mg$cPDVh9TCPCgyMbbIRZEXKkl1eAle+FU4YxAmIXGMv88";

const char *password_complaint(const char *text, const char *handle, const char *name)
{
    static const char *const COMMON[] = {"password", "passwort",  "12345678", "123456789", "1234567890",
                                         "qwertyui", "qwerty123", "iloveyou", "11111111",  "password1",
                                         "sunshine", "princess",  "football", "baseball",  "welcome1",
                                         "admin123", "abcd1234",  "letmein1", "trustno1",  "meishi123"};
    size_t count = text ? text_count(text) : 0;
    if (count < PASSWORD_MIN)
        return "Please choose a password of at least 8 characters.";
    if (count > PASSWORD_MAX)
        return "A password can have at most 128 characters.";
    for (size_t i = 0; i < sizeof COMMON / sizeof *COMMON; i++)
        if (!strcasecmp(text, COMMON[i]))
            return "That password is one of the first that anybody would try.";
    if ((handle && strcasestr(text, handle) && strlen(handle) * 2 > strlen(text)) || (name && !strcasecmp(text, name)))
        return "Please choose a password that is not your own name.";
    return NULL;
}

enum result password_hash(struct turnstile *gate, const char *text, char out[PASSWORD_HASH_SIZE])
{
    enum result result = turnstile_enter(gate);
    if (result != RESULT_OK)
        return result;
    result = crypto_pwhash_str(out, text, strlen(text), PASSES, MEMORY_BYTES) ? RESULT_FAILED : RESULT_OK;
    turnstile_leave(gate);
    return result;
}

enum result password_verify(struct turnstile *gate, const char *text, const char *hash, bool *stale)
{
    enum result result = turnstile_enter(gate);
    if (result != RESULT_OK)
        return result;
    bool matches = crypto_pwhash_str_verify(hash ? hash : DECOY, text, strlen(text)) == 0;
    result = hash && matches ? RESULT_OK : RESULT_DENIED;
    *stale = hash && crypto_pwhash_str_needs_rehash(hash, PASSES, MEMORY_BYTES) != 0;
    turnstile_leave(gate);
    return result;
}
