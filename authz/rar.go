package authz

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/headgate/headgate/certs"
	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// DetailsType is the authorization details type of FDX (RFC 9396).
const DetailsType = "fdx_v1.0"

const maxDetails = 16 << 10 // bytes

// detail is one authorization details object. On the way in grant-only
// members are refused because the struct that reads them has none.
type detail struct {
	Type           string          `json:"type"`
	ConsentRequest *consentRequest `json:"consentRequest"`
}

type consentRequest struct {
	Purpose      string             `json:"purpose,omitempty"`
	DurationType string             `json:"durationType"`
	Duration     *int               `json:"durationPeriod,omitempty"`
	Lookback     *int               `json:"lookbackPeriod,omitempty"`
	Resources    []requestedCluster `json:"resources"`
}

type requestedCluster struct {
	ResourceType string   `json:"resourceType"`
	DataClusters []string `json:"dataClusters"`
}

func badDetails(text string) *Error { return refuse("invalid_authorization_details", text) }

// parseDetails reads the authorization_details parameter. An unknown type, an
// unknown or ill-typed member and a member twice are refused (RFC 9396
// section 5).
func parseDetails(raw string, into *consent.Asked) error {
	if len(raw) > maxDetails {
		return badDetails("authorization_details is larger than 16 KiB")
	}
	// StrictJSON reads objects; the parameter is an array.
	if !strings.HasPrefix(strings.TrimLeft(raw, " \t\r\n"), "[") || certs.StrictJSON([]byte(`{"details":`+raw+`}`)) != nil {
		return badDetails("authorization_details must be a JSON array of objects without repeated members")
	}
	// The type decides which members exist, so it is looked at first.
	var types []struct {
		Type string `json:"type"`
	}
	if json.Unmarshal([]byte(raw), &types) != nil || len(types) != 1 || types[0].Type != DetailsType {
		return badDetails("authorization_details must hold exactly one object of type " + DetailsType)
	}
	var list []detail
	var names any
	d := json.NewDecoder(bytes.NewReader([]byte(raw)))
	d.DisallowUnknownFields()
	if d.Decode(&list) != nil || list[0].ConsentRequest == nil || json.Unmarshal([]byte(raw), &names) != nil || !namedAs(names, detailMembers) {
		return badDetails("authorization_details has a member that is unknown, missing or of the wrong type")
	}
	q := list[0].ConsentRequest
	into.Detailed = true
	into.Purpose = q.Purpose
	into.Duration = consent.DurationType(q.DurationType)
	into.DurationDays, into.LookbackDays = q.Duration, q.Lookback
	for _, res := range q.Resources {
		var set fdx.Clusters
		for _, name := range res.DataClusters {
			c, err := fdx.ParseCluster(name)
			if err != nil {
				return badDetails("dataClusters has a name that is not an FDX data cluster")
			}
			set = set.With(c)
		}
		into.Resources = append(into.Resources, consent.AskedResource{Type: consent.ResourceType(res.ResourceType), Clusters: set})
	}
	return nil
}

// detailMembers are the names of all members of a detail.
var detailMembers = []string{
	"type", "consentRequest", "purpose", "durationType", "durationPeriod", "lookbackPeriod",
	"resources", "resourceType", "dataClusters",
}

// grantedDetail is what was granted, in the shape of the request enriched
// with the accounts that the consumer chose (RFC 9396 section 7).
type grantedDetail struct {
	Type         string             `json:"type"`
	ConsentID    consent.GrantID    `json:"fdxConsentId"`
	Purpose      string             `json:"purpose"`
	DurationType string             `json:"durationType"`
	Duration     int                `json:"durationPeriod,omitempty"`
	Lookback     int                `json:"lookbackPeriod"`
	Resources    []consent.Resource `json:"resources"`
}

func granted(g consent.Grant) []grantedDetail {
	return []grantedDetail{{
		Type: DetailsType, ConsentID: g.ID, Purpose: g.Purpose,
		DurationType: string(g.Duration), Duration: g.DurationDays, Lookback: g.LookbackDays,
		Resources: g.Resources,
	}}
}
