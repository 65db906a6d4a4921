// Package redis keeps access tokens with their share in Redis, so that a
// read need not ask PostgreSQL who is asking.
//
// Redis is an accelerator that may be slow, down, emptied or out of date at
// any time. PostgreSQL decides at release, and introspection believes Redis
// for seconds only. So every call is bounded to tens of milliseconds with no
// retry; after five failures in a row no call is made for a second. Look-ups
// that are made at the same time share a round trip, and a failure of it counts
// once. It runs without persistence and without copies to promote, or its URL
// says so: failover=true.
//
// # Keys
//
// All keys share one hash tag, so that a script may touch several of them: in
// a Redis Cluster they live on one shard. None holds a secret.
//
//	{headgate}:token:<hash>       hash g, e, v, l, r, b, q: grant, epoch, token.AppendLive form, when it was looked for, recipient, thumbprint of its key or certificate, the recipient's own quota; 60 s at most
//	{headgate}:ended:<grant>      the epoch below which its tokens are forgotten; 120 s
//	{headgate}:stopped:<recipient>
//	                              when it was stopped, in ms since 1970: its tokens that were looked for up to then are forgotten; 120 s
//	{headgate}:proof:<key>        a DPoP proof that was used; until it is too old to be accepted
//	{headgate}:rate:recipient:<id>, rate:consent:<grant>, rate:bank
//	                              when the bucket is empty, in us since 1970; 60 s at most
//	{headgate}:generation         random, made once per life of the data; 24 h
//
// A lost token is a miss. A lost tombstone lets a stale token be found for up
// to 60 seconds, which the gate then withholds; tombstones of changes are
// placed again a few times (consent.Repeater). A lost proof is caught by the gate. A lost bucket is an empty one. A lost generation voids
// the fills under way.
//
// Introspection (Recent) has no gate behind it. It takes no entry that is
// older than consent.Freshness by the clock of Redis, and whoever ends a grant
// or stops a recipient waits for that long unless the tombstone is in place. So a Redis that loses
// everything is harmless, and one that forgets tombstones but keeps tokens is
// not: its eviction policy must be an LRU one, volatile-ttl or noeviction (under LFU
// a new tombstone goes before the token that it is about), and its
// clock must not be set back by more than a second.
//
// # Failover
//
// A copy that is promoted, or a snapshot that is loaded, knows the tokens and
// may not know of their end, and a Redis that was cut off from its copies
// may go on beside the one that took its place. So with failover=true in the
// URL introspection always reads the truth, and stops wait for no Redis. Data
// reads are as ever: whatever Redis says, the gate decides.
//
// # Redis Cluster
//
// A Redis Cluster is used like one Redis, which is the shard that holds the
// hash tag; the others are idle. It gives a place in an installation that
// there is already, not more throughput. A call has one try there too. When
// the shard has moved the call fails, which costs a look at PostgreSQL, and the
// client reads the map anew.
//
// The package must not know HTTP or what a read is. It uses nothing that
// Redis 7.0 lacks.
package redis
