-- The inbox: what a page waits for. A row is one group commit, its hits and acts packed one behind the other
-- (server/store/inbox.c). Rows are only appended, read in order and deleted from the front; no index but their own number,
-- which only grows, because indexes are what makes a durable insert dear.
CREATE TABLE hit_inbox (
    last_seq BIGINT NOT NULL PRIMARY KEY, -- of the hits and acts in it
    first_seq BIGINT NOT NULL,
    packed BYTEA NOT NULL
);
