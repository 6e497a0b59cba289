-- Inverse of 0002.
DROP TABLE api_keys;
DROP TABLE accounts;
