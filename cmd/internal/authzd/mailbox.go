package authzd

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"github.com/headgate/headgate/internal/login"
	"github.com/headgate/headgate/internal/web"
)

// mailbox is a login.Sender that keeps the codes for whoever develops against
// this server to read, on a listener that only this machine reaches. It is
// safe for concurrent use.
type mailbox struct {
	socket net.Listener
	log    *slog.Logger

	mu   sync.Mutex
	sent []login.Message // newest last; guarded by mu
}

// maxMessages is how many messages a mailbox keeps.
const maxMessages = 500

// openMailbox listens on a loopback address. Whoever can read codes needs no
// second proof, so no other address will do.
func openMailbox(address string, log *slog.Logger) (*mailbox, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsLoopback() {
		return nil, errors.New("listen_mailbox: must be a loopback address and port, such as 127.0.0.1:8025: it shows one-time codes to everybody who reaches it")
	}
	socket, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen_mailbox: %w", err)
	}
	return &mailbox{socket: socket, log: log}, nil
}

// Send implements login.Sender.
func (m *mailbox) Send(_ context.Context, msg login.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.sent) == maxMessages {
		m.sent = m.sent[1:]
	}
	m.sent = append(m.sent, msg)
	return nil
}

// newest returns the messages, newest first.
func (m *mailbox) newest() []login.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]login.Message, 0, len(m.sent))
	for i := len(m.sent) - 1; i >= 0; i-- {
		list = append(list, m.sent[i])
	}
	return list
}

func (m *mailbox) listener() web.Listener {
	return web.Listener{Server: web.NewServer(m, nil, m.log), Socket: m.socket}
}

var mailboxPage = template.Must(template.New("mailbox").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="3">
<title>Mailbox</title>
<h1>One-time codes</h1>
<p>This mailbox is for development. Newest first.</p>
<table>
<tr><th>Reference</th><th>Code</th><th>For</th><th>Good until</th></tr>
{{range .}}<tr><td>{{.Reference}}</td><td>{{.Code}}</td><td>{{.Consumer}}</td><td>{{.ExpiresAt.Format "15:04:05"}} UTC</td></tr>
{{else}}<tr><td colspan="4">Nothing yet.</td></tr>
{{end}}</table>
</html>
`))

// ServeHTTP answers / with a page for people and /REFERENCE with the code of
// that message, in plain text. Pages of other sites may not read either: the
// name by which the request came must be this machine's own.
func (m *mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); host != "localhost" && (err != nil || !addr.IsLoopback()) {
		http.Error(w, "ask for localhost", http.StatusForbidden)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	all := m.newest()
	if r.URL.Path == "/" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if err := mailboxPage.Execute(w, all); err != nil {
			m.log.Debug("mailbox", slog.String("cause", err.Error()))
		}
		return
	}
	for _, msg := range all {
		if r.URL.Path == "/"+msg.Reference {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = io.WriteString(w, msg.Code)
			return
		}
	}
	http.NotFound(w, r)
}

// noSender is used where nothing can bring codes to people. What takes a
// second proof cannot be shared then.
type noSender struct{}

var errNoSender = errors.New("no way to send one-time codes is configured")

// Send implements login.Sender.
func (noSender) Send(context.Context, login.Message) error { return errNoSender }
