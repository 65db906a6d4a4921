-- Records of reads by month, so that old ones can go a month at a time. The
-- key stays the request id alone: it is made of the time (UUID version 7), so
-- that a month is a range of ids and an id is unique in all of them.
--
-- Nothing is copied and nothing is locked for long, however many records there
-- are: the long steps run beside reads and writes, and the table that was there
-- becomes the first partition. Every step but the last may be repeated; that
-- one writes down itself that this has been done, so that who is killed after it
-- does not begin again.

-- +goose NO TRANSACTION
-- +goose Up

-- What was broken off leaves an index that is of no use.
DROP INDEX CONCURRENTLY IF EXISTS access_record_sequence;
CREATE INDEX CONCURRENTLY access_record_sequence ON access_record (transaction_id, request_id);

-- +goose StatementBegin
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_constraint WHERE conname = 'access_record_bound' AND conrelid = 'access_record'::regclass) THEN
        ALTER TABLE access_record VALIDATE CONSTRAINT access_record_bound;
    END IF;
END
$$;
-- +goose StatementEnd

-- access_months makes the partitions of this month and of some months ahead
-- that are missing. It returns how many could not be made, because the default
-- partition has records of them: they stay there. It may be called by a role
-- that may not make tables.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION access_months(ahead integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    month  timestamp;
    lower  uuid;
    upper  uuid;
    part   text;
    failed integer := 0;
BEGIN
    FOR i IN 0 .. least(ahead, 24) LOOP
        month := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') + make_interval(months => i);
        lower := request_id_at(month AT TIME ZONE 'UTC');
        upper := request_id_at((month + interval '1 month') AT TIME ZONE 'UTC');
        CONTINUE WHEN EXISTS (SELECT FROM access_partition p WHERE p.from_id < upper AND p.until_id > lower);
        -- One process makes them, the others find them made.
        LOCK TABLE access_partition IN SHARE ROW EXCLUSIVE MODE;
        CONTINUE WHEN EXISTS (SELECT FROM access_partition p WHERE p.from_id < upper AND p.until_id > lower);
        part := 'access_record_' || to_char(month, 'YYYYMM');
        BEGIN
            EXECUTE format('CREATE TABLE %I (LIKE access_record INCLUDING ALL)', part);
            EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite()',
                part || '_append_only', part);
            EXECUTE format('ALTER TABLE access_record ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, lower, upper);
            INSERT INTO access_partition (name, from_id, until_id) VALUES (part, lower, upper);
        EXCEPTION WHEN check_violation THEN
            failed := failed + 1;
        END;
    END LOOP;
    RETURN failed;
END
$$;
-- +goose StatementEnd

-- The last step, all or nothing.
-- +goose StatementBegin
DO $$
DECLARE
    bound uuid;
BEGIN
    SELECT until_id INTO STRICT bound FROM access_partition WHERE name = 'access_record_first';
    ALTER TABLE access_record RENAME TO access_record_first;
    ALTER INDEX access_record_pkey RENAME TO access_record_first_pkey;
    ALTER INDEX access_record_consumer RENAME TO access_record_first_consumer;
    ALTER INDEX access_record_last RENAME TO access_record_first_last;
    ALTER INDEX access_record_sequence RENAME TO access_record_first_sequence;
    ALTER TRIGGER access_record_append_only ON access_record_first RENAME TO access_record_first_append_only;

    CREATE TABLE access_record (LIKE access_record_first INCLUDING DEFAULTS INCLUDING CONSTRAINTS) PARTITION BY RANGE (request_id);
    ALTER TABLE access_record DROP CONSTRAINT access_record_bound;
    ALTER TABLE access_record ADD CONSTRAINT access_record_pkey PRIMARY KEY (request_id);
    -- A consumer's history, newest first, by keyset.
    CREATE INDEX access_record_consumer ON access_record (consumer_id, at DESC, request_id DESC);
    -- The last read under each grant; refusals gave nothing.
    CREATE INDEX access_record_last ON access_record (grant_id, at DESC, request_id DESC) WHERE outcome <> 'refused';
    -- What the sequencer has not seen.
    CREATE INDEX access_record_sequence ON access_record (transaction_id, request_id);
    CREATE TRIGGER access_record_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_record
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();
    -- The constraint spares a scan.
    EXECUTE format('ALTER TABLE access_record ATTACH PARTITION access_record_first FOR VALUES FROM (MINVALUE) TO (%L)', bound);
    ALTER TABLE access_record_first DROP CONSTRAINT access_record_bound;
    ALTER TABLE access_record ATTACH PARTITION access_record_other DEFAULT;
    -- The table has rights of its own: those that were given stay in force.
    DECLARE
        acl record;
    BEGIN
        FOR acl IN
            SELECT a.privilege_type AS privilege, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee
            FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = 'access_record_first'::regclass AND a.grantee <> c.relowner
        LOOP
            EXECUTE format('GRANT %s ON access_record TO %s', acl.privilege, acl.grantee);
        END LOOP;
    END;
    PERFORM access_months(3);
    INSERT INTO goose_db_version (version_id, is_applied) VALUES (20, true);
END
$$;
-- +goose StatementEnd
