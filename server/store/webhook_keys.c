/* The secrets of endpoints, sealed at rest, and their rotation: for a while the secret before signs too, so that a receiver
 * can be given the new one without missing anything. Two are live at most. */
#include <string.h>
#include "server/ids.h"
#include "server/log.h"
#include "server/store/internal.h"
#include "server/store/seal.h"

void webhook_seal(const struct store *store, const unsigned char secret[WEBHOOK_SECRET_SIZE],
                  unsigned char out[SEALED_SIZE])
{
    random_bytes(out, crypto_secretbox_NONCEBYTES);
    crypto_secretbox_easy(out + crypto_secretbox_NONCEBYTES, secret, WEBHOOK_SECRET_SIZE, out, store->seal_key);
}

enum result webhook_unseal(const struct store *store, const void *sealed, size_t len,
                           unsigned char out[WEBHOOK_SECRET_SIZE])
{
    const unsigned char *nonce = sealed;
    if (!sealed || len != SEALED_SIZE ||
        crypto_secretbox_open_easy(out, nonce + crypto_secretbox_NONCEBYTES, SEALED_SIZE - crypto_secretbox_NONCEBYTES,
                                   nonce, store->seal_key)) {
        log_error("webhook-secret", "why=\"sealed with another key\"");
        return RESULT_FAILED;
    }
    return RESULT_OK;
}

void webhook_seal_new_seed(const struct store *store, unsigned char out_sealed[SEALED_SIZE],
                           unsigned char out_public[WEBHOOK_PUBLIC_KEY_SIZE])
{
    unsigned char seed[WEBHOOK_SECRET_SIZE], secret_key[crypto_sign_SECRETKEYBYTES];
    random_bytes(seed, sizeof seed);
    crypto_sign_seed_keypair(out_public, secret_key, seed);
    webhook_seal(store, seed, out_sealed);
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(secret_key, sizeof secret_key);
}

/* ---- rotation ---- */

struct rotation {
    struct store *store;
    int64_t owner_id, id, keep_old_ms, now_ms;
    const unsigned char *secret;
};

static enum result rotate_secret(struct db *db, const struct rotation *rotation)
{
    unsigned char sealed[SEALED_SIZE];
    webhook_seal(rotation->store, rotation->secret, sealed);
    const struct db_value args[] = {DB_INT(rotation->owner_id), DB_INT(rotation->id), db_blob(sealed, sizeof sealed),
                                    DB_INT(rotation->now_ms + rotation->keep_old_ms)};
    enum result result =
        rotation->keep_old_ms
            ? db_run(db,
                     "UPDATE webhooks SET old_sealed_secret = sealed_secret, old_sealed_seed = sealed_seed, "
                     "old_until_ms = $4, sealed_secret = $3 WHERE owner_id = $1 AND id = $2 AND removed_ms IS NULL",
                     args, 4)
            : db_run(db,
                     "UPDATE webhooks SET old_sealed_secret = NULL, old_sealed_seed = NULL, old_until_ms = NULL, "
                     "sealed_secret = $3 WHERE owner_id = $1 AND id = $2 AND removed_ms IS NULL",
                     args, 3);
    return result == RESULT_OK && !db_changes(db) ? RESULT_NOT_FOUND : result;
}

static enum result rotate_body(struct db *db, void *context)
{
    const struct rotation *rotation = context;
    unsigned char sealed[SEALED_SIZE], public_key[WEBHOOK_PUBLIC_KEY_SIZE];
    enum result result = rotate_secret(db, rotation);
    if (result != RESULT_OK)
        return result;
    webhook_seal_new_seed(rotation->store, sealed, public_key);
    return db_run(db,
                  "UPDATE webhooks SET sealed_seed = $3, public_key = $4 WHERE owner_id = $1 AND id = $2 "
                  "AND sealed_seed IS NOT NULL",
                  DB_ARGS(DB_INT(rotation->owner_id), DB_INT(rotation->id), db_blob(sealed, sizeof sealed),
                          db_blob(public_key, sizeof public_key)));
}

enum result store_webhook_rotate(struct store *store, int64_t owner_id, int64_t id, int64_t keep_old_ms, int64_t now_ms,
                                 unsigned char out_secret[WEBHOOK_SECRET_SIZE])
{
    struct rotation rotation = {store, owner_id, id, keep_old_ms, now_ms, out_secret};
    if (keep_old_ms < 0 || keep_old_ms > WEBHOOK_KEEP_OLD_MAX_MS)
        return RESULT_INVALID;
    random_bytes(out_secret, WEBHOOK_SECRET_SIZE);
    return store_write(store, "webhook_rotate", rotate_body, &rotation);
}
