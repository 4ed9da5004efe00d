-- beside old servers: yes
-- Follow-ups: dated promises on a lead (cards/followup.h). told_ms is when the member's other systems were told that it is due.
CREATE TABLE follow_ups (
    owner_id BIGINT NOT NULL REFERENCES members (id),
    id BIGINT NOT NULL,
    lead_id BIGINT NOT NULL,
    due_ms BIGINT NOT NULL,
    note TEXT,
    created_ms BIGINT NOT NULL,
    told_ms BIGINT,
    done_ms BIGINT,
    PRIMARY KEY (owner_id, id)
);
CREATE INDEX follow_ups_by_lead ON follow_ups (owner_id, lead_id, id);
CREATE INDEX follow_ups_open ON follow_ups (owner_id, due_ms) WHERE done_ms IS NULL;
-- Of all members, what is still to be told.
CREATE INDEX follow_ups_to_tell ON follow_ups (due_ms) WHERE told_ms IS NULL AND done_ms IS NULL;
