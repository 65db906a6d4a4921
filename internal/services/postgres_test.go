package services

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// reachableDir returns the path of a state folder that does not exist yet,
// below a parent that every user can pass (t.TempDir is closed to the account
// that the server runs as when we are root).
func reachableDir(t *testing.T) string {
	t.Helper()
	parent, err := os.MkdirTemp("", "hg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	if err := os.Chmod(parent, 0o711); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(parent, "pg")
}

func binaries(t *testing.T) Binaries {
	t.Helper()
	b, err := FindPostgres()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// startCluster starts a cluster and stops it when the test ends.
func startCluster(t *testing.T, cfg PostgresConfig) *Postgres {
	t.Helper()
	cfg.Binaries = binaries(t)
	p, err := StartPostgres(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// query runs one statement through the simple query protocol and returns the
// first column of the last row. This package must not link a client library.
func query(t *testing.T, p *Postgres, sql string) string {
	t.Helper()
	conn, auth := dialPostgres(t, p)
	if auth != 0 {
		t.Fatalf("the server asks for authentication %d", auth)
	}
	fmt.Fprintf(conn, "Q%s%s\x00", binary.BigEndian.AppendUint32(nil, uint32(4+len(sql)+1)), sql)
	value := ""
	for ready := 0; ready < 2; { // one after the start, one after the statement
		kind, body := readMessage(t, conn)
		switch kind {
		case 'E':
			t.Fatalf("%s: %q", sql, body)
		case 'Z':
			ready++
		case 'D':
			n := binary.BigEndian.Uint32(body[2:])
			value = string(body[6 : 6+n])
		}
	}
	return value
}

// dialPostgres opens a session and returns the kind of authentication that the
// server asks for: 0 none, 10 SASL.
func dialPostgres(t *testing.T, p *Postgres) (net.Conn, uint32) {
	t.Helper()
	u, err := url.Parse(p.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	network, address := "tcp", u.Host
	if dir := u.Query().Get("host"); dir != "" {
		network, address = "unix", filepath.Join(dir, ".s.PGSQL.5432")
	}
	conn, err := net.DialTimeout(network, address, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	body := "\x00\x03\x00\x00user\x00headgate\x00database\x00postgres\x00\x00"
	fmt.Fprintf(conn, "%s%s", binary.BigEndian.AppendUint32(nil, uint32(4+len(body))), body)
	kind, answer := readMessage(t, conn)
	if kind != 'R' {
		t.Fatalf("start of a session: %c %q", kind, answer)
	}
	return conn, binary.BigEndian.Uint32(answer)
}

func readMessage(t *testing.T, r io.Reader) (byte, []byte) {
	t.Helper()
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
	if _, err := io.ReadFull(r, body); err != nil {
		t.Fatal(err)
	}
	return head[0], body
}

// crash leaves things as a crash of this process would on a system without a
// parent-death signal: the server runs on, the lock is free.
func crash(p *Postgres) { p.folder.close() }

func TestThrowAwayClusterLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	p := startCluster(t, PostgresConfig{Dir: dir})

	if got := query(t, p, "SHOW fsync"); got != "off" {
		t.Errorf("fsync is %s", got)
	}
	if p.Port() != 0 {
		t.Errorf("a cluster without TCP has port %d", p.Port())
	}
	if got := query(t, p, "SHOW listen_addresses"); got != "" {
		t.Errorf("a cluster without TCP listens on %s", got)
	}
	sockets, err := os.Stat(p.host)
	if err != nil {
		t.Fatal(err)
	}
	if sockets.Mode().Perm() != 0o700 {
		t.Errorf("the socket folder is %v: nothing but its mode keeps others out", sockets.Mode())
	}
	select {
	case <-p.Done():
		t.Fatal("Done is closed while the server runs")
	default:
	}

	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if err := p.Err(); err != nil {
		t.Errorf("Err after Stop: %v", err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
	if err := syscall.Kill(p.PID(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d after Stop: %v", p.PID(), err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state folder after Stop: %v", err)
	}
}

func TestDurableClusterKeepsItsData(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	cfg := PostgresConfig{Dir: dir, Durable: true}

	p := startCluster(t, cfg)
	for setting, want := range map[string]string{"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"} {
		if got := query(t, p, "SHOW "+setting); got != want {
			t.Errorf("%s is %s", setting, got)
		}
	}
	query(t, p, "CREATE TABLE kept AS SELECT 42 AS n")
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	p = startCluster(t, cfg)
	if got := query(t, p, "SELECT n FROM kept"); got != "42" {
		t.Errorf("after a restart: %q", got)
	}

	// A server that dies by itself is noticed, and the next start recovers.
	syscall.Kill(p.PID(), syscall.SIGKILL)
	<-p.Done()
	if p.Err() == nil {
		t.Error("a server that was killed ended without an error")
	}
	p.Stop(t.Context())
	p = startCluster(t, cfg)
	if got := query(t, p, "SELECT n FROM kept"); got != "42" {
		t.Errorf("after a crash: %q", got)
	}
}

func TestTCPClusterAsksForThePassword(t *testing.T) {
	t.Parallel()
	p := startCluster(t, PostgresConfig{Dir: reachableDir(t), TCP: true})

	if _, auth := dialPostgres(t, p); auth != 10 {
		t.Errorf("authentication asked for is %d, want 10 (SASL, for SCRAM)", auth)
	}
	u, err := url.Parse(p.DSN("a b"))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	if u.Hostname() != "127.0.0.1" || u.Port() != strconv.Itoa(p.Port()) || u.Path != "/a b" || len(password) < 20 {
		t.Errorf("DSN has host %s, port %s, path %q, password of %d characters", u.Hostname(), u.Port(), u.Path, len(password))
	}
	info, err := os.Stat(p.folder.file(passwordName))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the password file is %v", info.Mode())
	}
	if _, err := os.Stat(p.folder.file(initPasswordName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy of the password for initdb: %v", err)
	}
	if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID())); err == nil && strings.Contains(string(line), password) {
		t.Error("the password is on the command line")
	}
}

func TestPortInUseIsNamed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port

	check := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrPortInUse) || !strings.Contains(err.Error(), strconv.Itoa(port)) {
			t.Errorf("%s: %v", what, err)
		}
	}
	dir := reachableDir(t)
	_, err = StartPostgres(t.Context(), PostgresConfig{Binaries: binaries(t), Dir: dir, TCP: true, Port: port})
	check("PostgreSQL", err)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state folder after a failed start of a throw-away cluster: %v", err)
	}
	_, err = StartRedis(t.Context(), RedisConfig{Port: port})
	check("Redis", err)
	_, err = StartRedis(t.Context(), RedisConfig{Port: port, ForceEmbedded: true})
	check("embedded Redis", err)

	// The port was free when it was picked and is taken when the server gets
	// to it: the same error, so that another one is picked.
	redis, err := FindRedis()
	if err != nil {
		t.Fatal(err)
	}
	_, err = startServer(t.Context(), redis, port, RedisConfig{})
	check("Redis, port lost", err)
	_, err = startEmbedded(port)
	check("embedded Redis, port lost", err)

	as, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	f, err := openFolder(dir, as)
	if err != nil {
		t.Fatal(err)
	}
	lost := &starter{cfg: PostgresConfig{Binaries: binaries(t), Progress: func(string) {}}, as: as, folder: f}
	defer lost.abandon()
	_, err = lost.launch(t.Context(), port)
	check("PostgreSQL, port lost", err)
}

func TestLostPortIsReplaced(t *testing.T) {
	t.Parallel()
	var tried []int
	err := onPort(0, func(port int) error {
		tried = append(tried, port)
		if len(tried) < 3 {
			return portInUse(port)
		}
		return nil
	})
	if err != nil || len(tried) != 3 {
		t.Errorf("%d ports tried, then %v", len(tried), err)
	}
	tried = nil
	err = onPort(0, func(port int) error {
		tried = append(tried, port)
		return portInUse(port)
	})
	if !errors.Is(err, ErrPortInUse) || len(tried) != portTries {
		t.Errorf("%d ports tried, then %v", len(tried), err)
	}
}

func TestSecondInstanceIsToldWhoHoldsTheFolder(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	p := startCluster(t, PostgresConfig{Dir: dir})

	_, err := StartPostgres(t.Context(), PostgresConfig{Binaries: binaries(t), Dir: dir})
	if !errors.Is(err, ErrFolderInUse) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("second start: %v", err)
	}
	if got := query(t, p, "SELECT 1"); got != "1" {
		t.Errorf("the first instance after the second start: %q", got)
	}
}

func TestServerLeftByACrashIsStopped(t *testing.T) {
	t.Parallel()
	for _, durable := range []bool{true, false} {
		t.Run(fmt.Sprintf("durable=%v", durable), func(t *testing.T) {
			t.Parallel()
			var said lines
			cfg := PostgresConfig{Dir: reachableDir(t), Durable: durable, Progress: said.add}
			left := startCluster(t, cfg)
			query(t, left, "CREATE TABLE kept AS SELECT 1")
			crash(left)

			next := startCluster(t, cfg)
			select {
			case <-left.Done():
			case <-time.After(time.Minute):
				t.Fatal("the server of the crashed instance still runs")
			}
			if !said.contain(fmt.Sprintf("stopping process %d", left.PID())) {
				t.Errorf("progress: %q", said.all)
			}
			want := "0"
			if durable {
				want = "1"
			}
			if got := query(t, next, "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'"); got != want {
				t.Errorf("tables kept: %s, want %s", got, want)
			}
		})
	}
}

// After a power cut the pid in postmaster.pid may belong to anybody, and a
// server that finds that process alive refuses to start.
func TestPidOfAForeignProcessDoesNotBlockTheStart(t *testing.T) {
	t.Parallel()
	cfg := PostgresConfig{Dir: reachableDir(t), Durable: true}
	p := startCluster(t, cfg)
	data := p.folder.file(dataName)
	syscall.Kill(p.PID(), syscall.SIGKILL)
	<-p.Done()
	p.Stop(t.Context())

	as, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	// As the server's own account: the server ignores other people's processes.
	foreign, err := startChild(exec.Command(sleep, "600"), as, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.stop(context.Background())
	path := filepath.Join(data, "postmaster.pid")
	lines, err := pidFileLines(path)
	if err != nil {
		t.Fatal(err)
	}
	lines[0] = strconv.Itoa(foreign.pid)
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}

	p = startCluster(t, cfg)
	if got := query(t, p, "SELECT 1"); got != "1" {
		t.Errorf("got %q", got)
	}
	if foreign.gone() {
		t.Error("the foreign process was stopped")
	}
}

func TestDurableDataIsNeverThrownAway(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	p := startCluster(t, PostgresConfig{Dir: dir, Durable: true})
	query(t, p, "CREATE TABLE kept AS SELECT 42 AS n")
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	if _, err := StartPostgres(t.Context(), PostgresConfig{Binaries: binaries(t), Dir: dir}); !errors.Is(err, ErrDurableData) {
		t.Errorf("a throw-away cluster in the folder of a durable one: %v", err)
	}
	p = startCluster(t, PostgresConfig{Dir: dir, Durable: true})
	if got := query(t, p, "SELECT n FROM kept"); got != "42" {
		t.Errorf("afterwards: %q", got)
	}
}

// Written without fsync, the cluster must not pass for a durable one.
func TestThrowAwayDataIsNotKept(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	left := startCluster(t, PostgresConfig{Dir: dir})
	query(t, left, "CREATE TABLE kept AS SELECT 1")
	crash(left)
	p := startCluster(t, PostgresConfig{Dir: dir, Durable: true})
	if got := query(t, p, "SELECT count(*) FROM pg_tables WHERE tablename = 'kept'"); got != "0" {
		t.Errorf("%s tables of the throw-away cluster", got)
	}
	if _, err := os.Stat(p.folder.file(throwAwayName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the mark of a throw-away cluster: %v", err)
	}
}

func TestInterruptedStartLeavesNothingRunningAndCanBeRepeated(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	ctx, cancel := context.WithCancel(t.Context())
	cfg := PostgresConfig{Binaries: binaries(t), Dir: dir, Durable: true, Progress: func(line string) {
		if strings.Contains(line, "creating") {
			cancel()
		}
	}}
	if _, err := StartPostgres(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted start: %v", err)
	}
	p := startCluster(t, PostgresConfig{Dir: dir, Durable: true})
	if got := query(t, p, "SELECT 1"); got != "1" {
		t.Errorf("got %q", got)
	}
	if _, err := os.Stat(p.folder.file(newDataName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half-made cluster: %v", err)
	}
}

func TestDataOfAnotherMajorIsRefused(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	p := startCluster(t, PostgresConfig{Dir: dir, Durable: true})
	made := filepath.Join(p.folder.file(dataName), "PG_VERSION")
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(made, []byte("14\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := StartPostgres(t.Context(), PostgresConfig{Binaries: binaries(t), Dir: dir, Durable: true})
	if !errors.Is(err, ErrOtherMajor) {
		t.Errorf("got %v", err)
	}
}

func TestForeignFolderIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data"), []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := StartPostgres(t.Context(), PostgresConfig{Binaries: binaries(t), Dir: dir}); err == nil {
		t.Fatal("a folder with somebody's files was taken")
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the folder is %v, %v", info.Mode(), err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "data")); string(text) != "precious" {
		t.Errorf("its file holds %q, %v", text, err)
	}

	empty := filepath.Join(filepath.Dir(dir), "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(filepath.Dir(dir), "link")
	if err := os.Symlink(empty, link); err != nil {
		t.Fatal(err)
	}
	if _, err := StartPostgres(t.Context(), PostgresConfig{Binaries: binaries(t), Dir: link}); err == nil {
		t.Error("a symbolic link was taken for a state folder")
	}
}

// A Unix socket path has about 100 bytes; a checkout may lie deeper.
func TestLongPathGetsAShortSocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(reachableDir(t), strings.Repeat("a", 60), strings.Repeat("b", 60))
	for d := filepath.Dir(dir); strings.Contains(d, "a"); d = filepath.Dir(d) {
		defer os.Chmod(d, 0o711)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	p := startCluster(t, PostgresConfig{Dir: dir})
	if got := query(t, p, "SELECT 1"); got != "1" {
		t.Errorf("got %q", got)
	}
	if p.folder.path != dir || len(p.host) > maxSocketFolder {
		t.Errorf("state in %s, socket in %s", p.folder.path, p.host)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.host); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket folder after Stop: %v", err)
	}
}

func TestFolderThatTheServerCannotReachIsReplaced(t *testing.T) {
	t.Parallel()
	var said lines
	dir := filepath.Join(t.TempDir(), "pg")
	if err := os.Chmod(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := PostgresConfig{Dir: dir, Durable: true, Progress: said.add}
	p := startCluster(t, cfg)
	path := p.folder.path
	defer func() {
		p.Stop(context.Background())
		os.RemoveAll(path)
	}()
	query(t, p, "CREATE TABLE kept AS SELECT 1")
	if os.Geteuid() != 0 {
		if path != dir {
			t.Errorf("the data of an ordinary user is in %s", path)
		}
		return
	}
	if path == dir || !said.contain(path) {
		t.Errorf("the data is in %s, progress: %q", path, said.all)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	p = startCluster(t, cfg)
	if got := query(t, p, "SELECT count(*) FROM kept"); got != "1" {
		t.Errorf("after a restart: %q", got)
	}
}

// As root, the folder is ours and closed to everybody but the server's group,
// which may only pass; what the server writes to is a folder of its own.
func TestFolderIsPrivate(t *testing.T) {
	t.Parallel()
	p := startCluster(t, PostgresConfig{Dir: reachableDir(t)})
	wantOwner, wantMode := os.Geteuid(), os.FileMode(0o700)
	as, err := serverAccount()
	if err != nil {
		t.Fatal(err)
	}
	serverUID := wantOwner
	if as != nil {
		wantMode, serverUID = 0o710, int(as.uid)
	}
	check := func(path string, owner int, mode os.FileMode) {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		st := info.Sys().(*syscall.Stat_t)
		if info.Mode().Perm() != mode || int(st.Uid) != owner {
			t.Errorf("%s: mode %v, owner %d; want %v, %d", path, info.Mode().Perm(), st.Uid, mode, owner)
		}
	}
	check(p.folder.path, wantOwner, wantMode)
	check(p.folder.file(dataName), serverUID, 0o700)
	check(p.folder.file(passwordName), wantOwner, 0o600)
	check(p.LogFile(), wantOwner, 0o600)
}

// lines collects what Progress is told, from any goroutine.
type lines struct {
	mu  sync.Mutex
	all []string // guarded by mu
}

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line)
}

func (l *lines) contain(part string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(strings.Join(l.all, "\n"), part)
}
