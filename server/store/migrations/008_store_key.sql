-- beside old servers: yes
-- Which key file the store was made with: a digest that tells nothing of the key, so that a server which has another one is
-- refused before it seals anything that the rest cannot open.
CREATE TABLE store_key (
    number BIGINT NOT NULL PRIMARY KEY, -- 0: there is one
    digest BYTEA NOT NULL
);
