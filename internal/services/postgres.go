package services

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	superuser = "headgate"

	dataName         = "data"
	newDataName      = "data.new"
	socketName       = "s"
	passwordName     = "password"
	initPasswordName = "password.init"
	logName          = "postgres.log"
	throwAwayName    = "throw-away" // marks a cluster that may be deleted

	// A Unix socket path has room for 103 bytes on BSD and macOS and for 107
	// on Linux; the server appends "/.s.PGSQL.5432" to its folder.
	maxSocketFolder = 103 - len("/.s.PGSQL.5432")
	socketPort      = 5432 // names the socket file, nothing listens on TCP

	// A machine under heavy load was seen to need 80 s for initdb and 2 s for
	// a start that takes 0.1 s otherwise. Waiting costs nothing: a server that
	// dies is noticed at once.
	readyTimeout = 120 * time.Second
	// A fast shutdown writes a checkpoint.
	shutdownGrace = 30 * time.Second
	// An immediate shutdown kills its own children after 5 s.
	immediateGrace = 8 * time.Second
)

// ErrOtherMajor says that the data folder was made by another major version of
// PostgreSQL, which cannot read it.
var ErrOtherMajor = errors.New("the data folder belongs to another PostgreSQL version")

// ErrDurableData says that a throw-away cluster was asked for in a folder that
// holds a durable one, which is not deleted for that.
var ErrDurableData = errors.New("the folder holds data that is to be kept")

// PostgresConfig says how to run a private cluster.
type PostgresConfig struct {
	// Binaries is what FindPostgres returned. Required.
	Binaries Binaries
	// Dir is the state folder: absent, empty, or one that a former start left.
	// Required. When we are root, the server runs as user postgres (else
	// nobody); if that user cannot reach Dir, a short folder below /var/tmp
	// stands in for it, the same one for the same Dir, and Progress says so.
	Dir string
	// Durable keeps the data when the cluster stops and writes it as safely
	// as PostgreSQL does by default. Without it the cluster is a throw-away:
	// it starts empty, runs without fsync and is deleted by Stop. What is
	// durable never becomes a throw-away (ErrDurableData).
	Durable bool
	// TCP serves 127.0.0.1 with SCRAM and a generated password, for tools that
	// run as other users. Without it there is only a socket in a folder that
	// nobody but us and the server may enter, and no password.
	TCP bool
	// Port is the TCP port; 0 picks a free one. Unused without TCP.
	Port int
	// Progress is told, in one line each, about steps that take time or that
	// the user ought to know. May be nil.
	Progress func(line string)
}

// Postgres is a running private cluster. Its methods are safe for concurrent
// use.
type Postgres struct {
	folder   *folder
	durable  bool
	child    *child
	log      string
	host     string // 127.0.0.1, or the socket folder
	port     int
	password string // empty on the socket

	stopping atomic.Bool
	stopped  chan struct{} // closed when Stop is through
}

// StartPostgres starts a cluster, creating it on the first start, and returns
// when it accepts connections. A server that a crash of ours left running on
// the same folder is stopped first.
//
// ctx limits the start only. The errors are ErrFolderInUse, ErrPortInUse,
// ErrOtherMajor, ErrDurableData, or carry the last lines of the server's log.
func StartPostgres(ctx context.Context, cfg PostgresConfig) (*Postgres, error) {
	if cfg.Binaries.Dir == "" || cfg.Dir == "" {
		return nil, errors.New("start PostgreSQL: Binaries and Dir are required")
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string) {}
	}
	p, err := startPostgres(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return p, nil
}

func startPostgres(ctx context.Context, cfg PostgresConfig) (_ *Postgres, err error) {
	as, err := serverAccount()
	if err != nil {
		return nil, err
	}
	path, err := statePath(cfg, as)
	if err != nil {
		return nil, err
	}
	f, err := openFolder(path, as)
	if err != nil {
		return nil, err
	}
	l := &starter{cfg: cfg, as: as, folder: f}
	defer func() {
		if err != nil {
			l.abandon()
		}
	}()

	if err := l.sweep(ctx); err != nil {
		return nil, err
	}
	if err := l.discardThrowAway(); err != nil {
		return nil, err
	}
	if !cfg.TCP {
		return l.launch(ctx, 0)
	}
	var p *Postgres
	err = onPort(cfg.Port, func(port int) (err error) {
		p, err = l.launch(ctx, port)
		return err
	})
	return p, err
}

// statePath returns the folder that the cluster lives in: Dir, or its stand-in
// when the account cannot reach Dir.
func statePath(cfg PostgresConfig, as *account) (string, error) {
	path, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	path = filepath.Join(parent, filepath.Base(path))
	if as == nil || passable(path, as) {
		return path, nil
	}
	short, err := shortFolder(path, as)
	if err != nil {
		return "", err
	}
	cfg.Progress(fmt.Sprintf("postgres: user %s cannot reach %s, the data is kept in %s", as.name, path, short))
	return short, nil
}

// starter holds what the steps of one start share.
type starter struct {
	cfg        PostgresConfig
	as         *account
	folder     *folder
	sockets    string
	ownSockets bool // sockets is outside the state folder
	password   string
	throwAway  bool // everything in the folder may be deleted
}

// abandon undoes what a failed start did. The log of a durable cluster stays
// for the reader.
func (l *starter) abandon() {
	if l.ownSockets {
		_ = os.RemoveAll(l.sockets)
	}
	if l.throwAway {
		_ = l.folder.remove()
		return
	}
	l.folder.close()
}

// discardThrowAway deletes a throw-away cluster that a crash left: written
// without fsync, nothing in it can be trusted. Then it marks the folder if the
// cluster to come is a throw-away.
func (l *starter) discardThrowAway() error {
	marker := l.folder.file(throwAwayName)
	_, err := os.Lstat(marker)
	switch {
	case err == nil:
		if err := l.folder.clear(); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case !l.cfg.Durable:
		if _, err := os.Lstat(l.folder.file(dataName)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %s: choose another folder, or delete it", ErrDurableData, l.folder.path)
		}
	}
	if l.cfg.Durable {
		return nil
	}
	l.throwAway = true
	return writeNew(marker, "", 0o600)
}

// sweep ends a server that a crash of ours left running. We hold the lock, so
// a server on this data folder cannot belong to a living instance.
func (l *starter) sweep(ctx context.Context) error {
	data := l.folder.file(dataName)
	pidFile := filepath.Join(data, "postmaster.pid")
	lines, err := pidFileLines(pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(lines[0])
	if err != nil || pid <= 1 {
		return nil // half written by a machine that went down: the server copes
	}
	if runsOn(pid, data) {
		l.cfg.Progress(fmt.Sprintf("postgres: stopping process %d, which a crash left running on %s", pid, data))
		return endOrphan(ctx, pid, data)
	}
	if syscall.Kill(pid, 0) != nil {
		return nil // dead: the server sees that by itself
	}
	// The pid went to a process that has nothing to do with this, and the
	// server would believe it to be its predecessor. It accepts its parent's
	// pid in the file as proof that the entry is stale. Deleting the file
	// instead would also lose the shared memory key in it, by which the server
	// notices children of its predecessor that still run.
	lines[0] = strconv.Itoa(os.Getpid())
	file, err := os.OpenFile(pidFile, os.O_WRONLY|os.O_TRUNC|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(strings.Join(lines, "\n"))
	return errors.Join(err, file.Close())
}

// endOrphan stops a server that is not our child, so that it can only be
// watched and not waited for.
func endOrphan(ctx context.Context, pid int, data string) error {
	for _, s := range []step{{syscall.SIGINT, shutdownGrace}, {syscall.SIGQUIT, immediateGrace}, {syscall.SIGKILL, immediateGrace}} {
		_ = syscall.Kill(pid, s.signal)
		wait, cancel := context.WithTimeout(ctx, s.grace)
		err := poll(wait, 20*time.Millisecond, func() (bool, error) { return !runsOn(pid, data), nil })
		cancel()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("process %d still runs on %s and cannot be stopped", pid, data)
}

// runsOn reports whether the process is a server that was started on the data
// folder. A zombie has no command line any more and does not count.
func runsOn(pid int, data string) bool {
	if _, err := os.Stat("/proc/self/cmdline"); err == nil {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return err == nil && strings.Contains(string(text)+"\x00", "\x00-D\x00"+data+"\x00")
	}
	text, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(text), " -D "+data+" ")
}

// pidFileLines returns the lines of postmaster.pid, at least one.
func pidFileLines(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return strings.Split(string(text), "\n"), nil
}

// prepare creates the cluster unless it exists, and the socket folder.
func (l *starter) prepare(ctx context.Context) error {
	if err := l.makeSocketFolder(); err != nil {
		return err
	}
	made, err := os.ReadFile(filepath.Join(l.folder.file(dataName), "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return l.initdb(ctx)
	}
	if err != nil {
		return err
	}
	if major := strings.TrimSpace(string(made)); major != strconv.Itoa(l.cfg.Binaries.Major) {
		return fmt.Errorf("%w: %s was made by %s, the one found is %s: install %s, or delete the folder to start anew",
			ErrOtherMajor, l.folder.path, major, l.cfg.Binaries.Version, major)
	}
	text, err := os.ReadFile(l.folder.file(passwordName))
	if err != nil {
		return fmt.Errorf("%w (delete %s to start anew)", err, l.folder.path)
	}
	l.password = strings.TrimSpace(string(text))
	return nil
}

// makeSocketFolder makes an empty folder for the socket that only we and the
// server can enter.
func (l *starter) makeSocketFolder() error {
	l.sockets = l.folder.file(socketName)
	if len(l.sockets) > maxSocketFolder {
		path, err := shortFolder(l.sockets, l.as)
		if err != nil {
			return err
		}
		if err := makePrivateSocketFolder(path); err != nil {
			return err
		}
		l.sockets, l.ownSockets = path, true
		return l.give(path)
	}
	if err := os.RemoveAll(l.sockets); err != nil {
		return err
	}
	if err := os.Mkdir(l.sockets, 0o700); err != nil {
		return err
	}
	return l.give(l.sockets)
}

// makePrivateSocketFolder replaces what a crash left under the name. Removing
// fails on what belongs to somebody else, and Mkdir on what is still there.
func makePrivateSocketFolder(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.Mkdir(path, 0o700)
}

// give hands a path to the account that the server runs as.
func (l *starter) give(path string) error {
	if l.as == nil {
		return nil
	}
	return os.Lchown(path, int(l.as.uid), int(l.as.gid))
}

// initdb creates the cluster beside its final place and moves it there when it
// is complete, so that an interrupted start leaves nothing half made.
func (l *starter) initdb(ctx context.Context) error {
	l.cfg.Progress(fmt.Sprintf("postgres: creating a PostgreSQL %s cluster in %s", l.cfg.Binaries.Version, l.folder.path))
	data := l.folder.file(newDataName)
	if err := os.RemoveAll(data); err != nil {
		return err
	}
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	if err := l.give(data); err != nil {
		return err
	}
	l.password = rand.Text()
	if err := writeNew(l.folder.file(passwordName), l.password, 0o600); err != nil {
		return err
	}
	// initdb runs as the account and cannot read our copy; the folder keeps
	// everybody else out.
	pwfile := l.folder.file(initPasswordName)
	if err := writeNew(pwfile, l.password, 0o600); err != nil {
		return err
	}
	defer os.Remove(pwfile)
	if err := l.give(pwfile); err != nil {
		return err
	}
	args := []string{
		"-D", data, "-U", superuser, "-E", "UTF8", "--locale=C",
		"--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile=" + pwfile,
	}
	if !l.cfg.Durable {
		args = append(args, "--no-sync")
	}
	defer l.reportWait("initdb")()
	out, err := run(ctx, l.command("initdb", args...), l.as)
	if err != nil {
		if strings.Contains(out, "could not look up effective user ID") {
			err = fmt.Errorf("user id %d has no entry in /etc/passwd, and PostgreSQL insists on one: add it, or run as another user", os.Geteuid())
		}
		return fmt.Errorf("initdb: %w\n%s", err, lastLines(out))
	}
	return os.Rename(data, l.folder.file(dataName))
}

// writeNew writes a file that must not be there before: nothing is followed,
// nobody else's file is filled with a secret.
func writeNew(path, text string, mode fs.FileMode) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text+"\n")
	return errors.Join(err, f.Close())
}

// reportWait tells Progress every ten seconds that a step still runs, until
// the function that it returns is called.
func (l *starter) reportWait(what string) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(10 * time.Second)
		defer tick.Stop()
		for n := 10; ; n += 10 {
			select {
			case <-done:
				return
			case <-tick.C:
				l.cfg.Progress(fmt.Sprintf("postgres: waiting for %s (%d s)", what, n))
			}
		}
	}()
	return func() { close(done); <-ended }
}

// command prepares a server binary with a small environment of its own: PGPORT
// and its like, which the user may have set for other clusters, must not reach
// it.
func (l *starter) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(l.cfg.Binaries.Dir, name), args...)
	cmd.Dir = l.sockets // the one folder that is sure to be the account's own
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "HOME=" + l.sockets, "PATH=" + os.Getenv("PATH")}
	return cmd
}

// errChildrenLeft says that a server that was killed has left processes which
// are still busy noticing it.
var errChildrenLeft = errors.New("processes of the former server still run")

// launch prepares and starts the server and waits until it accepts
// connections. Port 0 means the socket only. It returns ErrPortInUse when the
// port was lost; then it may be called again with another one.
func (l *starter) launch(ctx context.Context, port int) (p *Postgres, err error) {
	if err := l.prepare(ctx); err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	waited := poll(wait, 200*time.Millisecond, func() (bool, error) {
		p, err = l.serve(ctx, port)
		return !errors.Is(err, errChildrenLeft), nil
	})
	if waited != nil && err == nil {
		err = waited
	}
	return p, err
}

func (l *starter) serve(ctx context.Context, port int) (*Postgres, error) {
	p := &Postgres{
		folder: l.folder, durable: l.cfg.Durable, log: l.folder.file(logName),
		host: l.sockets, port: socketPort, stopped: make(chan struct{}),
	}
	data := l.folder.file(dataName)
	args := []string{"-D", data}
	set := func(name, value string) { args = append(args, "-c", name+"="+value) }
	if port == 0 {
		set("listen_addresses", "")
		set("unix_socket_directories", l.sockets)
		set("port", strconv.Itoa(socketPort))
	} else {
		p.host, p.port, p.password = "127.0.0.1", port, l.password
		set("listen_addresses", "127.0.0.1")
		set("unix_socket_directories", "")
		set("port", strconv.Itoa(port))
	}
	set("shared_buffers", "128MB")
	set("timezone", "UTC")
	set("log_timezone", "UTC")
	// The detail of a message quotes column values, which are people's data.
	set("log_error_verbosity", "terse")
	if l.cfg.Durable {
		set("max_connections", "100")
	} else {
		// Packages under test share one throw-away cluster, each with several
		// pools at a time.
		set("max_connections", "400")
		set("fsync", "off")
		set("synchronous_commit", "off")
		set("full_page_writes", "off")
	}

	log, err := os.OpenFile(p.log, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the server has its own copy
	cmd := l.command("postgres", args...)
	cmd.Stdout, cmd.Stderr = log, log
	// SIGINT asks for a fast shutdown: sessions are cut, the data is written.
	if p.child, err = startChild(cmd, l.as, syscall.SIGINT); err != nil {
		return nil, err
	}
	if err := l.awaitReady(ctx, p, data); err != nil {
		p.child.stop(ctx, step{syscall.SIGINT, immediateGrace}, step{syscall.SIGQUIT, immediateGrace})
		text := lastLogLines(p.log)
		if port != 0 && strings.Contains(text, "Address already in use") {
			return nil, portInUse(port)
		}
		if strings.Contains(text, "pre-existing shared memory block") {
			err = errChildrenLeft
		}
		return nil, fmt.Errorf("%w; the end of %s:\n%s", err, p.log, text)
	}
	return p, nil
}

// awaitReady polls the file in which the server notes its state.
func (l *starter) awaitReady(ctx context.Context, p *Postgres, data string) error {
	defer l.reportWait("the server")()
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("not ready after %s", readyTimeout))
	defer cancel()
	err := poll(ctx, 10*time.Millisecond, func() (bool, error) {
		if p.child.gone() {
			return false, fmt.Errorf("the server ended at once: %w", ended(p.child.err))
		}
		lines, err := pidFileLines(filepath.Join(data, "postmaster.pid"))
		// Line 1 is the pid, line 8 the state, padded with spaces.
		return err == nil && len(lines) > 7 && lines[0] == strconv.Itoa(p.child.pid) &&
			strings.TrimSpace(lines[7]) == "ready", nil
	})
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// ended gives a clean exit a text: it is a fault when nobody asked for it.
func ended(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// lastLogLines returns the end of a log file.
func lastLogLines(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return lastLines(string(text))
}

func lastLines(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

// DSN returns the connection URL for a database of the cluster, as superuser.
// A new cluster has the database postgres.
func (p *Postgres) DSN(database string) string {
	u := url.URL{Scheme: "postgres", Path: "/" + database}
	q := url.Values{"sslmode": {"disable"}}
	if p.password != "" {
		u.User = url.UserPassword(superuser, p.password)
		u.Host = loopback(p.port)
	} else {
		q.Set("user", superuser)
		q.Set("host", p.host)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// Port returns the TCP port, 0 when the cluster is on a socket only.
func (p *Postgres) Port() int {
	if p.password == "" {
		return 0
	}
	return p.port
}

// PID returns the process id of the server.
func (p *Postgres) PID() int { return p.child.pid }

// LogFile returns the path of the server's log. A throw-away cluster takes it
// along when it stops.
func (p *Postgres) LogFile() string { return p.log }

// Done is closed when the server has ended, asked or not.
func (p *Postgres) Done() <-chan struct{} { return p.child.done }

// Err returns nil while the server runs and after a Stop, and otherwise why it
// ended by itself.
func (p *Postgres) Err() error {
	if !p.child.gone() || p.stopping.Load() {
		return nil
	}
	return fmt.Errorf("PostgreSQL (process %d) ended by itself: %w; see %s", p.child.pid, ended(p.child.err), p.log)
}

// Stop cuts all sessions, writes the data and ends the server; when ctx ends
// first (or 30 s have passed), it is ended the hard way. Nothing of it runs
// when Stop returns. Further calls wait for the first and return nil.
func (p *Postgres) Stop(ctx context.Context) error {
	if p.stopping.Swap(true) {
		<-p.stopped
		return nil
	}
	defer close(p.stopped)
	p.child.stop(ctx, step{syscall.SIGINT, shutdownGrace}, step{syscall.SIGQUIT, immediateGrace})
	if p.ownsSocketFolder() {
		_ = os.RemoveAll(p.host)
	}
	if p.durable {
		p.folder.close()
		return nil
	}
	return p.folder.remove()
}

// ownsSocketFolder reports whether the socket is in a folder of its own
// outside the state folder.
func (p *Postgres) ownsSocketFolder() bool {
	return p.Port() == 0 && filepath.Dir(p.host) != p.folder.path
}
