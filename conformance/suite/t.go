package suite

import (
	"context"
	"fmt"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// T is what one run of one case is given. Its methods end the case when they
// cannot do what they say, so that a case reads as a story. They must be
// called from the goroutine that runs the case, except Log and what says
// otherwise.
type T struct {
	// Target is the deployment.
	Target *Target

	ctx    context.Context
	world  *world
	record *record
	checks atomic.Int64

	mu     sync.Mutex // guards the rest
	failed []string
	broken string // why it could not run; "" when it could
	unfit  string // why it does not apply; "" when it does
	notes  []string
	at     string // where in a script the case is; "" for none
}

// world is what the cases of a run share.
type world struct {
	target  *Target
	wire    *wire
	nonces  sync.Map // host -> the DPoP nonce it handed out last
	shared  sync.Map // key -> *fixture
	signIns sync.Map // username -> *sync.Mutex
	apps    []*App
	rs      []*App

	chromium shared
}

// Context ends with the run, or when the case has taken too long.
func (t *T) Context() context.Context { return t.ctx }

// Errorf notes that the deployment does not do what it has to, and goes on.
// Name no secret. Safe for concurrent use.
func (t *T) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.checks.Add(1)
	t.failed = append(t.failed, t.at+fmt.Sprintf(format, args...))
}

// At has later messages begin with where the case is in a script, such as a
// file and a line.
func (t *T) At(where string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at = where + ": "
}

// Fatalf is Errorf, and ends the case.
func (t *T) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

// Checked counts something that was compared and found right without Expect:
// a case that has checked nothing has failed.
func (t *T) Checked() { t.checks.Add(1) }

// Check is Errorf unless ok, and counts as a check. It returns ok.
func (t *T) Check(ok bool, format string, args ...any) bool {
	if !ok {
		t.Errorf(format, args...)
		return false
	}
	t.Checked()
	return true
}

// Cannot ends the case because something that comes before its point did not
// work. The case has failed: nothing is known about its point.
func (t *T) Cannot(doing string, err error) {
	t.mu.Lock()
	t.broken = t.at + fmt.Sprintf("%s: %v", doing, err)
	t.mu.Unlock()
	runtime.Goexit()
}

// Logf adds a line to the report of the case. Name no secret. Safe for
// concurrent use.
func (t *T) Logf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

// Needs ends the case as not applicable unless the target claims all of
// these. Only claims can do that; prefer Case.Needs.
func (t *T) Needs(claims ...Claim) {
	for _, c := range claims {
		if !t.Target.Claim(c) {
			t.inapplicable("the target does not claim " + string(c))
		}
	}
}

// inapplicable ends the case because of what the target file says, and never
// of what an answer said.
func (t *T) inapplicable(why string) {
	t.mu.Lock()
	t.unfit = why
	t.mu.Unlock()
	runtime.Goexit()
}

// Send sends a request; any answer is an answer. When the server asks for a
// DPoP nonce, it sends it again with that and what is used once made anew,
// unless NoRetry. No answer at all ends the case.
func (t *T) Send(r *Request) *Response {
	resp, err := t.TrySend(r)
	if err != nil {
		t.Cannot("send a request", err)
	}
	return resp
}

// TrySend is Send for requests that a server may well refuse by closing the
// connection. Safe for concurrent use.
func (t *T) TrySend(r *Request) (*Response, error) {
	t.nonce(r, false)
	resp, err := t.sendOnce(r)
	for tries := 0; err == nil && tries < 2 && r.Proof != nil && !r.NoRetry && asksForNonce(resp); tries++ {
		again := r.Clone()
		for _, j := range []*JWT{again.Assertion, again.Object, again.Proof} {
			if j != nil {
				j.refresh()
			}
		}
		t.nonce(again, true)
		resp, err = t.sendOnce(again)
	}
	return resp, err
}

func (t *T) sendOnce(r *Request) (*Response, error) {
	out, err := r.seal(t.ctx)
	if err != nil {
		return nil, err
	}
	resp, err := t.world.wire.send(t.ctx, out, r.Certificate, t.record)
	if err == nil {
		if nonce := resp.Header.Get("DPoP-Nonce"); nonce != "" {
			t.world.nonces.Store(out.URL.Host, nonce)
		}
	}
	return resp, err
}

// nonce puts the server's last nonce into the proof, if it hands any out.
func (t *T) nonce(r *Request, replace bool) {
	if r.Proof == nil || r.NoRetry {
		return
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return
	}
	if _, has := r.Proof.Claims["nonce"]; has && !replace {
		return
	}
	if nonce, ok := t.world.nonces.Load(u.Host); ok {
		r.Proof.Claims["nonce"] = nonce
	}
}

// asksForNonce is RFC 9449 sections 8 and 9.
func asksForNonce(resp *Response) bool {
	if resp.Header.Get("DPoP-Nonce") == "" || resp.Status != 400 && resp.Status != 401 {
		return false
	}
	return resp.Text("error") == "use_dpop_nonce" || resp.Challenge("error") == "use_dpop_nonce"
}

// Race sends what request returns for 0 to n-1, all at the same moment, each
// over a connection of its own if need be, and returns the answers in that
// order; nil for one that got none.
func (t *T) Race(n int, request func(i int) *Request) []*Response {
	answers := make([]*Response, n)
	start := make(chan struct{})
	var done sync.WaitGroup
	for i := range n {
		r := request(i)
		t.nonce(r, false)
		r.NoRetry = true
		sealed, err := r.seal(t.ctx)
		if err != nil {
			t.Cannot("make a request", err)
		}
		done.Go(func() {
			<-start
			if resp, err := t.world.wire.send(t.ctx, sealed, r.Certificate, t.record); err == nil {
				answers[i] = resp
			}
		})
	}
	close(start)
	done.Wait()
	return answers
}

// CountStatus tells how many of the answers have this status.
func CountStatus(answers []*Response, status int) (n int) {
	for _, r := range answers {
		if r != nil && r.Status == status {
			n++
		}
	}
	return n
}

// Raw sends bytes as they are, over a TLS connection of its own with
// HTTP/1.1, and returns the answers: none when the server closed the
// connection, two when it saw two requests. Host is host:port.
func (t *T) Raw(host, text string, app *App) []*Response {
	answers, err := t.world.wire.raw(t.ctx, host, []byte(text), appCert(app), t.record)
	if err != nil {
		t.Cannot("send raw bytes", err)
	}
	return answers
}

// Wait waits, for cases that set Waits: something has to expire.
func (t *T) Wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.ctx.Done():
		t.Cannot("wait", t.ctx.Err())
	}
}
