/* The PostgreSQL driver's statements: prepared once a connection, kept by the address of their text, numbers and bytes in
 * binary both ways.
 *
 * A statement is prepared with the types of the values it is first run with, since the server's guess from the text alone may
 * be a narrower one; a value that is NULL leaves the guess to the server until another comes. Results are read whole: so
 * a query may be made inside the rows of another, as everywhere in the store. */
#include "server/store/db_postgres.h"

#include <assert.h>
#include <endian.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARAMETERS_MAX = 64,
    PREPARED_MAX = 512, /* kept a connection; beyond them statements are run without being kept */
    NAME_SIZE = 24,
    ARRAY_HEADER = 20,
    COPY_ROWS_MIN = 64, /* fewer are put by unnest quicker than a COPY begins */
    COPY_HEADER = 19
};

/* Types by their numbers, which are part of the protocol (pg_type.dat). */
enum {
    TYPE_BOOL = 16,
    TYPE_BYTEA = 17,
    TYPE_INT8 = 20,
    TYPE_INT2 = 21,
    TYPE_INT4 = 23,
    TYPE_TEXT = 25,
    TYPE_NUMERIC = 1700
};
enum { TYPE_BYTEA_ARRAY = 1001, TYPE_TEXT_ARRAY = 1009, TYPE_INT8_ARRAY = 1016 };

struct prepared {
    const char *key; /* the address its text had */
    char *text;
    char name[NAME_SIZE];
    int parameters;
    Oid types[PARAMETERS_MAX]; /* 0: the server's guess */
};

struct result_rows {
    struct db_rows rows; /* first: what callers hold */
    PGresult *result;
    int at; /* -1 before the first next */
};

static PGconn *handle_of(const struct session *session)
{
    return (PGconn *)session->handle;
}

/* ---- kept statements ---- */

void db_postgres_forget_statements(struct session *session)
{
    for (size_t i = 0; i < session->slot_count; i++) {
        if (!session->slots[i])
            continue;
        free(session->slots[i]->text);
        free(session->slots[i]);
    }
    free(session->slots);
    session->slots = NULL;
    session->slot_count = session->prepared_count = 0;
}

static size_t slot_of(const struct session *session, const char *key)
{
    uint64_t hash = (uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15u;
    size_t mask = session->slot_count - 1;
    size_t at = (size_t)(hash >> 32) & mask;
    while (session->slots[at] && session->slots[at]->key != key)
        at = (at + 1) & mask;
    return at;
}

static void grow_slots(struct session *session)
{
    size_t old_count = session->slot_count;
    struct prepared **old = session->slots;
    session->slot_count = old_count ? old_count * 2 : 64;
    session->slots = calloc(session->slot_count, sizeof(struct prepared *));
    if (!session->slots)
        abort();
    for (size_t i = 0; i < old_count; i++)
        if (old[i])
            session->slots[slot_of(session, old[i]->key)] = old[i];
    free(old);
}

/* The slot of KEY, or NULL when no more are kept. */
static struct prepared **find_slot(struct session *session, const char *key)
{
    if (session->prepared_count * 2 >= session->slot_count)
        grow_slots(session);
    struct prepared **slot = &session->slots[slot_of(session, key)];
    return *slot || session->prepared_count < PREPARED_MAX ? slot : NULL;
}

/* ---- values ---- */

/* What a call sends; numbers lie in this struct, bytes with the caller. */
struct message {
    Oid types[PARAMETERS_MAX];
    const char *values[PARAMETERS_MAX];
    int lengths[PARAMETERS_MAX], formats[PARAMETERS_MAX];
    uint64_t numbers[PARAMETERS_MAX];
};

static Oid type_of(enum db_type type)
{
    switch (type) {
    case DB_INTEGER:
        return TYPE_INT8;
    case DB_TEXT:
        return TYPE_TEXT;
    case DB_BLOB:
        return TYPE_BYTEA;
    case DB_NULL:
        break;
    }
    return 0;
}

static void write_message(struct message *message, const struct db_value *args, int arg_count)
{
    assert(arg_count <= PARAMETERS_MAX);
    for (int i = 0; i < arg_count; i++) {
        const struct db_value *arg = &args[i];
        message->types[i] = type_of(arg->type);
        message->formats[i] = 1;
        message->values[i] = NULL;
        message->lengths[i] = 0;
        if (arg->type == DB_INTEGER) {
            message->numbers[i] = htobe64((uint64_t)arg->integer);
            message->values[i] = (const char *)&message->numbers[i];
            message->lengths[i] = sizeof message->numbers[i];
        } else if (arg->type != DB_NULL) {
            message->values[i] = arg->bytes ? arg->bytes : "";
            message->lengths[i] = (int)arg->len;
        }
    }
}

/* Whether the kept statement takes these values as they are; the types of those that are NULL are filled in from it. */
static bool takes(const struct prepared *prepared, const char *sql, struct message *message, int arg_count)
{
    if (strcmp(prepared->text, sql) != 0 || prepared->parameters != arg_count)
        return false;
    bool same = true;
    for (int i = 0; i < arg_count; i++) {
        if (!message->types[i])
            message->types[i] = prepared->types[i];
        same = same && message->types[i] == prepared->types[i];
    }
    return same;
}

/* ---- sending ---- */

void db_postgres_forget(struct prepared *prepared)
{
    prepared->name[0] = '\0';
}

/* What cannot even be sent. */
static enum result lost(struct session *session)
{
    enum result result = db_postgres_fail(session, NULL, "send");
    db_postgres_hang_up(session);
    return result;
}

/* Prepares SQL into the slot, in place of what it held; whether that went well is seen when it is collected. */
static bool send_prepare(struct session *session, struct prepared **slot, const char *key, const char *sql,
                         const struct message *message, int parameters)
{
    struct prepared *prepared = *slot;
    if (!prepared) {
        prepared = *slot = calloc(1, sizeof *prepared);
        session->prepared_count++;
    } else if (prepared->name[0]) {
        char drop[NAME_SIZE + 16];
        snprintf(drop, sizeof drop, "DEALLOCATE %s", prepared->name);
        if (!PQsendQueryParams(handle_of(session), drop, 0, NULL, NULL, NULL, NULL, 1))
            return false;
        db_postgres_expect(session, EXPECT_NOTHING, NULL);
    }
    char *text = strdup(sql);
    if (!prepared || !text)
        abort();
    free(prepared->text);
    *prepared = (struct prepared){.key = key, .text = text, .parameters = parameters};
    snprintf(prepared->name, sizeof prepared->name, "s%lld", (long long)++session->made);
    if (parameters)
        memcpy(prepared->types, message->types, (size_t)parameters * sizeof *prepared->types);
    if (!PQsendPrepare(handle_of(session), prepared->name, sql, parameters, prepared->types))
        return false;
    db_postgres_expect(session, EXPECT_PREPARED, prepared);
    return true;
}

/* SQL, kept by KEY, behind what was sent before. */
static enum result send(struct session *session, const char *key, const char *sql, struct message *message,
                        int arg_count, enum expected what)
{
    PGconn *handle = handle_of(session);
    struct prepared **slot = find_slot(session, key);
    bool sent = PQpipelineStatus(handle) != PQ_PIPELINE_OFF || PQenterPipelineMode(handle);
    if (!slot)
        sent = sent && PQsendQueryParams(handle, sql, arg_count, message->types, message->values, message->lengths,
                                         message->formats, 1);
    else {
        bool kept = *slot && takes(*slot, sql, message, arg_count) && (*slot)->name[0];
        sent = sent && (kept || send_prepare(session, slot, key, sql, message, arg_count)) &&
               PQsendQueryPrepared(handle, (*slot)->name, arg_count, message->values, message->lengths,
                                   message->formats, 1);
    }
    if (!sent)
        return lost(session);
    db_postgres_expect(session, what, NULL);
    return RESULT_OK;
}

enum result db_postgres_send(struct session *session, const char *sql, enum expected what)
{
    struct message none;
    return send(session, sql, sql, &none, 0, what);
}

enum result db_postgres_send_sync(struct session *session)
{
    if (!PQpipelineSync(handle_of(session)))
        return lost(session);
    db_postgres_expect(session, EXPECT_SYNC, NULL);
    return RESULT_OK;
}

/* ---- queries ---- */

static void note_changes(struct session *session, PGresult *result)
{
    const char *command = PQcmdStatus(result);
    if (strncmp(command, "INSERT", 6) == 0 || strncmp(command, "UPDATE", 6) == 0 || strncmp(command, "DELETE", 6) == 0)
        session->changes = strtoll(PQcmdTuples(result), NULL, 10);
}

enum result db_postgres_query(struct db *db, const char *sql, const struct db_value *args, int arg_count,
                              struct db_rows **out)
{
    struct session *session = (struct session *)db;
    struct message message;
    struct pg_result *told = NULL;
    *out = NULL;
    if (db->broken || !db_postgres_is_there(session))
        return RESULT_FAILED;
    write_message(&message, args, arg_count);
    enum result result = db_postgres_send_begin(session);
    if (result == RESULT_OK)
        result = send(session, sql, sql, &message, arg_count, EXPECT_ANSWER);
    if (result == RESULT_OK)
        result = db_postgres_send_sync(session);
    if (result == RESULT_OK)
        result = db_postgres_collect(session, "query", &told);
    if (result != RESULT_OK)
        return result;
    note_changes(session, (PGresult *)told);
    struct result_rows *rows = calloc(1, sizeof *rows);
    if (!rows)
        abort();
    *rows = (struct result_rows){.rows = {db}, .result = (PGresult *)told, .at = -1};
    *out = &rows->rows;
    return RESULT_OK;
}

enum result db_postgres_next(struct db_rows *rows)
{
    struct result_rows *read = (struct result_rows *)rows;
    if (read->at + 1 >= PQntuples(read->result))
        return RESULT_NOT_FOUND;
    read->at++;
    return RESULT_OK;
}

/* A numeric is digits of base 10,000, the first with this weight: sums of BIGINT are such. */
static int64_t integer_of_numeric(const unsigned char *at)
{
    uint16_t head[4];
    memcpy(head, at, sizeof head);
    int count = be16toh(head[0]), weight = (int16_t)be16toh(head[1]);
    int64_t number = 0;
    for (int i = 0; i <= weight; i++) {
        uint16_t digit = 0;
        if (i < count)
            memcpy(&digit, at + sizeof head + (size_t)i * sizeof digit, sizeof digit);
        number = number * 10000 + be16toh(digit);
    }
    return be16toh(head[2]) ? -number : number;
}

int64_t db_postgres_integer(const struct db_rows *rows, int column)
{
    const struct result_rows *read = (const struct result_rows *)rows;
    if (PQgetisnull(read->result, read->at, column))
        return 0;
    const unsigned char *at = (const unsigned char *)PQgetvalue(read->result, read->at, column);
    uint64_t eight;
    uint32_t four;
    uint16_t two;
    switch (PQftype(read->result, column)) {
    case TYPE_INT8:
        memcpy(&eight, at, sizeof eight);
        return (int64_t)be64toh(eight);
    case TYPE_INT4:
        memcpy(&four, at, sizeof four);
        return (int32_t)be32toh(four);
    case TYPE_INT2:
        memcpy(&two, at, sizeof two);
        return (int16_t)be16toh(two);
    case TYPE_BOOL:
        return *at;
    case TYPE_NUMERIC:
        return integer_of_numeric(at);
    default:
        assert(!"no column of numbers");
        return 0;
    }
}

const void *db_postgres_bytes(const struct db_rows *rows, int column, size_t *len)
{
    const struct result_rows *read = (const struct result_rows *)rows;
    *len = 0;
    if (PQgetisnull(read->result, read->at, column))
        return NULL;
    assert(PQftype(read->result, column) == TYPE_TEXT || PQftype(read->result, column) == TYPE_BYTEA);
    *len = (size_t)PQgetlength(read->result, read->at, column);
    return PQgetvalue(read->result, read->at, column);
}

void db_postgres_finish(struct db_rows **rows)
{
    struct result_rows *read = (struct result_rows *)*rows;
    PQclear(read->result);
    free(read);
    *rows = NULL;
}

/* ---- many rows at once: one array a column ---- */

static Oid array_of(Oid type)
{
    switch (type) {
    case TYPE_INT8:
        return TYPE_INT8_ARRAY;
    case TYPE_TEXT:
        return TYPE_TEXT_ARRAY;
    case TYPE_BYTEA:
        return TYPE_BYTEA_ARRAY;
    default:
        return 0;
    }
}

/* INSERT with a tuple of parameters, or with an unnested array each. */
static const char *append_text(struct arena *arena, const char *insert, int column_count, bool unnests)
{
    size_t size = strlen(insert) + 32 + (size_t)column_count * 8;
    char *sql = arena_alloc_raw(arena, size);
    int head = (int)db_append_place(insert);
    int len = snprintf(sql, size, "%.*s %s", head, insert, unnests ? "SELECT * FROM unnest(" : "VALUES (");
    for (int i = 1; i <= column_count; i++)
        len += snprintf(sql + len, size - (size_t)len, "$%d%s", i, i == column_count ? ")" : ", ");
    snprintf(sql + len, size - (size_t)len, "%s", insert + head);
    return sql;
}

/* What the columns of the table hold, by asking the server what it would take for them. */
static enum result ask_types(struct session *session, struct arena *arena, const char *insert, int column_count,
                             Oid *out)
{
    PGconn *handle = handle_of(session);
    struct pg_result *answer = NULL;
    enum result result = db_postgres_send_begin(session);
    if (result == RESULT_OK && (PQpipelineStatus(handle) == PQ_PIPELINE_OFF && !PQenterPipelineMode(handle)))
        return lost(session);
    if (result == RESULT_OK && !PQsendPrepare(handle, "", append_text(arena, insert, column_count, false), 0, NULL))
        return lost(session);
    if (result != RESULT_OK)
        return result;
    db_postgres_expect(session, EXPECT_NOTHING, NULL);
    if (!PQsendDescribePrepared(handle, ""))
        return lost(session);
    db_postgres_expect(session, EXPECT_ANSWER, NULL);
    result = db_postgres_send_sync(session);
    if (result == RESULT_OK)
        result = db_postgres_collect(session, "append", &answer);
    for (int i = 0; i < column_count && result == RESULT_OK; i++) {
        out[i] = array_of(PQparamtype((PGresult *)answer, i));
        assert(out[i]);
    }
    PQclear((PGresult *)answer);
    return result;
}

static unsigned char *put(unsigned char *at, uint32_t number)
{
    number = htobe32(number);
    return mempcpy(at, &number, sizeof number);
}

static unsigned char *put_short(unsigned char *at, uint16_t number)
{
    number = htobe16(number);
    return mempcpy(at, &number, sizeof number);
}

static size_t size_of(const struct db_value *value)
{
    return value->type == DB_INTEGER ? sizeof(uint64_t) : value->type == DB_NULL ? 0 : value->len;
}

/* Behind its length. */
static unsigned char *put_value(unsigned char *at, const struct db_value *value)
{
    size_t len = size_of(value);
    uint64_t number = htobe64((uint64_t)value->integer);
    at = put(at, value->type == DB_NULL ? UINT32_MAX : (uint32_t)len);
    return len ? mempcpy(at, value->type == DB_INTEGER ? (const void *)&number : value->bytes, len) : at;
}

/* The binary form of an array of one dimension, from 1. */
static void write_array(struct message *message, struct arena *arena, const struct db_value *values, int column,
                        int column_count, int row_count)
{
    static const Oid ELEMENTS[] = {TYPE_INT8, TYPE_TEXT, TYPE_BYTEA};
    Oid element = 0;
    for (size_t i = 0; i < sizeof ELEMENTS / sizeof *ELEMENTS; i++)
        if (array_of(ELEMENTS[i]) == message->types[column])
            element = ELEMENTS[i];
    size_t size = ARRAY_HEADER;
    bool has_null = false;
    for (int row = 0; row < row_count; row++) {
        const struct db_value *value = &values[row * column_count + column];
        assert(value->type == DB_NULL || type_of(value->type) == element);
        size += sizeof(uint32_t) + size_of(value);
        has_null = has_null || value->type == DB_NULL;
    }
    unsigned char *bytes = arena_alloc_raw(arena, size), *at = bytes;
    at = put(put(put(put(put(at, 1), has_null), element), (uint32_t)row_count), 1);
    for (int row = 0; row < row_count; row++)
        at = put_value(at, &values[row * column_count + column]);
    assert((size_t)(at - bytes) == size);
    message->values[column] = (const char *)bytes;
    message->lengths[column] = (int)size;
    message->formats[column] = 1;
}

static enum result append_arrays(struct session *session, const char *insert, const struct db_value *values,
                                 int column_count, int row_count)
{
    struct message message = {.types = {0}};
    struct arena arena;
    assert(column_count <= PARAMETERS_MAX);
    arena_init(&arena);
    const char *sql = append_text(&arena, insert, column_count, true);
    struct prepared **slot = find_slot(session, insert);
    bool kept = slot && *slot && strcmp((*slot)->text, sql) == 0;
    enum result result = RESULT_OK;
    if (kept)
        memcpy(message.types, (*slot)->types, sizeof message.types);
    else
        result = ask_types(session, &arena, insert, column_count, message.types);
    for (int i = 0; i < column_count && result == RESULT_OK; i++)
        write_array(&message, &arena, values, i, column_count, row_count);
    if (result == RESULT_OK)
        result = send(session, insert, sql, &message, column_count, EXPECT_ANSWER);
    if (result == RESULT_OK)
        result = db_postgres_send_sync(session);
    struct pg_result *added = NULL;
    if (result == RESULT_OK)
        result = db_postgres_collect(session, "append", &added);
    if (result == RESULT_OK)
        note_changes(session, (PGresult *)added);
    PQclear((PGresult *)added);
    arena_free(&arena);
    return result;
}

/* ---- many rows at once: COPY ---- */

/* The engine takes rows this way for half of what unnested arrays cost it: it fills a page with them and logs it once. But it
 * knows no ON CONFLICT. */
static enum result append_copy(struct session *session, const char *insert, const struct db_value *values,
                               int column_count, int row_count)
{
    static const unsigned char HEADER[COPY_HEADER] = "PGCOPY\n\377\r\n";
    size_t cells = (size_t)column_count * (size_t)row_count;
    size_t size = COPY_HEADER + (size_t)row_count * sizeof(uint16_t) + cells * sizeof(uint32_t) + sizeof(uint16_t);
    struct arena arena;
    for (size_t i = 0; i < cells; i++)
        size += size_of(&values[i]);
    arena_init(&arena);
    unsigned char *bytes = arena_alloc_raw(&arena, size), *at = mempcpy(bytes, HEADER, COPY_HEADER);
    for (int row = 0; row < row_count; row++) {
        at = put_short(at, (uint16_t)column_count);
        for (int column = 0; column < column_count; column++)
            at = put_value(at, values++);
    }
    at = put_short(at, UINT16_MAX); /* the end */
    assert((size_t)(at - bytes) == size && size <= INT32_MAX);
    const char *copy = arena_printf(&arena, "COPY %s FROM STDIN (FORMAT binary)", insert + strlen("INSERT INTO "));
    enum result result = db_postgres_pour(session, copy, bytes, size);
    if (result == RESULT_OK)
        session->changes = row_count;
    arena_free(&arena);
    return result;
}

enum result db_postgres_append(struct db *db, const char *insert, const struct db_value *values, int column_count,
                               int row_count)
{
    struct session *session = (struct session *)db;
    if (!row_count)
        return RESULT_OK;
    if (!db_postgres_is_there(session))
        return RESULT_FAILED;
    bool copies = row_count >= COPY_ROWS_MIN && db_append_place(insert) == strlen(insert);
    return (copies ? append_copy : append_arrays)(session, insert, values, column_count, row_count);
}
