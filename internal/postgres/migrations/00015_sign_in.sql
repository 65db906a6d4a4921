-- Signing in: who can, by what, how often it went wrong, and which sessions
-- it led to.

-- +goose Up

-- A person's username and password, for a bank without a sign-in of its own.
CREATE TABLE login_account (
    username      text COLLATE "C" PRIMARY KEY,
    consumer_id   text COLLATE "C" NOT NULL CHECK (consumer_id <> ''),
    password_hash text        NOT NULL, -- argon2id, as a PHC string
    mail          text        NOT NULL, -- where one-time codes and notices go; empty for nowhere
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX login_account_of_consumer ON login_account (consumer_id);

-- Failures in a row of a username, of a network or of asking for codes, by a
-- keyed hash: what people type as a username may be a password.
CREATE TABLE login_throttle (
    subject    bytea PRIMARY KEY CHECK (octet_length(subject) = 32),
    failures   integer     NOT NULL CHECK (failures >= 0),
    wait_until timestamptz NOT NULL, -- no attempt before
    forget_at  timestamptz NOT NULL  -- after this the count starts again
);

CREATE INDEX login_throttle_forget ON login_throttle (forget_at);

-- What a person is shown of past sign-ins. consumer_id is empty where nobody
-- has the username: such an attempt is written down like any other, so that
-- it takes as long.
CREATE TABLE sign_in_attempt (
    attempt_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer_id text COLLATE "C" NOT NULL,
    at          timestamptz NOT NULL,
    method      text        NOT NULL CHECK (method IN ('pwd', 'otp', 'hwk', 'ext')),
    refused     boolean     NOT NULL,
    network     text        NOT NULL -- the first 24 or 48 bits of the address; empty when unknown
);

CREATE INDEX sign_in_attempt_of_consumer ON sign_in_attempt (consumer_id, at DESC, attempt_id DESC);
CREATE INDEX sign_in_attempt_at ON sign_in_attempt (at);

-- The code that was sent last to a person for one purpose. used_at is set by
-- compare-and-set: of any number of entries one finds it NULL.
CREATE TABLE one_time_code (
    consumer_id text COLLATE "C" NOT NULL,
    purpose     text COLLATE "C" NOT NULL,
    code_hash   bytea       NOT NULL CHECK (octet_length(code_hash) = 32),
    reference   text        NOT NULL,
    tries       integer     NOT NULL CHECK (tries >= 0),
    issued_at   timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz,
    PRIMARY KEY (consumer_id, purpose)
);

CREATE INDEX one_time_code_expires ON one_time_code (expires_at);

-- By what, and when, the person proved a second time who they are.
ALTER TABLE authorization_progress
    ADD COLUMN second_factor    text NOT NULL DEFAULT '' CHECK (second_factor IN ('', 'otp', 'hwk', 'ext')),
    ADD COLUMN second_factor_at timestamptz,
    ADD CONSTRAINT authorization_second_factor CHECK ((second_factor = '') = (second_factor_at IS NULL));

-- Whose session it is, for the page on which people see and end theirs.
-- consumer_id is empty until somebody has signed in.
ALTER TABLE web_session
    ADD COLUMN session_id   text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN consumer_id  text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN signed_in_at timestamptz,
    ADD COLUMN seen_at      timestamptz,
    ADD COLUMN browser      text NOT NULL DEFAULT '';

CREATE INDEX web_session_of_consumer ON web_session (consumer_id) WHERE consumer_id <> '';
