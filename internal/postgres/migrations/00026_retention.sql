-- Records of a consent go when the law has them go: forget_grants deletes all
-- that is kept of grants that are over for long enough, and nothing else can.
--
-- No transaction: the indexes are built beside writers. Every step may be
-- repeated; a build that was broken off leaves an index that is of no use.

-- +goose NO TRANSACTION
-- +goose Up

DROP INDEX CONCURRENTLY IF EXISTS consent_grant_ended;
CREATE INDEX CONCURRENTLY consent_grant_ended ON consent_grant (ended_at) WHERE ended_at IS NOT NULL;

-- What the foreign key asks for when a grant goes.
DROP INDEX CONCURRENTLY IF EXISTS notification_grant;
CREATE INDEX CONCURRENTLY notification_grant ON notification (grant_id) WHERE grant_id IS NOT NULL;

-- Records that stay whatever their age, because a court or an authority has
-- said so.
CREATE TABLE IF NOT EXISTS retention_hold (
    grant_id text COLLATE "C" PRIMARY KEY REFERENCES consent_grant,
    reason   text        NOT NULL,
    at       timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- As before, but for forget_grants: it says so in its transaction, and only the
-- owner of the table is believed. A role that may only add cannot lift it.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME IN ('consent_event', 'grant_version', 'receipt')
        AND current_setting('headgate.forgets', true) = 'on'
        AND pg_has_role(current_user, (SELECT c.relowner FROM pg_class c WHERE c.oid = TG_RELID), 'MEMBER') THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END
$$;
-- +goose StatementEnd

-- forget_grants deletes those of the named grants, with all that is kept of
-- them, that ended at least so many days ago by the clock of the database, and
-- never less than a year: no caller can have anything younger deleted. Who is
-- held, or has an erasure under way, stays. It returns how many went. It may be
-- called by a role that may not delete.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION forget_grants(ids text[], days integer[]) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    due  text[];
    gone integer;
BEGIN
    SELECT coalesce(array_agg(d.grant_id), '{}') INTO due FROM (
        SELECT g.grant_id FROM consent_grant g
        JOIN unnest(ids, days) AS u (id, kept) ON u.id = g.grant_id
        WHERE g.status <> 'ACTIVE' AND g.ended_at <= clock_timestamp() - make_interval(days => greatest(u.kept, 365))
          AND NOT EXISTS (SELECT FROM retention_hold h WHERE h.grant_id = g.grant_id)
          AND NOT EXISTS (SELECT FROM erase_request e WHERE e.grant_id = g.grant_id
                          AND e.answer = '' AND e.asked_at > clock_timestamp() - interval '30 days')
          AND NOT EXISTS (SELECT FROM person p WHERE p.pseudonym = g.consumer_id AND p.erase_at IS NOT NULL AND p.erased_at IS NULL)
        ORDER BY g.grant_id FOR UPDATE OF g SKIP LOCKED) AS d;
    PERFORM set_config('headgate.forgets', 'on', true);
    DELETE FROM person_notice n USING consent_grant g
    WHERE g.grant_id = ANY (due) AND n.consumer_id = g.consumer_id AND n.grant_id = g.grant_id;
    DELETE FROM receipt WHERE grant_id = ANY (due);
    DELETE FROM grant_version WHERE grant_id = ANY (due);
    DELETE FROM notification WHERE grant_id = ANY (due); -- with its deliveries
    DELETE FROM oauth_code WHERE grant_id = ANY (due);
    DELETE FROM oauth_access WHERE grant_id = ANY (due);
    DELETE FROM oauth_refresh WHERE grant_id = ANY (due);
    DELETE FROM erase_request WHERE grant_id = ANY (due);
    DELETE FROM stop_answer WHERE grant_id = ANY (due);
    DELETE FROM consent_event WHERE grant_id = ANY (due);
    DELETE FROM consent_grant WHERE grant_id = ANY (due);
    GET DIAGNOSTICS gone = ROW_COUNT;
    PERFORM set_config('headgate.forgets', '', true);
    RETURN gone;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION forget_grants(text[], integer[]) FROM PUBLIC;

-- How many copies of their record a person has had made on a day, and until
-- when one is on its way at the most.
CREATE TABLE IF NOT EXISTS record_export (
    consumer_id text COLLATE "C" PRIMARY KEY REFERENCES person,
    day         date        NOT NULL,
    made        integer     NOT NULL CHECK (made >= 1),
    busy_until  timestamptz NOT NULL
);

-- An app may have erased a part, for a reason. The table is small.
ALTER TABLE erase_request DROP CONSTRAINT IF EXISTS erase_request_answer_check, DROP CONSTRAINT IF EXISTS erase_request_check1,
    DROP CONSTRAINT IF EXISTS erase_request_answer_known, DROP CONSTRAINT IF EXISTS erase_request_answer_reason;
ALTER TABLE erase_request
    ADD CONSTRAINT erase_request_answer_known CHECK (answer IN ('', 'done', 'partly', 'refused')),
    ADD CONSTRAINT erase_request_answer_reason CHECK ((answer IN ('partly', 'refused')) = (reason <> ''));
