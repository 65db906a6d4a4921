package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/conformance/recipient"
)

// answer is one refusal as the one who asked saw it.
type answer struct {
	route, kind string // kind is foreign or unknown
	status      int
	body        string // without what names the single request
	took        time.Duration
	at          time.Duration
}

// The kinds of ids.
const (
	foreign = "foreign" // there is one, and it is somebody else's
	unknown = "unknown"
)

// tenant asks for what belongs to others and for what does not exist, in turn,
// n times each on every route, and compares what is said and how long it takes:
// T1.
func (d *driver) tenant(ctx context.Context, n int) (finding, error) {
	if len(d.apps) < 2 || len(d.people) < 2 {
		return finding{ID: "T1", NotRun: "there is nobody else"}, nil
	}
	two, err := d.stock(ctx, []pair{{d.apps[0], d.people[0]}, {d.apps[1], d.people[1]}}, func(_ int, o *bulk) {
		o.Clusters = append(slices.Clone(clusters), more...)
	})
	if err != nil {
		return finding{}, err
	}
	own, other := two[0], two[1]
	token := own.now()
	data := func(path string) func(id string) (*recipient.Request, error) {
		return func(id string) (*recipient.Request, error) {
			return own.app.client.DataRequest(token, strings.ReplaceAll(path, "{}", id), nil)
		}
	}
	routes := []struct {
		name, instance, id string // of the other
		ask                func(id string) (*recipient.Request, error)
	}{
		{"GET /accounts/{id}", gatewayA, other.accounts[0], data("/accounts/{}")},
		{"GET /accounts/{id}/transactions", gatewayB, other.accounts[0], data("/accounts/{}/transactions")},
		{"GET /consents/{id}", gatewayA, other.id, func(id string) (*recipient.Request, error) {
			return own.app.client.DataRequest(own.app.itself(ctx), "/consents/"+id, nil)
		}},
		{"PUT /consents/{id}/revocation", gatewayA, other.id, func(id string) (*recipient.Request, error) {
			return own.app.client.RevokeConsentRequest(own.app.itself(ctx), id, "USER_ACTION", "INDIVIDUAL")
		}},
		{"DELETE /grants/{id}", authzd, other.id, func(id string) (*recipient.Request, error) {
			return own.app.client.GrantRequest(http.MethodDelete, own.app.itself(ctx), id)
		}},
	}
	var list []answer
	for _, r := range routes {
		for i := range 2 * n {
			kind, id := foreign, r.id
			if i%2 == 1 {
				kind, id = unknown, likeness(r.id)
			}
			req, err := r.ask(id)
			if err != nil {
				return finding{}, err
			}
			o := op{Kind: opRead, Instance: r.instance, Recipient: own.app.id, Consent: own.id, How: "another's id"}
			text := d.send(ctx, &o, own.app, req)
			if o.Status == 0 {
				continue
			}
			list = append(list, answer{r.name, kind, o.Status, nameless(text, id), o.took(), o.Start})
			if o.good() && kind == foreign {
				break // enough, and what it did is done
			}
		}
	}
	// Nothing has happened to the other one.
	o := d.read(ctx, gatewayA, other, true)
	d.history.add(o)
	f := checkTenant(list)
	if !o.good() {
		f.bad("the other's consent was read before and is answered %d afterwards", o.Status)
	}
	return f, nil
}

// likeness is an id of the same form that nobody has.
func likeness(id string) string {
	const digits = "0123456789abcdef"
	text := []byte(id)
	fresh := make([]byte, len(text))
	_, _ = rand.Read(fresh) // never fails
	for i, c := range text {
		switch {
		case i == 14 && strings.Count(id, "-") == 4: // the version of a UUID stays
		case i == 19 && strings.Count(id, "-") == 4:
		case strings.ContainsRune(digits, rune(c)) && (len(text) == 36 || c >= '0' && c <= '9'):
			text[i] = digits[int(fresh[i])%16]
			if len(text) != 36 {
				text[i] = digits[int(fresh[i])%10]
			}
		}
	}
	return string(text)
}

// nameless is a refusal without the id that was asked for and without what is
// of the one request.
func nameless(text []byte, id string) string {
	var body map[string]any
	if json.Unmarshal(text, &body) != nil {
		return string(text)
	}
	for _, name := range []string{"interactionId", "requestId"} {
		delete(body, name)
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(body)) {
		parts = append(parts, fmt.Sprintf("%s=%v", name, body[name]))
	}
	return strings.ReplaceAll(strings.Join(parts, " "), id, "{id}")
}

// closest is by how much the medians of the times may differ.
const closest = 500 * time.Microsecond

// checkTenant is T1: status and body are the same for both kinds, and so are
// the times, as far as medians tell. The two kinds are asked in turn, so that
// what slows the machine slows both; a difference that the first half of the
// answers shows and the second does not is the machine's.
func checkTenant(list []answer) finding {
	f := finding{ID: "T1", What: "another's id is answered as an unknown one"}
	by := map[string]map[string][]answer{}
	for _, a := range list {
		if by[a.route] == nil {
			by[a.route] = map[string][]answer{}
		}
		by[a.route][a.kind] = append(by[a.route][a.kind], a)
	}
	for _, route := range slices.Sorted(maps.Keys(by)) {
		x, y := by[route][foreign], by[route][unknown]
		f.Trials += len(x)
		if slices.ContainsFunc(x, func(a answer) bool { return a.status < 300 }) {
			f.bad("%s: another's id is answered with success", route)
			continue
		}
		said := func(all []answer) map[string]int {
			m := map[string]int{}
			for _, a := range all {
				if a.status < 500 {
					m[fmt.Sprintf("%d %s", a.status, a.body)]++
				}
			}
			return m
		}
		a, b := slices.Sorted(maps.Keys(said(x))), slices.Sorted(maps.Keys(said(y)))
		if len(a) == 0 || len(b) == 0 {
			f.short("%s: no answer", route)
			continue
		}
		if !slices.Equal(a, b) {
			f.bad("%s: another's id is answered %q, an unknown one %q", route, a, b)
			continue
		}
		m, n := len(x)/2, len(y)/2
		one, two := apart(x[:m], y[:n]), apart(x[m:], y[n:])
		p := mannWhitney(times(x), times(y))
		f.note("%s: %s; medians differ by %v, p %.2f of %d", route, strings.SplitN(a[0], " ", 2)[0], apart(x, y).Round(time.Microsecond), p, len(x))
		if p < 0.01 && one.Abs() > closest && two.Abs() > closest && (one > 0) == (two > 0) {
			f.late("%s: another's id takes %v longer than an unknown one", route, apart(x, y))
		}
	}
	return f
}

func times(list []answer) []time.Duration {
	all := make([]time.Duration, len(list))
	for i, a := range list {
		all[i] = a.took
	}
	return all
}

// apart is the difference of the medians.
func apart(x, y []answer) time.Duration {
	a, b := times(x), times(y)
	slices.Sort(a)
	slices.Sort(b)
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	return a[len(a)/2] - b[len(b)/2]
}

// mannWhitney is the probability that two samples of one source differ as much
// by chance, by the rank sum's normal approximation.
func mannWhitney(x, y []time.Duration) float64 {
	type one struct {
		t     time.Duration
		first bool
	}
	var all []one
	for _, t := range x {
		all = append(all, one{t, true})
	}
	for _, t := range y {
		all = append(all, one{t, false})
	}
	slices.SortFunc(all, func(a, b one) int { return int(a.t - b.t) })
	rank := 0.0
	for i, o := range all {
		if o.first {
			rank += float64(i + 1)
		}
	}
	n, m := float64(len(x)), float64(len(y))
	if n == 0 || m == 0 {
		return 1
	}
	u := rank - n*(n+1)/2
	z := (u - n*m/2) / math.Sqrt(n*m*(n+m+1)/12)
	return math.Erfc(math.Abs(z) / math.Sqrt2)
}
