-- Passkeys: who has which, and what authenticators have been asked to sign.

-- +goose Up

-- The random value that stands for a person in their authenticators. The id
-- that the bank gave them never gets there.
CREATE TABLE passkey_holder (
    consumer_id text COLLATE "C" PRIMARY KEY CHECK (consumer_id <> ''),
    handle      bytea       NOT NULL UNIQUE CHECK (octet_length(handle) = 32),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A credential record (WebAuthn section 4).
CREATE TABLE passkey (
    passkey_id      text COLLATE "C" PRIMARY KEY, -- names it on pages
    consumer_id     text COLLATE "C" NOT NULL REFERENCES passkey_holder ON DELETE CASCADE,
    credential_id   bytea       NOT NULL UNIQUE CHECK (octet_length(credential_id) BETWEEN 1 AND 1023),
    public_key      bytea       NOT NULL, -- COSE_Key
    sign_count      bigint      NOT NULL CHECK (sign_count BETWEEN 0 AND 4294967295),
    aaguid          uuid        NOT NULL,
    transports      text[]      NOT NULL,
    backup_eligible boolean     NOT NULL,
    backed_up       boolean     NOT NULL,
    name            text        NOT NULL CHECK (name <> ''),
    created_at      timestamptz NOT NULL,
    used_at         timestamptz
);

CREATE INDEX passkey_of_consumer ON passkey (consumer_id, created_at);

-- What an authenticator is to sign. Answering it deletes the row, so that of
-- any number of answers one finds it.
CREATE TABLE passkey_challenge (
    challenge  bytea PRIMARY KEY,
    is_for     bytea       NOT NULL CHECK (octet_length(is_for) = 32), -- session, purpose and person, by keyed hash
    expires_at timestamptz NOT NULL
);

CREATE INDEX passkey_challenge_expires ON passkey_challenge (expires_at);

-- What the row tells of, besides an attempt to sign in: 'proved', 'added',
-- 'removed', 'copied'.
ALTER TABLE sign_in_attempt ADD COLUMN event text NOT NULL DEFAULT '';

-- By what the person signed in, where that was no password: 'hwk'.
ALTER TABLE authorization_progress ADD COLUMN first_factor text NOT NULL DEFAULT '';
