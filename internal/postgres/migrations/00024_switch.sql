-- A person can switch all new sharing off. The version before does not know
-- the switch and asks as ever: stop it before the page is offered.

-- +goose Up

-- Since when new sharing is off; NULL while it is on.
ALTER TABLE person ADD COLUMN sharing_off_at timestamptz;

-- Each change, for the person's history.
CREATE TABLE sharing_switch (
    switch_id   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    consumer_id text COLLATE "C" NOT NULL REFERENCES person,
    sharing_off boolean     NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX sharing_switch_consumer ON sharing_switch (consumer_id, at DESC);

CREATE TRIGGER sharing_switch_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON sharing_switch
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();

-- +goose StatementBegin
CREATE FUNCTION tell_person_of_switch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO person_notice (consumer_id, kind, actor, day, at)
    VALUES (NEW.consumer_id, CASE WHEN NEW.sharing_off THEN 'sharing_off' ELSE 'sharing_on' END, 'INDIVIDUAL',
            (NEW.at AT TIME ZONE 'UTC')::date, NEW.at)
    ON CONFLICT (consumer_id, kind, grant_id, day) DO NOTHING;
    RETURN NULL;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER sharing_switch_tell AFTER INSERT ON sharing_switch
    FOR EACH ROW EXECUTE FUNCTION tell_person_of_switch();
