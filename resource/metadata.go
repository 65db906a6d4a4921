package resource

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/headgate/headgate/fdx"
	"github.com/headgate/headgate/internal/bearer"
	"github.com/headgate/headgate/internal/fdxhttp"
	"github.com/headgate/headgate/internal/openapi"
)

// protectedResource returns the metadata document (RFC 9728 section 2). Its
// scopes are those of the data, and those of clients' own tokens for what is
// served beside.
func protectedResource(public, issuer string, beside []openapi.Operation) []byte {
	var opened fdx.Clusters
	for _, e := range endpoints() {
		opened = opened.Union(e.about().any)
	}
	scopes := fdx.ScopesOf(opened)
	for _, op := range beside {
		if op.ClientScope != "" && !slices.Contains(scopes, op.ClientScope) {
			scopes = append(scopes, op.ClientScope)
		}
	}
	doc, err := json.Marshal(struct {
		Resource             string      `json:"resource"`
		AuthorizationServers []string    `json:"authorization_servers"`
		Scopes               []fdx.Scope `json:"scopes_supported"`
		BearerMethods        []string    `json:"bearer_methods_supported"`
		ProofAlgorithms      []string    `json:"dpop_signing_alg_values_supported"`
		DPoPOnly             bool        `json:"dpop_bound_access_tokens_required"`
		CertificateBound     bool        `json:"tls_client_certificate_bound_access_tokens"`
		DetailsTypes         []string    `json:"authorization_details_types_supported"`
	}{
		Resource:             public,
		AuthorizationServers: []string{issuer},
		Scopes:               scopes,
		BearerMethods:        []string{"header"},
		ProofAlgorithms:      strings.Fields(bearer.ProofAlgorithms),
		CertificateBound:     true,
		DetailsTypes:         []string{"fdx_v1.0"},
	})
	if err != nil {
		panic(err) // strings and booleans
	}
	return doc
}

// serveMetadata answers fdxhttp.MetadataPath.
func (g *Gateway) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=300")
	fdxhttp.WriteJSON(w, http.StatusOK, g.metadata)
}
