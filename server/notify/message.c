/* See message.h. Both directions keep a sticky failure, so a message is judged once, at its end. */
#include "server/notify/message.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

enum {
    HEAD_BYTES = 6, /* length, version, kind */
    PATH_BYTES_MAX = 1024,
    HEADER_BYTES_MAX = 2048,
    PATIENCE_MS_MAX = 3600 * 1000,
    STATUS_MAX = 999
};
static const int64_t RETRY_AFTER_MS_MAX = (int64_t)1000000 * 1000;

/* ---- writing ---- */

struct writer {
    unsigned char *out;
    size_t len, size;
    bool failed;
};

static void put_bytes(struct writer *writer, const void *bytes, size_t len)
{
    if (writer->failed || len > writer->size - writer->len) {
        writer->failed = true;
        return;
    }
    memcpy(writer->out + writer->len, bytes, len);
    writer->len += len;
}

static void put_number(struct writer *writer, uint64_t value, int bytes)
{
    unsigned char high_first[8];
    for (int i = 0; i < bytes; i++)
        high_first[i] = (unsigned char)(value >> 8 * (bytes - 1 - i));
    put_bytes(writer, high_first, (size_t)bytes);
}

static void put_text(struct writer *writer, const char *text, size_t max)
{
    size_t len = strlen(text);
    if (len > max)
        writer->failed = true;
    put_number(writer, len, 2);
    put_bytes(writer, text, len);
}

static bool is_one_line(const char *text)
{
    return !strpbrk(text, "\r\n");
}

static void put_address(struct writer *writer, const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        put_number(writer, 4, 1);
        put_bytes(writer, &v4->sin_addr, 4);
        put_bytes(writer, &v4->sin_port, 2);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        put_number(writer, 6, 1);
        put_bytes(writer, &v6->sin6_addr, 16);
        put_bytes(writer, &v6->sin6_port, 2);
    } else {
        writer->failed = true;
    }
}

static void put_settings(struct writer *writer, const struct call_settings *settings)
{
    const struct courier_limits *limits = &settings->limits;
    put_number(writer, (uint64_t)settings->policy.count, 1);
    for (int i = 0; i < settings->policy.count; i++) {
        const struct address_rule *rule = &settings->policy.rules[i];
        put_bytes(writer, rule->bits, sizeof rule->bits);
        put_number(writer, (uint64_t)rule->prefix, 1);
        put_number(writer, (uint64_t)rule->port, 2);
    }
    put_number(writer, (uint64_t)limits->name_ms, 4);
    put_number(writer, (uint64_t)limits->connect_ms, 4);
    put_number(writer, (uint64_t)limits->answer_ms, 4);
    put_number(writer, (uint64_t)limits->deadline_ms, 4);
    put_text(writer, limits->authorities ? limits->authorities : "", PATH_BYTES_MAX);
}

static void put_call(struct writer *writer, const struct call *call)
{
    int headers = 0;
    while (headers < COURIER_HEADERS_MAX && call->headers[headers])
        headers++;
    put_number(writer, (uint64_t)call->ticket, 8);
    put_number(writer, (uint64_t)call->deadline_ms, 4);
    put_text(writer, call->url, COURIER_URL_MAX);
    put_number(writer, (uint64_t)call->address_count, 1);
    for (int i = 0; i < call->address_count; i++)
        put_address(writer, &call->addresses[i]);
    put_number(writer, (uint64_t)headers, 1);
    for (int i = 0; i < headers; i++) {
        if (!is_one_line(call->headers[i]))
            writer->failed = true;
        put_text(writer, call->headers[i], HEADER_BYTES_MAX);
    }
    put_text(writer, call->body, UINT16_MAX);
}

static void put_outcome(struct writer *writer, const struct send_outcome *outcome)
{
    put_number(writer, (uint64_t)outcome->id, 8);
    put_number(writer, (uint64_t)outcome->error, 1);
    put_number(writer, (uint64_t)outcome->status, 2);
    put_number(writer, (uint64_t)outcome->latency_ms, 4);
    put_number(writer, (uint64_t)outcome->retry_after_ms, 8);
}

size_t message_write(const struct message *message, unsigned char *out, size_t size)
{
    struct writer writer = {.out = out, .size = size < MESSAGE_BYTES_MAX ? size : MESSAGE_BYTES_MAX};
    put_number(&writer, 0, 4);
    put_number(&writer, MESSAGE_VERSION, 1);
    put_number(&writer, (uint64_t)message->kind, 1);
    if (message->kind == MESSAGE_SETTINGS)
        put_settings(&writer, &message->settings);
    else if (message->kind == MESSAGE_CALL)
        put_call(&writer, &message->call);
    else if (message->kind == MESSAGE_OUTCOME)
        put_outcome(&writer, &message->outcome);
    if (writer.failed)
        return 0;
    struct writer length = {.out = out, .size = 4};
    put_number(&length, writer.len, 4);
    return writer.len;
}

/* ---- reading ---- */

struct reader {
    const unsigned char *at, *end;
    struct arena *arena;
    bool failed;
};

static const unsigned char *get_bytes(struct reader *reader, size_t len)
{
    static const unsigned char none[16];
    if (reader->failed || len > (size_t)(reader->end - reader->at)) {
        reader->failed = true;
        return none;
    }
    const unsigned char *bytes = reader->at;
    reader->at += len;
    return bytes;
}

static uint64_t get_number(struct reader *reader, int bytes)
{
    const unsigned char *at = get_bytes(reader, (size_t)bytes);
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | at[i];
    return value;
}

/* A number of at most eight bytes from LOW to HIGH, which an int holds. */
static int get_int(struct reader *reader, int bytes, int low, int high)
{
    uint64_t value = get_number(reader, bytes);
    if (value < (uint64_t)low || value > (uint64_t)high)
        reader->failed = true;
    return reader->failed ? low : (int)value;
}

static const char *get_text(struct reader *reader, size_t max)
{
    size_t len = (size_t)get_number(reader, 2);
    if (len > max)
        reader->failed = true;
    const unsigned char *bytes = get_bytes(reader, len);
    if (reader->failed || memchr(bytes, '\0', len)) {
        reader->failed = true;
        return "";
    }
    return arena_strndup(reader->arena, (const char *)bytes, len);
}

static void get_address(struct reader *reader, struct sockaddr_storage *out)
{
    uint64_t family = get_number(reader, 1);
    memset(out, 0, sizeof *out);
    if (family == 4) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)out;
        v4->sin_family = AF_INET;
        memcpy(&v4->sin_addr, get_bytes(reader, 4), 4);
        memcpy(&v4->sin_port, get_bytes(reader, 2), 2);
    } else if (family == 6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
        v6->sin6_family = AF_INET6;
        memcpy(&v6->sin6_addr, get_bytes(reader, 16), 16);
        memcpy(&v6->sin6_port, get_bytes(reader, 2), 2);
    } else {
        reader->failed = true;
    }
}

static void get_settings(struct reader *reader, struct call_settings *out)
{
    out->policy.count = get_int(reader, 1, 0, ADDRESS_RULES_MAX);
    for (int i = 0; i < out->policy.count; i++) {
        struct address_rule *rule = &out->policy.rules[i];
        memcpy(rule->bits, get_bytes(reader, sizeof rule->bits), sizeof rule->bits);
        rule->prefix = get_int(reader, 1, 0, 128);
        rule->port = get_int(reader, 2, 0, UINT16_MAX);
    }
    out->limits.name_ms = get_int(reader, 4, 1, PATIENCE_MS_MAX);
    out->limits.connect_ms = get_int(reader, 4, 1, PATIENCE_MS_MAX);
    out->limits.answer_ms = get_int(reader, 4, 1, PATIENCE_MS_MAX);
    out->limits.deadline_ms = get_int(reader, 4, 1, PATIENCE_MS_MAX);
    const char *authorities = get_text(reader, PATH_BYTES_MAX);
    out->limits.authorities = *authorities ? authorities : NULL;
}

static void get_call(struct reader *reader, struct call *out)
{
    out->ticket = (int64_t)get_number(reader, 8);
    out->deadline_ms = get_int(reader, 4, 1, PATIENCE_MS_MAX);
    out->url = get_text(reader, COURIER_URL_MAX);
    out->address_count = get_int(reader, 1, 1, CALL_ADDRESSES_MAX);
    for (int i = 0; i < out->address_count; i++)
        get_address(reader, &out->addresses[i]);
    int headers = get_int(reader, 1, 0, COURIER_HEADERS_MAX);
    for (int i = 0; i < headers; i++) {
        out->headers[i] = get_text(reader, HEADER_BYTES_MAX);
        if (!is_one_line(out->headers[i]))
            reader->failed = true;
    }
    out->body = get_text(reader, UINT16_MAX);
}

static void get_outcome(struct reader *reader, struct send_outcome *out)
{
    out->id = (int64_t)get_number(reader, 8);
    out->error = (enum send_error)get_int(reader, 1, 0, SEND_ERROR_COUNT - 1);
    out->status = get_int(reader, 2, 0, STATUS_MAX);
    out->latency_ms = get_int(reader, 4, 0, INT32_MAX);
    uint64_t retry_after_ms = get_number(reader, 8);
    if (retry_after_ms > (uint64_t)RETRY_AFTER_MS_MAX)
        reader->failed = true;
    out->retry_after_ms = reader->failed ? 0 : (int64_t)retry_after_ms;
    if ((out->error == SEND_OK) != (out->status >= 200 && out->status < 300))
        reader->failed = true;
}

enum result message_length(const unsigned char *bytes, size_t len, size_t *out)
{
    struct reader reader = {.at = bytes, .end = bytes + len};
    size_t whole = (size_t)get_number(&reader, 4);
    if (reader.failed)
        return RESULT_NOT_FOUND;
    if (whole < HEAD_BYTES || whole > MESSAGE_BYTES_MAX)
        return RESULT_INVALID;
    *out = whole;
    return RESULT_OK;
}

enum result message_read(const unsigned char *bytes, size_t len, struct arena *arena, struct message *out)
{
    struct reader reader = {.at = bytes, .end = bytes + len, .arena = arena};
    memset(out, 0, sizeof *out);
    if (get_number(&reader, 4) != len || get_number(&reader, 1) != MESSAGE_VERSION || len > MESSAGE_BYTES_MAX)
        return RESULT_INVALID;
    out->kind = (enum message_kind)get_int(&reader, 1, MESSAGE_SETTINGS, MESSAGE_LEAVING);
    if (reader.failed)
        return RESULT_INVALID;
    if (out->kind == MESSAGE_SETTINGS)
        get_settings(&reader, &out->settings);
    else if (out->kind == MESSAGE_CALL)
        get_call(&reader, &out->call);
    else if (out->kind == MESSAGE_OUTCOME)
        get_outcome(&reader, &out->outcome);
    return reader.failed || reader.at != reader.end ? RESULT_INVALID : RESULT_OK;
}
