-- Inverse of 0006.
DROP TABLE floor_shares;
DROP TABLE floor_limits;
