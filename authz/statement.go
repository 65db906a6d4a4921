package authz

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/internal/token"
)

// StatementType is the typ of the software statements that the operator
// signs. The same keys sign other things for clients, so nothing else of ours
// may pass for one (RFC 8725 section 3.11).
const StatementType = "software-statement+jwt"

// The limits of a software statement.
const (
	maxStatement = 64 << 10 // bytes
	// StatementLife is how long after its iat a software statement is taken
	// at most, where its directory sets no other bound.
	StatementLife = 24 * time.Hour
	// OperatorStatementLife is StatementLife for the operator's own.
	OperatorStatementLife = 30 * 24 * time.Hour
)

// Directory is somebody who signs software statements (RFC 7591 section
// 2.3).
type Directory struct {
	// Issuer is the iss of its statements.
	Issuer string
	// Keys are its public keys; empty with JWKSURI.
	Keys certs.JWKS
	// JWKSURI is where its keys are, fetched through Config.KeySets.
	JWKSURI string
	// AutoApprove makes a client active at once when everything that the
	// operator would look at is in the statement.
	AutoApprove bool
	// MaxAge bounds the life of a statement from its iat on; zero is
	// StatementLife.
	MaxAge time.Duration
}

// NewStatement returns the claims of a software statement of the operator,
// good for that long from now on: client metadata as Registration reads it,
// of which any member may be missing, as the client then says it itself.
func NewStatement(issuer string, record []byte, now time.Time, life time.Duration) (map[string]any, error) {
	if life <= 0 || life > OperatorStatementLife {
		return nil, fmt.Errorf("statement: the life must be more than nothing and at most %s", OperatorStatementLife)
	}
	if err := checkBase("issuer", issuer); err != nil {
		return nil, err
	}
	all, err := readMembers(record)
	if err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	claims := map[string]any{"iss": issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(life).Unix()}
	names := memberNames()
	for name, value := range all {
		if !names[name] || notFromClients[name] || name == "software_statement" {
			return nil, fmt.Errorf("statement: %q is no member of a statement", name)
		}
		claims[name] = value
	}
	m, err := decodeMetadata(all, true)
	if err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	_, faults := m.recipient()
	faults = slices.DeleteFunc(faults, func(err error) bool {
		f, ok := errors.AsType[fault](err)
		return ok && all[f.member] == nil // the client may bring it
	})
	return claims, errors.Join(faults...)
}

// checkDirectories says what is wrong with the configured directories.
func checkDirectories(c Config) error {
	var faults []error
	seen := map[string]bool{c.Issuer: true}
	for _, d := range c.Directories {
		if d.Issuer == "" || seen[d.Issuer] {
			faults = append(faults, errors.New("authz: each directory needs an Issuer of its own"))
		}
		seen[d.Issuer] = true
		if (len(d.Keys.Keys) > 0) == (d.JWKSURI != "") || d.JWKSURI != "" && (c.KeySets == nil || !linkable(d.JWKSURI)) {
			faults = append(faults, errors.New("authz: each directory needs either Keys or, with KeySets, an https JWKSURI"))
		}
		if d.MaxAge < 0 {
			faults = append(faults, errors.New("authz: the MaxAge of a directory must not be negative"))
		}
	}
	return errors.Join(faults...)
}

// statement is a software statement that was verified, now or when the client
// registered.
type statement struct {
	directory Directory
	claims    members // client metadata alone
	issuer    string
	id        string // jti
	software  string // software_id, "" when it has none
	until     time.Time
}

// proof is what makes the statement unique.
func (st statement) proof() token.Proof {
	return token.Proof{Key: onceKey("software statement", st.issuer, st.id), ExpiresAt: st.until.Add(maxAhead)}
}

// badStatement is the answer to a statement that is not what it should be. The
// text is ours, never the sender's.
func badStatement(text string) *Error { return refuse("invalid_software_statement", text) }

// directory returns who signs under that name. We are one ourselves.
func (s *Server) directory(issuer string) (Directory, bool) {
	if issuer == s.cfg.Issuer {
		keys, err := certs.ParseJWKS(s.cfg.Keys.Public())
		return Directory{Issuer: issuer, Keys: keys, AutoApprove: true, MaxAge: OperatorStatementLife}, err == nil
	}
	i := slices.IndexFunc(s.cfg.Directories, func(d Directory) bool { return d.Issuer == issuer })
	if i < 0 {
		return Directory{}, false
	}
	d := s.cfg.Directories[i]
	if d.MaxAge == 0 {
		d.MaxAge = StatementLife
	}
	return d, true
}

// checkStatement verifies a software statement: a compact JWS of a directory
// that is known, of the right type and time, for us. That it is used once is
// for the store to see (statement.proof).
func (s *Server) checkStatement(ctx context.Context, raw string) (statement, error) {
	none := func(text string) (statement, error) { return statement{}, badStatement(text) }
	jwt, err := parseJWT(raw, maxStatement)
	if err != nil {
		return none("the software statement " + err.Error())
	}
	st, err := s.readStatement(jwt.claims)
	if err != nil {
		return statement{}, err
	}
	own := st.issuer == s.cfg.Issuer
	typ := strings.TrimPrefix(strings.ToLower(jwt.typ), "application/")
	if typ != StatementType && (own || typ != "" && typ != "jwt") {
		return none("the typ of the software statement must be " + StatementType)
	}
	keys := st.directory.Keys
	if st.directory.JWKSURI != "" {
		if keys, err = s.keysAt(ctx, st.directory.JWKSURI, jwt.verify); err != nil { // whether it is good cannot be said
			return statement{}, &Error{http.StatusServiceUnavailable, "temporarily_unavailable", "the keys of the directory cannot be had now", err}
		}
	}
	if !jwt.verify(keys) {
		return none("the signature of the software statement does not verify")
	}
	if !s.cfg.Now().Before(st.until) {
		return none("the software statement has expired")
	}
	return st, nil
}

// readStatement reads the claims. Whoever must not believe them yet has the
// signature still to check.
func (s *Server) readStatement(payload []byte) (statement, error) {
	none := func(text string) (statement, error) { return statement{}, badStatement(text) }
	if certs.StrictJSON(payload) != nil {
		return none("the claims of the software statement must be strict JSON")
	}
	all := members{}
	if json.Unmarshal(payload, &all) != nil {
		return none("the claims of the software statement must be an object")
	}
	text := func(name string) (value string, ok bool) {
		ok = json.Unmarshal(all[name], &value) == nil && value != "" && len(value) <= maxJTI && visible(value)
		return value, ok
	}
	var st statement
	var known, ok bool
	if st.issuer, ok = text("iss"); !ok {
		return none("the software statement needs iss")
	}
	if st.directory, known = s.directory(st.issuer); !known {
		return statement{}, refuse("unapproved_software_statement", "software statements of this issuer are not accepted here")
	}
	if st.id, ok = text("jti"); !ok {
		return none("the software statement needs jti")
	}
	if _, given := all["software_id"]; given {
		if st.software, ok = text("software_id"); !ok {
			return none("software_id must be a string of at most 256 characters")
		}
	}
	if !s.forUs(all["aud"]) {
		return none("the software statement is for another authorization server")
	}
	if err := s.statementTimes(all, &st); err != nil {
		return none(err.Error())
	}
	st.claims = members{}
	names := memberNames()
	for name, value := range all {
		if names[name] && !notFromClients[name] && name != "software_statement" && string(value) != "null" {
			st.claims[name] = value
		}
	}
	return st, nil
}

// forUs reports whether aud is absent, or names us, alone or among others.
func (s *Server) forUs(aud json.RawMessage) bool {
	if aud == nil {
		return true
	}
	var one string
	var several []string
	if json.Unmarshal(aud, &one) == nil {
		return one == s.cfg.Issuer
	}
	return json.Unmarshal(aud, &several) == nil && slices.Contains(several, s.cfg.Issuer)
}

// statementTimes checks iat and nbf and finds out when the statement ends: by
// its exp, if it has one, and by its age.
func (s *Server) statementTimes(all members, st *statement) error {
	now := s.cfg.Now()
	times := map[string]time.Time{}
	for _, name := range []string{"iat", "nbf", "exp"} {
		value, given := all[name]
		if !given {
			continue
		}
		var n float64
		if json.Unmarshal(value, &n) != nil {
			return fmt.Errorf("%s must be a number", name)
		}
		at, ok := numericDate(n)
		if !ok || name != "exp" && at.After(now.Add(maxAhead)) {
			return fmt.Errorf("%s is in the future or no time at all", name)
		}
		times[name] = at
	}
	issued, ok := times["iat"]
	if !ok {
		return errors.New("the software statement needs iat")
	}
	st.until = issued.Add(st.directory.MaxAge)
	if exp, ok := times["exp"]; ok && exp.Before(st.until) {
		st.until = exp
	}
	return nil
}
