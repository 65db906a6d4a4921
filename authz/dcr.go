package authz

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// closingTime bounds how long one DELETE ends grants. It is well below the
// time in which an answer must be written; repeating goes on.
const closingTime = 8 * time.Second

// notFromClients are members that only the operator's records have, or that
// the server gives. A client that sends one changes nothing (RFC 7591 section
// 2, RFC 7592 section 2.2).
var notFromClients = map[string]bool{"role": true, "client_id": true, "requests_per_minute": true}

// badMetadata refuses the metadata as a whole.
func badMetadata(text string) *Error { return refuse("invalid_client_metadata", text) }

// register answers POST /register (RFC 7591 section 3).
func (s *Server) register(r *http.Request) (reply, error) {
	sent, err := readRegistration(r)
	if err != nil {
		return reply{}, err
	}
	raw, err := softwareStatement(sent)
	if err != nil {
		return reply{}, err
	}
	if raw == "" {
		return reply{}, badStatement("software_statement is required")
	}
	st, err := s.checkStatement(r.Context(), raw)
	if err != nil {
		return reply{}, err
	}
	client, record, err := merged(sent, st, consent.RecipientID("app-"+strings.ToLower(rand.Text())))
	if err != nil {
		return reply{}, err
	}
	client.Status = consent.RecipientPending
	if s.approves(st, sent, client) {
		client.Status = consent.RecipientActive
	}
	access, hash := s.cfg.Hasher.New(token.KindRegistration)
	reg := token.Registration{
		Recipient: client, Record: record, Access: hash,
		StatementIssuer: st.issuer, StatementID: st.id, IssuedAt: s.wholeSecond(),
	}
	web.Fields(r.Context()).Client = string(client.ID)
	if err := s.cfg.Registrations.Register(r.Context(), reg, st.proof()); err != nil {
		return reply{}, spentStatement(err)
	}
	return s.registrationAnswer(http.StatusCreated, reg, access.Reveal())
}

// spentStatement turns a replay into the refusal of the statement; other
// errors pass.
func spentStatement(err error) error {
	if errors.Is(err, token.ErrReplayed) {
		e := badStatement("the software statement was used before")
		e.Cause = err
		return e
	}
	return err
}

// merged returns the client and its record: what was sent, and the claims of
// the statement in its place where both say something (RFC 7591 section 2.3).
func merged(sent members, st statement, id consent.RecipientID) (consent.Recipient, json.RawMessage, error) {
	all := overlaid(sent, st.claims)
	for name := range notFromClients {
		delete(all, name)
	}
	m, err := decodeMetadata(all, false)
	if err != nil {
		return consent.Recipient{}, nil, badValue(err)
	}
	client, faults := m.recipient()
	if faults != nil {
		return consent.Recipient{}, nil, badMembers(faults)
	}
	client.ID = id
	record, err := registered(client, all)
	return client, record, err
}

// overlaid returns the members that were sent with the claims of a statement
// in their place. Ways to say the same thing, by value or by reference, stand
// for each other.
func overlaid(sent, claims members) members {
	all := maps.Clone(sent)
	for _, same := range [][]string{
		{"jwks", "jwks_uri"},
		{"tls_client_auth_subject_dn", "tls_client_auth_san_dns", "tls_client_auth_san_uri", "tls_client_auth_san_ip", "tls_client_auth_san_email"},
		{"dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens"},
	} {
		if slices.ContainsFunc(same, func(name string) bool { return claims[name] != nil }) {
			for _, name := range same {
				delete(all, name)
			}
		}
	}
	maps.Copy(all, claims)
	return all
}

// badValue refuses a value that does not fit its member.
func badValue(err error) *Error {
	text := "a member has a value of the wrong type or an unknown name in it"
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && plain(wrong.Field, maxClientID) {
		text = wrong.Field + ": has the wrong type"
		if strings.HasPrefix(wrong.Field, "redirect_uris") {
			return refuse("invalid_redirect_uri", text)
		}
	}
	return badMetadata(text)
}

// badMembers refuses with every fault. What is wrong with a redirect URI has
// a code of its own (RFC 7591 section 3.2.2).
func badMembers(faults []error) *Error {
	code := "invalid_client_metadata"
	var texts []string
	for _, err := range faults {
		f, ok := errors.AsType[fault](err)
		if !ok {
			return badMetadata("the metadata cannot be registered")
		}
		if f.member == "redirect_uris" {
			code = "invalid_redirect_uri"
		}
		texts = append(texts, f.member+": "+f.text)
	}
	return refuse(code, strings.Join(texts, "; "))
}

// approves reports whether the statement alone carries the registration.
func (s *Server) approves(st statement, asked members, client consent.Recipient) bool {
	if !st.directory.AutoApprove || !s.cfg.Now().Before(st.until) {
		return false
	}
	if asked["intermediaries"] != nil && st.claims["intermediaries"] == nil {
		return false
	}
	approved, ok := vouched(asked, st.claims)
	return ok && within(client, approved)
}

// readRegistration reads the body of a request: one JSON object.
func readRegistration(r *http.Request) (members, error) {
	if err := web.NoQuery(r); err != nil {
		return nil, badMetadata("send members in the body, not in the query")
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" || len(r.Header.Values("Content-Type")) > 1 || r.Header.Get("Content-Encoding") != "" {
		return nil, badMetadata("the body must be application/json, not compressed")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRegistration+1))
	switch {
	case err != nil:
		return nil, &Error{http.StatusBadRequest, "invalid_client_metadata", "the body cannot be read", err}
	case len(body) > maxRegistration:
		return nil, &Error{http.StatusRequestEntityTooLarge, "invalid_client_metadata", "the body must be at most 128 KiB", nil}
	}
	sent, err := readMembers(body)
	if err != nil {
		return nil, &Error{http.StatusBadRequest, "invalid_client_metadata", "the body must be one JSON object with each member once, nested at most 8 deep", err}
	}
	return sent, nil
}

// softwareStatement returns the statement that was sent, "" for none.
func softwareStatement(sent members) (string, error) {
	var raw string
	if value, ok := sent["software_statement"]; ok && json.Unmarshal(value, &raw) != nil {
		return "", badStatement("software_statement must be a string")
	}
	return raw, nil
}

// registrationAnswer is the client information response (RFC 7591 section
// 3.2.1, RFC 7592 section 3), with the status of FDX.
func (s *Server) registrationAnswer(status int, reg token.Registration, access string) (reply, error) {
	body := map[string]any{}
	var record members
	if err := json.Unmarshal(reg.Record, &record); err != nil {
		return reply{}, fmt.Errorf("read record: %w", err)
	}
	for name, value := range record {
		body[name] = value
	}
	body["client_id"] = reg.Recipient.ID
	body["client_id_issued_at"] = reg.IssuedAt.Unix()
	body["registration_access_token"] = access
	body["registration_client_uri"] = s.cfg.Issuer + pathRegister + "/" + string(reg.Recipient.ID)
	body["status"] = reg.Recipient.Status
	return reply{status: status, body: body}, nil
}

// noRegistration is the one answer to a registration access token that is
// missing, malformed, unknown, another client's, or a closed one's.
func noRegistration(cause error) *Error {
	return &Error{http.StatusUnauthorized, "invalid_token", "present the registration access token of this client as a bearer token", cause}
}

// managed finds the registration that a request may manage (RFC 7592 section
// 2): the token must be good, and the address that of its own client.
func (s *Server) managed(r *http.Request, id string) (token.Registration, string, error) {
	access, err := registrationToken(r.Header)
	if err != nil {
		return token.Registration{}, "", noRegistration(err)
	}
	hash, err := s.cfg.Hasher.Hash(token.KindRegistration, access)
	if err != nil {
		return token.Registration{}, "", noRegistration(err)
	}
	reg, err := s.cfg.Registrations.Registration(r.Context(), hash)
	switch {
	case errors.Is(err, token.ErrNotFound):
		return token.Registration{}, "", noRegistration(err)
	case err != nil:
		return token.Registration{}, "", fmt.Errorf("load registration: %w", err)
	case string(reg.Recipient.ID) != id:
		return token.Registration{}, "", noRegistration(errors.New("registration token of another client"))
	}
	web.Fields(r.Context()).Client = id
	return reg, access, nil
}

// registrationToken reads the bearer token (RFC 6750 section 2.1).
func registrationToken(h http.Header) (string, error) {
	value, given, err := web.Header(h, "Authorization")
	if err != nil || !given {
		return "", errors.New("no single Authorization header")
	}
	scheme, access, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", errors.New("not a bearer token")
	}
	return access, nil
}

// readBack answers GET of a registration.
func (s *Server) readBack(r *http.Request, id string) (reply, error) {
	reg, access, err := s.managed(r, id)
	if err != nil {
		return reply{}, err
	}
	return s.registrationAnswer(http.StatusOK, reg, access)
}

// replace answers PUT of a registration: the body is the whole of it (RFC
// 7592 section 2.2). A change that stays within what was approved holds at
// once; any other waits for the operator like a new registration.
func (s *Server) replace(r *http.Request, id string) (reply, error) {
	reg, access, err := s.managed(r, id)
	if err != nil {
		return reply{}, err
	}
	sent, err := readRegistration(r)
	if err != nil {
		return reply{}, err
	}
	var named string
	switch {
	case reg.Recipient.Status == consent.RecipientSuspended:
		return reply{}, &Error{http.StatusForbidden, "access_denied", "the registration is suspended: ask the bank", nil}
	case json.Unmarshal(sent["client_id"], &named) != nil || named != id:
		return reply{}, badMetadata("client_id: must be that of the registration")
	case sent["client_secret"] != nil:
		return reply{}, badMetadata("client_secret: is not used here")
	}
	st, spend, err := s.statementFor(r.Context(), reg, sent)
	if err != nil {
		return reply{}, err
	}
	client, record, err := merged(sent, st, reg.Recipient.ID)
	if err != nil {
		return reply{}, err
	}
	client.Status, client.Quota = s.standing(reg, client, record, st, sent), reg.Recipient.Quota
	reg.Recipient, reg.Record, reg.StatementIssuer, reg.StatementID = client, record, st.issuer, st.id
	switch err := s.cfg.Registrations.Update(r.Context(), reg, spend...); {
	case errors.Is(err, consent.ErrConflict):
		return reply{}, &Error{http.StatusConflict, "invalid_client_metadata", "the registration was changed meanwhile: read it and try again", err}
	case err != nil:
		return reply{}, spentStatement(err)
	}
	if !client.Status.MayRead() { // it waits for the operator again
		if err := s.cfg.Stop.SettleRecipient(r.Context(), client.ID); err != nil {
			return reply{}, err
		}
	}
	return s.registrationAnswer(http.StatusOK, reg, access)
}

// standing is the state after a change, to client and record.
func (s *Server) standing(before token.Registration, client consent.Recipient, record json.RawMessage, st statement, asked members) consent.RecipientStatus {
	state, vouched := before.Recipient.Status, s.approves(st, asked, client)
	switch {
	case state == consent.RecipientPending && vouched:
		return consent.RecipientActive
	case state == consent.RecipientPending,
		!vouched && !(within(client, before.Recipient) && sameMiddle(record, before.Record)):
		return consent.RecipientPending
	default:
		return state
	}
}

// statementFor returns the statement that a change goes by, which is put into
// sent: a new one, verified and to be spent, or the one that the client
// registered with. It binds the client whether it is sent again or not.
func (s *Server) statementFor(ctx context.Context, reg token.Registration, sent members) (statement, []token.Proof, error) {
	var record members
	if err := json.Unmarshal(reg.Record, &record); err != nil {
		return statement{}, nil, fmt.Errorf("read record: %w", err)
	}
	kept, err := softwareStatement(record)
	if err != nil {
		return statement{}, nil, err
	}
	raw, err := softwareStatement(sent)
	if err != nil {
		return statement{}, nil, err
	}
	if kept == "" && raw == "" { // the operator's record came in between
		return statement{}, nil, badStatement("software_statement is required")
	}
	var old statement
	if kept != "" {
		if old, err = s.keptStatement(kept); err != nil {
			return statement{}, nil, err
		}
		if raw == "" || raw == kept {
			sent["software_statement"] = record["software_statement"]
			return old, nil, nil
		}
	}
	st, err := s.checkStatement(ctx, raw)
	if err != nil {
		return statement{}, nil, err
	}
	if kept != "" && (st.issuer != old.issuer || st.software != old.software) {
		return statement{}, nil, badStatement("the software statement is of another directory or about other software")
	}
	return st, []token.Proof{st.proof()}, nil
}

// keptStatement reads a statement that was verified when it was stored.
func (s *Server) keptStatement(raw string) (statement, error) {
	_, rest, _ := strings.Cut(raw, ".")
	text, _, _ := strings.Cut(rest, ".")
	payload, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return statement{}, fmt.Errorf("read stored statement: %w", err)
	}
	return s.readStatement(payload)
}

// close answers DELETE of a registration (RFC 7592 section 2.3): from the
// first moment the client can do nothing more, then its grants end, and at
// last the registration is closed. An interrupted one is repeated.
func (s *Server) close(r *http.Request, id string) (reply, error) {
	reg, _, err := s.managed(r, id)
	if err != nil {
		return reply{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), closingTime)
	defer cancel()
	_, err = s.cfg.Stop.Close(ctx, consent.Closing{
		Recipients: s.cfg.Recipients, Standing: s.cfg.Registrations, ID: reg.Recipient.ID, By: consent.ActorRecipient,
	})
	switch {
	case errors.Is(err, consent.ErrClosed):
		return reply{}, noRegistration(err)
	case errors.Is(err, consent.ErrConflict), errors.Is(err, context.DeadlineExceeded):
		return reply{}, &Error{http.StatusServiceUnavailable, "temporarily_unavailable", "the client is stopped; repeat the request until its consents have ended", err}
	case err != nil:
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, nil
}

// Rekey returns a registration with other public keys by value, in place of
// those that it has, by value or by reference. The keys must serve the
// method that the client registered.
func Rekey(reg token.Registration, jwks []byte) (token.Registration, error) {
	set, err := certs.ParseJWKS(jwks)
	r := reg.Recipient
	switch {
	case err != nil:
		return token.Registration{}, fmt.Errorf("keys: %w", err)
	case len(set.Keys) == 0:
		return token.Registration{}, errors.New("keys: the set has none")
	case r.AuthMethod == consent.PrivateKeyJWT && len(set.Select("", r.AssertionAlg)) == 0:
		return token.Registration{}, fmt.Errorf("keys: none for %s, the client's signing algorithm", r.AssertionAlg)
	}
	r.JWKS, r.JWKSURI = jwks, ""
	reg.Recipient = r
	if reg.Record == nil {
		return reg, nil
	}
	var record members
	if err := json.Unmarshal(reg.Record, &record); err != nil {
		return token.Registration{}, fmt.Errorf("read record: %w", err)
	}
	record["jwks"] = jwks
	delete(record, "jwks_uri")
	reg.Record, err = json.Marshal(record)
	return reg, err
}
