/* See password.h. */
#include "server/auth/password.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cards/base/text.h"

enum { RUNNING_MAX = 2, WAITING_MAX = 32, MEMORY_BYTES = 47104 * 1024, PASSES = 2 };

/* The hash of random bytes that nobody kept, with the parameters above: what unknown members are compared with, so that
 * the answer takes as long as a member's. */
static const char DECOY[PASSWORD_HASH_SIZE] = "$argon2id$v=19$m=47104,t=2,p=1$XKIq1nLrb8vr4jR58UI+Mg$cPDVh9TCPCgyMbbIRZEXKkl1eAle+FU4YxAmIXGMv88";

struct password_gate {
    pthread_mutex_t lock;
    pthread_cond_t free;
    int running, waiting;
};

static enum result enter(struct password_gate *gate)
{
    enum result result = RESULT_OK;
    pthread_mutex_lock(&gate->lock);
    if (gate->waiting >= WAITING_MAX)
        result = RESULT_LIMITED;
    else {
        gate->waiting++;
        while (gate->running >= RUNNING_MAX)
            pthread_cond_wait(&gate->free, &gate->lock);
        gate->waiting--;
        gate->running++;
    }
    pthread_mutex_unlock(&gate->lock);
    return result;
}

static void leave(struct password_gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->running--;
    pthread_cond_signal(&gate->free);
    pthread_mutex_unlock(&gate->lock);
}

struct password_gate *password_gate_open(void)
{
    struct password_gate *gate = calloc(1, sizeof *gate);
    if (!gate)
        abort();
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->free, NULL);
    return gate;
}

void password_gate_close(struct password_gate *gate)
{
    if (!gate)
        return;
    pthread_cond_destroy(&gate->free);
    pthread_mutex_destroy(&gate->lock);
    free(gate);
}

const char *password_complaint(const char *text, const char *handle, const char *name)
{
    static const char *const COMMON[] = {"password", "passwort", "12345678", "123456789", "1234567890", "qwertyui", "qwerty123",
                                         "iloveyou", "11111111", "password1", "sunshine", "princess", "football", "baseball",
                                         "welcome1", "admin123", "abcd1234", "letmein1", "trustno1", "meishi123"};
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

enum result password_hash(struct password_gate *gate, const char *text, char out[PASSWORD_HASH_SIZE])
{
    enum result result = enter(gate);
    if (result != RESULT_OK)
        return result;
    result = crypto_pwhash_str(out, text, strlen(text), PASSES, MEMORY_BYTES) ? RESULT_FAILED : RESULT_OK;
    leave(gate);
    return result;
}

enum result password_verify(struct password_gate *gate, const char *text, const char *hash, bool *stale)
{
    enum result result = enter(gate);
    if (result != RESULT_OK)
        return result;
    bool matches = crypto_pwhash_str_verify(hash ? hash : DECOY, text, strlen(text)) == 0;
    result = hash && matches ? RESULT_OK : RESULT_DENIED;
    *stale = hash && crypto_pwhash_str_needs_rehash(hash, PASSES, MEMORY_BYTES) != 0;
    leave(gate);
    return result;
}
