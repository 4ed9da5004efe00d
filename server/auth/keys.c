/* See keys.h. */
#include "server/auth/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/ids.h"

/* The bytes on disk before the name, the name on disk before the caller goes on: a key that was used must never be lost. */
static enum result make_file(const char *path, unsigned char master[KEY_SIZE])
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? RESULT_CONFLICT : RESULT_FAILED;
    random_bytes(master, KEY_SIZE);
    bool ok = write(fd, master, KEY_SIZE) == KEY_SIZE && fsync(fd) == 0;
    close(fd);
    if (!ok)
        unlink(path);
    return ok ? RESULT_OK : RESULT_FAILED;
}

static enum result read_file(const char *path, struct arena *arena, unsigned char master[KEY_SIZE], const char **why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? RESULT_NOT_FOUND : RESULT_FAILED;
    struct stat about;
    unsigned char bytes[KEY_SIZE + 1];
    ssize_t len = fstat(fd, &about) ? -1 : read(fd, bytes, sizeof bytes);
    close(fd);
    if (len != KEY_SIZE) {
        *why = arena_printf(arena, "The key file %s does not hold %d bytes. Put back the one this store was made with.",
                            path, KEY_SIZE);
        return RESULT_INVALID;
    }
    if (about.st_mode & 077) {
        *why = arena_printf(arena, "The key file %s can be read by others. Run: chmod 600 %s", path, path);
        return RESULT_INVALID;
    }
    memcpy(master, bytes, KEY_SIZE);
    sodium_memzero(bytes, sizeof bytes);
    return RESULT_OK;
}

enum result keys_open(const char *path, struct arena *arena, struct keys *out, const char **why)
{
    unsigned char master[KEY_SIZE];
    if (sodium_init() < 0)
        return RESULT_FAILED;
    enum result result = read_file(path, arena, master, why);
    if (result == RESULT_NOT_FOUND)
        result = make_file(path, master);
    if (result == RESULT_CONFLICT) /* another server of the same store was first */
        result = read_file(path, arena, master, why);
    if (result == RESULT_INVALID)
        return RESULT_FAILED;
    if (result != RESULT_OK) {
        *why = arena_printf(arena, "The key file %s cannot be read or made: %s.", path, strerror(errno));
        return RESULT_FAILED;
    }
    unsigned char *const derived[] = {out->seal, out->stamp, out->form, out->work, out->tally};
    for (uint64_t i = 0; i < sizeof derived / sizeof *derived; i++)
        crypto_kdf_derive_from_key(derived[i], KEY_SIZE, i + 1, "meishi-1", master);
    sodium_memzero(master, sizeof master);
    return RESULT_OK;
}
