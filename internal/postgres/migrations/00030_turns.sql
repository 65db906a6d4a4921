-- What the journal is written from is looked for every second, by when it was.
--
-- No transaction: the indexes are built beside writers. Every step may be
-- repeated; a build that was broken off leaves an index that is of no use.

-- +goose NO TRANSACTION
-- +goose Up

DROP INDEX CONCURRENTLY IF EXISTS recipient_status_at;
CREATE INDEX CONCURRENTLY recipient_status_at ON recipient (status_at);
DROP INDEX CONCURRENTLY IF EXISTS sharing_switch_at;
CREATE INDEX CONCURRENTLY sharing_switch_at ON sharing_switch (at);
DROP INDEX CONCURRENTLY IF EXISTS person_erased;
CREATE INDEX CONCURRENTLY person_erased ON person (erased_at) WHERE erased_at IS NOT NULL;
