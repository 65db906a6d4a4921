-- What the journal is written from is looked for every second, by when it was.
--
-- No transaction: the indexes are built beside writers. Every step may be
-- repeated.

-- +goose NO TRANSACTION
-- +goose Up

CREATE INDEX CONCURRENTLY IF NOT EXISTS recipient_status_at ON recipient (status_at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS sharing_switch_at ON sharing_switch (at);
CREATE INDEX CONCURRENTLY IF NOT EXISTS person_erased ON person (erased_at) WHERE erased_at IS NOT NULL;
