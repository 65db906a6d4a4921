package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/headgate/headgate/certs"
)

// job is one line as the load generator gets to know it.
type job struct {
	Address string // host:port
	CAFile  string // PEM, the only authority that is trusted
	// CertFile and KeyFile are the client certificate; empty shows none.
	CertFile, KeyFile string
	Path              string // with query
	// Bytes is how long each body must be.
	Bytes   int
	Callers int
	Warm    time.Duration // before the clock starts
	Measure time.Duration
	Scheme  string // of Authorization; empty sends no credentials
	// Form makes the request a POST of this form, at whose end the token
	// goes; it is sent nowhere else then.
	Form string
	// Tokens are used in turn.
	Tokens []string
	// Keys are the PKCS #8 private keys of the tokens, in their order, if
	// they are bound to keys; URL is what their proofs name.
	Keys [][]byte
	URL  string
}

// load is a job under way.
type load struct {
	job     job
	callers []*caller
	signers []*signer
	// proofs are what measure uses; nil for a job without keys.
	proofs [][]byte
}

// caller is one connection that asks, waits for the answer and asks again.
type caller struct {
	conn    *tls.Conn
	reader  *bufio.Reader
	request request
	buf     []byte
	times   histogram
}

// The number of proofs is a guess at what a phase can use up, since signing
// one takes about as long as verifying it. A phase that uses them up ends
// early, which shortens it and falsifies nothing.
const (
	warmRate = 4_000 // reads a second that the warm-up is given proofs for
	ahead    = 1.5   // proofs for the measured part, over what the warm-up used
)

// patience is how much longer than planned a phase may take.
const patience = 30 * time.Second

// prepare connects, warms up and signs. Nothing of it is measured.
func prepare(ctx context.Context, j job) (_ *load, err error) {
	l := &load{job: j}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	for i, key := range j.Keys {
		s, err := newSigner(key, j.URL, j.Tokens[i])
		if err != nil {
			return nil, err
		}
		l.signers = append(l.signers, s)
	}
	if err := l.connect(ctx, l.first); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	enough := j.Callers + int(warmRate*j.Warm.Seconds())
	if err := l.sign(enough); err != nil {
		return nil, err
	}
	r, err := l.phase(j.Warm)
	if err != nil {
		return nil, err
	}
	rate := float64(r.times.total) / r.elapsed.Seconds()
	return l, l.sign(j.Callers + int(ahead*rate*j.Measure.Seconds()))
}

// connect opens the callers' connections and uses each at once, because a
// server waits longer for a further request than for the first: on a busy
// machine it would give up the first connections before the last one is open.
func (l *load) connect(ctx context.Context, use func(n int, c *caller) error) error {
	config, err := clientTLS(l.job)
	if err != nil {
		return err
	}
	for n := range l.job.Callers {
		c := &caller{request: request{path: l.job.Path, interaction: uuid.NewString(), scheme: l.job.Scheme, form: l.job.Form}}
		if err := c.connect(ctx, config, l.job.Address); err != nil {
			return err
		}
		l.callers = append(l.callers, c)
		if err := use(n, c); err != nil {
			return err
		}
	}
	return nil
}

// first makes the first read of a connection.
func (l *load) first(n int, c *caller) error {
	var token string
	if len(l.job.Tokens) > 0 {
		token = l.job.Tokens[n%len(l.job.Tokens)]
	}
	var proof []byte
	if l.signers != nil {
		var err error
		if proof, err = l.signers[n%len(l.signers)].sign(time.Now()); err != nil {
			return err
		}
	}
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	return c.ask(token, proof, l.job.Bytes)
}

// clientTLS is what the connections of a job are made with.
func clientTLS(j job) (*tls.Config, error) {
	config, err := certs.ClientTLS(j.CAFile)
	if err != nil {
		return nil, err
	}
	config.NextProtos = []string{"http/1.1"}
	config.ServerName = "localhost"
	if j.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(j.CertFile, j.KeyFile)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// connect opens the caller's connection.
func (c *caller) connect(ctx context.Context, config *tls.Config, address string) error {
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	c.conn, c.reader = conn.(*tls.Conn), bufio.NewReaderSize(conn, 32<<10)
	return nil
}

// sign makes the proofs of the next phase, if the job needs any.
func (l *load) sign(n int) (err error) {
	if l.signers != nil {
		l.proofs, err = signAll(l.signers, n)
	}
	return err
}

func (l *load) close() {
	for _, c := range l.callers {
		_ = c.conn.Close() // nothing is under way any more
	}
}

// measured is what a phase came to.
type measured struct {
	elapsed time.Duration
	times   histogram
}

// answer returns it in the form in which it is told.
func (m *measured) answer() answer {
	return answer{
		Count: int(m.times.total), Elapsed: m.elapsed,
		P50: m.times.quantile(0.50), P99: m.times.quantile(0.99),
	}
}

// phase has all callers ask for d. A read that began within d counts.
func (l *load) phase(d time.Duration) (*measured, error) {
	var next atomic.Int64
	var stop atomic.Bool
	var wait sync.WaitGroup
	faults := make([]error, len(l.callers))
	start := time.Now()
	for i, c := range l.callers {
		c.times = histogram{}
		wait.Go(func() {
			if err := c.conn.SetDeadline(start.Add(d + patience)); err != nil {
				faults[i] = err
			}
			for now := start; faults[i] == nil && now.Sub(start) < d && !stop.Load(); {
				n := int(next.Add(1)) - 1
				var token string
				if len(l.job.Tokens) > 0 {
					token = l.job.Tokens[n%len(l.job.Tokens)]
				}
				var proof []byte
				if l.signers != nil {
					if n >= len(l.proofs) {
						break // used up: the phase is over for everybody
					}
					proof = l.proofs[n]
				}
				faults[i] = c.ask(token, proof, l.job.Bytes)
				end := time.Now()
				c.times.record(end.Sub(now))
				now = end
			}
			stop.Store(true)
		})
	}
	wait.Wait()
	m := &measured{elapsed: time.Since(start)}
	for _, c := range l.callers {
		m.times.merge(&c.times)
	}
	// One is enough: when one caller fails, most do.
	for _, err := range faults {
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

// ask sends one request and reads its answer, of that length, to the end.
func (c *caller) ask(token string, proof []byte, length int) error {
	n, err := c.read(token, proof)
	if err == nil && n != length {
		err = fmt.Errorf("a body of %d bytes, not %d", n, length)
	}
	return err
}

// read sends one request, reads its answer to the end and returns its length.
func (c *caller) read(token string, proof []byte) (int, error) {
	c.buf = c.request.append(c.buf[:0], token, proof)
	if _, err := c.conn.Write(c.buf); err != nil {
		return 0, fmt.Errorf("send: %w", err)
	}
	return readResponse(c.reader, nil)
}

// once asks once over a connection of its own and returns the body.
func once(ctx context.Context, j job) ([]byte, error) {
	j.Callers = 1
	l := &load{job: j}
	defer l.close()
	if err := l.connect(ctx, func(int, *caller) error { return nil }); err != nil {
		return nil, err
	}
	c := l.callers[0]
	var token string
	var proof []byte
	if len(j.Tokens) > 0 {
		token = j.Tokens[0]
	}
	if len(j.Keys) > 0 {
		s, err := newSigner(j.Keys[0], j.URL, token)
		if err != nil {
			return nil, err
		}
		if proof, err = s.sign(time.Now()); err != nil {
			return nil, err
		}
	}
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(c.request.append(nil, token, proof)); err != nil {
		return nil, err
	}
	var body bytes.Buffer
	_, err := readResponse(c.reader, &body)
	return body.Bytes(), err
}
