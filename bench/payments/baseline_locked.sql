UPDATE balances SET amount_minor = amount_minor + 1037 WHERE account_id = @account@ AND ledger = 'pending' AND currency = 'usd';
UPDATE balances SET amount_minor = amount_minor + 62 WHERE account_id = @account@ AND ledger = 'fee_income' AND currency = 'usd';
UPDATE balances SET amount_minor = amount_minor - 1099 WHERE account_id = @account@ AND ledger = 'acquirer_receivable' AND currency = 'usd';
