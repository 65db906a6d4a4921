-- What people are told about what they share, and how they want to be told.
--
-- A notice of an event in a grant's life is written by a trigger: whoever
-- writes an event, now or later, cannot forget it, and there is no moment at
-- which one is there without the other. Notices that are due by time are
-- written by a job. Mail is made of notices by a job as well; nothing that
-- changes a grant waits for it.

-- +goose Up

CREATE TABLE person_notice (
    notice_id   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    consumer_id text COLLATE "C" NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    grant_id    text COLLATE "C" NOT NULL DEFAULT '', -- '' when it is about none
    actor       text        NOT NULL DEFAULT '',      -- who did it, where somebody did
    -- The day (UTC) that the notice is about. Together with the three columns
    -- before it it is told once: for what is due by time it is the day on
    -- which that was due, whenever the job ran.
    day         date        NOT NULL,
    ends_at     timestamptz, -- when sharing ends, as it was known then
    at          timestamptz NOT NULL,
    read_at     timestamptz,
    -- new: nobody has looked yet whether there is to be a mail of it; off:
    -- there is none; digest: it waits for one; mailed: it is in mail_id.
    mail        text        NOT NULL DEFAULT 'new' CHECK (mail IN ('new', 'off', 'digest', 'mailed')),
    mail_id     uuid,
    UNIQUE (consumer_id, kind, grant_id, day)
);

-- A person's inbox, newest first, by keyset, and how much of it is unread.
CREATE INDEX person_notice_inbox ON person_notice (consumer_id, at DESC, notice_id DESC);
CREATE INDEX person_notice_unread ON person_notice (consumer_id) WHERE read_at IS NULL;
CREATE INDEX person_notice_unmailed ON person_notice (at) WHERE mail = 'new';
CREATE INDEX person_notice_digest ON person_notice (consumer_id) WHERE mail = 'digest';
CREATE INDEX person_notice_mail ON person_notice (mail_id) WHERE mail_id IS NOT NULL;

CREATE TABLE person_preference (
    consumer_id text COLLATE "C" PRIMARY KEY,
    locale      text        NOT NULL, -- of mail; '' is the bank's
    mail_off    text[]      NOT NULL, -- the topics that no mail is wanted of
    digest      text        NOT NULL CHECK (digest IN ('', 'weekly', 'monthly')),
    digest_at   timestamptz NOT NULL, -- when the last digest was made
    updated_at  timestamptz NOT NULL
);

-- A mail on its way. It holds neither address nor text: both are found out
-- when it is sent.
CREATE TABLE person_mail (
    mail_id     uuid PRIMARY KEY,
    consumer_id text COLLATE "C" NOT NULL,
    digest      boolean     NOT NULL,
    state       text        NOT NULL CHECK (state IN ('pending', 'sent', 'dropped', 'dead')),
    attempts    integer     NOT NULL DEFAULT 0,
    since       timestamptz NOT NULL
);

-- A change of a registration that everybody who shares with that app is told
-- of, a page of people at a time; after is the last one who was.
CREATE TABLE person_notice_round (
    recipient_id text COLLATE "C" NOT NULL REFERENCES recipient,
    kind         text COLLATE "C" NOT NULL,
    day          date NOT NULL,
    after        text COLLATE "C" NOT NULL DEFAULT '',
    done         boolean NOT NULL DEFAULT false,
    PRIMARY KEY (recipient_id, kind, day)
);

CREATE INDEX person_notice_round_open ON person_notice_round (day) WHERE NOT done;

-- +goose StatementBegin
CREATE FUNCTION tell_person() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO person_notice (consumer_id, kind, grant_id, actor, day, ends_at, at)
    SELECT g.consumer_id, CASE NEW.kind WHEN 'revoked' THEN 'stopped' WHEN 'expired' THEN 'ended' ELSE NEW.kind END,
           g.grant_id, NEW.actor, (NEW.at AT TIME ZONE 'UTC')::date, g.expires_at, NEW.at
    FROM consent_grant g WHERE g.grant_id = NEW.grant_id
    ON CONFLICT (consumer_id, kind, grant_id, day) DO NOTHING;
    RETURN NULL;
END
$$;

CREATE FUNCTION tell_people_of_policy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO person_notice_round (recipient_id, kind, day)
    VALUES (NEW.recipient_id, 'policy', (clock_timestamp() AT TIME ZONE 'UTC')::date)
    ON CONFLICT (recipient_id, kind, day) DO UPDATE SET after = '', done = false;
    RETURN NULL;
END
$$;

CREATE FUNCTION tell_people_of_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO person_notice_round (recipient_id, kind, day)
    VALUES (NEW.recipient_id, 'owner', (clock_timestamp() AT TIME ZONE 'UTC')::date)
    ON CONFLICT (recipient_id, kind, day) DO UPDATE SET after = '', done = false;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- Tokens that were given back change nothing for a person.
CREATE TRIGGER consent_event_tell AFTER INSERT ON consent_event
    FOR EACH ROW WHEN (NEW.kind IN ('granted', 'changed', 'revoked', 'expired', 'paused', 'resumed', 'held', 'released', 'slowed'))
    EXECUTE FUNCTION tell_person();

-- A digest of policy, terms and description, which the program makes: the
-- record may hold characters that the database cannot take out of it. It is
-- NULL for what was registered before there were notices.
ALTER TABLE registration ADD COLUMN rules_hash bytea;

CREATE TRIGGER registration_tell AFTER UPDATE OF rules_hash ON registration
    FOR EACH ROW WHEN (OLD.rules_hash <> NEW.rules_hash)
    EXECUTE FUNCTION tell_people_of_policy();

CREATE TRIGGER recipient_tell AFTER UPDATE OF legal_name, registry_id ON recipient
    FOR EACH ROW WHEN (OLD.legal_name IS DISTINCT FROM NEW.legal_name OR OLD.registry_id IS DISTINCT FROM NEW.registry_id)
    EXECUTE FUNCTION tell_people_of_owner();

-- The people of a recipient, page by page.
CREATE INDEX consent_grant_people ON consent_grant (recipient_id, consumer_id) WHERE status = 'ACTIVE';
