package api

import (
	"context"
	"encoding/binary"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/web"
)

// named returns the consent that a call is about, if it is the name of one:
// stores need not see anything else.
func named(c call) (consent.GrantID, *fdxhttp.Refusal) {
	if len(c.id) != 36 || uuid.Validate(c.id) != nil {
		return "", failed(consent.ErrNotFound)
	}
	return consent.GrantID(c.id), nil
}

// held returns a consent in whatever state it is, if the caller holds it.
func (a *API) held(ctx context.Context, c call) (consent.Grant, *fdxhttp.Refusal) {
	id, refused := named(c)
	if refused != nil {
		return consent.Grant{}, refused
	}
	g, err := a.grants.GrantOfRecipient(ctx, c.who, id)
	if err != nil {
		return consent.Grant{}, failed(err)
	}
	web.Fields(ctx).Grant = string(g.ID)
	return g, nil
}

// getConsent answers getConsentGrant.
func getConsent(ctx context.Context, a *API, c call) (answer, *fdxhttp.Refusal) {
	g, refused := a.held(ctx, c)
	if refused != nil {
		return answer{}, refused
	}
	return answer{status: http.StatusOK, body: entity(g, a.now())}, nil
}

// listConsents answers listConsentGrants, our extension: what the caller
// holds, newest first.
func listConsents(ctx context.Context, a *API, c call) (answer, *fdxhttp.Refusal) {
	q, invalid := fdx.ParseConsentsQuery(c.query)
	if invalid != nil {
		return answer{}, fdxhttp.Denied(invalid)
	}
	kept := url.Values{} // the parameters that the link to the next page repeats
	for _, name := range []string{"customerId", "status"} {
		if value, given := c.query.Get(name); given {
			kept.Set(name, value)
		}
	}
	goesWith := []string{string(c.who), string(fdx.ListConsentGrants), kept.Encode()}
	var after consent.Place
	if q.PageKey != "" {
		sealed, ok := a.keys.Open(goesWith, q.PageKey)
		if !ok {
			return answer{}, fdxhttp.Malformed("pageKey is not of this request or too old; start again without it")
		}
		after = readPlace(sealed)
	}
	now := a.now()
	f := consent.Filter{Consumer: consent.ConsumerID(q.CustomerID), Status: consent.Status(q.Status), At: now}
	grants, err := a.grants.GrantsOfRecipient(ctx, c.who, f, after, q.Limit+1) // one more tells whether there is more
	if err != nil {
		return answer{}, failed(err)
	}
	var out fdx.ConsentsAnswer
	if len(grants) > q.Limit {
		grants = grants[:q.Limit]
		last := grants[q.Limit-1]
		out.Page.NextPageKey = a.keys.Seal(goesWith, writePlace(consent.Place{CreatedAt: last.CreatedAt, Grant: last.ID}))
		kept.Set("pageKey", out.Page.NextPageKey)
		if value, given := c.query.Get("limit"); given {
			kept.Set("limit", value)
		}
		out.Links.Next.Href = a.public + c.path + "?" + kept.Encode()
	}
	for _, g := range grants {
		out.Consents = append(out.Consents, entity(g, now))
	}
	return answer{status: http.StatusOK, body: out}, nil
}

// writePlace writes what a page key holds: seconds since 1970, and the id.
func writePlace(p consent.Place) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(p.CreatedAt.Unix())), p.Grant...)
}

// readPlace reads what writePlace wrote; the seal vouches for the form.
func readPlace(b []byte) consent.Place {
	return consent.Place{
		CreatedAt: time.Unix(int64(binary.BigEndian.Uint64(b)), 0).UTC(), Grant: consent.GrantID(b[8:]),
	}
}

// entity returns the wire form of a consent as it is at now. The resources
// stay when it has ended: the recipient still has to know what it received.
// Every consent has an end, PERSISTENT ones too (consent.MaxTerm), and it is
// told.
func entity(g consent.Grant, now time.Time) fdx.ConsentGrant {
	out := fdx.ConsentGrant{
		ID: fdx.ConsentID(g.ID), Status: fdx.ConsentStatus(g.StatusAt(now)),
		CreatedTime: fdx.TimestampOf(g.CreatedAt), ExpirationTime: fdx.TimestampOf(g.ExpiresAt),
		DurationType: fdx.ConsentDurationType(g.Duration), DurationPeriod: g.DurationDays, LookbackPeriod: g.LookbackDays,
	}
	if !g.UpdatedAt.IsZero() {
		out.UpdatedTime = fdx.TimestampOf(g.UpdatedAt)
	}
	for _, p := range g.Parties {
		out.Parties = append(out.Parties, fdx.Party{
			Name: p.Name, Type: fdx.PartyType(p.Type), HomeURI: p.HomeURI, LogoURI: p.LogoURI, Registry: fdx.Registry(p.Registry),
			RegisteredEntityName: p.RegisteredEntityName, RegisteredEntityID: p.RegisteredEntityID,
		})
	}
	for _, r := range g.Resources {
		out.Resources = append(out.Resources, fdx.ConsentResource{
			ResourceType: fdx.ConsentResourceType(r.Type), ResourceID: r.ID, DataClusters: r.Clusters,
		})
	}
	return out
}
