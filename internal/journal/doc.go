// Package journal keeps, outside the database, what moved on within about a
// second: which consents did, by each stop, pause and change; the state of each
// recipient, such as suspended; who let no new sharing begin; and who was
// erased. A database that is restored from a backup believes again in what was
// stopped after it; the journal is what brings it up before anybody is served.
//
// It owns the form of the files, what is replayed, and the comparison that
// keeps a process from serving a database that is older than the journal. It
// must not know SQL, nor how backups are made. It holds ids, numbers and
// states, and of a person the pseudonym alone.
//
// The rule of a replay is deny by default. Every consent that the journal knows
// in a later version than the database is ended, whatever the change was,
// because what it had become is not in the journal. The person can give it
// again. Of the state of a recipient or a person all is known, so that the last
// one holds: who was suspended and allowed again is allowed.
package journal
