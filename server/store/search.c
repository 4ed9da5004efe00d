/* Finding leads by words: the one place that differs by engine. Words come here folded (cards/lead.h), and a part of a word
 * finds it in any language.
 *
 * SQLite has an FTS5 table of trigrams, with the lead's id as its rowid; the owner's newest leads are looked at without it. Words of one or two letters have no trigram: they are
 * looked for in the text of what the longer words found, or, when there are none, of the owner's leads from the newest on.
 *
 * PostgreSQL has trigrams only in an extension, which not every host allows. There a GIN index holds, for each lead, its
 * letters and pairs of letters, each hashed together with its owner, so that nobody's search meets another's leads. What
 * holds all pairs of a word mostly holds the word; the text itself has the last say. A word that many hold is found sooner
 * in the newest leads than by so long a list, so those are looked at first. It answers the same. */
#include <stdio.h>
#include <string.h>
#include "cards/base/str.h"
#include "server/store/search.h"
#include "server/store/internal.h"

enum { WORDS_MAX = 8, TRIGRAM = 3, MATCH_MAX = 2000 };

/* An index on an expression: what is in it follows from the words alone, whoever writes them. With fastupdate each search
 * would read a list of what was not indexed yet. */
static const char PREPARE_POSTGRES[] =
    "CREATE TABLE IF NOT EXISTS lead_search (owner_id BIGINT NOT NULL, lead_id BIGINT NOT NULL, words TEXT NOT NULL, "
    "PRIMARY KEY (owner_id, lead_id)); "
    "CREATE OR REPLACE FUNCTION lead_grams(owner_id BIGINT, words text, single BOOLEAN) RETURNS BIGINT[] "
    "LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS $$ "
    "SELECT coalesce(array_agg(DISTINCT hashtextextended(part.gram, owner_id)), '{}') FROM "
    "(SELECT letter, letter || lead(letter) OVER (ORDER BY place) AS pair "
    "FROM unnest(string_to_array(words, NULL)) WITH ORDINALITY AS letters (letter, place)) AS at, "
    "LATERAL (VALUES (CASE WHEN single THEN at.letter END), (at.pair)) AS part (gram) "
    "WHERE part.gram !~ '[ \n\t]' $$; "
    "CREATE INDEX IF NOT EXISTS " SEARCH_INDEX " ON lead_search USING gin (lead_grams(owner_id, words, true)) "
    "WITH (fastupdate = off)";

enum result search_prepare(struct db *db)
{
    if (db_is_postgres(db))
        return db->driver->script(db, PREPARE_POSTGRES);
    return db->driver->script(db, "CREATE VIRTUAL TABLE IF NOT EXISTS lead_search USING fts5("
                                  "words, owner_id UNINDEXED, tokenize = 'trigram case_sensitive 1')");
}

enum result search_put(struct db *db, int64_t owner_id, int64_t lead_id, const char *words)
{
    if (db_is_postgres(db))
        return db_run(db,
                      "INSERT INTO lead_search (owner_id, lead_id, words) VALUES ($1, $2, $3) "
                      "ON CONFLICT (owner_id, lead_id) DO UPDATE SET words = excluded.words",
                      DB_ARGS(DB_INT(owner_id), DB_INT(lead_id), db_text(words)));
    enum result result = db_run(db, "DELETE FROM lead_search WHERE rowid = $1", DB_ARGS(DB_INT(lead_id)));
    if (result != RESULT_OK)
        return result;
    return db_run(db, "INSERT INTO lead_search (rowid, words, owner_id) VALUES ($1, $2, $3)",
                  DB_ARGS(DB_INT(lead_id), db_text(words), DB_INT(owner_id)));
}

/* FTS5 only marks a row as deleted: its trigrams stay in older segments until they are merged. Someone asked to be
 * forgotten, so they are merged now. */
enum result search_remove(struct db *db, int64_t owner_id, int64_t lead_id)
{
    if (db_is_postgres(db))
        return db_run(db, "DELETE FROM lead_search WHERE owner_id = $1 AND lead_id = $2",
                      DB_ARGS(DB_INT(owner_id), DB_INT(lead_id)));
    enum result result = db_run(db, "DELETE FROM lead_search WHERE rowid = $1", DB_ARGS(DB_INT(lead_id)));
    if (result != RESULT_OK || !db_changes(db))
        return result;
    return db_run(db, "INSERT INTO lead_search (lead_search) VALUES ('optimize')", NULL, 0);
}

struct words {
    struct str match; /* an FTS5 query of the words that have trigrams: "first" AND "second" */
    const char *all[WORDS_MAX], *brief[WORDS_MAX];
    int count, brief_count;
};

static size_t letters(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static void split(const char *q, struct arena *arena, struct words *out)
{
    *out = (struct words){0};
    str_init(&out->match, arena, MATCH_MAX);
    for (int i = 0; i < WORDS_MAX && *(q += strspn(q, " \n\t")); i++) {
        size_t len = strcspn(q, " \n\t");
        const char *word = arena_strndup(arena, q, len);
        q += len;
        out->all[out->count++] = word;
        if (letters(word) < TRIGRAM) {
            out->brief[out->brief_count++] = word;
            continue;
        }
        str_add(&out->match, out->match.len ? " AND \"" : "\"");
        for (const char *at = word; *at; at++)
            str_add(&out->match, *at == '"' ? "\"\"" : (char[]){*at, '\0'});
        str_add_char(&out->match, '"');
    }
}

static bool holds(const char *const *words, int count, const char *text)
{
    for (int i = 0; i < count; i++)
        if (!text || !strstr(text, words[i]))
            return false;
    return true;
}

/* Where there is no word there is an empty one, which everything holds. */
#define HOLDS_ALL                                                                                                  \
    "strpos(s.words, $4) > 0 AND strpos(s.words, $5) > 0 AND strpos(s.words, $6) > 0 AND strpos(s.words, $7) > 0 " \
    "AND strpos(s.words, $8) > 0 AND strpos(s.words, $9) > 0 AND strpos(s.words, $10) > 0 AND strpos(s.words, $11) > 0 "
#define OF_NEWEST                                                                                                   \
    "SELECT s.lead_id FROM (SELECT owner_id, lead_id, words FROM lead_search WHERE owner_id = $1 AND lead_id < $2 " \
    "ORDER BY lead_id DESC LIMIT 1000) AS s "
#define OF_INDEXED                                                                  \
    "WITH found AS MATERIALIZED (SELECT owner_id, lead_id, words FROM lead_search " \
    "WHERE lead_grams(owner_id, words, true) @> lead_grams($1, $12, $13 > 0)) SELECT s.lead_id FROM found AS s "
#define NOT_POTENTIAL "JOIN leads AS l ON l.owner_id = s.owner_id AND l.id = s.lead_id AND l.tray <> 2 "
#define OF_OWNER "WHERE s.owner_id = $1 AND s.lead_id < $2 AND " HOLDS_ALL "ORDER BY s.lead_id DESC LIMIT $3"

enum { FIXED = 3, INDEXED = 2 };

static enum result run_search(struct db *db, const char *sql, const struct db_value *args, int arg_count, int64_t *out,
                              size_t *count)
{
    struct db_rows *rows;
    *count = 0;
    enum result result = db_query(db, sql, args, arg_count, &rows);
    while (result == RESULT_OK && (result = db_next(rows)) == RESULT_OK)
        out[(*count)++] = db_column_int(rows, 0);
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

static enum result find_in_postgres(struct db *db, struct arena *arena, int64_t owner_id, const struct words *words,
                                    int64_t before, size_t max, int64_t *out, size_t *count)
{
    bool longer = words->match.len > 0, single = true;
    struct str all;
    str_init(&all, arena, MATCH_MAX + WORDS_MAX * 16);
    struct db_value args[FIXED + WORDS_MAX + INDEXED] = {DB_INT(owner_id), DB_INT(before), DB_INT((int64_t)max)};
    for (int i = 0; i < WORDS_MAX; i++) {
        const char *word = i < words->count ? words->all[i] : "";
        args[FIXED + i] = db_text(word);
        single = single && letters(word) < 2;
        str_addf(&all, "%s ", word);
    }
    args[FIXED + WORDS_MAX] = db_text(all.data);
    args[FIXED + WORDS_MAX + 1] = DB_INT(single); /* letters alone are looked for only when there are no pairs */
    enum result result = run_search(db, longer ? OF_NEWEST OF_OWNER : OF_NEWEST NOT_POTENTIAL OF_OWNER, args,
                                    FIXED + WORDS_MAX, out, count);
    if (result != RESULT_OK || *count == max)
        return result;
    return run_search(db, longer ? OF_INDEXED OF_OWNER : OF_INDEXED NOT_POTENTIAL OF_OWNER, args,
                      FIXED + WORDS_MAX + INDEXED, out, count);
}

enum { NEWEST = 500 };

/* What the newest leads hold, in *WALKED leads down to *LAST. The index of SQLite is one for all owners: for a word that
 * many of others' leads hold, this is the short way. */
static enum result find_in_newest(struct db *db, int64_t owner_id, const struct words *words, int64_t before,
                                  size_t max, int64_t *out, size_t *count, size_t *walked, int64_t *last)
{
    struct db_rows *rows;
    struct arena scratch;
    arena_init(&scratch);
    *walked = 0;
    enum result result = db_query(db,
                                  "SELECT l.id, s.words FROM (SELECT id FROM leads WHERE owner_id = $1 AND id < $2 "
                                  "ORDER BY id DESC LIMIT $3) AS l LEFT JOIN lead_search AS s ON s.rowid = l.id",
                                  DB_ARGS(DB_INT(owner_id), DB_INT(before), DB_INT(NEWEST)), &rows);
    while (result == RESULT_OK && *count < max && (result = db_next(rows)) == RESULT_OK) {
        ++*walked;
        *last = db_column_int(rows, 0);
        if (holds(words->all, words->count, db_column_text(rows, 1, &scratch)))
            out[(*count)++] = *last;
        arena_reset(&scratch);
    }
    arena_free(&scratch);
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

/* Adds what the index finds. */
static enum result find_in_sqlite(struct db *db, int64_t owner_id, const struct words *words, int64_t before,
                                  size_t max, int64_t *out, size_t *count)
{
    struct db_rows *rows;
    struct arena scratch;
    arena_init(&scratch);
    enum result result =
        words->match.len
            ? db_query(
                  db,
                  "SELECT rowid, words FROM lead_search WHERE lead_search MATCH $1 AND rowid < $2 AND owner_id = $3 "
                  "ORDER BY rowid DESC",
                  DB_ARGS(db_text(words->match.data), DB_INT(before), DB_INT(owner_id)), &rows)
            : db_query(db,
                       "SELECT l.id, s.words FROM leads l JOIN lead_search s ON s.rowid = l.id "
                       "WHERE l.owner_id = $1 AND l.id < $2 AND l.tray <> 2 ORDER BY l.id DESC",
                       DB_ARGS(DB_INT(owner_id), DB_INT(before)), &rows);
    while (result == RESULT_OK && *count < max && (result = db_next(rows)) == RESULT_OK) {
        if (!words->brief_count || holds(words->brief, words->brief_count, db_column_text(rows, 1, &scratch)))
            out[(*count)++] = db_column_int(rows, 0);
        arena_reset(&scratch);
    }
    arena_free(&scratch);
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}

enum result search_find(struct db *db, struct arena *arena, int64_t owner_id, const char *q, int64_t before, size_t max,
                        int64_t *out, size_t *count)
{
    struct words words;
    size_t walked = NEWEST;
    *count = 0;
    split(q, arena, &words);
    if (words.match.failed || (!words.match.len && !words.brief_count))
        return RESULT_OK;
    if (db_is_postgres(db))
        return find_in_postgres(db, arena, owner_id, &words, before, max, out, count);
    enum result result = RESULT_OK;
    if (words.match.len)
        result = find_in_newest(db, owner_id, &words, before, max, out, count, &walked, &before);
    if (result != RESULT_OK || *count == max || walked < NEWEST)
        return result;
    return find_in_sqlite(db, owner_id, &words, before, max, out, count);
}
