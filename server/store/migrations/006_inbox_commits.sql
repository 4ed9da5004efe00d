-- A row is one group commit now, its hits and acts packed one behind the other (server/store/inbox.c), where each had a row of
-- its own. Old rows cannot be packed here, and a server that was stopped in order has left none: if this fails at the first
-- statement, start and stop the version before once.
CREATE TABLE inbox_must_be_empty (
    waiting BIGINT NOT NULL CHECK (waiting = 0)
);
INSERT INTO inbox_must_be_empty SELECT COUNT(*) FROM hit_inbox;
DROP TABLE inbox_must_be_empty;
DROP TABLE hit_inbox;
CREATE TABLE hit_inbox (
    last_seq BIGINT NOT NULL PRIMARY KEY, -- of the hits and acts in it
    first_seq BIGINT NOT NULL,
    packed BYTEA NOT NULL
);
