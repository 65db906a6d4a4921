package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
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
	troubles(t, nil)
}

// ownNetwork is set where the tests run in a network of their own.
const ownNetwork = "HEADGATE_TEST_OWN_NETWORK"

// The same troubles, where packets are lost.
func TestProxyInItsOwnNetwork(t *testing.T) {
	t.Parallel()
	if os.Getenv(ownNetwork) != "" {
		lost, err := newPackets()
		if err != nil {
			t.Fatal(err)
		}
		troubles(t, lost)
		return
	}
	enter := []string{"unshare", "--net", "--", "sh", "-c", `ip link set lo up && nft list ruleset && exec "$@"`, "sh"}
	if err := exec.CommandContext(t.Context(), enter[0], append(enter[1:], "true")...).Run(); err != nil {
		t.Skip("packets can be lost only by root, with unshare, ip and nft:", err)
	}
	cmd := exec.CommandContext(t.Context(), enter[0], append(enter[1:], os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")...)
	cmd.Env = append(os.Environ(), ownNetwork+"=1")
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("%v\n%s", err, out)
	}
}

// troubles goes through all that a proxy does.
func troubles(t *testing.T, lost *packets) {
	t.Helper()
	address, heard := echo(t)
	p, err := newProxy("edge", address, lost)
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
	set := func(now trouble) {
		t.Helper()
		if err := p.set(now); err != nil {
			t.Fatal(err)
		}
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
		set(hole.trouble)
		if err := ask(c, r, 200*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
		if arrived := heard.Load() > before; arrived != hole.arrives {
			t.Errorf("%s: what was asked arrived: %t", name, arrived)
		}
		// Where packets are lost, nobody is there any more.
		late, err := net.DialTimeout("tcp", p.address(), 200*time.Millisecond)
		if taken := err == nil; taken != (lost == nil) || errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: a new connection: %v", name, err)
		}
		if late != nil {
			_ = late.Close()
		}
		set(trouble{})
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		if line, err := r.ReadString('\n'); line != "hello\n" {
			t.Errorf("%s: what was held does not come after it: %v", name, err)
		}
	}

	set(trouble{delay: 80 * time.Millisecond})
	begun := time.Now()
	if err := ask(c, r, time.Minute); err != nil || time.Since(begun) < 80*time.Millisecond {
		t.Error("delay:", err)
	}

	set(trouble{cut: 3})
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	_, _ = io.WriteString(c, "hello\n")
	got, err := io.ReadAll(r)
	if string(got) != "hel" || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("cut after three bytes: %q, %v", got, err)
	}

	set(trouble{})
	c, r = dial()
	if err := ask(c, r, time.Minute); err != nil {
		t.Fatal("passing again:", err)
	}
	set(trouble{refuse: true})
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
