package chromium

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"github.com/headgate/headgate/conformance/browser"
)

// ErrStuck means that a step led nowhere: the document and the address stayed
// as they were, and nothing was asked of the bank.
var ErrStuck = errors.New("nothing came of it")

// Config says where a person may go, and how.
type Config struct {
	// Home lists the https URLs whose origins belong to the bank. A document
	// of any other origin is not fetched: the walk ends there, with Page.Left.
	// Required.
	Home []string
	// Transport carries every request. Required.
	Transport http.RoundTripper
	// Patience is how long one step may take. The zero value means 30 s.
	Patience time.Duration
}

// Person is somebody at the browser, with cookies of their own. Its methods
// are those of browser.Browser, and take and return the same pages. It is not
// safe for concurrent use.
type Person struct {
	ctx      context.Context // chromedp keeps the tab in it
	end      func()
	proxy    *proxy
	patience time.Duration
}

// Person opens a fresh profile, which is forgotten by Close or when ctx ends.
func (c *Chromium) Person(ctx context.Context, cfg Config) (*Person, error) {
	if len(cfg.Home) == 0 || cfg.Transport == nil {
		return nil, errors.New("chromium: Config.Home and Config.Transport are required")
	}
	own, cancel := context.WithCancel(c.ctx)
	way, err := newProxy(own, cfg, c.cert)
	if err != nil {
		cancel()
		return nil, err
	}
	tab, closeTab := chromedp.NewContext(own, chromedp.WithNewBrowserContext(func(p *target.CreateBrowserContextParams) {
		// Chromium goes to loopback addresses directly unless it is told not to.
		p.ProxyServer, p.ProxyBypassList = "http://"+way.plain.Addr().String(), "<-loopback>"
	}))
	p := &Person{ctx: tab, proxy: way, patience: cfg.Patience}
	if p.patience <= 0 {
		p.patience = 30 * time.Second
	}
	p.end = func() { closeTab(); cancel(); way.close() }
	context.AfterFunc(ctx, p.end)
	err = chromedp.Listen(tab, func(event any) {
		if _, asks := event.(*page.EventJavascriptDialogOpening); asks {
			// When it fails, the step runs out of time and says so.
			go chromedp.Call(tab, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true}) //nolint:errcheck // see above
		}
	})
	if err != nil {
		p.end()
		return nil, fmt.Errorf("open a profile: %w", err)
	}
	return p, nil
}

// Close forgets the profile.
func (p *Person) Close() { p.end() }

// Open loads a page as if its address had been typed.
func (p *Person) Open(ctx context.Context, address string) (*browser.Page, error) {
	return p.visit(ctx, address, func(ctx context.Context) error {
		// Not chromedp.Navigate, which waits for an answer: a redirect to an
		// app has none.
		_, err := chromedp.Call(ctx, page.Navigate, page.NavigateParams{URL: address})
		return err
	})
}

// Arrive loads a page as if another site had sent the person there: the
// request is cross-site, without a referrer.
func (p *Person) Arrive(ctx context.Context, address string) (*browser.Page, error) {
	return p.visit(ctx, address, func(ctx context.Context) error {
		// An empty document is of no site, and so is every link of it.
		_, err := run[chromedp.Void](ctx, `(to => { const a = document.createElement('a'); a.href = to; a.rel = 'noreferrer'; a.click() })`, address)
		return err
	})
}

func (p *Person) visit(ctx context.Context, address string, goThere func(context.Context) error) (*browser.Page, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("open page: the address is no URL")
	}
	if !p.proxy.home.has(u) {
		return nil, fmt.Errorf("%w: %s://%s%s", browser.ErrOutside, u.Scheme, u.Host, u.Path)
	}
	return p.step(ctx, "the address", func(ctx context.Context) error {
		if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
			return err
		}
		_, err := run[chromedp.Void](ctx, `(() => { document.walked = [] })`)
		return err
	}, goThere)
}

// Press types what was filled in on the page, as far as the document says
// otherwise, and presses a button or a link.
func (p *Person) Press(ctx context.Context, on *browser.Page, id string) (*browser.Page, error) {
	number, there := on.Attr(id, numbered)
	_, off := on.Attr(id, "disabled")
	walk, err := strconv.Atoi(number)
	if !there || off || err != nil {
		return nil, fmt.Errorf("%w %s cannot be pressed, on %s", browser.ErrElement, id, on)
	}
	return p.step(ctx, id, func(ctx context.Context) error { return fill(ctx, on) }, func(ctx context.Context) error {
		at, err := run[struct {
			X float64 `json:"x"`
			Y float64 `json:"y"`
		}](ctx, `(n => {
			const e = document.walked[n];
			e.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});
			const box = e.getClientRects()[0] || {left: -1, top: -1, width: 0, height: 0};
			const x = box.left + box.width / 2, y = box.top + box.height / 2;
			let top = document.elementFromPoint(x, y);
			while (top && top.shadowRoot && top.shadowRoot.elementFromPoint(x, y) && top.shadowRoot.elementFromPoint(x, y) !== top) top = top.shadowRoot.elementFromPoint(x, y);
			return e.isConnected && top && (e === top || e.contains(top) || top.contains(e)) ? {x, y} : {x: -1, y: -1};
		})`, walk)
		if err != nil {
			return err
		}
		if at.X < 0 {
			return fmt.Errorf("%w %s cannot be pressed: it is not to be seen, or covered, on %s", browser.ErrElement, id, on)
		}
		return chromedp.Do(ctx, chromedp.MouseClickXY(at.X, at.Y))
	})
}

// Look reads the page again, after a moment: scripts may have gone on.
func (p *Person) Look(ctx context.Context) (*browser.Page, error) {
	ctx, done := p.within(ctx)
	defer done()
	select {
	case <-time.After(10 * tick):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return p.read(ctx)
}

// within is a context of the tab that ends with ctx, and when patience does.
func (p *Person) within(ctx context.Context) (context.Context, func()) {
	own, cancel := context.WithTimeout(p.ctx, p.patience)
	stop := context.AfterFunc(ctx, cancel)
	return own, func() { stop(); cancel() }
}

// tick is how often a page is looked at while it changes.
const tick = 50 * time.Millisecond

// How long a document with scripts has to stay as it is to count as finished,
// and how long one that never does is waited for, in ticks.
const (
	stillFor = 4
	restless = 60
)

// view is what a look at the document says.
type view struct {
	Address string `json:"address"`
	Ready   bool   `json:"ready"`
	Fresh   bool   `json:"fresh"` // since the last reading
	Scripts int    `json:"scripts"`
	HTML    string `json:"html"`
}

// step does something and waits for what comes of it.
func (p *Person) step(ctx context.Context, what string, prepare, act func(context.Context) error) (*browser.Page, error) {
	caller := ctx
	ctx, done := p.within(ctx)
	defer done()
	wrong := func(err error) (*browser.Page, error) {
		switch {
		case caller.Err() != nil:
			return nil, caller.Err()
		case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
			return nil, fmt.Errorf("%w within %s: %s", ErrStuck, p.patience, what)
		}
		return nil, err
	}
	if err := prepare(ctx); err != nil {
		return wrong(err)
	}
	before, err := run[view](ctx, reading, false)
	if err != nil {
		return wrong(err)
	}
	seen := p.proxy.begin()
	if err := act(ctx); err != nil {
		return wrong(err)
	}
	every := time.NewTicker(tick)
	defer every.Stop()
	last, still := "", 0
	for ticks := 0; ; ticks++ {
		select {
		case <-every.C:
		case <-ctx.Done():
			return wrong(ctx.Err())
		}
		state := p.proxy.state()
		if state.left != nil || state.refused != nil {
			return p.read(ctx)
		}
		now, err := run[view](ctx, reading, false)
		if err != nil {
			continue // between two documents there is none
		}
		moved := now.Fresh || now.HTML != before.HTML || state.seen != seen
		if now.HTML == last {
			still++
		} else {
			last, still = now.HTML, 0
		}
		if state.open > 0 || !now.Ready || !moved {
			continue
		}
		if now.Fresh && now.Scripts == 0 || still >= stillFor || ticks > restless {
			page, err := p.read(ctx)
			if err != nil {
				return wrong(err)
			}
			return page, nil
		}
	}
}

//go:embed page.js
var reading string

// numbered is the attribute by which page.js numbers elements.
const numbered = "data-walk"

// read makes a Page of where the person is.
func (p *Person) read(ctx context.Context) (*browser.Page, error) {
	state := p.proxy.state()
	d := state.latest
	if state.refused != nil {
		return nil, fmt.Errorf("open page: %w", state.refused)
	}
	if state.left != nil {
		return &browser.Page{URL: d.url, Status: d.status, Header: d.header, Left: state.left}, nil
	}
	if d.url == nil {
		return nil, fmt.Errorf("%w: no page has come", ErrStuck)
	}
	now, err := run[view](ctx, reading, true)
	if err != nil {
		return nil, fmt.Errorf("read page: %w", err)
	}
	at, err := url.Parse(now.Address)
	if err != nil || at.Scheme != "https" {
		at = d.url
	}
	return browser.NewPage(at, d.status, d.header, d.body, now.HTML)
}

// fill types what the page says into the document.
func fill(ctx context.Context, on *browser.Page) error {
	controls := on.Controls(numbered)
	if controls == nil {
		return nil
	}
	// The numbers of the controls that want typing.
	typed, err := run[[]int](ctx, `(all => all.filter(c => {
		const e = document.walked[c.mark];
		const set = () => { e.value = c.value; for (const n of ['input', 'change']) e.dispatchEvent(new Event(n, {bubbles: true})) };
		if (!e || e.disabled || e.readOnly) return false;
		switch (c.kind) {
		case 'checkbox': case 'radio':
			if (e.checked !== c.on) e.click();
			return false;
		case 'select': case 'date': case 'time': case 'month': case 'week': case 'datetime-local': case 'color': case 'range':
			if (e.value !== c.value) set();
			return false;
		}
		return e.value.replace(/\r\n/g, '\n') !== c.value.replace(/\r\n/g, '\n');
	}).map(c => +c.mark))`, controls)
	if err != nil {
		return fmt.Errorf("fill in the page: %w", err)
	}
	for _, c := range controls {
		for _, number := range typed {
			if c.Mark != strconv.Itoa(number) {
				continue
			}
			if _, err := run[chromedp.Void](ctx, `(n => { const e = document.walked[n]; e.focus(); e.select() })`, number); err != nil {
				return fmt.Errorf("fill in the page: %w", err)
			}
			if _, err := chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: c.Value}); err != nil {
				return fmt.Errorf("fill in the page: %w", err)
			}
		}
	}
	return nil
}

// run calls a function of JavaScript with arguments, and returns what it
// returns.
func run[T any](ctx context.Context, function string, arguments ...any) (T, error) {
	if arguments == nil {
		arguments = []any{}
	}
	list, err := json.Marshal(arguments)
	if err != nil {
		var none T
		return none, err
	}
	return chromedp.Run(ctx, chromedp.Evaluate[T]("("+function+")(..."+string(list)+")"))
}
