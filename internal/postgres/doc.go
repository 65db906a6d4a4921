// Package postgres keeps everything that has to be true: grants, decisions,
// codes, tokens, spent proofs and the records of reads. It implements the
// store interfaces that other packages declare and the gate through which
// every answer with data has to pass.
//
// It owns the schema (migrations/), all SQL, the job queue that carries
// notifications out (river, in tables of its own), and the mapping of database
// errors: whatever means that the database could not answer, or that the
// fate of a write is unknown, wraps consent.ErrUnavailable. It must not know
// HTTP, HTML, Redis or OAuth messages, and decides nothing that is not said
// in the contract of the interface it implements. gatewayd links it, so it
// imports neither authz nor the pages.
//
// The rules that hold throughout:
//
//   - one method is one transaction, except for Sweep, Notices.Upkeep and
//     Notices.AccountRemoved, which repeat themselves until they are done;
//   - a change of state compares the old state in its WHERE clause;
//   - expiry is decided by clock_timestamp() of the server, never by the
//     clock of this process. Only when to try a delivery again goes by the
//     clock of the worker: nothing but that delivery depends on it;
//   - whoever changes a grant or issues a token under it locks the grant's
//     row first: FOR SHARE to issue, an update to end it. Thus an end waits
//     for tokens being issued and sees them, and no token is issued after it;
//   - tokens come and go as hashes; no method takes the text of one.
package postgres
