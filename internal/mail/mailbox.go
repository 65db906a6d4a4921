package mail

import (
	"context"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// maxMailbox is how many mails a Mailbox keeps.
const maxMailbox = 200

// Mailbox is a Sender that sends nothing: it keeps the latest mails of
// everybody and shows them on a page. It is for development; whoever can reach
// the page can read all of it. Safe for concurrent use.
type Mailbox struct {
	mu  sync.Mutex
	all []Message // newest first; guarded by mu
}

// Send implements Sender.
func (b *Mailbox) Send(_ context.Context, m Message) error {
	if _, err := build("mailbox@localhost", m); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = slices.Insert(b.all, 0, m)
	b.all = b.all[:min(len(b.all), maxMailbox)]
	return nil
}

// Messages returns the mails, newest first.
func (b *Mailbox) Messages() []Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.all)
}

// MailboxPath is where the page of a Mailbox is. Below it each mail is shown
// in HTML, by its id.
const MailboxPath = "/dev/mailbox"

var mailboxPage = template.Must(template.New("mailbox").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Mailbox (development)</title></head>
<body style="margin:0 auto;max-width:52rem;padding:24px 16px;font:17px/1.6 system-ui,sans-serif;overflow-wrap:anywhere">
<h1>Mailbox</h1>
<p>Development only: every mail that the stack would have sent, newest first. Load the page again for more.</p>
{{range .}}<details style="border-top:1px solid #848f99;padding:12px 0">
<summary><b lang="{{.Lang}}">{{.Subject}}</b><br>to {{.To}} · {{.At.UTC.Format "2006-01-02 15:04:05"}} UTC{{if not .Unsubscribe}} · always sent{{end}}</summary>
<pre lang="{{.Lang}}" style="white-space:pre-wrap">{{.Text}}</pre>
<p><a href="/dev/mailbox/{{.ID}}">Show as HTML</a></p>
</details>{{else}}<p>Nothing yet.</p>{{end}}
</body></html>
`))

// find answers with the newest mail that holds a text, for tools that read
// what a person would.
func (b *Mailbox) find(w http.ResponseWriter, text string) {
	all := b.Messages()
	i := slices.IndexFunc(all, func(m Message) bool { return strings.Contains(m.Text, text) })
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if i < 0 || text == "" {
		http.Error(w, "no such mail", http.StatusNotFound)
		return
	}
	_, _ = w.Write([]byte(all[i].Text))
}

// ServeHTTP shows the mailbox at MailboxPath, and there with ?text= the text
// of the newest mail that holds it.
func (b *Mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	all := b.Messages()
	if r.URL.Path == MailboxPath && r.URL.Query().Has("text") {
		b.find(w, r.URL.Query().Get("text"))
		return
	}
	if r.URL.Path == MailboxPath {
		_ = mailboxPage.Execute(w, all) // the browser has gone
		return
	}
	id, err := uuid.Parse(r.URL.Path[min(len(r.URL.Path), len(MailboxPath)+1):])
	i := slices.IndexFunc(all, func(m Message) bool { return err == nil && m.ID == id.String() })
	if i < 0 {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write([]byte(all[i].HTML))
}
