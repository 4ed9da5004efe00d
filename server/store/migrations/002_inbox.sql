-- The inbox: what a page waits for. Rows are only appended, read in order and deleted from the front; no index but their
-- own number, which only grows, because indexes are what makes a durable insert dear. Each row holds the facts of a hit
-- (acts 0), or an act that followed the hit named by id.
CREATE TABLE hit_inbox (
    seq BIGINT NOT NULL PRIMARY KEY,
    id BIGINT NOT NULL,
    owner_id BIGINT NOT NULL,
    share_id BIGINT NOT NULL,
    act_at_ms BIGINT NOT NULL,
    earlier_id BIGINT NOT NULL,
    facts BIGINT NOT NULL,
    acts BIGINT NOT NULL,
    visitor_hash BIGINT NOT NULL,
    channel BIGINT NOT NULL,
    family TEXT,
    referrer TEXT,
    times BIGINT NOT NULL DEFAULT 1 -- how many requests of a robot it stands for
);
