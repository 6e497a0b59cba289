-- purpose:     what merchants accept unauthorized while neither database nor acquirer can be asked
-- kind:        expand
-- lock-budget: 100 ms
-- inverse:     0006_floor_limits.down.sql

CREATE TABLE floor_limits (
    account_id    uuid NOT NULL REFERENCES accounts (id),
    currency      text NOT NULL,
    payment_minor bigint NOT NULL CHECK (payment_minor > 0), -- of one payment
    card_minor    bigint NOT NULL CHECK (card_minor >= payment_minor),
    total_minor   bigint NOT NULL CHECK (total_minor >= card_minor),
    PRIMARY KEY (account_id, currency)
);

-- Who may accept which part of every limit: the parts that have not run out never sum to more than
-- all of it. Processes renew theirs while the database is there.
CREATE TABLE floor_shares (
    holder    text PRIMARY KEY, -- a process, the same after its restart
    share_ppm integer NOT NULL CHECK (share_ppm BETWEEN 0 AND 1000000),
    until     timestamptz NOT NULL
);

GRANT INSERT, UPDATE, DELETE ON floor_limits, floor_shares TO holdfast_app;
