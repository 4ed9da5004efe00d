-- beside old servers: yes
-- How far a copy has come that `meishi copy` makes here: a row a table, and one without a name that says what it is a copy of.
-- While there is a row, no server opens the store.
CREATE TABLE copy_progress (
    table_name TEXT NOT NULL PRIMARY KEY,
    row_count BIGINT NOT NULL,
    last_key BYTEA
);

-- Foreign keys that were taken off until all rows are here, where the engine can only do that for everybody at once.
CREATE TABLE copy_keys (
    table_name TEXT NOT NULL,
    key_name TEXT NOT NULL,
    words TEXT NOT NULL,
    PRIMARY KEY (table_name, key_name)
);
