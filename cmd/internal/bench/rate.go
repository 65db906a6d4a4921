package bench

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// rateJob is a load at a constant rate as its generator gets to know it. It
// holds tokens and keys, which is why it goes through a pipe.
type rateJob struct {
	Address, CAFile string
	// As in job; no scheme is DPoP.
	CertFile, KeyFile, Scheme string
	Callers                   int // connections
	Rate                      int // reads a second
	Measure                   time.Duration
	// Reads are made in turn. Before the clock starts each is made once, and
	// each connection makes one.
	Reads []rateRead
}

// rateRead is one thing to read.
type rateRead struct {
	Path  string // with query
	URL   string // what its proofs name
	Token string
	Key   []byte // PKCS #8, what the token is bound to; nil for a certificate
}

// rateAnswer is what a load came to.
type rateAnswer struct {
	Error string // why it could not be made; empty: it was
	// Warm is how many reads were made before the clock started; all were
	// answered with data, or Error says so.
	Warm    int
	Count   int           // reads on the clock, answered or not
	Partial int           // answered with data that is not all that was asked for (206)
	Elapsed time.Duration // from the first one's time to the last answer
	// Faults counts those that were not answered with data, by what came
	// instead: status and FDX code, or no answer.
	Faults map[string]int
	// From the time at which a read was due to the last byte of its answer.
	P50, P95, P99, Longest time.Duration
	// Late is how many had to wait for a connection.
	Late int
}

// rateTimeout bounds one read, so that a server that hangs is counted and
// not waited for.
const rateTimeout = 10 * time.Second

// serveRate makes the one load that it is told of.
func serveRate(in io.Reader, out io.Writer) error {
	var j rateJob
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return fmt.Errorf("read the load to make: %w", err)
	}
	a, err := j.run(context.Background())
	if err != nil {
		a = rateAnswer{Error: err.Error()}
	}
	return json.NewEncoder(out).Encode(a)
}

// run makes the load. The load is open: read n is due n/Rate seconds after
// the start, whatever became of those before it, and its time counts from
// when it was due. A server that stalls is therefore charged for all the
// reads that wait meanwhile, which one that is asked again only after it
// answered would be spared.
func (j rateJob) run(ctx context.Context) (rateAnswer, error) {
	dialled := job{Address: j.Address, CAFile: j.CAFile, CertFile: j.CertFile, KeyFile: j.KeyFile}
	config, err := clientTLS(dialled)
	if err != nil {
		return rateAnswer{}, err
	}
	signers := make([]*signer, len(j.Reads))
	for i, r := range j.Reads {
		if r.Key == nil {
			continue
		}
		if signers[i], err = newSigner(r.Key, r.URL, r.Token); err != nil {
			return rateAnswer{}, err
		}
	}
	asking := make([]*rateCaller, j.Callers)
	first := func(n int) error { // before the clock starts
		i := n % len(j.Reads)
		err := asking[n%len(asking)].try(i, func() {})
		if err == nil || partial(err) {
			return nil
		}
		path, _, _ := strings.Cut(j.Reads[i].Path, "?")
		return fmt.Errorf("before the clock starts, GET %s: %w", path, err)
	}
	for i := range asking {
		c := &rateCaller{job: j, signers: signers, config: config, faults: map[string]int{}}
		c.request = request{interaction: uuid.NewString(), scheme: cmp.Or(j.Scheme, "DPoP")}
		if err := c.connect(ctx, config, j.Address); err != nil {
			return rateAnswer{}, fmt.Errorf("connect: %w", err)
		}
		defer func() { _ = c.conn.Close() }() // nothing is under way any more
		asking[i] = c
		if err := first(i); err != nil { // at once: see load.connect
			return rateAnswer{}, err
		}
	}
	made := max(len(asking), len(j.Reads))
	for n := len(asking); n < made; n++ {
		if err := first(n); err != nil {
			return rateAnswer{}, err
		}
	}

	var next atomic.Int64
	var wait sync.WaitGroup
	total := int64(j.Measure.Seconds() * float64(j.Rate))
	start := time.Now().Add(20 * time.Millisecond) // so that somebody waits for the first one
	for _, c := range asking {
		wait.Go(func() {
			for n := next.Add(1) - 1; n < total; n = next.Add(1) - 1 {
				c.readAt(ctx, int(n%int64(len(j.Reads))), start.Add(time.Duration(n)*time.Second/time.Duration(j.Rate)))
			}
		})
	}
	wait.Wait()
	a := rateAnswer{Warm: made, Elapsed: time.Since(start), Faults: map[string]int{}}
	var times histogram
	for _, c := range asking {
		times.merge(&c.times)
		for what, n := range c.faults {
			a.Faults[what] += n
		}
		a.Late += c.late
		a.Partial += c.partial
		a.Longest = max(a.Longest, c.longest)
	}
	a.Count = int(times.total)
	a.P50, a.P95, a.P99 = times.quantile(0.50), times.quantile(0.95), times.quantile(0.99)
	return a, nil
}

// rateCaller is one connection of a load. Whoever is free takes the next read
// and waits until it is due, so a read is late only when none is free.
type rateCaller struct {
	caller
	job     rateJob
	signers []*signer
	config  *tls.Config
	faults  map[string]int
	partial int
	late    int
	longest time.Duration
}

// readAt makes read i when it is due, and counts it.
func (c *rateCaller) readAt(ctx context.Context, i int, due time.Time) {
	err := c.try(i, func() {
		ahead := time.Until(due)
		if ahead <= 0 {
			c.late++
		}
		time.Sleep(ahead)
	})
	took := time.Since(due)
	c.times.record(took)
	c.longest = max(c.longest, took)
	switch {
	case err == nil:
		return
	case partial(err):
		c.partial++
		return
	}
	c.faults[named(err)]++
	if _, refused := errors.AsType[*refusal](err); !refused {
		// Nobody knows what the connection holds. When there is no other one
		// either, the next read says so.
		_ = c.conn.Close()
		_ = c.connect(ctx, c.config, c.job.Address)
	}
}

// try signs a proof for read i, waits until wait returns and makes it.
func (c *rateCaller) try(i int, wait func()) error {
	r := c.job.Reads[i]
	var proof []byte
	if s := c.signers[i]; s != nil {
		var err error
		if proof, err = s.sign(time.Now()); err != nil {
			return err
		}
	}
	c.request.path = r.Path
	wait()
	if err := c.conn.SetDeadline(time.Now().Add(rateTimeout)); err != nil {
		return err
	}
	_, err := c.read(r.Token, proof)
	return err
}

// partial tells an answer that holds a part of what was asked for.
func partial(err error) bool {
	r, refused := errors.AsType[*refusal](err)
	return refused && strings.HasPrefix(r.status, "206 ")
}

// named says in a few words what came instead of data.
func named(err error) string {
	r, refused := errors.AsType[*refusal](err)
	if !refused {
		return "no answer"
	}
	status, _, _ := strings.Cut(r.status, " ")
	var body struct {
		Code json.RawMessage `json:"code"`
	}
	if json.Unmarshal(r.body, &body) != nil || len(body.Code) == 0 {
		return "status " + status
	}
	return fmt.Sprintf("status %s, FDX code %s", status, bytes.Trim(body.Code, `"`))
}
