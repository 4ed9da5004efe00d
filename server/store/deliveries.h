/* The row of a delivery, shared by the files that hand deliveries out, record and show them. */
#ifndef MEISHI_STORE_DELIVERIES_H
#define MEISHI_STORE_DELIVERIES_H

#include "server/store/internal.h"

/* Selected from deliveries alone. */
#define DELIVERY_COLUMNS                                                                                                 \
    "owner_id, id, webhook_id, event_id, lead_id, type, state, created_ms, due_ms, finished_ms, attempts, last_status, " \
    "last_error, sequence, queue"
enum { DELIVERY_COLUMN_COUNT = 15 };
void delivery_from_row(const struct db_rows *rows, struct arena *arena, struct delivery *out);
enum result delivery_read_body(struct db *db, struct arena *arena, struct delivery *delivery) MUST_CHECK;
/* What is recorded, and whose members are to hear of it once it is committed. */
enum { TROUBLED_MAX = 64 };
struct recording {
    struct store *store;
    const struct outcome *outcomes;
    size_t count;
    int64_t now_ms;
    size_t troubled_count;
    struct {
        int64_t owner_id, webhook_id;
    } troubled[TROUBLED_MAX];
};
/* Inside a transaction: what store_delivery_record does. */
enum result delivery_record_all(struct recording *recording, struct db *db) MUST_CHECK;
/* After its commit. */
void delivery_tell_troubles(const struct recording *recording);

#endif
