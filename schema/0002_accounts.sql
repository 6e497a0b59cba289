-- purpose:     merchants (one row per mode) and their API keys
-- kind:        expand
-- lock-budget: 100 ms
-- inverse:     0002_accounts.down.sql

CREATE TABLE accounts (
    id               uuid PRIMARY KEY,  -- of one mode; the first part of every other key
    public_id        uuid NOT NULL,     -- acct_..., the same in both modes
    livemode         boolean NOT NULL,
    name             text NOT NULL,
    created          timestamptz NOT NULL,
    fee_basis_points integer NOT NULL CHECK (fee_basis_points BETWEEN 0 AND 10000),
    fee_fixed_minor  bigint NOT NULL CHECK (fee_fixed_minor >= 0),
    UNIQUE (public_id, livemode)
);

CREATE TABLE api_keys (
    hash        bytea PRIMARY KEY CHECK (length(hash) = 32), -- SHA-256; the key itself is not kept
    account_id  uuid NOT NULL REFERENCES accounts (id),
    publishable boolean NOT NULL,
    hint        text NOT NULL, -- first and last characters, for people
    created     timestamptz NOT NULL,
    expires     timestamptz
);
CREATE INDEX api_keys_by_account ON api_keys (account_id, created);

GRANT INSERT, UPDATE ON accounts, api_keys TO holdfast_app;
