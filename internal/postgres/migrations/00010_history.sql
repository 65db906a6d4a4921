-- What people see of their own history besides the reads themselves.

-- +goose Up

-- Staff of the bank looked at what somebody shares, and why. The person sees
-- each row, so the reason is written for them.
CREATE TABLE staff_lookup (
    lookup_id   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    consumer_id text COLLATE "C" NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    staff       text        NOT NULL CHECK (staff <> ''),
    reason      text        NOT NULL CHECK (reason <> '')
);

CREATE INDEX staff_lookup_consumer ON staff_lookup (consumer_id, at DESC);

CREATE TRIGGER staff_lookup_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON staff_lookup
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();

-- A day of one person's reads, added up when they look at their history. It
-- is a memory of what access_record says: rows may be deleted at any time and
-- come back, and go with the records of a person who is forgotten. zone names
-- the time zone whose days these are.
CREATE TABLE access_day (
    consumer_id text COLLATE "C" NOT NULL,
    zone        text COLLATE "C" NOT NULL,
    day         date NOT NULL,
    sums        json NOT NULL,
    PRIMARY KEY (consumer_id, zone, day)
);
