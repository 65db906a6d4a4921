package portal

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/headgate/headgate/consent"
	"github.com/headgate/headgate/consent/erasure"
	"github.com/headgate/headgate/consent/inbox"
	"github.com/headgate/headgate/internal/audit"
	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/internal/ui"
	"github.com/headgate/headgate/internal/web"
)

//go:embed templates/*.html
var templates embed.FS

// Sessions keeps who uses a browser. *web.Sessions is one.
type Sessions interface {
	// Middleware gives next the session of each request. All other methods
	// are called with a context from inside it.
	Middleware(next http.Handler) http.Handler
	// Bound returns the value that decisions in progress are bound to; false
	// when this browser has started none.
	Bound(ctx context.Context) (string, bool)
	// Mark returns a value that only a page of this session can hold, and
	// another one for another what.
	Mark(ctx context.Context, what string) string
	// Marked reports whether mark is what Mark returns, in constant time; the
	// empty mark never is.
	Marked(ctx context.Context, what, mark string) bool
	// SignIn notes who proved at that time who they are, and renews the
	// session's id.
	SignIn(ctx context.Context, consumer string, at time.Time) error
	// Still reports whether whoever is signed in here is so still, by the
	// store's present state. It does not count as use.
	Still(ctx context.Context) (bool, error)
	// Consumer returns who is signed in and since when; false when nobody is.
	Consumer(ctx context.Context) (string, time.Time, bool)
	// Browser returns the value that Bound returns, and makes it when there is
	// none.
	Browser(ctx context.Context) string
	// ID returns what names this sign-in in the list of a person's sessions;
	// "" when nobody is signed in.
	ID(ctx context.Context) string
	// Keep holds a secret of this session under the state of a departure.
	Keep(ctx context.Context, state, secret string)
	// Take returns it once; false when there is none.
	Take(ctx context.Context, state string) (secret string, ok bool)
	// Stay notes that whoever is signed in is there still.
	Stay(ctx context.Context)
	// SignOut ends the session.
	SignOut(ctx context.Context) error
}

// Login finds out who somebody is. *login.Login is one.
type Login interface {
	// Authenticate returns the person with this username and password, or
	// login.ErrCredentials, login.ErrBusy or a *login.Wait. Any other error
	// means that nothing could be found out.
	Authenticate(ctx context.Context, a login.Attempt) (consent.ConsumerID, error)
}

// Codes sends one-time codes and checks them. *login.Codes is one.
type Codes interface {
	// Sent is as in login.Codes.
	Sent(ctx context.Context, who consent.ConsumerID, purpose string) (reference string, err error)
	// Send is as in login.Codes.
	Send(ctx context.Context, who consent.ConsumerID, purpose string, locales []string) (reference string, err error)
	// Check is as in login.Codes.
	Check(ctx context.Context, who consent.ConsumerID, purpose, entered string) error
}

// Authorizations is the part of consent.Authorizations that pages need.
type Authorizations interface {
	// Authorization is as in consent.Authorizations.
	Authorization(ctx context.Context, id consent.AuthorizationID, browser string) (consent.Authorization, error)
	// Replace is as in consent.Authorizations.
	Replace(ctx context.Context, a consent.Authorization) (consent.Authorization, error)
	// Extend is as in consent.Authorizations.
	Extend(ctx context.Context, id consent.AuthorizationID, browser string, now, until time.Time) error
}

// Grants is the part of consent.Store that pages need.
type Grants interface {
	// GrantOfConsumer is as in consent.Store.
	GrantOfConsumer(ctx context.Context, who consent.ConsumerID, id consent.GrantID) (consent.Grant, error)
	// GrantsOf is as in consent.Store.
	GrantsOf(ctx context.Context, consumer consent.ConsumerID) ([]consent.Grant, error)
	// Events is as in consent.Store.
	Events(ctx context.Context, id consent.GrantID) ([]consent.Event, error)
}

// Stopper ends a grant for the person who gave it. *consent.Service is one.
type Stopper interface {
	// StopByConsumer is as in consent.Service: once it has returned nil, no
	// read that starts later is given data.
	StopByConsumer(ctx context.Context, who consent.ConsumerID, id consent.GrantID) (consent.Grant, error)
}

// Answers keeps why people say that they stopped.
type Answers interface {
	// Answer keeps the first answer about a grant that its person has stopped,
	// and leaves any other without an error.
	Answer(ctx context.Context, id consent.GrantID, a consent.StopAnswer) error
}

// Config configures a Portal. All fields without a note are required.
type Config struct {
	UI       *ui.UI
	Sessions Sessions
	// Login is the built-in sign-in, and Bank one at a place of the bank's
	// own, which takes its place. One of them is required.
	Login   Login
	Bank    BankLogin
	Codes   Codes
	Devices Devices
	// Passkeys are those of the built-in sign-in; nil offers none.
	Passkeys       Passkeys
	SignIns        SignIns
	Authorizations Authorizations
	Recipients     consent.Recipients
	Accounts       consent.AccountChooser
	Grants         Grants
	Stopper        Stopper
	Rests          Rests
	Answers        Answers
	Reads          audit.Reads
	Uses           audit.Uses
	Receipts       Receipts
	Log            *slog.Logger
	// Rules are the bank's; nil allows a pause of at most 30 days, keeps
	// records for five years, and lets people take out accounts and data.
	Rules Rules
	// Told knows how far apps have been told; nil says that we tell them.
	Told Told
	// Inbox has what people are told; nil offers no notices.
	Inbox inbox.Inbox
	// Exports limits the copies of a record; nil does not.
	Exports inbox.Exports
	// Teller tells people of what is about their whole record; nil tells
	// nobody.
	Teller inbox.Teller
	// Shrinker takes out what people want to share no longer; nil offers no
	// such page.
	Shrinker Shrinker
	// Switch keeps who lets new sharing begin; nil offers no such page.
	Switch consent.Switch
	// Erasures keeps who wants their record erased; nil offers no such page.
	Erasures erasure.Store
	// Base is the origin of the pages, without trailing slash: the only one
	// that a letter links to. MailLanguage is the language of letters to
	// people who have not chosen one; empty is English. Both are for Letter.
	Base, MailLanguage string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Zone is the bank's time zone, in which pages show times; nil is UTC.
	Zone *time.Location
	// Addresses tells where people come from; nil takes the address of the
	// connection.
	Addresses *web.Addresses
	// Watch is told of every request; the zero value tells nobody.
	Watch web.Watch
}

// Portal serves the pages. It is safe for concurrent use.
type Portal struct {
	c         Config
	catalogue *catalogue
	pages     *ui.Pages
	streams   *streams
	// The addresses of what the history has of its own.
	historyStyle, historyScript string
	idleScript, passkeyScript   string
}

// New returns a Portal. It does no I/O.
func New(c Config) (*Portal, error) {
	if c.UI == nil || c.Sessions == nil || c.Login == nil && c.Bank == nil || c.Codes == nil || c.Devices == nil || c.SignIns == nil ||
		c.Authorizations == nil || c.Recipients == nil ||
		c.Accounts == nil || c.Grants == nil || c.Stopper == nil || c.Rests == nil || c.Answers == nil ||
		c.Reads == nil || c.Uses == nil || c.Receipts == nil || c.Log == nil {
		return nil, errors.New("portal: a required field of Config is missing")
	}
	if c.Bank != nil {
		c.Passkeys = nil // people prove who they are elsewhere
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if c.Rules == nil {
		c.Rules = anyRules{}
	}
	if c.Addresses == nil {
		c.Addresses = &web.Addresses{}
	}
	texts, err := newCatalogue(c.Zone)
	if err != nil {
		return nil, err
	}
	dir, err := fs.Sub(templates, "templates")
	if err != nil {
		return nil, err
	}
	pages, err := c.UI.Pages(dir)
	if err != nil {
		return nil, err
	}
	p := &Portal{c: c, catalogue: texts, pages: pages, streams: newStreams()}
	if p.idleScript, err = c.UI.Add("js", idleJS); err != nil {
		return nil, err
	}
	if p.passkeyScript, err = c.UI.Add("js", passkeyJS); err != nil {
		return nil, err
	}
	if p.historyStyle, p.historyScript, err = historyFiles(c.UI); err != nil {
		return nil, err
	}
	return p, nil
}

// page is what every template gets.
type page struct {
	*text
	// Notice is shown above everything else, as a warning.
	Notice string
	// Fault is what is wrong with the form; Field is the id of the element
	// that it is about.
	Fault, Field string
}

// frame returns the frame around a page.
func (p *Portal) frame(t *text, title string) ui.Frame {
	return ui.Frame{
		Lang: t.Lang, Title: title, Skip: t.T("frame.skip"), Help: t.T("frame.help"), Footer: t.T("frame.footer"),
		Languages: p.languageLinks(t), LanguagesLabel: t.T("frame.language"),
	}
}

// text returns the texts for a request: in the language that the person chose,
// else the one that the app asked for on their behalf, else the browser's.
func (p *Portal) text(r *http.Request, uiLocales []string) *text {
	t := *p.catalogue.pick(chosenLanguage(r), uiLocales, r.Header.Get("Accept-Language"))
	t.here = here(r)
	return &t
}
