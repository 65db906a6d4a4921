package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// The gateway serves its own reference to anybody, with its own address in it,
// and nothing of it takes a path from the API.
func TestTheGatewayDescribesItself(t *testing.T) {
	t.Parallel()
	d := deploy(t)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: d.roots.Clone()}}
	t.Cleanup(client.CloseIdleConnections)
	get := func(path string) (int, string) {
		res, err := client.Get("https://" + d.data[0] + path)
		must(t, err)
		defer res.Body.Close() //nolint:errcheck // read to its end
		body, err := io.ReadAll(res.Body)
		must(t, err)
		return res.StatusCode, string(body)
	}
	var doc struct {
		Servers []struct {
			URL string `json:"url"`
		} `json:"servers"`
		Paths map[string]any `json:"paths"`
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
	for path := range doc.Paths {
		if status, body := get(path); status != 401 || !strings.Contains(body, `"603"`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _ := get("/fdx/docs"); status != 404 {
		t.Errorf("/fdx/docs: %d", status)
	}
}
