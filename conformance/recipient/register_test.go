package recipient_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/conformance/recipient"
)

func TestRegistration(t *testing.T) {
	t.Parallel()
	s := newServer(t, jose.ES256)
	c := s.connect(t)
	if _, err := c.Register(t.Context(), map[string]any{}); refusalCode(err) != "invalid_software_statement" {
		t.Errorf("without a statement: %v", err)
	}
	reg, err := c.Register(t.Context(), map[string]any{"software_statement": "statement", "client_name": "App"})
	if err != nil {
		t.Fatal(err)
	}
	if reg.ClientID == "" || reg.Metadata["client_name"] != "App" || reg.Metadata["registration_access_token"] != nil {
		t.Error("the registration is not what was asked for, or shows its token")
	}
	read, err := c.ReadRegistration(t.Context(), reg)
	if err != nil || read.ClientID != reg.ClientID || read.Metadata["client_name"] != "read" {
		t.Errorf("read: %v", err)
	}
	updated, err := c.UpdateRegistration(t.Context(), read, read.Metadata)
	if err != nil || updated.AccessToken == read.AccessToken {
		t.Errorf("update: %v, or the new token was not taken", err)
	}
	var refusal *recipient.Refusal
	if err := c.DeleteRegistration(t.Context(), reg); !errors.As(err, &refusal) || refusal.Status != http.StatusUnauthorized {
		t.Errorf("delete with the old token: %v", err)
	}
	if err := c.DeleteRegistration(t.Context(), updated); err != nil {
		t.Error(err)
	}
	if _, err := c.ReadRegistration(t.Context(), updated); refusalCode(err) != "invalid_token" {
		t.Errorf("read after the end: %v", err)
	}

	for name, bend := range map[string]func(map[string]any){
		"no client_id":    func(m map[string]any) { delete(m, "client_id") },
		"no token":        func(m map[string]any) { delete(m, "registration_access_token") },
		"no URI":          func(m map[string]any) { delete(m, "registration_client_uri") },
		"a URI in plain":  func(m map[string]any) { m["registration_client_uri"] = "http://bank.example/x" },
		"client_id a map": func(m map[string]any) { m["client_id"] = map[string]any{} },
	} {
		s.mu.Lock()
		s.tokenAnswer = bend
		s.mu.Unlock()
		if got, err := c.Register(t.Context(), map[string]any{"software_statement": "statement"}); err == nil || got.AccessToken != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.mu.Lock()
	s.tokenAnswer = nil
	s.mu.Unlock()
	other, err := c.Register(t.Context(), map[string]any{"software_statement": "statement"})
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.tokenAnswer = func(m map[string]any) { m["client_id"] = "another" }
	s.mu.Unlock()
	if _, err := c.ReadRegistration(t.Context(), other); err == nil {
		t.Error("another client was read for ours")
	}
}
