/* See paths.h. Touches the file system only to make a folder; opens nothing. */
#include "server/store/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SCHEME "sqlite:"
#define SUFFIX ".db"

/* The part after the scheme, NULL for other engines. */
static const char *place(const char *url)
{
    return strncmp(url, SCHEME, strlen(SCHEME)) == 0 ? url + strlen(SCHEME) : NULL;
}

static bool is_file(const char *path)
{
    size_t len = strlen(path);
    return len > strlen(SUFFIX) && strcmp(path + len - strlen(SUFFIX), SUFFIX) == 0;
}

const char *paths_data_folder(struct arena *arena)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (data && data[0] == '/')
        return arena_printf(arena, "%s/meishi", data);
    if (home && home[0] == '/')
        return arena_printf(arena, "%s/.local/share/meishi", home);
    return NULL;
}

const char *paths_folder(const char *url, struct arena *arena)
{
    const char *path = place(url);
    if (!path)
        return NULL;
    if (!*path)
        return paths_data_folder(arena);
    if (!is_file(path))
        return arena_strdup(arena, path);
    const char *slash = strrchr(path, '/');
    if (!slash)
        return ".";
    return slash == path ? "/" : arena_strndup(arena, path, (size_t)(slash - path));
}

const char *paths_file(const char *url, enum db_part part, struct arena *arena)
{
    const char *path = place(url);
    if (!path)
        return NULL;
    if (is_file(path)) {
        int stem = (int)(strlen(path) - strlen(SUFFIX));
        return part == DB_MAIN ? arena_strdup(arena, path) : arena_printf(arena, "%.*s-hits" SUFFIX, stem, path);
    }
    const char *folder = paths_folder(url, arena);
    if (!folder)
        return NULL;
    return arena_printf(arena, "%s/%s", folder, part == DB_MAIN ? "meishi" SUFFIX : "meishi-hits" SUFFIX);
}

enum result paths_make_folder(const char *folder)
{
    char path[4096];
    size_t len = strlen(folder);
    if (len >= sizeof path)
        return RESULT_FAILED;
    memcpy(path, folder, len + 1);
    for (char *at = path + 1; *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return RESULT_FAILED;
        *at = '/';
    }
    return mkdir(path, 0700) < 0 && errno != EEXIST ? RESULT_FAILED : RESULT_OK;
}
