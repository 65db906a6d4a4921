package postgres

import (
	"slices"

	"github.com/headgate/headgate/consent"
)

// The ledger names people by a pseudonym, which stands in every column
// consumer_id. Only the table person knows whose it is, as long as that
// person is not erased. Everything above this package knows people by the
// bank's id: it is put in and taken out here, in the statement that needs it,
// so that no round trip is added.

// consumerID is the column consumer_id of a row, given as the bank's id; the
// pseudonym itself for a person who is erased. No lookup by that finds
// anything, so an erased person's rows belong to nobody. The table person has
// no column consumer_id: the name means the row's own.
const consumerID = `coalesce((SELECT p.bank_id FROM person p WHERE p.pseudonym = consumer_id), consumer_id) AS consumer_id`

// pseudonymOf1 is the pseudonym of the person $1; NULL, which no row equals,
// for somebody of whom nothing is known. It is looked up once for a statement.
const pseudonymOf1 = `(SELECT p.pseudonym FROM person p WHERE p.bank_id = $1)`

// ensurePerson1 is a table expression who with the pseudonym of the person $1,
// who need not be known yet. The update changes nothing; without it, nothing
// would be returned for somebody who is known. It waits for an erasure that
// is under way, after which the same bank's id is another person.
const ensurePerson1 = `who AS (
    INSERT INTO person (bank_id) VALUES ($1)
    ON CONFLICT (bank_id) DO UPDATE SET bank_id = EXCLUDED.bank_id
    RETURNING pseudonym)`

// nameless returns resources as they are stored: the one that is the person
// has no id, because the row says who that is.
func nameless(all []consent.Resource, who consent.ConsumerID) []consent.Resource {
	return renamed(all, string(who), "")
}

// named undoes nameless.
func named(all []consent.Resource, who consent.ConsumerID) []consent.Resource {
	return renamed(all, "", string(who))
}

func renamed(all []consent.Resource, from, to string) []consent.Resource {
	all = slices.Clone(all)
	for i, r := range all {
		if r.Type == consent.ResourceCustomer && r.ID == from {
			all[i].ID = to
		}
	}
	return all
}
