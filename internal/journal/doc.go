// Package journal keeps, outside the database, which consents moved on: each
// stop, pause and change, within about a second. A database that is restored
// from a backup believes again in consents that were stopped after it; the
// journal is what ends them before anybody is served.
//
// It owns the form of the files, what is replayed, and the comparison that
// keeps a process from serving a database that is older than the journal. It
// must not know SQL, nor how backups are made. It holds ids and numbers, and
// nothing of a person.
//
// The rule of a replay is deny by default: every consent that the journal
// knows in a later version than the database is ended, whatever the change
// was, because what it had become is not in the journal. The person can give
// it again.
package journal
