package services

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// RedisConfig says how to run a private Redis. The zero value is usable.
type RedisConfig struct {
	// Dir is the folder for redis.log; it must exist. Empty discards the log.
	Dir string
	// Port is the TCP port on 127.0.0.1; 0 picks a free one.
	Port int
	// ClusterDir makes the server a node of a Redis Cluster, which is alone and
	// owns no slot until somebody says so; it keeps its own configuration in
	// that folder, which must exist. It needs redis-server 7 or later.
	ClusterDir string
	// Password replaces the generated one: nodes of a cluster share theirs.
	Password string
	// ForceEmbedded uses the server in this process even where a real one is
	// installed.
	ForceEmbedded bool
}

// Redis is a running private Redis: a child process, or a stand-in inside this
// process. It keeps nothing on disk. Its methods are safe for concurrent use.
type Redis struct {
	kind     string
	port     int
	password string
	child    *child               // nil when embedded
	embedded *miniredis.Miniredis // nil when a child

	done    chan struct{} // closed when the server has ended
	once    sync.Once     // guards the end
	ticking sync.WaitGroup
	mu      sync.Mutex
	asked   bool // Stop or Kill was called; guarded by mu
}

// StartRedis starts redis-server or valkey-server if FindRedis finds one, else
// the stand-in, and returns when it answers. Kind tells which it is. ctx
// limits the start only. The error wraps ErrPortInUse when the port asked for
// is taken.
//
// The server listens on 127.0.0.1 and asks for a generated password, which is
// part of URL.
func StartRedis(ctx context.Context, cfg RedisConfig) (*Redis, error) {
	binary, err := FindRedis()
	if err != nil && !errors.Is(err, ErrNoRedis) {
		return nil, err
	}
	var r *Redis
	err = onPort(cfg.Port, func(port int) (err error) {
		if binary.Path == "" || cfg.ForceEmbedded {
			r, err = startEmbedded(port)
		} else {
			r, err = startServer(ctx, binary, port, cfg)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("start Redis: %w", err)
	}
	return r, nil
}

// serverSettings are read by the server from its standard input, so that the
// password is neither on the command line, where every user sees it, nor in a
// file. Without persistence there is nothing to write and no folder to own; the
// name is one that no file has, as the server would begin with what it finds.
const serverSettings = `bind 127.0.0.1
port %d
requirepass %s
save ""
dbfilename %s.rdb
appendonly no
daemonize no
tcp-backlog 128
`

// nodeSettings come on top of those for a node of a cluster.
const nodeSettings = `cluster-enabled yes
dir "%s"
cluster-config-file nodes.conf
cluster-port %d
cluster-node-timeout 5000
`

func startServer(ctx context.Context, binary RedisBinary, port int, cfg RedisConfig) (*Redis, error) {
	r := &Redis{kind: binary.Name + " " + binary.Version, port: port, password: cmp.Or(cfg.Password, rand.Text()), done: make(chan struct{})}
	settings := fmt.Sprintf(serverSettings, port, r.password, rand.Text())
	if cfg.ClusterDir != "" {
		bus, err := freePort()
		if err != nil {
			return nil, err
		}
		settings += fmt.Sprintf(nodeSettings, cfg.ClusterDir, bus)
	}
	cmd := exec.Command(binary.Path, "-")
	cmd.Stdin = strings.NewReader(settings)
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
	cmd.Dir = "/"

	// The server writes to a file of ours and not to a pipe: it must not block
	// when nobody reads.
	name := os.DevNull
	if cfg.Dir != "" {
		name = filepath.Join(cfg.Dir, "redis.log")
	}
	log, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log

	// Nothing in it is worth an orderly end when we die.
	if r.child, err = startChild(cmd, nil, syscall.SIGKILL); err != nil {
		return nil, err
	}
	go func() {
		<-r.child.done
		close(r.done)
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("not ready after %s", readyTimeout))
	defer cancel()
	err = poll(ctx, 5*time.Millisecond, func() (bool, error) {
		if r.child.gone() {
			// The log may be discarded; a lost port is the one cause that is
			// worth telling apart, and it can be looked up.
			if err := checkPort(port); err != nil {
				return false, err
			}
			return false, fmt.Errorf("%s ended at once: %w: %s", binary.Path, ended(r.child.err), lastLogLines(name))
		}
		return ping(ctx, port, r.password) == nil, nil
	})
	if err != nil {
		r.Kill()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return r, nil
}

// ping asks for a PONG over a connection of its own. Being let in with a
// password that was made a moment ago also proves that it is our server which
// answers on the port.
func ping(ctx context.Context, port int, password string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", loopback(port))
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\n*1\r\n$4\r\nPING\r\n", len(password), password); err != nil {
		return err
	}
	answers := bufio.NewReader(io.LimitReader(conn, 1024))
	for _, want := range []string{"+OK\r\n", "+PONG\r\n"} {
		got, err := answers.ReadString('\n')
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("unexpected answer %q", got)
		}
	}
	return nil
}

func startEmbedded(port int) (*Redis, error) {
	r := &Redis{
		kind: "embedded (miniredis, inside this process)", port: port, password: rand.Text(),
		embedded: miniredis.NewMiniRedis(), done: make(chan struct{}),
	}
	r.embedded.RequireAuth(r.password)
	if err := r.embedded.StartAddr(loopback(port)); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, portInUse(port)
		}
		return nil, err
	}
	// Its clock for expiry stands still unless moved. Moving it walks all
	// keys, which once a second is nothing and on every command would not be.
	r.ticking.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-r.done:
				return
			case <-tick.C:
				r.embedded.FastForward(time.Second)
			}
		}
	})
	return r, nil
}

// Kind says what runs, for the line that is printed: "redis-server 7.0.15",
// "valkey-server 8.0.1" or "embedded (miniredis, inside this process)".
func (r *Redis) Kind() string { return r.kind }

// Embedded reports whether the server is the stand-in inside this process,
// which lacks parts of the real one.
func (r *Redis) Embedded() bool { return r.embedded != nil }

// URL returns redis://:password@127.0.0.1:port/0.
func (r *Redis) URL() string {
	u := url.URL{Scheme: "redis", User: url.UserPassword("", r.password), Host: loopback(r.port), Path: "/0"}
	return u.String()
}

// Port returns the TCP port.
func (r *Redis) Port() int { return r.port }

// PID returns the process id of the server, 0 when it is embedded.
func (r *Redis) PID() int {
	if r.child == nil {
		return 0
	}
	return r.child.pid
}

// Done is closed when the server has ended, asked or not.
func (r *Redis) Done() <-chan struct{} { return r.done }

// Err returns nil while the server runs and after Stop or Kill, and otherwise
// why it ended by itself.
func (r *Redis) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked || r.child == nil || !r.child.gone() {
		return nil
	}
	return fmt.Errorf("%s (process %d) ended by itself: %w", r.kind, r.child.pid, ended(r.child.err))
}

// Stop ends the server; when ctx ends first, the hard way. Nothing of it runs
// when Stop returns. Further calls do nothing.
func (r *Redis) Stop(ctx context.Context) {
	r.end(func() { r.child.stop(ctx, step{syscall.SIGTERM, immediateGrace}) })
}

// Kill ends the server as a crash would, for fault tests. The embedded one
// just closes. Further calls do nothing.
func (r *Redis) Kill() { r.end(func() { r.child.stop(context.Background()) }) }

func (r *Redis) end(endChild func()) {
	r.mu.Lock()
	r.asked = true
	r.mu.Unlock()
	r.once.Do(func() {
		if r.embedded != nil {
			close(r.done)
			r.ticking.Wait()
			r.embedded.Close()
			return
		}
		endChild()
		<-r.done
	})
}
