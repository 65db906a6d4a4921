package resource

import (
	"context"
	"errors"
	"net/http"

	"github.com/headgate/headgate/internal/bearer"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/token"
)

// Tokens finds access tokens in the truth.
type Tokens interface {
	// Live returns an access token with the present version of its grant:
	// token.ErrNotFound when unknown; an ended or revoked one is returned as
	// it is. The share holds nothing that the token does not reach, and that
	// of a recipient that may not read is REVOKED (token.Store). It is the one
	// question that a read asks of the truth before the gate.
	Live(ctx context.Context, h token.Hash) (token.Live, error)
}

// Caller is a recipient that has proved, for one request, that it holds a
// living access token and the key or certificate the token is bound to. Only
// authenticate makes one; the zero Caller is nobody.
type Caller struct {
	bearer.Presented
	live   token.Live
	cached bool // live is what the cache had
	levels Levels
}

// present reads and verifies what a request presents.
func (g *Gateway) present(r *http.Request, kinds ...token.Kind) (bearer.Presented, *fdxhttp.Refusal) {
	if r.ContentLength != 0 {
		return bearer.Presented{}, fdxhttp.Malformed("a GET request has no body") // it could hold a token
	}
	p, no := g.bearer.Present(r, g.public, kinds...)
	if no != nil {
		return p, fdxhttp.Unauthenticated(p.Scheme, "", no)
	}
	return p, nil
}

// authenticate answers who is asking; ctx is for asking the truth. One round
// trip to the cache in the usual case; the truth when the cache does not know or
// cannot be asked. The proof is spent in the cache together with the look-up,
// and for good at the gate.
func (g *Gateway) authenticate(ctx context.Context, r *http.Request) (Caller, *fdxhttp.Refusal) {
	p, refused := g.present(r, token.KindAccess)
	c := Caller{Presented: p}
	if refused != nil {
		return c, refused
	}
	return g.known(ctx, r, c)
}

// known finds the grant's token that was presented, and counts the request.
// Whether that is one too many is not decided here.
func (g *Gateway) known(ctx context.Context, r *http.Request, c Caller) (Caller, *fdxhttp.Refusal) {
	counted, refused := g.find(ctx, r, &c)
	if refused != nil {
		return c, refused
	}
	if refused = g.check(c); refused == nil && !counted {
		g.limits.count(&c, g.now())
	}
	return c, refused
}

// find fills in the token's record from the cache or else from the truth.
func (g *Gateway) find(ctx context.Context, r *http.Request, c *Caller) (counted bool, _ *fdxhttp.Refusal) {
	var lease Lease
	if g.cache != nil {
		// A cache that cannot be asked is the same as one that does not know.
		looking, done := g.watch.Begin(r.Context(), "token")
		cached, err := g.cache.Look(looking, Lookup{Hash: c.Hash, Proof: c.Proof, Bound: c.Bound, Quotas: g.limits.Quotas})
		done()
		switch {
		case err != nil:
		case cached.Replayed:
			return false, fdxhttp.InvalidProof("proof_replayed")
		case cached.Found:
			c.live, c.cached, c.levels = g.dated(cached.Live), true, cached.Levels
			return cached.Counted, nil
		default:
			lease = cached.Lease
		}
	}
	live, refused := g.stranger(ctx, r, c)
	if refused != nil {
		return false, refused
	}
	c.live = live
	if lease != "" && live.Active(live.At) {
		// It only makes the next read faster.
		_ = g.cache.Fill(r.Context(), lease, live)
	}
	return false, nil
}

// stranger asks the truth about a token that the cache does not know, unless
// too many came from there that the truth does not know either.
func (g *Gateway) stranger(ctx context.Context, r *http.Request, c *Caller) (token.Live, *fdxhttp.Refusal) {
	from, refused := g.limits.Strangers.Look(r, false, g.now())
	if refused != nil {
		return token.Live{}, refused
	}
	live, refused := g.truth(ctx, c.Hash, c.Scheme)
	if refused != nil && refused.Reason == bearer.UnknownToken {
		from.Unknown()
	}
	return live, refused
}

// truth returns the token's record as it is now.
func (g *Gateway) truth(ctx context.Context, h token.Hash, s bearer.Scheme) (token.Live, *fdxhttp.Refusal) {
	live, err := g.tokens.Live(ctx, h)
	if errors.Is(err, token.ErrNotFound) {
		return token.Live{}, fdxhttp.InvalidToken(s, bearer.UnknownToken)
	}
	if err != nil {
		return token.Live{}, fdxhttp.StoreDown(err)
	}
	return g.dated(live), nil
}

// dated returns l with the time that it is judged by: that of who answered, so
// that all instances see a token and a grant end at the same instant. Ours
// serves only when there is no other.
func (g *Gateway) dated(l token.Live) token.Live {
	if l.At.IsZero() {
		l.At = g.now()
	}
	return l
}

// check decides whether the caller may use the record: alive, and bound to
// what the request proved. Whose grant rests is known all the same, so that
// Allow can say why nothing is given.
func (g *Gateway) check(c Caller) *fdxhttp.Refusal {
	now := c.live.At
	switch {
	case !c.live.Active(now) && !c.live.Resting(now):
		return fdxhttp.InvalidToken(c.Scheme, "token_not_active")
	case !c.Holds(c.live.Access.KeyThumbprint, c.live.Access.CertThumbprint):
		return fdxhttp.InvalidToken(c.Scheme, "token_of_another_key")
	}
	return nil
}
