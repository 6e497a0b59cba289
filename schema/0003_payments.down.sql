-- Inverse of 0003.
DROP TABLE open_operations, operation_sweep, operations, refunds, charges, payment_intents, tokens,
    payment_methods, customers;
