-- Inverse of 0004.
DROP TABLE balance_deltas, balances, entries, balance_transactions;
DROP FUNCTION refuse_unbalanced_entries();
