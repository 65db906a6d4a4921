package services

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The PostgreSQL majors that the schema and the SQL are kept to.
const (
	oldestPostgres = 15
	newestPostgres = 18
)

// ErrNoPostgres says that no usable PostgreSQL server is installed. Its text
// names the choices; it is meant to be shown to the user as it is.
var ErrNoPostgres = errors.New(`no PostgreSQL server (15 to 18) was found on this machine. Choose one:
  1. install it:        sudo apt-get install postgresql   or   brew install postgresql@17
  2. let us install it: make services
  3. use your own:      --postgres-dsn 'postgres://user:password@host:5432/database'`)

// ErrNoRedis says that neither redis-server nor valkey-server is installed.
// Its text names the choices. Only tests insist on a real server; StartRedis
// falls back to the one in this process.
var ErrNoRedis = errors.New(`no Redis server was found on this machine. Choose one:
  1. install it:        sudo apt-get install redis-server   or   brew install redis
  2. let us install it: make services`)

// Binaries is a PostgreSQL installation that can run a server.
type Binaries struct {
	Dir     string // the folder that holds postgres and initdb, symbolic links resolved
	Version string // as the server prints it, for example "15.14"
	Major   int    // 15 to 18
}

// FindPostgres returns the first usable PostgreSQL installation: on PATH, then
// where Debian, RPM distributions, Homebrew and Postgres.app keep theirs (the
// newest major first), then .cache/postgres/bin of the checkout around the
// working directory, then searchExtra (folders that hold the binaries).
//
// It returns an error that wraps ErrNoPostgres when there is none; the error
// also names installations whose version is not one of 15 to 18.
func FindPostgres(searchExtra ...string) (Binaries, error) {
	return firstPostgres(postgresFolders(searchExtra))
}

func firstPostgres(dirs []string) (Binaries, error) {
	var refused []string
	for _, dir := range dirs {
		b, err := postgresIn(dir)
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			refused = append(refused, err.Error())
		default:
			return b, nil
		}
	}
	if len(refused) > 0 {
		return Binaries{}, fmt.Errorf("%w\nNot used: %s", ErrNoPostgres, strings.Join(refused, "; "))
	}
	return Binaries{}, ErrNoPostgres
}

// postgresFolders lists where to look, in order.
func postgresFolders(extra []string) []string {
	var dirs []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if filepath.IsAbs(dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",                               // Debian, Ubuntu
		"/usr/pgsql-*/bin",                                        // RPM packages of the PostgreSQL project
		"/usr/libexec/postgresql*",                                // Alpine
		"/opt/homebrew/opt/postgresql@*/bin",                      // Homebrew on Apple silicon
		"/usr/local/opt/postgresql@*/bin",                         // Homebrew on Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",         // Homebrew on Linux
		"/Applications/Postgres.app/Contents/Versions/[0-9]*/bin", // Postgres.app
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			continue // cannot be: the patterns are constants
		}
		slices.SortFunc(found, func(a, b string) int { return cmp.Compare(majorIn(b), majorIn(a)) })
		dirs = append(dirs, found...)
	}
	return append(append(dirs, cacheFolders("postgres/bin")...), extra...)
}

var number = regexp.MustCompile(`\d+`)

// majorIn returns the version in the name of an installation folder.
func majorIn(path string) int {
	n, err := strconv.Atoi(number.FindString(path))
	if err != nil {
		return 0
	}
	return n
}

// cacheFolders returns the folder below .cache where `make services` unpacks
// servers when it may not install them, in the checkout around the working
// directory: tests run in the folder of their package, not at its top.
func cacheFolders(name string) []string {
	dir, err := os.Getwd()
	if err != nil {
		return nil
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return []string{filepath.Join(dir, ".cache", name)}
		}
		up := filepath.Dir(dir)
		if up == dir {
			return nil
		}
		dir = up
	}
}

// postgresIn looks at one folder. It returns an error that wraps
// os.ErrNotExist when there is no server in it (the client alone does not
// count).
func postgresIn(dir string) (Binaries, error) {
	server, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if err != nil {
		return Binaries{}, os.ErrNotExist
	}
	b := Binaries{Dir: filepath.Dir(server)}
	if _, err := os.Stat(filepath.Join(b.Dir, "initdb")); err != nil {
		return Binaries{}, os.ErrNotExist
	}
	if b.Version, err = versionOf(server); err != nil {
		return Binaries{}, err
	}
	b.Major = majorIn(b.Version)
	if b.Major < oldestPostgres || b.Major > newestPostgres {
		return Binaries{}, fmt.Errorf("%s is PostgreSQL %s (supported: %d to %d)", server, b.Version, oldestPostgres, newestPostgres)
	}
	return b, nil
}

// A version as the servers print it: "postgres (PostgreSQL) 15.14 (Debian …)",
// "postgres (PostgreSQL) 19beta1", "Redis server v=7.0.15 sha=…".
var version = regexp.MustCompile(`(?:\) |v=)(\d+(?:\.\d+)*)`)

// versionOf asks a server binary for its version.
func versionOf(binary string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "--version")
	// A wrapper that leaves a grandchild with our pipe must not hang the search.
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w: %s", binary, err, strings.TrimSpace(string(out)))
	}
	m := version.FindSubmatch(out)
	if m == nil {
		return "", fmt.Errorf("%s --version: no version in %q", binary, out)
	}
	return string(m[1]), nil
}

// RedisBinary is a Redis-compatible server that is installed.
type RedisBinary struct {
	Path    string // absolute, symbolic links not resolved
	Name    string // "redis-server" or "valkey-server"
	Version string // as the server prints it, for example "7.0.15"
}

// FindRedis returns redis-server, else valkey-server, from PATH or from
// .cache/redis/bin of the checkout around the working directory. It returns an
// error that wraps ErrNoRedis when there is none that runs.
func FindRedis() (RedisBinary, error) {
	return firstRedis(append(filepath.SplitList(os.Getenv("PATH")), cacheFolders("redis/bin")...))
}

func firstRedis(dirs []string) (RedisBinary, error) {
	var refused []string
	for _, name := range []string{"redis-server", "valkey-server"} {
		for _, dir := range dirs {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || !filepath.IsAbs(path) {
				continue
			}
			v, err := versionOf(path)
			if err != nil {
				refused = append(refused, err.Error())
				continue
			}
			return RedisBinary{Path: path, Name: name, Version: v}, nil
		}
	}
	if len(refused) > 0 {
		return RedisBinary{}, fmt.Errorf("%w\nNot used: %s", ErrNoRedis, strings.Join(refused, "; "))
	}
	return RedisBinary{}, ErrNoRedis
}
