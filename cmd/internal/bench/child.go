package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"time"
)

// childVariable makes a process of this program one of the parts below.
const childVariable = "HEADGATE_BENCH_PART"

// The parts that are processes of their own.
const (
	partLoad    = "load"    // the load generator of Run
	partRate    = "rate"    // the load generator of Load
	partGateway = "gateway" // the gateway of Load
)

// Child makes this process a part of a run if Run or Load started it as one,
// and then does not return. A program that calls them calls it first in main.
func Child() {
	part := os.Getenv(childVariable)
	if part == "" {
		return
	}
	serve := map[string]func(io.Reader, io.Writer) error{partLoad: serveJobs, partRate: serveRate, partGateway: serveGateway}[part]
	if serve == nil {
		serve = func(io.Reader, io.Writer) error { return errors.New(childVariable + " names no part of a run") }
	}
	if part != partGateway {
		// Collecting less often leaves more of the cores to what is measured.
		debug.SetGCPercent(400)
	}
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "headgate bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// The talk between the two: a job, an answer when it is prepared, an order to
// go, an answer with the outcome; then the next job. Tokens and keys travel in
// it, which is why it goes through pipes and not through arguments.

// order tells a prepared generator to measure.
type order struct{ Go bool }

// answer is what the generator says after each step.
type answer struct {
	Error    string // empty: the step is done
	Count    int
	Elapsed  time.Duration
	P50, P99 time.Duration
}

func serveJobs(in io.Reader, out io.Writer) error {
	orders, answers := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var j job
		err := orders.Decode(&j)
		if err == nil {
			err = serveJob(j, orders, answers)
		}
		if errors.Is(err, io.EOF) {
			return nil // the parent has no more to say
		}
		if err != nil {
			return err
		}
	}
}

// serveJob returns an error only when the talk itself is broken.
func serveJob(j job, orders *json.Decoder, answers *json.Encoder) error {
	l, err := prepare(context.Background(), j)
	if err != nil {
		return answers.Encode(answer{Error: err.Error()})
	}
	defer l.close()
	runtime.GC() // what preparing left behind is not collected on the clock
	if err := answers.Encode(answer{}); err != nil {
		return err
	}
	var o order
	if err := orders.Decode(&o); err != nil {
		return fmt.Errorf("wait for the order to go: %w", err)
	}
	if !o.Go {
		return errors.New("another order than to go")
	}
	m, err := l.phase(j.Measure)
	if err != nil {
		return answers.Encode(answer{Error: err.Error()})
	}
	return answers.Encode(m.answer())
}

// generator is the load generator as its parent sees it. Not safe for
// concurrent use.
type generator struct {
	ctx     context.Context // ends the process; kept to tell why it ended
	cmd     *exec.Cmd
	in      io.Closer
	orders  *json.Encoder
	answers *json.Decoder
}

// child prepares a process of this program that is a part of a run. It ends
// with ctx.
func child(ctx context.Context, part string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childVariable+"="+part)
	cmd.Stderr = os.Stderr
	return cmd, nil
}

// startGenerator starts it; it lives until close or until ctx ends.
func startGenerator(ctx context.Context) (*generator, error) {
	cmd, err := child(ctx, partLoad)
	if err != nil {
		return nil, fmt.Errorf("start load generator: %w", err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start load generator: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start load generator: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start load generator: %w", err)
	}
	return &generator{ctx: ctx, cmd: cmd, in: in, orders: json.NewEncoder(in), answers: json.NewDecoder(out)}, nil
}

// prepare returns when the job's connections are open and warm.
func (g *generator) prepare(j job) error {
	_, err := g.say(j)
	return err
}

// measure runs the prepared job.
func (g *generator) measure() (answer, error) { return g.say(order{Go: true}) }

func (g *generator) say(what any) (answer, error) {
	var a answer
	err := g.orders.Encode(what)
	if err == nil {
		err = g.answers.Decode(&a)
	}
	switch {
	case g.ctx.Err() != nil:
		return answer{}, g.ctx.Err()
	case err != nil:
		return answer{}, fmt.Errorf("the load generator is gone (does main call bench.Child first?): %w", err)
	case a.Error != "":
		return answer{}, errors.New(a.Error)
	}
	return a, nil
}

// close ends the process and waits for it.
func (g *generator) close() error {
	err := errors.Join(g.in.Close(), g.cmd.Wait())
	if g.ctx.Err() != nil {
		return nil // ended because the run was
	}
	return err
}
