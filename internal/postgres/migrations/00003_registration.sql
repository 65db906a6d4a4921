-- What clients registered, word for word, and how they manage it (RFC 7591,
-- RFC 7592).

-- +goose Up

CREATE TABLE registration (
    recipient_id  text COLLATE "C" PRIMARY KEY REFERENCES recipient,
    record        json        NOT NULL, -- the metadata as registered
    -- Of the registration access token; NULL when there is none, as for a
    -- client that the operator registered, and for a closed one.
    access_hash   bytea       UNIQUE CHECK (octet_length(access_hash) = 32),
    statement_iss text        NOT NULL DEFAULT '',
    statement_jti text        NOT NULL DEFAULT '',
    issued_at     timestamptz NOT NULL
);

-- For closing a registration: it visits what is to end and nothing else. The
-- grant's own id is left out, so that the gate, which looks for exactly one
-- grant, has no second index to choose.
CREATE INDEX consent_grant_recipient ON consent_grant (recipient_id) WHERE status = 'ACTIVE';
