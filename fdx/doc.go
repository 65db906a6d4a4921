// Package fdx is the data vocabulary of the Financial Data Exchange API in
// its 6.4 wire format: accounts, transactions, money, dates, data clusters,
// scopes, the map from fields to clusters, the error table, pages and the
// parameters of read requests.
//
// It owns the shape of what goes over the wire and the pure rules on it. It
// knows no HTTP handler, no storage, no token and no grant, and imports the
// standard library only, so that every other package may import it.
//
// Conventions that hold for all types here:
//
//   - A zero value means "not given" and is left out of the JSON. That goes
//     for [Date], [Timestamp] and [Decimal] too: the zero Decimal is no
//     amount, which is different from the amount 0. Booleans that may be
//     unknown are pointers.
//   - Field names are camelCase and enum values upper case, as on the wire.
//   - No error text repeats its input, because account numbers, names and
//     tokens must not reach a log or an answer by way of an error.
//   - Values are safe for concurrent reads; [FilterAccount] and
//     [FilterTransaction] change their argument and need sole ownership.
package fdx
