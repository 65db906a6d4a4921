package authz

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/token"
)

// narrowing is the one authorization details object of a token request (RFC
// 9396 section 6). It names less than was granted, in either of two forms: the
// request's, whose entries speak of all resources of a type, or the granted
// one, whose entries name resources by their ids. The terms may be repeated,
// but not changed: a token has no purpose and no look-back of its own.
type narrowing struct {
	Type      string          `json:"type"`
	ConsentID consent.GrantID `json:"fdxConsentId"`
	terms
	Request *terms `json:"consentRequest"`
}

type terms struct {
	Purpose      string           `json:"purpose"`
	DurationType string           `json:"durationType"`
	Duration     *int             `json:"durationPeriod"`
	Lookback     *int             `json:"lookbackPeriod"`
	Resources    []narrowResource `json:"resources"`
}

type narrowResource struct {
	ResourceType consent.ResourceType `json:"resourceType"`
	ResourceID   string               `json:"resourceId"`
	DataClusters []string             `json:"dataClusters"`
}

// narrow returns what the access token of a request is to reach of the grant
// behind the code or refresh token that it presents: nil for all of it. What
// cannot be used is refused elsewhere, and in other words.
func narrow(form url.Values, p token.Presented) ([]consent.Resource, error) {
	if !form.Has("authorization_details") || p.Refused != nil || p.Grant.ID == "" {
		return nil, nil
	}
	n, err := parseNarrowing(form.Get("authorization_details"))
	if err != nil {
		return nil, err
	}
	return n.of(p.Grant)
}

func parseNarrowing(raw string) (narrowing, error) {
	if len(raw) > maxDetails {
		return narrowing{}, badDetails("authorization_details is larger than 16 KiB")
	}
	// StrictJSON reads objects; the parameter is an array.
	if !strings.HasPrefix(strings.TrimLeft(raw, " \t\r\n"), "[") || certs.StrictJSON([]byte(`{"details":`+raw+`}`)) != nil {
		return narrowing{}, badDetails("authorization_details must be a JSON array of objects without repeated members")
	}
	var list []narrowing
	var names any
	d := json.NewDecoder(bytes.NewReader([]byte(raw)))
	d.DisallowUnknownFields()
	if d.Decode(&list) != nil || json.Unmarshal([]byte(raw), &names) != nil || !namedAs(names, narrowMembers) {
		return narrowing{}, badDetails("authorization_details has a member that is unknown or of the wrong type")
	}
	if len(list) != 1 || list[0].Type != DetailsType {
		return narrowing{}, badDetails("authorization_details must hold exactly one object of type " + DetailsType)
	}
	return list[0], nil
}

var narrowMembers = []string{
	"type", "fdxConsentId", "consentRequest", "purpose", "durationType", "durationPeriod", "lookbackPeriod",
	"resources", "resourceType", "resourceId", "dataClusters",
}

// namedAs reports whether every member of v is one of names, letter by letter:
// encoding/json takes a name in any letter case.
func namedAs(v any, names []string) bool {
	switch v := v.(type) {
	case []any:
		return !slices.ContainsFunc(v, func(e any) bool { return !namedAs(e, names) })
	case map[string]any:
		for name, e := range v {
			if !slices.Contains(names, name) || !namedAs(e, names) {
				return false
			}
		}
	}
	return true
}

// of resolves the narrowing against the grant. Nothing that the grant does not
// hold is let through.
func (n narrowing) of(g consent.Grant) ([]consent.Resource, error) {
	t, byID := n.terms, true
	if n.Request != nil {
		if t.Resources != nil {
			return nil, badDetails("authorization_details must have consentRequest or resources, not both")
		}
		t, byID = *n.Request, false
	}
	switch {
	case len(t.Resources) == 0:
		return nil, badDetails("authorization_details must name at least one resource")
	case n.ConsentID != "" && n.ConsentID != g.ID, !n.terms.keep(g), !t.keep(g):
		return nil, badDetails("authorization_details may name fewer resources than were granted, on the terms that were granted")
	}
	var limit []consent.Resource
	for _, asked := range t.Resources {
		clusters, err := asked.clusters(byID)
		if err != nil {
			return nil, err
		}
		var held fdx.Clusters
		for _, r := range g.Resources {
			if r.Type != asked.ResourceType || byID && r.ID != asked.ResourceID {
				continue
			}
			if slices.ContainsFunc(limit, func(l consent.Resource) bool { return l.Type == r.Type && l.ID == r.ID }) {
				return nil, badDetails("authorization_details names a resource twice")
			}
			held = held.Union(r.Clusters.Implied())
			limit = append(limit, consent.Resource{Type: r.Type, ID: r.ID, Clusters: clusters.Intersect(r.Clusters.Implied())})
		}
		if held.Intersect(clusters) != clusters {
			return nil, badDetails("authorization_details must not name more than was granted")
		}
	}
	// An account that has none of the clusters is not in the token.
	return slices.DeleteFunc(limit, func(r consent.Resource) bool { return r.Clusters.Empty() }), nil
}

// keep reports whether the terms are those of the grant, as far as they are
// said.
func (t terms) keep(g consent.Grant) bool {
	return (t.Purpose == "" || t.Purpose == g.Purpose) &&
		(t.DurationType == "" || t.DurationType == string(g.Duration)) &&
		(t.Duration == nil || *t.Duration == g.DurationDays) &&
		(t.Lookback == nil || *t.Lookback == g.LookbackDays)
}

func (r narrowResource) clusters(byID bool) (fdx.Clusters, error) {
	if byID != (r.ResourceID != "") {
		return 0, badDetails("an entry of resources needs a resourceId, and one of consentRequest.resources has none")
	}
	var set fdx.Clusters
	for _, name := range r.DataClusters {
		c, err := fdx.ParseCluster(name)
		if err != nil {
			return 0, badDetails("dataClusters has a name that is not an FDX data cluster")
		}
		set = set.With(c)
	}
	if set.Empty() {
		return 0, badDetails("each resource needs at least one data cluster")
	}
	return set, nil
}
