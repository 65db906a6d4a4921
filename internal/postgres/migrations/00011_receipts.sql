-- What people are given in writing: each version of a grant, kept with the
-- change that made it, and the receipts that were signed for them.

-- +goose Up

-- One row per event from here on; grants of before have versions only of what
-- happens to them from now on.
CREATE TABLE grant_version (
    grant_id    text COLLATE "C" NOT NULL,
    epoch       bigint      NOT NULL,
    consumer_id text COLLATE "C" NOT NULL,
    at          timestamptz NOT NULL,
    -- The row of consent_grant as the change left it. json and not jsonb: it
    -- stays as it was written.
    version     json        NOT NULL,
    PRIMARY KEY (grant_id, epoch),
    FOREIGN KEY (grant_id, epoch) REFERENCES consent_event
);

CREATE INDEX grant_version_consumer ON grant_version (consumer_id, at DESC, grant_id, epoch DESC);

-- A trigger, so that no statement that changes a grant can forget it: whoever
-- writes the event keeps the version. It runs after the whole statement, when
-- the grant has its new epoch also where one statement does both.
-- +goose StatementBegin
CREATE FUNCTION keep_grant_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO grant_version (grant_id, epoch, consumer_id, at, version)
    SELECT g.grant_id, g.epoch, g.consumer_id, NEW.at, row_to_json(g)
    FROM consent_grant g WHERE g.grant_id = NEW.grant_id AND g.epoch = NEW.epoch;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'an event names a version that the grant does not have';
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER consent_event_version AFTER INSERT ON consent_event
    FOR EACH ROW EXECUTE FUNCTION keep_grant_version();

-- The public part of every key that signed a receipt. A key that is retired
-- for signing still checks what it signed.
CREATE TABLE receipt_key (
    key_id     text COLLATE "C" PRIMARY KEY,
    jwk        json        NOT NULL,
    first_used timestamptz NOT NULL
);

-- A receipt, signed once: the same bytes for everybody who asks.
CREATE TABLE receipt (
    grant_id  text COLLATE "C" NOT NULL,
    epoch     bigint      NOT NULL,
    key_id    text COLLATE "C" NOT NULL REFERENCES receipt_key,
    jws       text        NOT NULL,
    signed_at timestamptz NOT NULL,
    PRIMARY KEY (grant_id, epoch),
    FOREIGN KEY (grant_id, epoch) REFERENCES grant_version
);

CREATE TRIGGER grant_version_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON grant_version
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();
CREATE TRIGGER receipt_key_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON receipt_key
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();
CREATE TRIGGER receipt_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON receipt
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();
