-- How calls of operations ended, as each process of the gateway counted them.
-- A row holds what its process has counted so far in that hour and is replaced
-- by what it has counted later: to write it again counts nothing twice, and no
-- two processes wait for each other's rows. Nothing removes rows: they are
-- evidence of performance, a few hundred thousand a year.

-- +goose Up

CREATE TABLE operation_call (
    hour       timestamptz NOT NULL,
    operation  text COLLATE "C" NOT NULL,
    process_id uuid        NOT NULL,
    proper     bigint      NOT NULL CHECK (proper >= 0),
    failed     bigint      NOT NULL CHECK (failed >= 0),
    excluded   bigint      NOT NULL CHECK (excluded >= 0), -- in announced downtime
    took_us    bigint      NOT NULL CHECK (took_us >= 0),  -- of proper and failed, in microseconds
    latencies  bigint[]    NOT NULL CHECK (array_length(latencies, 1) = 15),
    -- Minutes of the hour, bit 0 the first: in service, and announced downtime.
    up         bigint      NOT NULL,
    planned    bigint      NOT NULL,
    PRIMARY KEY (hour, operation, process_id)
);
