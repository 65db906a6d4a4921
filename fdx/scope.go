package fdx

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Scope is an OAuth scope that this product knows. The zero value is no
// scope.
type Scope string

// Scopes that go with no data cluster.
const (
	// ScopeOpenID asks for an ID token (OpenID Connect Core section 3.1.2.1).
	ScopeOpenID Scope = "openid"
	// ScopeOfflineAccess asks for a refresh token (OpenID Connect Core
	// section 11).
	ScopeOfflineAccess Scope = "offline_access"
)

// deprecatedAccountPaymentsScope is what fdx:paymentsupport:read was called
// before FDX 6.1.
const deprecatedAccountPaymentsScope = "fdx:accountpayments:read"

var clusterScopes = [lastCluster + 1]Scope{
	AccountBasic:         "fdx:accountbasic:read",
	AccountDetailed:      "fdx:accountdetailed:read",
	Balances:             "fdx:balances:read",
	Bills:                "fdx:bills:read",
	CustomerContact:      "fdx:customercontact:read",
	CustomerPersonal:     "fdx:customerpersonal:read",
	Images:               "fdx:images:read",
	Investments:          "fdx:investments:read",
	PaymentSupport:       "fdx:paymentsupport:read",
	Rewards:              "fdx:rewards:read",
	ScheduledPayments:    "fdx:scheduledpayments:read",
	SocialSecurityNumber: "fdx:socialsecurity:read",
	Statements:           "fdx:statements:read",
	Tax:                  "fdx:tax:read",
	TermsAndConditions:   "fdx:termsconditions:read",
	Transactions:         "fdx:transactions:read",
	Transfers:            "fdx:transfers:read",
}

var (
	// ErrUnknownScope is returned for text that is not exactly a known scope.
	ErrUnknownScope = errors.New("unknown scope")
	// ErrRepeatedScope is returned for a list that holds a scope twice.
	ErrRepeatedScope = errors.New("repeated scope")
)

// ParseScope returns the scope, or ErrUnknownScope. Scopes are compared byte
// for byte (RFC 6749 section 3.3). The deprecated fdx:accountpayments:read
// is returned as fdx:paymentsupport:read, so that only current names are
// stored.
func ParseScope(s string) (Scope, error) {
	switch s {
	case string(ScopeOpenID), string(ScopeOfflineAccess):
		return Scope(s), nil
	case deprecatedAccountPaymentsScope:
		return PaymentSupport.Scope(), nil
	}
	if _, ok := Scope(s).Cluster(); ok {
		return Scope(s), nil
	}
	return "", ErrUnknownScope
}

// ParseScopes reads the scope parameter of RFC 6749 section 3.3: scopes
// separated by single spaces, at least one, none twice. It keeps the order.
// The error wraps ErrUnknownScope or ErrRepeatedScope and tells the position,
// counted from 1, and nothing of the text.
func ParseScopes(s string) ([]Scope, error) {
	var scopes []Scope
	position := 0
	for token := range strings.SplitSeq(s, " ") {
		position++
		scope, err := ParseScope(token)
		if err != nil {
			return nil, fmt.Errorf("scope %d: %w", position, err)
		}
		// The known scopes are few, so the list stays short whatever
		// the length of the input.
		if slices.Contains(scopes, scope) {
			return nil, fmt.Errorf("scope %d: %w", position, ErrRepeatedScope)
		}
		scopes = append(scopes, scope)
	}
	return scopes, nil
}

// Cluster returns the data cluster the scope stands for, and false for a
// scope without one and for text that is no known scope.
func (s Scope) Cluster() (Cluster, bool) {
	for c := AccountBasic; c <= lastCluster; c++ {
		if clusterScopes[c] == s {
			return c, true
		}
	}
	return 0, false
}

// Scope returns the scope that asks for the cluster, "" for a value that is
// no cluster.
func (c Cluster) Scope() Scope {
	if !c.known() {
		return ""
	}
	return clusterScopes[c]
}

// ScopesOf returns the scopes that ask for the clusters, in declared order,
// nil when the set is empty.
func ScopesOf(cs Clusters) []Scope {
	list := cs.List()
	if list == nil {
		return nil
	}
	scopes := make([]Scope, len(list))
	for i, c := range list {
		scopes[i] = c.Scope()
	}
	return scopes
}

// ClustersOf returns the clusters the scopes stand for. A scope without a
// cluster adds nothing, and nothing is implied.
func ClustersOf(scopes []Scope) Clusters {
	var set Clusters
	for _, s := range scopes {
		if c, ok := s.Cluster(); ok {
			set = set.With(c)
		}
	}
	return set
}
