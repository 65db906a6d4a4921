// Package fdx is the data vocabulary of the Financial Data Exchange API in
// its 6.4 wire format: accounts, transactions, contacts, customers, payment
// networks, statements, rewards, consents, notifications, what a provider
// says about itself, money, dates, data clusters, scopes, the map from fields
// to clusters, the error table, pages and the parameters of read requests.
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
//   - An enum value that this package does not name passes when it comes from
//     a bank, since FDX adds values with every release. Only an unknown
//     account category is refused, because it decides what the rest means. In
//     a request from outside an unknown value is refused.
//   - The attributes that FDX lets an institution make up (fiAttributes) have
//     no place here: nobody can tell which cluster covers them.
//   - No error text repeats its input, because account numbers, names and
//     tokens must not reach a log or an answer by way of an error.
//   - Values are safe for concurrent reads; the Filter functions, such as
//     [FilterAccount], change their argument and need sole ownership.
package fdx
