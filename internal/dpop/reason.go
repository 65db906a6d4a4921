package dpop

// Code is the error code of RFC 9449 section 5 and 7.1 for every refused
// proof. A client learns no more than that; the Reason is for the log.
const Code = "invalid_dpop_proof"

// Reason says which rule refused a proof. The values are stable and safe to
// log: they hold nothing of the proof.
type Reason string

// The reasons, in the order in which Verify checks.
const (
	Missing     Reason = "missing"       // no DPoP header
	Multiple    Reason = "multiple"      // more than one DPoP header
	TooLarge    Reason = "too_large"     // over MaxProofBytes
	NotCompact  Reason = "not_compact"   // not three parts
	BadEncoding Reason = "bad_encoding"  // not strict base64url
	BadJSON     Reason = "bad_json"      // header or claims are no JSON object
	Duplicate   Reason = "duplicate"     // a member name twice in one object
	TooDeep     Reason = "too_deep"      // nested deeper than certs.MaxJSONDepth
	TooMany     Reason = "too_many"      // more than maxMembers members
	Critical    Reason = "critical"      // crit or b64 in the header
	WrongType   Reason = "wrong_typ"     // typ missing or not dpop+jwt
	WrongAlg    Reason = "wrong_alg"     // alg missing or not accepted
	NoKey       Reason = "no_key"        // jwk missing or not an object
	NoID        Reason = "wrong_jti"     // jti missing, empty or over MaxIDBytes
	WrongMethod Reason = "wrong_htm"     // htm missing or of another method
	WrongURL    Reason = "wrong_htu"     // htu missing or of another URL
	WrongTime   Reason = "wrong_iat"     // a time is missing or not a number
	Stale       Reason = "stale"         // iat too long ago
	Future      Reason = "future"        // iat or nbf too far ahead
	Expired     Reason = "expired"       // exp has passed
	WrongToken  Reason = "wrong_ath"     // ath missing or of another token
	WrongNonce  Reason = "wrong_nonce"   // nonce empty, over MaxIDBytes or no string
	PrivateKey  Reason = "private_key"   // jwk discloses a private key
	BadKey      Reason = "bad_key"       // jwk is not a key we accept for alg
	BadSig      Reason = "bad_signature" // signature does not verify
)

// Error is what Verify returns for a refused proof. Its text is for the log.
type Error struct{ Reason Reason }

// Error implements error.
func (e *Error) Error() string { return "dpop: proof refused: " + string(e.Reason) }
