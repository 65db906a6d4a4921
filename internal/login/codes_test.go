package login_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/internal/login/logintest"
)

// post is a Sender whose messages can be looked at.
type post struct {
	mu   sync.Mutex
	sent []login.Message
	err  error
}

func (p *post) Send(_ context.Context, m login.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.sent = append(p.sent, m)
	}
	return p.err
}

type desk struct {
	*login.Codes
	post  *post
	store *logintest.Memory
	now   time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{post: &post{}, store: &logintest.Memory{}, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	var err error
	d.Codes, err = login.NewCodes(login.CodesConfig{
		Store: d.store, Throttle: d.store, Sender: d.post, Secret: []byte(strings.Repeat("s", 32)),
		Now: func() time.Time { return d.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// send sends a code for a purpose and returns it.
func (d *desk) send(t *testing.T, purpose string) string {
	t.Helper()
	ref, err := d.Send(t.Context(), "ada", purpose, []string{"sv"})
	if err != nil {
		t.Fatal(err)
	}
	m := d.post.sent[len(d.post.sent)-1]
	if m.Reference != ref || m.Consumer != "ada" || len(m.Code) != login.CodeDigits || !m.ExpiresAt.Equal(d.now.Add(login.CodeLife)) {
		t.Fatalf("sent %+v", m)
	}
	return m.Code
}

func other(code string) string {
	if code[0] == '9' {
		return "0" + code[1:]
	}
	return string(code[0]+1) + code[1:]
}

func TestCode(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		try  func(d *desk, code string) error
		want error
	}{
		"right": {func(d *desk, c string) error { return d.Check(context.Background(), "ada", "p", c) }, nil},
		"right, with spaces": {func(d *desk, c string) error {
			return d.Check(context.Background(), "ada", "p", " "+c[:3]+" "+c[3:]+" ")
		}, nil},
		"wrong":               {func(d *desk, c string) error { return d.Check(context.Background(), "ada", "p", other(c)) }, login.ErrCode},
		"a digit short":       {func(d *desk, c string) error { return d.Check(context.Background(), "ada", "p", c[1:]) }, login.ErrCode},
		"a digit long":        {func(d *desk, c string) error { return d.Check(context.Background(), "ada", "p", c+"0") }, login.ErrCode},
		"letters":             {func(d *desk, c string) error { return d.Check(context.Background(), "ada", "p", "abcdef") }, login.ErrCode},
		"nothing":             {func(d *desk, c string) error { return d.Check(context.Background(), "ada", "p", "") }, login.ErrCode},
		"for another purpose": {func(d *desk, c string) error { return d.Check(context.Background(), "ada", "q", c) }, login.ErrCodeOver},
		"of another person":   {func(d *desk, c string) error { return d.Check(context.Background(), "bob", "p", c) }, login.ErrCodeOver},
		"too late": {func(d *desk, c string) error {
			d.now = d.now.Add(login.CodeLife)
			return d.Check(context.Background(), "ada", "p", c)
		}, login.ErrCodeOver},
		"a second time": {func(d *desk, c string) error {
			return errors.Join(d.Check(context.Background(), "ada", "p", c), d.Check(context.Background(), "ada", "p", c))
		}, login.ErrCodeOver},
		"after five wrong ones":      {func(d *desk, c string) error { wrong(d, c, 5); return d.Check(context.Background(), "ada", "p", c) }, login.ErrCodeOver},
		"after four wrong ones":      {func(d *desk, c string) error { wrong(d, c, 4); return d.Check(context.Background(), "ada", "p", c) }, nil},
		"a slip is not a wrong code": {func(d *desk, c string) error { wrong(d, c[1:], 9); return d.Check(context.Background(), "ada", "p", c) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			if err := tt.try(d, d.send(t, "p")); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func wrong(d *desk, code string, n int) {
	for range n {
		_ = d.Check(context.Background(), "ada", "p", other(code))
	}
}

func TestANewCodeReplacesTheOldOne(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := d.send(t, "p")
	var w *login.Wait
	if _, err := d.Send(t.Context(), "ada", "p", nil); !errors.As(err, &w) || len(d.post.sent) != 1 {
		t.Fatalf("at once: %v", err)
	}
	d.send(t, "q") // another purpose need not wait
	d.now = d.now.Add(login.CodePause + time.Second)
	second := d.send(t, "p")
	if first == second {
		second = d.send(t, "r") // one in a million
	}
	if err := d.Check(t.Context(), "ada", "p", first); !errors.Is(err, login.ErrCode) {
		t.Errorf("the first: %v", err)
	}
	if err := d.Check(t.Context(), "ada", "p", second); err != nil {
		t.Errorf("the second: %v", err)
	}
}

func TestCodesThatNobodyUsesRunOut(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var w *login.Wait
	n := 0
	for ; n < 50; n++ {
		if _, err := d.Send(t.Context(), "ada", strings.Repeat("p", n+1), nil); errors.As(err, &w) {
			break
		}
	}
	if n != 10 || w.For != 30*time.Second {
		t.Errorf("%d codes, then %v", n, w)
	}
	if _, err := d.Send(t.Context(), "bob", "p", nil); err != nil {
		t.Errorf("another person: %v", err)
	}
	m := d.post.sent[9]
	if err := d.Check(t.Context(), "ada", strings.Repeat("p", 10), m.Code); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Send(t.Context(), "ada", "z", nil); err != nil {
		t.Errorf("after one was used: %v", err)
	}
}

func TestACodeThatWasNotSentIsNoCode(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.post.err = errors.New("the mail is down")
	for range 20 { // nor does it count
		if _, err := d.Send(t.Context(), "ada", "p", nil); !errors.Is(err, d.post.err) {
			t.Fatal(err)
		}
	}
	if ref, err := d.Sent(t.Context(), "ada", "p"); ref != "" || err != nil {
		t.Errorf("on its way: %q, %v", ref, err)
	}
	d.post.err = nil
	d.send(t, "p")
	if ref, err := d.Sent(t.Context(), "ada", "p"); ref != d.post.sent[0].Reference || err != nil {
		t.Errorf("on its way: %q, %v", ref, err)
	}
}

func TestCodesConfigIsChecked(t *testing.T) {
	t.Parallel()
	m, s := &logintest.Memory{}, []byte(strings.Repeat("s", 32))
	for name, c := range map[string]login.CodesConfig{
		"no store": {Throttle: m, Sender: &post{}, Secret: s}, "no throttle": {Store: m, Sender: &post{}, Secret: s},
		"no sender": {Store: m, Throttle: m, Secret: s}, "a short secret": {Store: m, Throttle: m, Sender: &post{}, Secret: s[1:]},
	} {
		if _, err := login.NewCodes(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
