package fdx

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a person asks an app to erase, and what the app says. FDX has no such
// thing: all of this is an extension.

// ErasureOutcome is what an app did about a request to erase.
type ErasureOutcome string

// The outcomes.
const (
	ErasureDone    ErasureOutcome = "DONE"
	ErasurePartly  ErasureOutcome = "PARTLY"  // some of it, for a reason
	ErasureRefused ErasureOutcome = "REFUSED" // nothing, for a reason
)

// MaxErasureReason is the longest reason, in characters.
const MaxErasureReason = 240

// ErasureRequest is what an app was asked about one consent and has not
// answered.
type ErasureRequest struct {
	ConsentID     ConsentID `json:"consentId"`
	RequestedTime Timestamp `json:"requestedTime"`
	// DueTime is when the person is told that there was no answer. A later
	// answer still counts.
	DueTime Timestamp `json:"dueTime"`
}

// ErasureRequestsAnswer is the answer to listErasureRequests.
type ErasureRequestsAnswer struct {
	// ErasureRequests may be empty, which is [] in the JSON and never null.
	ErasureRequests []ErasureRequest `json:"erasureRequests"`
}

// MarshalJSON writes no list as [].
func (a ErasureRequestsAnswer) MarshalJSON() ([]byte, error) {
	type plain ErasureRequestsAnswer
	a.ErasureRequests = listed(a.ErasureRequests)
	return json.Marshal(plain(a))
}

// ErasureReply is the body of answerErasureRequest.
type ErasureReply struct {
	Outcome ErasureOutcome `json:"outcome"`
	// Reason is a sentence that the person reads; empty exactly for
	// ErasureDone.
	Reason string `json:"reason,omitempty"`
}

// ParseErasureReply reads the body of answerErasureRequest. A reason is one
// line of at most MaxErasureReason characters without control characters, and
// without space around it. Anything but one JSON object of at most
// MaxBodyLength bytes with a known outcome, and a reason exactly where not all
// was done, is ErrInvalidInput. Unknown members are ignored.
func ParseErasureReply(body []byte) (ErasureReply, *Error) {
	var r ErasureReply
	if err := parseBody(body, &r); err != nil {
		return ErasureReply{}, err
	}
	unfit := func(c rune) bool { return unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || c == utf8.RuneError }
	switch {
	case r.Outcome != ErasureDone && r.Outcome != ErasurePartly && r.Outcome != ErasureRefused:
		return ErasureReply{}, ErrInvalidInput.WithDebug("outcome is none of DONE, PARTLY and REFUSED")
	case (r.Outcome == ErasureDone) != (r.Reason == ""):
		return ErasureReply{}, ErrInvalidInput.WithDebug("reason is required unless outcome is DONE, and there is none with DONE")
	case utf8.RuneCountInString(r.Reason) > MaxErasureReason, strings.TrimSpace(r.Reason) != r.Reason, strings.ContainsFunc(r.Reason, unfit):
		return ErasureReply{}, ErrInvalidInput.WithDebug("reason is not one line of at most 240 characters")
	}
	return r, nil
}
