-- Recipients look at their grants and end them, also on behalf of the person
-- who gave one.

-- +goose Up

-- Who wanted a change, where the actor says that it acted for somebody else.
ALTER TABLE consent_event
    ADD COLUMN initiator text NOT NULL DEFAULT '' CHECK (initiator IN ('', 'INDIVIDUAL'));

-- The list of a recipient's grants in every state, newest first.
CREATE INDEX consent_grant_of_recipient ON consent_grant (recipient_id, created_at DESC, grant_id DESC);
