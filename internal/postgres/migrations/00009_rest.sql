-- A grant that goes on can rest: paused by the person until a time, or held
-- until the person or the bank lifts it.

-- +goose Up

-- A pause is over when its time is, written down or not; the columns of a
-- grant that has ended mean nothing any more.
ALTER TABLE consent_grant
    ADD COLUMN paused_until timestamptz,
    ADD COLUMN held_at      timestamptz,
    ADD COLUMN hold_case    text NOT NULL DEFAULT '',
    ADD CONSTRAINT consent_grant_hold_check CHECK ((held_at IS NULL) = (hold_case = ''));

ALTER TABLE consent_event
    DROP CONSTRAINT consent_event_kind_check,
    ADD CONSTRAINT consent_event_kind_check CHECK (kind IN
        ('granted', 'changed', 'revoked', 'expired', 'tokens_revoked', 'paused', 'resumed', 'held', 'released')),
    ADD COLUMN paused_until timestamptz,
    ADD COLUMN hold_case    text NOT NULL DEFAULT '',
    ADD CONSTRAINT consent_event_pause_check CHECK ((kind = 'paused') = (paused_until IS NOT NULL)),
    ADD CONSTRAINT consent_event_hold_check CHECK ((kind = 'held') = (hold_case <> ''));

-- The number that a person reads out on the phone leads to one hold.
CREATE UNIQUE INDEX consent_event_case ON consent_event (hold_case) WHERE hold_case <> '';

-- Why people stopped sharing, where they said so: a choice from a list, never
-- words of their own. To be counted by recipient.
CREATE TABLE stop_answer (
    grant_id     text COLLATE "C" PRIMARY KEY REFERENCES consent_grant,
    recipient_id text COLLATE "C" NOT NULL REFERENCES recipient,
    answer       text        NOT NULL CHECK (answer IN ('too_much', 'unknown', 'unused', 'other')),
    at           timestamptz NOT NULL
);

CREATE INDEX stop_answer_recipient ON stop_answer (recipient_id, answer);
