-- A recipient may have a quota of its own. A constant default is no rewrite of
-- the table, and the release before knows nothing of the column.

-- +goose Up

ALTER TABLE recipient ADD COLUMN quota integer NOT NULL DEFAULT 0 CHECK (quota >= 0);
COMMENT ON COLUMN recipient.quota IS 'requests a minute at the gateways; 0 is what their configuration says';
