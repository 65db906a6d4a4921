package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/consenttest"
	"github.com/headgate/headgate/fdx"
)

var today = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// tier3 is the data that asks for step-up.
var tier3 = fdx.NewClusters(fdx.CustomerPersonal, fdx.PaymentSupport, fdx.SocialSecurityNumber, fdx.Tax, fdx.Transfers)

// rules is what each pack says, as it was decided; a pack that says something
// else is a new version.
var rules = map[string]struct {
	edit      Edit
	review    int
	record    int
	languages string
	alsoIn    string
	pause     int // 0: not allowed
	ssn       bool
}{
	"generic": {EditShrinkAccountsAndClusters, 90, 1825, "en es fr sv zh", "", 30, true},
	"us-fdx":  {EditNone, 90, 1095, "en es fr sv zh", "en", 0, true},
	"ca":      {EditShrinkAccountsAndClusters, 90, 1825, "en fr", "", 30, false},
	"uk":      {EditNone, 90, 1825, "en", "", 0, false},
	"eu":      {EditNone, 180, 1825, "en es fr sv", "", 30, false},
	"au":      {EditShrinkAccounts, 90, 2190, "en zh", "", 0, false},
}

func TestEveryPackKeepsEveryRule(t *testing.T) {
	t.Parallel()
	books, err := Books()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(books)), slices.Sorted(maps.Keys(rules)); !slices.Equal(got, want) {
		t.Fatalf("packs %v, want %v", got, want)
	}
	for name, b := range books {
		want, p := rules[name], b.At(today)
		for rule, kept := range map[string]bool{
			"name":            p.Name == name && p.Version == 1 && p.Effective.String() == "2026-01-01",
			"term":            p.MaxTermDays == 365 && time.Duration(p.MaxTermDays)*24*time.Hour <= consent.MaxTerm,
			"one time":        p.OneTimeMinutes == 60,
			"edit":            p.BankEdit == want.edit,
			"reminders":       slices.Equal(p.Reminders.BeforeEndDays, []int{30, 7, 1}) && p.Reminders.UnusedDays == 60 && p.Reminders.ReviewDays == want.review,
			"step-up":         p.StepUp.Clusters == tier3 && p.StepUp.MaxAgeMinutes == 15,
			"records":         p.RecordDays == want.record,
			"languages":       strings.Join(p.Disclosure.Languages, " ") == want.languages && p.Disclosure.AlsoIn == want.alsoIn,
			"laws":            len(p.Laws) > 0,
			"pause":           p.Pause == Pause{Allowed: want.pause > 0, MaxDays: want.pause},
			"a data sale":     p.Purpose("data_sale").Denied,
			"an advertiser":   slices.Contains(p.Purpose("advertising").PartyRoles, "advertiser"),
			"social security": p.Purpose("identity").Clusters.Has(fdx.SocialSecurityNumber) == want.ssn && p.Purpose("tax").Clusters.Has(fdx.SocialSecurityNumber) == want.ssn,
		} {
			if !kept {
				t.Errorf("%s: %s is not what was decided", name, rule)
			}
		}
		for _, code := range Codes() {
			u := p.Purpose(code)
			own := slices.Contains([]string{"personalisation", "research", "cross_sell", "advertising", "data_sale"}, code)
			if u.Code != code || u.OwnGrant != own || u.Denied != (code == "data_sale") || b.Alone(code, today) != own {
				t.Errorf("%s: purpose %+v", name, u)
			}
			for role, only := range map[string]string{"advertiser": "advertising", "broker": "data_sale"} {
				if slices.Contains(u.PartyRoles, role) != (code == only) {
					t.Errorf("%s: the role %s and the purpose %s", name, role, code)
				}
			}
			// What a purpose names may be asked for, nothing else (S9).
			for _, c := range fdx.AllClusters() {
				q := consent.Request{Purpose: consent.Purpose{Code: code}, Duration: consent.Persistent, Account: fdx.NewClusters(c)}
				if c == fdx.CustomerPersonal {
					q.Account, q.Customer = 0, q.Account
				}
				got, err := b.Apply(q, today)
				if allowed := u.Clusters.Has(c) && !u.Denied; (err == nil) != allowed || allowed && got.MaxTermDays != u.MaxTermDays {
					t.Errorf("%s: %s for %s: %+v, %v", name, c, code, got, err)
				}
			}
		}
		// Sensitive data has a purpose that says so (S42).
		if open := p.Purpose("whatever an app calls it"); open.Code != Other || !open.Clusters.Intersect(tier3).Empty() {
			t.Errorf("%s: an unknown purpose counts as %+v", name, open)
		}
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	b, err := Load("generic")
	if err != nil {
		t.Fatal(err)
	}
	q := consent.Request{Purpose: consent.Purpose{Code: "advertising"}, Duration: consent.TimeBound, DurationDays: 365, LookbackDays: 7, Account: fdx.NewClusters(fdx.Transactions)}
	got, err := b.Apply(q, today)
	if err != nil || got.DurationDays != 180 || got.LookbackDays != 7 || !got.ExpiresAt(today).Equal(today.AddDate(0, 0, 180)) {
		t.Errorf("%+v (%v)", got, err)
	}
	q.DurationDays = 30
	if got, err := b.Apply(q, today); err != nil || got.DurationDays != 30 || !got.ExpiresAt(today).Equal(today.AddDate(0, 0, 30)) {
		t.Errorf("%+v (%v)", got, err)
	}
	q.Duration, q.DurationDays = consent.Persistent, 0
	if got, err := b.Apply(q, today); err != nil || got.DurationDays != 0 || !got.ExpiresAt(today).Equal(today.AddDate(0, 0, 180)) {
		t.Errorf("%+v (%v)", got, err)
	}
	q.Account = q.Account.With(fdx.Tax)
	var refusal *consent.Refusal
	if _, err := b.Apply(q, today); !errors.As(err, &refusal) || !errors.Is(err, consent.ErrDetails) {
		t.Errorf("tax data for advertising: %v", err)
	}
	if _, err := Load("us"); err == nil || !strings.Contains(err.Error(), "us-fdx") {
		t.Errorf("an unknown pack: %v", err)
	}
}

func TestABankMayAllowLessTimeForOneLook(t *testing.T) {
	t.Parallel()
	books, err := Books()
	if err != nil {
		t.Fatal(err)
	}
	q := consent.Request{Purpose: consent.Purpose{Code: "advertising"}, Duration: consent.OneTime, Account: fdx.NewClusters(fdx.Transactions)}
	b := books["generic"]
	for _, minutes := range []int{-1, 0, 61} {
		if _, err := b.WithOneTime(minutes); err == nil {
			t.Errorf("%d minutes are allowed", minutes)
		}
	}
	for _, minutes := range []int{1, 60} {
		short, err := b.WithOneTime(minutes)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := short.Apply(q, today); err != nil || !got.ExpiresAt(today).Equal(today.Add(time.Duration(minutes)*time.Minute)) {
			t.Errorf("%d minutes: it ends %v (%v)", minutes, got.ExpiresAt(today), err)
		}
	}
	if got, err := b.Apply(q, today); err != nil || got.OneTimeMinutes != 0 || !got.ExpiresAt(today).Equal(today.Add(time.Hour)) {
		t.Errorf("the book itself has changed: %+v (%v)", got, err)
	}
}

// shipped returns the generic pack as a file, bent.
func shipped(t *testing.T, old, replacement string) []byte {
	t.Helper()
	data, err := packs.ReadFile("packs/generic.1.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte(old)) {
		t.Fatalf("the pack does not hold %s", old)
	}
	return bytes.Replace(data, []byte(old), []byte(replacement), 1)
}

func TestFaultyPacks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, replacement, fault string }{
		"an unknown key":            {`"about"`, `"abuot": 1, "about"`, ".abuot is unknown"},
		"an unknown key inside":     {`"unusedDays"`, `"x": 1, "unusedDays"`, ".reminders.x is unknown"},
		"an unknown key in a list":  {`"ownGrant"`, `"x": 1, "ownGrant"`, ".purposes[0].x is unknown"},
		"a missing key":             {`"maxTermDays": 365,` + "\n" + `  "one`, `"one`, ".maxTermDays is missing"},
		"a missing key in a list":   {`"denied": false,`, ``, ".purposes[0].denied is missing"},
		"a null":                    {`"bankEdit": "shrinkAccountsAndClusters"`, `"bankEdit": null`, ".bankEdit is missing"},
		"a key in capitals":         {`"about"`, `"About"`, ".About is unknown"},
		"a key twice":               {`"version": 1`, `"version": 1, "version": 2`, "strict JSON"},
		"a word for a number":       {`"version": 1`, `"version": "1"`, "version"},
		"no day":                    {`2026-01-01`, `2026-13-01`, "date"},
		"a term over a year":        {`"maxTermDays": 365`, `"maxTermDays": 366`, "maxTermDays"},
		"a term of nothing":         {`"maxTermDays": 365`, `"maxTermDays": 0`, "maxTermDays"},
		"one time for a day":        {`"oneTimeMinutes": 60`, `"oneTimeMinutes": 1440`, "oneTimeMinutes"},
		"edit rights to grow":       {`"shrinkAccountsAndClusters"`, `"growAccounts"`, "bankEdit"},
		"reminders that rise":       {`30,`, `3,`, "beforeEndDays"},
		"no reminder":               {`"unusedDays": 60`, `"unusedDays": 0`, "reminders"},
		"step-up for ever":          {`"maxAgeMinutes": 15`, `"maxAgeMinutes": 0`, "maxAgeMinutes"},
		"no records":                {`"recordDays": 1825`, `"recordDays": 0`, "recordDays"},
		"a language without pages":  {`"sv"`, `"de"`, "languages"},
		"a language twice":          {`"sv"`, `"en"`, "languages"},
		"a link to no language":     {`"alsoIn": ""`, `"alsoIn": "de"`, "alsoIn"},
		"a pause for ever":          {`"maxDays": 30`, `"maxDays": 400`, "pause"},
		"a pause that is off":       {`"allowed": true`, `"allowed": false`, "pause"},
		"a cluster that is unknown": {`"IMAGES"`, `"IMAGE"`, "cluster"},
		"a purpose that is unknown": {`"code": "service"`, `"code": "servce"`, "taxonomy"},
		"a purpose twice":           {`"code": "service"`, `"code": "fraud"`, "taxonomy"},
		"a broker elsewhere":        {`"processor"`, `"broker"`, "broker"},
		"an advertiser elsewhere":   {`"processor"`, `"advertiser"`, "advertiser"},
		"a role that is unknown":    {`"processor"`, `"friend"`, "partyRoles"},
	} {
		p, err := Parse(shipped(t, c.old, c.replacement))
		if err == nil || !strings.Contains(err.Error(), c.fault) || p.Name != "" {
			t.Errorf("%s: %v, want %s", name, err, c.fault)
		}
	}
	data := bytes.Replace(shipped(t, `"about"`, `"abuot": 1, "about"`), []byte(`"recordDays": 1825`), []byte(`"recordDays": 0`), 1)
	if _, err := Parse(data); err == nil || !strings.Contains(err.Error(), "abuot") || !strings.Contains(err.Error(), "recordDays") {
		t.Errorf("two faults: %v", err)
	}
	for _, in := range []string{"", "[]", "null", "{}", strings.Repeat(" ", maxPack+1)} {
		if _, err := Parse([]byte(in)); err == nil {
			t.Errorf("%.10q was read", in)
		}
	}
	// What sells or targets needs a grant of its own, and the catch-all
	// reaches nothing sensitive, whatever a file says.
	var p Pack
	if err := json.Unmarshal(shipped(t, `"about"`, `"about"`), &p); err != nil {
		t.Fatal(err)
	}
	for i := range p.Purposes {
		bent := p
		bent.Purposes = slices.Clone(p.Purposes)
		bent.Purposes[i].OwnGrant = false
		bent.Purposes[i].Clusters = bent.Purposes[i].Clusters.With(fdx.Tax)
		guarded := slices.Contains([]string{"cross_sell", "advertising", "data_sale", Other}, p.Purposes[i].Code)
		if (len(bent.faults()) > 0) != guarded {
			t.Errorf("%s: %v", p.Purposes[i].Code, bent.faults())
		}
	}
}

func TestVersionsHoldFromTheirDay(t *testing.T) {
	t.Parallel()
	second := bytes.Replace(shipped(t, `"version": 1`, `"version": 2`), []byte("2026-01-01"), []byte("2027-03-01"), 1)
	dir := fstest.MapFS{"generic.1.json": {Data: shipped(t, "about", "about")}, "generic.2.json": {Data: second}}
	books, err := read(dir)
	if err != nil {
		t.Fatal(err)
	}
	b := books["generic"]
	day := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	for at, want := range map[time.Time]int{time.Time{}: 1, today: 1, day.Add(-1): 1, day: 2, day.In(time.FixedZone("", 3600)): 2, day.AddDate(9, 0, 0): 2} {
		if got := b.At(at).Version; got != want {
			t.Errorf("at %s: version %d, want %d", at, got, want)
		}
	}
	if len(b.Versions()) != 2 {
		t.Error("versions are missing")
	}
	for name, files := range map[string]fstest.MapFS{
		"the same day":  {"generic.1.json": dir["generic.1.json"], "generic.2.json": {Data: shipped(t, `"version": 1`, `"version": 2`)}},
		"a gap":         {"generic.2.json": {Data: second}},
		"another name":  {"other.1.json": dir["generic.1.json"]},
		"one is broken": {"generic.1.json": dir["generic.1.json"], "x.1.json": {Data: []byte("{")}},
	} {
		if _, err := read(files); err == nil {
			t.Errorf("%s: was read", name)
		}
	}
}

func TestEffects(t *testing.T) {
	t.Parallel()
	b, err := Load("generic")
	if err != nil {
		t.Fatal(err)
	}
	p := b.At(today)
	p.Purposes = slices.Clone(p.Purposes)
	for i := range p.Purposes {
		if p.Purposes[i].Code == "budgeting" {
			p.Purposes[i].MaxTermDays = 90
		}
	}
	grant := func(bend func(*consent.Grant)) consent.Grant {
		g := consenttest.NewGrant("ada", today.AddDate(0, 0, -10))
		g.Purpose, g.Duration, g.DurationDays = "budgeting", consent.TimeBound, 90
		g.ExpiresAt = g.CreatedAt.AddDate(0, 0, 90)
		g.Resources = []consent.Resource{{Type: consent.ResourceAccount, ID: "a", Clusters: fdx.NewClusters(fdx.Balances)}}
		bend(&g)
		return g
	}
	for name, c := range map[string]struct {
		bend func(*consent.Grant)
		want []Effect
	}{
		"within everything":   {func(*consent.Grant) {}, nil},
		"a day too long":      {func(g *consent.Grant) { g.DurationDays, g.ExpiresAt = 91, g.ExpiresAt.AddDate(0, 0, 1) }, []Effect{EffectTerm}},
		"renewed for 90 days": {func(g *consent.Grant) { g.CreatedAt = g.CreatedAt.AddDate(-1, 0, 0) }, nil},
		"lasting": {func(g *consent.Grant) {
			g.Duration, g.DurationDays, g.ExpiresAt = consent.Persistent, 0, g.CreatedAt.AddDate(1, 0, 0)
		}, []Effect{EffectTerm}},
		"one time":      {func(g *consent.Grant) { g.Duration, g.DurationDays = consent.OneTime, 0 }, nil},
		"too much data": {func(g *consent.Grant) { g.Resources[0].Clusters = fdx.NewClusters(fdx.Tax) }, []Effect{EffectClusters}},
		"too much of the person": {func(g *consent.Grant) {
			g.Resources = append(g.Resources, consent.Resource{Type: consent.ResourceCustomer, ID: "ada", Clusters: fdx.NewClusters(fdx.CustomerPersonal)})
		}, []Effect{EffectClusters}},
		"a sale":             {func(g *consent.Grant) { g.Purpose = "data_sale" }, []Effect{EffectClusters, EffectPurpose}},
		"unknown purpose":    {func(g *consent.Grant) { g.Purpose = "mine" }, nil},
		"unknown, sensitive": {func(g *consent.Grant) { g.Purpose = "mine"; g.Resources[0].Clusters = fdx.NewClusters(fdx.Tax) }, []Effect{EffectClusters}},
		"over":               {func(g *consent.Grant) { g.Status, g.Purpose = consent.StatusRevoked, "data_sale" }, nil},
		"its time over":      {func(g *consent.Grant) { g.ExpiresAt, g.Purpose = today, "data_sale" }, nil},
	} {
		if got := p.Effects(grant(c.bend), today); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"generic", "us-fdx"} {
		data, err := packs.ReadFile("packs/" + name + ".1.json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"purposes":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if err == nil && (p.MaxTermDays > 365 || p.Purpose("x").Code != Other || !p.Purpose("data_sale").OwnGrant) {
			t.Errorf("%s was read", data)
		}
	})
}
