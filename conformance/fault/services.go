package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ports are those that freePort has returned.
var ports sync.Map

// freePort returns a port of its own that nobody listens on, below those that the system
// hands out for connections: a server that is started again must find it free.
func freePort() (int, error) {
	for range 200 {
		var b [2]byte
		_, _ = rand.Read(b[:]) // never fails
		port := 17_000 + (int(b[0])<<8|int(b[1]))%13_000
		if _, given := ports.LoadOrStore(port, true); given {
			continue // whoever has it may not listen yet
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no free port")
}

// postgres is a PostgreSQL of our own.
type postgres struct {
	server
	bin  string // folder of its programs
	data string
	port int
	pass string
}

// findPostgres returns the folder that holds the server's programs.
func findPostgres() (string, error) {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", ".cache/postgres/bin"} {
		found, _ := filepath.Glob(pattern) // the patterns are good
		slices.Reverse(found)
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		path, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
		if err != nil {
			continue
		}
		if path, err = filepath.Abs(path); err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), "initdb")); err == nil {
			return filepath.Dir(path), nil
		}
	}
	return "", errors.New("no PostgreSQL was found: make services")
}

// account is who servers run as that refuse to run as root; nil is ourselves.
func account() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}

// newPostgres makes a cluster below dir and starts it. It keeps its promises
// about durability as it does out of the box.
func newPostgres(ctx context.Context, dir string) (*postgres, error) {
	bin, err := findPostgres()
	if err != nil {
		return nil, err
	}
	as, err := account()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(dir, "postgres")
	if err := os.Mkdir(home, 0o700); err != nil {
		return nil, err
	}
	p := &postgres{bin: bin, data: filepath.Join(home, "data"), pass: rand.Text()}
	pwfile := filepath.Join(home, "password")
	if err := os.WriteFile(pwfile, []byte(p.pass+"\n"), 0o600); err != nil {
		return nil, err
	}
	if as != nil {
		if err := errors.Join(os.Chown(home, int(as.Uid), int(as.Gid)), os.Chown(pwfile, int(as.Uid), int(as.Gid))); err != nil {
			return nil, err
		}
	}
	if p.port, err = freePort(); err != nil {
		return nil, err
	}
	initdb := server{name: "initdb", path: filepath.Join(bin, "initdb"), dir: dir, as: as, args: []string{
		"-D", p.data, "-U", "headgate", "-E", "UTF8", "--locale=C", "--auth=scram-sha-256", "--pwfile=" + pwfile, "--no-sync",
	}}
	if _, err := initdb.run(); err != nil {
		return nil, err
	}
	p.server = p.program("postgres", dir, as)
	if err := p.begin(ctx); err != nil {
		return nil, err
	}
	return p, p.exec(ctx, "postgres", "CREATE DATABASE headgate")
}

// program is the server over its data.
func (p *postgres) program(name, dir string, as *syscall.Credential, more ...string) server {
	return server{name: name, path: filepath.Join(p.bin, "postgres"), dir: dir, as: as, args: append([]string{
		"-D", p.data, "-p", strconv.Itoa(p.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "max_connections=150", "-c", "shared_buffers=64MB",
	}, more...)}
}

// standby starts a copy of p that follows it, and has p wait for it with every
// commit from now on. It returns when p does.
func (p *postgres) standby(ctx context.Context) (*postgres, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	name := "standby" + strconv.Itoa(port)
	c := &postgres{bin: p.bin, data: filepath.Join(filepath.Dir(p.data), name), port: port, pass: p.pass}
	take := server{name: "pg_basebackup", path: p.tool("pg_basebackup"), dir: p.dir, as: p.as,
		args: []string{"-d", p.dsn(""), "-D", c.data, "-R", "-X", "stream", "-c", "fast", "--no-sync"}}
	if _, err := take.run(); err != nil {
		return nil, err
	}
	c.server = c.program(name, p.dir, p.as, "-c", "cluster_name="+name)
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	// One after the other: the first cannot be part of a transaction.
	if err = p.exec(ctx, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '"+name+"'"); err == nil {
		err = p.exec(ctx, "postgres", "SELECT pg_reload_conf()")
	}
	if err != nil {
		return c, err
	}
	return c, await("a synchronous standby", time.Minute, func() bool {
		return p.exec(ctx, "postgres", "SELECT 1 / (SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync')") == nil
	})
}

// tool is where a program of the server would be.
func (p *postgres) tool(name string) string { return filepath.Join(p.bin, name) }

// promote has a standby take writes, whatever became of what it follows.
func (p *postgres) promote(ctx context.Context) error {
	return p.exec(ctx, "postgres", "SELECT pg_promote()")
}

// dsn names the database behind an address; "" is the server itself.
func (p *postgres) dsn(address string) string {
	if address == "" {
		address = net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port))
	}
	return "postgres://headgate:" + p.pass + "@" + address + "/headgate?sslmode=disable"
}

// begin starts the server and returns when it answers.
func (p *postgres) begin(ctx context.Context) error {
	if err := p.start(); err != nil {
		return err
	}
	return p.answers(ctx)
}

// answers returns when the server answers.
func (p *postgres) answers(ctx context.Context) error {
	return await("PostgreSQL", time.Minute, func() bool { return p.exec(ctx, "postgres", "SELECT 1") == nil })
}

// connect opens a connection of our own, past all proxies.
func (p *postgres) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, p.dsn(""))
}

// exec runs statements as one on a connection of its own. Those that change a
// table may meet readers who came the other way: then it tries again.
func (p *postgres) exec(ctx context.Context, database, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, strings.Replace(p.dsn(""), "/headgate?", "/"+database+"?", 1))
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is under way
	for range 5 {
		var refused *pgconn.PgError
		if _, err = conn.Exec(ctx, sql); !errors.As(err, &refused) || refused.Code != deadlock {
			break
		}
	}
	return err
}

// deadlock is the SQLSTATE of who was chosen to give way.
const deadlock = "40P01"

// family is the server and all its processes.
func (p *postgres) family() []int {
	if p.pid() == 0 {
		return nil
	}
	return append([]int{p.pid()}, children(p.pid())...)
}

// killAll kills every process of the server at once, so that none can say
// goodbye to the others.
func (p *postgres) killAll() {
	all := p.family()
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	for _, pid := range append(p.family(), all...) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	p.kill()
}

func (p *postgres) signalAll(sig syscall.Signal) {
	for _, pid := range p.family() {
		_ = syscall.Kill(pid, sig)
	}
}

// redis is a Redis of our own that keeps nothing.
type redis struct {
	server
	port int
}

func newRedis(dir string) (*redis, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if path, err = exec.LookPath("valkey-server"); err != nil {
			return nil, errors.New("no Redis was found: make services")
		}
	}
	r := &redis{}
	if r.port, err = freePort(); err != nil {
		return nil, err
	}
	r.server = server{name: "redis", path: path, dir: dir, args: []string{
		"--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir,
		"--enable-debug-command", "local",
		"--repl-diskless-load", "on-empty-db", // a copy would leave a file, with which it began again
	}}
	return r, r.begin()
}

// begin starts it, empty, and returns when it answers.
func (r *redis) begin() error {
	if err := r.start(); err != nil {
		return err
	}
	return await("Redis", time.Minute, func() bool { return r.do("PING") == nil })
}

// copied starts a copy of r, which follows it and has all that is in it.
func (r *redis) copied() (*redis, error) {
	c, err := newRedis(r.dir)
	if err != nil {
		return nil, err
	}
	// Without the first, a copy begins after five seconds.
	err = errors.Join(r.do("CONFIG SET repl-diskless-sync-delay 0"), c.do("REPLICAOF 127.0.0.1 "+strconv.Itoa(r.port)))
	if err != nil {
		return c, err
	}
	return c, c.caughtUp(r)
}

// caughtUp returns when a copy has all that is in the original.
func (r *redis) caughtUp(of *redis) error {
	return await("a copy of Redis", time.Minute, func() bool {
		return r.says("master_link_status:up") && r.offset("slave_repl_offset:") >= of.offset("master_repl_offset:")
	})
}

// says reports whether a text is in what it says about copies.
func (r *redis) says(text string) bool {
	return strings.Contains(r.replication(), text)
}

// offset is how much has been copied; -1 when it does not say.
func (r *redis) offset(name string) int64 {
	_, after, ok := strings.Cut(r.replication(), name)
	text, _, _ := strings.Cut(after, "\r")
	n, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil {
		return -1
	}
	return n
}

func (r *redis) replication() string {
	text, _ := r.ask("INFO replication") // nothing is said then
	return text
}

func (r *redis) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port)) }

// do sends one command of plain words.
func (r *redis) do(command string) error {
	_, err := r.ask(command)
	return err
}

// ask sends one command of plain words and returns the line or the text that
// is answered.
func (r *redis) ask(command string) (string, error) {
	c, err := net.DialTimeout("tcp", r.address(), time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close() //nolint:errcheck // of one command
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := fmt.Fprintf(c, "%s\r\n", command); err != nil {
		return "", err
	}
	from := bufio.NewReader(c)
	line, err := from.ReadString('\n')
	line = strings.TrimSpace(line)
	switch {
	case err != nil:
		return "", err
	case strings.HasPrefix(line, "-"):
		return "", errors.New(line[1:])
	case !strings.HasPrefix(line, "$"):
		return line, nil
	}
	n, err := strconv.Atoi(line[1:])
	if err != nil {
		return "", err
	}
	text := make([]byte, max(n, 0))
	_, err = io.ReadFull(from, text)
	return string(text), err
}
