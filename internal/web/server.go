package web

import (
	"bytes"
	"crypto/tls"
	stdlog "log"
	"log/slog"
	"net/http"
	"time"
)

// The limits of every listener. A request that takes longer is cut off by
// the server whatever a handler does.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 15 * time.Second
	idleTimeout       = 75 * time.Second
	maxHeaderBytes    = 16 << 10
)

// NewServer returns a server with every time-out and limit set. Connection
// errors, such as a failed handshake, go to log at debug level: anybody on
// the network can cause them. A panic that got past the engine, which costs a
// request its connection, goes there as an error. A nil tls serves plain HTTP,
// which only tests and health ports may do.
func NewServer(h http.Handler, tls *tls.Config, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: closing(h),
		// Of its own: net/http writes into it when it starts to serve.
		TLSConfig:         tls.Clone(),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          stdlog.New(complaints{log}, "", 0),
	}
}

// complaints takes what net/http says about connections.
type complaints struct{ log *slog.Logger }

// Write takes one line, or a panic with its stack. What was panicked with may
// hold anything, and is dropped: it stands before the stack.
func (c complaints) Write(text []byte) (int, error) {
	if bytes.HasPrefix(text, []byte("http: panic serving")) || bytes.HasPrefix(text, []byte("http2: panic serving")) {
		stack := text[len(text):]
		if i := bytes.LastIndex(text, []byte("\ngoroutine ")); i >= 0 {
			stack = text[i:]
		}
		c.log.Error("panic outside a request's engine", slog.String("stack", string(bytes.TrimSpace(stack))))
	} else {
		c.log.Debug(string(bytes.TrimSpace(text)))
	}
	return len(text), nil
}

// closing ends the connection after a request whose body came in chunks. A
// Content-Length beside them does not count, and net/http takes it away; but a
// proxy that went by it would take what we read next for a part of this
// request, whoever sent it (RFC 9112 sections 6.1 and 6.3). HTTP/2 has no
// chunks.
func closing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
