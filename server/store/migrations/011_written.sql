-- beside old servers: yes
-- How often a member changed something, so that a list read from a standby can be told to show it all (server/store/replica.c).
-- Empty where no standby is read.
CREATE TABLE written (
    owner_id BIGINT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL
);
