/* Coming to the PostgreSQL server, and back to it.
 *
 * A connection is made step by step without waiting (libpq's PQconnectPoll), so that a page never waits for a server that is away:
 * the first to notice waits as long as one waits for an answer, those after it look only whether it has got further meanwhile.
 * Between two tries lies a random pause, or all servers of a store would come at once. A URL of several hosts is followed to the
 * one that takes writes; who finds that it has become a standby hangs up and looks again.
 *
 * The server drops who is gone in its turn: a process that was cut off must not hold a lock for hours. */
#include "server/store/db_postgres.h"

#include <ctype.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "server/ids.h"
#include "server/log.h"

enum {
    FIRST_MS = 15000,   /* to connect for the first time, by way of every host of the URL */
    MORE_MS = 5000,     /* one more connection, to read by: a page may wait for it */
    PATIENCE_MS = 2000, /* for a connection that was there a moment ago */
    GLANCE_MS = 50,     /* and for one that was not */
    GIVE_UP_MS = 30000, /* a try that got no further */
    RETRY_MIN_MS = 100,
    RETRY_SPREAD_MS = 900 /* between two tries, so that many do not come at once */
};

/* What a URL may say otherwise: a host that answers nothing is left for the next one, and bytes that nobody acknowledges, or a
 * line on which nothing moves, end the connection. */
static const char *const KEYS[] = {"tcp_user_timeout", "keepalives_idle",      "keepalives_interval",
                                   "keepalives_count", "target_session_attrs", "fallback_application_name",
                                   "dbname",           "client_encoding",      NULL};

/* A statement that runs for so long has lost its way; a transaction that rests for so long has lost its process. Those which
 * not every server knows are set where they are known. */
#define SETTINGS(rests)                                                                                                  \
    "SET statement_timeout = '30s'; SET lock_timeout = '4s'; SET idle_in_transaction_session_timeout = '" rests          \
    "'; SET client_min_messages = error; SET standard_conforming_strings = on; "                                         \
    "SELECT count(set_config(s.name, w.value, false)) FROM (VALUES ('client_connection_check_interval', '2s'), "         \
    "('tcp_keepalives_idle', '2'), ('tcp_keepalives_interval', '1'), ('tcp_keepalives_count', '3')) AS w (name, value) " \
    "JOIN pg_settings AS s ON s.name = w.name; "

#define TELL "SELECT concat_ws(' ', current_setting('fsync'), current_setting('synchronous_commit'), current_schema())"

static const char TO_WRITE[] = SETTINGS("5s") TELL;
static const char TO_READ[] = SETTINGS("60s") "SET default_transaction_read_only = on; " TELL;

static PGconn *handle_of(const struct session *session)
{
    return (PGconn *)session->handle;
}

static void ignore_notice(void *context, const PGresult *result)
{
    (void)context, (void)result;
}

static PGconn *dial(const char *url)
{
    const char *const values[] = {"2000", "2", "1", "3", "read-write", "meishi", url, "UTF8", NULL};
    PGconn *handle = PQconnectStartParams(KEYS, values, 1);
    if (!handle)
        abort();
    PQsetNoticeReceiver(handle, ignore_notice, NULL);
    PQsetErrorVerbosity(handle,
                        PQERRORS_VERBOSE); /* which tells the SQLSTATE of a refusal: there is no result to ask */
    return handle;
}

void db_postgres_hang_up(struct session *session)
{
    db_postgres_forget_statements(session);
    PQfinish(handle_of(session));
    session->handle = NULL;
    session->connecting = session->told_patient = session->demoted = false;
    session->awaited_count = 0;
}

/* As far as it gets until then. */
static PostgresPollingStatusType go_on(PGconn *handle, PostgresPollingStatusType polling, int64_t until_ms)
{
    if (PQstatus(handle) == CONNECTION_BAD)
        return PGRES_POLLING_FAILED;
    while (polling == PGRES_POLLING_READING || polling == PGRES_POLLING_WRITING) {
        if (!db_postgres_wait_for(PQsocket(handle), polling == PGRES_POLLING_WRITING, until_ms))
            break;
        polling = PQconnectPoll(handle);
    }
    return polling;
}

/* ---- words of a refusal ---- */

/* The SQLSTATE in "FATAL:  28P01: password authentication failed"; of several hosts that of the last. "" when none said one. */
static void find_state(const char *words, char out[DB_POSTGRES_STATE_SIZE])
{
    *out = '\0';
    for (const char *at = words; (at = strstr(at, ":  ")); at++) {
        size_t len = 0;
        while (len < DB_POSTGRES_STATE_SIZE - 1 && isalnum((unsigned char)at[3 + len]))
            len++;
        if (len == DB_POSTGRES_STATE_SIZE - 1 && at[3 + len] == ':')
            *(char *)mempcpy(out, at + 3, len) = '\0';
    }
}

/* The engine's words without the code, the last full stop, and the hints and the place in its source that verbose words end with. */
static const char *plain_words(const char *words, struct arena *arena)
{
    char *plain = arena_strdup(arena, words), *to = plain;
    char state[DB_POSTGRES_STATE_SIZE];
    find_state(words, state);
    for (const char *at = words; *at;) {
        const char *end = strchrnul(at, '\n'),
                   *code = *state ? memmem(at, (size_t)(end - at), state, strlen(state)) : NULL;
        bool wanted = *at != '\t' && strncmp(at, "LOCATION:", 9) != 0;
        if (wanted && to != plain)
            *to++ = ' ';
        if (wanted && code) {
            to = mempcpy(to, at, (size_t)(code - at) - 1);
            at = code + strlen(state) + 1;
        }
        if (wanted)
            to = mempcpy(to, at, (size_t)(end - at));
        at = end + (*end == '\n');
    }
    to -= to > plain && to[-1] == '.';
    *to = '\0';
    return plain;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* What to do about words of a server that let nobody in. */
static const char *advice(const char *words)
{
    char state[DB_POSTGRES_STATE_SIZE];
    find_state(words, state);
    if (strstr(words, "certificate"))
        return "It cannot be told whom one would speak to: see to sslrootcert and the host's name in MEISHI_STORE, and to "
               "the server's certificate.";
    if (strstr(words, "no encryption"))
        return "It takes encrypted connections only: add sslmode=verify-full&sslrootcert=FILE behind the \"?\" of MEISHI_STORE.";
    if (strstr(words, "SSL"))
        return "It does not speak TLS as sslmode wants it: turn ssl on at the server, or see to sslmode in MEISHI_STORE.";
    if (begins(state, "28"))
        return "It knows no such user, or another password: see to MEISHI_STORE, PGPASSWORD or ~/.pgpass, and pg_hba.conf.";
    if (strcmp(state, "3D000") == 0)
        return "Make the database first: CREATE DATABASE meishi ENCODING 'UTF8' TEMPLATE template0 OWNER meishi.";
    if (strcmp(state, "42501") == 0)
        return "Let the user in: GRANT CONNECT ON DATABASE meishi TO meishi.";
    if (strcmp(state, "53300") == 0)
        return "All its connections are taken: raise max_connections, or lower MEISHI_STORE_POOL of each server.";
    if (begins(state, "57P"))
        return "It is just starting or stopping: try again in a moment.";
    if (strstr(words, "read-only"))
        return "It is a standby: name the server that takes writes, or several hosts, as in postgres://one,two/meishi.";
    return "See whether it runs, and to MEISHI_STORE: postgres://USER@HOST:PORT/DATABASE, or what libpq takes behind a \"?\".";
}

static void keep_refusal(struct session *session)
{
    const char *words = PQerrorMessage(handle_of(session));
    struct arena arena;
    arena_init(&arena);
    db_postgres_keep_words(session, *words ? plain_words(words, &arena) : "nothing answers");
    session->advice = advice(words);
    arena_free(&arena);
}

static enum result refuse(struct session *session, const char *words, const char *what_to_do)
{
    db_postgres_keep_words(session, words);
    session->advice = what_to_do;
    return RESULT_INVALID;
}

/* ---- connecting ---- */

/* The server as it should be: what is acknowledged must be on its disk. */
static enum result judge(struct session *session, const char *told)
{
    const char *encoding = PQparameterStatus(handle_of(session), "server_encoding");
    char fsync[16], commit[16], schema[64] = "";
    int count = sscanf(told, "%15s %15s %63s", fsync, commit, schema);
    if (!encoding || strcmp(encoding, "UTF8") != 0)
        return refuse(session, "it is not in UTF-8",
                      "Make another: CREATE DATABASE meishi ENCODING 'UTF8' TEMPLATE template0 OWNER meishi.");
    if (count < 3)
        return refuse(session, "no schema of the search path is there",
                      "Make it, or name another: options=-csearch_path%3DNAME behind the \"?\" of MEISHI_STORE.");
    session->db.forgets = strcmp(fsync, "off") == 0
                              ? "the database's fsync is off: a crash would lose what was acknowledged"
                          : strcmp(commit, "off") == 0
                              ? "the database's synchronous_commit is off: a crash would lose what was acknowledged"
                              : NULL;
    if (session->db.forgets && session->mode == DB_WRITE && session->db.driver != &db_postgres_unsafe)
        return refuse(
            session, session->db.forgets,
            "Turn it on, for this user and database too; for a trial, MEISHI_STORE_UNSAFE=yes takes it as it is.");
    return RESULT_OK;
}

/* Says what it wants of the connection and hears what the server is. */
static enum result configure(struct session *session)
{
    char told[200];
    PQsetErrorVerbosity(handle_of(session), PQERRORS_DEFAULT);
    PQsetnonblocking(handle_of(session), 1);
    enum result result = db_postgres_tell(session, session->mode == DB_WRITE ? TO_WRITE : TO_READ, told, sizeof told);
    return result == RESULT_OK ? judge(session, told) : result;
}

/* Whether libpq reads the URL as it is meant. Its own words about one that it cannot read, or about a host that is half a
 * password, would show the password. */
static bool is_readable(const char *url)
{
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    bool readable = options, has_password = false;
    for (const PQconninfoOption *option = options; option && option->keyword; option++) {
        has_password |= option->val && strcmp(option->keyword, "password") == 0;
        if (option->val && strcmp(option->keyword, "host") == 0)
            readable = readable && !strchr(option->val, '@');
    }
    PQconninfoFree(options);
    const char *user = url + strcspn(url, ":") + strlen("://"), *at = memrchr(user, '@', strcspn(user, "?"));
    return readable && (has_password || !at || !memchr(user, ':', (size_t)(at - user)));
}

static void begin_to_connect(struct session *session)
{
    session->handle = (struct pg_conn *)dial(session->url);
    session->polling = PGRES_POLLING_WRITING;
    session->connecting = true;
    session->connecting_ms = monotonic_ms();
    session->advice = NULL;
}

/* NOT_FOUND: not yet. After anything but that and OK the words say why, and there is no connection. */
static enum result get_further(struct session *session, int64_t until_ms)
{
    session->polling = (int)go_on(handle_of(session), (PostgresPollingStatusType)session->polling, until_ms);
    if (session->polling == PGRES_POLLING_READING || session->polling == PGRES_POLLING_WRITING)
        return RESULT_NOT_FOUND;
    session->connecting = false;
    enum result result = RESULT_FAILED;
    if (session->polling == PGRES_POLLING_OK)
        result = configure(session);
    else
        keep_refusal(session);
    if (result != RESULT_OK)
        db_postgres_hang_up(session);
    return result;
}

enum result db_postgres_connect(struct session *session)
{
    if (!is_readable(session->url))
        return refuse(session, "libpq cannot read that URL",
                      "It looks like postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full, and within a "
                      "password : / @ ? % are written %3A %2F %40 %3F %25.");
    begin_to_connect(session);
    enum result result = get_further(session, session->connecting_ms + (session->mode == DB_READ ? MORE_MS : FIRST_MS));
    if (result == RESULT_NOT_FOUND) {
        keep_refusal(session);
        db_postgres_hang_up(session);
        return RESULT_FAILED;
    }
    return result;
}

const char *db_postgres_explain(const char *url, enum db_part part, enum db_mode mode, enum result result,
                                struct arena *arena)
{
    struct session session = {.db.driver = &db_postgres, .url = (char *)(uintptr_t)url, .part = part, .mode = mode};
    if (result == RESULT_NOT_FOUND)
        return "There is no store in this database yet: meishi serve makes one.";
    result = db_postgres_connect(&session);
    db_postgres_hang_up(&session);
    if (result == RESULT_OK)
        return "The database did not answer at first, and does now: try again.";
    return arena_printf(arena, "The database of MEISHI_STORE cannot be used: %s.%s%s", session.words,
                        session.advice ? " " : "", session.advice ? session.advice : "");
}

void db_postgres_note_away(struct session *session, const char *words)
{
    log_error("postgres-away", "part=%s words=\"%s\"", session->part == DB_MAIN ? "main" : "inbox", words);
    session->away = true;
    session->retry_ms = monotonic_ms() + RETRY_MIN_MS + (int64_t)(random_u64() % RETRY_SPREAD_MS);
}

/* One more try, or the next step of the last one. */
static bool come_back(struct session *session)
{
    int64_t now = monotonic_ms();
    if (!session->connecting && now < session->retry_ms)
        return false;
    if (!session->connecting) {
        db_postgres_hang_up(session);
        begin_to_connect(session);
    }
    enum result result = get_further(session, now + (session->away ? GLANCE_MS : PATIENCE_MS));
    if (result == RESULT_OK && db_postgres_hold_again(session) != RESULT_OK) {
        result = RESULT_FAILED;
        db_postgres_hang_up(session);
    }
    if (result == RESULT_OK) {
        log_info("postgres-again", "part=%s", session->part == DB_MAIN ? "main" : "inbox");
        session->away = false;
        return true;
    }
    if (result != RESULT_NOT_FOUND)
        db_postgres_note_away(session, session->words);
    else if (now - session->connecting_ms > GIVE_UP_MS) {
        db_postgres_hang_up(session);
        db_postgres_note_away(session, "nothing answers");
    } else if (!session->away)
        db_postgres_note_away(session, "it does not answer yet");
    return false;
}

bool db_postgres_is_there(struct session *session)
{
    bool stands = session->handle && !session->connecting && PQstatus(handle_of(session)) == CONNECTION_OK;
    if (session->in_transaction)
        return stands;
    if (!stands || db_postgres_is_lost(session)) {
        /* Who claimed something by the session that is gone, or heard by it, must know before it goes on. */
        bool claimed = session->db.claimed;
        session->db.claimed = false;
        if (claimed || session->schema[0] || !come_back(session))
            return false;
    }
    if (session->db.patient && !session->told_patient)
        session->told_patient =
            db_postgres_tell(session, "SET statement_timeout = 0; SET lock_timeout = 0", NULL, 0) == RESULT_OK;
    return session->handle;
}
