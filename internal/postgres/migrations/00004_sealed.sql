-- What recipients and people send is encrypted at rest: request parameters,
-- among them login hints. Rows of before are minutes old at most and belong to
-- journeys that have to begin again.

-- +goose Up

DELETE FROM pushed_request;
DELETE FROM authorization_progress;

ALTER TABLE pushed_request DROP COLUMN params, ADD COLUMN params bytea NOT NULL;
ALTER TABLE authorization_progress DROP COLUMN login_hint, ADD COLUMN login_hint bytea NOT NULL;
