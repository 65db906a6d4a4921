package authz

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

const (
	fuzzCallback  = "https://app.example/cb"
	fuzzChallenge = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

func fuzzRecipient() consent.Recipient {
	clusters := fdx.NewClusters(fdx.AccountBasic, fdx.Transactions, fdx.PaymentSupport)
	return consent.Recipient{
		ID: "app", Status: consent.RecipientActive, RedirectURIs: []string{fuzzCallback}, Scopes: fdx.ScopesOf(clusters),
		Purposes:  []consent.Purpose{{Code: "general", Label: "l", Clusters: clusters}},
		Durations: []consent.DurationType{consent.TimeBound, consent.OneTime}, MaxDays: 90, LookbackDays: 365,
	}
}

// refused holds an error to the form that every refusal has.
func refused(t *testing.T, err error) {
	t.Helper()
	e := wire(err)
	known := []string{"invalid_request", "invalid_scope", "invalid_authorization_details", "invalid_dpop_proof", "unsupported_response_type", "invalid_request_object", "unmet_authentication_requirements"}
	if e.Status != 400 || !slices.Contains(known, e.Code) || e.Text == "" ||
		strings.ContainsFunc(e.Text, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) {
		t.Errorf("refused with %d %s %s", e.Status, e.Code, e.Text)
	}
}

func FuzzAuthorizationDetails(f *testing.F) {
	f.Add(`[{"type":"fdx_v1.0","consentRequest":{"purpose":"general","durationType":"TIME_BOUND","durationPeriod":30,"lookbackPeriod":60,"resources":[{"resourceType":"ACCOUNT","dataClusters":["ACCOUNT_BASIC"]}]}}]`)
	f.Add(`[{"type":"fdx_v1.0","consentRequest":{"durationType":"ONE_TIME","resources":[{"resourceType":"CUSTOMER","dataClusters":["ACCOUNT_PAYMENTS"]}]}}]`)
	f.Add(`[{"Type":"fdx_v1.0","consentRequest":{}}]`)
	f.Add(`[{"type":"fdx_v1.0","type":"x"}]`)
	f.Add(`[{"type":"fdx_v1.0","consentRequest":null}],"x":[1]`)
	f.Add(`[null]`)
	f.Add(`[[[[[[[[[[[[]]]]]]]]]]]]`)
	f.Add(``)
	f.Fuzz(func(t *testing.T, raw string) {
		var asked consent.Asked
		if err := parseDetails(raw, &asked); err != nil {
			refused(t, err)
			return
		}
		// Whatever was taken says the same to a reader that knows no types.
		var list []struct {
			Type    string                     `json:"type"`
			Request map[string]json.RawMessage `json:"consentRequest"`
		}
		if err := json.Unmarshal([]byte(raw), &list); err != nil || len(list) != 1 || list[0].Type != DetailsType || list[0].Request == nil {
			t.Fatalf("taken: %s", raw)
		}
		for name := range list[0].Request {
			if !slices.Contains(detailMembers, name) {
				t.Errorf("taken with %s: %s", name, raw)
			}
		}
		for _, r := range asked.Resources {
			if r.Clusters.Intersect(fdx.NewClusters(fdx.AllClusters()...)) != r.Clusters {
				t.Errorf("taken with strange clusters: %s", raw)
			}
		}
		if _, err := consent.Shape(fuzzRecipient(), asked); err != nil {
			refused(t, err)
		}
	})
}

func FuzzCheckPush(f *testing.F) {
	good := url.Values{
		"response_type": {"code"}, "redirect_uri": {fuzzCallback}, "scope": {"fdx:accountbasic:read offline_access"},
		"code_challenge": {fuzzChallenge}, "code_challenge_method": {"S256"}, "state": {"s"},
	}
	f.Add(good.Encode(), "")
	f.Add(good.Encode()+"&dpop_jkt="+fuzzChallenge, fuzzChallenge)
	f.Add(good.Encode()+"&dpop_jkt="+fuzzChallenge, "another")
	f.Add(good.Encode()+"&scope=openid&prompt=login&max_age=1&acr_values=x&claims=%7B%7D", "")
	f.Add(good.Encode()+"&response_mode=query.jwt", "")
	f.Add(good.Encode()+"&response_mode=jwt&nonce=n&login_hint=l&ui_locales=sv", "")
	f.Add("response_type=token", "")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, body, proven string) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		r := fuzzRecipient()
		r.Scopes, r.Profile.ResponseModes = append(r.Scopes, fdx.ScopeOpenID), []string{"jwt", "query"}
		params, request, jkt, err := checkPush(r, form, proven)
		if err != nil {
			refused(t, err)
			if params != nil || jkt != "" {
				t.Error("a refusal comes with something")
			}
			return
		}
		if params["response_type"] != "code" || params["redirect_uri"] != fuzzCallback || params["code_challenge_method"] != "S256" ||
			len(params["code_challenge"]) != 43 || !slices.Contains(r.Profile.ResponseModes, params["response_mode"]) {
			t.Errorf("taken: %v", params)
		}
		for name, value := range params {
			if !slices.Contains(pushedParams, name) || len(value) > maxParam && name != "claims" ||
				name != "scope" && name != "response_mode" && value != form.Get(name) {
				t.Errorf("kept %s: %s", name, value)
			}
		}
		if proven != "" && jkt != proven || proven == "" && jkt != form.Get("dpop_jkt") {
			t.Errorf("bound to %s", jkt)
		}
		for _, c := range request.Clusters().List() {
			if !slices.Contains(r.Scopes, c.Scope()) {
				t.Errorf("asks for %s", c)
			}
		}
	})
}
