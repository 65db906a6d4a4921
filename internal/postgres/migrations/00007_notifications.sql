-- What recipients are told. A notification is written in the transaction of
-- the change that it tells of, with one delivery for each subscription that
-- asks for it; the jobs that carry deliveries out are in the tables of the job
-- queue (river_*), which has migrations of its own. The deliveries are the
-- truth and the jobs are reminders: a job that is lost is made again.
--
-- The table outbox is written by the version before only, which may still be
-- running beside this one. It goes with a later migration.

-- +goose Up

-- sequence orders a recipient's feed and, for one grant, its deliveries:
-- whoever tells of a grant holds the grant's row, so that the numbers of one
-- grant rise in the order of the commits.
CREATE TABLE notification (
    sequence        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notification_id text COLLATE "C" NOT NULL UNIQUE,
    recipient_id    text COLLATE "C" NOT NULL REFERENCES recipient,
    grant_id        text COLLATE "C" REFERENCES consent_grant,
    type            text        NOT NULL,
    category        text        NOT NULL,
    payload_id      text        NOT NULL,
    payload_type    text        NOT NULL,
    field_name      text        NOT NULL,
    field_value     text        NOT NULL,
    -- What must be told at most once; NULL for what happens each time anew.
    once            text COLLATE "C" UNIQUE,
    created_at      timestamptz NOT NULL
);

CREATE INDEX notification_feed ON notification (recipient_id, sequence);
CREATE INDEX notification_age ON notification (created_at);

CREATE TABLE notification_subscription (
    subscription_id text COLLATE "C" PRIMARY KEY,
    recipient_id    text COLLATE "C" NOT NULL REFERENCES recipient,
    type            text        NOT NULL,
    category        text        NOT NULL,
    callback_url    text        NOT NULL,
    subscriber      json        NOT NULL, -- json and not jsonb, which refuses some characters
    effective_date  date        NOT NULL,
    created_at      timestamptz NOT NULL,
    deleted_at      timestamptz
);

CREATE INDEX notification_subscription_live ON notification_subscription (recipient_id, type, category) WHERE deleted_at IS NULL;

-- stream is the grant, or '' for what concerns none: within a subscription
-- and a stream, one delivery is over before the next one begins. next_at is
-- when to try; an attempt moves it ahead, so that an attempt nobody finishes
-- is made again.
CREATE TABLE notification_delivery (
    subscription_id text COLLATE "C" NOT NULL REFERENCES notification_subscription,
    sequence        bigint      NOT NULL REFERENCES notification ON DELETE CASCADE,
    stream          text COLLATE "C" NOT NULL,
    state           text        NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts        integer     NOT NULL DEFAULT 0,
    last_status     integer     NOT NULL DEFAULT 0,
    since           timestamptz NOT NULL,
    next_at         timestamptz NOT NULL,
    PRIMARY KEY (subscription_id, sequence)
);

CREATE INDEX notification_delivery_due ON notification_delivery (subscription_id, next_at) WHERE state = 'pending';
CREATE INDEX notification_delivery_stream ON notification_delivery (subscription_id, stream, sequence) WHERE state = 'pending';
CREATE INDEX notification_delivery_sequence ON notification_delivery (sequence);
CREATE INDEX notification_delivery_dead ON notification_delivery (sequence) WHERE state = 'dead';
