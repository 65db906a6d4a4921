-- Caches are told again of what changed lately. The table outbox, which was
-- to remember who has to be told, has had no reader since 00007 gave
-- notifications their own.

-- +goose Up

CREATE INDEX consent_event_at ON consent_event (at);
DROP TABLE outbox;
