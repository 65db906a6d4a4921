package bench

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/redis"
	"github.com/headgate/headgate/resource"
)

// line is one thing that is measured.
type line struct {
	name string
	// reference is the line that this one is a ratio of; a reference names
	// itself.
	reference string
	// body is how long each answer is in bytes; 0 when it is not looked at.
	body int
	// at reads at a constant rate; nil where the line cannot.
	at func(ctx context.Context, rate int, d time.Duration) (rateAnswer, error)
	// measure warms the line up, calls begin, and runs it for d.
	measure func(ctx context.Context, d time.Duration, begin func() error) (answer, error)
}

// warm returns how long a line runs before the clock starts.
func warm(d time.Duration) time.Duration { return min(d/4, time.Second/2) }

// endpoint is a gateway that a line reads from.
type endpoint struct {
	name, reference string
	credentials     credentials
	gate            resource.Gate
	cache           *redis.Cache
	path            string // what is asked for; empty is the stack's
	form            string // as in job
}

// The reference lines of reads, by bank.
const (
	sandboxBare = "sandbox-bare"
	memoryBare  = "memory-bare"
)

// lines returns all lines, references before what refers to them.
func (s *stack) lines(ctx context.Context, c Config, g *generator) ([]line, error) {
	const certGate = "sandbox-certificate-gate"
	fromSandbox, err := s.reads(ctx, c, g, s.bank, sandboxBare, []endpoint{
		{certGate, sandboxBare, s.byCert, s.gate, s.cache, "", ""},
		{"sandbox-dpop-gate", sandboxBare, s.byKey, s.gate, s.cache, "", ""},
		{"sandbox-certificate", sandboxBare, s.byCert, openGate{}, s.cache, "", ""},
		{"sandbox-dpop", sandboxBare, s.byKey, openGate{}, s.cache, "", ""},
		{"sandbox-certificate-gate-redis-down", certGate, s.byCert, s.gate, s.absent, "", ""},
	})
	if err != nil {
		return nil, err
	}
	fromMemory, err := s.reads(ctx, c, g, s.memory, memoryBare, []endpoint{
		{"memory-certificate", memoryBare, s.byCert, openGate{}, s.cache, "", ""},
		{"memory-dpop", memoryBare, s.byKey, openGate{}, s.cache, "", ""},
	})
	if err != nil {
		return nil, err
	}
	pages, err := s.pages(ctx, c, g)
	if err != nil {
		return nil, err
	}
	fromServer, err := s.issuing(ctx, c)
	if err != nil {
		return nil, err
	}
	gates, err := s.gates(ctx, c)
	if err != nil {
		return nil, err
	}
	plain, err := s.plain(ctx, c, g)
	if err != nil {
		return nil, err
	}
	var grown []line
	for _, side := range s.sides {
		l, err := side.growth(ctx, c, g)
		if err != nil {
			return nil, err
		}
		grown = append(grown, l...)
	}
	return c.only(slices.Concat(plain, fromSandbox, fromMemory, pages, grown, gates, fromServer))
}

// only returns the lines that are asked for, with what they are compared with.
func (c Config) only(lines []line) ([]line, error) {
	if len(c.Only) == 0 {
		return lines, nil
	}
	for _, prefix := range c.Only {
		if !slices.ContainsFunc(lines, func(l line) bool { return strings.HasPrefix(l.name, prefix) }) {
			names := make([]string, len(lines))
			for i, l := range lines {
				names[i] = l.name
			}
			return nil, fmt.Errorf("no line's name begins with %q: this run has %s", prefix, strings.Join(names, ", "))
		}
	}
	wanted := map[string]bool{}
	for _, l := range slices.Backward(lines) { // a reference comes before what refers to it
		for _, prefix := range c.Only {
			if strings.HasPrefix(l.name, prefix) {
				wanted[l.name] = true
			}
		}
		if wanted[l.name] {
			wanted[l.reference] = true
		}
	}
	return slices.DeleteFunc(lines, func(l line) bool { return !wanted[l.name] }), nil
}

// reads returns the lines of one bank: the one without checks and one for each
// gateway. They must all answer with the same body, but for page keys, or
// there is nothing to compare.
func (s *stack) reads(ctx context.Context, c Config, g *generator, p resource.Provider, bareName string, guarded []endpoint) ([]line, error) {
	var first []byte
	lines := make([]line, 1, 1+len(guarded))
	add := func(l line, body []byte) error {
		if first == nil {
			first = body
		}
		if withoutKeys(body) != withoutKeys(first) {
			return fmt.Errorf("%s answers with another body than the lines before it", l.name)
		}
		return nil
	}
	for _, e := range guarded {
		h, err := s.gateway(p, e.gate, e.cache)
		if err != nil {
			return nil, err
		}
		l, body, err := s.read(ctx, c, g, h, e)
		if err == nil {
			err = add(l, body)
		}
		if err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	h, err := s.bareOf(p, first)
	if err != nil {
		return nil, err
	}
	l, body, err := s.read(ctx, c, g, h, endpoint{name: bareName, reference: bareName})
	if err == nil {
		err = add(l, body)
	}
	lines[0] = l
	return lines, err
}

// read serves h, asks it once and returns the line that asks it all the time,
// and the body that it answers with.
func (s *stack) read(ctx context.Context, c Config, g *generator, h http.Handler, e endpoint) (line, []byte, error) {
	address, err := s.listen(h)
	if err != nil {
		return line{}, nil, err
	}
	target := cmp.Or(e.path, s.path)
	path, _, _ := strings.Cut(target, "?") // htu has no query (RFC 9449 section 4.2)
	j := job{
		Address: address, CAFile: s.caFile, CertFile: e.credentials.pair.CertFile, KeyFile: e.credentials.pair.KeyFile,
		Path: target, Callers: c.Callers,
		Form: e.form, Scheme: e.credentials.scheme, Tokens: e.credentials.tokens, Keys: e.credentials.keys, URL: public + path,
	}
	body, err := once(ctx, j)
	if err != nil {
		return line{}, nil, fmt.Errorf("%s: %w", e.name, err)
	}
	j.Bytes = len(body)
	measure := func(_ context.Context, d time.Duration, begin func() error) (answer, error) {
		j := j
		j.Warm, j.Measure = warm(d), d
		if err := g.prepare(j); err != nil {
			return answer{}, err
		}
		if err := begin(); err != nil {
			return answer{}, err
		}
		return g.measure()
	}
	steady := func(ctx context.Context, rate int, d time.Duration) (rateAnswer, error) {
		r := rateJob{Address: j.Address, CAFile: j.CAFile, CertFile: j.CertFile, KeyFile: j.KeyFile, Scheme: j.Scheme, Callers: steadyCallers, Rate: rate, Measure: d}
		for i, token := range j.Tokens {
			read := rateRead{Path: j.Path, URL: j.URL, Token: token}
			if len(j.Keys) > 0 {
				read.Key = j.Keys[i]
			}
			r.Reads = append(r.Reads, read)
		}
		return generate(ctx, r)
	}
	return line{name: e.name, reference: e.reference, body: len(body), measure: measure, at: steady}, body, nil
}
