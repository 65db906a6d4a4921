-- Who stands between a recipient and the bank: consumers are told of them and
-- each grant copies them.

-- +goose Up

ALTER TABLE recipient ADD COLUMN intermediaries jsonb NOT NULL DEFAULT '[]';
