/* Members, see members.h. What lets them in lies in sign_in.c. Never deletes one: a member who leaves is disabled, because
 * their name stands in other people's chains. */
#include "server/ids.h"
#include "server/store/changes_inside.h"
#include "server/store/internal.h"
#include "server/store/member_rows.h"

void member_from_row(struct member *out, const struct db_rows *rows, int first, struct arena *arena)
{
    *out = (struct member){
        .id = db_column_int(rows, first),
        .handle = db_column_text(rows, first + 1, arena),
        .name = db_column_text(rows, first + 2, arena),
        .email = db_column_text(rows, first + 3, arena),
        .password_hash = db_column_text(rows, first + 4, arena),
        .role = (enum role)db_column_int(rows, first + 5),
        .created_ms = db_column_int(rows, first + 6),
        .disabled_ms = db_column_int(rows, first + 7),
    };
}

enum result member_is_active(struct db *db, int64_t id)
{
    struct db_rows *rows;
    enum result result =
        db_one(db, "SELECT 1 FROM members WHERE id = $1 AND disabled_ms IS NULL", DB_ARGS(DB_INT(id)), &rows);
    db_finish(&rows);
    return result;
}

struct adding {
    struct member *member;
    int64_t now_ms;
};

static enum result add(struct db *db, void *context)
{
    struct adding *adding = context;
    struct member *member = adding->member;
    struct db_rows *rows;
    /* Members and cards share the names behind /@. */
    enum result result = db_one(db, "SELECT 1 FROM cards WHERE handle = $1", DB_ARGS(db_text(member->handle)), &rows);
    db_finish(&rows);
    if (result != RESULT_NOT_FOUND)
        return result == RESULT_OK ? RESULT_CONFLICT : result;
    result = db_one(db, "SELECT 1 FROM members LIMIT 1", NULL, 0, &rows);
    db_finish(&rows);
    if (result == RESULT_NOT_FOUND)
        member->role = ROLE_OWNER;
    else if (result != RESULT_OK)
        return result;
    return db_run(db,
                  "INSERT INTO members (id, handle, name, email, password_hash, role, created_ms, disabled_ms)"
                  " VALUES ($1, $2, $3, $4, $5, $6, $7, NULL)",
                  DB_ARGS(DB_INT(member->id), db_text(member->handle), db_text(member->name), db_text(member->email),
                          db_text(member->password_hash), DB_INT(member->role), DB_INT(adding->now_ms)));
}

enum result store_member_add(struct store *store, struct member *member, int64_t now_ms)
{
    struct adding adding = {member, now_ms};
    member->id = id_new();
    member->created_ms = now_ms;
    member->disabled_ms = 0;
    return store_write(store, "member-add", add, &adding);
}

struct adding_many {
    struct member_addition *additions;
    size_t count;
    bool dry_run, conflict;
    int64_t now_ms;
};

/* Whether a query finds anything. */
static enum result is_there(struct db *db, const char *sql, const char *text, bool *out)
{
    struct db_rows *rows;
    enum result result = text ? db_one(db, sql, DB_ARGS(db_text(text)), &rows) : RESULT_NOT_FOUND;
    if (text)
        db_finish(&rows);
    *out = result == RESULT_OK;
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static enum result add_one(struct db *db, struct adding_many *many, struct member_addition *addition)
{
    struct adding adding = {&addition->member, many->now_ms};
    enum result result =
        is_there(db, "SELECT 1 FROM members WHERE handle = $1 UNION ALL SELECT 1 FROM cards WHERE handle = $1",
                 addition->member.handle, &addition->handle_is_taken);
    if (result == RESULT_OK)
        result =
            is_there(db, "SELECT 1 FROM members WHERE email = $1", addition->member.email, &addition->email_is_taken);
    if (result != RESULT_OK)
        return result;
    if (addition->handle_is_taken || addition->email_is_taken) {
        many->conflict = true; /* the others are looked at all the same, so that all that is wrong is said at once */
        return RESULT_OK;
    }
    result = add(db, &adding);
    return result == RESULT_OK ? sign_in_link_insert(db, addition->link_hash, addition->member.id, many->now_ms,
                                                     addition->link_until_ms)
                               : result;
}

/* LIMITED ends a dry run: all that was written is taken back. */
static enum result add_many(struct db *db, void *context)
{
    struct adding_many *many = context;
    enum result result = RESULT_OK;
    many->conflict = false;
    for (size_t i = 0; i < many->count && result == RESULT_OK; i++)
        result = add_one(db, many, &many->additions[i]);
    if (result == RESULT_OK && many->conflict)
        return RESULT_CONFLICT;
    return result == RESULT_OK && many->dry_run ? RESULT_LIMITED : result;
}

enum result store_member_add_many(struct store *store, struct member_addition *additions, size_t count, bool dry_run,
                                  int64_t now_ms)
{
    struct adding_many many = {additions, count, dry_run, false, now_ms};
    for (size_t i = 0; i < count; i++) {
        additions[i].member.id = id_new();
        additions[i].member.created_ms = now_ms;
        additions[i].member.disabled_ms = 0;
    }
    enum result result = store_write(store, "member-add-many", add_many, &many);
    return result == RESULT_LIMITED ? RESULT_OK : result;
}

struct finding {
    struct arena *arena;
    const char *sql;
    struct db_value key;
    struct member *out;
};

static enum result find(struct db *db, void *context)
{
    struct finding *finding = context;
    struct db_rows *rows;
    enum result result = db_one(db, finding->sql, &finding->key, 1, &rows);
    if (result == RESULT_OK)
        member_from_row(finding->out, rows, 0, finding->arena);
    db_finish(&rows);
    return result;
}

enum result store_member_find(struct store *store, struct arena *arena, int64_t id, struct member *out)
{
    struct finding finding = {arena, "SELECT " MEMBER_COLUMNS " FROM members AS m WHERE m.id = $1", DB_INT(id), out};
    return store_read(store, find, &finding);
}

enum result store_member_find_by_handle(struct store *store, struct arena *arena, const char *handle,
                                        struct member *out)
{
    struct finding finding = {arena, "SELECT " MEMBER_COLUMNS " FROM members AS m WHERE handle = $1", db_text(handle),
                              out};
    return store_read(store, find, &finding);
}

enum result store_member_find_by_email(struct store *store, struct arena *arena, const char *email_key,
                                       struct member *out)
{
    struct finding finding = {arena, "SELECT " MEMBER_COLUMNS " FROM members AS m WHERE email = $1", db_text(email_key),
                              out};
    return store_read(store, find, &finding);
}

struct listing {
    struct arena *arena;
    struct member *members;
    size_t count;
};

static enum result list(struct db *db, void *context)
{
    struct listing *listing = context;
    struct db_rows *rows;
    size_t room = 0;
    listing->count = 0;
    enum result result = db_query(db, "SELECT " MEMBER_COLUMNS " FROM members AS m ORDER BY id", NULL, 0, &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK) {
        listing->members =
            db_rows_grow(listing->arena, listing->members, listing->count, &room, sizeof *listing->members);
        member_from_row(&listing->members[listing->count++], rows, 0, listing->arena);
    }
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

enum result store_member_list(struct store *store, struct arena *arena, struct member **out, size_t *count)
{
    struct listing listing = {.arena = arena};
    enum result result = store_read(store, list, &listing);
    *out = listing.members;
    *count = listing.count;
    return result;
}

struct disabling {
    struct store *store;
    int64_t id, now_ms;
};

static enum result disable(struct db *db, void *context)
{
    const struct disabling *disabling = context;
    const struct db_value args[] = {DB_INT(disabling->id), DB_INT(disabling->now_ms)};
    enum result result =
        db_run(db, "UPDATE members SET disabled_ms = $2 WHERE id = $1 AND disabled_ms IS NULL", args, 2);
    if (result == RESULT_OK && db_changes(db) == 0)
        return RESULT_NOT_FOUND;
    change_note(disabling->store, CHANGE_MEMBER, disabling->id);
    if (result == RESULT_OK)
        result = db_run(db, "DELETE FROM sessions WHERE member_id = $1", args, 1);
    if (result == RESULT_OK)
        result = db_run(db, "DELETE FROM sign_in_links WHERE member_id = $1", args, 1);
    if (result == RESULT_OK)
        result =
            db_run(db, "UPDATE api_tokens SET revoked_ms = $2 WHERE member_id = $1 AND revoked_ms IS NULL", args, 2);
    return result;
}

enum result store_member_disable(struct store *store, int64_t id, int64_t now_ms)
{
    struct disabling disabling = {store, id, now_ms};
    return store_write(store, "member-disable", disable, &disabling);
}

struct profiling {
    struct store *store;
    int64_t id;
    const char *name, *email;
};

static enum result set_profile(struct db *db, void *context)
{
    const struct profiling *profiling = context;
    const struct db_value id = DB_INT(profiling->id), name = db_text(profiling->name);
    struct db_rows *rows;
    enum result result =
        db_one(db, "SELECT CASE WHEN name = $2 THEN 1 ELSE 0 END FROM members WHERE id = $1 AND disabled_ms IS NULL",
               DB_ARGS(id, name), &rows);
    bool renamed = result == RESULT_OK && !db_column_int(rows, 0);
    db_finish(&rows);
    if (result != RESULT_OK)
        return result;
    if (renamed) /* pages of others name whoever handed their card on; an e-mail stands on none */
        change_note(profiling->store, CHANGE_ALL, 0);
    return db_run(db, "UPDATE members SET name = $2, email = $3 WHERE id = $1",
                  DB_ARGS(id, name, db_text(profiling->email)));
}

enum result store_member_set_profile(struct store *store, int64_t id, const char *name, const char *email)
{
    struct profiling profiling = {store, id, name, email};
    return store_write(store, "member-set-profile", set_profile, &profiling);
}

struct passwording {
    int64_t id;
    const char *hash;
    const unsigned char *keep_session;
};

static enum result set_password(struct db *db, void *context)
{
    const struct passwording *passwording = context;
    enum result result = db_run(db, "UPDATE members SET password_hash = $2 WHERE id = $1 AND disabled_ms IS NULL",
                                DB_ARGS(DB_INT(passwording->id), db_text(passwording->hash)));
    if (result != RESULT_OK)
        return result;
    if (db_changes(db) == 0)
        return RESULT_NOT_FOUND;
    /* An empty hash is nobody's session. */
    const struct db_value keep = db_blob(passwording->keep_session ? (const void *)passwording->keep_session : "",
                                         passwording->keep_session ? HASH_SIZE : 0);
    return db_run(db, "DELETE FROM sessions WHERE member_id = $1 AND hash <> $2",
                  DB_ARGS(DB_INT(passwording->id), keep));
}

enum result store_member_set_password(struct store *store, int64_t id, const char *password_hash,
                                      const unsigned char keep_session[HASH_SIZE])
{
    struct passwording passwording = {id, password_hash, keep_session};
    return store_write(store, "member-set-password", set_password, &passwording);
}
