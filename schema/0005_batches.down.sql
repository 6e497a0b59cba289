-- Inverse of 0005.
DROP TABLE seals, lanes, replays, events;
