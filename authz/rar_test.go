package authz_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/fdx"
)

// goodDetail is a detail with every member.
const goodDetail = `{"type":"fdx_v1.0","consentRequest":{"purpose":"budgeting","durationType":"TIME_BOUND","durationPeriod":30,"lookbackPeriod":60,
	"resources":[{"resourceType":"ACCOUNT","dataClusters":["ACCOUNT_BASIC","TRANSACTIONS"]}]}}`

// details replaces one piece of the good detail.
func details(old, new string) string {
	if !strings.Contains(goodDetail, old) {
		panic("no " + old)
	}
	return "[" + strings.Replace(goodDetail, old, new, 1) + "]"
}

func detailed(raw string) func(url.Values) {
	return func(f url.Values) { f.Del("scope"); f.Set("authorization_details", raw) }
}

func TestDetailsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.client("narrow")
	for name, raw := range map[string]string{
		"empty":                           "",
		"not JSON":                        "fdx_v1.0",
		"null":                            "null",
		"text":                            `"fdx_v1.0"`,
		"an object":                       goodDetail,
		"no object":                       "[]",
		"null in the array":               "[null]",
		"text in the array":               `["fdx_v1.0"]`,
		"two objects":                     "[" + goodDetail + "," + goodDetail + "]",
		"an array in the array":           "[[" + goodDetail + "]]",
		"truncated":                       "[" + goodDetail,
		"doubled":                         "[" + goodDetail + "][" + goodDetail + "]",
		"a tail":                          "[" + goodDetail + "] x",
		"a tail that closes the wrapping": "[" + goodDetail + `],"x":[1]`,
		"type missing":                    details(`"type":"fdx_v1.0",`, ``),
		"type null":                       details(`"fdx_v1.0"`, `null`),
		"type a number":                   details(`"fdx_v1.0"`, `1`),
		"type unknown":                    details(`fdx_v1.0`, `fdx_v2.0`),
		"type in capitals":                details(`fdx_v1.0`, `FDX_v1.0`),
		"consentRequest missing":          `[{"type":"fdx_v1.0"}]`,
		"consentRequest null":             `[{"type":"fdx_v1.0","consentRequest":null}]`,
		"consentRequest an array":         `[{"type":"fdx_v1.0","consentRequest":[]}]`,
		"consentRequest empty":            `[{"type":"fdx_v1.0","consentRequest":{}}]`,
		"an unknown member":               details(`{"type"`, `{"x":1,"type"`),
		"an unknown member inside":        details(`"purpose"`, `"x":1,"purpose"`),
		"a member in another's place":     details(`"purpose"`, `"resourceType":"ACCOUNT","purpose"`),
		"an unknown member of a resource": details(`"resourceType"`, `"resourceId":"acc-1","resourceType"`),
		"a member of a grant":             details(`"type"`, `"fdxConsentId":"x","type"`),
		"a member twice":                  details(`"type"`, `"type":"fdx_v1.0","type"`),
		"a member twice inside":           details(`"durationPeriod"`, `"durationPeriod":1,"durationPeriod"`),
		"a member twice by escapes":       details(`"durationPeriod"`, `"durationPerio\u0064":1,"durationPeriod"`),
		"a member in capitals":            details(`"type"`, `"TYPE"`),
		"a member in capitals inside":     details(`"durationPeriod"`, `"DurationPeriod"`),
		"a member in capitals at the end": details(`"dataClusters"`, `"dataclusters"`),
		"a member in two cases":           details(`"lookbackPeriod"`, `"lookbackperiod":1,"lookbackPeriod"`),
		"a period as text":                details(`:30`, `:"30"`),
		"a period with a fraction":        details(`:30`, `:30.5`),
		"a period out of all bounds":      details(`:30`, `:99999999999999999999`),
		"a period of no days":             details(`:30`, `:0`),
		"a negative period":               details(`:30`, `:-1`),
		"a period over the registered":    details(`:30`, `:91`),
		"no period":                       details(`"durationPeriod":30,`, ``),
		"a duration type unknown":         details(`TIME_BOUND`, `TIME_BASED`),
		"a duration type not registered":  details(`"TIME_BOUND","durationPeriod":30`, `"PERSISTENT"`),
		"a duration type missing":         details(`"durationType":"TIME_BOUND",`, ``),
		"a look-back over the registered": details(`:60`, `:366`),
		"a negative look-back":            details(`:60`, `:-1`),
		"a purpose unknown":               details(`"budgeting"`, `"selling"`),
		"a purpose missing":               details(`"purpose":"budgeting",`, ``),
		"a purpose a number":              details(`"budgeting"`, `1`),
		"clusters beyond the purpose":     details(`"budgeting"`, `"lending"`),
		"no resources":                    details(`[{"resourceType":"ACCOUNT","dataClusters":["ACCOUNT_BASIC","TRANSACTIONS"]}]`, `[]`),
		"resources an object":             details(`[{"resourceType":"ACCOUNT","dataClusters":["ACCOUNT_BASIC","TRANSACTIONS"]}]`, `{}`),
		"a resource null":                 details(`[{"resourceType":"ACCOUNT","dataClusters":["ACCOUNT_BASIC","TRANSACTIONS"]}]`, `[null]`),
		"a resource type unknown":         details(`"ACCOUNT"`, `"EVERYTHING"`),
		"a resource type missing":         details(`"resourceType":"ACCOUNT",`, ``),
		"the customer alone":              details(`"ACCOUNT"`, `"CUSTOMER"`),
		"no clusters":                     details(`["ACCOUNT_BASIC","TRANSACTIONS"]`, `[]`),
		"clusters text":                   details(`["ACCOUNT_BASIC","TRANSACTIONS"]`, `"ACCOUNT_BASIC"`),
		"a cluster unknown":               details(`"TRANSACTIONS"`, `"EVERYTHING"`),
		"a cluster null":                  details(`"TRANSACTIONS"`, `null`),
		"a cluster in small letters":      details(`"TRANSACTIONS"`, `"transactions"`),
		"a cluster not registered":        details(`"TRANSACTIONS"`, `"BALANCES"`),
		"nested 1,000 deep":               details(`"budgeting"`, strings.Repeat("[", 1000)+strings.Repeat("]", 1000)),
		"over 16 KiB":                     details(`"budgeting"`, `"`+strings.Repeat("b", 16<<10)+`"`),
		"over 16 KiB of nothing":          "[" + goodDetail + strings.Repeat(" ", 16<<10) + "]",
		"1,000 resources that are null":   details(`[{"resourceType"`, "["+strings.Repeat("null,", 1000)+`{"resourceType"`),
	} {
		if a := n.push(detailed(raw)); !a.is(http.StatusBadRequest, "invalid_authorization_details") {
			t.Errorf("%s: %s", name, a)
		}
	}
	// A scope beside it must say the same (and is judged as a scope).
	for name, scope := range map[string]string{"less": basicScope, "other": "fdx:balances:read", "unknown": "x"} {
		a := n.push(func(f url.Values) { detailed("[" + goodDetail + "]")(f); f.Set("scope", scope) })
		if !a.is(http.StatusBadRequest, "invalid_scope") {
			t.Errorf("a scope that says %s: %s", name, a)
		}
	}
}

func TestDetailsThatAreAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.client("narrow")
	for name, raw := range map[string]string{
		"plain":                    "[" + goodDetail + "]",
		"with space around":        " \r\n\t[ " + goodDetail + " ] ",
		"the longest period":       details(`:30`, `:90`),
		"the shortest period":      details(`:30`, `:1`),
		"the longest look-back":    details(`:60`, `:365`),
		"no look-back at all":      details(`:60`, `:0`),
		"a look-back left open":    details(`"lookbackPeriod":60,`, ``),
		"the other purpose":        strings.Replace(details(`"budgeting"`, `"lending"`), `,"TRANSACTIONS"`, ``, 1),
		"an account in two pieces": details(`["ACCOUNT_BASIC","TRANSACTIONS"]}`, `["ACCOUNT_BASIC"]},{"resourceType":"ACCOUNT","dataClusters":["TRANSACTIONS"]}`),
	} {
		if a := n.push(detailed(raw)); a.status != http.StatusCreated {
			t.Errorf("%s: %s", name, a)
		}
	}
	both := func(f url.Values) {
		detailed("[" + goodDetail + "]")(f)
		f.Set("scope", "fdx:transactions:read fdx:accountbasic:read offline_access")
	}
	if a := n.push(both); a.status != http.StatusCreated {
		t.Errorf("a scope that says the same: %s", a)
	}
}

// What was asked in details is what the grant and the token answer say.
func TestDetailsBecomeTheGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := w.client("narrow")
	a := n.tokens(detailed("[" + goodDetail + "]"))
	g := w.grant()
	if g.Purpose != "budgeting" || g.Duration != consent.TimeBound || g.DurationDays != 30 || g.LookbackDays != 60 ||
		g.Clusters() != fdx.NewClusters(fdx.AccountBasic, fdx.Transactions) || len(g.Accounts()) != 2 {
		t.Errorf("grant: %+v", g)
	}
	list, _ := a.body["authorization_details"].([]any)
	if len(list) != 1 {
		t.Fatal(a)
	}
	d, _ := list[0].(claims)
	if !only(d, "type", "fdxConsentId", "purpose", "durationType", "durationPeriod", "lookbackPeriod", "resources") ||
		d["type"] != "fdx_v1.0" || d["fdxConsentId"] != string(g.ID) || d["durationPeriod"] != 30.0 || d["lookbackPeriod"] != 60.0 {
		t.Errorf("answer: %s", a)
	}
	if a.text("scope") != "fdx:accountbasic:read fdx:transactions:read" {
		t.Errorf("scope %s", a.text("scope"))
	}
}
