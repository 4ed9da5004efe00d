-- How webhooks are delivered: whose turn it is, how an endpoint fares, what it wants to get, and what it missed.

-- lane says among whom an endpoint stands in line: 0 prompt ones, 1 those that are slow, failing or not known yet, 2 those
-- that have only retries due, 3 those with a chore (ending or sending again what waits, some at a time). next_due_ms is its
-- place in that line, NULL when nothing waits. turn_ms is when it may be served next, so that none is served too often.
-- waits_for names a crowd that is full, a member or a target, NULL when it waits for none.
ALTER TABLE webhooks RENAME COLUMN served_ms TO turn_ms;
ALTER TABLE webhooks ADD COLUMN lane BIGINT NOT NULL DEFAULT 1;
ALTER TABLE webhooks ADD COLUMN waits_for BIGINT;
ALTER TABLE webhooks ADD COLUMN pending BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN paused BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN sequence BIGINT NOT NULL DEFAULT 0;

-- What it gets: cards/webhook_format.h; thin 1 is ids without words. listener 1: nobody pushes to it, it asks, last at
-- asked_ms.
ALTER TABLE webhooks ADD COLUMN format BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN thin BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN listener BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN asked_ms BIGINT NOT NULL DEFAULT 0;

-- What it is signed with: the seed of an ed25519 key beside the secret, NULL when it is not wanted; and those before the last
-- rotation, which sign too until old_until_ms.
ALTER TABLE webhooks ADD COLUMN sealed_seed BYTEA;
ALTER TABLE webhooks ADD COLUMN public_key BYTEA;
ALTER TABLE webhooks ADD COLUMN old_sealed_secret BYTEA;
ALTER TABLE webhooks ADD COLUMN old_sealed_seed BYTEA;
ALTER TABLE webhooks ADD COLUMN old_until_ms BIGINT;

-- How it fares: see struct endpoint_health in cards/delivery.h. last_latency_ms is of its last attempt.
ALTER TABLE webhooks ADD COLUMN failing_since_ms BIGINT;
ALTER TABLE webhooks ADD COLUMN certificate_since_ms BIGINT;
ALTER TABLE webhooks ADD COLUMN refusals_in_a_row BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN window_ms BIGINT;
ALTER TABLE webhooks ADD COLUMN window_tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN window_failures BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN breaker_until_ms BIGINT;
ALTER TABLE webhooks ADD COLUMN breaker_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN last_latency_ms BIGINT NOT NULL DEFAULT 0;

-- Sending again what did not arrive: deliveries after replay_after_id up to replay_until_id, the next of them at
-- replay_due_ms, which is NULL when that is not going on.
ALTER TABLE webhooks ADD COLUMN replay_after_id BIGINT;
ALTER TABLE webhooks ADD COLUMN replay_until_id BIGINT;
ALTER TABLE webhooks ADD COLUMN replay_due_ms BIGINT;

DROP INDEX webhooks_due;
CREATE INDEX webhooks_due ON webhooks (lane, next_due_ms, id) WHERE next_due_ms IS NOT NULL;
CREATE INDEX webhooks_listening ON webhooks (asked_ms) WHERE listener = 1 AND removed_ms IS NULL;
CREATE INDEX webhooks_waiting ON webhooks (waits_for, turn_ms) WHERE waits_for IS NOT NULL;

-- queue: 0 never tried, 1 to be tried again, 2 to be tried again but paused, because too many wait. sequence counts the
-- deliveries of one endpoint. What is under way says to which target, so that it can be counted.
ALTER TABLE deliveries ADD COLUMN queue BIGINT NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN sequence BIGINT NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN leased_target BIGINT;
UPDATE deliveries SET queue = 1 WHERE state = 0 AND attempts > 0;
UPDATE webhooks SET pending = (SELECT COUNT(*) FROM deliveries AS d WHERE d.owner_id = webhooks.owner_id
    AND d.webhook_id = webhooks.id AND d.state = 0);

DROP INDEX deliveries_due;
DROP INDEX deliveries_leased;
CREATE INDEX deliveries_due ON deliveries (owner_id, webhook_id, queue, due_ms, id) WHERE state = 0;
CREATE INDEX deliveries_leased ON deliveries (leased_until_ms, owner_id, webhook_id, leased_target)
    WHERE leased_until_ms IS NOT NULL;
CREATE INDEX deliveries_missed ON deliveries (owner_id, webhook_id, id) WHERE state IN (2, 3);

-- 0: made before endpoints were counted.
ALTER TABLE delivery_attempts ADD COLUMN webhook_id BIGINT NOT NULL DEFAULT 0;
CREATE INDEX delivery_attempts_by_webhook ON delivery_attempts (owner_id, webhook_id, id);
