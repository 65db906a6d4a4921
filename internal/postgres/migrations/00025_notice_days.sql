-- How many days a notice is about is for the policy pack to say, and packs
-- change. A notice that is there already is about the number that every pack
-- had until now.

-- +goose Up

ALTER TABLE person_notice ADD COLUMN days integer NOT NULL DEFAULT 0 CHECK (days >= 0);
