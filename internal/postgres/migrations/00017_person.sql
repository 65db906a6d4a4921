-- Who a person is stands in one place. Every other table of the ledger names
-- people by a pseudonym, in its column consumer_id; erasing somebody takes the
-- bank's id out of this table and leaves the ledger as it is, about nobody.
--
-- The bank's id is called bank_id and not consumer_id, so that consumer_id
-- always means the pseudonym in SQL.

-- Every row about a person is rewritten once: the earlier version must be
-- stopped, because it would look for, and write, the bank's ids.

-- +goose Up

SET LOCAL statement_timeout = 0;

CREATE TABLE person (
    pseudonym  text COLLATE "C" PRIMARY KEY DEFAULT 'p-' || gen_random_uuid(),
    bank_id    text COLLATE "C" UNIQUE, -- NULL once erased
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When the record was asked to be erased, and when it is due; NULL unless
    -- it was.
    asked_at   timestamptz,
    erase_at   timestamptz,
    erased_at  timestamptz,
    CHECK ((bank_id IS NULL) = (erased_at IS NOT NULL)),
    CHECK ((asked_at IS NULL) = (erase_at IS NULL))
);

CREATE INDEX person_erase ON person (erase_at) WHERE erase_at IS NOT NULL AND erased_at IS NULL;

INSERT INTO person (bank_id)
SELECT consumer_id FROM consent_grant
UNION SELECT consumer_id FROM access_record
UNION SELECT consumer_id FROM staff_lookup
UNION SELECT consumer_id FROM grant_version
UNION SELECT consumer_id FROM person_notice
UNION SELECT consumer_id FROM person_preference
UNION SELECT consumer_id FROM person_mail;

-- What is append-only is rewritten once, here, and in nothing but the name of
-- the person.
ALTER TABLE access_record DISABLE TRIGGER access_record_append_only;
ALTER TABLE staff_lookup DISABLE TRIGGER staff_lookup_append_only;
ALTER TABLE grant_version DISABLE TRIGGER grant_version_append_only;

-- What is shared about the person themselves named them as well: it needs no
-- name beside the one of its row.
-- +goose StatementBegin
CREATE FUNCTION nameless(resources jsonb, who text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT coalesce(jsonb_agg(CASE WHEN r ->> 'resourceType' = 'CUSTOMER' AND r ->> 'resourceId' = who
                                   THEN jsonb_set(r, '{resourceId}', '""') ELSE r END ORDER BY n), '[]')
    FROM jsonb_array_elements(resources) WITH ORDINALITY AS e (r, n)
$$;
-- +goose StatementEnd

UPDATE consent_grant t SET consumer_id = p.pseudonym, resources = nameless(t.resources, p.bank_id)
FROM person p WHERE p.bank_id = t.consumer_id;
UPDATE access_record t SET consumer_id = p.pseudonym FROM person p WHERE p.bank_id = t.consumer_id;
UPDATE staff_lookup t SET consumer_id = p.pseudonym FROM person p WHERE p.bank_id = t.consumer_id;
UPDATE grant_version t SET consumer_id = p.pseudonym,
    version = (t.version::jsonb || jsonb_build_object('consumer_id', p.pseudonym,
        'resources', nameless(t.version::jsonb -> 'resources', p.bank_id)))::json
FROM person p WHERE p.bank_id = t.consumer_id;
UPDATE person_notice t SET consumer_id = p.pseudonym FROM person p WHERE p.bank_id = t.consumer_id;
UPDATE person_preference t SET consumer_id = p.pseudonym FROM person p WHERE p.bank_id = t.consumer_id;
UPDATE person_mail t SET consumer_id = p.pseudonym FROM person p WHERE p.bank_id = t.consumer_id;

DROP FUNCTION nameless;

ALTER TABLE access_record ENABLE TRIGGER access_record_append_only;
ALTER TABLE staff_lookup ENABLE TRIGGER staff_lookup_append_only;
ALTER TABLE grant_version ENABLE TRIGGER grant_version_append_only;

-- A memory that comes back by itself, and a place among names that are gone.
DELETE FROM access_day;
UPDATE person_notice_round SET after = '' WHERE NOT done;

-- Also what makes a new grant wait for an erasure of its person, and the other
-- way round. access_record has no key, as ever: see there.
ALTER TABLE consent_grant ADD CONSTRAINT consent_grant_person FOREIGN KEY (consumer_id) REFERENCES person;

-- An app was asked to erase what it holds of what was shared with it. The
-- answer is the app's own word.
CREATE TABLE erase_request (
    grant_id     text COLLATE "C" PRIMARY KEY REFERENCES consent_grant,
    recipient_id text COLLATE "C" NOT NULL REFERENCES recipient,
    asked_at     timestamptz NOT NULL,
    answer       text        NOT NULL DEFAULT '' CHECK (answer IN ('', 'done', 'refused')),
    reason       text        NOT NULL DEFAULT '',
    answered_at  timestamptz,
    CHECK ((answer = '') = (answered_at IS NULL)),
    CHECK ((answer = 'refused') = (reason <> ''))
);

CREATE INDEX erase_request_recipient ON erase_request (recipient_id, asked_at);
