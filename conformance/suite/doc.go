// Package suite proves a deployment of FAPI 2.0 and FDX from the outside.
//
// A Case is a small function that does one thing, states the exact answer
// that it expects, and names the section that demands it, how bad it is when
// the deployment does otherwise, and how to mend it. The function is given a
// T: the target, what cases share (metadata, consents that have been given),
// and requests as values that the case bends before it sends them. Run runs
// cases and returns results; report.go and its neighbours write them down.
//
//	target.go   what the deployment is, and what it claims
//	case.go     what a case is
//	t.go        what a case is given: failing, claims, sending, racing
//	app.go      the target's recipients, and the requests they make
//	grant.go    the consumer's journey, codes and tokens; shared consents
//	jwt.go      a JWT of which every part can be bent
//	wire.go     requests, answers, bytes on the wire; bounds on load
//	record.go   every exchange of a case, without secrets
//	expect.go   the exact expected answer
//	run.go      running cases
//	report*.go  what was found: terminal, JSON, JUnit, HTML
//
// Three rules keep a green run honest. A case that could not run has failed.
// A case that checked nothing has failed. A case is not applicable only
// because the target does not claim what it needs, and never because of what
// an answer said.
//
// The package imports nothing of this module outside conformance/: a mistake
// that the server and its prover shared would hide itself.
//
// Specifications: RFC 6749, 6750, 7009, 7523, 7591, 7592, 7636, 7662, 8414,
// 8705, 9101, 9126, 9207, 9396, 9449, 9728; FAPI 2.0 Security Profile and
// Message Signing; JARM; Grant Management for OAuth 2.0; FDX API 6.
package suite
