-- What was told about one grant: the page after a stop says how far the app
-- has been told.

-- +goose Up

CREATE INDEX notification_grant ON notification (grant_id, sequence) WHERE grant_id IS NOT NULL;
