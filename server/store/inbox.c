/* See inbox.h.
 *
 * Rows of their own would be simpler to look at and cost several times as much: a cell, a header and a binding for each of a
 * dozen columns, when they come, and the same again when the fold reads them half a second later and when they are deleted.
 * Nobody asks this table anything but "what came after": so a commit is one value, written with one insert. On PostgreSQL it is
 * several, of forty hits or so: it would spend more on compressing a long one than on all the rest.
 *
 * A packed hit is: acts, share, owner, id; a hit goes on with facts, channel, times, visitor hash, family and referrer, an act
 * with its time and the earlier hit. Ids and hashes are 8 bytes, least byte first; texts stand behind one byte with their
 * length; the rest are numbers of 7 bits a byte, least first, the top bit saying that more follow (LEB128). The first byte of a
 * row is the number of this form, for the day it changes. */
#include "server/store/inbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "server/log.h"
#include "server/store/db.h"
#include "server/store/lanes.h"

enum {
    FORM = 1,
    READ_COMMITS = 64, /* at a time: an engine may hold all of an answer in memory */
    NUMBER_MAX = 10,   /* bytes of 64 bits */
    PACKED_MAX = 4 * 8 + 4 * NUMBER_MAX + 2 + AGENT_FAMILY_SIZE + REFERRER_HOST_SIZE, /* bytes of a hit or an act */
    SHARED_ROW_MAX = 1984, /* bytes: PostgreSQL compresses longer ones, and cuts them up into a table of their own */
    COLUMNS = 3
};
_Static_assert(SHARED_ROW_MAX > 2 * PACKED_MAX, "a row holds several hits");
_Static_assert(AGENT_FAMILY_SIZE <= 256 && REFERRER_HOST_SIZE <= 256, "a text's length is one byte");

/* ---- packing ---- */

static unsigned char *put_fixed(unsigned char *at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        at[i] = (unsigned char)(value >> 8 * i);
    return at + 8;
}

static unsigned char *put_number(unsigned char *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (unsigned char)(value | 0x80);
    *at++ = (unsigned char)value;
    return at;
}

static unsigned char *put_text(unsigned char *at, const char *text, size_t size)
{
    size_t len = strnlen(text, size - 1);
    *at++ = (unsigned char)len;
    memcpy(at, text, len);
    return at + len;
}

static unsigned char *pack(unsigned char *at, const struct hit *hit)
{
    at = put_number(at, hit->acts);
    at = put_fixed(at, (uint64_t)hit->share_id);
    at = put_fixed(at, (uint64_t)hit->owner_id);
    at = put_fixed(at, (uint64_t)hit->id);
    if (hit->acts) {
        at = put_number(at, (uint64_t)hit->act_at_ms);
        return put_fixed(at, (uint64_t)hit->earlier_id);
    }
    at = put_number(at, hit->facts);
    at = put_number(at, hit->channel);
    at = put_number(at, (uint64_t)hit->repeats);
    at = put_fixed(at, hit->visitor_hash);
    at = put_text(at, hit->family, sizeof hit->family);
    return put_text(at, hit->referrer, sizeof hit->referrer);
}

static void make_room(struct inbox_room *room, size_t size)
{
    if (size <= room->size)
        return;
    size_t more = 16384;
    while (more < size)
        more *= 2;
    free(room->bytes);
    room->bytes = calloc(1, more);
    if (!room->bytes)
        abort();
    room->size = more;
}

/* Packs the hits into rows of at most ROW_MAX bytes; returns how many. */
static int pack_rows(const struct hit *first, int64_t seq, size_t row_max, unsigned char *at, struct db_value *out)
{
    struct db_value *row = out;
    for (const struct hit *hit = first; hit; row += COLUMNS) {
        unsigned char *start = at;
        row[1] = DB_INT(seq);
        *at++ = FORM;
        for (unsigned char *end; hit && (size_t)((end = pack(at, hit)) - start) <= row_max; hit = hit->next, seq++)
            at = end;
        row[0] = DB_INT(seq - 1);
        row[2] = db_blob(start, (size_t)(at - start));
    }
    return (int)((row - out) / COLUMNS);
}

enum result inbox_append(struct db *db, const struct hit *first, size_t count, int64_t first_seq,
                         struct inbox_room *room)
{
    struct arena arena;
    size_t bytes_max = count * (1 + PACKED_MAX), row_max = db->driver->shared ? SHARED_ROW_MAX : bytes_max;
    size_t rows_max = 1 + bytes_max / (row_max - PACKED_MAX);
    if (rows_max > count)
        rows_max = count;
    assert(count);
    make_room(room, bytes_max);
    arena_init(&arena);
    struct db_value *values = arena_alloc_raw(&arena, rows_max * COLUMNS * sizeof *values);
    int rows = pack_rows(first, first_seq, row_max, room->bytes, values);
    assert((size_t)rows <= rows_max && values[(rows - 1) * COLUMNS].integer == first_seq + (int64_t)count - 1);
    enum result result =
        db->driver->append(db, "INSERT INTO hit_inbox (last_seq, first_seq, packed)", values, COLUMNS, rows);
    arena_free(&arena);
    return result;
}

enum result inbox_sweep(struct db *db, int64_t seq)
{
    return db_run(db, "DELETE FROM hit_inbox WHERE last_seq > $1 AND last_seq <= $2",
                  DB_ARGS(DB_INT(lane_first(seq >> LANE_BITS)), DB_INT(seq)));
}

/* ---- reading ---- */

static enum result first_number(struct db *db, const char *sql, int64_t *out)
{
    struct db_rows *rows;
    enum result result = db_one(db, sql, NULL, 0, &rows);
    *out = 0;
    if (result != RESULT_OK)
        return result == RESULT_NOT_FOUND ? RESULT_OK : result;
    *out = db_column_int(rows, 0);
    db_finish(&rows);
    return RESULT_OK;
}

enum result inbox_ends(struct db *db, int64_t *out_first, int64_t *out_last)
{
    enum result result = first_number(db, "SELECT last_seq FROM hit_inbox ORDER BY last_seq DESC LIMIT 1", out_last);
    return result == RESULT_OK
               ? first_number(db, "SELECT first_seq FROM hit_inbox ORDER BY last_seq LIMIT 1", out_first)
               : result;
}

static bool get_fixed(struct inbox_reader *reader, uint64_t *out)
{
    if (reader->end - reader->at < 8)
        return false;
    *out = 0;
    for (int i = 0; i < 8; i++)
        *out |= (uint64_t)reader->at[i] << 8 * i;
    reader->at += 8;
    return true;
}

static bool get_id(struct inbox_reader *reader, int64_t *out)
{
    uint64_t value;
    bool good = get_fixed(reader, &value);
    *out = good ? (int64_t)value : 0;
    return good;
}

static bool get_number(struct inbox_reader *reader, uint64_t max, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        unsigned char byte = *reader->at++;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return *out <= max;
    }
    return false;
}

static bool get_text(struct inbox_reader *reader, char *out, size_t size)
{
    size_t len = reader->at < reader->end ? *reader->at++ : SIZE_MAX;
    if (len >= size || (size_t)(reader->end - reader->at) < len)
        return false;
    memcpy(out, reader->at, len);
    out[len] = '\0';
    reader->at += len;
    return true;
}

static bool unpack(struct inbox_reader *reader, struct hit *out)
{
    uint64_t acts, facts, channel, number;
    out->next = NULL;
    if (!get_number(reader, UINT32_MAX, &acts) || !get_id(reader, &out->share_id) || !get_id(reader, &out->owner_id) ||
        !get_id(reader, &out->id))
        return false;
    out->acts = (uint32_t)acts;
    if (acts) {
        bool good = get_number(reader, INT64_MAX, &number) && get_id(reader, &out->earlier_id);
        out->act_at_ms = (int64_t)number;
        return good;
    }
    if (!get_number(reader, UINT32_MAX, &facts) || !get_number(reader, CHANNEL_COUNT - 1, &channel) ||
        !get_number(reader, INT64_MAX - 1, &number))
        return false;
    out->facts = (uint32_t)facts;
    out->channel = (enum channel)channel;
    out->repeats = (int64_t)number;
    return get_fixed(reader, &out->visitor_hash) && get_text(reader, out->family, sizeof out->family) &&
           get_text(reader, out->referrer, sizeof out->referrer);
}

static enum result read_on(struct inbox_reader *reader)
{
    db_finish(&reader->rows);
    reader->left = READ_COMMITS;
    return db_query(
        reader->db,
        "SELECT last_seq, first_seq, packed FROM hit_inbox WHERE last_seq > $1 AND last_seq < $2 "
        "ORDER BY last_seq LIMIT $3",
        DB_ARGS(DB_INT(reader->last), DB_INT(lane_first((reader->after >> LANE_BITS) + 1)), DB_INT(READ_COMMITS)),
        &reader->rows);
}

enum result inbox_begin(struct db *db, int64_t after, struct inbox_reader *out)
{
    *out = (struct inbox_reader){.db = db, .after = after, .last = after};
    return read_on(out);
}

/* A store whose file was damaged under it is not folded on: what can no longer be read would be swept away unseen. */
static enum result damaged(const struct inbox_reader *reader)
{
    log_error("inbox-damaged", "seq=%lld words=\"a commit in the inbox cannot be read: restore a backup\"",
              (long long)reader->seq);
    return RESULT_FAILED;
}

static enum result next_row(struct inbox_reader *reader)
{
    enum result result = reader->left ? RESULT_OK : read_on(reader);
    if (result == RESULT_OK)
        result = db_next(reader->rows);
    if (result != RESULT_OK)
        return result;
    size_t len;
    reader->left--;
    reader->last = db_column_int(reader->rows, 0);
    reader->seq = db_column_int(reader->rows, 1);
    reader->at = db_column_bytes(reader->rows, 2, &len);
    reader->end = reader->at ? reader->at + len : NULL;
    return len && *reader->at++ == FORM ? RESULT_OK : damaged(reader);
}

enum result inbox_next(struct inbox_reader *reader, struct hit *out, int64_t *out_seq)
{
    do {
        if (reader->at == reader->end) {
            enum result result = next_row(reader);
            if (result != RESULT_OK)
                return result;
        }
        if (!unpack(reader, out) || (reader->at == reader->end) != (reader->seq == reader->last))
            return damaged(reader);
        *out_seq = reader->seq++;
    } while (*out_seq <= reader->after);
    return RESULT_OK;
}

void inbox_end(struct inbox_reader *reader)
{
    db_finish(&reader->rows);
}
