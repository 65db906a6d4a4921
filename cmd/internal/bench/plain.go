package bench

import (
	"context"
	"net/http"
	"strconv"
)

// The lines that say what HTTP and TLS cost by themselves, and introspection
// beside them.
const (
	plainHandler  = "plain-handler"
	introspection = "introspection-certificate"
)

// plain returns the line of a handler that does nothing but write a body as
// long as a page, and that of introspection as a resource server asks: over
// TLS, with its certificate.
func (s *stack) plain(ctx context.Context, c Config, g *generator) ([]line, error) {
	body := make([]byte, 16<<10)
	length := strconv.Itoa(len(body))
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", length)
		_, _ = w.Write(body) // a client that hung up cannot be told
	})
	reference, _, err := s.read(ctx, c, g, h, endpoint{name: plainHandler, reference: plainHandler})
	if err != nil {
		return nil, err
	}
	a, err := s.authorizationServer(s.cache)
	if err != nil {
		return nil, err
	}
	who := s.byCert
	asked, _, err := s.read(ctx, c, g, a.mtls, endpoint{
		name: introspection, reference: plainHandler, credentials: who, path: "/introspect",
		form: "client_id=" + string(certified) + "&token=",
	})
	return []line{reference, asked}, err
}

// growth returns the lines of a side: a read as in production, and one while
// Redis is down, when PostgreSQL finds tokens and grants too.
func (s *stack) growth(ctx context.Context, c Config, g *generator) ([]line, error) {
	var lines []line
	for _, e := range []endpoint{
		{"-certificate-gate", small, s.byCert, s.gate, s.cache, "", ""},
		{"-certificate-gate-redis-down", small, s.byCert, s.gate, s.absent, "", ""},
	} {
		e.name, e.reference = s.side+e.name, e.reference+e.name
		h, err := s.gateway(s.bank, e.gate, e.cache)
		if err != nil {
			return nil, err
		}
		l, _, err := s.read(ctx, c, g, h, e)
		if err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, nil
}
