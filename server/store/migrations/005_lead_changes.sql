-- The order in which a member's leads changed, for programs that keep a copy. Each change takes the next number of its owner
-- in its own transaction, whose hold on this row ends with it: so numbers are seen in their order, and who has read up to one
-- has read all below it.
CREATE TABLE lead_changes (
    owner_id BIGINT NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL
);

-- A number is made like an id, time first, and is never lower than one before, so that it can be asked for by time too.
ALTER TABLE leads ADD COLUMN change_seq BIGINT NOT NULL DEFAULT 0;
UPDATE leads SET change_seq = updated_ms * 2097152 + id % 2097152;
INSERT INTO lead_changes (owner_id, last) SELECT owner_id, MAX(change_seq) FROM leads GROUP BY owner_id;
CREATE INDEX leads_by_change ON leads (owner_id, change_seq);

-- Those that were erased, or that turned out to be another: only that they are no more.
CREATE TABLE leads_gone (
    owner_id BIGINT NOT NULL,
    change_seq BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    PRIMARY KEY (owner_id, change_seq)
);
