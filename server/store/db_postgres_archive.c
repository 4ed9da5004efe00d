/* See db_postgres_archive.h. */
#include "server/store/db_postgres_archive.h"

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cards/base/str.h"
#include "server/store/db_postgres.h"
#include "server/store/tool.h"

enum { VARIABLES_MAX = 64 };

static PGconn *handle_of(const struct db *db)
{
    return (PGconn *)((const struct session *)db)->handle;
}

static enum result say(struct db *db, const char *words)
{
    db_postgres_keep_words((struct session *)db, words);
    return RESULT_FAILED;
}

int db_postgres_version(const struct db *db)
{
    return PQserverVersion(handle_of(db)) / 10000;
}

/* ---- making one ---- */

/* Ours without what is PostgreSQL's own, and what this connection came by in its place. */
static char **environment_of(struct db *db, struct arena *arena)
{
    size_t count = 0, mine = 0;
    while (environ[count])
        count++;
    char **variables = arena_alloc(arena, (count + VARIABLES_MAX + 1) * sizeof *variables);
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], "PG", 2) != 0 && strncmp(environ[i], "MEISHI_", 7) != 0)
            variables[mine++] = environ[i];
    size_t most = mine + VARIABLES_MAX;
    PQconninfoOption *options = PQconninfo(handle_of(db));
    for (const PQconninfoOption *option = options; option && option->keyword && mine < most; option++)
        if (option->envvar && option->val && *option->val && strcmp(option->keyword, "service") != 0)
            variables[mine++] = arena_printf(arena, "%s=%s", option->envvar, option->val);
    PQconninfoFree(options);
    return variables;
}

/* "pg_dump (PostgreSQL) 15.4 (Debian 15.4-0+deb12u1)" */
static int version_in(const char *text)
{
    const char *name = text ? strstr(text, "(PostgreSQL) ") : NULL;
    return name ? (int)strtol(strchr(name, ' '), NULL, 10) : 0;
}

/* An older pg_dump refuses a newer server, after it has made the file. */
static enum result check_version(struct db *db, struct arena *arena)
{
    char name[] = "pg_dump", flag[] = "--version";
    char *arguments[] = {name, flag, NULL};
    const char *words;
    int version = version_in(tool_ask(arguments, arena, &words)), wanted = db_postgres_version(db);
    if (version >= wanted)
        return RESULT_OK;
    if (!version)
        return say(db, arena_printf(arena, "pg_dump is not there: install postgresql-client-%d", wanted));
    return say(db, arena_printf(arena,
                                "the pg_dump on PATH is of PostgreSQL %d, the server of %d: install "
                                "postgresql-client-%d",
                                version, wanted, wanted));
}

/* Every table of the schema, which in a pattern is a name between quotes. */
static enum result pattern_of(struct db *db, struct arena *arena, const char **out)
{
    struct db_rows *rows;
    enum result result =
        db_one(db, "SELECT '\"' || replace(CAST(current_schema() AS TEXT), '\"', '\"\"') || '\".*'", NULL, 0, &rows);
    *out = result == RESULT_OK ? db_column_text(rows, 0, arena) : NULL;
    db_finish(&rows);
    return result;
}

static enum result dump_into(struct db *db, int file, struct arena *arena)
{
    char name[] = "pg_dump", format[] = "--format=custom", owner[] = "--no-owner", rights[] = "--no-privileges",
         ask[] = "--no-password", wait[] = "--lock-wait-timeout=30s";
    const char *pattern, *words;
    struct tool tool;
    enum result result = pattern_of(db, arena, &pattern);
    if (result != RESULT_OK)
        return result;
    char *arguments[] = {name, format, owner, rights, ask, wait, arena_printf(arena, "--table=%s", pattern), NULL};
    result = tool_start(&tool, arguments, environment_of(db, arena), file);
    if (result != RESULT_OK)
        return say(db, "pg_dump could not be started");
    if (!tool_end(&tool, arena, &words))
        return say(db, *words ? words : "pg_dump failed without a word");
    return fsync(file) == 0 ? RESULT_OK : say(db, strerror(errno));
}

static bool sync_folder(const char *path, struct arena *arena)
{
    const char *slash = strrchr(path, '/');
    const char *folder = slash ? arena_strndup(arena, path, slash == path ? 1 : (size_t)(slash - path)) : ".";
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = file >= 0 && fsync(file) == 0;
    if (file >= 0)
        close(file);
    return synced;
}

enum result db_postgres_dump(struct db *db, const char *path)
{
    struct arena arena;
    if (!db_postgres_is_there((struct session *)db))
        return RESULT_FAILED;
    arena_init(&arena);
    enum result result = check_version(db, &arena);
    int file = result == RESULT_OK ? open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (result == RESULT_OK && file < 0)
        result = errno == EEXIST ? RESULT_CONFLICT : say(db, strerror(errno));
    if (file >= 0) {
        result = dump_into(db, file, &arena);
        close(file);
        if (result == RESULT_OK && !sync_folder(path, &arena))
            result = say(db, strerror(errno));
        if (result != RESULT_OK)
            unlink(path);
    }
    arena_free(&arena);
    return result;
}

/* ---- reading one ---- */

static bool begins(const char *line, const char *with)
{
    return strncmp(line, with, strlen(with)) == 0;
}

/* Settings of a session of pg_restore's own, some of them of newer servers than this one; what is meant for psql; remarks. */
static bool is_passed_over(const char *line)
{
    return *line == '\n' || *line == '\\' || begins(line, "--") || begins(line, "SET ") ||
           begins(line, "SELECT pg_catalog.set_config(");
}

static bool ends(const struct str *text, const char *with)
{
    size_t len = strlen(with);
    return text->len >= len && strcmp(text->data + text->len - len, with) == 0;
}

/* The lines of a COPY up to the one that ends it. */
static enum result load_rows(struct db *db, FILE *script, char **line, size_t *room)
{
    PGconn *handle = handle_of(db);
    ssize_t len;
    bool good = true, ended = false;
    while (good && !ended && (len = getline(line, room, script)) > 0) {
        ended = strcmp(*line, "\\.\n") == 0;
        good = ended || PQputCopyData(handle, *line, (int)len) == 1;
    }
    good = PQputCopyEnd(handle, ended ? NULL : "the archive ended early") == 1 && good && ended;
    enum result result = good ? RESULT_OK : RESULT_FAILED;
    for (PGresult *told; (told = PQgetResult(handle)); PQclear(told))
        if (PQresultStatus(told) != PGRES_COMMAND_OK && result == RESULT_OK)
            result = db_postgres_fail((struct session *)db, (const struct pg_result *)told, "restore");
    return result == RESULT_OK ? RESULT_OK : RESULT_FAILED;
}

static enum result run_statement(struct db *db, const char *sql, bool *copies)
{
    PGresult *told = PQexec(handle_of(db), sql);
    ExecStatusType status = PQresultStatus(told);
    *copies = status == PGRES_COPY_IN;
    enum result result = *copies || status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK
                             ? RESULT_OK
                             : db_postgres_fail((struct session *)db, (const struct pg_result *)told, "restore");
    PQclear(told);
    return result == RESULT_OK ? RESULT_OK : RESULT_FAILED;
}

enum result db_postgres_load(struct db *db, int script)
{
    enum { STATEMENT_MAX = 1 << 20 };
    struct arena arena;
    struct str statement;
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    bool copies;
    enum result result;
    FILE *file = fdopen(script, "r");
    if (!file) {
        close(script);
        return say(db, strerror(errno));
    }
    arena_init(&arena);
    str_init(&statement, &arena, STATEMENT_MAX);
    result = db_postgres_tell((struct session *)db, "SELECT 1", NULL, 0); /* all that was sent before is answered */
    if (result == RESULT_OK)
        PQsetnonblocking(handle_of(db), 0); /* rows wait for the server, however long its disk takes */
    while (result == RESULT_OK && (len = getline(&line, &room, file)) > 0) {
        if (!statement.len && is_passed_over(line))
            continue;
        str_add_n(&statement, line, (size_t)len);
        if (statement.failed)
            result = say(db, "the archive holds a statement that is none of Meishi's");
        else if (ends(&statement, ";\n")) {
            result = run_statement(db, statement.data, &copies);
            if (result == RESULT_OK && copies)
                result = load_rows(db, file, &line, &room);
            arena_reset(&arena);
            str_init(&statement, &arena, STATEMENT_MAX);
        }
    }
    if (handle_of(db))
        PQsetnonblocking(handle_of(db), 1);
    free(line);
    fclose(file);
    arena_free(&arena);
    return result;
}
