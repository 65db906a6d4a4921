-- A grant can be changed by the person who gave it, at the wish of the
-- recipient: codes of the version before are withdrawn with its tokens.

-- +goose Up

ALTER TABLE consent_event
    DROP CONSTRAINT consent_event_kind_check,
    ADD CONSTRAINT consent_event_kind_check CHECK (kind IN ('granted', 'changed', 'revoked', 'expired', 'tokens_revoked'));

CREATE INDEX oauth_code_grant ON oauth_code (grant_id);
