-- What a client may be and how it speaks: states and roles of registrations,
-- keys by reference, certificates recognised by any of the names of RFC 8705,
-- the profile of each client, tokens that a client gets for itself, and access
-- tokens that reach less than their grant.

-- +goose Up

ALTER TABLE recipient
    DROP CONSTRAINT recipient_status_check,
    ADD CONSTRAINT recipient_status_check CHECK (status IN ('pending', 'active', 'restricted', 'suspended', 'closed')),
    DROP CONSTRAINT recipient_auth_method_check,
    ADD CONSTRAINT recipient_auth_method_check CHECK (auth_method IN ('private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth')),
    ADD COLUMN role         text NOT NULL DEFAULT 'recipient' CHECK (role IN ('recipient', 'resource_server')),
    ADD COLUMN jwks_uri     text NOT NULL DEFAULT '',
    ADD COLUMN cert_subject jsonb NOT NULL DEFAULT '{"member": "", "value": ""}',
    ADD COLUMN profile      jsonb NOT NULL DEFAULT '{}';

UPDATE recipient SET cert_subject = jsonb_build_object('member', 'tls_client_auth_subject_dn', 'value', cert_subject_dn)
WHERE cert_subject_dn <> '';

ALTER TABLE recipient DROP COLUMN cert_subject_dn;

-- A client's own access token, by its keyed hash. It opens no grant.
CREATE TABLE client_access (
    access_hash     bytea PRIMARY KEY CHECK (octet_length(access_hash) = 32),
    recipient_id    text COLLATE "C" NOT NULL REFERENCES recipient,
    scopes          text[]      NOT NULL,
    key_thumbprint  text        NOT NULL,
    cert_thumbprint text        NOT NULL,
    issued_at       timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    CHECK ((key_thumbprint = '') <> (cert_thumbprint = ''))
);

CREATE INDEX client_access_expires ON client_access (expires_at);

-- What an access token reaches of its grant; NULL when all of it.
ALTER TABLE oauth_access ADD COLUMN resources jsonb;
