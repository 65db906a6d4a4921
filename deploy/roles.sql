-- The rights of authzd and gatewayd, for a deployment in which they do not own
-- their tables. Run it as the owner, in the database, after every
-- 'headgate migrate':  psql -v ON_ERROR_STOP=1 -f deploy/roles.sql
-- then:  CREATE ROLE headgate_1 LOGIN PASSWORD '...' IN ROLE headgate_app
--
-- What was recorded can be read and added to, and nothing else: a program that
-- was broken into cannot take back what it did. 'headgate migrate' and
-- 'headgate audit retire' and, for whole months of records, 'headgate retention
-- run' need the owner.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'headgate_app') THEN
        CREATE ROLE headgate_app NOLOGIN;
    END IF;
END
$$;

GRANT USAGE ON SCHEMA public TO headgate_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO headgate_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO headgate_app;
GRANT EXECUTE ON FUNCTION access_months(integer) TO headgate_app;
-- Deletes what ended years ago, and nothing younger, whoever calls it.
GRANT EXECUTE ON FUNCTION forget_grants(text[], integer[]) TO headgate_app;

-- Records, and the tree over them: added to, never rewritten. Months are
-- reached through their table alone.
REVOKE UPDATE, DELETE, TRUNCATE ON access_record, access_leaf, access_node, access_checkpoint, consent_event, staff_lookup, sharing_switch FROM headgate_app;
REVOKE INSERT, DELETE, TRUNCATE ON access_tree FROM headgate_app;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON access_partition, access_retired, goose_db_version FROM headgate_app;
DO $$
DECLARE
    part text;
BEGIN
    FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'access_record'::regclass LOOP
        EXECUTE 'REVOKE ALL ON ' || part || ' FROM headgate_app';
    END LOOP;
END
$$;
