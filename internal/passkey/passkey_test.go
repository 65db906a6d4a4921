package passkey_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/internal/login/logintest"
	"github.com/headgate/headgate/internal/passkey"
	"github.com/headgate/headgate/internal/passkey/passkeytest"
)

const (
	base    = "https://bank.example:8443"
	session = "session 1"
	purpose = "login"
	ada     = consent.ConsumerID("c-ada")
)

var from = netip.MustParseAddr("192.0.2.7")

// bank is everything behind the ceremonies, in memory.
type bank struct {
	*passkey.Passkeys
	t      *testing.T
	store  *logintest.PasskeyMemory
	counts *logintest.Memory

	mu  sync.Mutex
	now time.Time
}

func newBank(t *testing.T) *bank {
	t.Helper()
	b := &bank{t: t, store: &logintest.PasskeyMemory{}, counts: &logintest.Memory{}, now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)}
	var err error
	b.Passkeys, err = passkey.New(config(b))
	b.must(err)
	return b
}

func config(b *bank) passkey.Config {
	return passkey.Config{
		Base: base, Bank: "Northbank", Store: b.store, Throttle: b.counts, Journal: b.counts, Teller: b.store,
		Secret: []byte(strings.Repeat("s", 32)), Now: func() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return b.now },
	}
}

func (b *bank) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bank) advance(d time.Duration) { b.mu.Lock(); defer b.mu.Unlock(); b.now = b.now.Add(d) }

// device gives a person a passkey.
func (b *bank) device(who consent.ConsumerID) *passkeytest.Device {
	b.t.Helper()
	d := passkeytest.New(base)
	options, err := b.AddOptions(context.Background(), session, who)
	b.must(err)
	answer, err := d.Create(options)
	b.must(err)
	b.must(b.Add(context.Background(), session, who, "phone", answer, from))
	return d
}

// answer asks for a sign-in and has a device answer.
func (b *bank) answer(d *passkeytest.Device) string {
	b.t.Helper()
	options, err := b.SignInOptions(context.Background(), session, purpose)
	b.must(err)
	answer, err := d.Get(options)
	b.must(err)
	return answer
}

func (b *bank) signIn(answer string) (consent.ConsumerID, error) {
	return b.SignIn(context.Background(), session, purpose, answer, from)
}

// refused fails unless the answer is refused like any other.
func (b *bank) refused(what, answer string) {
	b.t.Helper()
	who, err := b.signIn(answer)
	if who != "" || !errors.Is(err, login.ErrPasskey) {
		b.t.Errorf("%s: %q, %v", what, who, err)
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	d := b.device(ada)
	for range 3 {
		if who, err := b.signIn(b.answer(d)); who != ada || err != nil {
			t.Fatalf("got %q, %v", who, err)
		}
	}
	all, err := b.Of(context.Background(), ada)
	if err != nil || len(all) != 1 || all[0].SignCount != 4 || !all[0].UsedAt.Equal(b.now) || all[0].Name != "phone" || !slices.Equal(all[0].Transports, []string{"internal"}) {
		t.Errorf("kept %+v, %v", all, err)
	}
	notes, err := b.counts.SignIns(context.Background(), ada, 9)
	if err != nil || len(notes) != 3 || notes[0].Method != login.Passkey || notes[0].Refused || notes[0].Network != netip.MustParsePrefix("192.0.2.0/24") {
		t.Errorf("noted %+v, %v", notes, err)
	}
	if told := b.store.Told(); !slices.Equal(told, []inbox.Kind{inbox.PasskeyAdded}) {
		t.Errorf("told of %v", told)
	}
}

func TestOptionsTellNothing(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	ask := func() map[string]any {
		t.Helper()
		raw, err := b.SignInOptions(context.Background(), session, purpose)
		b.must(err)
		var o map[string]any
		b.must(json.Unmarshal(raw, &o))
		if o["rpId"] != "bank.example" || o["userVerification"] != "required" || len(o["challenge"].(string)) < 43 {
			t.Fatalf("options %s", raw)
		}
		delete(o, "challenge")
		return o
	}
	before := ask()
	b.device(ada)
	after := ask()
	x, _ := json.Marshal(before)
	y, _ := json.Marshal(after)
	if string(x) != string(y) || strings.Contains(string(x), "allowCredentials") {
		t.Errorf("%s, then %s", x, y)
	}
}

func TestNewPasskeysAreAskedForAsTheyHaveToBe(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	d := b.device(ada)
	raw, err := b.AddOptions(context.Background(), session, ada)
	b.must(err)
	var o struct {
		RP                     struct{ ID, Name string }
		User                   struct{ ID, Name string }
		AuthenticatorSelection struct {
			ResidentKey, UserVerification string
			RequireResidentKey            bool
		}
		ExcludeCredentials []struct{ ID string }
		Attestation        string
	}
	b.must(json.Unmarshal(raw, &o))
	if o.RP.ID != "bank.example" || o.RP.Name != "Northbank" || o.AuthenticatorSelection.ResidentKey != "required" || !o.AuthenticatorSelection.RequireResidentKey ||
		o.AuthenticatorSelection.UserVerification != "required" || len(o.ExcludeCredentials) != 1 || o.Attestation != "none" || strings.Contains(string(raw), string(ada)) {
		t.Errorf("options %s", raw)
	}
	if _, err := d.Create(raw); err == nil {
		t.Error("the device would make a second one")
	}
}

// Whatever is wrong with an answer, it is refused in the same way.
func TestWrongAnswersAreRefused(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(b *bank, d *passkeytest.Device) string{
		"of another origin": func(b *bank, d *passkeytest.Device) string { d.Origin = "https://evil.example"; return b.answer(d) },
		"of a neighbour of the origin": func(b *bank, d *passkeytest.Device) string {
			d.Origin = "https://x.bank.example:8443"
			return b.answer(d)
		},
		"of another port":            func(b *bank, d *passkeytest.Device) string { d.Origin = "https://bank.example"; return b.answer(d) },
		"of the origin without TLS":  func(b *bank, d *passkeytest.Device) string { d.Origin = "http://bank.example:8443"; return b.answer(d) },
		"of the origin with a path":  func(b *bank, d *passkeytest.Device) string { d.Origin += "/x"; return b.answer(d) },
		"of the origin in capitals":  func(b *bank, d *passkeytest.Device) string { d.Origin = strings.ToUpper(base); return b.answer(d) },
		"of a frame on another page": func(b *bank, d *passkeytest.Device) string { d.Client = set("crossOrigin", true); return b.answer(d) },
		"with another page on top": func(b *bank, d *passkeytest.Device) string {
			d.Client = set("topOrigin", "https://evil.example")
			return b.answer(d)
		},
		"of making a passkey": func(b *bank, d *passkeytest.Device) string {
			d.Client = set("type", "webauthn.create")
			return b.answer(d)
		},
		"to another challenge": func(b *bank, d *passkeytest.Device) string {
			d.Client = set("challenge", strings.Repeat("A", 43))
			return b.answer(d)
		},
		"to no challenge":                   func(b *bank, d *passkeytest.Device) string { d.Client = set("challenge", ""); return b.answer(d) },
		"to what is no challenge":           func(b *bank, d *passkeytest.Device) string { d.Client = set("challenge", "%%"); return b.answer(d) },
		"for another relying party":         func(b *bank, d *passkeytest.Device) string { d.Party = "evil.example"; return b.answer(d) },
		"for a part of the relying party":   func(b *bank, d *passkeytest.Device) string { d.Party = "example"; return b.answer(d) },
		"without verifying the user":        func(b *bank, d *passkeytest.Device) string { d.Flags = passkeytest.Present; return b.answer(d) },
		"without the user":                  func(b *bank, d *passkeytest.Device) string { d.Flags = passkeytest.Verified; return b.answer(d) },
		"that can be backed up of a sudden": func(b *bank, d *passkeytest.Device) string { d.Flags |= passkeytest.Eligible; return b.answer(d) },
		"that is backed up and cannot be":   func(b *bank, d *passkeytest.Device) string { d.Flags |= passkeytest.BackedUp; return b.answer(d) },
		"of another person's handle":        func(b *bank, d *passkeytest.Device) string { d.Handle = b.device("c-eve").Handle; return b.answer(d) },
		"without a handle":                  func(b *bank, d *passkeytest.Device) string { d.Handle = nil; return b.answer(d) },
		"of an unknown passkey":             func(b *bank, d *passkeytest.Device) string { d.ID = append([]byte{1}, d.ID[1:]...); return b.answer(d) },
		"of another person's passkey":       func(b *bank, d *passkeytest.Device) string { d.ID = b.device("c-eve").ID; return b.answer(d) },
		"whose signature was changed": func(b *bank, d *passkeytest.Device) string {
			other := *b.device("c-eve")
			other.ID, other.Handle = d.ID, d.Handle
			return b.answer(&other)
		},
		"that was cut off": func(b *bank, d *passkeytest.Device) string { a := b.answer(d); return a[:len(a)-1] },
		"twice in one":     func(b *bank, d *passkeytest.Device) string { a := b.answer(d); return a + a },
		"of nothing":       func(*bank, *passkeytest.Device) string { return "" },
		"that is null":     func(*bank, *passkeytest.Device) string { return "null" },
		"that is too long": func(b *bank, d *passkeytest.Device) string {
			a := b.answer(d)
			return a[:len(a)-1] + `,"x":"` + strings.Repeat("x", passkey.MaxAnswer) + `"}`
		},
		"of a passkey that was removed": func(b *bank, d *passkeytest.Device) string {
			a := b.answer(d)
			all, err := b.Of(context.Background(), ada)
			b.must(err)
			b.must(b.Remove(context.Background(), ada, all[0].ID, from))
			return a
		},
		"after five minutes": func(b *bank, d *passkeytest.Device) string {
			a := b.answer(d)
			b.advance(login.ChallengeLife)
			return a
		},
		"of another session": func(b *bank, d *passkeytest.Device) string {
			options, err := b.SignInOptions(context.Background(), "session 2", purpose)
			b.must(err)
			a, err := d.Get(options)
			b.must(err)
			return a
		},
		"of another journey": func(b *bank, d *passkeytest.Device) string {
			options, err := b.SignInOptions(context.Background(), session, "login 2")
			b.must(err)
			a, err := d.Get(options)
			b.must(err)
			return a
		},
		"to what asked for a second proof": func(b *bank, d *passkeytest.Device) string {
			options, err := b.ProofOptions(context.Background(), session, purpose, ada)
			b.must(err)
			a, err := d.Get(options)
			b.must(err)
			return a
		},
		"to what asked for a new passkey": func(b *bank, d *passkeytest.Device) string {
			options, err := b.AddOptions(context.Background(), session, ada)
			b.must(err)
			var o struct{ Challenge string }
			b.must(json.Unmarshal(options, &o))
			d.Client = set("challenge", o.Challenge)
			return b.answer(d)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank(t)
			d := b.device(ada)
			b.refused("an answer "+name, spoil(b, d))
		})
	}
}

func set(name string, value any) func(map[string]any) {
	return func(m map[string]any) { m[name] = value }
}

func TestAnAnswerCountsOnce(t *testing.T) {
	t.Parallel()
	b, d := newBank(t), passkeytest.New(base)
	d.Step = 0 // counts no uses: only the challenge stands in the way
	options, err := b.AddOptions(context.Background(), session, ada)
	b.must(err)
	made, err := d.Create(options)
	b.must(err)
	b.must(b.Add(context.Background(), session, ada, "phone", made, from))

	answer := b.answer(d)
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			switch who, err := b.signIn(answer); {
			case err == nil && who == ada:
				won.Add(1)
			case !errors.Is(err, login.ErrPasskey) && !errors.Is(err, login.ErrBusy):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("an answer counted %d times", won.Load())
	}
	b.refused("a replayed answer", answer)
	if err := b.Add(context.Background(), session, ada, "again", made, from); !errors.Is(err, login.ErrPasskey) {
		t.Errorf("the same passkey was added twice: %v", err)
	}
	// A wrong answer uses the challenge up as well.
	b.advance(time.Hour)
	wrong := d.Copy()
	wrong.Flags = passkeytest.Present
	options, err = b.SignInOptions(context.Background(), session, purpose)
	b.must(err)
	first, err := wrong.Get(options)
	b.must(err)
	second, err := d.Get(options)
	b.must(err)
	b.refused("a wrong answer", first)
	b.refused("a right one to the same challenge", second)
}

func TestACopyIsRefusedAndItsOwnerTold(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	d := b.device(ada)
	thief := d.Copy()
	if _, err := b.signIn(b.answer(d)); err != nil {
		t.Fatal(err)
	}
	if who, err := b.signIn(b.answer(thief)); who != "" || !errors.Is(err, login.ErrCopied) {
		t.Fatalf("a copy: %q, %v", who, err)
	}
	if told := b.store.Told(); told[len(told)-1] != inbox.PasskeyCopied {
		t.Errorf("told of %v", told)
	}
	notes, _ := b.counts.SignIns(context.Background(), ada, 1)
	if len(notes) != 1 || notes[0].Event != login.PasskeyCopied || !notes[0].Refused {
		t.Errorf("noted %+v", notes)
	}
	if who, err := b.signIn(b.answer(d)); who != ada || err != nil {
		t.Errorf("the owner: %q, %v", who, err)
	}
}

func TestProof(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBank(t)
	if _, err := b.ProofOptions(ctx, session, "share 1", ada); !errors.Is(err, login.ErrPasskey) {
		t.Errorf("a proof by nothing: %v", err)
	}
	d, eve := b.device(ada), b.device("c-eve")
	ask := func(d *passkeytest.Device) string {
		t.Helper()
		options, err := b.ProofOptions(ctx, session, "share 1", ada)
		b.must(err)
		a, err := d.Get(options)
		b.must(err)
		return a
	}
	if err := b.Prove(ctx, session, "share 1", ada, ask(d), from); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"another person's passkey": b.Prove(ctx, session, "share 1", ada, ask(eve), from),
		"for another decision":     b.Prove(ctx, session, "share 2", ada, ask(d), from),
		"by another person":        b.Prove(ctx, session, "share 1", "c-eve", ask(d), from),
		"by nobody":                b.Prove(ctx, session, "share 1", "", ask(d), from),
		"in another session":       b.Prove(ctx, "session 2", "share 1", ada, ask(d), from),
		"an answer to a sign-in":   b.Prove(ctx, session, purpose, ada, b.answer(d), from),
	} {
		if !errors.Is(err, login.ErrPasskey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d.Flags = passkeytest.Present
	if err := b.Prove(ctx, session, "share 1", ada, ask(d), from); !errors.Is(err, login.ErrPasskey) {
		t.Errorf("without verifying the user: %v", err)
	}
}

func TestAdding(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, spoil := range map[string]func(d *passkeytest.Device){
		"of another origin":          func(d *passkeytest.Device) { d.Origin = "https://evil.example" },
		"of the origin with a path":  func(d *passkeytest.Device) { d.Origin += "/x" },
		"of a frame":                 func(d *passkeytest.Device) { d.Client = set("crossOrigin", true) },
		"to another challenge":       func(d *passkeytest.Device) { d.Client = set("challenge", strings.Repeat("A", 43)) },
		"of using a passkey":         func(d *passkeytest.Device) { d.Client = set("type", "webauthn.get") },
		"for another relying party":  func(d *passkeytest.Device) { d.Party = "evil.example" },
		"without verifying the user": func(d *passkeytest.Device) { d.Flags = passkeytest.Present },
		"without the user":           func(d *passkeytest.Device) { d.Flags = passkeytest.Verified },
	} {
		b, d := newBank(t), passkeytest.New(base)
		options, err := b.AddOptions(ctx, session, ada)
		b.must(err)
		spoil(d)
		answer, err := d.Create(options)
		b.must(err)
		if err := b.Add(ctx, session, ada, "phone", answer, from); !errors.Is(err, login.ErrPasskey) {
			t.Errorf("a passkey %s: %v", name, err)
		}
	}
	b, d := newBank(t), passkeytest.New(base)
	answer := func(b *bank) string {
		t.Helper()
		options, err := b.AddOptions(ctx, session, ada)
		b.must(err)
		a, err := d.Create(options)
		b.must(err)
		return a
	}
	if err := b.Add(ctx, "session 2", ada, "phone", answer(b), from); !errors.Is(err, login.ErrPasskey) {
		t.Errorf("in another session: %v", err)
	}
	if err := b.Add(ctx, session, "c-eve", "phone", answer(b), from); !errors.Is(err, login.ErrPasskey) {
		t.Errorf("by another person: %v", err)
	}
	a := answer(b)
	b.advance(login.ChallengeLife)
	if err := b.Add(ctx, session, ada, "phone", a, from); !errors.Is(err, login.ErrPasskey) {
		t.Errorf("too late: %v", err)
	}
	for _, bad := range []string{"", strings.Repeat("x", login.MaxPasskeyName+1)} {
		if err := b.Add(ctx, session, ada, bad, answer(b), from); err == nil {
			t.Errorf("called %q", bad)
		}
	}
	for _, bad := range []string{"", "{}", strings.Repeat("x", passkey.MaxAnswer+1), a[:len(a)-2]} {
		if err := b.Add(ctx, session, ada, "phone", bad, from); !errors.Is(err, login.ErrPasskey) {
			t.Errorf("an answer of %d bytes: %v", len(bad), err)
		}
	}
	for range login.MaxPasskeys {
		b.device(ada)
	}
	if _, err := b.AddOptions(ctx, session, ada); !errors.Is(err, login.ErrPasskeys) {
		t.Errorf("one more: %v", err)
	}
}

func TestAnotherPersonsPasskeyIsUnknown(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBank(t)
	b.device(ada)
	all, err := b.Of(ctx, ada)
	b.must(err)
	for name, err := range map[string]error{
		"renamed": b.Rename(ctx, "c-eve", all[0].ID, "mine"), "removed": b.Remove(ctx, "c-eve", all[0].ID, from),
		"unknown": b.Remove(ctx, ada, "nothing", from),
	} {
		if !errors.Is(err, consent.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.must(b.Rename(ctx, ada, all[0].ID, "laptop"))
	b.must(b.Remove(ctx, ada, all[0].ID, from))
	if told := b.store.Told(); !slices.Equal(told, []inbox.Kind{inbox.PasskeyAdded, inbox.PasskeyRemoved}) {
		t.Errorf("told of %v", told)
	}
}

func TestFailuresHaveToWait(t *testing.T) {
	t.Parallel()
	b := newBank(t)
	d := b.device(ada)
	wrong := d.Copy()
	wrong.Flags = passkeytest.Present
	for range 5 {
		b.refused("a wrong answer", b.answer(wrong))
	}
	var wait *login.Wait
	if _, err := b.signIn(b.answer(d)); !errors.As(err, &wait) {
		t.Errorf("after five failures: %v", err)
	}
	b.advance(30 * time.Second)
	if who, err := b.signIn(b.answer(d)); who != ada || err != nil {
		t.Errorf("after the wait: %q, %v", who, err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*passkey.Config){
		"without TLS":        func(c *passkey.Config) { c.Base = "http://bank.example" },
		"with a path":        func(c *passkey.Config) { c.Base = "https://bank.example/" },
		"an address":         func(c *passkey.Config) { c.Base = "https://127.0.0.1" },
		"no origin":          func(c *passkey.Config) { c.Base = "" },
		"no bank":            func(c *passkey.Config) { c.Bank = "" },
		"no store":           func(c *passkey.Config) { c.Store = nil },
		"no throttle":        func(c *passkey.Config) { c.Throttle = nil },
		"no journal":         func(c *passkey.Config) { c.Journal = nil },
		"nobody who tells":   func(c *passkey.Config) { c.Teller = nil },
		"too short a secret": func(c *passkey.Config) { c.Secret = c.Secret[1:] },
	} {
		c := config(newBank(t))
		spoil(&c)
		if _, err := passkey.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// FuzzAnswer: whatever is sent, it is refused and nothing falls over.
func FuzzAnswer(f *testing.F) {
	t := &testing.T{}
	b := newBank(t)
	d := b.device(ada)
	options, err := b.AddOptions(context.Background(), session, ada)
	if err != nil {
		f.Fatal(err)
	}
	made, err := passkeytest.New(base).Create(options)
	if err != nil {
		f.Fatal(err)
	}
	used := b.answer(d)
	for _, s := range []string{made, used, "", "{}", `{"id":"","rawId":"","type":"public-key","response":{}}`, used[:40], strings.Replace(used, "webauthn", "x", 1)} {
		f.Add(s)
	}
	b.advance(login.ChallengeLife) // no answer is right any more
	f.Fuzz(func(t *testing.T, answer string) {
		b.advance(time.Hour) // nobody has to wait
		if who, err := b.signIn(answer); who != "" || !errors.Is(err, login.ErrPasskey) {
			t.Errorf("signed in %q, %v", who, err)
		}
		if err := b.Add(context.Background(), session, ada, "x", answer, from); !errors.Is(err, login.ErrPasskey) {
			t.Errorf("added: %v", err)
		}
	})
}
