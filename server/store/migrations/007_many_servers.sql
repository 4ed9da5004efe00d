-- beside old servers: yes
-- What several servers of one database tell each other and count together. Where one process has the store for itself these
-- tables stay empty.

-- What others keep in memory and must forget (server/store/changes.h). seq is drawn from the row of kind 0 of change_marks by
-- the transaction of the cause, whose hold on that row ends with it: so numbers are seen in their order, without a gap. The
-- mark of a kind is the number of its last change.
CREATE TABLE changes (
    seq BIGINT NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    subject BIGINT NOT NULL
);
CREATE INDEX changes_by_age ON changes (at_ms);
CREATE TABLE change_marks (
    kind BIGINT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL
);
INSERT INTO change_marks (kind, seq) VALUES (0, 0);

-- How often something was done within the window that began at began_ms and the one before it: limits on forms. key is a keyed
-- hash of what was done and by whom. Gone after ends_ms.
CREATE TABLE tallies (
    key BYTEA NOT NULL PRIMARY KEY,
    began_ms BIGINT NOT NULL,
    now_count BIGINT NOT NULL,
    before_count BIGINT NOT NULL,
    ends_ms BIGINT NOT NULL
);
CREATE INDEX tallies_by_end ON tallies (ends_ms);

-- Half of what a day's visitors are told apart by; the other half is in the key file. Gone when the day (UTC) is over.
CREATE TABLE day_salts (
    day BIGINT NOT NULL PRIMARY KEY,
    salt BYTEA NOT NULL
);
