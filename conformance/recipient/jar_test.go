package recipient_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/headgate/headgate/conformance/recipient"
)

func TestABentRequestObjectIsSentAsItIs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		bend func(claims map[string]any, r *recipient.Request)
		want string
	}{
		{"untouched", func(map[string]any, *recipient.Request) {}, "<nil>"},
		{"aud as a token endpoint", func(c map[string]any, _ *recipient.Request) { c["aud"] = c["aud"].(string) + "/token" }, "invalid_request_object"},
		{"no exp", func(c map[string]any, _ *recipient.Request) { delete(c, "exp") }, "invalid_request_object"},
		{"no nbf", func(c map[string]any, _ *recipient.Request) { delete(c, "nbf") }, "invalid_request_object"},
		{"of another client", func(c map[string]any, _ *recipient.Request) { c["client_id"] = "loanlink" }, "invalid_request_object"},
		{"with a parameter beside", func(_ map[string]any, r *recipient.Request) { r.Form.Set("scope", "a") }, "invalid_request_object"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, jose.PS256)
			s.jar = true
			c, a := s.connect(t), ask(t)
			a.GrantAction, a.GrantID, a.MaxAge = "merge", "g1", 60
			claims, err := c.RequestObjectClaims(a)
			if err != nil {
				t.Fatal(err)
			}
			if claims["max_age"] != 60 || claims["grant_management_action"] != "merge" || claims["grant_id"] != "g1" {
				t.Errorf("claims %v", claims)
			}
			req, err := c.PushRequest(a)
			if err != nil {
				t.Fatal(err)
			}
			if names := slices.Sorted(maps.Keys(req.Form)); !slices.Equal(names, []string{"client_assertion", "client_assertion_type", "request"}) {
				t.Errorf("the form holds %v", names)
			}
			tt.bend(claims, req)
			signed, err := c.SignRequestObject(claims)
			if err != nil {
				t.Fatal(err)
			}
			req.Form.Set("request", signed)
			answer, err := c.Do(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if got := refusalCode(answer.Refusal("push")); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
