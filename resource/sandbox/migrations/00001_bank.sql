-- +goose Up

-- A person who has accounts. Names and account numbers are personal data; they
-- stay in this schema and in the answers that a grant lets through.
CREATE TABLE sandbox.customer (
    id       text PRIMARY KEY, -- random
    username text NOT NULL UNIQUE,
    name     text NOT NULL
);

CREATE TABLE sandbox.account (
    id             text PRIMARY KEY, -- random, never derived from the number
    seq            bigint GENERATED ALWAYS AS IDENTITY UNIQUE, -- the order of lists
    institution    text NOT NULL,
    key            text NOT NULL, -- what the institution knows the account by
    number         text NOT NULL,
    category       text NOT NULL,
    number_display text NOT NULL,
    product_name   text NOT NULL,
    nickname       text NOT NULL,
    status         text NOT NULL,
    currency       text NOT NULL,
    -- What the category calls current balance, principal or value; NULL when
    -- the source did not say.
    balance        numeric,
    -- What the category calls available balance, credit or cash.
    available      numeric,
    balance_as_of  timestamptz,
    detail         jsonb NOT NULL, -- what only this category has, in FDX names
    UNIQUE (institution, key)
);

CREATE TABLE sandbox.holder (
    customer_id  text NOT NULL REFERENCES sandbox.customer,
    account_id   text NOT NULL REFERENCES sandbox.account,
    relationship text NOT NULL CHECK (relationship IN ('OWNER', 'JOINT', 'AUTHORIZED_USER')),
    PRIMARY KEY (customer_id, account_id)
);
CREATE INDEX ON sandbox.holder (account_id);

CREATE TABLE sandbox.holding (
    account_id      text NOT NULL REFERENCES sandbox.account,
    position        integer NOT NULL, -- the order within the account
    name            text NOT NULL,
    symbol          text NOT NULL,
    units           numeric,
    unit_price      numeric,
    unit_price_date date,
    market_value    numeric,
    detail          jsonb NOT NULL,
    PRIMARY KEY (account_id, position)
);

CREATE TABLE sandbox.txn (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  text NOT NULL REFERENCES sandbox.account,
    key         text NOT NULL, -- tells it from all others of the account
    pending     boolean NOT NULL,
    -- When it was booked, or when it happened while pending: what windows
    -- select by and lists are sorted by. Whole seconds.
    at          timestamptz NOT NULL,
    happened_at timestamptz NOT NULL,
    amount      numeric NOT NULL CHECK (amount >= 0),
    direction   text NOT NULL CHECK (direction IN ('CREDIT', 'DEBIT', 'MEMO')),
    description text NOT NULL,
    detail      jsonb NOT NULL,
    UNIQUE (account_id, key)
);
-- One page, wherever it is in the list, is one short range of this index.
CREATE INDEX txn_page ON sandbox.txn (account_id, pending, at DESC, id DESC);

-- How far an import moved the dates of an institution, so that a later import
-- moves them as far.
CREATE TABLE sandbox.rebase (
    institution text PRIMARY KEY,
    days        integer NOT NULL
);

-- +goose Down
DROP TABLE sandbox.rebase, sandbox.txn, sandbox.holding, sandbox.holder, sandbox.account, sandbox.customer;
