-- Second commit: the acquirer said yes. What other payments wait for comes last.
BEGIN;
UPDATE operations SET version = 2, state = 'approved' WHERE account_id = @account@ AND id = :op;
INSERT INTO charges (account_id, id, created, payment_intent, payment_method, authorization_id, amount_minor, currency, card, billing_details, version, amount_captured_minor, amount_refunded_minor, captured, status, balance_transaction, authorization_code, details) VALUES (@account@, :op, now(), :pi, @payment_method@, :op, 1099, 'usd', @card@, @billing_details@, 1, 1099, 0, true, 'succeeded', :op, @authorization_code@, @charge_details@);
INSERT INTO balance_transactions (account_id, id, created, available_on, amount_minor, fee_minor, source, source_kind, kind, currency, description) VALUES (@account@, (lpad(to_hex(:n::bigint), 12, '0') || '7000' || lpad(to_hex(:client_id::bigint), 16, '0'))::uuid, now(), now() + interval '2 days', 1099, 62, :op, 'charge', 'capture', 'usd', @description@);
INSERT INTO entries (account_id, transaction_id, line, amount_minor, ledger, currency) SELECT @account@, (lpad(to_hex(:n::bigint), 12, '0') || '7000' || lpad(to_hex(:client_id::bigint), 16, '0'))::uuid, line, amount, ledger, 'usd' FROM (VALUES (1::smallint, 1037, 'pending'), (2::smallint, 62, 'fee_income'), (3::smallint, -1099, 'acquirer_receivable')) AS v (line, amount, ledger);
UPDATE payment_intents SET version = 2, status = 'succeeded', amount_received_minor = 1099, latest_charge = :op, active_operation = NULL WHERE account_id = @account@ AND id = :pi;
INSERT INTO events (account_id, id, created, object_id, request_id, type, object_kind, idempotency_key, object) SELECT @account@, (lpad(to_hex(:n::bigint), 12, '0') || k || lpad(to_hex(:client_id::bigint), 16, '0'))::uuid, now(), o, :pi, t, s, :pi, b FROM (VALUES ('7001', :op::uuid, 'charge.succeeded', 'charge', @event_charge@::bytea), ('7002', :pi::uuid, 'payment_intent.succeeded', 'payment_intent', @event_succeeded@::bytea)) AS v (k, o, t, s, b);
INSERT INTO replays (account_id, replay_key, fingerprint, request_id, created, answer) VALUES (@account@, gen_random_uuid(), 1, :pi, now(), @answer@);
-- BALANCES
COMMIT;
