/* Puts an archive of pg_dump in the place of a PostgreSQL store. pg_restore turns it into SQL, which runs in one transaction with
 * everything else: the old tables step aside into a schema of their own, the archive's come, are brought to today's form, and
 * forget and lock out whom the old ones had. Until its commit nothing has changed, and after it all has. An archive that holds
 * anything but tables of this schema is not run at all. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "cards/base/str.h"
#include "server/ids.h"
#include "server/store/alone.h"
#include "server/store/copy_keys.h"
#include "server/store/db_postgres_archive.h"
#include "server/store/internal.h"
#include "server/store/migrate.h"
#include "server/store/restore.h"
#include "server/store/search.h"
#include "server/store/tool.h"

struct restoring {
    struct arena *arena;
    const char *path, *schema;
    bool replace;
    struct db *db;
    int list; /* of the entries that are to be restored, in memory */
    const char **kept, **why;
};

static enum result say(struct restoring *restoring, const char *words)
{
    *restoring->why = words;
    return RESULT_FAILED;
}

static enum result say_error(struct restoring *restoring)
{
    return say(restoring, arena_printf(restoring->arena, "%s.", restoring->db->driver->error(restoring->db)));
}

/* ---- what the archive holds ---- */

/* The kinds of entries that a dump of tables has, each with a blank behind. */
static const char *const KINDS[] = {"TABLE DATA ",    "TABLE ATTACH ", "TABLE ", "CONSTRAINT ",
                                    "FK CONSTRAINT ", "INDEX ATTACH ", "INDEX "};

/* What stands behind the kind in "215; 1259 16386 TABLE public members meishi"; NULL when it is another. */
static const char *behind_kind(const char *line)
{
    int at = 0;
    sscanf(line, "%*d; %*d %*d %n", &at);
    for (size_t i = 0; at && i < sizeof KINDS / sizeof *KINDS; i++)
        if (strncmp(line + at, KINDS[i], strlen(KINDS[i])) == 0)
            return line + at + strlen(KINDS[i]);
    return NULL;
}

static enum result check_entry(struct restoring *restoring, const char *line, int *ours)
{
    static const char *const MUST_HAVE[] = {"schema_version ", "members ", "hit_months "};
    const char *schema = behind_kind(line), *name = schema ? strchr(schema, ' ') : NULL;
    if (!name)
        return say(restoring, arena_printf(restoring->arena, "%s holds more than a backup of Meishi does (%s).",
                                           restoring->path, line));
    size_t len = (size_t)(name - schema);
    if (len != strlen(restoring->schema) || strncmp(schema, restoring->schema, len) != 0)
        return say(restoring,
                   arena_printf(restoring->arena,
                                "%s was made of the schema %.*s, and MEISHI_STORE names %s: a backup is put back into "
                                "a schema of the same name (options=-csearch_path%%3D%.*s behind the \"?\").",
                                restoring->path, (int)len, schema, restoring->schema, (int)len, schema));
    for (size_t i = 0; i < sizeof MUST_HAVE / sizeof *MUST_HAVE; i++)
        *ours += strstr(line, " TABLE DATA ") && strncmp(name + 1, MUST_HAVE[i], strlen(MUST_HAVE[i])) == 0;
    return RESULT_OK;
}

/* An index on a function needs the function, which no dump of tables has: search_prepare makes both. */
static bool is_wanted(const char *line)
{
    const char *name = behind_kind(line);
    name = name ? strchr(name, ' ') : NULL;
    return !name || strncmp(name + 1, SEARCH_INDEX " ", strlen(SEARCH_INDEX " ")) != 0;
}

static enum result take_entry(struct restoring *restoring, const char *line, int *ours)
{
    enum result result = check_entry(restoring, line, ours);
    if (result == RESULT_OK && is_wanted(line) && dprintf(restoring->list, "%s\n", line) < 0)
        return say(restoring, "There is no memory for the archive's contents.");
    return result;
}

static enum result check_archive(struct restoring *restoring)
{
    char program[] = "pg_restore", flag[] = "--list";
    char *arguments[] = {program, flag, arena_strdup(restoring->arena, restoring->path), NULL};
    const char *words, *list = tool_ask(arguments, restoring->arena, &words);
    enum result result = RESULT_OK;
    int ours = 0;
    if (!list)
        return say(restoring, arena_printf(restoring->arena,
                                           "pg_restore does not read %s: %s. It takes an archive of pg_dump's custom "
                                           "format and comes with postgresql-client-%d.",
                                           restoring->path, words, db_postgres_version(restoring->db)));
    while (*list && result == RESULT_OK) {
        size_t len = strcspn(list, "\n");
        if (len && *list != ';')
            result = take_entry(restoring, arena_strndup(restoring->arena, list, len), &ours);
        list += len + (list[len] == '\n');
    }
    if (result == RESULT_OK && ours != 3)
        return say(restoring, arena_printf(restoring->arena, "%s is no backup of Meishi.", restoring->path));
    return result;
}

/* ---- what is there ---- */

struct names {
    const char **list;
    size_t count;
};

static enum result read_names(struct restoring *restoring, struct names *out)
{
    struct db_rows *rows;
    size_t room = 0;
    *out = (struct names){0};
    enum result result = db_query(restoring->db,
                                  "SELECT CAST(c.relname AS TEXT) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = "
                                  "c.relnamespace WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') "
                                  "ORDER BY c.relispartition, c.relname",
                                  NULL, 0, &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        out->list = db_rows_grow(restoring->arena, out->list, out->count, &room, sizeof *out->list);
        out->list[out->count++] = db_column_text(rows, 0, restoring->arena);
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : RESULT_FAILED;
}

static bool has(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->list[i], name) == 0)
            return true;
    return false;
}

static enum result drop_all(struct restoring *restoring, const struct names *names)
{
    enum { SQL_MAX = 1 << 20 };
    struct str sql;
    str_init(&sql, restoring->arena, SQL_MAX);
    str_add(&sql, "DROP TABLE ");
    for (size_t i = 0; i < names->count; i++)
        str_addf(&sql, "%s\"%s\"", i ? ", " : "", names->list[i]);
    str_add(&sql, " CASCADE");
    return sql.failed ? RESULT_FAILED : db_run(restoring->db, sql.data, NULL, 0);
}

static enum result keep_all(struct restoring *restoring, const struct names *names)
{
    const char *schema = arena_printf(restoring->arena, "%s_before_%lld", restoring->schema, (long long)now_ms());
    enum result result = db_run(restoring->db, arena_printf(restoring->arena, "CREATE SCHEMA \"%s\"", schema), NULL, 0);
    if (result != RESULT_OK) {
        *restoring->why = arena_printf(restoring->arena,
                                       "The old tables cannot be kept in a schema of their own (%s). GRANT CREATE ON "
                                       "DATABASE … TO the user of MEISHI_STORE, or let them go with --replace.",
                                       restoring->db->driver->error(restoring->db));
        return result;
    }
    for (size_t i = 0; i < names->count && result == RESULT_OK; i++)
        result = db_run(restoring->db,
                        arena_printf(restoring->arena, "ALTER TABLE \"%s\" SET SCHEMA \"%s\"", names->list[i], schema),
                        NULL, 0);
    *restoring->kept = arena_printf(restoring->arena, "the schema %s", schema);
    return result;
}

static enum result step_aside(struct restoring *restoring, struct carried *carried)
{
    struct names names;
    *carried = (struct carried){0};
    enum result result = read_names(restoring, &names);
    if (result == RESULT_OK && has(&names, "erased") && has(&names, "members") && has(&names, "api_tokens"))
        result = restore_carry(restoring->db, restoring->arena, carried);
    if (result != RESULT_OK || !names.count)
        return result;
    return restoring->replace ? drop_all(restoring, &names) : keep_all(restoring, &names);
}

/* ---- the transaction ---- */

static enum result load(struct restoring *restoring)
{
    char program[] = "pg_restore", owner[] = "--no-owner", rights[] = "--no-privileges", out[] = "--file=-";
    char *list = arena_printf(restoring->arena, "--use-list=/proc/%d/fd/%d", (int)getpid(), restoring->list);
    char *arguments[] = {program, owner, rights, out, list, arena_strdup(restoring->arena, restoring->path), NULL};
    const char *words;
    struct tool tool;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return say(restoring, "There is no pipe to be had for pg_restore.");
    enum result result = tool_start(&tool, arguments, environ, ends[1]);
    close(ends[1]);
    if (result != RESULT_OK) {
        close(ends[0]);
        return say(restoring, "pg_restore could not be started.");
    }
    result = db_postgres_load(restoring->db, ends[0]);
    if (result != RESULT_OK) {
        tool_stop(&tool);
        return result;
    }
    return tool_end(&tool, restoring->arena, &words)
               ? RESULT_OK
               : say(restoring,
                     arena_printf(restoring->arena, "%s could not be read to its end: %s.", restoring->path, words));
}

static enum result replace_all(struct db *db, void *context)
{
    struct restoring *restoring = context;
    struct carried carried;
    enum result result = copy_keys_wait_long(db);
    if (result == RESULT_OK)
        result = step_aside(restoring, &carried);
    if (result == RESULT_OK)
        result = load(restoring);
    if (result == RESULT_OK)
        result = migrate_within(db, restoring->arena, restoring->why);
    return result == RESULT_OK ? restore_make_ready(db, &carried) : result;
}

static enum result read_schema(struct restoring *restoring)
{
    struct db_rows *rows;
    enum result result = db_one(restoring->db, "SELECT CAST(current_schema() AS TEXT)", NULL, 0, &rows);
    if (result != RESULT_OK)
        return say_error(restoring);
    restoring->schema = db_column_text(rows, 0, restoring->arena);
    db_finish(&rows);
    return RESULT_OK;
}

static enum result restore_alone(struct restoring *restoring)
{
    enum result result = alone_take(restoring->db, restoring->arena, restoring->why);
    if (result == RESULT_OK)
        result = read_schema(restoring);
    if (result == RESULT_OK)
        result = check_archive(restoring);
    if (result != RESULT_OK)
        return result;
    result = db_transaction(restoring->db, "restore", replace_all, restoring);
    return result == RESULT_OK ? RESULT_OK : *restoring->why ? RESULT_FAILED : say_error(restoring);
}

enum result restore_postgres(const char *url, const char *path, bool replace, struct arena *arena, const char **kept,
                             const char **why)
{
    struct restoring restoring = {.arena = arena, .path = path, .replace = replace, .kept = kept, .why = why};
    const struct db_driver *driver = db_driver_of(url);
    enum result result = driver->open(url, DB_MAIN, DB_WRITE, &restoring.db);
    if (result != RESULT_OK)
        return say(&restoring, driver->explain(url, DB_MAIN, DB_WRITE, result, arena));
    restoring.db->patient = true;
    restoring.list = memfd_create("list", MFD_CLOEXEC);
    result = restoring.list < 0 ? say(&restoring, "There is no memory for the archive's contents.")
                                : restore_alone(&restoring);
    if (restoring.list >= 0)
        close(restoring.list);
    if (result != RESULT_OK)
        *kept = NULL;
    alone_give(restoring.db);
    driver->close(restoring.db);
    return result == RESULT_OK || result == RESULT_CONFLICT ? result : RESULT_FAILED;
}
