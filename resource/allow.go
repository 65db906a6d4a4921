package resource

import (
	"slices"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// Need is what a request asks for. The zero Need is refused.
type Need struct {
	// Account is the account of an operation on a single one; empty for a
	// list.
	Account fdx.AccountID
	// Accounts restricts a list, in this order; nil asks for all of the
	// grant.
	Accounts []fdx.AccountID
	// Any names the clusters any of which opens the operation.
	Any fdx.Clusters
	// Through names the clusters whose fields the operation can carry.
	Through fdx.Clusters
	// Window is what the request asks for; the zero Window when the
	// operation has none.
	Window fdx.Window
	// Lookback asks for all days that the grant lets look back on, in place
	// of a Window: for something that has a day which the request does not
	// name.
	Lookback bool
	// Holders: the request is about the people behind the accounts, and so
	// the clusters on the CUSTOMER entry of the grant count for each of its
	// accounts.
	Holders bool
}

// Denial says why a read is not allowed.
type Denial struct {
	// Error is the public answer.
	Error *fdx.Error
	// Scope is set when the token lacks a scope: one that would do.
	Scope fdx.Scope
	// Ended: the grant is over. The token is as dead as an expired one.
	Ended bool
	// Rest is set when the grant goes on and rests: the same request may be
	// allowed later.
	Rest consent.Rest
}

// Allow decides about a read: the share of a grant, the scopes of the token
// that presents it, what is asked for and the time. It is a pure function and
// the only maker of an Access that holds anything. Exactly one of the results
// is not zero.
//
// Permission takes all three: the grant is active and does not rest, the token has the scope,
// and the account's entry in the grant holds the cluster. ACCOUNT_DETAILED
// implies ACCOUNT_BASIC, CUSTOMER_PERSONAL implies CUSTOMER_CONTACT, and nothing
// else implies anything. An
// account outside the grant and one that does not exist are the same.
func Allow(s consent.Share, scopes []fdx.Scope, n Need, now time.Time) (Access, *Denial) {
	if rest := s.RestAt(now); rest != "" {
		return Access{}, &Denial{Error: resting(rest, s.PausedUntil), Rest: rest}
	}
	if !s.Active(now) {
		return Access{}, &Denial{Error: fdx.ErrAuthentication, Ended: true}
	}
	held := fdx.ClustersOf(scopes).Implied()
	if held.Intersect(n.Any).Empty() {
		return Access{}, &Denial{Error: fdx.ErrForbidden.WithDebug("the access token lacks the scope of this operation"), Scope: scopeFor(n.Any)}
	}
	accounts, denial := n.accounts(s, held)
	if denial != nil {
		return Access{}, denial
	}
	a := Access{consumer: s.Consumer, accounts: accounts}
	// The look-back is measured when the request is made, and today is the
	// last day there is.
	reach := fdx.Window{Start: s.Earliest(now), End: fdx.DateOf(now)}
	if n.Lookback {
		a.window = reach
		return a, nil
	}
	if n.Window == (fdx.Window{}) {
		return a, nil
	}
	a.window = n.Window.Intersect(reach)
	if a.window.Empty() {
		return Access{}, &Denial{Error: fdx.ErrInvalidDateRange.WithDebug("the window lies wholly before the look-back period of the consent")}
	}
	a.clipped = a.window != n.Window
	return a, nil
}

// accounts returns the accounts that the need and the grant have in common,
// each with the clusters that may leave.
func (n Need) accounts(s consent.Share, held fdx.Clusters) ([]consent.AccountShare, *Denial) {
	asked := n.Accounts
	if n.Account != "" {
		asked = []fdx.AccountID{n.Account}
	}
	granted := 0
	var open []consent.AccountShare
	add := func(id fdx.AccountID, clusters fdx.Clusters) {
		granted++
		if n.Holders {
			clusters = clusters.Union(s.Customer)
		}
		clusters = clusters.Implied().Intersect(held)
		if !clusters.Intersect(n.Any).Empty() {
			open = append(open, consent.AccountShare{ID: id, Clusters: clusters.Intersect(n.Through)})
		}
	}
	if asked == nil {
		open = make([]consent.AccountShare, 0, len(s.Accounts))
		for _, a := range s.Accounts {
			add(a.ID, a.Clusters)
		}
	}
	for i, id := range asked {
		if clusters, ok := s.Account(id); ok && !slices.Contains(asked[:i], id) {
			add(id, clusters)
		}
	}
	switch {
	case len(open) > 0:
		return open, nil
	case granted > 0:
		return nil, &Denial{Error: fdx.ErrCustomerNotAuthorized.WithDebug("the consent does not cover this data of the account")}
	case n.Account != "":
		return nil, &Denial{Error: fdx.ErrAccountNotFound}
	default:
		return nil, &Denial{Error: fdx.ErrDataNotFound}
	}
}

// resting is what a recipient is told while sharing rests. The time is the
// consumer's own choice of a date and says nothing else about them.
func resting(r consent.Rest, until time.Time) *fdx.Error {
	if r == consent.RestPaused {
		return fdx.ErrForbidden.WithDebug("the consumer has paused sharing until " + until.UTC().Format(time.RFC3339) + "; try again then")
	}
	return fdx.ErrForbidden.WithDebug("sharing is on hold; try again later")
}

// scopeFor returns the scope of the first cluster, for insufficient_scope
// (RFC 6750 section 3.1).
func scopeFor(any fdx.Clusters) fdx.Scope {
	if scopes := fdx.ScopesOf(any); len(scopes) > 0 {
		return scopes[0]
	}
	return ""
}
