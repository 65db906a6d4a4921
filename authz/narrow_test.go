package authz_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// shared is a grant of two accounts with three clusters each.
func shared(f url.Values) {
	f.Set("scope", "fdx:accountdetailed:read fdx:balances:read fdx:transactions:read")
}

// reach is what an access token opens: each account with its clusters.
func (w *world) reach(secret string) map[fdx.AccountID]fdx.Clusters {
	w.t.Helper()
	l := w.live(secret)
	held := fdx.ClustersOf(l.Access.Scopes).Implied()
	all := map[fdx.AccountID]fdx.Clusters{}
	for _, a := range l.Share.Accounts {
		all[a.ID] = a.Clusters.Intersect(held)
	}
	return all
}

// entry writes a resource of authorization details; no id, no resourceId.
func entry(id string, clusters ...string) string {
	m := map[string]any{"resourceType": "ACCOUNT", "dataClusters": clusters}
	if id != "" {
		m["resourceId"] = id
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func asRequested(entries ...string) string {
	return `[{"type":"fdx_v1.0","consentRequest":{"resources":[` + strings.Join(entries, ",") + `]}}]`
}

func asGranted(entries ...string) string {
	return `[{"type":"fdx_v1.0","resources":[` + strings.Join(entries, ",") + `]}]`
}

// RFC 9396 section 6: a token request may narrow.
func TestATokenCanReachLessThanItsGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	first := c.tokens(shared)
	refresh := first.text("refresh_token")
	whole := w.reach(first.text("access_token"))
	balances, detailed, basic := fdx.NewClusters(fdx.Balances), fdx.NewClusters(fdx.AccountDetailed).Implied(), fdx.NewClusters(fdx.AccountBasic)
	details, err := json.Marshal(first.body["authorization_details"])
	must(t, err)
	for name, tt := range map[string]struct {
		details, ask string // authorization_details and scope
		scope        string // answered
		want         map[fdx.AccountID]fdx.Clusters
	}{
		"one cluster of all accounts": {asRequested(entry("", "BALANCES")), "", "fdx:balances:read", map[fdx.AccountID]fdx.Clusters{"acc-1": balances, "acc-2": balances}},
		"one cluster of one account":  {asGranted(entry("acc-2", "BALANCES")), "", "fdx:balances:read", map[fdx.AccountID]fdx.Clusters{"acc-2": balances}},
		"one cluster each": {asGranted(entry("acc-1", "BALANCES"), entry("acc-2", "ACCOUNT_DETAILED")), "", "fdx:accountdetailed:read fdx:balances:read",
			map[fdx.AccountID]fdx.Clusters{"acc-1": balances, "acc-2": detailed}},
		"a cluster that another implies": {asRequested(entry("", "ACCOUNT_BASIC")), "", "fdx:accountbasic:read", map[fdx.AccountID]fdx.Clusters{"acc-1": basic, "acc-2": basic}},
		"less by scope besides": {asRequested(entry("", "BALANCES", "TRANSACTIONS")), "fdx:balances:read fdx:accountdetailed:read", "fdx:balances:read",
			map[fdx.AccountID]fdx.Clusters{"acc-1": balances, "acc-2": balances}},
		"what was granted, said again": {string(details), "", "fdx:accountdetailed:read fdx:balances:read fdx:transactions:read", whole},
		"what was requested, on its terms": {`[{"type":"fdx_v1.0","consentRequest":{"purpose":"general","durationType":"TIME_BOUND","durationPeriod":365,"lookbackPeriod":730,"resources":[` +
			entry("", "BALANCES") + `]}}]`, "", "fdx:balances:read", map[fdx.AccountID]fdx.Clusters{"acc-1": balances, "acc-2": balances}},
	} {
		bend := func(f url.Values) {
			f.Set("authorization_details", tt.details)
			if tt.ask != "" {
				f.Set("scope", tt.ask)
			}
		}
		asked := map[string]answer{"refresh": c.refresh(refresh, bend)}
		if tt.ask == "" && tt.details != string(details) { // an exchange has no scope, and each code has a grant of its own
			asked["code"] = c.redeem(c.code(shared), bend)
		}
		for grant, a := range asked {
			if a.status != http.StatusOK || a.text("scope") != tt.scope || !reflect.DeepEqual(w.reach(a.text("access_token")), tt.want) {
				t.Errorf("%s, %s: %s", name, grant, a)
				continue
			}
			// What is answered is what the token reaches.
			var said struct {
				Details []struct {
					Resources []consent.Resource
				} `json:"authorization_details"`
			}
			must(t, json.Unmarshal([]byte(a.raw), &said))
			got := map[fdx.AccountID]fdx.Clusters{}
			for _, r := range said.Details[0].Resources {
				got[fdx.AccountID(r.ID)] = r.Clusters.Implied()
			}
			if tt.ask == "" && !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%s, %s: answered %v, reaches %v", name, grant, got, tt.want)
			}
			if grant == "code" { // the refresh token is that of the whole grant
				b := c.refresh(a.text("refresh_token"), nil)
				if !reflect.DeepEqual(w.reach(b.text("access_token")), whole) {
					t.Errorf("%s: refreshed: %s", name, b)
				}
			}
		}
	}
	if !reflect.DeepEqual(w.reach(first.text("access_token")), whole) {
		t.Error("the first token lost something")
	}
}

func TestATokenCannotReachMoreThanItsGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client("app")
	code, refresh := c.code(shared), c.tokens(shared).text("refresh_token")
	one := entry("acc-1", "BALANCES")
	for name, details := range map[string]string{
		"a cluster that was not granted":       asRequested(entry("", "REWARDS")),
		"one more cluster":                     asRequested(entry("", "BALANCES", "REWARDS")),
		"one more cluster of an account":       asGranted(entry("acc-1", "BALANCES", "REWARDS")),
		"another account":                      asGranted(entry("acc-3", "BALANCES")),
		"one more account":                     asGranted(one, entry("acc-3", "BALANCES")),
		"an account twice":                     asGranted(one, entry("acc-1", "TRANSACTIONS")),
		"a type twice":                         asRequested(entry("", "BALANCES"), entry("", "TRANSACTIONS")),
		"the customer":                         `[{"type":"fdx_v1.0","consentRequest":{"resources":[{"resourceType":"CUSTOMER","dataClusters":["BALANCES"]}]}}]`,
		"the account as another type":          `[{"type":"fdx_v1.0","resources":[{"resourceType":"CUSTOMER","resourceId":"acc-1","dataClusters":["BALANCES"]}]}]`,
		"no type of resource":                  `[{"type":"fdx_v1.0","resources":[{"resourceId":"acc-1","dataClusters":["BALANCES"]}]}]`,
		"no resources":                         asGranted(),
		"no resources requested":               asRequested(),
		"no clusters":                          asGranted(`{"resourceType":"ACCOUNT","resourceId":"acc-1","dataClusters":[]}`),
		"an unknown cluster":                   asRequested(entry("", "EVERYTHING")),
		"an id as requested":                   asRequested(one),
		"no id as granted":                     asGranted(entry("", "BALANCES")),
		"both forms":                           `[{"type":"fdx_v1.0","consentRequest":{"resources":[` + entry("", "BALANCES") + `]},"resources":[` + one + `]}]`,
		"a longer term":                        `[{"type":"fdx_v1.0","durationPeriod":366,"resources":[` + one + `]}]`,
		"a shorter term":                       `[{"type":"fdx_v1.0","durationPeriod":1,"resources":[` + one + `]}]`,
		"another duration type":                `[{"type":"fdx_v1.0","durationType":"PERSISTENT","resources":[` + one + `]}]`,
		"a shorter look-back":                  `[{"type":"fdx_v1.0","lookbackPeriod":1,"resources":[` + one + `]}]`,
		"another purpose":                      `[{"type":"fdx_v1.0","purpose":"lending","resources":[` + one + `]}]`,
		"another purpose beside what is asked": `[{"type":"fdx_v1.0","purpose":"lending","consentRequest":{"resources":[` + entry("", "BALANCES") + `]}}]`,
		"another consent":                      `[{"type":"fdx_v1.0","fdxConsentId":"g","resources":[` + one + `]}]`,
		"another type":                         strings.Replace(asGranted(one), "fdx_v1.0", "fdx_v2.0", 1),
		"an unknown member":                    `[{"type":"fdx_v1.0","x":1,"resources":[` + one + `]}]`,
		"a member in capitals":                 `[{"type":"fdx_v1.0","Resources":[` + one + `]}]`,
		"a member twice":                       `[{"type":"fdx_v1.0","resources":[` + one + `],"resources":[]}]`,
		"two objects":                          strings.Replace(asGranted(one), "]}]", "]},"+asGranted(one)[1:len(asGranted(one))-1]+"]", 1),
		"no object":                            "[]",
		"an object":                            "{}",
		"nothing":                              "",
		"null":                                 "null",
		"a null":                               "[null]",
		"no JSON":                              "x",
		"over 16 KiB":                          asGranted(one) + strings.Repeat(" ", 16<<10),
		"a second value":                       asGranted(one) + `,"x":[1]`,
	} {
		for grant, a := range map[string]answer{
			"code": c.redeem(code, with("authorization_details", details)), "refresh": c.refresh(refresh, with("authorization_details", details)),
		} {
			if !a.is(http.StatusBadRequest, "invalid_authorization_details") {
				t.Errorf("%s, %s: %s", name, grant, a)
			}
		}
	}
	if a := c.refresh(refresh, func(f url.Values) {
		f.Set("authorization_details", asRequested(entry("", "BALANCES")))
		f.Set("scope", "fdx:transactions:read")
	}); !a.is(http.StatusBadRequest, "invalid_scope") {
		t.Errorf("scope and details that exclude each other: %s", a)
	}
	// A code that cannot be used is the first thing to say, and its reuse is
	// seen whatever stands beside it.
	if a := c.redeem("x", with("authorization_details", "x")); !a.is(http.StatusBadRequest, "invalid_grant") {
		t.Errorf("an unknown code: %s", a)
	}
	if a := c.redeem(code, nil); a.status != http.StatusOK {
		t.Errorf("the code afterwards: %s", a)
	}
	if a := c.redeem(code, with("authorization_details", "x")); !a.is(http.StatusBadRequest, "invalid_grant") {
		t.Errorf("a used code: %s", a)
	}
}
