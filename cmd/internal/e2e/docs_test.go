package e2e

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/cmd/internal/authzd"
	"github.com/headgate/headgate/cmd/internal/gatewayd"
)

// The gateway serves its own reference to anybody, with its own address in it,
// and nothing of it takes a path from the API.
func TestTheGatewayDescribesItself(t *testing.T) {
	t.Parallel()
	d := deployWith(t, func(a *authzd.Config, g *gatewayd.Config) { g.BankName = a.BankName })
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: d.roots.Clone()}}
	t.Cleanup(client.CloseIdleConnections)
	ask := func(method, path string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), strings.ToUpper(method), "https://"+d.data[0]+path, nil)
		must(t, err)
		res, err := client.Do(r)
		must(t, err)
		defer res.Body.Close() //nolint:errcheck // read to its end
		body, err := io.ReadAll(res.Body)
		must(t, err)
		return res.StatusCode, string(body)
	}
	get := func(path string) (int, string) { return ask(http.MethodGet, path) }
	var doc struct {
		Servers []struct {
			URL string `json:"url"`
		} `json:"servers"`
		Paths      map[string]map[string]any `json:"paths"`
		Components struct {
			SecuritySchemes struct {
				OAuth2 struct {
					Flows map[string]struct {
						Scopes map[string]string `json:"scopes"`
					} `json:"flows"`
				} `json:"oauth2"`
			} `json:"securitySchemes"`
		} `json:"components"`
	}
	status, body := get("/docs/openapi.json")
	must(t, json.Unmarshal([]byte(body), &doc))
	if status != 200 || len(doc.Servers) != 1 || doc.Servers[0].URL != d.public || !strings.Contains(body, d.issuer+"/token") {
		t.Errorf("%d %.300s", status, body)
	}
	for _, path := range []string{"/docs", "/docs/plain"} {
		if status, _ := get(path); status != 200 {
			t.Errorf("%s: %d", path, status)
		}
	}
	// What it describes is there, and still asks for a token.
	for path, methods := range doc.Paths {
		for method := range methods {
			if status, body := ask(method, path); status != 401 || !strings.Contains(body, `"603"`) {
				t.Errorf("%s %s: %d %s", method, path, status, body)
			}
		}
	}
	// The metadata of the resource names the scopes of both kinds of tokens.
	var scopes []string
	for _, flow := range doc.Components.SecuritySchemes.OAuth2.Flows {
		scopes = append(scopes, slices.Collect(maps.Keys(flow.Scopes))...)
	}
	status, body = get("/.well-known/oauth-protected-resource")
	var metadata struct {
		Scopes []string `json:"scopes_supported"`
	}
	must(t, json.Unmarshal([]byte(body), &metadata))
	slices.Sort(scopes)
	if slices.Sort(metadata.Scopes); status != 200 || !slices.Equal(scopes, metadata.Scopes) || !slices.Contains(scopes, "grant_management_query") {
		t.Errorf("%d %s, the document has %s", status, body, scopes)
	}
	if status, _ := get("/fdx/docs"); status != 404 {
		t.Errorf("/fdx/docs: %d", status)
	}
}
