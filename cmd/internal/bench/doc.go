// Package bench measures what enforcement costs: the same page of
// transactions read without any check, with a certificate-bound token and
// with a DPoP-bound one, with the gate and without it, from PostgreSQL and
// from memory, and the endpoints of the authorization server, side by side in
// one run and as ratios. Round trips are counted, one caller at a time.
// docs/performance.md says what each line is and how to read it.
//
// It owns the composition that is measured (the gateway's own constructors
// over a private PostgreSQL that writes as safely as a production one, and a
// Redis), the load generator and the accounting. The load generator is a
// process of its own, so that what a read costs the server is counted apart
// from what it costs to ask. The package judges nothing: no figure fails a
// run, only an answer that is not the expected one does.
//
// Load is the other thing it does: it reads a bank, any bank, at a constant
// rate through a gateway that is a process of its own, and says how long reads
// took and what went wrong.
package bench
