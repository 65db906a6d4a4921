-- +goose Up

-- Who a customer is besides the name: an FDX Customer without its id and its
-- accounts. NULL when only the name is known.
ALTER TABLE sandbox.customer ADD COLUMN person jsonb;

-- What an account has besides its transactions (ledger.Services).
ALTER TABLE sandbox.account ADD COLUMN services jsonb NOT NULL DEFAULT '{}';

CREATE TABLE sandbox.reward_program (
    id          text PRIMARY KEY, -- random
    seq         bigint GENERATED ALWAYS AS IDENTITY UNIQUE, -- the order of lists
    institution text NOT NULL,
    key         text NOT NULL,
    detail      jsonb NOT NULL, -- an FDX RewardProgram without id and memberships
    categories  jsonb NOT NULL, -- an array of FDX RewardCategory without program id
    UNIQUE (institution, key)
);

CREATE TABLE sandbox.reward_membership (
    program_id  text NOT NULL REFERENCES sandbox.reward_program,
    customer_id text NOT NULL REFERENCES sandbox.customer,
    account_ids text[] NOT NULL, -- the accounts that earn
    detail      jsonb NOT NULL, -- an FDX RewardMembership without ids
    PRIMARY KEY (program_id, customer_id)
);

-- +goose Down
DROP TABLE sandbox.reward_membership, sandbox.reward_program;
ALTER TABLE sandbox.account DROP COLUMN services;
ALTER TABLE sandbox.customer DROP COLUMN person;
