-- Everything but the inbox. One text for every engine: BIGINT for every number (times are milliseconds since 1970, ids are
-- made by us, 0 or 1 for yes and no), TEXT, and BYTEA, which SQLite takes as it takes any word. NULL is "none".
-- Tables that grow have the member who owns the rows first in their key, so that they can be split by it.

CREATE TABLE members (
    id BIGINT NOT NULL PRIMARY KEY,
    handle TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    email TEXT UNIQUE,
    password_hash TEXT,
    role BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    disabled_ms BIGINT
);

CREATE TABLE sign_in_links (
    hash BYTEA NOT NULL PRIMARY KEY,
    member_id BIGINT NOT NULL REFERENCES members (id),
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);
CREATE INDEX sign_in_links_by_member ON sign_in_links (member_id);

CREATE TABLE sessions (
    hash BYTEA NOT NULL PRIMARY KEY,
    member_id BIGINT NOT NULL REFERENCES members (id),
    agent TEXT,
    created_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);
CREATE INDEX sessions_by_member ON sessions (member_id, created_ms);

CREATE TABLE api_tokens (
    member_id BIGINT NOT NULL REFERENCES members (id),
    id BIGINT NOT NULL,
    hash BYTEA NOT NULL UNIQUE,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    used_ms BIGINT,
    revoked_ms BIGINT,
    PRIMARY KEY (member_id, id)
);

CREATE TABLE throttles (
    key TEXT NOT NULL PRIMARY KEY,
    opened_ms BIGINT NOT NULL,
    tries BIGINT NOT NULL
);
CREATE INDEX throttles_by_age ON throttles (opened_ms);

-- status is NULL while the first request still runs.
CREATE TABLE idempotency (
    member_id BIGINT NOT NULL,
    key TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    created_ms BIGINT NOT NULL,
    status BIGINT,
    content_type TEXT,
    body TEXT,
    location TEXT,
    PRIMARY KEY (member_id, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_ms);

-- body is the card as the API shows it, of its newest revision. A retired card gives its handle back.
CREATE TABLE cards (
    owner_id BIGINT NOT NULL REFERENCES members (id),
    id BIGINT NOT NULL,
    handle TEXT UNIQUE,
    revision BIGINT NOT NULL,
    body TEXT NOT NULL,
    portrait_id BIGINT,
    standing_share_id BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    retired_ms BIGINT,
    PRIMARY KEY (owner_id, id)
);
CREATE INDEX cards_by_id ON cards (id);

CREATE TABLE card_revisions (
    owner_id BIGINT NOT NULL,
    card_id BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    body TEXT NOT NULL,
    portrait_id BIGINT,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (owner_id, card_id, revision),
    FOREIGN KEY (owner_id, card_id) REFERENCES cards (owner_id, id)
);

CREATE TABLE portraits (
    owner_id BIGINT NOT NULL,
    card_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    jpeg BYTEA NOT NULL,
    PRIMARY KEY (owner_id, card_id, id),
    FOREIGN KEY (owner_id, card_id) REFERENCES cards (owner_id, id)
);
CREATE INDEX portraits_by_id ON portraits (id);

-- Who shared it is one of three: a member, a visitor who left details, or one known by a hit alone.
CREATE TABLE shares (
    owner_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    card_id BIGINT NOT NULL,
    parent_id BIGINT,
    sharer_member_id BIGINT REFERENCES members (id),
    sharer_lead_id BIGINT,
    sharer_hit_id BIGINT,
    sharer_name TEXT,
    token TEXT NOT NULL UNIQUE,
    channel BIGINT NOT NULL,
    standing BIGINT NOT NULL,
    label TEXT,
    recipient TEXT,
    print_run TEXT,
    vouch TEXT,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT,
    revoked_ms BIGINT,
    PRIMARY KEY (owner_id, id),
    FOREIGN KEY (owner_id, card_id) REFERENCES cards (owner_id, id),
    FOREIGN KEY (owner_id, parent_id) REFERENCES shares (owner_id, id)
);
CREATE INDEX shares_by_card ON shares (owner_id, card_id, id);
CREATE INDEX shares_by_visitor ON shares (owner_id, sharer_hit_id) WHERE sharer_hit_id IS NOT NULL;

-- tray says which list a lead lies in, so that each list is read from one end of one index: 0 leads, 1 referrals,
-- 2 potential, 3 junk, 4 set aside. It follows from referral, stage and set_aside, and leads.c alone writes it.
CREATE TABLE leads (
    owner_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    card_id BIGINT NOT NULL,
    share_id BIGINT NOT NULL,
    channel BIGINT NOT NULL,
    visitor_hit_id BIGINT,
    referral BIGINT NOT NULL,
    stage BIGINT NOT NULL,
    tray BIGINT NOT NULL,
    endorser_member_id BIGINT,
    endorser_lead_id BIGINT,
    name TEXT,
    email TEXT,
    email_key TEXT,
    phone TEXT,
    company TEXT,
    message TEXT,
    recipient TEXT,
    set_aside TEXT,
    created_ms BIGINT NOT NULL,
    identified_ms BIGINT,
    updated_ms BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (owner_id, id),
    UNIQUE (owner_id, visitor_hit_id),
    FOREIGN KEY (owner_id, share_id) REFERENCES shares (owner_id, id)
);
CREATE INDEX leads_by_tray ON leads (owner_id, tray, id);
CREATE INDEX leads_by_share ON leads (owner_id, share_id, tray, id);
-- email_key is set only where it makes a lead the one that further forms with that address join.
CREATE UNIQUE INDEX leads_by_email ON leads (owner_id, email_key) WHERE email_key IS NOT NULL;

-- One visitor may send several forms that join one lead: each has its receipt. said is what a form that joined said, as JSON,
-- NULL for the form that made the lead; moment_id is its line of the timeline and its consent.
CREATE TABLE receipts (
    hash BYTEA NOT NULL PRIMARY KEY,
    owner_id BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    visitor_hit_id BIGINT,
    moment_id BIGINT NOT NULL,
    said TEXT,
    created_ms BIGINT NOT NULL,
    FOREIGN KEY (owner_id, lead_id) REFERENCES leads (owner_id, id)
);
CREATE INDEX receipts_by_lead ON receipts (owner_id, lead_id);
CREATE UNIQUE INDEX receipts_by_hit ON receipts (owner_id, visitor_hit_id) WHERE visitor_hit_id IS NOT NULL;

CREATE TABLE lead_moments (
    owner_id BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    kind TEXT NOT NULL,
    words TEXT,
    PRIMARY KEY (owner_id, lead_id, id),
    FOREIGN KEY (owner_id, lead_id) REFERENCES leads (owner_id, id)
);

-- Each version of the text that visitors agree to, once, by its SHA-256.
CREATE TABLE consent_texts (
    hash BYTEA NOT NULL PRIMARY KEY,
    words TEXT NOT NULL
);

CREATE TABLE consents (
    owner_id BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    contact BIGINT NOT NULL,
    text_hash BYTEA NOT NULL REFERENCES consent_texts (hash),
    PRIMARY KEY (owner_id, lead_id, id),
    FOREIGN KEY (owner_id, lead_id) REFERENCES leads (owner_id, id)
);

-- SHA-256 of the ids of what was erased, so that a restored backup can be made to forget it again.
CREATE TABLE erased (
    hash BYTEA NOT NULL PRIMARY KEY,
    erased_ms BIGINT NOT NULL
);

-- next_due_ms is when the endpoint's next delivery may start, NULL when none waits; served_ms is when one was last handed out,
-- so that endpoints take turns.
CREATE TABLE webhooks (
    owner_id BIGINT NOT NULL REFERENCES members (id),
    id BIGINT NOT NULL,
    url TEXT NOT NULL,
    events BIGINT NOT NULL,
    sealed_secret BYTEA NOT NULL,
    created_ms BIGINT NOT NULL,
    disabled_ms BIGINT,
    disabled_why TEXT,
    removed_ms BIGINT,
    last_success_ms BIGINT,
    last_failure_ms BIGINT,
    failures_in_a_row BIGINT NOT NULL,
    next_due_ms BIGINT,
    served_ms BIGINT NOT NULL,
    PRIMARY KEY (owner_id, id)
);
CREATE INDEX webhooks_due ON webhooks (next_due_ms) WHERE next_due_ms IS NOT NULL;

-- A body is kept once, however many endpoints hear of it; erasing a lead empties it.
CREATE TABLE events (
    owner_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    type BIGINT NOT NULL,
    lead_id BIGINT,
    body TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (owner_id, id)
);
CREATE INDEX events_by_lead ON events (owner_id, lead_id) WHERE lead_id IS NOT NULL;

CREATE TABLE deliveries (
    owner_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    webhook_id BIGINT NOT NULL,
    event_id BIGINT NOT NULL,
    lead_id BIGINT,
    type BIGINT NOT NULL,
    state BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    due_ms BIGINT NOT NULL,
    leased_until_ms BIGINT,
    finished_ms BIGINT,
    attempts BIGINT NOT NULL,
    last_status BIGINT,
    last_error TEXT,
    PRIMARY KEY (owner_id, id),
    FOREIGN KEY (owner_id, webhook_id) REFERENCES webhooks (owner_id, id),
    FOREIGN KEY (owner_id, event_id) REFERENCES events (owner_id, id)
);
CREATE INDEX deliveries_by_id ON deliveries (id);
CREATE INDEX deliveries_by_webhook ON deliveries (owner_id, webhook_id, id);
CREATE INDEX deliveries_by_lead ON deliveries (owner_id, lead_id, id) WHERE lead_id IS NOT NULL;
CREATE INDEX deliveries_due ON deliveries (owner_id, webhook_id, due_ms, id) WHERE state = 0;
CREATE INDEX deliveries_leased ON deliveries (owner_id, webhook_id, leased_until_ms) WHERE leased_until_ms IS NOT NULL;

CREATE TABLE delivery_attempts (
    owner_id BIGINT NOT NULL,
    delivery_id BIGINT NOT NULL,
    id BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    status BIGINT NOT NULL,
    latency_ms BIGINT NOT NULL,
    error TEXT,
    PRIMARY KEY (owner_id, delivery_id, id)
);

-- Hits themselves lie in a table a month, hits_YYYYMM, which the fold makes (server/store/months.c) and names here.
CREATE TABLE hit_months (
    month BIGINT NOT NULL PRIMARY KEY
);

CREATE TABLE day_counts (
    owner_id BIGINT NOT NULL,
    day BIGINT NOT NULL,
    channel BIGINT NOT NULL,
    person BIGINT NOT NULL,
    unconfirmed BIGINT NOT NULL,
    preview BIGINT NOT NULL,
    scanner BIGINT NOT NULL,
    prefetch BIGINT NOT NULL,
    bot BIGINT NOT NULL,
    self BIGINT NOT NULL,
    saves BIGINT NOT NULL,
    forms BIGINT NOT NULL,
    PRIMARY KEY (owner_id, day, channel)
);

CREATE TABLE share_counts (
    owner_id BIGINT NOT NULL,
    share_id BIGINT NOT NULL,
    person BIGINT NOT NULL,
    unconfirmed BIGINT NOT NULL,
    preview BIGINT NOT NULL,
    scanner BIGINT NOT NULL,
    prefetch BIGINT NOT NULL,
    bot BIGINT NOT NULL,
    self BIGINT NOT NULL,
    PRIMARY KEY (owner_id, share_id)
);

-- The last row of the inbox that was folded: written in the fold's own transaction.
CREATE TABLE fold_mark (
    part BIGINT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL
);
