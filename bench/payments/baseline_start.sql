-- First commit of a payment: it exists, and the acquirer is about to be asked.
\set n :n + 1
BEGIN;
INSERT INTO operations (account_id, id, started, payment_intent, kind, amount_minor, currency, version, state, owner, valid_until, reversing, details) VALUES (@account@, gen_random_uuid(), now(), gen_random_uuid(), 'sale', 1099, 'usd', 1, 'started', @account@, now() + interval '15 s', false, @operation_details@) RETURNING id AS op, payment_intent AS pi \gset
INSERT INTO payment_intents (account_id, id, created, request_fingerprint, version, failed_attempts, operations, amount_minor, amount_capturable_minor, amount_received_minor, currency, status, capture_method, confirmation_method, payment_method, active_operation, details) VALUES (@account@, :pi, now(), 1, 1, 0, 1, 1099, 0, 0, 'usd', 'processing', 'automatic', 'automatic', @payment_method@, :op, @intent_details@);
INSERT INTO events (account_id, id, created, object_id, request_id, type, object_kind, idempotency_key, object) VALUES (@account@, (lpad(to_hex(:n::bigint), 12, '0') || '7000' || lpad(to_hex(:client_id::bigint), 16, '0'))::uuid, now(), :pi, :pi, 'payment_intent.created', 'payment_intent', :pi, @event_created@);
COMMIT;
