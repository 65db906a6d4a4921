// Package redis keeps access tokens with their share in Redis, so that a
// read need not ask PostgreSQL who is asking.
//
// Redis is an accelerator that may be slow, down, emptied or out of date at
// any time. No promise rests on it: PostgreSQL decides at release. So it
// runs without persistence and without replicas to promote, and every call
// is bounded to tens of milliseconds with no retry; after five failures in a
// row no call is made for a second.
//
// # Keys
//
// All keys share one hash tag, so that a script may touch several of them: in
// a Redis Cluster they live on one shard. None holds a secret.
//
//	{headgate}:token:<hash>       hash g, e, v: grant, epoch, token.AppendLive form; 60 s at most
//	{headgate}:ended:<grant>      the epoch below which its tokens are forgotten; 120 s
//	{headgate}:proof:<key>        a DPoP proof that was used; until it is too old to be accepted
//	{headgate}:generation         random, made once per life of the data; 24 h
//
// A lost token is a miss. A lost tombstone lets a stale token be found for up
// to 60 seconds, which the gate then withholds. A lost proof is caught by the
// gate. A lost generation voids the fills under way.
//
// The package must not know HTTP or what a read is. It uses nothing that
// Redis 7.0 lacks.
package redis
