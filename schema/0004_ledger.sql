-- purpose:     double-entry ledger: balance transactions, entries, balances and their deltas
-- kind:        expand
-- lock-budget: 100 ms
-- inverse:     0004_ledger.down.sql
--
-- Entries are INSERT-only: no role that logs in may change or remove one, and a trigger refuses a
-- statement that leaves a transaction unbalanced in any currency. `ledger` names the ledger account;
-- platform accounts (fee_income and on) belong to the platform, the others to account_id.
--
-- A balance is its folded base plus its deltas. Payments only insert deltas, one per ledger account
-- and batch, so no row is shared by two payments under way.

CREATE TABLE balance_transactions (
    account_id   uuid NOT NULL,
    id           uuid NOT NULL,
    sequence     bigint GENERATED ALWAYS AS IDENTITY,
    created      timestamptz NOT NULL,
    available_on timestamptz NOT NULL,
    amount_minor bigint NOT NULL, -- signed, gross
    fee_minor    bigint NOT NULL,
    source       uuid NOT NULL,
    source_kind  text NOT NULL,
    kind         text NOT NULL,
    currency     text NOT NULL,
    description  text,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX balance_transactions_by_created
    ON balance_transactions (account_id, created, sequence)
    WHERE created IS NOT NULL;

CREATE TABLE entries (
    account_id     uuid NOT NULL,
    transaction_id uuid NOT NULL, -- the balance transaction
    line           smallint NOT NULL,
    amount_minor   bigint NOT NULL, -- credit > 0, debit < 0
    ledger         text NOT NULL,
    currency       text NOT NULL,
    PRIMARY KEY (account_id, transaction_id, line)
);

CREATE FUNCTION refuse_unbalanced_entries() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    unbalanced record;
BEGIN
    SELECT account_id, transaction_id, currency, sum(amount_minor) AS amount_minor INTO unbalanced
    FROM inserted
    GROUP BY account_id, transaction_id, currency
    HAVING sum(amount_minor) <> 0
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entries of transaction % sum to % %', unbalanced.transaction_id,
            unbalanced.amount_minor, unbalanced.currency
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entries_balanced', TABLE = 'entries';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER entries_balanced AFTER INSERT ON entries REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_unbalanced_entries();

-- account_id is the owner of the ledger account here: nil for the platform's.
CREATE TABLE balances (
    account_id   uuid NOT NULL,
    ledger       text NOT NULL,
    currency     text NOT NULL,
    amount_minor bigint NOT NULL,
    PRIMARY KEY (account_id, ledger, currency)
) WITH (fillfactor = 50);

CREATE TABLE balance_deltas (
    account_id   uuid NOT NULL,
    sequence     bigint GENERATED ALWAYS AS IDENTITY,
    ledger       text NOT NULL,
    currency     text NOT NULL,
    amount_minor bigint NOT NULL,
    PRIMARY KEY (account_id, sequence)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_cost_delay = 0);

GRANT INSERT ON balance_transactions, entries TO holdfast_app;
GRANT INSERT, UPDATE ON balances TO holdfast_app;
GRANT INSERT, DELETE ON balance_deltas TO holdfast_app;
