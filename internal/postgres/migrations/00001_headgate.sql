-- The tables of Headgate. PostgreSQL is the only truth: whatever else keeps
-- state may be lost at any time.
--
-- Identifiers are text COLLATE "C": they are opaque, compared byte for byte,
-- and their indexes must not depend on the collation rules of the machine.
-- Hashes are bytea; no column ever holds a token, a code or a request_uri.
-- jsonb and json hold values that no statement looks into.
-- Times are decided by clock_timestamp() of this server, so that the clocks
-- of the processes in front of it do not matter.

-- +goose Up

-- A registered data recipient (OAuth client). The gate joins it, so that
-- suspending one is a single row change however many grants it holds.
CREATE TABLE recipient (
    recipient_id    text COLLATE "C" PRIMARY KEY,
    status          text        NOT NULL CHECK (status IN ('active', 'suspended')),
    name            text        NOT NULL,
    legal_name      text        NOT NULL,
    home_uri        text        NOT NULL,
    logo_uri        text        NOT NULL,
    registry        text        NOT NULL,
    registry_id     text        NOT NULL,
    auth_method     text        NOT NULL CHECK (auth_method IN ('private_key_jwt', 'tls_client_auth')),
    assertion_alg   text        NOT NULL,
    jwks            json,       -- as registered, word for word
    cert_subject_dn text        NOT NULL,
    redirect_uris   text[]      NOT NULL,
    scopes          text[]      NOT NULL,
    purposes        jsonb       NOT NULL,
    durations       text[]      NOT NULL,
    max_days        integer     NOT NULL CHECK (max_days >= 0),
    lookback_days   integer     NOT NULL CHECK (lookback_days >= 0),
    dpop_bound      boolean     NOT NULL,
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One consent in its present version. resources and parties are jsonb on the
-- row and not tables of their own: they are written once, always read whole
-- and together with the row, and never searched, so that one index look-up
-- gives everything that enforcement needs.
CREATE TABLE consent_grant (
    grant_id           text COLLATE "C" PRIMARY KEY,
    recipient_id       text COLLATE "C" NOT NULL REFERENCES recipient,
    consumer_id        text COLLATE "C" NOT NULL,
    status             text        NOT NULL CHECK (status IN ('ACTIVE', 'REVOKED', 'EXPIRED')),
    epoch              bigint      NOT NULL CHECK (epoch >= 1),
    purpose            text        NOT NULL,
    duration_type      text        NOT NULL CHECK (duration_type IN ('ONE_TIME', 'TIME_BOUND', 'PERSISTENT')),
    duration_days      integer     NOT NULL CHECK (duration_days >= 0),
    lookback_days      integer     NOT NULL CHECK (lookback_days >= 0),
    resources          jsonb       NOT NULL,
    parties            jsonb       NOT NULL,
    disclosure_version text        NOT NULL,
    disclosure_locale  text        NOT NULL,
    disclosure_text    text        NOT NULL,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz,
    expires_at         timestamptz NOT NULL CHECK (expires_at > created_at),
    ended_at           timestamptz,
    ended_by           text        NOT NULL DEFAULT '',
    end_reason         text        NOT NULL DEFAULT '',
    -- A grant is over if, and only if, it says when and by whom.
    CHECK ((status = 'ACTIVE') = (ended_at IS NULL)),
    CHECK ((status = 'ACTIVE') = (ended_by = ''))
);

CREATE INDEX consent_grant_consumer ON consent_grant (consumer_id, created_at DESC, grant_id);
-- For the sweep: it visits what is due and nothing else.
CREATE INDEX consent_grant_due ON consent_grant (expires_at) WHERE status = 'ACTIVE';

-- What happened to a grant. Each change raises the epoch by one and writes
-- one row, so that the key also proves that no change went unrecorded.
CREATE TABLE consent_event (
    grant_id text COLLATE "C" NOT NULL REFERENCES consent_grant,
    epoch    bigint      NOT NULL,
    kind     text        NOT NULL CHECK (kind IN ('granted', 'revoked', 'expired', 'tokens_revoked')),
    actor    text        NOT NULL CHECK (actor IN ('INDIVIDUAL', 'DATA_RECIPIENT', 'DATA_PROVIDER', 'TIME')),
    reason   text        NOT NULL,
    at       timestamptz NOT NULL,
    PRIMARY KEY (grant_id, epoch)
);

-- Events that others have to be told of, written with the change itself: a
-- process that dies after its commit leaves the message behind.
CREATE TABLE outbox (
    outbox_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    grant_id     text COLLATE "C" NOT NULL,
    epoch        bigint      NOT NULL,
    created_at   timestamptz NOT NULL,
    delivered_at timestamptz,
    FOREIGN KEY (grant_id, epoch) REFERENCES consent_event
);

CREATE INDEX outbox_pending ON outbox (outbox_id) WHERE delivered_at IS NULL;

-- A request stored by PAR (RFC 9126), consumed when the consumer decides.
CREATE TABLE pushed_request (
    request_hash   bytea PRIMARY KEY CHECK (octet_length(request_hash) = 32),
    recipient_id   text COLLATE "C" NOT NULL,
    -- json and not jsonb: parameters are kept as they were sent, also where
    -- jsonb would refuse a character.
    params         json        NOT NULL,
    request        jsonb       NOT NULL,
    key_thumbprint text        NOT NULL,
    expires_at     timestamptz NOT NULL,
    consumed_at    timestamptz
);

CREATE INDEX pushed_request_expires ON pushed_request (expires_at);

-- A consumer's decision in progress. version is what a replacement compares.
CREATE TABLE authorization_progress (
    authorization_id   text COLLATE "C" PRIMARY KEY,
    version            bigint      NOT NULL CHECK (version >= 1),
    browser            text COLLATE "C" NOT NULL,
    pushed             text COLLATE "C" NOT NULL,
    recipient_id       text COLLATE "C" NOT NULL,
    request            jsonb       NOT NULL,
    login_hint         text        NOT NULL,
    ui_locales         text[]      NOT NULL,
    consumer_id        text COLLATE "C" NOT NULL,
    authenticated_at   timestamptz,
    accounts           text[]      NOT NULL,
    decision           text        NOT NULL CHECK (decision IN ('', 'approved', 'denied')),
    disclosure_version text        NOT NULL,
    disclosure_locale  text        NOT NULL,
    disclosure_text    text        NOT NULL,
    answered           boolean     NOT NULL,
    expires_at         timestamptz NOT NULL,
    -- Loading the page twice starts nothing twice.
    UNIQUE (pushed, browser)
);

CREATE INDEX authorization_progress_expires ON authorization_progress (expires_at);

-- An authorization code by its keyed hash. used_at is set by compare-and-set:
-- of any number of redemptions one finds it NULL (RFC 6749 section 4.1.2).
CREATE TABLE oauth_code (
    code_hash      bytea PRIMARY KEY CHECK (octet_length(code_hash) = 32),
    grant_id       text COLLATE "C" NOT NULL REFERENCES consent_grant,
    recipient_id   text COLLATE "C" NOT NULL,
    request_id     text        NOT NULL,
    redirect_uri   text        NOT NULL,
    challenge      text        NOT NULL,
    key_thumbprint text        NOT NULL,
    scopes         text[]      NOT NULL,
    session        bytea       NOT NULL,
    issued_at      timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    used_at        timestamptz
);

CREATE INDEX oauth_code_expires ON oauth_code (expires_at);

CREATE TABLE oauth_refresh (
    refresh_hash bytea PRIMARY KEY CHECK (octet_length(refresh_hash) = 32),
    grant_id     text COLLATE "C" NOT NULL REFERENCES consent_grant,
    recipient_id text COLLATE "C" NOT NULL,
    request_id   text        NOT NULL,
    scopes       text[]      NOT NULL,
    session      bytea       NOT NULL,
    issued_at    timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz
);

CREATE INDEX oauth_refresh_grant ON oauth_refresh (grant_id);
CREATE INDEX oauth_refresh_expires ON oauth_refresh (expires_at);

-- An access token by its keyed hash. It is bound to exactly one key or
-- certificate; an unbound one cannot be stored (FAPI 2.0 section 5.3.2.1).
CREATE TABLE oauth_access (
    access_hash     bytea PRIMARY KEY CHECK (octet_length(access_hash) = 32),
    grant_id        text COLLATE "C" NOT NULL REFERENCES consent_grant,
    recipient_id    text COLLATE "C" NOT NULL,
    request_id      text        NOT NULL,
    scopes          text[]      NOT NULL,
    key_thumbprint  text        NOT NULL,
    cert_thumbprint text        NOT NULL,
    issued_at       timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    revoked_at      timestamptz,
    CHECK ((key_thumbprint = '') <> (cert_thumbprint = ''))
);

CREATE INDEX oauth_access_grant ON oauth_access (grant_id);
CREATE INDEX oauth_access_expires ON oauth_access (expires_at);

-- One-time proofs that were spent: client assertions and DPoP proofs.
-- request_id tells which of several reads in one statement won the proof.
-- The table is logged: a restart must not make a proof usable again.
CREATE TABLE proof_seen (
    proof      bytea PRIMARY KEY CHECK (octet_length(proof) = 32),
    request_id uuid,
    expires_at timestamptz NOT NULL
);

CREATE INDEX proof_seen_expires ON proof_seen (expires_at);

-- Who was given what. No foreign keys: the statement that writes a given
-- read has found the grant active in the same snapshot, and a key check
-- would write a lock into the grant's row for every read of it. Clusters are
-- kept by name, so that their meaning does not hang on a numbering.
CREATE TABLE access_record (
    request_id     uuid PRIMARY KEY,
    at             timestamptz NOT NULL,
    recipient_id   text COLLATE "C" NOT NULL,
    grant_id       text COLLATE "C" NOT NULL,
    epoch          bigint      NOT NULL,
    consumer_id    text COLLATE "C" NOT NULL,
    operation      text        NOT NULL,
    accounts       text[]      NOT NULL,
    clusters       text[]      NOT NULL,
    window_start   date,
    window_end     date,
    record_count   bigint      NOT NULL,
    body_bytes     bigint      NOT NULL,
    body_hash      bytea       NOT NULL,
    outcome        text        NOT NULL CHECK (outcome IN ('given', 'clipped', 'refused')),
    reason         text        NOT NULL,
    attended       boolean     NOT NULL,
    interaction_id text        NOT NULL,
    instance_id    text        NOT NULL
);

-- A consumer's history, newest first, by keyset.
CREATE INDEX access_record_consumer ON access_record (consumer_id, at DESC, request_id DESC);
-- The last read under each grant; refusals gave nothing.
CREATE INDEX access_record_last ON access_record (grant_id, at DESC, request_id DESC) WHERE outcome <> 'refused';

-- History is added to, never rewritten. This stops mistakes of programs; the
-- owner of the tables can still lift it, deliberately, to retire old rows.
-- +goose StatementBegin
CREATE FUNCTION refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER access_record_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_record
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();
CREATE TRIGGER consent_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON consent_event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();

-- A browser session. token is the session library's hash of the cookie value.
CREATE TABLE web_session (
    token      text COLLATE "C" PRIMARY KEY,
    data       bytea       NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX web_session_expires ON web_session (expires_at);
