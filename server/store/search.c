/* Finding leads by words: the one place that differs by engine. Words come here folded (cards/lead.h), and a part of a word
 * finds it in any language.
 *
 * SQLite has an FTS5 table of trigrams, with the lead's id as its rowid. Words of one or two letters have no trigram: they are
 * looked for in the text of what the longer words found, or, when there are none, of the owner's leads from the newest on.
 *
 * PostgreSQL has trigrams only in an extension, which not every host allows: there the words of the owner's leads are
 * walked from the newest on, in the order of their key. It answers the same. */
#include <stdio.h>
#include <string.h>
#include "cards/base/str.h"
#include "server/store/internal.h"

enum { WORDS_MAX = 8, TRIGRAM = 3, MATCH_MAX = 2000 };

static bool is_postgres(const struct db *db)
{
    return strcmp(db->driver->scheme, "postgres") == 0;
}

enum result search_prepare(struct db *db)
{
    if (is_postgres(db))
        return db->driver->script(db, "CREATE TABLE IF NOT EXISTS lead_search (owner_id BIGINT NOT NULL, "
                                      "lead_id BIGINT NOT NULL, words TEXT NOT NULL, PRIMARY KEY (owner_id, lead_id))");
    return db->driver->script(db, "CREATE VIRTUAL TABLE IF NOT EXISTS lead_search USING fts5("
                                  "words, owner_id UNINDEXED, tokenize = 'trigram case_sensitive 1')");
}

enum result search_put(struct db *db, int64_t owner_id, int64_t lead_id, const char *words)
{
    if (is_postgres(db))
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
    if (is_postgres(db))
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

static bool holds_brief(const struct words *words, const char *text)
{
    for (int i = 0; i < words->brief_count; i++)
        if (!text || !strstr(text, words->brief[i]))
            return false;
    return true;
}

/* Where there is no word there is an empty one, which everything holds. */
#define HOLDS_ALL                                                                                                  \
    "strpos(s.words, $4) > 0 AND strpos(s.words, $5) > 0 AND strpos(s.words, $6) > 0 AND strpos(s.words, $7) > 0 " \
    "AND strpos(s.words, $8) > 0 AND strpos(s.words, $9) > 0 AND strpos(s.words, $10) > 0 AND strpos(s.words, $11) > 0 "

static enum result walk_words(struct db *db, int64_t owner_id, const struct words *words, int64_t before, size_t max,
                              struct db_rows **out)
{
    enum { FIXED = 3 };
    static const char LONGER[] = "SELECT s.lead_id FROM lead_search AS s WHERE s.owner_id = $1 AND s.lead_id < $2 "
                                 "AND " HOLDS_ALL "ORDER BY s.lead_id DESC LIMIT $3";
    static const char BRIEF[] = "SELECT s.lead_id FROM lead_search AS s JOIN leads AS l ON l.owner_id = s.owner_id AND "
                                "l.id = s.lead_id WHERE s.owner_id = $1 AND s.lead_id < $2 AND l.tray <> 2 "
                                "AND " HOLDS_ALL "ORDER BY s.lead_id DESC LIMIT $3";
    struct db_value args[FIXED + WORDS_MAX] = {DB_INT(owner_id), DB_INT(before), DB_INT((int64_t)max)};
    for (int i = 0; i < WORDS_MAX; i++)
        args[FIXED + i] = db_text(i < words->count ? words->all[i] : "");
    return db_query(db, words->match.len ? LONGER : BRIEF, args, FIXED + WORDS_MAX, out);
}

enum result search_find(struct db *db, struct arena *arena, int64_t owner_id, const char *q, int64_t before, size_t max,
                        int64_t *out, size_t *count)
{
    struct words words;
    struct db_rows *rows;
    enum result result;
    *count = 0;
    split(q, arena, &words);
    if (words.match.failed || (!words.match.len && !words.brief_count))
        return RESULT_OK;
    if (is_postgres(db)) {
        result = walk_words(db, owner_id, &words, before, max, &rows);
        words.brief_count = 0; /* looked for already */
    } else if (words.match.len)
        result =
            db_query(db,
                     "SELECT rowid, words FROM lead_search WHERE lead_search MATCH $1 AND rowid < $2 AND owner_id = $3 "
                     "ORDER BY rowid DESC",
                     DB_ARGS(db_text(words.match.data), DB_INT(before), DB_INT(owner_id)), &rows);
    else
        result = db_query(db,
                          "SELECT l.id, s.words FROM leads l JOIN lead_search s ON s.rowid = l.id "
                          "WHERE l.owner_id = $1 AND l.id < $2 AND l.tray <> 2 ORDER BY l.id DESC",
                          DB_ARGS(DB_INT(owner_id), DB_INT(before)), &rows);
    struct arena scratch;
    arena_init(&scratch);
    while (result == RESULT_OK && *count < max && (result = db_next(rows)) == RESULT_OK) {
        if (!words.brief_count || holds_brief(&words, db_column_text(rows, 1, &scratch)))
            out[(*count)++] = db_column_int(rows, 0);
        arena_reset(&scratch);
    }
    arena_free(&scratch);
    db_finish(&rows);
    return result == RESULT_NOT_FOUND ? RESULT_OK : result;
}
