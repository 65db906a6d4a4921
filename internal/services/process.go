package services

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// child is a process that we started and have to wait for.
type child struct {
	pid  int
	done chan struct{} // closed when the process has gone
	err  error         // how it ended; written before done is closed
}

// startChild starts cmd in a process group of its own, so that Ctrl-C on the
// terminal reaches us first and we decide the order of the shutdown. On Linux
// the child gets onDeath when we die, whatever the cause.
//
// The kernel ties that signal to the thread that forked, not to the process:
// the goroutine below keeps its thread for as long as the child lives, or the
// Go runtime retiring an idle thread would stop the server.
func startChild(cmd *exec.Cmd, as *account, onDeath syscall.Signal) (*child, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as.credential()}
	dieWithParent(cmd.SysProcAttr, onDeath)

	c := &child{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		c.pid = cmd.Process.Pid
		started <- nil
		c.err = cmd.Wait()
		close(c.done)
	}()
	if err := <-started; err != nil {
		if as != nil {
			return nil, fmt.Errorf("start %s as user %s (it must be able to read and enter every folder on that path): %w", cmd.Path, as.name, err)
		}
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return c, nil
}

// run runs cmd to its end like startChild and returns what it printed.
func run(ctx context.Context, cmd *exec.Cmd, as *account) (string, error) {
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	c, err := startChild(cmd, as, syscall.SIGKILL)
	if err != nil {
		return "", err
	}
	select {
	case <-c.done:
		return out.String(), c.err
	case <-ctx.Done():
		c.signal(syscall.SIGKILL)
		<-c.done
		return out.String(), ctx.Err()
	}
}

// gone reports whether the process has ended.
func (c *child) gone() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// signal sends s unless the process has been waited for: after that its pid
// may belong to somebody else.
func (c *child) signal(s syscall.Signal) {
	if !c.gone() {
		// ESRCH is all that can happen, and it means the same as gone.
		_ = syscall.Kill(c.pid, s)
	}
}

// step is one attempt at ending a process.
type step struct {
	signal syscall.Signal
	grace  time.Duration
}

// stop goes through the steps until the process has gone, and past the last
// one with SIGKILL. A ctx that ends cuts the first step short only: the later
// ones are what makes sure that nothing stays behind.
func (c *child) stop(ctx context.Context, steps ...step) {
	for _, s := range steps {
		c.signal(s.signal)
		wait, cancel := context.WithTimeout(ctx, s.grace)
		select {
		case <-c.done:
		case <-wait.Done():
		}
		cancel()
		if c.gone() {
			return
		}
		ctx = context.WithoutCancel(ctx)
	}
	c.signal(syscall.SIGKILL)
	<-c.done
}

// poll calls ready at once and then every interval until it reports true or an
// error, or ctx ends.
func poll(ctx context.Context, every time.Duration, ready func() (bool, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		ok, err := ready()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
