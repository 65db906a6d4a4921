// Package broken builds the product with faults in it, so that whoever
// promises to find a fault can be seen to find it.
//
// A fault is a text file in faults: what it breaks, who must notice, and which
// text of the source it replaces. All faults together are laid over the source
// by `go build -overlay`, each behind a switch that is off: the source that is
// shipped holds no switch and no hook, and no file of it changes. The programs
// that come out of it behave like the real ones until the environment variable
// HEADGATE_BROKEN names a fault.
//
// The package owns the form of a fault and the overlay. It must not know what
// the faults mean, nor who looks for them.
//
// # A fault file
//
// Its name without .txt is the name of the fault.
//
//	breaks: the verifier of PKCE is not compared (RFC 7636 section 4.6)
//	caught by: token.pkce.wrong-verifier, token.pkce.no-verifier
//	@@ authz/internal/engine/pkce.go
//	if !equal {
//	@@ becomes
//	if !equal && !broken.On("pkce-verifier") {
//	@@ end
//
// There may be several edits. The text to replace must occur exactly once in
// the file; the line ends around it do not count, so it may be part of a line.
// Text that no longer occurs is an error: a fault follows the code it breaks.
//
// The new text calls broken.On("name"), which reports whether the fault is
// switched on, or broken.Pause("name"), which sleeps for the time that
// HEADGATE_PAUSE gives as name=200ms: this holds a window open that a race
// needs; broken.Span("name") returns that time. broken.Die("name", 40) kills the
// process, one time in forty: a point at which it may be gone. The import is
// added by itself.
package broken
