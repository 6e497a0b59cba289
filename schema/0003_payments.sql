-- purpose:     customers, payment methods, tokens, payment intents, charges, refunds, operations
-- kind:        expand
-- lock-budget: 100 ms
-- inverse:     0003_payments.down.sql
--
-- Conventions of every table (docs/adr/0004-batches-deltas-seals.md):
--   * key (account_id, id): accounts can be spread over clusters, and no query crosses them;
--   * `sequence` orders what was created at the same instant; lists go by (created, sequence);
--   * `details` holds what no query looks at, in the codec of src/core/snapshot.h;
--     `metadata` is NULL when empty;
--   * no foreign keys from hot tables, no index on a column that the hot path changes: an update
--     then stays on its page (HOT), for which half of each page is left free. Rows of payment_intents
--     and operations are all updated once, soon after they were written;
--   * every index but the primary key is partial, `WHERE column IS NOT NULL`, although the column
--     mostly can't be: PostgreSQL 15 then only uses it for a query that names the column. Without
--     statistics it would as gladly look up a key by walking all rows of its account;
--   * columns that never change come first, then those that do: an update logs what lies between.

CREATE TABLE customers (
    account_id             uuid NOT NULL,
    id                     uuid NOT NULL,
    sequence               bigint GENERATED ALWAYS AS IDENTITY,
    created                timestamptz NOT NULL,
    request_fingerprint    bigint NOT NULL,
    version                integer NOT NULL,
    deleted                boolean NOT NULL,
    balance_minor          bigint NOT NULL,
    default_payment_method uuid,
    email                  text,
    name                   text,
    phone                  text,
    description            text,
    details                bytea NOT NULL,
    metadata               jsonb,
    PRIMARY KEY (account_id, id)
) WITH (fillfactor = 80);
CREATE INDEX customers_by_created ON customers (account_id, created, sequence)
    WHERE created IS NOT NULL;
CREATE INDEX customers_by_email ON customers (account_id, email, created, sequence)
    WHERE email IS NOT NULL;

CREATE TABLE payment_methods (
    account_id          uuid NOT NULL,
    id                  uuid NOT NULL,
    sequence            bigint GENERATED ALWAYS AS IDENTITY,
    created             timestamptz NOT NULL,
    request_fingerprint bigint NOT NULL,
    vault_token         text NOT NULL, -- names the card at the acquirer
    version             integer NOT NULL,
    detached            boolean NOT NULL,
    customer            uuid,
    allow_redisplay     text NOT NULL,
    card                bytea NOT NULL,
    billing_details     bytea NOT NULL,
    metadata            jsonb,
    PRIMARY KEY (account_id, id)
) WITH (fillfactor = 80);
CREATE INDEX payment_methods_by_created ON payment_methods (account_id, created, sequence)
    WHERE created IS NOT NULL;
CREATE INDEX payment_methods_by_customer
    ON payment_methods (account_id, customer, created, sequence) WHERE customer IS NOT NULL;

CREATE TABLE tokens (
    account_id          uuid NOT NULL,
    id                  uuid NOT NULL,
    created             timestamptz NOT NULL,
    request_fingerprint bigint NOT NULL,
    vault_token         text NOT NULL,
    card                bytea NOT NULL,
    billing_details     bytea NOT NULL,
    version             integer NOT NULL,
    used                boolean NOT NULL,
    PRIMARY KEY (account_id, id)
) WITH (fillfactor = 80);

CREATE TABLE payment_intents (
    account_id              uuid NOT NULL,
    id                      uuid NOT NULL,
    sequence                bigint GENERATED ALWAYS AS IDENTITY,
    created                 timestamptz NOT NULL,
    request_fingerprint     bigint NOT NULL,
    version                 integer NOT NULL,
    failed_attempts         integer NOT NULL, -- finally failed authorizations
    operations              integer NOT NULL, -- started so far
    amount_minor            bigint NOT NULL CHECK (amount_minor > 0),
    amount_capturable_minor bigint NOT NULL CHECK (amount_capturable_minor >= 0),
    amount_received_minor   bigint NOT NULL CHECK (amount_received_minor >= 0),
    currency                text NOT NULL,
    status                  text NOT NULL,
    capture_method          text NOT NULL,
    confirmation_method     text NOT NULL,
    setup_future_usage      text,
    cancellation_reason     text,
    canceled_at             timestamptz,
    customer                uuid,
    payment_method          uuid,
    latest_charge           uuid,
    active_operation        uuid,
    last_error              bytea,
    details                 bytea NOT NULL,
    metadata                jsonb,
    PRIMARY KEY (account_id, id)
) WITH (fillfactor = 50);
CREATE INDEX payment_intents_by_created ON payment_intents (account_id, created, sequence)
    WHERE created IS NOT NULL;
CREATE INDEX payment_intents_by_customer
    ON payment_intents (account_id, customer, created, sequence) WHERE customer IS NOT NULL;

CREATE TABLE charges (
    account_id            uuid NOT NULL,
    id                    uuid NOT NULL,
    sequence              bigint GENERATED ALWAYS AS IDENTITY,
    created               timestamptz NOT NULL,
    payment_intent        uuid NOT NULL,
    customer              uuid,
    payment_method        uuid,
    authorization_id      uuid, -- the operation that the acquirer knows this money by
    amount_minor          bigint NOT NULL CHECK (amount_minor > 0),
    currency              text NOT NULL,
    card                  bytea NOT NULL,
    billing_details       bytea NOT NULL,
    version               integer NOT NULL,
    amount_captured_minor bigint NOT NULL
        CHECK (amount_captured_minor BETWEEN 0 AND amount_minor),
    amount_refunded_minor bigint NOT NULL
        CHECK (amount_refunded_minor BETWEEN 0 AND amount_minor),
    captured              boolean NOT NULL,
    status                text NOT NULL,
    balance_transaction   uuid,
    authorization_code    text NOT NULL,
    failure_code          text,
    failure_decline_code  text,
    failure_message       text,
    details               bytea NOT NULL,
    metadata              jsonb,
    PRIMARY KEY (account_id, id)
) WITH (fillfactor = 80);
CREATE INDEX charges_by_created ON charges (account_id, created, sequence)
    WHERE created IS NOT NULL;
CREATE INDEX charges_by_payment_intent
    ON charges (account_id, payment_intent, created, sequence) WHERE payment_intent IS NOT NULL;
CREATE INDEX charges_by_customer
    ON charges (account_id, customer, created, sequence) WHERE customer IS NOT NULL;

CREATE TABLE refunds (
    account_id                  uuid NOT NULL,
    id                          uuid NOT NULL,
    sequence                    bigint GENERATED ALWAYS AS IDENTITY,
    created                     timestamptz NOT NULL,
    request_fingerprint         bigint NOT NULL,
    charge                      uuid NOT NULL,
    payment_intent              uuid NOT NULL,
    amount_minor                bigint NOT NULL CHECK (amount_minor > 0),
    currency                    text NOT NULL,
    reason                      text,
    version                     integer NOT NULL,
    status                      text NOT NULL,
    failure_reason              text,
    balance_transaction         uuid,
    failure_balance_transaction uuid,
    metadata                    jsonb,
    PRIMARY KEY (account_id, id)
) WITH (fillfactor = 80);
CREATE INDEX refunds_by_created ON refunds (account_id, created, sequence)
    WHERE created IS NOT NULL;
CREATE INDEX refunds_by_charge ON refunds (account_id, charge, created, sequence)
    WHERE charge IS NOT NULL;
CREATE INDEX refunds_by_payment_intent ON refunds (account_id, payment_intent, created, sequence)
    WHERE payment_intent IS NOT NULL;

-- One call to the acquirer. started_in is the transaction that wrote it: the resolver looks at the
-- rows of transactions that its last look could not see, so it can't miss one that commits late,
-- whatever the clocks say.
CREATE TABLE operations (
    account_id     uuid NOT NULL,
    id             uuid NOT NULL,
    started_in     xid8 NOT NULL DEFAULT pg_current_xact_id(),
    started        timestamptz NOT NULL,
    payment_intent uuid NOT NULL,
    kind           text NOT NULL,
    amount_minor   bigint NOT NULL,
    currency       text NOT NULL,
    version        integer NOT NULL,
    state          text NOT NULL,
    owner          uuid NOT NULL,
    valid_until    timestamptz NOT NULL,
    reversing      boolean NOT NULL,
    details        bytea NOT NULL, -- the whole operation; the five columns above override it
    PRIMARY KEY (account_id, id)
) WITH (fillfactor = 50);
CREATE INDEX operations_by_transaction ON operations (started_in);

-- Where the resolver is: what could be seen when it last looked. The operations of then that were
-- still open are listed in open_operations. One row, for all instances.
CREATE TABLE operation_sweep (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    seen      pg_snapshot NOT NULL
);
INSERT INTO operation_sweep (seen) VALUES ('3:3:'); -- nothing yet: 3 is the first transaction

CREATE TABLE open_operations (
    account_id uuid NOT NULL,
    id         uuid NOT NULL,
    PRIMARY KEY (account_id, id)
);

GRANT INSERT, UPDATE ON customers, payment_methods, tokens, payment_intents, charges, refunds,
    operations TO holdfast_app;
GRANT UPDATE ON operation_sweep TO holdfast_app;
GRANT INSERT, DELETE ON open_operations TO holdfast_app;
