package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// echo is a server that answers each line with itself. It counts the bytes that
// it hears.
func echo(t *testing.T) (address string, heard *atomic.Int64) {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	heard = new(atomic.Int64)
	go func() {
		for {
			c, err := socket.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close() //nolint:errcheck // of a test
				_, _ = io.Copy(c, io.TeeReader(c, counter{heard}))
			}()
		}
	}()
	return socket.Addr().String(), heard
}

// counter counts what is written to it.
type counter struct{ n *atomic.Int64 }

func (c counter) Write(text []byte) (int, error) {
	c.n.Add(int64(len(text)))
	return len(text), nil
}

func TestProxy(t *testing.T) {
	t.Parallel()
	address, heard := echo(t)
	p, err := newProxy("edge", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	dial := func() (net.Conn, *bufio.Reader) {
		t.Helper()
		c, err := net.Dial("tcp", p.address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c, bufio.NewReader(c)
	}
	ask := func(c net.Conn, r *bufio.Reader, patience time.Duration) error {
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(c, "hello\n"); err != nil {
			return err
		}
		line, err := r.ReadString('\n')
		if err == nil && line != "hello\n" {
			err = errors.New("another line")
		}
		return err
	}
	c, r := dial()
	if err := ask(c, r, time.Minute); err != nil {
		t.Fatal("passing:", err)
	}

	for name, hole := range map[string]struct {
		trouble
		arrives bool
	}{"black hole": {trouble{hold: true}, false}, "half of one": {trouble{mute: true}, true}} {
		before := heard.Load()
		p.set(hole.trouble)
		if err := ask(c, r, 200*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		if arrived := heard.Load() > before; arrived != hole.arrives {
			t.Errorf("%s: what was asked arrived: %t", name, arrived)
		}
		p.set(trouble{})
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		if line, err := r.ReadString('\n'); line != "hello\n" {
			t.Errorf("%s: what was held does not come after it: %v", name, err)
		}
	}

	p.set(trouble{delay: 80 * time.Millisecond})
	begun := time.Now()
	if err := ask(c, r, time.Minute); err != nil || time.Since(begun) < 80*time.Millisecond {
		t.Error("delay:", err)
	}

	p.set(trouble{cut: 3})
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	_, _ = io.WriteString(c, "hello\n")
	got, err := io.ReadAll(r)
	if string(got) != "hel" || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("cut after three bytes: %q, %v", got, err)
	}

	p.set(trouble{})
	c, r = dial()
	if err := ask(c, r, time.Minute); err != nil {
		t.Fatal("passing again:", err)
	}
	p.set(trouble{refuse: true})
	if err := ask(c, r, time.Minute); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("reset:", err)
	}
	// The reset may come as early as that.
	if late, err := net.Dial("tcp", p.address()); err == nil {
		defer late.Close() //nolint:errcheck // of a test
		if err := ask(late, bufio.NewReader(late), time.Minute); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("a new connection during reset:", err)
		}
	}
}
