-- Records of reads as leaves of a tree, and what the next migration needs to
-- cut their table into months without rewriting it. Both versions of the
-- program work on either shape.

-- +goose Up

-- transaction_id is what the sequencer goes by: a record that is committed
-- late has a number that is not below the oldest one that was running. lane
-- and counter are without a gap within a lane of the gate. The defaults need
-- no rewrite: they are the same for all rows that are there.
ALTER TABLE access_record
    ADD COLUMN lane           text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN counter        bigint NOT NULL DEFAULT 0,
    ADD COLUMN transaction_id xid8   NOT NULL DEFAULT pg_current_xact_id();

-- The first request id (UUID version 7) of an instant.
-- +goose StatementBegin
CREATE FUNCTION request_id_at(at timestamptz) RETURNS uuid LANGUAGE sql STABLE STRICT AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;
-- +goose StatementEnd

-- The partitions of access_record but the one of all other ids.
CREATE TABLE access_partition (
    name     text COLLATE "C" PRIMARY KEY,
    from_id  uuid NOT NULL,
    until_id uuid NOT NULL UNIQUE CHECK (until_id > from_id) -- outside
);

-- Ids that no month has go where a default partition keeps them.
CREATE TABLE access_record_other (LIKE access_record INCLUDING ALL);

-- +goose StatementBegin
DO $$
DECLARE
    -- Two months from now: until the next migration has run, the present table
    -- takes all records.
    bound uuid := request_id_at((date_trunc('month', now() AT TIME ZONE 'UTC') + interval '2 months') AT TIME ZONE 'UTC');
    names text;
BEGIN
    INSERT INTO access_partition (name, from_id, until_id)
    VALUES ('access_record_first', '00000000-0000-0000-0000-000000000000', bound);
    ALTER TABLE access_record DISABLE TRIGGER access_record_append_only;
    SELECT string_agg(quote_ident(attname), ', ') INTO names FROM pg_attribute
    WHERE attrelid = 'access_record'::regclass AND attnum > 0 AND NOT attisdropped;
    EXECUTE format('WITH moved AS (DELETE FROM access_record WHERE request_id >= %L RETURNING %s)
        INSERT INTO access_record_other (%s) SELECT %s FROM moved', bound, names, names, names);
    ALTER TABLE access_record ENABLE TRIGGER access_record_append_only;
    EXECUTE format('ALTER TABLE access_record ADD CONSTRAINT access_record_bound CHECK (request_id < %L) NOT VALID', bound);
END
$$;
-- +goose StatementEnd

-- The tree, see internal/audit/ledger. A leaf outlives its record: the tree
-- can be verified when old records are gone. There is no foreign key to them
-- for that reason.
CREATE TABLE access_leaf (
    leaf_index bigint PRIMARY KEY CHECK (leaf_index >= 0),
    request_id uuid  NOT NULL UNIQUE,
    hash       bytea NOT NULL CHECK (octet_length(hash) = 32)
);

-- The n-th subtree of 2^level leaves; lower ones are made from the leaves.
CREATE TABLE access_node (
    level smallint NOT NULL CHECK (level >= 8),
    n     bigint   NOT NULL CHECK (n >= 0),
    hash  bytea    NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (level, n)
);

-- What the tree is now. Every record up to (sequenced_xid, sequenced_id) has a
-- leaf; later ones may have one.
CREATE TABLE access_tree (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    size          bigint NOT NULL CHECK (size >= 0),
    root          bytea  NOT NULL CHECK (octet_length(root) = 32),
    edge          bytea  NOT NULL CHECK (octet_length(edge) % 32 = 0),
    sequenced_xid xid8   NOT NULL,
    sequenced_id  uuid   NOT NULL,
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO access_tree (size, root, edge, sequenced_xid, sequenced_id)
VALUES (0, sha256(''), '', '0', '00000000-0000-0000-0000-000000000000');

-- Signed checkpoints, in the form of a note.
CREATE TABLE access_checkpoint (
    size bigint PRIMARY KEY CHECK (size > 0),
    note text   NOT NULL,
    at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Partitions that the operator has retired: their leaves have no records.
CREATE TABLE access_retired (
    name     text COLLATE "C" PRIMARY KEY,
    from_id  uuid   NOT NULL,
    until_id uuid   NOT NULL,
    records  bigint NOT NULL,
    size     bigint NOT NULL, -- of the tree whose checkpoint covered them
    at       timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TRIGGER access_leaf_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_leaf
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();
CREATE TRIGGER access_node_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_node
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();
CREATE TRIGGER access_checkpoint_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();
CREATE TRIGGER access_retired_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_retired
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();
CREATE TRIGGER access_record_other_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_record_other
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewrite();
