-- Attempts that are under way, beside the failures in a row: only what failed
-- has to wait, and what might still fail takes the room of a failure until it
-- is known. The version before counts every attempt as failed until it has
-- not, in failures alone, and may go on doing so.

-- +goose Up

ALTER TABLE login_throttle
    ADD COLUMN under_way integer     NOT NULL DEFAULT 0,
    ADD COLUMN over_at   timestamptz NOT NULL DEFAULT '-infinity'; -- after this none of them is
