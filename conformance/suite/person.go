package suite

import (
	"context"
	"fmt"
	"sync"

	"github.com/headgate/headgate/conformance/browser"
	"github.com/headgate/headgate/conformance/chromium"
)

// Person is somebody at a browser of their own: browser.Browser, or a
// Chromium where the target's pages need script.
type Person interface {
	// Open loads a page as if its address had been typed.
	Open(ctx context.Context, address string) (*browser.Page, error)
	// Arrive loads a page as if an app had sent the person there.
	Arrive(ctx context.Context, address string) (*browser.Page, error)
	// Press presses a button or a link of a page, after it was filled in.
	Press(ctx context.Context, p *browser.Page, id string) (*browser.Page, error)
}

// looker can look at a page again, on which scripts may have gone on.
type looker interface {
	Look(ctx context.Context) (*browser.Page, error)
}

// Person is somebody new, without cookies, who may go to all pages of the
// target. It ends the case when there is no browser that the target needs.
func (t *T) Person() Person {
	if t.Target.Browser != Chromium {
		return t.forms()
	}
	running, err := t.world.chromium.get(t.Target.BrowserPath)
	if err != nil {
		t.Cannot("start a browser", fmt.Errorf("%w (see browser_path in the target file, or set CHROMIUM)", err))
	}
	// The pages of script may well be of another host than the issuer's.
	home := t.home()
	for _, host := range t.Target.Hosts {
		home = append(home, "https://"+host)
	}
	p, err := running.Person(t.ctx, chromium.Config{Home: home, Transport: tripper{w: t.world.wire, into: t.record}})
	if err != nil {
		t.Cannot("open a browser", err)
	}
	return p
}

// Browser is Person for cases that bend what a form sends, or read what a
// browser keeps: they do not apply where pages need script.
func (t *T) Browser() *browser.Browser {
	if t.Target.Browser == Chromium {
		t.inapplicable("the case bends a form, which pages that need script do not send by themselves (browser is chromium)")
	}
	return t.forms()
}

func (t *T) forms() *browser.Browser {
	b, err := browser.New(browser.Config{Home: t.home(), Transport: tripper{w: t.world.wire, into: t.record}})
	if err != nil {
		t.Cannot("open a browser", err)
	}
	return b
}

// home is where the target's pages are.
func (t *T) home() []string {
	home := []string{t.Target.Issuer, t.Endpoint(nil, "authorization_endpoint")}
	if t.Target.Portal != "" {
		home = append(home, t.Target.Portal)
	}
	return home
}

// shared is the one Chromium of a run, started by the first case that needs
// it. Its profiles are apart.
type shared struct {
	mu      sync.Mutex // guards the rest
	running *chromium.Chromium
	err     error
}

func (s *shared) get(path string) (*chromium.Chromium, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil && s.err == nil {
		// It outlives the case; close ends it.
		s.running, s.err = chromium.Start(context.Background(), path)
	}
	return s.running, s.err
}

func (s *shared) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		s.running.Close()
	}
}
