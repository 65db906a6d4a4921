-- Whose accounts a grant covers, why a journey ended without one, and what an
-- app says that people get from it.
--
-- Every column has a default, so that the version before goes on beside this
-- one. Where it ends a journey that this one knows the cause of, the app is
-- told access_denied.

-- +goose Up

-- A consent.Holder. {} where all accounts of the person are in one name.
ALTER TABLE authorization_progress
    ADD COLUMN holder jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN cause  text  NOT NULL DEFAULT '';

ALTER TABLE consent_grant ADD COLUMN holder jsonb NOT NULL DEFAULT '{}';

-- The benefit that is registered, and the words that the operator approved:
-- people see it while the two are the same. It is a column because the record
-- may hold characters that the database cannot take out of it.
ALTER TABLE registration
    ADD COLUMN benefit          text NOT NULL DEFAULT '',
    ADD COLUMN benefit_approved text NOT NULL DEFAULT '';
