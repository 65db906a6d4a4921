package authz

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/headgate/headgate/authz/internal/engine"
	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/certs/clientcert"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/internal/bearer"
	"github.com/headgate/headgate/internal/dpop"
	"github.com/headgate/headgate/internal/token"
	"github.com/headgate/headgate/internal/web"
)

// request is one protocol request of a client that has authenticated.
//
// Its one-time proofs (client assertion, DPoP proof) are verified but not yet
// spent. They are spent exactly once and before anything leaves: by a store
// call that spends them in the same step as its effect (take), by spend
// before an effect that cannot, or else by the endpoint when it answers, also
// when the answer is a refusal.
type request struct {
	*http.Request
	// base is the public address of the host that the request came to; DPoP
	// proofs name it.
	base string
	form url.Values // without client authentication
	// load finds the client that the request claims to come from.
	load   loader
	client consent.Recipient
	// peer is the client certificate, if certified.
	peer      clientcert.Peer
	certified bool
	// presented is the code or refresh token that came with the client, at
	// the token endpoint.
	presented token.Presented
	// binding is what the request proved to hold.
	binding engine.Binding
	// nonce is a fresh DPoP nonce to hand out; empty when none is due.
	nonce string

	proofs []token.Proof
	// assertion is the key of the proof that is the client assertion, which
	// has an error of its own when it is replayed.
	assertion [32]byte
}

// loader finds the registration of a client before the client has been
// authenticated, and whatever else of the request can be had in the same step:
// consent.ErrNotFound when there is no such client. What it notes in the
// request must not be told before the client has been authenticated.
type loader func(*request, consent.RecipientID) (consent.Recipient, error)

// registered loads the client and nothing else.
func (s *Server) registered(q *request, id consent.RecipientID) (consent.Recipient, error) {
	return s.cfg.Recipients.Recipient(q.Context(), id)
}

// take hands the unspent proofs to a call that spends them.
func (q *request) take() []token.Proof {
	proofs := q.proofs
	q.proofs = nil
	return proofs
}

// replayed turns a *token.ReplayedError into the refusal of the proof that it
// is about; other errors pass.
func (q *request) replayed(err error) error {
	seen, ok := errors.AsType[*token.ReplayedError](err)
	switch {
	case !ok:
		return err
	case seen.Key == q.assertion:
		return badClient(fmt.Errorf("client assertion: %w", err))
	default:
		return badProof(err)
	}
}

// spend spends what is not spent yet.
func (s *Server) spend(q *request) error {
	proofs := q.take()
	if len(proofs) == 0 {
		return nil
	}
	if err := s.cfg.Guard.Spend(q.Context(), proofs...); err != nil {
		return q.replayed(fmt.Errorf("spend proofs: %w", err))
	}
	return nil
}

// reply is the answer to a protocol request.
type reply struct {
	status int
	// kind is the content type of text; empty means that body is sent as
	// JSON, or nothing when it is nil.
	kind string
	text string
	body any
}

// endpoint serves a request of an authenticated client: it reads the form,
// authenticates, lets handle act and answers.
func (s *Server) endpoint(base string, a lane, handle func(*request) (reply, error)) http.HandlerFunc {
	return s.endpointLoading(base, a, s.registered, handle)
}

// endpointLoading is endpoint with a loader of its own.
func (s *Server) endpointLoading(base string, a lane, load loader, handle func(*request) (reply, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		leave, err := s.limits.enter(a)
		if err != nil {
			writeError(w, r, err)
			return
		}
		defer leave()
		q, err := s.admit(w, r, a, base, load)
		if full := (*fullError)(nil); errors.As(err, &full) {
			// Nothing is spent: that would cost what the limit saves, and
			// nothing has happened that could be repeated.
			writeError(w, r, err)
			return
		}
		var answer reply
		if err == nil {
			if len(r.Header.Values("Authorization")) > 0 {
				// No way to authenticate here, and so a second one (RFC 6749 section 2.3).
				err = refuse(engine.InvalidRequest, "authenticate in one way: send no Authorization header beside a client assertion or certificate")
			} else {
				answer, err = handle(q)
				err = q.replayed(err)
			}
			if failed := s.spend(q); failed != nil {
				err = failed
			}
		}
		if q != nil && q.nonce != "" {
			w.Header().Set("DPoP-Nonce", q.nonce)
		}
		if err != nil {
			writeError(w, r, err)
			return
		}
		answer.write(w)
	}
}

// admit begins a request unless there were too many of its kind.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, a lane, base string, load loader) (*request, error) {
	if err := s.limits.strange(r, a); err != nil {
		return nil, err
	}
	q, err := s.begin(r, base, load)
	if err == nil {
		return q, s.limits.client(w.Header(), a, q.client.ID)
	}
	if wire(err).Status == http.StatusUnauthorized {
		s.limits.failed(r, a)
	}
	return nil, err
}

// begin reads the form and authenticates the client.
func (s *Server) begin(r *http.Request, base string, load loader) (*request, error) {
	form, err := s.form(r)
	if err != nil {
		return nil, err
	}
	q := &request{Request: r, base: base, form: form, load: load}
	if err := s.certificate(q); err != nil {
		return nil, err
	}
	if err := s.authenticate(q); err != nil {
		return nil, err
	}
	web.Fields(r.Context()).Client = string(q.client.ID)
	for _, name := range clientParams {
		form.Del(name)
	}
	return q, nil
}

// certificate notes the client certificate of the connection, which may bind
// a token and authenticate the client.
func (s *Server) certificate(q *request) error {
	peer, ok, err := s.cfg.Certificates.Certificate(q.Request)
	if err != nil {
		return badClient(err)
	}
	if ok {
		q.peer, q.certified = peer, true
		q.binding.CertThumbprint = certs.CertificateThumbprint(peer.Certificate)
	}
	return nil
}

// form reads the body of a protocol request: a form, each parameter once,
// nothing in the query (secrets do not belong into addresses), client
// parameters bounded.
func (s *Server) form(r *http.Request) (url.Values, error) {
	if err := web.NoQuery(r); err != nil {
		return nil, &Error{http.StatusBadRequest, engine.InvalidRequest, "send parameters in the body, not in the query", err}
	}
	form, err := web.Form(r, web.MaxForm)
	if err != nil {
		return nil, &Error{http.StatusBadRequest, engine.InvalidRequest, "the body must be a form of at most 64 KiB with each parameter once", err}
	}
	return form, nil
}

// The wording of bad DPoP proofs (RFC 9449 sections 5 and 8).
const (
	badProofText = "the DPoP proof is not valid for this request (RFC 9449 section 4.3)"
	useNonce     = "use_dpop_nonce"
	useNonceText = "repeat the request with the nonce of the DPoP-Nonce header in the proof (RFC 9449 section 8)"
)

func badProof(cause error) *Error {
	return &Error{http.StatusBadRequest, dpop.Code, badProofText, cause}
}

// proof verifies the DPoP proof of a request that presents no access token,
// if it has one, and notes the key.
func (s *Server) proof(q *request) error {
	if len(q.Header.Values("DPoP")) == 0 {
		return nil
	}
	proved, nonce, no := s.bearer.Prove(q.Request, q.base, "")
	q.nonce = nonce
	switch {
	case no == nil:
	case no.Fault == bearer.UseNonce:
		return &Error{http.StatusBadRequest, useNonce, useNonceText, nil}
	default:
		return badProof(no)
	}
	q.binding.KeyThumbprint = proved.Thumbprint
	q.proofs = append(q.proofs, *proved.Once)
	return nil
}

// bind settles what the tokens of this request will be bound to: what the
// client is registered for and nothing else (RFC 9449 section 5, RFC 8705
// section 3). It verifies the DPoP proof and leaves in q.binding at most one of
// the two, none when the request does not prove what it has to.
func (s *Server) bind(q *request) error {
	if q.client.DPoPBound {
		q.binding.CertThumbprint = "" // a certificate on the connection is not asked for
		return s.proof(q)
	}
	if len(q.Header.Values("DPoP")) > 0 {
		return refuse(engine.InvalidRequest, "this client is registered for certificate-bound tokens: send no DPoP proof")
	}
	return nil
}

// wholeSecond is how times go into stores and tokens.
func (s *Server) wholeSecond() time.Time { return s.cfg.Now().UTC().Truncate(time.Second) }
