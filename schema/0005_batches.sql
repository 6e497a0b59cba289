-- purpose:     what each batch writes beside its rows: events, replay answers, seals; the lanes
-- kind:        expand
-- lock-budget: 100 ms
-- inverse:     0005_batches.down.sql

-- The transactional outbox and the list behind /v1/events.
CREATE TABLE events (
    account_id      uuid NOT NULL,
    id              uuid NOT NULL, -- ordered by time
    sequence        bigint GENERATED ALWAYS AS IDENTITY,
    created         timestamptz NOT NULL,
    object_id       uuid NOT NULL,
    request_id      uuid,
    type            text NOT NULL,
    object_kind     text NOT NULL,
    idempotency_key text NOT NULL,
    object          bytea NOT NULL, -- snapshot right after the change
    PRIMARY KEY (account_id, id)
);
CREATE INDEX events_by_created ON events (account_id, created, sequence)
    WHERE created IS NOT NULL;

-- Answers to keyed requests. Only a cache: what makes a retry the same payment is the primary key
-- of the object, which is derived from the request key. Hash partitions, because a key can't be
-- unique across partitions by time; BRIN on created, because old answers are removed in bulk.
CREATE TABLE replays (
    account_id  uuid NOT NULL,
    replay_key  uuid NOT NULL,
    fingerprint bigint NOT NULL,
    request_id  uuid NOT NULL,
    created     timestamptz NOT NULL,
    answer      bytea NOT NULL,
    PRIMARY KEY (account_id, replay_key)
) PARTITION BY HASH (account_id);
CREATE TABLE replays_0 PARTITION OF replays FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE replays_1 PARTITION OF replays FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE replays_2 PARTITION OF replays FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE TABLE replays_3 PARTITION OF replays FOR VALUES WITH (MODULUS 4, REMAINDER 3);
CREATE INDEX replays_by_created ON replays USING brin (created)
    WITH (pages_per_range = 16, autosummarize = on);

-- One chain of batches. `number` is its advisory lock, `barriers` counts how often its lock was
-- taken over to find out how a batch ended.
CREATE TABLE lanes (
    id       uuid PRIMARY KEY,
    number   integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    opened   timestamptz NOT NULL DEFAULT clock_timestamp(),
    barriers bigint NOT NULL DEFAULT 0
);

CREATE TABLE seals (
    lane              uuid NOT NULL,
    sequence          bigint NOT NULL CHECK (sequence > 0),
    created           timestamptz NOT NULL,
    commands          integer NOT NULL,
    rows              integer NOT NULL,
    events            integer NOT NULL,
    entries           integer NOT NULL,
    entries_sum_minor bigint NOT NULL, -- of absolute values, all currencies
    digest            bytea NOT NULL CHECK (length(digest) = 32),
    previous          bytea NOT NULL CHECK (length(previous) = 32),
    hash              bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (lane, sequence)
);

GRANT INSERT ON events, seals TO holdfast_app;
GRANT INSERT, DELETE ON replays TO holdfast_app;
GRANT INSERT, UPDATE ON lanes TO holdfast_app;
