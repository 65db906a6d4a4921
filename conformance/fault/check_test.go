package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const ms = time.Millisecond

// A check is shown a history that keeps the promise and then, one by one, what
// breaks it.
func TestCheckRevoke(t *testing.T) {
	t.Parallel()
	stop := op{Kind: opRevoke, Consent: "c", Start: 5, End: 10, Status: 204, How: byGrantManagement}
	for name, c := range map[string]struct {
		op   op
		want int
	}{
		"given before":                      {op{Kind: opRead, Consent: "c", Start: 1, End: 4, Status: 200, Yes: true}, 0},
		"begun before and given after":      {op{Kind: opRead, Consent: "c", Start: 9, End: 15, Status: 200, Yes: true}, 0},
		"begun at the instant":              {op{Kind: opRead, Consent: "c", Start: 10, End: 15, Status: 200, Yes: true}, 0},
		"begun after and given":             {op{Kind: opRead, Consent: "c", Start: 11, End: 15, Status: 200, Yes: true}, 1},
		"active after":                      {op{Kind: opIntrospect, Consent: "c", Start: 11, End: 15, Status: 200, Yes: true}, 1},
		"a token after":                     {op{Kind: opRefresh, Consent: "c", Start: 11, End: 15, Status: 200, Yes: true}, 1},
		"refused after":                     {op{Kind: opRead, Consent: "c", Start: 11, End: 15, Status: 401}, 0},
		"another consent":                   {op{Kind: opRead, Consent: "d", Start: 11, End: 15, Status: 200, Yes: true}, 0},
		"an earlier stop whose answer came": {op{Kind: opRevoke, Consent: "c", Start: 1, End: 3, Status: 409}, 1},
		"a stop that did not answer":        {op{Kind: opRevoke, Consent: "e", Start: 1, End: 3, Status: 503}, 0},
	} {
		late := op{Kind: opRead, Consent: "c", Start: 4, End: 6, Status: 200, Yes: true}
		if f := checkRevoke([]op{stop, late, c.op}, nil); len(f.Bad) != c.want {
			t.Errorf("%s: got %v", name, f.Bad)
		}
	}
	if f := checkRevoke(nil, nil); f.ok() {
		t.Error("a run without a stop passes")
	}
}

func TestCheckAudit(t *testing.T) {
	t.Parallel()
	good := op{
		Kind: opRead, Consent: "c", Recipient: "r", Instance: "a", Status: 200, RequestID: "1", Interaction: "I1", Operation: "searchForAccounts",
		Accounts: []string{"x", "y"}, From: "2026-01-01", To: "2026-01-02", Count: 2, Bytes: 9, BodyHash: "h",
	}
	row := record{
		RequestID: "1", Recipient: "r", Grant: "c", Operation: "searchForAccounts", Accounts: []string{"y", "x"}, Clusters: []string{"ACCOUNT_BASIC"},
		From: "2026-01-01", To: "2026-01-02", Count: 2, Bytes: 9, BodyHash: "h", Outcome: "given", Interaction: "I1", Instance: "a",
	}
	lost := op{Kind: opRead, Consent: "c", Interaction: "I2", Err: "reset"}
	over := record{RequestID: "2", Interaction: "I2", Outcome: "given"}
	if f := checkAudit([]op{good, lost}, []record{row, over}); !f.ok() {
		t.Fatal("a good history:", f.Bad)
	}
	for name, c := range map[string]func(o *op, list *[]record){
		"no record":             func(_ *op, l *[]record) { *l = (*l)[1:] },
		"two records":           func(_ *op, l *[]record) { *l = append(*l, (*l)[0]) },
		"another record":        func(_ *op, l *[]record) { *l = append(*l, record{RequestID: "3", Interaction: "I1", Outcome: "given"}) },
		"a record unasked for":  func(_ *op, l *[]record) { *l = append(*l, record{RequestID: "3", Interaction: "I3", Outcome: "given"}) },
		"given after a refusal": func(o *op, _ *[]record) { o.Status = 401 },
		"refused and given":     func(_ *op, l *[]record) { (*l)[0].Outcome = "refused" },
		"grant":                 func(_ *op, l *[]record) { (*l)[0].Grant = "d" },
		"recipient":             func(_ *op, l *[]record) { (*l)[0].Recipient = "s" },
		"operation":             func(_ *op, l *[]record) { (*l)[0].Operation = "p" },
		"accounts":              func(_ *op, l *[]record) { (*l)[0].Accounts = []string{"x"} },
		"clusters":              func(_ *op, l *[]record) { (*l)[0].Clusters = nil },
		"window":                func(_ *op, l *[]record) { (*l)[0].From = "2026-01-02" },
		"count":                 func(_ *op, l *[]record) { (*l)[0].Count = 3 },
		"bytes":                 func(_ *op, l *[]record) { (*l)[0].Bytes = 3 },
		"body hash":             func(_ *op, l *[]record) { (*l)[0].BodyHash = "i" },
		"instance":              func(_ *op, l *[]record) { (*l)[0].Instance = "b" },
	} {
		o, list := good, []record{row, over}
		c(&o, &list)
		if f := checkAudit([]op{o, lost}, list); len(f.Bad) == 0 {
			t.Errorf("%s: nothing found", name)
		}
	}
}

func TestCheckDark(t *testing.T) {
	t.Parallel()
	w := []dark{{span{"pg", 1000 * ms, 5000 * ms}, 5050 * ms, false, []string{"a"}}}
	back := op{Kind: opRead, Instance: "a", Start: 5100 * ms, End: 5200 * ms, Status: 200}
	no := op{Kind: opRead, Instance: "a", Start: 2000 * ms, End: 2100 * ms, Status: 503, Retry: true, Shaped: true}
	if f := checkDark([]op{no, back}, w); !f.ok() {
		t.Fatal(f.Bad)
	}
	for name, change := range map[string]func(o, b *op){
		"data":            func(o, _ *op) { o.Status = 200 },
		"another status":  func(o, _ *op) { o.Status = 500 },
		"no answer":       func(o, _ *op) { o.Status = 0 },
		"no Retry-After":  func(o, _ *op) { o.Retry = false },
		"no body":         func(o, _ *op) { o.Shaped = false },
		"too late":        func(o, _ *op) { o.End = o.Start + 3600*ms },
		"late recovery":   func(_, b *op) { b.Start, b.End = 10000*ms, 10100*ms },
		"never recovered": func(_, b *op) { b.Status = 503 },
	} {
		o, b := no, back
		change(&o, &b)
		if f := checkDark([]op{o, b}, w).settle(false); len(f.Bad) == 0 {
			t.Errorf("%s: nothing found", name)
		}
	}
	bank := no
	bank.Status = 504
	if f := checkDark([]op{bank, back}, w); len(f.Bad) != 1 {
		t.Error("a 504 without the bank being away:", f.Bad)
	}
	w[0].bank = true
	if f := checkDark([]op{bank, back}, w); !f.ok() {
		t.Error("a 504 with the bank away:", f.Bad)
	}
	gone := no
	gone.Consent, gone.Status = "c", 401
	stop := op{Kind: opRevoke, Consent: "c", Start: 1900 * ms, End: 1950 * ms, Status: 204}
	if f := checkDark([]op{no, gone, back}, w); len(f.Bad) != 1 {
		t.Error("a 401 without a stop:", f.Bad)
	}
	if f := checkDark([]op{no, gone, stop, back}, w); !f.ok() {
		t.Error("a 401 after a stop:", f.Bad)
	}
	other := no
	other.Instance, other.Status = "b", 200
	if f := checkDark([]op{no, back, other}, w); !f.ok() {
		t.Error("the other instance:", f.Bad)
	}
}

func TestCheckCacheDown(t *testing.T) {
	t.Parallel()
	w := []span{{"redis", 1000 * ms, 9000 * ms}}
	read := func(start time.Duration, status int) op {
		return op{Kind: opRead, Start: start, End: start + 5*ms, Status: status}
	}
	if f := checkCacheDown([]op{read(2000*ms, 200), read(1500*ms, 503)}, w, nil); !f.ok() {
		t.Error(f.Bad)
	}
	if f := checkCacheDown([]op{read(2000*ms, 200), read(4000*ms, 503)}, w, nil).settle(false); len(f.Bad) != 1 {
		t.Error("a read lost late:", f.Bad)
	}
	slow := read(2000*ms, 200)
	slow.End += 130 * ms
	if f := checkCacheDown([]op{slow, read(50*ms, 200)}, w, []span{{"calm", 0, 900 * ms}}).settle(false); len(f.Bad) != 1 {
		t.Error("slow reads:", f.Bad)
	}
	if f := checkCacheDown([]op{read(1500*ms, 503), read(1500*ms, 0)}, w, nil).settle(false); len(f.Bad) != 1 {
		t.Error("two reads lost early:", f.Bad)
	}
}

func TestCheckHealth(t *testing.T) {
	t.Parallel()
	o := op{Kind: opHealth, Instance: "a", Operation: "/livez", Start: 10, End: 11, Status: 503}
	if f := checkHealth([]op{o}, nil); len(f.Bad) != 1 {
		t.Error("not healthy:", f.Bad)
	}
	if f := checkHealth([]op{o}, map[string][]span{"a": {{"kill", 5, 20}}}); len(f.Bad) != 0 {
		t.Error("killed:", f.Bad)
	}
}

func TestCheckNotify(t *testing.T) {
	t.Parallel()
	stops := []toldStop{{"c", time.Second, true}}
	good := told{ID: "1", Consent: "c", Recipient: "r", At: 2 * time.Second, Taken: true}
	if f := checkNotify(stops, []told{good, good}); !f.ok() {
		t.Error(f.Bad)
	}
	second, fake, late, refused := good, good, good, good
	second.ID = "2"
	fake.Genuine = errors.New("no signature")
	late.At = 7 * time.Second
	refused.Taken = false
	for name, got := range map[string][]told{
		"not told": nil, "two ids": {good, second}, "false": {good, fake}, "late": {late}, "refused": {refused},
	} {
		if f := checkNotify(stops, got).settle(false); len(f.Bad) == 0 {
			t.Errorf("%s: nothing found", name)
		}
	}
}

func TestCheckOnce(t *testing.T) {
	t.Parallel()
	use := func(yes bool, status int) op {
		return op{Kind: opOnce, Operation: "code", Token: "t", Start: 10, End: 20, Yes: yes, Status: status}
	}
	fault := []span{{"kill", 5, 30}}
	for name, c := range map[string]struct {
		ops  []op
		near []span
		want int
		late int
	}{
		"one of three":          {[]op{use(true, 200), use(false, 400), use(false, 400)}, nil, 0, 0},
		"two":                   {[]op{use(true, 200), use(true, 200)}, nil, 1, 0},
		"two in a fault":        {[]op{use(true, 200), use(true, 200)}, fault, 1, 0},
		"none":                  {[]op{use(false, 400), use(false, 400)}, nil, 1, 0},
		"none in a fault":       {[]op{use(false, 503), use(false, 400)}, fault, 0, 0},
		"none, and one put off": {[]op{use(false, 503), use(false, 400)}, nil, 0, 1},
		"a loser is put off":    {[]op{use(true, 200), use(false, 503)}, nil, 0, 1},
		"a loser is told a 500": {[]op{use(true, 200), use(false, 500)}, nil, 1, 0},
		"one 500, one 503":      {[]op{use(true, 200), use(false, 500), use(false, 503)}, nil, 1, 0},
	} {
		if f := checkOnce(c.ops, c.near); len(f.Bad) != c.want || len(f.Late) != c.late {
			t.Errorf("%s: %s; %s", name, strings.Join(f.Bad, "; "), strings.Join(f.Late, "; "))
		}
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	got := spans([]mark{{1, "x", began}, {2, "y", began}, {2, "y", healed}, {3, "x", ending}, {4, "x", began}}, began, ending)
	want := []span{{"x", 1, 3}, {"y", 2, forever}, {"x", 4, forever}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestCheckKeys(t *testing.T) {
	t.Parallel()
	w := []span{{"rotation", 10, 100}}
	for name, c := range map[string]struct {
		ops  []op
		want int
	}{
		"served":            {[]op{{Kind: opRead, Consent: "c", Start: 20, End: 30, Status: 200}}, 0},
		"refused":           {[]op{{Kind: opRead, Consent: "c", Start: 20, End: 30, Status: 401}}, 1},
		"not answered":      {[]op{{Kind: opHealth, Start: 20, End: 30}}, 1},
		"another time":      {[]op{{Kind: opRead, Consent: "c", Start: 200, End: 300, Status: 401}}, 0},
		"stopped":           {[]op{{Kind: opRevoke, Consent: "c", Start: 12, End: 15, Status: 204}, {Kind: opRead, Consent: "c", Start: 20, End: 30, Status: 401}}, 0},
		"stopped meanwhile": {[]op{{Kind: opRevoke, Consent: "c", Start: 25, End: 35, Status: 204}, {Kind: opRead, Consent: "c", Start: 20, End: 30, Status: 401}}, 0},
	} {
		if f := checkKeys(c.ops, w); len(f.Bad) != c.want {
			t.Errorf("%s: %v", name, f.Bad)
		}
	}
}

func TestCheckOverload(t *testing.T) {
	t.Parallel()
	w := []span{{"overload", 0, time.Minute}}
	read := op{Kind: opRead, Start: 10 * ms, End: 20 * ms, Status: 503, Retry: true, Shaped: true}
	for name, c := range map[string]struct {
		change func(*op)
		want   int
	}{
		"refused in order": {func(*op) {}, 0},
		"429":              {func(o *op) { o.Status = 429 }, 0},
		"served":           {func(o *op) { o.Status, o.Retry = 200, false }, 0},
		"no Retry-After":   {func(o *op) { o.Retry = false }, 1},
		"500":              {func(o *op) { o.Status = 500 }, 1},
		"no answer":        {func(o *op) { o.Status = 0 }, 1},
		"late":             {func(o *op) { o.End = o.Start + 5*time.Second }, 1},
		"a stop refused":   {func(o *op) { o.Kind, o.How = opRevoke, byGrantManagement }, 1},
		"a stop late":      {func(o *op) { *o = op{Kind: opRevoke, Start: 1, End: 4 * time.Second, Status: 204} }, 1},
	} {
		o := read
		c.change(&o)
		if f := checkOverload([]op{o}, w).settle(false); len(f.Bad) != c.want {
			t.Errorf("%s: %v", name, f.Bad)
		}
	}
}

// Each step of V4 is shown as it should be, and then what breaks it.
func TestCheckRushes(t *testing.T) {
	t.Parallel()
	many := func(n int, o op) (list []op) {
		for i := range n {
			o.Instance = gateways[i%2]
			list = append(list, o)
		}
		return list
	}
	good := op{Kind: opRead, Start: 10 * ms, End: 20 * ms, Status: 200, Yes: true, Told: true}
	full := op{Kind: opRead, Start: 10 * ms, End: 20 * ms, Status: 503, Retry: true, Shaped: true, Why: noPlace}
	beyond := op{Kind: opRead, Start: 10 * ms, End: 20 * ms, Status: 429, Retry: true, Shaped: true, Told: true}
	away := full
	away.Why = "try again later"
	stop := op{Kind: opRevoke, Start: 10 * ms, End: 20 * ms, Status: 204}
	well := func(name string) rush {
		r := rush{name: name, took: time.Second, stops: many(2, stop)}
		switch name {
		case thrice:
			r.fits, r.reads, r.capacity, r.goodput = many(100, good), append(many(90, good), many(50, full)...), 100, 80
		case placesHeld:
			r.reads = append(many(2*places, away), many(4*places, full)...)
		case greedy:
			r.reads, r.beside, r.stops = append(many(20, good), many(500, beyond)...), many(30, good), nil
			r.alone = many(30, good)
		case handshakes:
			r.beside, r.dialled = many(9, good), 100
		}
		return r
	}
	var all []rush
	for _, name := range overloads {
		all = append(all, well(name))
	}
	if f := checkRushes(all, nil, map[string]int64{gatewayA: 100 << 20}); !f.ok() || f.ID != "V4" {
		t.Fatalf("all is well: %+v", f)
	}
	if f := checkRushes(all, nil, map[string]int64{gatewayB: 300 << 20}); len(f.Bad) != 1 {
		t.Errorf("300 MiB: got %v", f.Bad)
	}
	slowed := func(ops []op, by time.Duration) {
		for i := range ops {
			ops[i].End += by
		}
	}
	asBefore := well(greedy)
	slowed(asBefore.beside, 32*ms)
	if f := checkRushes([]rush{asBefore}, nil, nil); !f.ok() {
		t.Errorf("others as slow as may be: %+v", f)
	}
	for name, c := range map[string]struct {
		step   string
		change func(r *rush)
		void   bool // it proves nothing, instead of being bad
	}{
		"less is served than can be":     {thrice, func(r *rush) { r.goodput = 79 }, false},
		"refused without Retry-After":    {thrice, func(r *rush) { r.reads[130].Retry = false }, false},
		"refused without a body":         {thrice, func(r *rush) { r.reads[130].Shaped = false }, false},
		"no answer":                      {thrice, func(r *rush) { r.reads[0].Status = 0 }, false},
		"an answer is late":              {thrice, func(r *rush) { r.reads[0].End = 5 * time.Second }, false},
		"a stop is refused":              {thrice, func(r *rush) { r.stops[0] = full }, false},
		"a stop is late":                 {thrice, func(r *rush) { r.stops[0].End = 4 * time.Second }, false},
		"nothing was stopped":            {thrice, func(r *rush) { r.stops = nil }, true},
		"nothing was served before":      {thrice, func(r *rush) { r.capacity = 0 }, true},
		"all are taken on":               {placesHeld, func(r *rush) { r.reads = many(6*places, away) }, false},
		"a stop finds no place":          {placesHeld, func(r *rush) { r.stops[1].Status = 503 }, false},
		"all is given":                   {greedy, func(r *rush) { r.reads = many(600, good) }, false},
		"it is not told where it stands": {greedy, func(r *rush) { r.reads[30].Told = false }, false},
		"it is put off":                  {greedy, func(r *rush) { r.reads[30] = full }, false},
		"it is given nothing":            {greedy, func(r *rush) { r.reads = many(600, beyond) }, true},
		"another one is refused too":     {greedy, func(r *rush) { r.beside[0] = beyond }, false},
		"nobody else asks":               {greedy, func(r *rush) { r.beside = nil }, true},
		"the others are slower":          {greedy, func(r *rush) { slowed(r.beside, 33*ms) }, false},
		"a read is lost":                 {handshakes, func(r *rush) { r.beside[0].Status = 0 }, false},
		"a read is refused":              {handshakes, func(r *rush) { r.beside[0] = full }, false},
		"a read is slow":                 {handshakes, func(r *rush) { r.beside[0].End = 5 * time.Second }, false},
		"a stop fails under it":          {handshakes, func(r *rush) { r.stops[0].Status = 500 }, false},
		"there was no handshake":         {handshakes, func(r *rush) { r.dialled = 0 }, true},
	} {
		r := well(c.step)
		c.change(&r)
		f := checkRushes([]rush{r}, nil, nil).settle(false)
		if c.void != (len(f.Bad) == 0) || f.ok() {
			t.Errorf("%s: %v, void: %v", name, f.Bad, f.Void)
		}
	}
	if checkRushes(nil, nil, nil).ok() {
		t.Error("nothing was tried, and that passes")
	}
}

func TestTogether(t *testing.T) {
	t.Parallel()
	one := finding{ID: "V4", Trials: 2, Notes: []string{"a"}}
	two := finding{ID: "V4", Trials: 3, Bad: []string{"b"}, Late: []string{"c"}, Void: []string{"d"}}
	all := together([]finding{one, {ID: "R1", Trials: 1}, two})
	if len(all) != 2 || all[0].Trials != 5 || len(all[0].Notes) != 1 || len(all[0].Bad) != 1 || len(all[0].Late) != 1 || len(all[0].Void) != 1 || all[1].ID != "R1" {
		t.Errorf("got %+v", all)
	}
}

func TestLeaks(t *testing.T) {
	t.Parallel()
	list := newNeedles([]secret{{"a token", "se+cret?1"}})
	for _, text := range []string{"x se+cret?1 y", "x 73652b637265743f31 y", "x se%2Bcret%3F1 y", "x c2UrY3JldD8x y"} {
		if len(list.find("log", []byte(text))) != 1 {
			t.Errorf("%q: not found", text)
		}
	}
	if len(list.find("log", []byte("se+cret?2"))) != 0 {
		t.Error("found what is not there")
	}
	token, jwt := "hgat_k1"+strings.Repeat("Ab3", 20), "eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiIxIn0.c2lnbmF0dXJlLXRoYXQtaXMtc2VjcmV0"
	list = newNeedles([]secret{{"a token", token}, {"a proof", jwt}})
	for name, text := range map[string]string{
		"a cut token":             token[:40],
		"the beginning, as bytea": hex.EncodeToString([]byte(token[:32])),
		"a whole one in base64":   base64.StdEncoding.EncodeToString([]byte(token)),
		"the end of a proof":      jwt[len(jwt)-50:],
		"a whole one in hex":      hex.EncodeToString([]byte(jwt)),
	} {
		if len(list.find("log", []byte(text))) != 1 {
			t.Errorf("%s: not found", name)
		}
	}
	if got := list.find("log", []byte("hgat_k1 eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiIyIn0")); len(got) != 0 {
		t.Errorf("found what is not there: %v", got)
	}
}

// What nobody here knows is found by how it looks.
func TestSecretForm(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"token hgat_k1AAAAAAAAAAAAAAAAAAAAAAAA refused":       true,
		"request_uri:hg_k1AAAAAAAAAAAAAAAAAAAAAAAA":           true,
		"DPoP eyJhbGciOiJFUzI1NiJ9.eyJqdGkiOiIxIn0.x":         true,
		"-----BEGIN PRIVATE KEY-----":                         true,
		"a token begins with hgat_, a header with eyJhbGciOi": false,
	} {
		if secretForm.MatchString(text) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
}

func TestRegressions(t *testing.T) {
	t.Parallel()
	known := []fault{{name: "a"}, {name: "b"}}
	if _, err := regressions(seeds, known); err != nil && !strings.Contains(err.Error(), "there is no fault") {
		t.Error(err)
	}
	if plan, err := regressions("# x\n\none: b; a ; b\n", known); err != nil || len(plan) != 3 || plan[0].name != "b" {
		t.Errorf("got %v (%v)", plan, err)
	}
	for _, bad := range []string{"b", "x: c"} {
		if _, err := regressions(bad, known); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestFair(t *testing.T) {
	t.Parallel()
	stall := []span{{"", 5 * time.Second, 6 * time.Second}}
	slow := op{Kind: opRead, Start: 5500 * ms, End: 7 * time.Second, Status: 503}
	given := op{Kind: opRead, Start: 5500 * ms, End: 5600 * ms, Status: 200, Yes: true}
	other := op{Kind: opRead, Start: 9 * time.Second, End: 12 * time.Second, Status: 503}
	got := fair([]op{slow, given, other}, stall)
	if len(got) != 2 || !got[0].Yes || got[1].Start != other.Start {
		t.Errorf("got %v", got)
	}
}

func TestSettle(t *testing.T) {
	t.Parallel()
	var f finding
	f.Trials = 1
	f.late("an answer took 4 s")
	if f.ok() {
		t.Error("what is late passes before it is decided about")
	}
	if g := f.settle(false); len(g.Bad) != 1 || g.verdict() != "BROKEN" {
		t.Error("on a machine with time:", g)
	}
	if g := f.settle(true); len(g.Bad) != 0 || len(g.Void) != 1 || g.ok() {
		t.Error("on a machine without:", g)
	}
	f.bad("data was given")
	if g := f.settle(true); len(g.Bad) != 1 || g.verdict() != "BROKEN" {
		t.Error("data is judged whatever the machine did:", g)
	}
	if list := settled([]finding{f, {Trials: 1}}); len(list[0].Bad) != 2 || list[0].Late != nil || !list[1].ok() {
		t.Error("what nobody has judged:", list)
	}
}

func TestRegression(t *testing.T) {
	t.Parallel()
	plan := []fault{{name: "a killed"}, {name: "b frozen"}, {name: "c emptied"}, {name: "d slow"}}
	var f, g finding
	f.bad("c emptied: a read on gateway-a was answered 503")
	g.bad("read of consent x on gateway-b was answered 0")
	if line := regression(7, plan, []finding{f, g}); line != "seed-7: b frozen; c emptied" {
		t.Error(line)
	}
	if line := regression(7, plan, []finding{g}); line != "" {
		t.Error(line)
	}
	file := filepath.Join(t.TempDir(), "seeds.txt")
	if err := os.WriteFile(file, []byte("# orders\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := keepRegression(file, "seed-7: b frozen; c emptied"); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != "# orders\nseed-7: b frozen; c emptied\n" {
		t.Errorf("%q", text)
	}
	if list, err := regressions(string(text), plan); err != nil || len(list) != 2 {
		t.Error(list, err)
	}
	for _, line := range []string{"", "seed-8: a killed"} { // a file that is not there yet
		if err := keepRegression(filepath.Join(t.TempDir(), "new"), line); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestCheckLeak(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	scopes := map[string]scope{"c": {accounts: map[string]bool{"x": true, "y": true}, clusters: []string{"ACCOUNT_BASIC", "TRANSACTIONS"}, lookback: 10}}
	// The i-th movement of ours is 1 + i%28 days old.
	good := shown{
		consent: "c", operation: "searchForAccountTransactions", asked: "x", accounts: []string{"x"}, from: "2026-03-28", to: "2026-03-31",
		days: []string{"2026-03-30", "2026-03-29", "2026-03-28"}, total: 3, whole: true,
	}
	list := shown{consent: "c", operation: "searchForAccounts", accounts: []string{"x", "y"}}
	if f := checkLeak([]shown{good, list}, scopes, now); !f.ok() || f.Trials != 2 {
		t.Fatal("what is right:", f)
	}
	for name, change := range map[string]func(a, l *shown){
		"another account":                func(a, _ *shown) { a.accounts = []string{"z"} },
		"another account in a list":      func(_, l *shown) { l.accounts = []string{"x", "z"} },
		"an account too few":             func(_, l *shown) { l.accounts = l.accounts[:1] },
		"a field that must not leave":    func(a, _ *shown) { a.misfits = []string{"DepositTransaction.imageIds must not leave"} },
		"a day before the look-back":     func(a, _ *shown) { a.days[0] = "2026-03-20" },
		"a day that was not asked for":   func(a, _ *shown) { a.days[0] = "2026-03-27" },
		"a movement too few":             func(a, _ *shown) { a.total = 2 },
		"a movement too many":            func(a, _ *shown) { a.total = 4 },
		"data of a cluster not granted":  func(a, _ *shown) { a.consent = "basic" },
		"a list without its cluster":     func(_, l *shown) { l.consent = "movements" },
		"a consent that nobody has made": func(a, _ *shown) { a.consent = "?" },
	} {
		a, l := good, list
		a.days = slices.Clone(good.days)
		change(&a, &l)
		scopes["basic"] = scope{accounts: map[string]bool{"x": true}, clusters: []string{"ACCOUNT_BASIC"}, lookback: 10}
		scopes["movements"] = scope{accounts: map[string]bool{"x": true, "y": true}, clusters: []string{"TRANSACTIONS"}, lookback: 10}
		if f := checkLeak([]shown{a, l}, scopes, now); len(f.Bad) == 0 {
			t.Errorf("%s: nothing found", name)
		}
	}
	if f := checkLeak(nil, scopes, now); f.ok() {
		t.Error("a run without an answer passes")
	}
}

func TestCheckTenant(t *testing.T) {
	t.Parallel()
	sample := func(foreignTook, unknownTook time.Duration) []answer {
		var list []answer
		for i := range 200 {
			jitter := time.Duration(i%17) * 50 * time.Microsecond
			list = append(list, answer{"GET", foreign, 404, "code=701", foreignTook + jitter, 0}, answer{"GET", unknown, 404, "code=701", unknownTook + jitter, 0})
		}
		return list
	}
	if f := checkTenant(sample(5*ms, 5*ms)); !f.ok() {
		t.Error("the same:", f)
	}
	if f := checkTenant(sample(5300*time.Microsecond, 5*ms)); !f.ok() {
		t.Error("0.3 ms apart:", f.Late)
	}
	if f := checkTenant(sample(6*ms, 5*ms)); len(f.Late) != 1 {
		t.Error("1 ms apart:", f)
	}
	if f := checkTenant(sample(5*ms, 6*ms)); len(f.Late) != 1 {
		t.Error("1 ms apart, the other way:", f)
	}
	half := append(sample(6*ms, 5*ms)[:200], sample(5*ms, 6*ms)[200:]...)
	if f := checkTenant(half); len(f.Late) != 0 {
		t.Error("a machine that changed its mind:", f.Late)
	}
	for name, change := range map[string]func(*answer){
		"another status": func(a *answer) { a.status = 403 },
		"another body":   func(a *answer) { a.body = "code=702" },
		"success":        func(a *answer) { a.status = 204 },
	} {
		list := sample(5*ms, 5*ms)
		change(&list[10])
		if f := checkTenant(list); len(f.Bad) != 1 {
			t.Errorf("%s: %v", name, f.Bad)
		}
	}
	if f := checkTenant([]answer{{"GET", foreign, 200, "", ms, 0}}); len(f.Bad) != 1 {
		t.Error("success, and nothing asked afterwards:", f)
	}
	if f := checkTenant(nil); f.ok() {
		t.Error("a run without an answer passes")
	}
}

func TestCheckExpire(t *testing.T) {
	t.Parallel()
	use := func(start, end time.Duration, yes bool) probe {
		o := op{Kind: opRead, Instance: gatewayA, Start: start, End: end, Status: 401, Yes: yes}
		if yes {
			o.Status = 200
		}
		return probe{op: o, what: endsToken, ends: 100 * ms}
	}
	good := []probe{use(90*ms, 95*ms, true), use(100*ms, 105*ms, false), use(98*ms, 103*ms, true), use(98*ms, 103*ms, false)}
	if f := checkExpire(good); !f.ok() || f.Trials != 2 {
		t.Error("what is right:", f)
	}
	for name, p := range map[string]probe{
		"given at the end":       use(100*ms, 101*ms, true),
		"given after it":         use(110*ms, 111*ms, true),
		"refused before the end": use(90*ms, 99*ms, false),
	} {
		if f := checkExpire(append(slices.Clone(good), p)); len(f.Bad) != 1 {
			t.Errorf("%s: %v", name, f.Bad)
		}
	}
	if f := checkExpire(good[:1]); f.ok() {
		t.Error("a run with nothing after an end passes")
	}
}

func TestCheckClocks(t *testing.T) {
	t.Parallel()
	use := func(what string, start time.Duration, yes bool) probe {
		o := op{Kind: opRead, Instance: gatewayB, Start: start, End: start + ms, Status: 401, Yes: yes}
		if yes {
			o.Status = 200
		}
		return probe{op: o, what: what, ends: 100 * ms}
	}
	good := []probe{use(endsConsent, 50*ms, true), use(endsConsent, 110*ms, false), use(endsToken, 110*ms, false)}
	if f := checkClocks(good); !f.ok() || f.ID != "C1" {
		t.Error("what is right:", f)
	}
	if f := checkClocks(append(good, use(endsConsent, 101*ms, true))); len(f.Bad) != 1 {
		t.Error("a consent that is over:", f)
	}
	if f := checkClocks(append(good, use(endsToken, 101*ms, true))); len(f.Bad) != 1 {
		t.Error("a token that is over:", f)
	}
	early := use(endsToken, 50*ms, false)
	if f := checkClocks(append(good, early)); len(f.Bad) != 1 {
		t.Error("a token that is not:", f)
	}
	if early.dpop = true; !checkClocks(append(good, early)).ok() {
		t.Error("a proof whose age is in doubt is held against the token")
	}
	if f := checkClocks(good[1:]); f.ok() {
		t.Error("nothing given before an end passes")
	}
}

func TestCheckBank(t *testing.T) {
	t.Parallel()
	at := func(instance string, start, took time.Duration, status int) op {
		return op{Kind: opRead, Instance: instance, Start: start, End: start + took, Status: status, Yes: status == 200, Retry: true, Shaped: true}
	}
	trouble := atBank{span{bankFrozen, 1000 * ms, 4000 * ms}, 20, 2, 32}
	good := []op{
		at(gatewayA, 100*ms, 5*ms, 200), at(gatewayA, 2000*ms, 5*ms, 200), at(gatewayB, 2000*ms, 2500*ms, 504), at(gatewayB, 3000*ms, 5*ms, 503),
		{Kind: opRevoke, Instance: gatewayB, Start: 2000 * ms, End: 2100 * ms, Status: 204}, at(gatewayB, 4500*ms, 5*ms, 200),
	}
	calm := span{"", 0, 1000 * ms}
	if f := checkBank(good, []atBank{trouble}, calm).settle(false); !f.ok() {
		t.Fatal("what is right:", f)
	}
	for name, change := range map[string]func(ops []op, a *atBank){
		"the other's reads fail":     func(ops []op, _ *atBank) { ops[1].Status, ops[1].Yes = 503, false },
		"data from a frozen bank":    func(ops []op, _ *atBank) { ops[3].Status = 200 },
		"another's account":          func(ops []op, _ *atBank) { ops[3].Status, ops[3].Accounts = 200, []string{someone} },
		"a refusal too late":         func(ops []op, _ *atBank) { ops[2].End = ops[2].Start + 3600*ms },
		"a refusal without its form": func(ops []op, _ *atBank) { ops[3].Shaped = false },
		"no Retry-After":             func(ops []op, _ *atBank) { ops[3].Retry = false },
		"another refusal":            func(ops []op, _ *atBank) { ops[3].Status = 500 },
		"a stop that fails":          func(ops []op, _ *atBank) { ops[4].Status = 504 },
		"too many wait":              func(_ []op, a *atBank) { a.most = 33 },
		"it is not left alone":       func(_ []op, a *atBank) { a.late = 9 },
		"no recovery":                func(ops []op, _ *atBank) { ops[5].Status = 503 },
		"a late recovery":            func(ops []op, _ *atBank) { ops[5].End = 8100 * ms },
	} {
		ops, a := slices.Clone(good), trouble
		change(ops, &a)
		if f := checkBank(ops, []atBank{a}, calm).settle(false); len(f.Bad) == 0 {
			t.Errorf("%s: nothing found", name)
		}
	}
}

func TestFairKeepsWhatExplains(t *testing.T) {
	t.Parallel()
	stalls := []span{{"", 1000 * ms, 1200 * ms}}
	stop := op{Kind: opRevoke, Consent: "c", Start: 1100 * ms, End: 1150 * ms, Status: 204}
	given := op{Kind: opRead, Consent: "c", Start: 1100 * ms, End: 1150 * ms, Status: 200, Yes: true}
	slow := op{Kind: opRead, Consent: "d", Start: 1100 * ms, End: 1150 * ms, Status: 503}
	later := op{Kind: opRead, Consent: "c", Start: 4000 * ms, End: 4010 * ms, Status: 401}
	ops := fair([]op{stop, given, slow, later}, stalls)
	if len(ops) != 3 || ops[0].Kind != opRevoke || !ops[1].Yes || ops[2].Status != 401 {
		t.Error(ops)
	}
	if f := checkKeys(ops, []span{{"k", 3000 * ms, 5000 * ms}}); len(f.Bad) != 0 {
		t.Error("what was stopped is refused:", f.Bad)
	}
}

func TestUntilEnforced(t *testing.T) {
	t.Parallel()
	ops := []op{
		{Kind: opRevoke, Consent: "c", Start: 10, End: 20, Status: 503}, {Kind: opRevoke, Consent: "c", Start: 30, End: 40, Status: 204},
		{Kind: opRead, Consent: "c", Start: 5, End: 12, Yes: true}, {Kind: opRead, Consent: "c", Start: 25, End: 35, Yes: true},
		{Kind: opRead, Consent: "c", Start: 33, End: 35}, {Kind: opRead, Consent: "d", Start: 33, End: 35, Yes: true},
	}
	if got := untilEnforced(ops, ended2xx(ops)); len(got) != 1 || got[0] != 15 {
		t.Error(got)
	}
}
