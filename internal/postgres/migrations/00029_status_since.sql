-- Since when a recipient has its state, for the journal that a restored
-- database is brought up to date with: of two states the later one holds.
--
-- A trigger, so that no statement that changes the state can forget it, those
-- of the version before included. Whoever brings a state back from the journal
-- says himself since when.

-- +goose Up

ALTER TABLE recipient ADD COLUMN status_at timestamptz NOT NULL DEFAULT '-infinity';

-- It is not older than that, and an older backup must not look newer than what
-- the journal knows.
UPDATE recipient SET status_at = updated_at;

ALTER TABLE recipient ALTER COLUMN status_at SET DEFAULT clock_timestamp();

-- It rises even when the clock is set back.
-- +goose StatementBegin
CREATE FUNCTION note_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.status_at := greatest(clock_timestamp(), OLD.status_at + interval '1 microsecond');
    RETURN NEW;
END
$$;
-- +goose StatementEnd

CREATE TRIGGER recipient_status BEFORE UPDATE ON recipient
    FOR EACH ROW WHEN (OLD.status <> NEW.status AND OLD.status_at = NEW.status_at)
    EXECUTE FUNCTION note_status();
