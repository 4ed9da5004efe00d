/* What guards the door: passwords, and the key file that everything else is derived from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "server/auth/keys.h"
#include "server/auth/password.h"

static void password__says_what_is_wrong_with_one(void **state)
{
    (void)state;
    char long_one[PASSWORD_MAX + 2];
    memset(long_one, 'x', sizeof long_one - 1);
    long_one[PASSWORD_MAX + 1] = '\0';
    assert_non_null(strstr(password_complaint("short", "jane", "Jane Doe"), "at least 8"));
    assert_non_null(strstr(password_complaint(NULL, "jane", "Jane Doe"), "at least 8"));
    assert_non_null(strstr(password_complaint("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", "jane", "Jane Doe"), "at least 8"));
    assert_non_null(strstr(password_complaint(long_one, "jane", "Jane Doe"), "at most 128"));
    assert_non_null(strstr(password_complaint("Password1", "jane", "Jane Doe"), "first that anybody"));
    assert_non_null(strstr(password_complaint("jane doe", "jane", "Jane Doe"), "your own name"));
    assert_non_null(strstr(password_complaint("xJaneDoe", "janedoe", "J"), "your own name"));
    long_one[PASSWORD_MAX] = '\0';
    assert_null(password_complaint(long_one, "jane", "Jane Doe"));
    assert_null(password_complaint("slate, tile and flat", "jane", "Jane Doe"));
}

static double seconds_of_work(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void password__fits_its_own_hash_only(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH_SIZE], again[PASSWORD_HASH_SIZE];
    bool stale = true;
    struct turnstile *gate = turnstile_open(1, 1);
    assert_int_equal(password_hash(gate, "slate, tile and flat", hash), RESULT_OK);
    assert_int_equal(password_hash(gate, "slate, tile and flat", again), RESULT_OK);
    assert_string_not_equal(hash, again);
    assert_ptr_equal(strstr(hash, "$argon2id$"), hash);
    assert_int_equal(password_verify(gate, "slate, tile and flat", hash, &stale), RESULT_OK);
    assert_false(stale);
    assert_int_equal(password_verify(gate, "slate, tile and flaT", hash, &stale), RESULT_DENIED);
    assert_int_equal(password_verify(gate, "", hash, &stale), RESULT_DENIED);
    turnstile_close(gate);
}

/* The same work for nobody's password as for a wrong one, and no password opens it. */
static void password__does_not_tell_who_exists(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH_SIZE];
    bool stale;
    struct turnstile *gate = turnstile_open(1, 1);
    assert_int_equal(password_hash(gate, "slate, tile and flat", hash), RESULT_OK);
    double began = seconds_of_work();
    assert_int_equal(password_verify(gate, "wrong", hash, &stale), RESULT_DENIED);
    double wrong = seconds_of_work() - began;
    began = seconds_of_work();
    assert_int_equal(password_verify(gate, "wrong", NULL, &stale), RESULT_DENIED);
    double nobody = seconds_of_work() - began;
    assert_int_equal(password_verify(gate, "", NULL, &stale), RESULT_DENIED);
    assert_false(stale);
    if (nobody < wrong / 3 || nobody > wrong * 3)
        fail_msg("%.1f ms for a wrong one, %.1f ms for nobody", wrong * 1e3, nobody * 1e3);
    turnstile_close(gate);
}

static void password__waits_for_no_more_than_a_few(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH_SIZE];
    bool stale;
    struct turnstile *gate = turnstile_open(1, 0);
    assert_int_equal(turnstile_enter(gate), RESULT_OK);
    assert_int_equal(password_hash(gate, "slate, tile and flat", hash), RESULT_BUSY);
    assert_int_equal(password_verify(gate, "slate, tile and flat", NULL, &stale), RESULT_BUSY);
    turnstile_leave(gate);
    assert_int_equal(password_verify(gate, "slate, tile and flat", NULL, &stale), RESULT_DENIED);
    turnstile_close(gate);
}

/* ---- the key file ---- */

struct place {
    struct arena arena;
    char folder[32], path[48];
};

static int start(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    arena_init(&place->arena);
    snprintf(place->folder, sizeof place->folder, "/tmp/meishi-keys-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/key", place->folder);
    *state = place;
    return 0;
}

static int stop(void **state)
{
    struct place *place = *state;
    unlink(place->path);
    rmdir(place->folder);
    arena_free(&place->arena);
    free(place);
    return 0;
}

static void write_key(const struct place *place, size_t len, mode_t mode)
{
    static const unsigned char bytes[64] = {1, 2, 3};
    unlink(place->path);
    int fd = open(place->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void keys__are_made_once_for_their_owner_alone(void **state)
{
    struct place *place = *state;
    struct keys keys, again;
    struct stat about;
    const char *why = NULL;
    assert_int_equal(keys_open(place->path, &place->arena, &keys, &why), RESULT_OK);
    assert_int_equal(stat(place->path, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0600);
    assert_int_equal(about.st_size, KEY_SIZE);
    assert_int_equal(keys_open(place->path, &place->arena, &again, &why), RESULT_OK);
    assert_memory_equal(&keys, &again, sizeof keys);
    const unsigned char *derived[] = {keys.seal, keys.stamp, keys.form, keys.work};
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(derived[i], derived[j], KEY_SIZE);
}

static void keys__of_another_file_are_others(void **state)
{
    struct place *place = *state;
    struct keys keys, others;
    const char *why = NULL;
    assert_int_equal(keys_open(place->path, &place->arena, &keys, &why), RESULT_OK);
    write_key(place, KEY_SIZE, 0600);
    assert_int_equal(keys_open(place->path, &place->arena, &others, &why), RESULT_OK);
    assert_memory_not_equal(keys.seal, others.seal, KEY_SIZE);
    assert_memory_not_equal(keys.stamp, others.stamp, KEY_SIZE);
}

static void keys__are_refused_when_cut_or_readable_by_others(void **state)
{
    struct place *place = *state;
    struct keys keys;
    static const struct {
        size_t len;
        mode_t mode;
        const char *words;
    } wrong[] = {{0, 0600, "does not hold 32 bytes"},
                 {KEY_SIZE - 1, 0600, "does not hold 32 bytes"},
                 {KEY_SIZE + 1, 0600, "does not hold 32 bytes"},
                 {KEY_SIZE, 0640, "chmod 600"},
                 {KEY_SIZE, 0604, "chmod 600"},
                 {KEY_SIZE, 0602, "chmod 600"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *why = NULL;
        write_key(place, wrong[i].len, wrong[i].mode);
        assert_int_equal(keys_open(place->path, &place->arena, &keys, &why), RESULT_FAILED);
        assert_non_null(why);
        assert_non_null(strstr(why, wrong[i].words));
        assert_non_null(strstr(why, place->path));
    }
    const char *why = NULL;
    assert_int_equal(keys_open("/nowhere/at/all", &place->arena, &keys, &why), RESULT_FAILED);
    assert_non_null(strstr(why, "cannot be read or made"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(password__says_what_is_wrong_with_one),
        cmocka_unit_test(password__fits_its_own_hash_only),
        cmocka_unit_test(password__does_not_tell_who_exists),
        cmocka_unit_test(password__waits_for_no_more_than_a_few),
        cmocka_unit_test_setup_teardown(keys__are_made_once_for_their_owner_alone, start, stop),
        cmocka_unit_test_setup_teardown(keys__of_another_file_are_others, start, stop),
        cmocka_unit_test_setup_teardown(keys__are_refused_when_cut_or_readable_by_others, start, stop),
    };
    return cmocka_run_group_tests_name("secrets", tests, NULL, NULL);
}
