-- Every statement of src/store as the database gets it. Kept current by
-- tests/store/statements_test.cc: TEST_UPDATE=1 writes it anew.

-- insert_customers
INSERT INTO customers (account_id, id, created, request_fingerprint, version, deleted, balance_minor, default_payment_method, email, name, phone, description, details, metadata) SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), unnest($9), unnest($10), unnest($11), unnest($12), unnest($13), unnest($14);

-- update_customers
UPDATE customers AS t SET version = u.version, deleted = u.deleted, balance_minor = u.balance_minor, default_payment_method = u.default_payment_method, email = u.email, name = u.name, phone = u.phone, description = u.description, details = CASE WHEN u.changed THEN u.details ELSE t.details END, metadata = CASE WHEN u.changed THEN u.metadata ELSE t.metadata END FROM (SELECT unnest($1) AS account_id, unnest($2) AS id, unnest($3) AS version, unnest($4) AS deleted, unnest($5) AS balance_minor, unnest($6) AS default_payment_method, unnest($7) AS email, unnest($8) AS name, unnest($9) AS phone, unnest($10) AS description, unnest($11) AS changed, unnest($12) AS details, unnest($13) AS metadata) AS u WHERE t.account_id = u.account_id AND t.id = u.id;

-- read_customers
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.deleted, t.balance_minor, t.default_payment_method, t.email, t.name, t.phone, t.description, t.details, t.metadata FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.deleted, t.balance_minor, t.default_payment_method, t.email, t.name, t.phone, t.description, t.details, t.metadata FROM customers AS t WHERE t.account_id = k.account_id AND t.id = k.id OFFSET 0) AS t;

-- lock_customers
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.deleted, t.balance_minor, t.default_payment_method, t.email, t.name, t.phone, t.description, t.details, t.metadata FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.deleted, t.balance_minor, t.default_payment_method, t.email, t.name, t.phone, t.description, t.details, t.metadata FROM customers AS t WHERE t.account_id = k.account_id AND t.id = k.id FOR NO KEY UPDATE SKIP LOCKED) AS t;

-- lock_wait_customers
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.deleted, t.balance_minor, t.default_payment_method, t.email, t.name, t.phone, t.description, t.details, t.metadata FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.deleted, t.balance_minor, t.default_payment_method, t.email, t.name, t.phone, t.description, t.details, t.metadata FROM customers AS t WHERE t.account_id = k.account_id AND t.id = k.id FOR NO KEY UPDATE) AS t;

-- exists_customers
SELECT t.account_id, t.id FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id FROM customers AS t WHERE t.account_id = k.account_id AND t.id = k.id OFFSET 0) AS t;

-- insert_payment_methods
INSERT INTO payment_methods (account_id, id, created, request_fingerprint, vault_token, version, detached, customer, allow_redisplay, card, billing_details, metadata) SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), unnest($9), unnest($10), unnest($11), unnest($12);

-- update_payment_methods
UPDATE payment_methods AS t SET version = u.version, detached = u.detached, customer = u.customer, allow_redisplay = u.allow_redisplay, card = CASE WHEN u.changed THEN u.card ELSE t.card END, billing_details = CASE WHEN u.changed THEN u.billing_details ELSE t.billing_details END, metadata = CASE WHEN u.changed THEN u.metadata ELSE t.metadata END FROM (SELECT unnest($1) AS account_id, unnest($2) AS id, unnest($3) AS version, unnest($4) AS detached, unnest($5) AS customer, unnest($6) AS allow_redisplay, unnest($7) AS changed, unnest($8) AS card, unnest($9) AS billing_details, unnest($10) AS metadata) AS u WHERE t.account_id = u.account_id AND t.id = u.id;

-- read_payment_methods
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.vault_token, t.version, t.detached, t.customer, t.allow_redisplay, t.card, t.billing_details, t.metadata FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.vault_token, t.version, t.detached, t.customer, t.allow_redisplay, t.card, t.billing_details, t.metadata FROM payment_methods AS t WHERE t.account_id = k.account_id AND t.id = k.id OFFSET 0) AS t;

-- lock_payment_methods
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.vault_token, t.version, t.detached, t.customer, t.allow_redisplay, t.card, t.billing_details, t.metadata FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.vault_token, t.version, t.detached, t.customer, t.allow_redisplay, t.card, t.billing_details, t.metadata FROM payment_methods AS t WHERE t.account_id = k.account_id AND t.id = k.id FOR NO KEY UPDATE SKIP LOCKED) AS t;

-- lock_wait_payment_methods
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.vault_token, t.version, t.detached, t.customer, t.allow_redisplay, t.card, t.billing_details, t.metadata FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.vault_token, t.version, t.detached, t.customer, t.allow_redisplay, t.card, t.billing_details, t.metadata FROM payment_methods AS t WHERE t.account_id = k.account_id AND t.id = k.id FOR NO KEY UPDATE) AS t;

-- exists_payment_methods
SELECT t.account_id, t.id FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id FROM payment_methods AS t WHERE t.account_id = k.account_id AND t.id = k.id OFFSET 0) AS t;

-- insert_tokens
INSERT INTO tokens (account_id, id, created, request_fingerprint, vault_token, card, billing_details, version, used) SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), unnest($9);

-- update_tokens
UPDATE tokens AS t SET version = u.version, used = u.used FROM (SELECT unnest($1) AS account_id, unnest($2) AS id, unnest($3) AS version, unnest($4) AS used) AS u WHERE t.account_id = u.account_id AND t.id = u.id;

-- read_tokens
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.vault_token, t.card, t.billing_details, t.version, t.used FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.vault_token, t.card, t.billing_details, t.version, t.used FROM tokens AS t WHERE t.account_id = k.account_id AND t.id = k.id OFFSET 0) AS t;

-- lock_tokens
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.vault_token, t.card, t.billing_details, t.version, t.used FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.vault_token, t.card, t.billing_details, t.version, t.used FROM tokens AS t WHERE t.account_id = k.account_id AND t.id = k.id FOR NO KEY UPDATE SKIP LOCKED) AS t;

-- lock_wait_tokens
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.vault_token, t.card, t.billing_details, t.version, t.used FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.vault_token, t.card, t.billing_details, t.version, t.used FROM tokens AS t WHERE t.account_id = k.account_id AND t.id = k.id FOR NO KEY UPDATE) AS t;

-- exists_tokens
SELECT t.account_id, t.id FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id FROM tokens AS t WHERE t.account_id = k.account_id AND t.id = k.id OFFSET 0) AS t;

-- insert_payment_intents
INSERT INTO payment_intents (account_id, id, created, request_fingerprint, version, failed_attempts, operations, amount_minor, amount_capturable_minor, amount_received_minor, currency, status, capture_method, confirmation_method, setup_future_usage, cancellation_reason, canceled_at, customer, payment_method, latest_charge, active_operation, last_error, details, metadata) SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), unnest($9), unnest($10), unnest($11), unnest($12), unnest($13), unnest($14), unnest($15), unnest($16), unnest($17), unnest($18), unnest($19), unnest($20), unnest($21), unnest($22), unnest($23), unnest($24);

-- update_payment_intents
UPDATE payment_intents AS t SET version = u.version, failed_attempts = u.failed_attempts, operations = u.operations, amount_minor = u.amount_minor, amount_capturable_minor = u.amount_capturable_minor, amount_received_minor = u.amount_received_minor, currency = u.currency, status = u.status, capture_method = u.capture_method, confirmation_method = u.confirmation_method, setup_future_usage = u.setup_future_usage, cancellation_reason = u.cancellation_reason, canceled_at = u.canceled_at, customer = u.customer, payment_method = u.payment_method, latest_charge = u.latest_charge, active_operation = u.active_operation, last_error = u.last_error, details = CASE WHEN u.changed THEN u.details ELSE t.details END, metadata = CASE WHEN u.changed THEN u.metadata ELSE t.metadata END FROM (SELECT unnest($1) AS account_id, unnest($2) AS id, unnest($3) AS version, unnest($4) AS failed_attempts, unnest($5) AS operations, unnest($6) AS amount_minor, unnest($7) AS amount_capturable_minor, unnest($8) AS amount_received_minor, unnest($9) AS currency, unnest($10) AS status, unnest($11) AS capture_method, unnest($12) AS confirmation_method, unnest($13) AS setup_future_usage, unnest($14) AS cancellation_reason, unnest($15) AS canceled_at, unnest($16) AS customer, unnest($17) AS payment_method, unnest($18) AS latest_charge, unnest($19) AS active_operation, unnest($20) AS last_error, unnest($21) AS changed, unnest($22) AS details, unnest($23) AS metadata) AS u WHERE t.account_id = u.account_id AND t.id = u.id;

-- read_payment_intents
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.failed_attempts, t.operations, t.amount_minor, t.amount_capturable_minor, t.amount_received_minor, t.currency, t.status, t.capture_method, t.confirmation_method, t.setup_future_usage, t.cancellation_reason, t.canceled_at, t.customer, t.payment_method, t.latest_charge, t.active_operation, t.last_error, t.details, t.metadata FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.failed_attempts, t.operations, t.amount_minor, t.amount_capturable_minor, t.amount_received_minor, t.currency, t.status, t.capture_method, t.confirmation_method, t.setup_future_usage, t.cancellation_reason, t.canceled_at, t.customer, t.payment_method, t.latest_charge, t.active_operation, t.last_error, t.details, t.metadata FROM payment_intents AS t WHERE t.account_id = k.account_id AND t.id = k.id OFFSET 0) AS t;

-- lock_payment_intents
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.failed_attempts, t.operations, t.amount_minor, t.amount_capturable_minor, t.amount_received_minor, t.currency, t.status, t.capture_method, t.confirmation_method, t.setup_future_usage, t.cancellation_reason, t.canceled_at, t.customer, t.payment_method, t.latest_charge, t.active_operation, t.last_error, t.details, t.metadata FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.failed_attempts, t.operations, t.amount_minor, t.amount_capturable_minor, t.amount_received_minor, t.currency, t.status, t.capture_method, t.confirmation_method, t.setup_future_usage, t.cancellation_reason, t.canceled_at, t.customer, t.payment_method, t.latest_charge, t.active_operation, t.last_error, t.details, t.metadata FROM payment_intents AS t WHERE t.account_id = k.account_id AND t.id = k.id FOR NO KEY UPDATE SKIP LOCKED) AS t;

-- lock_wait_payment_intents
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.failed_attempts, t.operations, t.amount_minor, t.amount_capturable_minor, t.amount_received_minor, t.currency, t.status, t.capture_method, t.confirmation_method, t.setup_future_usage, t.cancellation_reason, t.canceled_at, t.customer, t.payment_method, t.latest_charge, t.active_operation, t.last_error, t.details, t.metadata FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.failed_attempts, t.operations, t.amount_minor, t.amount_capturable_minor, t.amount_received_minor, t.currency, t.status, t.capture_method, t.confirmation_method, t.setup_future_usage, t.cancellation_reason, t.canceled_at, t.customer, t.payment_method, t.latest_charge, t.active_operation, t.last_error, t.details, t.metadata FROM payment_intents AS t WHERE t.account_id = k.account_id AND t.id = k.id FOR NO KEY UPDATE) AS t;

-- exists_payment_intents
SELECT t.account_id, t.id FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id FROM payment_intents AS t WHERE t.account_id = k.account_id AND t.id = k.id OFFSET 0) AS t;

-- insert_charges
INSERT INTO charges (account_id, id, created, payment_intent, customer, payment_method, authorization_id, amount_minor, currency, card, billing_details, version, amount_captured_minor, amount_refunded_minor, captured, status, balance_transaction, authorization_code, failure_code, failure_decline_code, failure_message, details, metadata) SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), unnest($9), unnest($10), unnest($11), unnest($12), unnest($13), unnest($14), unnest($15), unnest($16), unnest($17), unnest($18), unnest($19), unnest($20), unnest($21), unnest($22), unnest($23);

-- update_charges
UPDATE charges AS t SET version = u.version, amount_captured_minor = u.amount_captured_minor, amount_refunded_minor = u.amount_refunded_minor, captured = u.captured, status = u.status, balance_transaction = u.balance_transaction, authorization_code = u.authorization_code, failure_code = u.failure_code, failure_decline_code = u.failure_decline_code, failure_message = u.failure_message, details = CASE WHEN u.changed THEN u.details ELSE t.details END, metadata = CASE WHEN u.changed THEN u.metadata ELSE t.metadata END FROM (SELECT unnest($1) AS account_id, unnest($2) AS id, unnest($3) AS version, unnest($4) AS amount_captured_minor, unnest($5) AS amount_refunded_minor, unnest($6) AS captured, unnest($7) AS status, unnest($8) AS balance_transaction, unnest($9) AS authorization_code, unnest($10) AS failure_code, unnest($11) AS failure_decline_code, unnest($12) AS failure_message, unnest($13) AS changed, unnest($14) AS details, unnest($15) AS metadata) AS u WHERE t.account_id = u.account_id AND t.id = u.id;

-- read_charges
SELECT t.account_id, t.id, t.created, t.payment_intent, t.customer, t.payment_method, t.authorization_id, t.amount_minor, t.currency, t.card, t.billing_details, t.version, t.amount_captured_minor, t.amount_refunded_minor, t.captured, t.status, t.balance_transaction, t.authorization_code, t.failure_code, t.failure_decline_code, t.failure_message, t.details, t.metadata FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id, t.created, t.payment_intent, t.customer, t.payment_method, t.authorization_id, t.amount_minor, t.currency, t.card, t.billing_details, t.version, t.amount_captured_minor, t.amount_refunded_minor, t.captured, t.status, t.balance_transaction, t.authorization_code, t.failure_code, t.failure_decline_code, t.failure_message, t.details, t.metadata FROM charges AS t WHERE t.account_id = k.account_id AND t.id = k.id OFFSET 0) AS t;

-- insert_refunds
INSERT INTO refunds (account_id, id, created, request_fingerprint, charge, payment_intent, amount_minor, currency, reason, version, status, failure_reason, balance_transaction, failure_balance_transaction, metadata) SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), unnest($9), unnest($10), unnest($11), unnest($12), unnest($13), unnest($14), unnest($15);

-- update_refunds
UPDATE refunds AS t SET version = u.version, status = u.status, failure_reason = u.failure_reason, balance_transaction = u.balance_transaction, failure_balance_transaction = u.failure_balance_transaction, metadata = CASE WHEN u.changed THEN u.metadata ELSE t.metadata END FROM (SELECT unnest($1) AS account_id, unnest($2) AS id, unnest($3) AS version, unnest($4) AS status, unnest($5) AS failure_reason, unnest($6) AS balance_transaction, unnest($7) AS failure_balance_transaction, unnest($8) AS changed, unnest($9) AS metadata) AS u WHERE t.account_id = u.account_id AND t.id = u.id;

-- read_refunds
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.charge, t.payment_intent, t.amount_minor, t.currency, t.reason, t.version, t.status, t.failure_reason, t.balance_transaction, t.failure_balance_transaction, t.metadata FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.charge, t.payment_intent, t.amount_minor, t.currency, t.reason, t.version, t.status, t.failure_reason, t.balance_transaction, t.failure_balance_transaction, t.metadata FROM refunds AS t WHERE t.account_id = k.account_id AND t.id = k.id OFFSET 0) AS t;

-- insert_operations
INSERT INTO operations (account_id, id, started, payment_intent, amount_minor, currency, version, kind, state, owner, valid_until, reversing, details) SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), unnest($9), unnest($10), unnest($11), unnest($12), unnest($13);

-- update_operations
UPDATE operations AS t SET version = u.version, kind = u.kind, state = u.state, owner = u.owner, valid_until = u.valid_until, reversing = u.reversing, details = CASE WHEN u.changed THEN u.details ELSE t.details END FROM (SELECT unnest($1) AS account_id, unnest($2) AS id, unnest($3) AS version, unnest($4) AS kind, unnest($5) AS state, unnest($6) AS owner, unnest($7) AS valid_until, unnest($8) AS reversing, unnest($9) AS changed, unnest($10) AS details) AS u WHERE t.account_id = u.account_id AND t.id = u.id;

-- read_operations
SELECT t.account_id, t.id, t.started, t.payment_intent, t.amount_minor, t.currency, t.version, t.kind, t.state, t.owner, t.valid_until, t.reversing, t.details FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id, t.started, t.payment_intent, t.amount_minor, t.currency, t.version, t.kind, t.state, t.owner, t.valid_until, t.reversing, t.details FROM operations AS t WHERE t.account_id = k.account_id AND t.id = k.id OFFSET 0) AS t;

-- insert_balance_transactions
INSERT INTO balance_transactions (account_id, id, created, available_on, amount_minor, fee_minor, source, source_kind, kind, currency, description) SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), unnest($9), unnest($10), unnest($11);

-- insert_entries
INSERT INTO entries (account_id, transaction_id, line, amount_minor, ledger, currency) SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6);

-- insert_balance_deltas
INSERT INTO balance_deltas (account_id, ledger, currency, amount_minor) SELECT unnest($1), unnest($2), unnest($3), unnest($4);

-- insert_events
INSERT INTO events (account_id, id, created, object_id, request_id, type, object_kind, idempotency_key, object) SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), unnest($9);

-- insert_replays
INSERT INTO replays (account_id, replay_key, fingerprint, request_id, created, answer) SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6);

-- read_by_latest_charge
SELECT t.account_id, t.id, t.created, t.payment_intent, t.customer, t.payment_method, t.authorization_id, t.amount_minor, t.currency, t.card, t.billing_details, t.version, t.amount_captured_minor, t.amount_refunded_minor, t.captured, t.status, t.balance_transaction, t.authorization_code, t.failure_code, t.failure_decline_code, t.failure_message, t.details, t.metadata FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k JOIN payment_intents AS p ON p.account_id = k.account_id AND p.id = k.id JOIN charges AS t ON t.account_id = p.account_id AND t.id = p.latest_charge;

-- read_by_active_operation
SELECT t.account_id, t.id, t.started, t.payment_intent, t.amount_minor, t.currency, t.version, t.kind, t.state, t.owner, t.valid_until, t.reversing, t.details FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k JOIN payment_intents AS p ON p.account_id = k.account_id AND p.id = k.id JOIN operations AS t ON t.account_id = p.account_id AND t.id = p.active_operation;

-- read_by_payment_method
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.vault_token, t.version, t.detached, t.customer, t.allow_redisplay, t.card, t.billing_details, t.metadata FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k JOIN payment_intents AS p ON p.account_id = k.account_id AND p.id = k.id JOIN payment_methods AS t ON t.account_id = p.account_id AND t.id = p.payment_method;

-- read_replays
SELECT t.account_id, t.replay_key, t.fingerprint, t.request_id, t.created, t.answer FROM (SELECT unnest($1) AS account_id, unnest($2) AS replay_key) AS k JOIN replays AS t ON t.account_id = k.account_id AND t.replay_key = k.replay_key;

-- claim
SELECT pg_try_advisory_xact_lock(n) FROM unnest($1) AS n;

-- claim_wait
SELECT pg_advisory_xact_lock(n) FROM unnest($1) AS n;

-- lock_lane
SELECT pg_advisory_xact_lock($1, $2), clock_timestamp();

-- insert_seal
INSERT INTO seals (lane, sequence, created, commands, rows, events, entries, entries_sum_minor, digest, previous, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- last_seal
SELECT lane, sequence, created, commands, rows, events, entries, entries_sum_minor, digest, previous, hash FROM seals WHERE lane = $1 ORDER BY sequence DESC LIMIT 1;

-- raise_barrier
UPDATE lanes SET barriers = barriers + 1 WHERE id = $1;

-- register_lane
INSERT INTO lanes (id) VALUES ($1) RETURNING number;

-- list_customers_newest
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.deleted, t.balance_minor, t.default_payment_method, t.email, t.name, t.phone, t.description, t.details, t.metadata FROM customers AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.created IS NOT NULL AND NOT t.deleted ORDER BY t.created DESC, t.sequence DESC LIMIT $6;

-- list_customers_oldest
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.deleted, t.balance_minor, t.default_payment_method, t.email, t.name, t.phone, t.description, t.details, t.metadata FROM customers AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.created IS NOT NULL AND NOT t.deleted ORDER BY t.created, t.sequence LIMIT $6;

-- list_customers_by_email_newest
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.deleted, t.balance_minor, t.default_payment_method, t.email, t.name, t.phone, t.description, t.details, t.metadata FROM customers AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND NOT t.deleted AND t.email = $7 ORDER BY t.created DESC, t.sequence DESC LIMIT $6;

-- list_customers_by_email_oldest
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.deleted, t.balance_minor, t.default_payment_method, t.email, t.name, t.phone, t.description, t.details, t.metadata FROM customers AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND NOT t.deleted AND t.email = $7 ORDER BY t.created, t.sequence LIMIT $6;

-- list_payment_methods_newest
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.vault_token, t.version, t.detached, t.customer, t.allow_redisplay, t.card, t.billing_details, t.metadata FROM payment_methods AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.created IS NOT NULL ORDER BY t.created DESC, t.sequence DESC LIMIT $6;

-- list_payment_methods_oldest
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.vault_token, t.version, t.detached, t.customer, t.allow_redisplay, t.card, t.billing_details, t.metadata FROM payment_methods AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.created IS NOT NULL ORDER BY t.created, t.sequence LIMIT $6;

-- list_payment_methods_by_customer_newest
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.vault_token, t.version, t.detached, t.customer, t.allow_redisplay, t.card, t.billing_details, t.metadata FROM payment_methods AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.customer = $7 ORDER BY t.created DESC, t.sequence DESC LIMIT $6;

-- list_payment_methods_by_customer_oldest
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.vault_token, t.version, t.detached, t.customer, t.allow_redisplay, t.card, t.billing_details, t.metadata FROM payment_methods AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.customer = $7 ORDER BY t.created, t.sequence LIMIT $6;

-- list_payment_intents_newest
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.failed_attempts, t.operations, t.amount_minor, t.amount_capturable_minor, t.amount_received_minor, t.currency, t.status, t.capture_method, t.confirmation_method, t.setup_future_usage, t.cancellation_reason, t.canceled_at, t.customer, t.payment_method, t.latest_charge, t.active_operation, t.last_error, t.details, t.metadata FROM payment_intents AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.created IS NOT NULL ORDER BY t.created DESC, t.sequence DESC LIMIT $6;

-- list_payment_intents_oldest
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.failed_attempts, t.operations, t.amount_minor, t.amount_capturable_minor, t.amount_received_minor, t.currency, t.status, t.capture_method, t.confirmation_method, t.setup_future_usage, t.cancellation_reason, t.canceled_at, t.customer, t.payment_method, t.latest_charge, t.active_operation, t.last_error, t.details, t.metadata FROM payment_intents AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.created IS NOT NULL ORDER BY t.created, t.sequence LIMIT $6;

-- list_payment_intents_by_customer_newest
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.failed_attempts, t.operations, t.amount_minor, t.amount_capturable_minor, t.amount_received_minor, t.currency, t.status, t.capture_method, t.confirmation_method, t.setup_future_usage, t.cancellation_reason, t.canceled_at, t.customer, t.payment_method, t.latest_charge, t.active_operation, t.last_error, t.details, t.metadata FROM payment_intents AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.customer = $7 ORDER BY t.created DESC, t.sequence DESC LIMIT $6;

-- list_payment_intents_by_customer_oldest
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.version, t.failed_attempts, t.operations, t.amount_minor, t.amount_capturable_minor, t.amount_received_minor, t.currency, t.status, t.capture_method, t.confirmation_method, t.setup_future_usage, t.cancellation_reason, t.canceled_at, t.customer, t.payment_method, t.latest_charge, t.active_operation, t.last_error, t.details, t.metadata FROM payment_intents AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.customer = $7 ORDER BY t.created, t.sequence LIMIT $6;

-- list_charges_newest
SELECT t.account_id, t.id, t.created, t.payment_intent, t.customer, t.payment_method, t.authorization_id, t.amount_minor, t.currency, t.card, t.billing_details, t.version, t.amount_captured_minor, t.amount_refunded_minor, t.captured, t.status, t.balance_transaction, t.authorization_code, t.failure_code, t.failure_decline_code, t.failure_message, t.details, t.metadata FROM charges AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.created IS NOT NULL ORDER BY t.created DESC, t.sequence DESC LIMIT $6;

-- list_charges_oldest
SELECT t.account_id, t.id, t.created, t.payment_intent, t.customer, t.payment_method, t.authorization_id, t.amount_minor, t.currency, t.card, t.billing_details, t.version, t.amount_captured_minor, t.amount_refunded_minor, t.captured, t.status, t.balance_transaction, t.authorization_code, t.failure_code, t.failure_decline_code, t.failure_message, t.details, t.metadata FROM charges AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.created IS NOT NULL ORDER BY t.created, t.sequence LIMIT $6;

-- list_charges_by_customer_newest
SELECT t.account_id, t.id, t.created, t.payment_intent, t.customer, t.payment_method, t.authorization_id, t.amount_minor, t.currency, t.card, t.billing_details, t.version, t.amount_captured_minor, t.amount_refunded_minor, t.captured, t.status, t.balance_transaction, t.authorization_code, t.failure_code, t.failure_decline_code, t.failure_message, t.details, t.metadata FROM charges AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.customer = $7 ORDER BY t.created DESC, t.sequence DESC LIMIT $6;

-- list_charges_by_customer_oldest
SELECT t.account_id, t.id, t.created, t.payment_intent, t.customer, t.payment_method, t.authorization_id, t.amount_minor, t.currency, t.card, t.billing_details, t.version, t.amount_captured_minor, t.amount_refunded_minor, t.captured, t.status, t.balance_transaction, t.authorization_code, t.failure_code, t.failure_decline_code, t.failure_message, t.details, t.metadata FROM charges AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.customer = $7 ORDER BY t.created, t.sequence LIMIT $6;

-- list_charges_by_payment_intent_newest
SELECT t.account_id, t.id, t.created, t.payment_intent, t.customer, t.payment_method, t.authorization_id, t.amount_minor, t.currency, t.card, t.billing_details, t.version, t.amount_captured_minor, t.amount_refunded_minor, t.captured, t.status, t.balance_transaction, t.authorization_code, t.failure_code, t.failure_decline_code, t.failure_message, t.details, t.metadata FROM charges AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.payment_intent = $7 AND ($8 IS NULL OR t.customer = $8) ORDER BY t.created DESC, t.sequence DESC LIMIT $6;

-- list_charges_by_payment_intent_oldest
SELECT t.account_id, t.id, t.created, t.payment_intent, t.customer, t.payment_method, t.authorization_id, t.amount_minor, t.currency, t.card, t.billing_details, t.version, t.amount_captured_minor, t.amount_refunded_minor, t.captured, t.status, t.balance_transaction, t.authorization_code, t.failure_code, t.failure_decline_code, t.failure_message, t.details, t.metadata FROM charges AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.payment_intent = $7 AND ($8 IS NULL OR t.customer = $8) ORDER BY t.created, t.sequence LIMIT $6;

-- list_refunds_newest
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.charge, t.payment_intent, t.amount_minor, t.currency, t.reason, t.version, t.status, t.failure_reason, t.balance_transaction, t.failure_balance_transaction, t.metadata FROM refunds AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.created IS NOT NULL ORDER BY t.created DESC, t.sequence DESC LIMIT $6;

-- list_refunds_oldest
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.charge, t.payment_intent, t.amount_minor, t.currency, t.reason, t.version, t.status, t.failure_reason, t.balance_transaction, t.failure_balance_transaction, t.metadata FROM refunds AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.created IS NOT NULL ORDER BY t.created, t.sequence LIMIT $6;

-- list_refunds_by_payment_intent_newest
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.charge, t.payment_intent, t.amount_minor, t.currency, t.reason, t.version, t.status, t.failure_reason, t.balance_transaction, t.failure_balance_transaction, t.metadata FROM refunds AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.payment_intent = $7 ORDER BY t.created DESC, t.sequence DESC LIMIT $6;

-- list_refunds_by_payment_intent_oldest
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.charge, t.payment_intent, t.amount_minor, t.currency, t.reason, t.version, t.status, t.failure_reason, t.balance_transaction, t.failure_balance_transaction, t.metadata FROM refunds AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.payment_intent = $7 ORDER BY t.created, t.sequence LIMIT $6;

-- list_refunds_by_charge_newest
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.charge, t.payment_intent, t.amount_minor, t.currency, t.reason, t.version, t.status, t.failure_reason, t.balance_transaction, t.failure_balance_transaction, t.metadata FROM refunds AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.charge = $7 AND ($8 IS NULL OR t.payment_intent = $8) ORDER BY t.created DESC, t.sequence DESC LIMIT $6;

-- list_refunds_by_charge_oldest
SELECT t.account_id, t.id, t.created, t.request_fingerprint, t.charge, t.payment_intent, t.amount_minor, t.currency, t.reason, t.version, t.status, t.failure_reason, t.balance_transaction, t.failure_balance_transaction, t.metadata FROM refunds AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.charge = $7 AND ($8 IS NULL OR t.payment_intent = $8) ORDER BY t.created, t.sequence LIMIT $6;

-- list_balance_transactions_newest
SELECT t.account_id, t.id, t.created, t.available_on, t.amount_minor, t.fee_minor, t.source, t.source_kind, t.kind, t.currency, t.description FROM balance_transactions AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.created IS NOT NULL AND ($7 IS NULL OR t.kind = $7) AND ($8 IS NULL OR t.currency = $8) ORDER BY t.created DESC, t.sequence DESC LIMIT $6;

-- list_balance_transactions_oldest
SELECT t.account_id, t.id, t.created, t.available_on, t.amount_minor, t.fee_minor, t.source, t.source_kind, t.kind, t.currency, t.description FROM balance_transactions AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.created IS NOT NULL AND ($7 IS NULL OR t.kind = $7) AND ($8 IS NULL OR t.currency = $8) ORDER BY t.created, t.sequence LIMIT $6;

-- list_balance_transactions_by_source_newest
SELECT t.account_id, t.id, t.created, t.available_on, t.amount_minor, t.fee_minor, t.source, t.source_kind, t.kind, t.currency, t.description FROM (SELECT c.balance_transaction AS id FROM charges AS c WHERE c.account_id = $1 AND c.id = $9 UNION ALL SELECT unnest(ARRAY[r.balance_transaction, r.failure_balance_transaction]) FROM refunds AS r WHERE r.account_id = $1 AND r.id = $9) AS k CROSS JOIN LATERAL (SELECT * FROM balance_transactions AS b WHERE b.account_id = $1 AND b.id = k.id OFFSET 0) AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND ($7 IS NULL OR t.kind = $7) AND ($8 IS NULL OR t.currency = $8) ORDER BY t.created DESC, t.sequence DESC LIMIT $6;

-- list_balance_transactions_by_source_oldest
SELECT t.account_id, t.id, t.created, t.available_on, t.amount_minor, t.fee_minor, t.source, t.source_kind, t.kind, t.currency, t.description FROM (SELECT c.balance_transaction AS id FROM charges AS c WHERE c.account_id = $1 AND c.id = $9 UNION ALL SELECT unnest(ARRAY[r.balance_transaction, r.failure_balance_transaction]) FROM refunds AS r WHERE r.account_id = $1 AND r.id = $9) AS k CROSS JOIN LATERAL (SELECT * FROM balance_transactions AS b WHERE b.account_id = $1 AND b.id = k.id OFFSET 0) AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND ($7 IS NULL OR t.kind = $7) AND ($8 IS NULL OR t.currency = $8) ORDER BY t.created, t.sequence LIMIT $6;

-- list_events_newest
SELECT t.account_id, t.id, t.created, t.object_id, t.request_id, t.type, t.object_kind, t.idempotency_key, t.object, t.sequence FROM events AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.created IS NOT NULL AND ($7 IS NULL OR t.type LIKE ANY ($7)) ORDER BY t.created DESC, t.sequence DESC LIMIT $6;

-- list_events_oldest
SELECT t.account_id, t.id, t.created, t.object_id, t.request_id, t.type, t.object_kind, t.idempotency_key, t.object, t.sequence FROM events AS t WHERE t.account_id = $1 AND (t.created, t.sequence) > ($2, $3) AND (t.created, t.sequence) < ($4, $5) AND t.created IS NOT NULL AND ($7 IS NULL OR t.type LIKE ANY ($7)) ORDER BY t.created, t.sequence LIMIT $6;

-- position_customers
SELECT t.created, t.sequence FROM customers AS t WHERE t.account_id = $1 AND t.id = $2;

-- position_payment_methods
SELECT t.created, t.sequence FROM payment_methods AS t WHERE t.account_id = $1 AND t.id = $2;

-- position_payment_intents
SELECT t.created, t.sequence FROM payment_intents AS t WHERE t.account_id = $1 AND t.id = $2;

-- position_charges
SELECT t.created, t.sequence FROM charges AS t WHERE t.account_id = $1 AND t.id = $2;

-- position_refunds
SELECT t.created, t.sequence FROM refunds AS t WHERE t.account_id = $1 AND t.id = $2;

-- position_balance_transactions
SELECT t.created, t.sequence FROM balance_transactions AS t WHERE t.account_id = $1 AND t.id = $2;

-- position_events
SELECT t.created, t.sequence FROM events AS t WHERE t.account_id = $1 AND t.id = $2;

-- read_balance_transactions
SELECT t.account_id, t.id, t.created, t.available_on, t.amount_minor, t.fee_minor, t.source, t.source_kind, t.kind, t.currency, t.description FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id, t.created, t.available_on, t.amount_minor, t.fee_minor, t.source, t.source_kind, t.kind, t.currency, t.description FROM balance_transactions AS t WHERE t.account_id = k.account_id AND t.id = k.id OFFSET 0) AS t;

-- read_events
SELECT t.account_id, t.id, t.created, t.object_id, t.request_id, t.type, t.object_kind, t.idempotency_key, t.object, t.sequence FROM (SELECT unnest($1) AS account_id, unnest($2) AS id) AS k CROSS JOIN LATERAL (SELECT t.account_id, t.id, t.created, t.object_id, t.request_id, t.type, t.object_kind, t.idempotency_key, t.object, t.sequence FROM events AS t WHERE t.account_id = k.account_id AND t.id = k.id OFFSET 0) AS t;

-- read_balance
SELECT ledger, currency, sum(amount_minor)::bigint FROM (SELECT ledger, currency, amount_minor FROM balances WHERE account_id = $1 UNION ALL SELECT ledger, currency, amount_minor FROM balance_deltas WHERE account_id = $1) AS parts GROUP BY ledger, currency HAVING sum(amount_minor) <> 0 ORDER BY ledger, currency;

-- find_account
SELECT id, public_id, livemode, name, created, fee_basis_points, fee_fixed_minor FROM accounts WHERE id = $1;

-- floor_limits_of
SELECT account_id, currency, payment_minor, card_minor, total_minor FROM floor_limits WHERE account_id = $1 ORDER BY currency;

-- find_key
SELECT hash, account_id, publishable, hint, created, expires FROM api_keys WHERE hash = $1;

-- list_keys
SELECT hash, account_id, publishable, hint, created, expires FROM api_keys WHERE account_id = $1 ORDER BY created, hash;

-- ping
SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean;

-- seen_below
SELECT CASE WHEN current_setting('synchronous_standby_names') = '' THEN 0 ELSE pg_snapshot_xmax(pg_current_snapshot())::text::int8 END;

-- raise_read_barrier
SELECT pg_current_xact_id()::text::int8, pg_snapshot_xmin(pg_current_snapshot())::text::int8, pg_logical_emit_message(true, 'holdfast.read_barrier', '') IS NOT NULL;

-- standby_has
SELECT pg_is_in_recovery() AND coalesce(pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn(), true) AND NOT EXISTS (SELECT FROM (SELECT unnest($1) AS lane, unnest($2) AS sequence) AS a WHERE NOT EXISTS (SELECT FROM seals AS s WHERE s.lane = a.lane AND s.sequence = a.sequence));

-- try_job_lock
SELECT pg_try_advisory_xact_lock($1, $2);

-- fold_balances
WITH folded AS (DELETE FROM balance_deltas AS d USING (SELECT account_id, sequence FROM balance_deltas ORDER BY account_id, sequence LIMIT $1) AS k WHERE d.account_id = k.account_id AND d.sequence = k.sequence RETURNING d.account_id, d.ledger, d.currency, d.amount_minor), added AS (INSERT INTO balances AS b (account_id, ledger, currency, amount_minor) SELECT account_id, ledger, currency, sum(amount_minor)::bigint FROM folded GROUP BY account_id, ledger, currency ON CONFLICT (account_id, ledger, currency) DO UPDATE SET amount_minor = b.amount_minor + excluded.amount_minor) SELECT count(*) FROM folded;

-- sweep_operations
WITH sweep AS MATERIALIZED (SELECT seen, pg_current_snapshot() AS sees FROM operation_sweep FOR UPDATE SKIP LOCKED), fresh AS (SELECT o.account_id, o.id, o.state FROM sweep JOIN operations AS o ON o.started_in >= pg_snapshot_xmax(sweep.seen) UNION ALL SELECT o.account_id, o.id, o.state FROM sweep CROSS JOIN LATERAL pg_snapshot_xip(sweep.seen) AS ran(number) JOIN operations AS o ON o.started_in = ran.number), found AS (INSERT INTO open_operations (account_id, id) SELECT account_id, id FROM fresh WHERE state = 'started' ON CONFLICT DO NOTHING), concluded AS (DELETE FROM open_operations AS p USING sweep WHERE (SELECT o.state FROM operations AS o WHERE o.account_id = p.account_id AND o.id = p.id) <> 'started') UPDATE operation_sweep AS s SET seen = sweep.sees FROM sweep WHERE pg_snapshot_xmax(sweep.sees) > pg_snapshot_xmax(sweep.seen);

-- stale_operations
SELECT t.account_id, t.id, t.started, t.payment_intent, t.amount_minor, t.currency, t.version, t.kind, t.state, t.owner, t.valid_until, t.reversing, t.details FROM open_operations AS p CROSS JOIN LATERAL (SELECT t.account_id, t.id, t.started, t.payment_intent, t.amount_minor, t.currency, t.version, t.kind, t.state, t.owner, t.valid_until, t.reversing, t.details FROM operations AS t WHERE t.account_id = p.account_id AND t.id = p.id OFFSET 0) AS t WHERE t.state = 'started' AND t.valid_until < $1 ORDER BY t.valid_until, t.id LIMIT $2;

-- operations_after
SELECT t.account_id, t.id, t.started, t.payment_intent, t.amount_minor, t.currency, t.version, t.kind, t.state, t.owner, t.valid_until, t.reversing, t.details FROM operations AS t WHERE (t.account_id, t.id) > ($1, $2) ORDER BY t.account_id, t.id LIMIT $3;

-- allow_bitmap_scan
SELECT set_config('enable_bitmapscan', 'on', true);

-- expire_replays
DELETE FROM replays AS r USING (SELECT account_id, replay_key FROM replays WHERE created < $1 LIMIT $2) AS old WHERE r.account_id = old.account_id AND r.replay_key = old.replay_key;

-- insert_account
INSERT INTO accounts (id, public_id, livemode, name, created, fee_basis_points, fee_fixed_minor) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- list_accounts
SELECT id, public_id, livemode, name, created, fee_basis_points, fee_fixed_minor FROM accounts ORDER BY created, id;

-- list_floor_limits
SELECT account_id, currency, payment_minor, card_minor, total_minor FROM floor_limits ORDER BY account_id, currency;

-- set_floor_limit
INSERT INTO floor_limits (account_id, currency, payment_minor, card_minor, total_minor) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (account_id, currency) DO UPDATE SET payment_minor = excluded.payment_minor, card_minor = excluded.card_minor, total_minor = excluded.total_minor;

-- remove_floor_limit
DELETE FROM floor_limits WHERE account_id = $1 AND currency = $2;

-- job_lock
SELECT pg_advisory_xact_lock($1, $2);

-- renew_floor_share
WITH gone AS (DELETE FROM floor_shares WHERE until < now() AND holder <> $1), others AS (SELECT count(*)::integer AS number, coalesce(sum(share_ppm), 0)::integer AS taken FROM floor_shares WHERE until >= now() AND holder <> $1), ours AS (INSERT INTO floor_shares AS s (holder, share_ppm, until) SELECT $1, least($2, 1000000 - taken), now() + $3 * interval '1 second' FROM others ON CONFLICT (holder) DO UPDATE SET share_ppm = excluded.share_ppm, until = excluded.until RETURNING share_ppm) SELECT share_ppm, number + 1 FROM ours CROSS JOIN others;

-- insert_key
INSERT INTO api_keys (hash, account_id, publishable, hint, created, expires) VALUES ($1, $2, $3, $4, $5, $6);

-- working_keys
SELECT hash, account_id, publishable, hint, created, expires FROM api_keys WHERE expires IS NULL OR expires > now() ORDER BY created DESC, hash LIMIT $1;

-- expire_key
UPDATE api_keys SET expires = $2 WHERE hash = $1;

-- audit_snapshot
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;

-- audit_settings
SELECT set_config('enable_seqscan', 'on', true), set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true), set_config('enable_bitmapscan', 'on', true), set_config('enable_nestloop', 'off', true);

-- audit_transaction_unbalanced
SELECT transaction_id, currency, '0', sum(amount_minor)::text FROM entries GROUP BY account_id, transaction_id, currency HAVING sum(amount_minor) <> 0 ORDER BY transaction_id LIMIT $1;

-- audit_transaction_net
SELECT b.id, b.kind, (b.amount_minor - b.fee_minor)::text, coalesce(e.got, 0)::text FROM balance_transactions AS b LEFT JOIN (SELECT account_id, transaction_id, sum(amount_minor) AS got FROM entries WHERE ledger IN ('pending', 'available') GROUP BY account_id, transaction_id) AS e ON e.account_id = b.account_id AND e.transaction_id = b.id WHERE b.kind IN ('capture', 'refund', 'refund_failed') AND coalesce(e.got, 0) <> b.amount_minor - b.fee_minor ORDER BY b.id LIMIT $1;

-- audit_balance_mismatch
SELECT account_id, ledger || ' ' || currency, coalesce(sum(posted), 0)::text, coalesce(sum(kept), 0)::text FROM (SELECT CASE WHEN ledger IN ('fee_income', 'acquirer_receivable', 'acquirer_cost', 'bank', 'suspense') THEN '00000000-0000-0000-0000-000000000000' ELSE account_id END AS account_id, ledger, currency, amount_minor AS posted, 0 AS kept FROM entries UNION ALL SELECT account_id, ledger, currency, 0, amount_minor FROM balances UNION ALL SELECT account_id, ledger, currency, 0, amount_minor FROM balance_deltas) AS parts GROUP BY account_id, ledger, currency HAVING sum(posted) <> sum(kept) ORDER BY account_id, ledger, currency LIMIT $1;

-- audit_charge_captured
SELECT c.id, 'captured', coalesce(p.posted, 0)::text, c.amount_captured_minor::text FROM charges AS c LEFT JOIN (SELECT account_id, source, sum(amount_minor) AS posted FROM balance_transactions WHERE kind = 'capture' GROUP BY account_id, source) AS p ON p.account_id = c.account_id AND p.source = c.id WHERE coalesce(p.posted, 0) <> c.amount_captured_minor ORDER BY c.id LIMIT $1;

-- audit_charge_refunded
SELECT id, 'refunded', expected::text, actual::text FROM (SELECT c.id, c.amount_refunded_minor AS actual, coalesce(r.refunded, 0) + CASE WHEN c.captured THEN c.amount_minor - c.amount_captured_minor WHEN c.status = 'succeeded' AND p.status = 'canceled' THEN c.amount_minor ELSE 0 END AS expected FROM charges AS c LEFT JOIN payment_intents AS p ON p.account_id = c.account_id AND p.id = c.payment_intent LEFT JOIN (SELECT account_id, charge, sum(amount_minor) AS refunded FROM refunds WHERE status IN ('pending', 'succeeded') GROUP BY account_id, charge) AS r ON r.account_id = c.account_id AND r.charge = c.id) AS charge WHERE expected <> actual ORDER BY id LIMIT $1;

-- audit_refund_posted
SELECT id, status, expected::text, actual::text FROM (SELECT r.id, r.status, CASE r.status WHEN 'succeeded' THEN -r.amount_minor ELSE 0 END AS expected, coalesce(p.posted, 0) AS actual FROM refunds AS r LEFT JOIN (SELECT account_id, source, sum(amount_minor) AS posted FROM balance_transactions WHERE kind IN ('refund', 'refund_failed') GROUP BY account_id, source) AS p ON p.account_id = r.account_id AND p.source = r.id) AS refund WHERE expected <> actual ORDER BY id LIMIT $1;

-- audit_payment_received
SELECT p.id, p.status, coalesce(c.captured, 0)::text, p.amount_received_minor::text FROM payment_intents AS p LEFT JOIN (SELECT account_id, payment_intent, sum(amount_captured_minor) AS captured FROM charges GROUP BY account_id, payment_intent) AS c ON c.account_id = p.account_id AND c.payment_intent = p.id WHERE coalesce(c.captured, 0) <> p.amount_received_minor OR (p.status = 'succeeded' AND p.amount_received_minor = 0) ORDER BY p.id LIMIT $1;

-- audit_event_missing
SELECT o.id, o.type, 'announced', 'no event' FROM (SELECT account_id, id, 'payment_intent.' || status AS type FROM payment_intents WHERE status IN ('succeeded', 'canceled') UNION ALL SELECT account_id, id, 'charge.' || status FROM charges WHERE status IN ('succeeded', 'failed')) AS o WHERE NOT EXISTS (SELECT FROM events AS e WHERE e.account_id = o.account_id AND e.object_id = o.id AND e.type = o.type) ORDER BY o.id LIMIT $1;

-- audit_operation_active
SELECT o.id, o.kind, o.state, coalesce(p.status, 'no payment') FROM operations AS o LEFT JOIN payment_intents AS p ON p.account_id = o.account_id AND p.id = o.payment_intent WHERE (o.state = 'started') <> coalesce(p.active_operation = o.id, false) ORDER BY o.id LIMIT $1;

-- audit_totals
SELECT coalesce(s.entries, 0)::bigint, coalesce(s.amount, 0)::bigint, coalesce(s.events, 0)::bigint, e.entries, coalesce(e.amount, 0)::bigint, (SELECT count(*) FROM events) FROM (SELECT sum(entries) AS entries, sum(entries_sum_minor) AS amount, sum(events) AS events FROM seals) AS s, (SELECT count(*) AS entries, sum(abs(amount_minor)) AS amount FROM entries) AS e;

-- audit_counts
SELECT (SELECT count(*) FROM payment_intents), (SELECT count(*) FROM charges), (SELECT count(*) FROM refunds), (SELECT count(*) FROM operations), (SELECT count(*) FROM balance_transactions);

-- audit_seals
SELECT lane, sequence, created, commands, rows, events, entries, entries_sum_minor, digest, previous, hash FROM seals WHERE (lane, sequence) > ($1, $2) ORDER BY lane, sequence LIMIT $3;
