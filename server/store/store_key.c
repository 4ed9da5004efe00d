/* Whether a server has the key that the store was made with. The store keeps a digest of it, made with the first start: from
 * that nobody learns the key, and a server with another key is refused before it seals what the others cannot open. */
#include <sodium.h>
#include <string.h>
#include "server/store/store_key.h"
#include "server/store/internal.h"

enum { DIGEST_SIZE = 32 };

struct check {
    unsigned char digest[DIGEST_SIZE];
    bool accept;
};

static enum result compare(struct db *db, const struct check *check)
{
    struct db_rows *rows;
    enum result result = db_one(db, "SELECT digest FROM store_key WHERE number = 0", NULL, 0, &rows);
    if (result == RESULT_OK) {
        size_t len;
        const void *kept = db_column_bytes(rows, 0, &len);
        result = kept && len == DIGEST_SIZE && !memcmp(kept, check->digest, len) ? RESULT_OK : RESULT_CONFLICT;
    }
    db_finish(&rows);
    return result;
}

static enum result keep(struct db *db, void *context)
{
    const struct check *check = context;
    enum result result =
        db_run(db, "INSERT INTO store_key (number, digest) VALUES (0, $1) ON CONFLICT (number) DO NOTHING",
               DB_ARGS(db_blob(check->digest, DIGEST_SIZE)));
    if (result == RESULT_OK && check->accept)
        result = db_run(db, "UPDATE store_key SET digest = $1 WHERE number = 0",
                        DB_ARGS(db_blob(check->digest, DIGEST_SIZE)));
    return result == RESULT_OK ? compare(db, check) : result; /* another server may have been first */
}

enum result store_key_check(struct db *db, const unsigned char *key, bool writes, bool accept, const char **why)
{
    static const char WHAT[] = "meishi store key";
    struct check check = {.accept = accept};
    crypto_generichash(check.digest, sizeof check.digest, (const unsigned char *)WHAT, strlen(WHAT), key,
                       crypto_generichash_KEYBYTES);
    enum result result = compare(db, &check);
    if (writes && (result == RESULT_NOT_FOUND || (result == RESULT_CONFLICT && accept)))
        result = db_transaction(db, "store-key", keep, &check);
    if (result == RESULT_OK || result == RESULT_NOT_FOUND)
        return RESULT_OK;
    *why =
        result == RESULT_CONFLICT
            ? "The key file is not the one this store was made with, and every server of a store needs the same one. Put "
              "it in place, or name it by MEISHI_KEY_FILE. If it is lost for good: meishi key accept; webhooks then need "
              "new secrets."
            : "The database could not be asked which key it was made with. The log says why.";
    return RESULT_FAILED;
}
